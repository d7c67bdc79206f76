#include "base/dotenv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct dotenv d;
static struct error err;

static int teardown(void **state)
{
	(void)state;
	dotenv_free(&d);
	return 0;
}

static void parse(const char *text)
{
	dotenv_free(&d);
	if (!dotenv_parse(&d, text, &err))
		fail_msg("%s", err.text);
}

static void assert_value(const char *line, const char *value)
{
	parse(line);
	assert_int_equal(d.n, 1);
	assert_non_null(dotenv_get(&d, "A"));
	assert_string_equal(dotenv_get(&d, "A"), value);
}

static void test_plain_values(void **state)
{
	(void)state;
	assert_value("A=1", "1");
	assert_value("A=1\n", "1");
	assert_value("A=1\r\n", "1");
	assert_value("  A = two words  \n", "two words");
	assert_value("export A=1", "1");
	assert_value("A=", "");
	assert_value("A=a=b", "a=b");
	assert_value("A=redis://u:p#w@h", "redis://u:p#w@h");
	assert_value("A=1 # comment", "1");
	assert_value("A=# comment", "");
	assert_value("A=$HOME \\n it's", "$HOME \\n it's");
}

static void test_quoted_values(void **state)
{
	(void)state;
	assert_value("A=\" x # y \"", " x # y ");
	assert_value("A=\"a\\n\\t\\\"\\\\\\$\\x\" # comment", "a\n\t\"\\$\\x");
	assert_value("A='a\\n\"$b'", "a\\n\"$b");
	assert_value("A=''", "");
	assert_value("A=\"it's\"  \r\n", "it's");
}

static void test_several_lines(void **state)
{
	(void)state;
	parse("# first\n\n   # second\nA=1\n\t\nB='2'\nexport\tA=3\nexports=4");
	assert_int_equal(d.n, 4);
	assert_string_equal(dotenv_get(&d, "A"), "3"); /* the last counts */
	assert_string_equal(dotenv_get(&d, "B"), "2");
	assert_string_equal(dotenv_get(&d, "exports"), "4");
	assert_null(dotenv_get(&d, "C"));
	parse("");
	assert_int_equal(d.n, 0);
}

static void test_what_is_no_line_is_told_with_its_number(void **state)
{
	static const char *const bad[] = {"A",       "=1",     "1A=1",     "A-B=1",
	                                  "A B=1",   "A=\"x",  "A='x\ny'", "A=\"x\\\"",
	                                  "A='x' y", "export", "A: 1"};
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(text, "X=1\n\n", 5);
		memcpy(text + 5, bad[i], strlen(bad[i]) + 1);
		if (dotenv_parse(&d, text, &err))
			fail_msg("%s was accepted", bad[i]);
		if (strncmp(err.text, "line 3: ", 8) != 0)
			fail_msg("%s: %s", bad[i], err.text);
		assert_int_equal(d.n, 0);
	}
}

static void test_no_file_is_an_empty_file(void **state)
{
	(void)state;
	assert_true(dotenv_load(&d, "/nonexistent/.env", &err));
	assert_int_equal(d.n, 0);
	assert_false(dotenv_load(&d, "/", &err));
	assert_non_null(strstr(err.text, "cannot read /"));
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_values),
		TEST(test_quoted_values),
		TEST(test_several_lines),
		TEST(test_what_is_no_line_is_told_with_its_number),
		TEST(test_no_file_is_an_empty_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

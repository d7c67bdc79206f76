#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_fills_and_returns_false(void **state)
{
	struct error err = {{0}};

	(void)state;
	assert_false(error_set(&err, "cannot open %s: %d", "x", 5));
	assert_string_equal(err.text, "cannot open x: 5");
}

static void test_the_old_text_may_be_an_argument(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, "inner");
	error_set(&err, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
}

static void test_prefixes_stack_up(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, "no such file");
	assert_false(error_prefix(&err, "line %d", 3));
	error_prefix(&err, ".env");
	assert_string_equal(err.text, ".env: line 3: no such file");
}

/* Names from outside ride along: a newline would forge a second record in a log. */
static void test_stays_on_one_line(void **state)
{
	struct error err;

	(void)state;
	error_set(&err, "bad name \"%s\"", "a\r\nb\x7f\x1b[31m");
	assert_string_equal(err.text, "bad name \"a  b  [31m\"");
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
	struct error err;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	error_set(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_set(&err, "y%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_returns_false),
		cmocka_unit_test(test_the_old_text_may_be_an_argument),
		cmocka_unit_test(test_prefixes_stack_up),
		cmocka_unit_test(test_stays_on_one_line),
		cmocka_unit_test(test_a_long_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

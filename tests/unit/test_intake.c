#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/intake.h"

/* What comes of a text, in one line: mails as "line:bytes", faults as "line!"; split by blanks. */
static const char *split(const char *text)
{
	static char out[4096];
	struct intake in;
	struct intake_mail mail;
	enum intake_kind kind;
	size_t n = 0;

	out[0] = '\0';
	intake_init(&in, text, strlen(text));
	while ((kind = intake_next(&in, &mail)) != INTAKE_END) {
		if (kind == INTAKE_FAULT) {
			assert_non_null(mail.why);
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%zu!", n ? " " : "",
			                      mail.line);
		} else {
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%zu:%.*s", n ? " " : "",
			                      mail.line, (int)mail.len, mail.text);
		}
		assert_true(n < sizeof(out));
	}
	return out;
}

static void test_one_object(void **state)
{
	(void)state;
	assert_string_equal(split("{\"a\":1}"), "1:{\"a\":1}");
	assert_string_equal(split("\n\n {\"a\":\n1}\n\n"), "3:{\"a\":\n1}");
	assert_string_equal(split("\xef\xbb\xbf{}"), "1:{}");
}

static void test_many_objects(void **state)
{
	(void)state;
	assert_string_equal(split("{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}"),
	                    "1:{\"a\":1} 2:{\"b\":2} 3:{\"c\":3}");
	assert_string_equal(split("{}{}"), "1:{} 1:{}");
	assert_string_equal(split("[{},\n{}\n]"), "1:{} 2:{}");
	assert_string_equal(split("[{}]\n[{}]{}"), "1:{} 2:{} 2:{}");
	assert_string_equal(split("[]"), "");
	assert_string_equal(split(""), "");
	assert_string_equal(split(" \n\t"), "");
}

/* Braces, brackets and quotes within strings are text. */
static void test_strings(void **state)
{
	(void)state;
	assert_string_equal(split("{\"a\":\"}{\"} {\"b\":\"\\\"}\"}"),
	                    "1:{\"a\":\"}{\"} 1:{\"b\":\"\\\"}\"}");
	assert_string_equal(split("{\"a\":\"\\\\\"}{}"), "1:{\"a\":\"\\\\\"} 1:{}");
	assert_string_equal(split("{\"a\":[{\"b\":{}}]}"), "1:{\"a\":[{\"b\":{}}]}");
}

/* After a fault it goes on with the next line. */
static void test_faults(void **state)
{
	(void)state;
	assert_string_equal(split("{}\nhello {}\n{}"), "1:{} 2! 3:{}");
	assert_string_equal(split("\"text\"\n{}"), "1! 2:{}");
	assert_string_equal(split("{}\n{\"a\":"), "1:{} 2!");
	assert_string_equal(split("{\"a\":\"}"), "1!");
	assert_string_equal(split("{\"a\":\"\\"), "1!");
	assert_string_equal(split("[{}"), "1:{} 1!");
	assert_string_equal(split("[{} {}]"), "1:{} 1! 1!");
	/* The rest of the line is passed over, and with it the end of the array. */
	assert_string_equal(split("[,{}]\n"), "1! 2!");
	assert_string_equal(split("]"), "1!");
	assert_string_equal(split(","), "1!");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_object),
		cmocka_unit_test(test_many_objects),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

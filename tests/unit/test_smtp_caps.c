#include "smtp/caps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/config.h"

static struct smtp_caps c;

static void lines(const char *const *text)
{
	memset(&c, 0, sizeof(c));
	for (; *text != NULL; text++)
		smtp_caps_line(&c, *text, strlen(*text));
}

static void test_keywords_in_any_case(void **state)
{
	(void)state;
	lines((const char *const[]){"mx.example", "PIPELINING", "size 10485760", "8bitMIME",
	                            "SmtpUtf8", "STARTTLS", "AUTH PLAIN login XOAUTH2 CRAM-MD5",
	                            NULL});
	assert_true(c.pipelining && c.eightbitmime && c.smtputf8 && c.starttls && c.auth &&
	            c.sized);
	assert_int_equal(c.size, 10485760);
	assert_int_equal(c.mechanisms, 1U << SMTP_MECHANISM_PLAIN | 1U << SMTP_MECHANISM_LOGIN |
	                                       1U << SMTP_MECHANISM_XOAUTH2);
}

static void test_the_first_line_is_only_the_name(void **state)
{
	(void)state;
	lines((const char *const[]){"PIPELINING is my name", NULL});
	assert_false(c.pipelining);
}

static void test_old_form_of_auth(void **state)
{
	(void)state;
	lines((const char *const[]){"mx", "AUTH=LOGIN PLAIN", NULL});
	assert_int_equal(c.mechanisms, 1U << SMTP_MECHANISM_PLAIN | 1U << SMTP_MECHANISM_LOGIN);
	lines((const char *const[]){"mx", "AUTH=", "AUTH", NULL});
	assert_true(c.auth);
	assert_int_equal(c.mechanisms, 0);
}

static void test_size_without_or_with_a_nonsense_limit(void **state)
{
	(void)state;
	lines((const char *const[]){"mx", "SIZE", NULL});
	assert_true(c.sized);
	assert_int_equal(c.size, 0);
	lines((const char *const[]){"mx", "SIZE 12x", NULL});
	assert_int_equal(c.size, 0);
	lines((const char *const[]){"mx", "SIZE 99999999999999999999999999", NULL});
	assert_int_equal(c.size, 0);
}

static void test_longer_words_are_others(void **state)
{
	(void)state;
	lines((const char *const[]){"mx", "PIPELININGX", "X-STARTTLS", "AUTHX PLAIN", "", " ",
	                            NULL});
	assert_false(c.pipelining || c.starttls || c.auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keywords_in_any_case),
		cmocka_unit_test(test_the_first_line_is_only_the_name),
		cmocka_unit_test(test_old_form_of_auth),
		cmocka_unit_test(test_size_without_or_with_a_nonsense_limit),
		cmocka_unit_test(test_longer_words_are_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "smtp/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct smtp_envelope e;
static struct buf out;

static int setup(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	buf_init(&e.message, 4096);
	buf_init(&out, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&e.message);
	buf_free(&out);
	return 0;
}

static bool valid(const char *from, const char *to)
{
	e.from = from;
	e.to = &to;
	e.n_to = 1;
	return smtp_envelope_valid(&e);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(valid("ada@x.org", "bob@y.org"));
	assert_true(valid("", "bob@y.org"));
	assert_true(valid("ada+tag@x.org", "j\xc3\xbcrgen@m\xc3\xbcnchen.example"));
	assert_true(valid("a@x", "\"b c <d>\"@y.org"));
	assert_true(valid("a@x", "\"b\\\"c\"@y.org"));
	assert_false(valid("a@x", ""));
}

/* Nothing that could end the path, the line, or the quotes that hold it. */
static void test_addresses_that_would_smuggle(void **state)
{
	static const char *const bad[] = {"good@x>\r\nRCPT TO:<evil@x",
	                                  "a@x\r\n",
	                                  "a@x\n",
	                                  "a@x\r",
	                                  "a b@x",
	                                  "a>@x",
	                                  "<a@x",
	                                  "a\x7f@x",
	                                  "a\x01@x",
	                                  "a@x SIZE=1",
	                                  "\"a@x",
	                                  "\"a\\\"@x",
	                                  "\"a\\\r\n\"@x"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (valid("ada@x.org", bad[i]))
			fail_msg("recipient %zu was let through", i);
		if (valid(bad[i], "bob@y.org"))
			fail_msg("sender %zu was let through", i);
	}
}

static void test_8bit(void **state)
{
	(void)state;
	for (size_t len = 0; len < 40; len++) {
		buf_clear(&e.message);
		for (size_t i = 0; i < len; i++)
			buf_add_char(&e.message, 'x');
		assert_false(smtp_envelope_8bit(&e));
		for (size_t i = 0; i < len; i++) {
			e.message.data[i] = (char)0xc3;
			assert_true(smtp_envelope_8bit(&e));
			e.message.data[i] = 0x7f;
		}
	}
}

static void test_mail_says_what_the_server_offers(void **state)
{
	struct smtp_caps none = {0};
	struct smtp_caps all = {.sized = true, .eightbitmime = true, .smtputf8 = true};

	(void)state;
	e.from = "ada@x.org";
	buf_add_str(&e.message, "12345");
	smtp_envelope_mail(&out, &e, &none, true);
	smtp_envelope_mail(&out, &e, &all, false);
	smtp_envelope_mail(&out, &e, &all, true);
	e.utf8 = true;
	smtp_envelope_mail(&out, &e, &all, true);
	assert_string_equal(buf_str(&out),
	                    "MAIL FROM:<ada@x.org>\r\n"
	                    "MAIL FROM:<ada@x.org> SIZE=5\r\n"
	                    "MAIL FROM:<ada@x.org> SIZE=5 BODY=8BITMIME\r\n"
	                    "MAIL FROM:<ada@x.org> SIZE=5 BODY=8BITMIME SMTPUTF8\r\n");
}

static void test_rcpt(void **state)
{
	const char *to[] = {"a@x", "b@y"};

	(void)state;
	e.to = to;
	e.n_to = 2;
	smtp_envelope_rcpt(&out, &e, 1);
	assert_string_equal(buf_str(&out), "RCPT TO:<b@y>\r\n");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses), TEST(test_addresses_that_would_smuggle),
		TEST(test_8bit),      TEST(test_mail_says_what_the_server_offers),
		TEST(test_rcpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

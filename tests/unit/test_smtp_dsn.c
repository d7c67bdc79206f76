#include "provider/smtp_dsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct smtp_config c;
static struct error err;

static int teardown(void **state)
{
	(void)state;
	smtp_dsn_free(&c);
	return 0;
}

static bool reads(const char *text, const char *ehlo_name)
{
	struct uri u = {0};
	bool ok;

	smtp_dsn_free(&c);
	if (!uri_parse(&u, text, &err))
		fail_msg("%s: %s", text, err.text);
	ok = smtp_dsn_read(&c, &u, ehlo_name, &err);
	uri_free(&u);
	return ok;
}

static void read_dsn(const char *text)
{
	if (!reads(text, "me.example"))
		fail_msg("%s: %s", text, err.text);
}

static void refused(const char *text, const char *why)
{
	if (reads(text, "me.example"))
		fail_msg("%s was accepted", text);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, why);
	assert_null(strstr(err.text, "s3cret"));
}

static void test_all_parameters(void **state)
{
	(void)state;
	read_dsn("smtp://ada:s3cret@relay.example:2525?tls=require&tls_verify=0&tls_ca=/ca.pem&"
	         "auth=login&auth_insecure=1&connect_timeout=3s&command_timeout=1m&idle=500ms&"
	         "per_connection=7");
	assert_string_equal(c.host, "relay.example");
	assert_int_equal(c.port, 2525);
	assert_string_equal(c.user, "ada");
	assert_string_equal(c.password, "s3cret");
	assert_string_equal(c.ehlo_name, "me.example");
	assert_int_equal(c.mode, SMTP_TLS_REQUIRE);
	assert_false(c.verify);
	assert_string_equal(c.ca_file, "/ca.pem");
	assert_int_equal(c.mechanism, SMTP_MECHANISM_LOGIN);
	assert_true(c.auth_insecure);
	assert_int_equal(c.connect_ms, 3000);
	assert_int_equal(c.command_ms, 60000);
	assert_int_equal(c.idle_ms, 500);
	assert_int_equal(c.per_connection, 7);
}

/* Nobody who gives a password, or uses a port for submission, sends by accident in clear text. */
static void test_tls_by_default(void **state)
{
	static const struct {
		const char *dsn;
		int port;
		bool implicit;
		enum smtp_tls_mode mode;
		bool verify;
	} defaults[] = {
		{"smtp://relay.example", 25, false, SMTP_TLS_PREFER, false},
		{"smtp://u:p@relay.example", 587, false, SMTP_TLS_REQUIRE, true},
		{"smtp://u:p@relay.example:25", 25, false, SMTP_TLS_REQUIRE, true},
		{"smtp://relay.example:587", 587, false, SMTP_TLS_REQUIRE, true},
		{"smtp://relay.example:465", 465, true, SMTP_TLS_REQUIRE, true},
		{"smtps://relay.example", 465, true, SMTP_TLS_REQUIRE, true},
		{"smtps://relay.example:2465", 2465, true, SMTP_TLS_REQUIRE, true},
		{"smtp://127.0.0.1:587", 587, false, SMTP_TLS_PREFER, false},
		{"smtp://localhost:587", 587, false, SMTP_TLS_PREFER, false},
		{"smtp://[::1]:587", 587, false, SMTP_TLS_PREFER, false},
		{"smtp://u:p@127.0.0.1:587", 587, false, SMTP_TLS_REQUIRE, true},
		{"smtp://relay.example?tls=none", 25, false, SMTP_TLS_NONE, false},
		{"smtp://relay.example?tls=require", 25, false, SMTP_TLS_REQUIRE, true},
		{"smtp://u:p@relay.example?tls=prefer", 587, false, SMTP_TLS_PREFER, true},
		{"smtp://relay.example?tls_ca=/ca.pem", 25, false, SMTP_TLS_PREFER, true},
		{"smtp://relay.example?tls_verify=1", 25, false, SMTP_TLS_PREFER, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		read_dsn(defaults[i].dsn);
		if (c.port != defaults[i].port || c.implicit_tls != defaults[i].implicit ||
		    c.mode != defaults[i].mode || c.verify != defaults[i].verify)
			fail_msg("%s: port %d implicit %d mode %d verify %d", defaults[i].dsn,
			         c.port, c.implicit_tls, (int)c.mode, c.verify);
	}
}

static void test_what_is_refused(void **state)
{
	(void)state;
	refused("smtp://", "no host");
	refused("smtp://u:s3cret@a.example,b.example", "several hosts");
	refused("smtp://u:s3cret@a.example/path", "nothing but parameters");
	refused("smtp://u:s3cret@a.example?tls=always", "none, prefer, require");
	refused("smtp://u:s3cret@a.example?tls=none", "auth_insecure");
	refused("smtps://a.example?tls=none", "smtps");
	refused("smtp://a.example:465?tls=prefer", "465");
	refused("smtp://a.example?tls_verify=maybe", "0, 1");
	refused("smtp://a.example?auth=plain", "needs a user");
	refused("smtp://u:s3cret@a.example?auth=cram-md5", "xoauth2");
	refused("smtp://a.example?idle=0", "idle");
	refused("smtp://a.example?per_connection=0", "per_connection");
	refused("smtp://a.example?command_timeout=1h", "command_timeout");
}

static void test_tls_none_with_credentials_only_when_insisted(void **state)
{
	(void)state;
	read_dsn("smtp://u:p@a.example?tls=none&auth_insecure=1");
	assert_int_equal(c.mode, SMTP_TLS_NONE);
}

static void test_ehlo_names(void **state)
{
	static const char *const good[] = {"a", "mail.example", "my_host-1", "[10.0.0.1]",
	                                   "[IPv6:2001:db8::1]"};
	static const char *const bad[] = {"",          "a b", "a\r\nMAIL", "a\n",        "<a>",
	                                  "[10.0.0.1", "[]",  "[a\r]",     "h\xc3\xb6st"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(smtp_dsn_ehlo_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (smtp_dsn_ehlo_valid(bad[i]))
			fail_msg("\"%s\" was accepted", bad[i]);
	assert_false(reads("smtp://a.example", "a b"));
	assert_non_null(strstr(err.text, "EHLO_NAME"));
	assert_true(reads("smtp://a.example", ""));
	assert_true(smtp_dsn_ehlo_valid(c.ehlo_name));
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_parameters),  TEST(test_tls_by_default),
		TEST(test_what_is_refused), TEST(test_tls_none_with_credentials_only_when_insisted),
		TEST(test_ehlo_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* `check`: what is wrong with the configuration, and what the providers answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cli.h"
#include "support/http_server.h"
#include "support/smtp_secure.h"

static struct cli *cli;
static struct http_server *api;

static int begin(void **state)
{
	(void)state;
	api = http_server_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	http_server_free(api);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	cli = cli_new(NULL);
	http_server_clear(api);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cli_free(cli);
	return 0;
}

static void set_endpoint(const char *name, const char *before, const char *behaviour,
                         const char *kind)
{
	char dsn[512];

	snprintf(dsn, sizeof(dsn), "%sendpoint=%s", before, http_server_url(api, behaviour, kind));
	cli_set(cli, name, dsn);
}

static void set_smtp(const char *name, const struct smtp_secure *s, const char *who,
                     const char *more)
{
	char dsn[512];

	snprintf(dsn, sizeof(dsn), "smtp://%s@127.0.0.1:%d?tls_ca=%s%s", who, smtp_secure_port(s),
	         secure_ca(), more);
	cli_set(cli, name, dsn);
}

static void test_all_is_well(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "main, backup");
	cli_set(cli, "PROVIDER_MAIN", "sendgrid://s3cret@default");
	cli_set(cli, "PROVIDER_BACKUP", "smtp://relay.example:587");
	cli_expect(cli, 0, NULL, "check", NULL);
	cli_assert_has(cli->out, "main");
	cli_assert_has(cli->out, "sendgrid");
	cli_assert_has(cli->out, "backup");
	cli_assert_lacks(cli->out, "s3cret");
	cli_expect(cli, 0, NULL, "check", "--json", NULL);
	assert_string_equal(cli_text(cli, "ok"), "true");
	assert_string_equal(cli_text(cli, "providers.1.kind"), "smtp");
	assert_string_equal(cli_text(cli, "providers.1.error"), "null");
}

/* All at once, not only the first. */
static void test_what_is_wrong(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "one,two,three,four");
	cli_set(cli, "PROVIDER_ONE", "smpt://user:s3cret@relay.example");
	cli_set(cli, "PROVIDER_TWO", "mock://");
	cli_set(cli, "PROVIDER_THREE", "ses://ACCESS:s3cret@default");
	cli_set(cli, "MAIL_FROM", "nobody");
	cli_expect(cli, 2, NULL, "check", "--json", NULL);
	assert_string_equal(cli_text(cli, "ok"), "false");
	assert_string_equal(cli_text(cli, "errors.0"), "MAIL_FROM must be a valid email address");
	cli_assert_has(cli_text(cli, "providers.0.error"), "did you mean smtp");
	assert_string_equal(cli_text(cli, "providers.1.ok"), "true");
	cli_assert_has(cli_text(cli, "providers.2.error"), "region");
	cli_assert_has(cli_text(cli, "providers.3.error"), "PROVIDER_FOUR is not set");
	cli_assert_lacks(cli->out, "s3cret");
	cli_expect(cli, 2, NULL, "check", NULL);
	cli_assert_has(cli->err, "MAIL_FROM");
	cli_assert_has(cli->out, "wrong");
	cli_assert_lacks(cli->out, "s3cret");
}

static void test_the_list_itself(void **state)
{
	(void)state;
	cli_expect(cli, 2, NULL, "check", NULL);
	cli_assert_has(cli->err, "PROVIDERS is not set");
	cli_set(cli, "PROVIDERS", "one,one");
	cli_set(cli, "PROVIDER_ONE", "mock://");
	cli_expect(cli, 2, NULL, "check", NULL);
	cli_assert_has(cli->err, "one twice");
	cli_set(cli, "PROVIDERS", "one");
	cli_set(cli, "QUEUES", "{braces}");
	cli_expect(cli, 2, NULL, "check", NULL);
	cli_set(cli, "QUEUES", NULL);
	cli_set(cli, "REDIS_URL", "http://x");
	cli_expect(cli, 2, NULL, "check", NULL);
	cli_assert_has(cli->err, "REDIS_URL");
	cli_expect(cli, 2, NULL, "check", "surplus", NULL);
}

/* Each is asked, nothing is sent. */
static void test_live(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "a,b,c,d,e,none");
	set_endpoint("PROVIDER_A", "sendgrid://test-key-123@default?", NULL, "sendgrid");
	set_endpoint("PROVIDER_B", "mailgun://test-key-123:mg.example.org@default?", NULL,
	             "mailgun");
	set_endpoint("PROVIDER_C", "ses://AKIDEXAMPLE:secret%2F%2B123@default?region=eu-west-1&",
	             NULL, "ses");
	set_endpoint("PROVIDER_D", "postmark://test-key-123@default?", NULL, "postmark");
	set_endpoint("PROVIDER_E", "resend://test-key-123@default?", NULL, "resend");
	cli_set(cli, "PROVIDER_NONE", "mock://");
	cli_expect(cli, 0, NULL, "check", "--live", "--json", NULL);
	assert_string_equal(cli_text(cli, "providers.0.live.ok"), "true");
	assert_string_equal(cli_text(cli, "providers.4.live.outcome"), "ok");
	assert_int_equal(http_server_count(api, "wholes"), 5);
	assert_int_equal(http_server_count(api, "taken"), 0);
}

static void test_live_says_no(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "a,b,c");
	set_endpoint("PROVIDER_A", "sendgrid://s3cret@default?", NULL, "sendgrid");
	set_endpoint("PROVIDER_B", "postmark://test-key-123@default?", "unwell", "postmark");
	set_endpoint("PROVIDER_C", "resend://test-key-123@default?", NULL, "resend");
	cli_expect(cli, 1, NULL, "check", "--live", "--json", NULL);
	assert_string_equal(cli_text(cli, "ok"), "false");
	assert_string_equal(cli_text(cli, "providers.0.live.outcome"), "provider_down");
	assert_string_equal(cli_text(cli, "providers.0.live.code"), "401");
	assert_string_equal(cli_text(cli, "providers.1.live.outcome"), "retry");
	assert_string_equal(cli_text(cli, "providers.2.live.ok"), "true");
	cli_expect(cli, 1, NULL, "check", "--live", NULL);
	cli_assert_has(cli->out, "provider_down");
	cli_assert_lacks(cli->out, "s3cret");
}

/* A configuration that is wrong for one does not keep the others from being asked. */
static void test_live_of_those_that_are_right(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "a,b");
	cli_set(cli, "PROVIDER_A", "sendgrid://default");
	set_endpoint("PROVIDER_B", "resend://test-key-123@default?", NULL, "resend");
	cli_expect(cli, 2, NULL, "check", "--live", "--json", NULL);
	assert_string_equal(cli_text(cli, "providers.1.live.ok"), "true");
}

static void test_smtp(void **state)
{
	const struct secure_cert cert = {.names = "IP:127.0.0.1"};
	struct smtp_secure *s = smtp_secure_start(&cert,
	                                          (const char *const[]){"user=u:s3cret", NULL});
	const struct secure_cert other = {.names = "DNS:other.example"};
	struct smtp_secure *wrong = smtp_secure_start(&other,
	                                              (const char *const[]){"user=u:s3cret", NULL});
	char *said;

	(void)state;
	cli_set(cli, "PROVIDERS", "good,bad,stranger,gone");
	set_smtp("PROVIDER_GOOD", s, "u:s3cret", "");
	set_smtp("PROVIDER_BAD", s, "u:wr0ng", "");
	set_smtp("PROVIDER_STRANGER", wrong, "u:s3cret", "");
	cli_set(cli, "PROVIDER_GONE", "smtp://127.0.0.1:1");
	cli_expect(cli, 1, NULL, "check", "--live", "--json", NULL);
	assert_string_equal(cli_text(cli, "providers.0.live.ok"), "true");
	cli_assert_has(cli_text(cli, "providers.0.live.text"), "over TLS");
	assert_string_equal(cli_text(cli, "providers.1.live.outcome"), "provider_down");
	cli_assert_has(cli_text(cli, "providers.1.live.code"), "535");
	assert_string_equal(cli_text(cli, "providers.2.live.code"), "tls");
	assert_string_equal(cli_text(cli, "providers.3.live.code"), "connect");
	/* No envelope was begun, and the stranger was not told the password. */
	said = smtp_secure_said(s);
	cli_assert_has(said, "AUTH");
	cli_assert_lacks(said, "MAIL");
	free(said);
	said = smtp_secure_said(wrong);
	cli_assert_lacks(said, "AUTH");
	free(said);
	smtp_secure_free(s);
	smtp_secure_free(wrong);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_all_is_well),
		TEST(test_what_is_wrong),
		TEST(test_the_list_itself),
		TEST(test_live),
		TEST(test_live_says_no),
		TEST(test_live_of_those_that_are_right),
		TEST(test_smtp),
	};

	return cmocka_run_group_tests_name("cli_check", tests, begin, end);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>

#include "provider/http_dsn.h"
#include "provider/provider.h"

static bool read_dsn(struct http_dsn *d, const char *text, struct error *err)
{
	struct uri uri;
	bool ok;

	assert_true(uri_parse(&uri, text, err));
	ok = http_dsn_read(d, &uri, "https://api.own.example", err);
	uri_free(&uri);
	return ok;
}

static void expect_base(const char *text, const char *base, bool clear_text)
{
	struct http_dsn d;
	struct error err = {""};

	if (!read_dsn(&d, text, &err))
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(d.base, base);
	assert_int_equal(d.clear_text, clear_text);
	http_dsn_free(&d);
}

static void expect_error(const char *text, const char *part)
{
	struct http_dsn d;
	struct error err = {""};

	assert_false(read_dsn(&d, text, &err));
	if (strstr(err.text, part) == NULL)
		fail_msg("%s: %s", text, err.text);
	http_dsn_free(&d);
}

static void test_base(void **state)
{
	(void)state;
	expect_base("x://k@default", "https://api.own.example", false);
	expect_base("x://k@", "https://api.own.example", false);
	expect_base("x://k@api.other.example", "https://api.other.example", false);
	expect_base("x://k@api.other.example:8443/", "https://api.other.example:8443", false);
	expect_base("x://k@[::1]:8443", "https://[::1]:8443", false);
	expect_base("x://k@default?endpoint=http://127.0.0.1:9", "http://127.0.0.1:9", true);
	expect_base("x://k@default?endpoint=http://localhost:9/", "http://localhost:9", true);
	expect_base("x://k@default?endpoint=http://[::1]:9/a/b/", "http://[::1]:9/a/b", true);
	expect_base("x://k@default?endpoint=https://proxy.example/ses", "https://proxy.example/ses",
	            false);
	expect_base("x://k@default?endpoint=http://mock:8080&auth_insecure=1", "http://mock:8080",
	            true);
}

/* Credentials do not leave the machine in clear text by mistake. */
static void test_errors(void **state)
{
	(void)state;
	expect_error("x://k@default?endpoint=http://mock:8080", "auth_insecure=1");
	expect_error("x://k@default?endpoint=http://127.0.0.1.evil.example", "auth_insecure=1");
	expect_error("x://k@default?endpoint=http://192.0.2.1", "auth_insecure=1");
	expect_error("x://k@default?endpoint=ftp://127.0.0.1", "https:// or http://");
	expect_error("x://k@default?endpoint=file:///etc/passwd", "https:// or http://");
	expect_error("x://k@default?endpoint=127.0.0.1", "endpoint");
	expect_error("x://k@default?endpoint=https://u:p@x.example", "credentials");
	expect_error("x://k@default?endpoint=https://x.example/?a%3Db", "parameters");
	expect_error("x://k@default/path", "follow the host");
	expect_error("x://k@a.example,b.example", "several hosts");
	expect_error("x://k@default?auth_insecure=yes", "0 or 1");
	expect_error("x://k@default?connect_timeout=1ms", "connect_timeout");
	expect_error("x://k@default?send_timeout=x", "send_timeout");
	expect_error("x://k@default?idle=1ms", "idle");
}

static void test_times_and_roots(void **state)
{
	struct http_dsn d;
	struct error err;

	(void)state;
	assert_true(read_dsn(&d, "x://k@default", &err));
	assert_int_equal(d.connect_ms, 10000);
	assert_int_equal(d.send_ms, 60000);
	assert_int_equal(d.idle_ms, 30000);
	assert_string_equal(d.ca_file, "");
	http_dsn_free(&d);
	assert_true(read_dsn(
		&d, "x://k@default?connect_timeout=2s&send_timeout=500ms&idle=5m&tls_ca=/a.pem",
		&err));
	assert_int_equal(d.connect_ms, 2000);
	assert_int_equal(d.send_ms, 500);
	assert_int_equal(d.idle_ms, 300000);
	assert_string_equal(d.ca_file, "/a.pem");
	http_dsn_free(&d);
}

/* --- the providers' own ------------------------------------------------------------------------ */

static void open_fails(const char *dsn, const char *part)
{
	struct options o = {.max_job_bytes = 1 << 20};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct error err = {""};
	struct provider *p = provider_open(loop, &o, "test", dsn, &err);

	if (p != NULL)
		fail_msg("%s is taken", dsn);
	if (strstr(err.text, part) == NULL)
		fail_msg("%s: %s", dsn, err.text);
	/* What may be a secret is not shown. */
	assert_null(strstr(err.text, "s3cret"));
	ev_loop_destroy(loop);
}

static void open_works(const char *dsn, long setup_ms, long timeout_ms)
{
	struct options o = {.max_job_bytes = 1 << 20};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct error err = {""};
	struct provider *p = provider_open(loop, &o, "test", dsn, &err);

	if (p == NULL)
		fail_msg("%s: %s", dsn, err.text);
	assert_int_equal(p->setup_ms, setup_ms);
	assert_int_equal(p->timeout_ms, timeout_ms);
	assert_int_equal(p->concurrency, 100);
	assert_true(p->type->max_bytes > 0);
	provider_close(p);
	ev_loop_destroy(loop);
}

static void test_providers(void **state)
{
	(void)state;
	open_works("sendgrid://s3cret@default", 70000, 60000);
	open_works("sendgrid://s3cret@default?region=eu&sandbox=1&connect_timeout=5s&timeout=9s",
	           65000, 9000);
	open_works("mailgun://s3cret:mg.example.org@default?region=us&testmode=0", 70000, 60000);
	open_works("ses://A:s3cret@default?region=cn-north-1&mode=simple&session_token=t", 70000,
	           60000);
	open_works("postmark://s3cret@default?message_stream=news", 70000, 60000);
	open_works("resend://s3cret@default", 70000, 60000);

	open_fails("sendgrid://default", "API key");
	open_fails("sendgrid://s3cret%20x@default", "API key");
	open_fails("sendgrid://s3cret@default?region=asia", "region must be us or eu");
	open_fails("sendgrid://s3cret@default?sandbox=maybe", "sandbox");
	open_fails("sendgrid://s3cret@default?testmode=1", "no parameter \"testmode\"");
	open_fails("sendgrid://s3cret@default?sandbx=1", "did you mean sandbox");
	open_fails("mailgun://s3cret@default", "sending domain");
	open_fails("mailgun://s3cret:a%2Fb@default", "sending domain");
	open_fails("mailgun://s3cret:mg.example.org@default?region=asia", "region must be");
	open_fails("ses://A:s3cret@default", "region");
	open_fails("ses://A:s3cret@default?region=eu%2Fwest", "region");
	open_fails("ses://A@default?region=eu-west-1", "secret");
	open_fails("ses://:s3cret@default?region=eu-west-1", "access key");
	open_fails("ses://A:s3cret@default?region=eu-west-1&mode=both", "raw or simple");
	open_fails("ses://A:s3cret@default?region=eu-west-1&session_token=s3cret%20x",
	           "session_token");
	open_fails("postmark://@default", "server token");
	open_fails("resend://:s3cret@default", "API key");
	open_fails("resend://s3cret@default?endpoint=http://10.0.0.1", "clear text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_times_and_roots),
		cmocka_unit_test(test_providers),
	};

	return cmocka_run_group_tests_name("http_dsn", tests, NULL, NULL);
}

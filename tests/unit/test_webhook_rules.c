/* The configuration of webhooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/webhook_rules.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define RETRIES "5s,5m,30m,2h,5h,10h,14h,20h,24h"

static struct options options_of(const char *url, const char *secret, const char *allow)
{
	return (struct options){
		.webhook_url = (char *)url,
		.webhook_secret = (char *)secret,
		.webhook_events = "sent,failed",
		.webhook_allow = (char *)allow,
		.webhook_retries = RETRIES,
	};
}

static void test_secrets(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{"", 0},
		{SECRET, 1},
		{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1},
		{SECRET "," OTHER, 2},
		{OTHER " " SECRET, 2},
		{" " OTHER ",, ", 1},
	};
	static const char *const bad[] = {
		"whsec_",
		"whsec_c2hvcnQ=",                         /* 5 bytes */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* not whole */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa$w", /* no base64 */
		"whsec_"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 72 bytes */
		SECRET " " SECRET " " SECRET " " SECRET " " SECRET,
	};
	struct webhook_rules r;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options o = options_of("", cases[i].text, "");
		assert_true(webhook_rules_read(&r, &o, &err));
		assert_int_equal(r.n_secrets, cases[i].n);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options o = options_of("", SECRET, "");
		assert_true(webhook_rules_read(&r, &o, &err));
		assert_false(webhook_rules_set_secrets(&r, bad[i], &err));
		assert_non_null(strstr(err.text, "WEBHOOK_SECRET"));
		assert_null(strstr(err.text, "MfKQ"));
		assert_int_equal(r.n_secrets, 1); /* as it was */
		o = options_of("", bad[i], "");
		assert_false(webhook_rules_read(&r, &o, &err));
	}
}

static void test_events_and_retries(void **state)
{
	struct options o = options_of("", SECRET, "");
	struct webhook_rules r;
	struct error err;

	(void)state;
	assert_true(webhook_rules_read(&r, &o, &err));
	assert_true(webhook_rules_tell(&r, "sent"));
	assert_true(webhook_rules_tell(&r, "failed"));
	assert_false(webhook_rules_tell(&r, "retrying"));
	assert_false(webhook_rules_tell(&r, "queued"));
	assert_int_equal(r.n_retries, 9);
	assert_int_equal(r.retries[0], 5000);
	assert_int_equal(r.retries[8], 86400000);
	o.webhook_events = "sent,bounced";
	assert_false(webhook_rules_read(&r, &o, &err));
	assert_non_null(strstr(err.text, "\"bounced\""));
	o.webhook_events = "";
	o.webhook_retries = "5s,soon";
	assert_false(webhook_rules_read(&r, &o, &err));
	assert_non_null(strstr(err.text, "\"soon\""));
	o.webhook_retries = "";
	assert_true(webhook_rules_read(&r, &o, &err));
	assert_int_equal(r.n_retries, 0);
	assert_false(webhook_rules_tell(&r, "sent"));
}

static void test_url_needs_a_secret(void **state)
{
	struct options o = options_of("https://hooks.example.com/in", "", "");
	struct webhook_rules r;
	struct error err;

	(void)state;
	assert_false(webhook_rules_read(&r, &o, &err));
	assert_non_null(strstr(err.text, "WEBHOOK_SECRET"));
	o = options_of("http://hooks.example.com/in", SECRET, "");
	assert_false(webhook_rules_read(&r, &o, &err));
	assert_non_null(strstr(err.text, "https"));
	o = options_of("hooks.example.com", SECRET, "");
	assert_false(webhook_rules_read(&r, &o, &err));
}

static void test_who_may_be_called(void **state)
{
	static const struct {
		const char *allow, *url;
		bool may;
	} cases[] = {
		{"", "https://own.example/in", true},
		{"", "https://OWN.example.:8443/other", true},
		{"", "https://hooks.example.com/", false},
		{"hooks.example.com", "https://hooks.example.com/in?a=b", true},
		{"hooks.example.com", "https://HOOKS.example.com./in", true},
		{"a.example, hooks.example.com", "https://hooks.example.com/in", true},
		{"hooks.example.com", "https://x.hooks.example.com/in", false},
		{"hooks.example.com", "https://hooks.example.com.evil.example/in", false},
		{"hooks.example.com", "https://evil.example/hooks.example.com", false},
		{"hooks.example.com", "https://hooks.example.com@evil.example/", false},
		{"hooks.example.com", "https://user:password-that-is-long@hooks.example.com/",
	         false},
		{"hooks.example.com", "https://evil.example#@hooks.example.com/", false},
		{"hooks.example.com", "https://evil.example\\@hooks.example.com/", false},
		{"*.example.com", "https://a.b.example.com/in", true},
		{"*.example.com", "https://example.com/in", false},
		{"*.example.com", "https://evilexample.com/in", false},
		{"*", "https://whoever.example/in", true},
		{"*", "http://whoever.example/in", false},
		{"*", "ftp://whoever.example/in", false},
		{"*", "file:///etc/passwd", false},
		{"*", "", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options o = options_of("https://own.example/in", SECRET, cases[i].allow);
		struct webhook_rules r;
		struct webhook_target t;
		struct error err;
		const char *why;

		assert_true(webhook_rules_read(&r, &o, &err));
		if (webhook_rules_allow(&r, cases[i].url, &t, &why) != cases[i].may)
			fail_msg("%s: %s: %s", cases[i].allow, cases[i].url, why ? why : "allowed");
		assert_true((why == NULL) == cases[i].may);
	}
}

static void test_private_networks_may_do_without_tls(void **state)
{
	struct options o = options_of("http://10.0.0.1:8080/in", SECRET, "");
	struct webhook_rules r;
	struct webhook_target t;
	struct error err;
	const char *why;

	(void)state;
	o.webhook_allow_private = true;
	assert_true(webhook_rules_read(&r, &o, &err));
	assert_true(webhook_rules_allow(&r, "http://10.0.0.1/x", &t, &why));
	assert_true(t.clear_text);
	assert_string_equal(t.host, "10.0.0.1");
	assert_false(webhook_rules_allow(&r, "http://10.0.0.2/x", &t, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_events_and_retries),
		cmocka_unit_test(test_url_needs_a_secret),
		cmocka_unit_test(test_who_may_be_called),
		cmocka_unit_test(test_private_networks_may_do_without_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

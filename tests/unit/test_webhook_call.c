/* What a webhook's request says. An independent verifier looks at it in e2e/test_webhooks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/webhook_call.h"

static struct options options = {
	.webhook_url = "",
	.webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	.webhook_events = "",
	.webhook_allow = "",
	.webhook_retries = "",
};

static void fill(struct http_call *c, const char *secrets, const char *body, size_t len)
{
	struct webhook_rules r;
	struct error err;

	options.webhook_secret = (char *)secrets;
	assert_true(webhook_rules_read(&r, &options, &err));
	http_call_init(c, WEBHOOK_MAX_BODY);
	webhook_call_fill(c, &r, "https://hooks.example.com/in", "msg_p5jXN8AQM9LWM0D4loKWxJek",
	                  1614265330, body, len);
}

#define BODY "{\"test\": 2432232314}"
#define HEAD                                                                                       \
	"Content-Type: application/json\n"                                                         \
	"webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\n"                                               \
	"webhook-timestamp: 1614265330\n"                                                          \
	"webhook-signature:"

/* The example of the specification's own libraries. */
static void test_signature(void **state)
{
	struct http_call c;

	(void)state;
	fill(&c, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BODY, strlen(BODY));
	assert_true(http_call_ok(&c));
	assert_false(c.get);
	assert_string_equal(buf_str(&c.url), "https://hooks.example.com/in");
	assert_string_equal(buf_str(&c.body), BODY);
	assert_string_equal(buf_str(&c.headers),
	                    HEAD " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n");
	http_call_free(&c);
}

static void test_two_secrets_sign_both(void **state)
{
	struct http_call c;

	(void)state;
	fill(&c,
	     "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	     BODY, strlen(BODY));
	assert_non_null(strstr(buf_str(&c.headers), HEAD " v1,"));
	assert_non_null(
		strstr(buf_str(&c.headers), "= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n"));
	http_call_free(&c);
}

static void test_too_much_is_not_sent(void **state)
{
	static char body[WEBHOOK_MAX_BODY + 1];
	struct http_call c;

	(void)state;
	memset(body, 'x', sizeof(body));
	fill(&c, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body, sizeof(body));
	assert_false(http_call_ok(&c));
	http_call_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_two_secrets_sign_both),
		cmocka_unit_test(test_too_much_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fleet/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/options.h"

#define NOW 1000000

static const struct policy_provider two[] = {{"primary", 0, false}, {"secondary", 0, false}};
static const struct policy_provider sized[] = {
	{"small", 1000, false}, {"tiny", 500, false}, {"large", 9000, true}};

/* One attempt: what was known before, how it ended, and what must follow. */
struct row {
	const char *name;
	const char *tries; /* before */
	const char *pinned;
	size_t n_may;
	const char *provider;
	enum outcome_kind kind;
	const char *code;
	int64_t retry_after;
	bool healthy, deferred;
	int on_unknown;
	/* expected */
	const char *status;
	enum settle_action settle;
	bool at_once; /* due now, though delayed */
	bool attempt;
	enum report_kind report;
	const char *tries_after;
	const char *pinned_after;
};

static const struct row rows[] = {
	{"sent", "", "", 2, "primary", OUTCOME_SENT, "250", 0, false, false, ON_UNKNOWN_RETRY,
         "sent", SETTLE_ACK, false, true, REPORT_OK, "", ""},
	{"some recipients deferred", "", "", 2, "primary", OUTCOME_SENT, "250", 0, false, true,
         ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, true, REPORT_OK, "primary:1", ""},
	{"deferred until all tries are spent", "primary:2,secondary:3", "", 2, "primary",
         OUTCOME_SENT, "250", 0, false, true, ON_UNKNOWN_RETRY, "sent", SETTLE_ACK, false, true,
         REPORT_OK, "primary:3,secondary:3", ""},
	{"retry, tries left", "primary:1", "", 2, "primary", OUTCOME_RETRY, "451", 0, false, false,
         ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, true, REPORT_FAIL, "primary:2", ""},
	{"retry about the mail only", "", "", 2, "primary", OUTCOME_RETRY, "452", 0, true, false,
         ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, true, REPORT_OK, "primary:1", ""},
	{"tries spent: the next provider, at once", "primary:2", "", 2, "primary", OUTCOME_RETRY,
         "451", 0, false, false, ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, true, true,
         REPORT_FAIL, "primary:3", ""},
	{"all tries spent", "primary:3,secondary:2", "", 2, "secondary", OUTCOME_RETRY, "451", 0,
         false, false, ON_UNKNOWN_RETRY, "failed", SETTLE_BURY, false, true, REPORT_FAIL,
         "primary:3,secondary:3", ""},
	{"pinned by its job: no fallback", "primary:2", "", 1, "primary", OUTCOME_RETRY, "451", 0,
         false, false, ON_UNKNOWN_RETRY, "failed", SETTLE_BURY, false, true, REPORT_FAIL,
         "primary:3", ""},
	{"throttled is not charged", "primary:2", "", 2, "primary", OUTCOME_THROTTLED, "429", 5000,
         false, false, ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, false, REPORT_THROTTLED,
         "primary:2", ""},
	{"provider down: the next at once, not charged", "", "", 2, "primary",
         OUTCOME_PROVIDER_DOWN, "535", 0, false, false, ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY,
         true, true, REPORT_DOWN, "", ""},
	{"the only provider down: it waits", "primary:2", "", 1, "primary", OUTCOME_PROVIDER_DOWN,
         "401", 0, false, false, ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, true,
         REPORT_DOWN, "primary:2", ""},
	{"sender refused: never again there, and the breaker hears ok", "", "", 2, "primary",
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, 0, false, false, ON_UNKNOWN_RETRY, "retrying",
         SETTLE_DELAY, true, true, REPORT_OK, "primary:x", ""},
	{"sender refused everywhere", "primary:x", "", 2, "secondary", OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, 0, false, false, ON_UNKNOWN_RETRY, "failed", SETTLE_BURY, false, true,
         REPORT_OK, "primary:x,secondary:x", ""},
	{"unsupported: never again there, and the breaker hears nothing", "primary:1", "", 2,
         "primary", OUTCOME_RETRY, CODE_UNSUPPORTED, 0, true, false, ON_UNKNOWN_RETRY, "retrying",
         SETTLE_DELAY, true, true, REPORT_VOID, "primary:x", ""},
	{"unsupported everywhere", "primary:x", "", 2, "secondary", OUTCOME_RETRY, CODE_UNSUPPORTED,
         0, true, false, ON_UNKNOWN_RETRY, "failed", SETTLE_BURY, false, true, REPORT_VOID,
         "primary:x,secondary:x", ""},
	{"rejected: no fallback, the breaker hears ok", "", "", 2, "primary", OUTCOME_REJECTED,
         "550 5.1.1", 0, false, false, ON_UNKNOWN_RETRY, "failed", SETTLE_BURY, false, true,
         REPORT_OK, "", ""},
	{"unknown, retry: stays with its provider", "", "", 2, "primary", OUTCOME_UNKNOWN,
         "timeout", 0, false, false, ON_UNKNOWN_RETRY, "retrying", SETTLE_DELAY, false, true,
         REPORT_FAIL, "primary:1", "primary"},
	{"unknown, tries spent: held, never another", "primary:2", "primary", 2, "primary",
         OUTCOME_UNKNOWN, "timeout", 0, false, false, ON_UNKNOWN_RETRY, "held", SETTLE_BURY, false,
         true, REPORT_FAIL, "primary:3", "primary"},
	{"once unknown, then retries spent: held", "primary:2", "primary", 2, "primary",
         OUTCOME_RETRY, "451", 0, false, false, ON_UNKNOWN_RETRY, "held", SETTLE_BURY, false, true,
         REPORT_FAIL, "primary:3", "primary"},
	{"unknown, hold", "", "", 2, "primary", OUTCOME_UNKNOWN, "timeout", 0, false, false,
         ON_UNKNOWN_HOLD, "held", SETTLE_BURY, false, true, REPORT_FAIL, "primary:1", "primary"},
	{"unknown, fail", "", "", 2, "primary", OUTCOME_UNKNOWN, "timeout", 0, false, false,
         ON_UNKNOWN_FAIL, "failed", SETTLE_BURY, false, true, REPORT_FAIL, "primary:1", "primary"},
};

static void test_what_follows_from_each_outcome(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct policy p = {3, 1000, 60000, 3600000, r->on_unknown};
		struct history h = {0};
		struct decision d;
		struct outcome o;
		struct buf tries;

		history_read_tries(&h, r->tries, strlen(r->tries));
		snprintf(h.pinned, sizeof(h.pinned), "%s", r->pinned);
		outcome_set(&o, r->kind, r->code, "what the server said");
		o.retry_after_ms = r->retry_after;
		o.healthy = r->healthy;
		policy_decide(&d, &h, &p, r->provider, two, r->n_may, &o, r->deferred, NOW, 12345);
		buf_init(&tries, 1000);
		history_write_tries(&h, &tries);
		print_message("%s: %s\n", r->name, d.status);
		assert_string_equal(d.status, r->status);
		assert_int_equal(d.settle, r->settle);
		if (r->settle == SETTLE_DELAY) {
			assert_true(r->at_once ? d.at == NOW : d.at > NOW);
			assert_true(d.at >= NOW + r->retry_after);
		}
		assert_int_equal(d.attempt, r->attempt);
		assert_int_equal(d.report, r->report);
		assert_string_equal(buf_str(&tries), r->tries_after);
		assert_string_equal(h.pinned, r->pinned_after);
		if (r->kind != OUTCOME_SENT)
			assert_non_null(strstr(d.error, "what the server said"));
		buf_free(&tries);
	}
}

static void decide(struct decision *d, struct history *h, const char *provider,
                   enum outcome_kind kind, const char *code, int64_t retry_after)
{
	struct policy p = {3, 1000, 60000, 3600000, ON_UNKNOWN_RETRY};
	struct outcome o;

	outcome_set(&o, kind, code, "text");
	o.retry_after_ms = retry_after;
	policy_decide(d, h, &p, provider, sized, 3, &o, false, NOW, 7);
}

static void test_too_large_goes_only_where_more_fits(void **state)
{
	struct policy p = {3, 1000, 60000, 3600000, ON_UNKNOWN_RETRY};
	struct history h = {0};
	struct decision d;

	(void)state;
	decide(&d, &h, "small", OUTCOME_REJECTED, CODE_TOO_LARGE, 0);
	assert_string_equal(d.status, "retrying");
	assert_false(policy_may_use(&h, &p, "small"));
	assert_false(policy_may_use(&h, &p, "tiny"));
	assert_true(policy_may_use(&h, &p, "large"));
	decide(&d, &h, "large", OUTCOME_REJECTED, CODE_TOO_LARGE, 0);
	assert_string_equal(d.status, "failed");
	assert_int_equal(d.settle, SETTLE_BURY);
}

static void test_a_quota_opens_the_breaker_for_long(void **state)
{
	struct history h = {0};
	struct decision d;

	(void)state;
	decide(&d, &h, "small", OUTCOME_PROVIDER_DOWN, CODE_QUOTA, 0);
	assert_int_equal(d.report, REPORT_DOWN);
	assert_int_equal(d.report_ms, POLICY_QUOTA_MS);
}

static void test_a_pause_is_capped(void **state)
{
	struct history h = {0};
	struct decision d;

	(void)state;
	decide(&d, &h, "small", OUTCOME_THROTTLED, "429", INT64_MAX / 2);
	assert_int_equal(d.report_ms, 3600000);
	assert_true(d.at >= NOW + 3600000 && d.at <= NOW + 3600000 + 1000);
	decide(&d, &h, "small", OUTCOME_RETRY, "451", INT64_MAX / 2);
	assert_true(d.at <= NOW + 3600000 + 1000);
}

/* At once to another, without waiting for the pause; unless there is none for this mail. */
static void test_throttled_mail_spills(void **state)
{
	struct history h = {0};
	struct decision d;

	(void)state;
	decide(&d, &h, "large", OUTCOME_THROTTLED, "429", 5000);
	assert_int_equal(d.report_ms, 5000);
	assert_int_equal(d.at, NOW);
	snprintf(h.pinned, sizeof(h.pinned), "large");
	decide(&d, &h, "large", OUTCOME_THROTTLED, "429", 5000);
	assert_true(d.at >= NOW + 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_follows_from_each_outcome),
		cmocka_unit_test(test_too_large_goes_only_where_more_fits),
		cmocka_unit_test(test_a_quota_opens_the_breaker_for_long),
		cmocka_unit_test(test_a_pause_is_capped),
		cmocka_unit_test(test_throttled_mail_spills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/http_judge.h"
#include "support/http_case.h"

static const struct http_rule none[] = {{0}};

static enum outcome_kind by_status(int status, const char *headers, char code[OUTCOME_MAX_CODE])
{
	struct http_reply r;
	struct outcome o;

	http_case_reply(&r, status, headers, NULL);
	http_judge(&o, &r, none, "", "");
	http_reply_free(&r);
	memcpy(code, o.code, OUTCOME_MAX_CODE);
	assert_int_not_equal(o.text[0], '\0');
	return o.kind;
}

/* Every status there can be comes to something, and only these to `unknown`. */
static void test_every_status(void **state)
{
	char code[OUTCOME_MAX_CODE];

	(void)state;
	for (int status = 100; status < 1000; status++) {
		enum outcome_kind kind = by_status(status, NULL, code);
		enum outcome_kind expected = OUTCOME_RETRY;

		if (status < 300 || status == 502 || status == 504 || status == 520 ||
		    status == 522 || status == 524)
			expected = OUTCOME_UNKNOWN;
		else if (status < 400)
			expected = OUTCOME_PROVIDER_DOWN;
		else if (status < 500)
			expected = OUTCOME_REJECTED;
		switch (status) {
		case 401:
		case 402:
		case 403:
		case 404:
		case 405:
		case 407:
		case 410:
		case 415:
		case 421:
			expected = OUTCOME_PROVIDER_DOWN;
			break;
		case 408:
		case 409:
		case 425:
			expected = OUTCOME_RETRY;
			break;
		case 429:
			expected = OUTCOME_THROTTLED;
			break;
		default:
			break;
		}
		if (kind != expected)
			fail_msg("%d is %s", status, outcome_name(kind));
	}
	assert_int_equal(by_status(413, NULL, code), OUTCOME_REJECTED);
	assert_string_equal(code, CODE_TOO_LARGE);
	assert_int_equal(by_status(503, "Retry-After: 5\n", code), OUTCOME_THROTTLED);
	assert_int_equal(by_status(500, "Retry-After: 5\n", code), OUTCOME_RETRY);
}

static void expect(const struct http_rule *rules, int status, const char *code, const char *text,
                   enum outcome_kind kind, const char *named)
{
	struct http_reply r;
	struct outcome o;

	http_case_reply(&r, status, NULL, NULL);
	http_judge(&o, &r, rules, code, text);
	http_reply_free(&r);
	assert_int_equal(o.kind, kind);
	assert_string_equal(o.code, named);
}

static void test_rules(void **state)
{
	static const struct http_rule rules[] = {
		{400, "exact", NULL, VERDICT_QUOTA},
		{0, "begin*", NULL, VERDICT_SENDER},
		{400, NULL, "some words", VERDICT_DOWN},
		{400, "exact", "never reached", VERDICT_SENT},
		{0},
	};

	(void)state;
	expect(rules, 400, "exact", "", OUTCOME_PROVIDER_DOWN, CODE_QUOTA);
	expect(rules, 401, "exact", "", OUTCOME_PROVIDER_DOWN, "401 exact");
	expect(rules, 400, "exactly", "", OUTCOME_REJECTED, "400 exactly");
	expect(rules, 422, "beginning", "", OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED);
	expect(rules, 422, "begin", "", OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED);
	expect(rules, 422, "begi", "", OUTCOME_REJECTED, "422 begi");
	expect(rules, 400, "", "with SOME WORDS in it", OUTCOME_PROVIDER_DOWN, "400");
	expect(rules, 400, "", "exact", OUTCOME_REJECTED, "400");
}

/* What does not fit is cut between characters: it goes into the status. */
static void test_a_long_id_is_cut_between_characters(void **state)
{
	char id[2 * OUTCOME_MAX_ID + 1];
	struct http_reply r;
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < OUTCOME_MAX_ID; i++)
		memcpy(id + 2 * i, "\xc3\xa9", 3);
	http_case_reply(&r, 200, NULL, NULL);
	http_judge_sent(&o, &r, id);
	assert_int_equal(strlen(o.message_id), OUTCOME_MAX_ID - 2);
	http_reply_free(&r);
}

static void test_sent(void **state)
{
	struct http_reply r;
	struct outcome o;

	(void)state;
	http_case_reply(&r, 202, NULL, NULL);
	http_judge_sent(&o, &r, "id\r\nwith a\tline end");
	assert_int_equal(o.kind, OUTCOME_SENT);
	assert_string_equal(o.code, "202");
	assert_string_equal(o.message_id, "id with a line end");
	http_reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_a_long_id_is_cut_between_characters),
	};

	return cmocka_run_group_tests_name("http_judge", tests, NULL, NULL);
}

/* peek.lua: what earlier claims of a job have left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define K "mail:status:{t}k"
#define K2 "mail:status:{t}k2"
#define K3 "mail:status:{t}k3"
#define TTL 432000000

/* What is stored; who peeks: owner token fingerprint; whether the rival is known; the answer, the
 * answer to the same call again (NULL: the same), what is stored then (NULL: unchanged). */
struct peek_case {
	const char *stored, *who, *rival, *answer, *again, *then;
};

#define NOTHING " '' '' '' '' '' '' '' '' '']"

static void check_all(void **state, const struct peek_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct peek_case *c = &cases[i];
		struct rig *r = rig_begin(state);
		rig_store(r, K, "%s", c->stored);
		char *before = rig_state(r);
		rig_expect_twice(r, c->answer, c->again ? c->again : c->answer, SCRIPT_PEEK, K,
		                 "%d  %s ada@x.org 'Hello you' '%s'", TTL, c->who, c->rival);
		if (c->then) {
			rig_hash(r, K, "%s", c->then);
		} else {
			char *after = rig_state(r);
			rig_same(__FILE__, __LINE__, c->stored, after, before);
			free(after);
		}
		free(before);
	}
}
#define CHECK_ALL(STATE, CASES) check_all((STATE), (CASES), sizeof(CASES) / sizeof((CASES)[0]))

/* An earlier claim died before it wrote anything: this one owns the key, and nothing was sent. */
static void test_a_new_key_is_taken(void **state)
{
	struct rig *r = rig_begin(state);
	long long before = rig_now(r);

	rig_expect(r, "[mine ''" NOTHING, SCRIPT_PEEK, K, "%d  q#a 2 F ada@x.org 'Hello you' ''",
	           TTL);
	rig_hash(r, K,
	         "owner=q#a fingerprint=F to=ada@x.org 'subject=Hello you' status=queued token=2 "
	         "!attempts !provider");
	char *created = redis_server_text(rig_server(r), "HGET " K " created_at");
	assert_in_range(strtoll(created, NULL, 10), before, rig_now(r));
	/* and the same again */
	char *stored = rig_state(r);
	char *answer = rig_call(r, SCRIPT_PEEK, K, "%d  q#a 2 F ada@x.org 'Hello you' ''", TTL);
	char want[96];
	snprintf(want, sizeof(want), "[mine queued '' '' '' '' '' %s '' '' '']", created);
	assert_string_equal(answer, want);
	char *after = rig_state(r);
	assert_string_equal(after, stored);
	free(answer);
	free(stored);
	free(after);
	free(created);
}

static void test_what_is_known_is_told(void **state)
{
	static const struct peek_case cases[] = {
		{"owner=q#a fingerprint=F status=retrying attempts=3 provider=primary tries=primary:2,secondary:1 "
	         "pinned=primary next_attempt_at=123 created_at=5 'recipients=a@x accepted 250' "
	         "message_id=<m@x>",
	         "q#a 2 F", "",
	         "[mine retrying 3 primary primary:2,secondary:1 primary 123 5 'a@x accepted 250' <m@x> '']",
	         NULL, "token=2 attempts=3 status=retrying"},
		{"owner=q#a fingerprint=F status=scheduled next_attempt_at=123 created_at=5",
	         "q#a 2 F", "", "[mine scheduled '' '' '' '' 123 5 '' '' '']", NULL, "token=2"},
		{"owner=q#a fingerprint=F status=queued token=4", "q#a 5 F", "",
	         "[mine queued" NOTHING, NULL, "token=5"},
	};
	CHECK_ALL(state, cases);
}

/* Begun and never finished: it is told as often as it is asked, by whatever claim. */
static void test_sending_is_told_until_somebody_finishes(void **state)
{
	static const struct peek_case cases[] = {
		{"owner=q#a fingerprint=F status=sending", "q#a 2 F", "", "[mine sending" NOTHING,
	         NULL, "status=sending token=2"},
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 2 F", "",
	         "[mine sending" NOTHING, NULL, "status=sending token=2"},
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 3 F", "",
	         "[mine sending" NOTHING, NULL, "status=sending token=3"},
	};
	CHECK_ALL(state, cases);
}

static void test_a_later_claim_has_been_here(void **state)
{
	static const struct peek_case cases[] = {
		{"owner=q#a fingerprint=F status=queued token=2", "q#a 1 F", "", "[stale queued]",
	         NULL, NULL},
		{"owner=q#a fingerprint=F status=sending token=10", "q#a 9 F", "",
	         "[stale sending]", NULL, NULL},
		{"owner=q#a fingerprint=F status=sent token=3", "q#a 2 F", "", "[stale sent]", NULL,
	         NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_what_is_settled_stays(void **state)
{
	static const struct peek_case cases[] = {
		{"owner=q#a fingerprint=F status=sent", "q#a 2 F", "", "[final sent" NOTHING, NULL,
	         NULL},
		{"owner=q#a fingerprint=F status=failed token=2", "q#a 2 F", "",
	         "[final failed" NOTHING, NULL, NULL},
		{"owner=q#a fingerprint=F status=failed attempts=2 provider=p tries=p:2 created_at=5 'error=550: no'",
	         "q#a 2 F", "", "[final failed 2 p p:2 '' '' 5 '' '' '550: no']", NULL, NULL},
		{"owner=q#a fingerprint=F status=held", "q#a 2 F", "", "[final held" NOTHING, NULL,
	         NULL},
		{"owner=q#a fingerprint=F status=cancelled", "q#a 2 F", "",
	         "[final cancelled" NOTHING, NULL, NULL},
		/* cancelled before its first claim */
		{"status=cancelled fingerprint=F created_at=5", "q#a 2 F", "",
	         "[final cancelled '' '' '' '' '' 5 '' '' '']", NULL,
	         "owner=q#a status=cancelled created_at=5"},
	};
	CHECK_ALL(state, cases);
}

/* A duplicate of unsettled mail is dropped only when the mail's own job is still there. */
static void test_rivals(void **state)
{
	static const struct peek_case cases[] = {
		/* not asked yet */
		{"owner=q#b fingerprint=F status=retrying", "q#a 1 F", "", "[rival q#b]", NULL,
	         NULL},
		/* it lives: this one is a duplicate (counted below) */
		/* it is gone: this one takes over what is known of the mail */
		{"owner=q#b fingerprint=F status=retrying attempts=2 provider=primary tries=primary:2 created_at=5 "
	         "token=7",
	         "q#a 1 F", "q#b", "[mine retrying 2 primary primary:2 '' '' 5 '' '' '']", NULL,
	         "owner=q#a token=1 status=retrying attempts=2 created_at=5"},
		{"owner=q#b fingerprint=F status=sending token=7", "q#a 1 F", "q#b",
	         "[mine sending" NOTHING, NULL, "owner=q#a token=1 status=sending"},
		/* somebody else has taken over meanwhile */
		{"owner=q#c fingerprint=F status=queued", "q#a 1 F", "q#b", "[rival q#c]", NULL,
	         NULL},
		/* it was settled meanwhile: a duplicate after all, or another mail altogether */
		{"owner=q#b fingerprint=G status=queued", "q#a 1 F", "q#b", "[conflict q#b]", NULL,
	         NULL},
		{"owner=q#b fingerprint=G status=queued", "q#a 1 F", "alive", "[conflict q#b]",
	         NULL, NULL},
		{"owner=q#b fingerprint=G status=sent", "q#a 1 F", "", "[conflict q#b]", NULL,
	         NULL},
		/* an API's acceptance of other content */
		{"status=queued fingerprint=G", "q#a 1 F", "", "[conflict '']", NULL, NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_duplicates_are_counted(void **state)
{
	static const struct {
		const char *status, *rival;
	} cases[] = {
		{"queued", "alive"}, {"sending", "alive"}, {"retrying", "alive"}, {"sent", ""},
		{"sent", "q#b"},     {"failed", "alive"},  {"cancelled", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		char want[32];
		rig_store(r, K, "owner=q#b fingerprint=F status=%s token=2", cases[i].status);
		snprintf(want, sizeof(want), "[duplicate %s]", cases[i].status);
		for (int n = 1; n <= 2; n++) {
			rig_expect(r, want, SCRIPT_PEEK, K, "%d  q#a 1 F e@x.org Hi '%s'", TTL,
			           cases[i].rival);
			rig_hash(r, K, "owner=q#b status=%s token=2 duplicates=%d", cases[i].status,
			         n);
		}
	}
}

/* After a takeover the one that was thought to be gone is shut out at every edge. */
static void test_who_lost_its_key_is_shut_out(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#b fingerprint=F status=queued token=7");
	rig_expect(r, "[mine queued" NOTHING, SCRIPT_PEEK, K, "%d  q#a 1 F e@x.org Hi q#b", TTL);
	rig_expect(r, "[rival q#a]", SCRIPT_PEEK, K, "%d  q#b 8 F e@x.org Hi ''", TTL);
	rig_expect(r, "'rival q#a'", SCRIPT_BEGIN, K, "%d  q#b 7 F e@x.org Hi primary 1", TTL);
	rig_expect(r, "'rival q#a'", SCRIPT_FINISH, K, "q#b 7 F e@x.org Hi scheduled %d '' 0", TTL);
	rig_expect(r, "late", SCRIPT_FINISH, K, "q#b 7 F e@x.org Hi sent %d line 0", TTL);
	rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 1 F e@x.org Hi primary 1", TTL);
	rig_hash(r, K, "owner=q#a status=sending late:7=line");
}

/* peek shuts an earlier claim of the same job out, wherever that one stands. */
static void test_the_predecessor_is_shut_out(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 1 F e@x.org Hi primary 1", TTL);
	char *answer = rig_call(r, SCRIPT_PEEK, K, "%d  q#a 2 F e@x.org Hi ''", TTL);
	assert_non_null(strstr(answer, "mine sending"));
	free(answer);
	rig_expect(r, "stale", SCRIPT_BEGIN, K, "%d  q#a 1 F e@x.org Hi primary 1", TTL);
	rig_expect(r, "late", SCRIPT_FINISH, K, "q#a 1 F e@x.org Hi sent %d 'primary sent 250' 0",
	           TTL);
	rig_hash(r, K, "status=sending token=2 'late:1=primary sent 250'");
}

/* FAULTS 5a: scheduled for in thirty days, it must be known until long after. */
static void test_a_life_is_never_cut_short(void **state)
{
	static const struct {
		long long before, ttl, after;
	} cases[] = {
		{3000000000, 86400000, 3000000000},
		{3600000, 86400000, 86400000},
		{0, 86400000, 86400000}, /* none was set */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		rig_store(r, K, "owner=q#a fingerprint=F status=scheduled");
		if (cases[i].before)
			redis_server_do(rig_server(r), "PEXPIRE " K " %lld", cases[i].before);
		char *answer = rig_call(r, SCRIPT_PEEK, K, "%lld  q#a 2 F e@x.org Hi ''",
		                        cases[i].ttl);
		assert_memory_equal(answer, "[mine", 5);
		free(answer);
		/* this very test has not run for a minute */
		assert_in_range(redis_server_int(rig_server(r), "PTTL " K), cases[i].after - 60000,
		                cases[i].after);
	}
}

static void test_a_batch_is_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#a fingerprint=F status=sent");
	redis_server_do(rig_server(r), "SET " K2 " oops");
	char *answer = rig_call(r, SCRIPT_PEEK, K " " K2 " " K3,
	                        "%d  q#a 2 F a@x.org Hi ''  q#b 2 F b@x.org Hi ''"
	                        "  q#c 2 F c@x.org 'Hi there' ''",
	                        TTL);
	assert_memory_equal(answer, "[final sent" NOTHING " [error 'WRONGTYPE",
	                    strlen("[final sent" NOTHING " [error 'WRONGTYPE"));
	assert_non_null(strstr(answer, "] [mine ''" NOTHING));
	free(answer);
	rig_hash(r, K3, "owner=q#c token=2 to=c@x.org 'subject=Hi there'");
	rig_sees(r, "oops", "GET " K2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_key_is_taken),
		cmocka_unit_test(test_what_is_known_is_told),
		cmocka_unit_test(test_sending_is_told_until_somebody_finishes),
		cmocka_unit_test(test_a_later_claim_has_been_here),
		cmocka_unit_test(test_what_is_settled_stays),
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_duplicates_are_counted),
		cmocka_unit_test(test_who_lost_its_key_is_shut_out),
		cmocka_unit_test(test_the_predecessor_is_shut_out),
		cmocka_unit_test(test_a_life_is_never_cut_short),
		cmocka_unit_test(test_a_batch_is_answered_one_by_one),
	};
	return cmocka_run_group_tests_name("peek.lua", tests, rig_setup_standalone, rig_teardown) +
	       cmocka_run_group_tests_name("peek.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

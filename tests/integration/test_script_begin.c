/* begin.lua: the point of no return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

/* The tag puts them in one slot of a cluster. */
#define K "mail:status:{t}k"
#define K2 "mail:status:{t}k2"
#define K3 "mail:status:{t}k3"
#define TTL 432000000

/* What is stored, who begins (owner token fingerprint), the answer, what is stored then. */
struct begin_case {
	const char *stored, *who, *answer, *then;
};

static void check(void **state, const struct begin_case *c)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "%s", c->stored);
	char *before = rig_state(r);
	rig_expect_twice(r, c->answer, strncmp(c->answer, "'ok ", 4) == 0 ? "ok" : c->answer,
	                 SCRIPT_BEGIN, K, "%d  %s ada@x.org 'Hello you' primary 1", TTL, c->who);
	if (c->then) {
		rig_hash(r, K, "%s", c->then);
	} else {
		char *after = rig_state(r);
		rig_same(__FILE__, __LINE__, c->stored, after, before);
		free(after);
	}
	free(before);
}

static void check_all(void **state, const struct begin_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(state, &cases[i]);
}
#define CHECK_ALL(STATE, CASES) check_all((STATE), (CASES), sizeof(CASES) / sizeof((CASES)[0]))

static void test_a_new_key_is_taken(void **state)
{
	static const struct begin_case cases[] = {
		{"", "q#a 1 F", "ok",
	         "owner=q#a fingerprint=F to=ada@x.org 'subject=Hello you' status=sending "
	         "provider=primary attempts=1 !token !duplicates"},
		{"", "q#a 3 F", "ok", "owner=q#a status=sending token=3"},
	};
	CHECK_ALL(state, cases);
	struct rig *r = rig_begin(state);
	long long before = rig_now(r);
	rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 1 F ada@x.org Hi primary 1", TTL);
	char *created = redis_server_text(rig_server(r), "HGET " K " created_at");
	assert_in_range(strtoll(created, NULL, 10), before, rig_now(r));
	rig_hash(r, K, "updated_at=%s", created);
	free(created);
}

static void test_the_owner_goes_on(void **state)
{
	static const struct begin_case cases[] = {
		{"owner=q#a fingerprint=F status=queued", "q#a 1 F", "ok", "status=sending !token"},
		{"owner=q#a fingerprint=F status=queued", "q#a 2 F", "ok",
	         "status=sending token=2"},
		{"owner=q#a fingerprint=F status=scheduled token=2", "q#a 2 F", "ok",
	         "status=sending token=2"},
		{"owner=q#a fingerprint=F status=retrying attempts=1 error=e tries=primary:1",
	         "q#a 2 F", "ok",
	         "status=sending token=2 attempts=1 error=e tries=primary:1 provider=primary"},
	};
	CHECK_ALL(state, cases);
}

/* Fencing: what an earlier and a later claim of the same job find. */
static void test_tokens_fence(void **state)
{
	static const struct begin_case cases[] = {
		/* this very claim, repeated */
		{"owner=q#a fingerprint=F status=sending", "q#a 1 F", "ok",
	         "status=sending !token"},
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 2 F", "ok", "token=2"},
		/* an earlier claim has begun, and nobody knows */
		{"owner=q#a fingerprint=F status=sending", "q#a 2 F", "unknown", NULL},
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 3 F", "unknown", NULL},
		{"owner=q#a fingerprint=F status=sending token=9", "q#a 10 F", "unknown", NULL},
		/* a later claim has been here */
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 1 F", "stale", NULL},
		{"owner=q#a fingerprint=F status=queued token=2", "q#a 1 F", "stale", NULL},
		{"owner=q#a fingerprint=F status=retrying token=3", "q#a 2 F", "stale", NULL},
		{"owner=q#a fingerprint=F status=scheduled token=10", "q#a 9 F", "stale", NULL},
		{"owner=q#a fingerprint=F status=sent token=2", "q#a 1 F", "stale", NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_what_is_settled_is_not_sent(void **state)
{
	static const struct begin_case cases[] = {
		{"owner=q#a fingerprint=F status=sent", "q#a 1 F", "'final sent'", NULL},
		{"owner=q#a fingerprint=F status=sent", "q#a 2 F", "'final sent'", NULL},
		{"owner=q#a fingerprint=F status=failed token=2", "q#a 2 F", "'final failed'",
	         NULL},
		{"owner=q#a fingerprint=F status=held token=2", "q#a 3 F", "'final held'", NULL},
		{"owner=q#a fingerprint=F status=cancelled", "q#a 1 F", "'final cancelled'", NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_another_job_has_the_key(void **state)
{
	static const struct begin_case cases[] = {
		{"owner=q#b fingerprint=G status=sending", "q#a 1 F", "'conflict q#b'", NULL},
		{"owner=q#b fingerprint=G status=sent", "q#a 7 F", "'conflict q#b'", NULL},
		{"owner=q#b fingerprint=F status=queued", "q#a 1 F", "'rival q#b'", NULL},
		{"owner=q#b fingerprint=F status=scheduled token=3", "q#a 1 F", "'rival q#b'",
	         NULL},
		{"owner=q#b fingerprint=F status=retrying", "q#a 9 F", "'rival q#b'", NULL},
		{"owner=q#b fingerprint=F status=sending token=3", "q#a 9 F", "'rival q#b'", NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_a_duplicate_of_settled_mail_is_counted(void **state)
{
	static const char *const finals[] = {"sent", "failed", "held", "cancelled"};

	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct rig *r = rig_begin(state);
		rig_store(r, K, "owner=q#b fingerprint=F status=%s attempts=4 token=2", finals[i]);
		redis_server_do(rig_server(r), "PEXPIRE " K " 77000000");
		for (int n = 1; n <= 2; n++) {
			rig_expect(r, "duplicate", SCRIPT_BEGIN, K,
			           "%d  q#a 1 F eve@x.org Hi primary 1", TTL);
			rig_hash(r, K, "owner=q#b status=%s attempts=4 token=2 duplicates=%d !to",
			         finals[i], n);
		}
		assert_in_range(redis_server_int(rig_server(r), "PTTL " K), 1, 77000000);
	}
}

/* Accepted by the API: a status without an owner, before any job was claimed. */
static void test_an_accepted_mail_is_taken(void **state)
{
	static const struct begin_case cases[] = {
		{"status=queued fingerprint=F created_at=5 subject=Hi", "q#a 1 F", "'ok 5'",
	         "owner=q#a fingerprint=F status=sending created_at=5 to=ada@x.org !token"},
		{"status=scheduled created_at=5", "q#a 2 F", "ok",
	         "owner=q#a fingerprint=F status=sending created_at=5 token=2"},
		{"status=queued fingerprint=G created_at=5", "q#a 1 F", "'conflict '", NULL},
		{"status=cancelled fingerprint=F created_at=5", "q#a 1 F", "'final cancelled'",
	         "owner=q#a status=cancelled created_at=5 !provider"},
		{"status=cancelled created_at=5", "q#a 1 F", "'final cancelled'",
	         "owner=q#a fingerprint=F to=ada@x.org status=cancelled"},
	};
	CHECK_ALL(state, cases);
}

/* The reason why another job under this key was not valid gives way to a valid one. */
static void test_a_note_gives_way(void **state)
{
	static const struct begin_case cases[] = {
		{"status=failed 'error=invalid: no recipient' created_at=5", "q#a 1 F", "ok",
	         "owner=q#a fingerprint=F status=sending !error"},
	};
	CHECK_ALL(state, cases);
	struct rig *r = rig_begin(state);
	rig_store(r, K, "status=failed error=invalid created_at=5");
	rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 1 F ada@x.org Hi primary 1", TTL);
	char *created = redis_server_text(rig_server(r), "HGET " K " created_at");
	assert_string_not_equal(created, "5");
	free(created);
}

static void test_it_lives_as_long_as_it_is_told(void **state)
{
	struct rig *r = rig_begin(state);

	for (int ttl = 100000000; ttl <= 200000000; ttl += 100000000) {
		rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 1 F ada@x.org Hi primary 1", ttl);
		char *at = redis_server_text(rig_server(r), "HGET " K " updated_at");
		assert_int_equal(redis_server_int(rig_server(r), "PEXPIRETIME " K),
		                 strtoll(at, NULL, 10) + ttl);
		free(at);
	}
}

/* FAULTS 38: fifty jobs with one key in one call, as from fifty clients at once. */
static void test_of_many_with_one_key_one_begins(void **state)
{
	struct rig *r = rig_begin(state);
	char keys[50 * sizeof(K " ")] = "", args[50 * 48] = "1000000";
	size_t n_ok = 0;

	for (int i = 0; i < 50; i++) {
		char one[48];
		snprintf(one, sizeof(one), " q#%d 1 F a@x.org Hi primary 1", i);
		strncat(args, one, sizeof(args) - strlen(args) - 1);
		strncat(keys, K " ", sizeof(keys) - strlen(keys) - 1);
	}
	redisReply *reply = rig_reply(r, SCRIPT_BEGIN, keys, "%s", args);
	assert_int_equal(reply->elements, 50);
	for (size_t i = 0; i < reply->elements; i++) {
		n_ok += strcmp(reply->element[i]->str, "ok") == 0;
		if (i > 0)
			assert_string_equal(reply->element[i]->str, "rival q#0");
	}
	assert_int_equal(n_ok, 1);
	freeReplyObject(reply);
	rig_hash(r, K, "owner=q#0");
}

static void test_one_bad_key_does_not_fail_its_batch(void **state)
{
	struct rig *r = rig_begin(state);

	redis_server_do(rig_server(r), "SET " K2 " oops");
	char *answer = rig_call(r, SCRIPT_BEGIN, K " " K2 " " K3,
	                        "%d  q#a 1 F a@x.org Hi primary 1  q#b 1 F b@x.org Hi primary 1"
	                        "  q#c 2 F c@x.org Hi secondary 5",
	                        TTL);
	assert_memory_equal(answer, "ok 'error WRONGTYPE", 19);
	assert_string_equal(answer + strlen(answer) - 4, "' ok");
	free(answer);
	rig_hash(r, K, "owner=q#a provider=primary attempts=1");
	rig_hash(r, K3, "owner=q#c provider=secondary attempts=5 token=2");
	rig_sees(r, "oops", "GET " K2);
}

/* New mails cost one look at all of them and two writes each; the second with the same key finds the first. */
static void test_a_batch_of_new_keys(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "ok 'rival q#a' 'conflict q#a' ok ok", SCRIPT_BEGIN,
	           K " " K " " K " " K2 " " K3,
	           "%d  q#a 1 F a@x.org Hi primary 1  q#b 1 F a@x.org Hi primary 1"
	           "  q#c 1 G c@x.org Hi primary 1  q#d 1 F d@x.org Hi primary 2"
	           "  q#e 1 F e@x.org Hi primary 1",
	           TTL);
	assert_int_equal(rig_commands(r, "EXISTS"), 1);
	assert_int_equal(rig_commands(r, "HSET"), 3);
	assert_int_equal(rig_commands(r, "PEXPIREAT"), 3);
	rig_hash(r, K, "owner=q#a to=a@x.org");
	rig_hash(r, K2, "owner=q#d to=d@x.org attempts=2");
	rig_hash(r, K3, "owner=q#e to=e@x.org");
}

/* A field that somebody has overwritten by hand. */
static void test_a_broken_count_of_duplicates_does_not_either(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#b fingerprint=F status=sent duplicates=many");
	rig_expect(r, "duplicate ok", SCRIPT_BEGIN, K " " K2,
	           "%d  q#a 1 F a@x.org Hi primary 1  q#c 1 F a@x.org Hi primary 1", TTL);
}

/* FAULTS 12: nothing is begun when it could not be written. */
static void test_nothing_is_begun_when_memory_is_full(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K2, "owner=q#b fingerprint=F status=queued");
	char *before = rig_state(r);
	rig_fill_memory(r, true);
	char *new_key = rig_call(r, SCRIPT_BEGIN, K, "%d  q#a 1 F a@x.org Hi primary 1", TTL);
	char *old_key = rig_call(r, SCRIPT_BEGIN, K2, "%d  q#b 1 F a@x.org Hi primary 1", TTL);
	rig_fill_memory(r, false);
	assert_non_null(strstr(new_key, "OOM"));
	assert_non_null(strstr(old_key, "OOM"));
	char *after = rig_state(r);
	assert_string_equal(after, before);
	free(new_key);
	free(old_key);
	free(before);
	free(after);
}

/* A value over 64 bytes would double what a mail costs in memory: the script adds none by itself. */
static void test_a_status_stays_compact(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(
		r, "ok", SCRIPT_BEGIN, K,
		"%d  mail:queue:high#0123456789abcdef 12345 0123456789abcdef01234567 "
		"somebody@example.com 'A subject that was cut by the one who wrote it to 60 bytes' "
		"primary 12",
		TTL);
	rig_sees(r, "listpack", "OBJECT ENCODING " K);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_key_is_taken),
		cmocka_unit_test(test_the_owner_goes_on),
		cmocka_unit_test(test_tokens_fence),
		cmocka_unit_test(test_what_is_settled_is_not_sent),
		cmocka_unit_test(test_another_job_has_the_key),
		cmocka_unit_test(test_a_duplicate_of_settled_mail_is_counted),
		cmocka_unit_test(test_an_accepted_mail_is_taken),
		cmocka_unit_test(test_a_note_gives_way),
		cmocka_unit_test(test_it_lives_as_long_as_it_is_told),
		cmocka_unit_test(test_of_many_with_one_key_one_begins),
		cmocka_unit_test(test_one_bad_key_does_not_fail_its_batch),
		cmocka_unit_test(test_a_batch_of_new_keys),
		cmocka_unit_test(test_a_broken_count_of_duplicates_does_not_either),
		cmocka_unit_test(test_nothing_is_begun_when_memory_is_full),
		cmocka_unit_test(test_a_status_stays_compact),
	};
	return cmocka_run_group_tests_name("begin.lua", tests, rig_setup_standalone, rig_teardown) +
	       cmocka_run_group_tests_name("begin.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

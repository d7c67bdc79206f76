/* reopen.lua: the status of a dead letter, made ready for another round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define K "mail:status:{t}k"
#define K2 "mail:status:{t}k2"
#define K3 "mail:status:{t}k3"
#define TTL 432000000

static const char *const dead_states[] = {"failed", "held"};

/* The timeline stays and goes on, and so does the provider of an unknown attempt; the tries begin
 * anew, and so does the time that a mail may wait at most. */
static void test_a_dead_letter_is_queued_again(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig *r = rig_begin(state);
		long long from = rig_now(r);
		rig_store(
			r, K,
			"owner=q#a fingerprint=F status=%s token=3 created_at=5 updated_at=6 attempts=3 "
			"attempt:3=l tries=p:3 error=e next_attempt_at=9 pinned=p provider=p "
			"duplicates=2 'recipients=a accepted'",
			dead_states[i]);
		rig_expect_twice(r, "ok", "queued", SCRIPT_REOPEN, K, "%d q#a", TTL);
		rig_hash(
			r, K,
			"owner=q#a fingerprint=F status=queued token=3 attempts=3 attempt:3=l !tries "
			"!error !next_attempt_at pinned=p provider=p duplicates=2 "
			"'recipients=a accepted'");
		char *at = redis_server_text(rig_server(r), "HGET " K " updated_at");
		rig_hash(r, K, "created_at=%s", at);
		assert_in_range(strtoll(at, NULL, 10), from, rig_now(r));
		assert_int_equal(redis_server_int(rig_server(r), "PEXPIRETIME " K),
		                 strtoll(at, NULL, 10) + TTL);
		free(at);
	}
}

static void test_nothing_else_is_touched(void **state)
{
	static const struct {
		const char *stored, *answer;
	} cases[] = {
		{"owner=q#b status=failed", "foreign"},
		{"owner=q#b status=held", "foreign"},
		{"status=failed error=invalid", "foreign"},
		{"owner=q#a status=sent", "sent"},
		{"owner=q#a status=cancelled", "cancelled"},
		{"owner=q#a status=sending", "sending"},
		{"owner=q#a status=retrying", "retrying"},
		{"owner=q#a status=scheduled", "scheduled"},
		{"owner=q#a status=queued", "queued"},
		{"", "ok"}, /* has run out */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		rig_store(r, K, "%s", cases[i].stored);
		char *before = rig_state(r);
		rig_expect_twice(r, cases[i].answer, cases[i].answer, SCRIPT_REOPEN, K, "%d q#a",
		                 TTL);
		char *after = rig_state(r);
		assert_string_equal(after, before);
		free(before);
		free(after);
	}
}

/* The next claim of the job finds it as if it had never been tried, under its own token. */
static void test_it_can_be_sent_after(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#a fingerprint=F status=failed token=3 attempts=3 tries=p:3");
	rig_expect(r, "ok", SCRIPT_REOPEN, K, "%d q#a", TTL);
	char *answer = rig_call(r, SCRIPT_PEEK, K, "%d  q#a 4 F a@x.org Hi ''", TTL);
	assert_memory_equal(answer, "[mine queued 3 '' '' '' ''", 26);
	free(answer);
	rig_expect(r, "ok", SCRIPT_BEGIN, K, "%d  q#a 4 F a@x.org Hi p 4", TTL);
	rig_hash(r, K, "status=sending token=4 attempts=4");
}

static void test_a_batch_is_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#a status=failed error=e");
	redis_server_do(rig_server(r), "SET " K2 " oops");
	rig_store(r, K3, "owner=q#c status=held error=e");
	char *answer = rig_call(r, SCRIPT_REOPEN, K " " K2 " " K3, "%d q#a q#b q#c", TTL);
	assert_memory_equal(answer, "ok 'error WRONGTYPE", 19);
	assert_string_equal(answer + strlen(answer) - 4, "' ok");
	free(answer);
	rig_hash(r, K, "status=queued !error");
	rig_hash(r, K3, "status=queued !error");
	rig_sees(r, "oops", "GET " K2);
}

static void test_full_memory_does_not_stop_it(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "owner=q#a status=failed");
	rig_fill_memory(r, true);
	rig_expect(r, "ok", SCRIPT_REOPEN, K, "%d q#a", TTL);
	rig_fill_memory(r, false);
	rig_hash(r, K, "status=queued");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_dead_letter_is_queued_again),
		cmocka_unit_test(test_nothing_else_is_touched),
		cmocka_unit_test(test_it_can_be_sent_after),
		cmocka_unit_test(test_a_batch_is_answered_one_by_one),
		cmocka_unit_test(test_full_memory_does_not_stop_it),
	};
	return cmocka_run_group_tests_name("reopen.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("reopen.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

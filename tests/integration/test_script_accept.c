/* accept.lua: mails that the API takes in. */
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
#define TTL 432000000
#define MAIL "F ada@x.org 'Hello you' 0 0"

static void test_a_new_key_is_queued_and_owned_by_nobody(void **state)
{
	struct rig *r = rig_begin(state);
	long long before = rig_now(r);
	char *created, want[128];

	rig_expect(r, "[new]", SCRIPT_ACCEPT, K, "%d  " MAIL, TTL);
	rig_hash(
		r, K,
		"status=queued fingerprint=F to=ada@x.org 'subject=Hello you' !owner !token !attempts");
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K), TTL - 60000, TTL);
	created = redis_server_text(rig_server(r), "HGET " K " created_at");
	assert_in_range(strtoll(created, NULL, 10), before, rig_now(r));
	/* the answer was lost, or the one who asked died */
	char *stored = rig_state(r);
	char *answer = rig_call(r, SCRIPT_ACCEPT, K, "%d  " MAIL, TTL);
	snprintf(want, sizeof(want), "[again queued '' '' '' %s %s '']", created, created);
	assert_string_equal(answer, want);
	char *after = rig_state(r);
	rig_same(__FILE__, __LINE__, "repeat", after, stored);
	free(answer);
	free(stored);
	free(after);
	free(created);
	rig_sees(r, "listpack", "OBJECT ENCODING " K);
}

/* What is stored, and the answer; NULL: what is stored gave way. */
static const struct accept_case {
	const char *stored, *answer;
} cases[] = {
	{"fingerprint=F status=queued created_at=5 updated_at=6", "[again queued '' '' '' 5 6 '']"},
	{"owner=q#a fingerprint=F status=queued", "[known queued '' '' '' '' '' '']"},
	{"owner=q#a fingerprint=F status=sent provider=p attempts=2 message_id=m created_at=5 updated_at=6",
         "[known sent p 2 m 5 6 '']"},
	{"owner=q#a fingerprint=F status=failed error=550:_no",
         "[known failed '' '' '' '' '' 550:_no]"},
	{"fingerprint=F status=cancelled", "[known cancelled '' '' '' '' '' '']"},
	{"owner=q#a fingerprint=G status=sent", "[conflict]"},
	{"fingerprint=G status=queued", "[conflict]"},
	{"fingerprint=G status=cancelled", "[conflict]"},
	/* a note why something was not valid */
	{"status=failed error=invalid", NULL},
};

static void test_what_is_known_stays(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);

		rig_store(r, K, "%s", cases[i].stored);
		char *before = rig_state(r);
		rig_expect(r, cases[i].answer ? cases[i].answer : "[new]", SCRIPT_ACCEPT, K,
		           "%d  " MAIL, TTL);
		if (cases[i].answer) {
			char *after = rig_state(r);
			rig_same(__FILE__, __LINE__, cases[i].stored, after, before);
			free(after);
		} else {
			rig_hash(r, K, "status=queued fingerprint=F !error");
		}
		free(before);
	}
}

/* It outlives its time by MAX_QUEUE_TIME. */
static void test_a_scheduled_one_lives_longer(void **state)
{
	struct rig *r = rig_begin(state);
	long long now = rig_now(r), day = 86400000;

	rig_expect(r, "[new]", SCRIPT_ACCEPT, K, "1000  F a@x.org s %lld 0", now + 30 * day);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K), 30 * day - 60000,
	                30 * day + 1000);
	rig_expect(r, "[new]", SCRIPT_ACCEPT, K2, "1000  F a@x.org s 0 %lld", day);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K2), day - 60000, day + 1000);
}

static void test_many_are_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	redis_server_do(rig_server(r), "SET " K2 " x");
	char *answer = rig_call(r, SCRIPT_ACCEPT, K " " K2 " " K,
	                        "%d  " MAIL "  " MAIL "  G b@x.org s 0 0", TTL);
	assert_non_null(strstr(answer, "[new] ['error WRONGTYPE"));
	assert_non_null(strstr(answer, "[conflict]"));
	free(answer);
}

static void test_nothing_is_taken_when_memory_is_full(void **state)
{
	struct rig *r = rig_begin(state);

	rig_fill_memory(r, true);
	char *answer = rig_call(r, SCRIPT_ACCEPT, K, "%d  " MAIL, TTL);
	assert_non_null(strstr(answer, "OOM"));
	free(answer);
	rig_fill_memory(r, false);
	rig_sees(r, "0", "EXISTS " K);
}

/* The first worker's begin takes it, as it stands. */
static void test_a_worker_takes_it(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "[new]", SCRIPT_ACCEPT, K, "%d  " MAIL, TTL);
	char *answer = rig_call(r, SCRIPT_BEGIN, K, "%d  q#a 1 F ada@x.org 'Hello you' primary 1",
	                        TTL);
	assert_non_null(strstr(answer, "ok ")); /* and since when it is known */
	free(answer);
	answer = rig_call(r, SCRIPT_ACCEPT, K, "%d  " MAIL, TTL);
	assert_int_equal(strncmp(answer, "[known sending primary 1 ", 25), 0);
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_key_is_queued_and_owned_by_nobody),
		cmocka_unit_test(test_what_is_known_stays),
		cmocka_unit_test(test_a_scheduled_one_lives_longer),
		cmocka_unit_test(test_many_are_answered_one_by_one),
		cmocka_unit_test(test_nothing_is_taken_when_memory_is_full),
		cmocka_unit_test(test_a_worker_takes_it),
	};
	return cmocka_run_group_tests_name("accept.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("accept.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

/* cancel.lua: mails that nobody is to send any more. */
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
#define MAIL "F ada@x.org 'Hello you'"

static void test_what_waits_is_cancelled(void **state)
{
	static const char *const stored[] = {
		"status=queued fingerprint=F",
		"status=queued fingerprint=F owner=q#a",
		"status=scheduled fingerprint=F owner=q#a next_attempt_at=9999999999999",
		"status=retrying fingerprint=F owner=q#a tries=p:1 attempts=1",
	};

	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		struct rig *r = rig_begin(state);

		rig_store(r, K, "%s", stored[i]);
		rig_expect_twice(r, "cancelled", "cancelled", SCRIPT_CANCEL, K, "%d", TTL);
		rig_hash(r, K, "status=cancelled fingerprint=F !next_attempt_at");
		/* and no worker sends it */
		rig_expect(r, "'final cancelled'", SCRIPT_BEGIN, K, "%d  q#a 1 " MAIL " primary 1",
		           TTL);
	}
}

static void test_it_may_be_too_late(void **state)
{
	static const char *const stored[][2] = {
		{"status=sending owner=q#a", "sending"},
		{"status=sent owner=q#a", "sent"},
		{"status=failed owner=q#a", "failed"},
		{"status=held owner=q#a", "held"},
		/* a copy may have left */
		{"status=retrying owner=q#a pinned=primary", "retrying"},
	};

	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		struct rig *r = rig_begin(state);

		rig_store(r, K, "%s", stored[i][0]);
		char *before = rig_state(r);
		rig_expect(r, stored[i][1], SCRIPT_CANCEL, K, "%d", TTL);
		char *after = rig_state(r);
		rig_same(__FILE__, __LINE__, stored[i][0], after, before);
		free(before);
		free(after);
	}
	struct rig *r = rig_begin(state);
	rig_expect(r, "none", SCRIPT_CANCEL, K, "%d", TTL);
	rig_sees(r, "0", "EXISTS " K);
}

/* FAULTS 5a: what waits for a month stays cancelled for a month. */
static void test_its_life_is_never_cut_short(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "status=scheduled fingerprint=F");
	redis_server_do(rig_server(r), "PEXPIRE " K " 2592000000");
	rig_expect(r, "cancelled", SCRIPT_CANCEL, K, "%d", TTL);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K), 2591000000, 2592000000);
	rig_store(r, K2, "status=queued fingerprint=F");
	redis_server_do(rig_server(r), "PEXPIRE " K2 " 1000");
	rig_expect(r, "cancelled", SCRIPT_CANCEL, K2, "%d", TTL);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K2), TTL - 60000, TTL);
}

static void test_one_bad_key_does_not_fail_its_batch(void **state)
{
	struct rig *r = rig_begin(state);

	redis_server_do(rig_server(r), "SET " K2 " x");
	rig_store(r, K, "status=queued fingerprint=F");
	char *answer = rig_call(r, SCRIPT_CANCEL, K2 " " K, "%d", TTL);
	assert_int_equal(strncmp(answer, "'error WRONGTYPE", 16), 0);
	assert_string_equal(strrchr(answer, ' '), " cancelled");
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits_is_cancelled),
		cmocka_unit_test(test_it_may_be_too_late),
		cmocka_unit_test(test_its_life_is_never_cut_short),
		cmocka_unit_test(test_one_bad_key_does_not_fail_its_batch),
	};
	return cmocka_run_group_tests_name("cancel.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("cancel.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

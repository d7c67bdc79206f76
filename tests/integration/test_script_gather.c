/* gather.lua and lag.lua: events read by archivers, and how far these are behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define ARCHIVE "{mail:queue}:archive"
#define KEYS EVENTS " " ARCHIVE

static void add(struct rig *r, int from, int to)
{
	for (int i = from; i <= to; i++)
		redis_server_do(rig_server(r), "XADD " EVENTS " %d-0 k %d", i, i);
}

/* The whole group, from the first entry on; what is acknowledged is counted once. */
static void test_reads_and_acknowledges(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 3);
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	rig_expect(r, "0 [[3-0 [k 3]]]", SCRIPT_GATHER, KEYS, "g me 2 0 1 1-0 2-0");
	rig_hash(r, ARCHIVE, "archived=1 skipped=1 last=3-0 read=3 !lost");
	rig_expect_twice(r, "0 []", "0 []", SCRIPT_GATHER, KEYS, "g me 2 0 0 3-0");
	rig_hash(r, ARCHIVE, "archived=2 skipped=1 !lost");
	rig_sees(r, "0 nil nil nil", "XPENDING " EVENTS " g");
}

/* There is no stream yet: the group waits for it. */
static void test_before_the_first_event(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "", SCRIPT_LAG, KEYS, "g");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 5 0 0");
	rig_expect(r, "0 0 0 0 0 0 1", SCRIPT_LAG, KEYS, "g");
	add(r, 1, 1);
	rig_expect(r, "0 [[1-0 [k 1]]]", SCRIPT_GATHER, KEYS, "g me 5 0 0");
}

/* Two share the entries; what one leaves unacknowledged the other takes over, and who leaves is forgotten. */
static void test_takes_over(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 4);
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g dead 2 0 0");
	rig_expect(r, "0 [[3-0 [k 3]] [4-0 [k 4]]]", SCRIPT_GATHER, KEYS, "g me 5 3600000 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 5 3600000 0 3-0 4-0");
	redis_server_do(rig_server(r), "XCLAIM " EVENTS " g dead 0 1-0 2-0 IDLE 5000 JUSTID");
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 5 4000 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 5 4000 0 1-0 2-0");
	rig_expect_twice(r, "0 []", "0 []", SCRIPT_GATHER, KEYS, "g me 0 0 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g dead 0 0 0");
	rig_sees(r, "", "XINFO CONSUMERS " EVENTS " g");
	rig_hash(r, ARCHIVE, "archived=4 !lost");
}

/* Who leaves with entries in hand is kept with them. */
static void test_leaves_with_entries(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 2);
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 0 0 0 1-0");
	rig_sees(r, "1 2-0 2-0 [[me 1]]", "XPENDING " EVENTS " g");
}

/* What was trimmed unread is counted, exactly; what was read before, and what was gone before the first archiver
 * came, is not. */
static void test_counts_what_is_lost(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 5);
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 3");
	rig_expect(r, "0 [[3-0 [k 3]] [4-0 [k 4]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 1"); /* 3 and 4 were read */
	rig_expect(r, "0 [[5-0 [k 5]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0 3-0 4-0");
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 2 0 0 5-0");
	add(r, 6, 20);
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 4"); /* 6 to 16 are gone */
	rig_expect(r, "11 [[17-0 [k 17]] [18-0 [k 18]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	rig_expect(r, "0 [[19-0 [k 19]] [20-0 [k 20]]]", SCRIPT_GATHER, KEYS,
	           "g me 2 0 0 17-0 18-0");
	add(r, 21, 23);
	redis_server_do(rig_server(r),
	                "XTRIM " EVENTS " MAXLEN 0"); /* all of it, with 19 and 20 in hand */
	rig_expect(r, "3 []", SCRIPT_GATHER, KEYS, "g me 2 0 0 19-0 20-0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	rig_hash(r, ARCHIVE, "archived=7 lost=14 read=23");
}

/* Trimmed while a dead archiver had them: lost, too. */
static void test_lost_in_dead_hands(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 3);
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]] [3-0 [k 3]]]", SCRIPT_GATHER, KEYS,
	           "g dead 9 0 0");
	redis_server_do(rig_server(r), "XCLAIM " EVENTS " g dead 0 1-0 2-0 3-0 IDLE 5000 JUSTID");
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 1");
	rig_expect(r, "2 [[3-0 [k 3]]]", SCRIPT_GATHER, KEYS, "g me 9 4000 0");
	rig_hash(r, ARCHIVE, "lost=2");
}

/* Somebody else's group on the same stream is of no account, and one that was removed is made again. */
static void test_the_group_is_gone(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 2);
	redis_server_do(rig_server(r), "XGROUP CREATE " EVENTS " other $");
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 5 0 0");
	redis_server_do(rig_server(r), "XGROUP DESTROY " EVENTS " g");
	rig_expect(r, "0 [[1-0 [k 1]] [2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 5 0 0 1-0 2-0");
	rig_hash(r, ARCHIVE, "!archived !lost read=2");
}

static void test_full_memory_does_not_stop_it(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1, 2);
	rig_expect(r, "0 [[1-0 [k 1]]]", SCRIPT_GATHER, KEYS, "g me 1 0 0");
	rig_fill_memory(r, true);
	rig_expect(r, "0 [[2-0 [k 2]]]", SCRIPT_GATHER, KEYS, "g me 5 0 0 1-0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 5 0 0 2-0");
	rig_fill_memory(r, false);
	rig_hash(r, ARCHIVE, "archived=2");
}

static void test_another_type(void **state)
{
	struct rig *r = rig_begin(state);
	char *answer;

	redis_server_do(rig_server(r), "SET " EVENTS " x");
	answer = rig_call(r, SCRIPT_GATHER, KEYS, "g me 1 0 0");
	assert_non_null(strstr(answer, "WRONGTYPE"));
	free(answer);
	rig_expect(r, "", SCRIPT_LAG, KEYS, "g");
}

static void test_lag(void **state)
{
	struct rig *r = rig_begin(state);

	add(r, 1001, 1005);
	rig_expect(r, "0 [[1001-0 [k 1001]] [1002-0 [k 1002]]]", SCRIPT_GATHER, KEYS, "g me 2 0 0");
	rig_expect(r, "3 2 1001 0 0 0 1", SCRIPT_LAG, KEYS, "g");
	rig_expect(r, "0 [[1003-0 [k 1003]]]", SCRIPT_GATHER, KEYS, "g me 1 0 0 1001-0 1002-0");
	rig_expect(r, "0 [[1004-0 [k 1004]]]", SCRIPT_GATHER, KEYS, "g me 1 0 0 1003-0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 0 0 0 1004-0");
	rig_expect_twice(r, "1 0 1005 4 0 0 0", "1 0 1005 4 0 0 0", SCRIPT_LAG, KEYS, "g");
	add(r, 1006, 1009);
	redis_server_do(rig_server(r), "XTRIM " EVENTS " MAXLEN 2");
	rig_expect(r, "2 0 1008 4 0 0 0", SCRIPT_LAG, KEYS, "g");
	rig_expect(r, "3 [[1008-0 [k 1008]] [1009-0 [k 1009]]]", SCRIPT_GATHER, KEYS, "g me 5 0 0");
	rig_expect(r, "0 []", SCRIPT_GATHER, KEYS, "g me 5 0 1 1008-0 1009-0");
	rig_expect(r, "0 0 0 5 1 3 1", SCRIPT_LAG, KEYS, "g");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_acknowledges),
		cmocka_unit_test(test_before_the_first_event),
		cmocka_unit_test(test_takes_over),
		cmocka_unit_test(test_leaves_with_entries),
		cmocka_unit_test(test_counts_what_is_lost),
		cmocka_unit_test(test_lost_in_dead_hands),
		cmocka_unit_test(test_the_group_is_gone),
		cmocka_unit_test(test_full_memory_does_not_stop_it),
		cmocka_unit_test(test_another_type),
		cmocka_unit_test(test_lag),
	};
	return cmocka_run_group_tests_name("gather.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("gather.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

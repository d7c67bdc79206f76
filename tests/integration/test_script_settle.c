/* settle.lua: the end of a claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"
#include "support/words.h"

#define SENT "{mail:queue}:sent:"
#define EVENT(KEY, STATUS) "1 " KEY " " STATUS " primary 1 250 3 '' ''"
#define KEYS JOBS " " LEASES " " DELAYED " " CLAIMS " " DEAD " " EVENTS

/* A job in a worker's hands; count as claim.lua keeps it, NULL: claimed once. */
static void in_flight(struct rig *r, const char *id, const char *count)
{
	redis_server_do(rig_server(r), "HSET " JOBS " %s payload-of-%s", id, id);
	redis_server_do(rig_server(r), "ZADD " LEASES " %lld %s", (long long)rig_now(r) + 30000,
	                id);
	if (count)
		redis_server_do(rig_server(r), "HSET " CLAIMS " %s %s", id, count);
}

static void test_ack_leaves_nothing_of_the_job(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", "2:1");
	rig_expect_twice(r, "ok", "gone", SCRIPT_SETTLE, KEYS, "100  a 2 ack 0 0");
	rig_sees(r, "0", "EXISTS " JOBS);
	rig_sees(r, "0", "EXISTS " LEASES);
	rig_sees(r, "0", "EXISTS " CLAIMS);
	rig_sees(r, "0", "EXISTS " DELAYED);
	rig_sees(r, "0", "EXISTS " DEAD);
}

/* Its worker lived to settle it, so it is no poison: adoptions count anew. */
static void test_delay_keeps_payload_and_token(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", "2:1");
	rig_expect_twice(r, "ok", "gone", SCRIPT_SETTLE, KEYS, "100  a 2 delay 1764000000123 0");
	rig_sees(r, "a 1764000000123", "ZRANGE " DELAYED " 0 -1 WITHSCORES");
	rig_sees(r, "payload-of-a", "HGET " JOBS " a");
	rig_sees(r, "2", "HGET " CLAIMS " a");
	rig_sees(r, "0", "EXISTS " LEASES);
}

static void test_bury_keeps_payload_and_count(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", "5:4");
	rig_expect_twice(r, "ok", "gone", SCRIPT_SETTLE, KEYS, "100  a 5 bury 1764000000123 0");
	rig_sees(r, "a 1764000000123", "ZRANGE " DEAD " 0 -1 WITHSCORES");
	rig_sees(r, "payload-of-a", "HGET " JOBS " a");
	rig_sees(r, "5:4", "HGET " CLAIMS " a");
	rig_sees(r, "0", "EXISTS " LEASES);
}

/* A sent mail's content, for KEEP_SENT; only the kept ones' keys are named, in their order. */
static void test_keep_moves_the_payload(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", "2:1");
	in_flight(r, "b", NULL);
	in_flight(r, "c", NULL);
	in_flight(r, "d", "7");
	rig_expect_twice(r, "ok ok ok stale", "gone gone gone stale", SCRIPT_SETTLE,
	                 KEYS " " SENT "a " SENT "c " SENT "d",
	                 "100  a 2 keep 60000 0  b 1 ack 0 0  c 1 keep 90000 0  d 1 keep 1 0");
	rig_sees(r, "payload-of-a", "GET " SENT "a");
	rig_sees(r, "payload-of-c", "GET " SENT "c");
	rig_sees(r, "0", "EXISTS " SENT "d");
	rig_sees(r, "1", "HLEN " JOBS);
	rig_sees(r, "1", "HLEN " CLAIMS);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " SENT "a"), 1, 60000);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " SENT "c"), 60001, 90000);
}

/* Whose claim it is, by what is stored of it. */
static void test_only_the_present_claim_settles(void **state)
{
	static const struct {
		const char *count, *token, *answer;
	} cases[] = {
		{NULL, "1", "ok"},    {"1", "1", "ok"},      {"2", "1", "stale"},
		{"2", "2", "ok"},     {"2:1", "1", "stale"}, {"2:1", "2", "ok"},
		{NULL, "2", "stale"}, {"12", "1", "stale"},  {"1:12", "1", "ok"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		in_flight(r, "a", cases[i].count);
		char *before = rig_state(r);
		rig_expect(r, cases[i].answer, SCRIPT_SETTLE, KEYS, "0  a %s ack 0 0",
		           cases[i].token);
		char *after = rig_state(r);
		if (strcmp(cases[i].answer, "stale") == 0)
			assert_string_equal(after, before);
		else
			assert_string_equal(after, "");
		free(before);
		free(after);
	}
}

static void test_what_is_not_in_flight_is_gone(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", NULL);
	redis_server_do(rig_server(r), "ZREM " LEASES " a");
	redis_server_do(rig_server(r), "ZADD " DELAYED " 5 a");
	char *before = rig_state(r);
	rig_expect(r, "gone gone gone", SCRIPT_SETTLE, KEYS,
	           "100  a 1 ack 0 " EVENT("k", "sent") "  a 1 bury 7 " EVENT(
			   "k", "failed") "  nobody 1 delay 7 " EVENT("k", "retrying"));
	char *after = rig_state(r);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

/* As when the answer to an earlier call was lost, and what it settled comes again among others. */
static void test_what_was_settled_before_is_gone_among_others(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "acked", NULL);
	in_flight(r, "delayed", "7");
	in_flight(r, "buried", NULL);
	rig_expect(r, "ok ok ok", SCRIPT_SETTLE, KEYS,
	           "0  acked 1 ack 0 0  delayed 7 delay 50 0  buried 1 bury 60 0");
	in_flight(r, "a", NULL);
	in_flight(r, "b", "3");
	rig_expect(
		r, "gone ok gone gone ok", SCRIPT_SETTLE, KEYS,
		"0  acked 1 ack 0 0  a 1 ack 0 0  delayed 7 bury 70 0  buried 1 delay 80 0  b 3 delay 90 0");
	rig_sees(r, "delayed 50 b 90", "ZRANGE " DELAYED " 0 -1 WITHSCORES");
	rig_sees(r, "buried 60", "ZRANGE " DEAD " 0 -1 WITHSCORES");
	rig_sees(r, "0", "ZCARD " LEASES);
	rig_sees(r, "3", "HLEN " JOBS);
}

/* A lease that ran out and was not adopted is still its worker's. */
static void test_an_expired_lease_still_settles(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", NULL);
	rig_age_queue(r, 3600000);
	rig_expect_twice(r, "ok", "gone", SCRIPT_SETTLE, KEYS, "0  a 1 ack 0 0");
	rig_sees(r, "0", "EXISTS " JOBS);
}

static void test_a_mixed_batch_is_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "done", NULL);
	in_flight(r, "again", "4");
	in_flight(r, "dead", NULL);
	in_flight(r, "taken", "2");
	in_flight(r, "bystander", NULL);
	rig_expect_twice(
		r, "ok ok ok stale gone", "gone gone gone stale gone", SCRIPT_SETTLE, KEYS,
		"100  done 1 ack 0 0  again 4 delay 50 " EVENT(
			"k",
			"retrying") "  dead 1 bury 60 0  taken 1 ack 0 " EVENT("k2",
	                                                                       "sent") "  nobody 1 ack 0 0");
	rig_sees(r, "again", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "dead", "ZRANGE " DEAD " 0 -1");
	rig_sees(r, "2", "ZCARD " LEASES);
	rig_sees(r, "4", "HLEN " JOBS);
	rig_sees(r, "1", "XLEN " EVENTS);
}

static void test_an_event_tells_what_was_settled(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", NULL);
	in_flight(r, "b", NULL);
	in_flight(r, "c", NULL);
	in_flight(r, "quiet", NULL);
	rig_expect_twice(r, "ok ok ok ok", "gone gone gone gone", SCRIPT_SETTLE, KEYS,
	                 "100  a 1 ack 0 1 order-1 sent primary 1 '250 2.0.0' 7 '' ''"
	                 "  quiet 1 ack 0 0  b 1 bury 9 1 order-2 failed '' 0 invalid 0 shop a,b"
	                 "  c 1 delay 9 1 order-3 retrying primary 2 451 9 '' c");
	redisReply *e = redis_server_cmd(rig_server(r), "XRANGE " EVENTS " - +");
	static const char *const want[] = {
		"id a key order-1 status sent provider primary attempt 1 code '250 2.0.0' ms 7",
		"id b key order-2 status failed provider '' attempt 0 code invalid ms 0 tenant shop tags a,b",
		"id c key order-3 status retrying provider primary attempt 2 code 451 ms 9 tags c",
	};
	assert_int_equal(e->elements, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < e->elements; i++) {
		struct buf line;
		buf_init(&line, 4096);
		words_of_reply(&line, e->element[i]->element[1]);
		assert_string_equal(buf_str(&line), want[i]);
		buf_free(&line);
	}
	freeReplyObject(e);
}

static void test_no_events_are_kept_when_none_are_wanted(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", NULL);
	rig_expect(r, "ok", SCRIPT_SETTLE, KEYS, "0  a 1 ack 0 " EVENT("k", "sent"));
	rig_sees(r, "0", "EXISTS " EVENTS);
}

/* The cap is approximate: Redis drops whole nodes of 100 entries. */
static void test_the_stream_of_events_is_capped(void **state)
{
	struct rig *r = rig_begin(state);
	char args[96 * 40] = "150";

	for (int round = 0; round < 20; round++) {
		size_t len = 3;
		for (int i = 0; i < 40; i++) {
			char id[32];
			snprintf(id, sizeof(id), "j%d", i);
			in_flight(r, id, NULL);
			len += (size_t)snprintf(args + len, sizeof(args) - len,
			                        " %s 1 ack 0 " EVENT("k%d", "sent"), id, round);
		}
		char *answer = rig_call(r, SCRIPT_SETTLE, KEYS, "%s", args);
		assert_null(strstr(answer, "gone"));
		free(answer);
	}
	long long n = redis_server_int(rig_server(r), "XLEN " EVENTS);
	assert_in_range(n, 150, 250);
	redisReply *last = redis_server_cmd(rig_server(r), "XREVRANGE " EVENTS " + - COUNT 1");
	assert_string_equal(last->element[0]->element[1]->element[3]->str, "k19");
	freeReplyObject(last);
}

/* Where something else lies under the stream's name, the mails are settled all the same. */
static void test_a_stream_of_another_type_stops_nothing(void **state)
{
	struct rig *r = rig_begin(state);

	redis_server_do(rig_server(r), "SET " EVENTS " something");
	in_flight(r, "a", NULL);
	in_flight(r, "b", NULL);
	rig_expect_twice(
		r, "ok ok", "gone gone", SCRIPT_SETTLE, KEYS,
		"100  a 1 ack 0 " EVENT("k", "sent") "  b 1 delay 5 " EVENT("k", "retrying"));
	rig_sees(r, "b", "HKEYS " JOBS);
	rig_sees(r, "something", "GET " EVENTS);
}

/* FAULTS 12: full memory stops claims, and nothing that ends them. */
static void test_full_memory_does_not_stop_it(void **state)
{
	struct rig *r = rig_begin(state);

	in_flight(r, "a", NULL);
	in_flight(r, "b", NULL);
	in_flight(r, "c", NULL);
	rig_fill_memory(r, true);
	rig_expect(r, "ok", SCRIPT_SETTLE, KEYS, "100  a 1 delay 5 " EVENT("k", "retrying"));
	rig_expect(r, "ok", SCRIPT_SETTLE, KEYS, "100  b 1 bury 5 " EVENT("k", "failed"));
	rig_expect(r, "ok", SCRIPT_SETTLE, KEYS, "100  c 1 ack 0 " EVENT("k", "sent"));
	rig_fill_memory(r, false);
	rig_sees(r, "a", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "b", "ZRANGE " DEAD " 0 -1");
	rig_sees(r, "2", "HLEN " JOBS);
	rig_sees(r, "3", "XLEN " EVENTS);
}

static void test_nothing_to_settle(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "", SCRIPT_SETTLE, KEYS, "100");
}

/* What a mail costs here is a share of a few commands for the whole batch. */
static void test_a_batch_costs_as_many_commands_as_one(void **state)
{
	struct rig *r = rig_begin(state);
	char args[32 * 200] = "0";
	size_t len = 1;

	in_flight(r, "one", NULL);
	rig_expect(r, "ok", SCRIPT_SETTLE, KEYS, "0  one 1 ack 0 0");
	size_t one = rig_commands(r, NULL);
	for (int i = 0; i < 200; i++) {
		char id[32];
		snprintf(id, sizeof(id), "j%d", i);
		in_flight(r, id, NULL);
		len += (size_t)snprintf(args + len, sizeof(args) - len, " %s 1 ack 0 0", id);
	}
	char *answer = rig_call(r, SCRIPT_SETTLE, KEYS, "%s", args);
	free(answer);
	assert_int_equal(rig_commands(r, NULL), one);
	rig_sees(r, "0", "EXISTS " JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack_leaves_nothing_of_the_job),
		cmocka_unit_test(test_delay_keeps_payload_and_token),
		cmocka_unit_test(test_bury_keeps_payload_and_count),
		cmocka_unit_test(test_keep_moves_the_payload),
		cmocka_unit_test(test_only_the_present_claim_settles),
		cmocka_unit_test(test_what_is_not_in_flight_is_gone),
		cmocka_unit_test(test_what_was_settled_before_is_gone_among_others),
		cmocka_unit_test(test_an_expired_lease_still_settles),
		cmocka_unit_test(test_a_mixed_batch_is_answered_one_by_one),
		cmocka_unit_test(test_an_event_tells_what_was_settled),
		cmocka_unit_test(test_no_events_are_kept_when_none_are_wanted),
		cmocka_unit_test(test_the_stream_of_events_is_capped),
		cmocka_unit_test(test_a_stream_of_another_type_stops_nothing),
		cmocka_unit_test(test_full_memory_does_not_stop_it),
		cmocka_unit_test(test_nothing_to_settle),
		cmocka_unit_test(test_a_batch_costs_as_many_commands_as_one),
	};
	return cmocka_run_group_tests_name("settle.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("settle.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

/* permit.lua: the fleet's breaker and pauses of one provider. (The bucket: test_script_permit_bucket.c) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/permits.h"

/* ---- closed -------------------------------------------------------------------------------- */

static void test_a_healthy_provider_costs_one_read(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 7, "", "7 closed 0");
	permit_expect(r, 256, "0 ok 100 0 ''", "256 closed 0");
	rig_sees(r, "0", "EXISTS " PERMIT_KEY);
	assert_int_equal(rig_commands(r, NULL), 2); /* TIME, HMGET */
	assert_int_equal(permit_ask(r, 1, "").wait, 0);
}

static void test_failures_in_a_row_open_it_for_all(void **state)
{
	struct rig *r = permit_begin(state);

	for (int i = 1; i < PERMIT_THRESHOLD; i++)
		permit_expect(r, 1, "0 fail 1 0 'timeout'", "1 closed 0");
	struct permit p = permit_ask(r, 9, "0 fail 1 0 '421 go away'");
	assert_string_equal(p.state, "open");
	assert_int_equal(p.granted, 0);
	assert_int_equal(p.generation, 1);
	assert_int_equal(p.wait, PERMIT_OPEN_FOR);
	rig_hash(r, PERMIT_KEY,
	         "state=open generation=1 opened=1 'reason=421 go away' opened_at=%lld", p.now);
	p = permit_ask(r, 9, "");
	assert_int_equal(p.granted, 0);
	assert_in_range(p.wait, 1, PERMIT_OPEN_FOR);
}

static void test_several_failures_in_one_report_count_as_many(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 fail 1 0 ''", "0 open 1");
}

static void test_one_success_begins_the_row_anew(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 ok 1 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	/* within one call as well, in the order of the reports */
	permit_expect(r, 1, "0 fail 0 0 '' 0 ok 1 0 '' 0 fail 4 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 ok 1 0 '' 0 fail 5 0 ''", "0 open 1");
}

static void test_a_quiet_count_is_forgotten(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, PERMIT_KEY, PERMIT_QUIET + 100000);
	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, PERMIT_KEY, PERMIT_QUIET - 5000000);
	permit_expect(r, 1, "0 fail 1 0 ''", "0 open 1");
}

/* FAULTS 27: what says nothing of the provider moves nothing. */
static void test_void_and_throttled_are_no_failures(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 1, "0 void 1000 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 throttled 1000 0 ''", "1 closed 0");
	rig_sees(r, "nil", "HGET " PERMIT_KEY " failures");
	permit_expect(r, 1, "0 fail 4 0 '' 0 void 1 0 '' 0 throttled 1 0 ''", "1 closed 0");
	permit_expect(r, 1, "0 fail 1 0 ''", "0 open 1"); /* nor do they end a row */
}

static void test_reports_alone_ask_for_nothing(void **state)
{
	struct rig *r = permit_begin(state);

	permit_interval = 3600000000;
	permit_burst = 5;
	permit_expect(r, 0, "0 fail 4 0 ''", "0 closed 0");
	assert_int_equal(permit_ask(r, 0, "").wait, 0);
	permit_expect(r, 5, "", "5 closed 0"); /* the bucket was not touched */
}

/* ---- open, half-open ----------------------------------------------------------------------- */

static void test_an_open_breaker_hears_nothing(void **state)
{
	struct rig *r = permit_begin(state);

	permit_open_breaker(r);
	permit_expect(r, 1, "0 ok 1 0 '' 0 fail 9 0 '' 0 down 1 9999999 '' 0 throttled 1 9999 ''",
	              "0 open 1");
	permit_expect(r, 1, "1 ok 1 0 '' 1 down 1 9999999 ''", "0 open 1");
	rig_hash(r, PERMIT_KEY, "opened=1 !throttled_until");
	rig_age_provider(r, PERMIT_KEY, PERMIT_OPEN_FOR);
	permit_expect(r, 1, "", "1 half-open 2");
}

/* FAULTS 26 */
static void test_a_hundred_workers_get_the_probes_and_no_more(void **state)
{
	struct rig *r = permit_begin(state);
	redisContext *workers[100];
	struct command c;
	long long granted = 0;
	size_t len;

	permit_wait_out(r);
	command_init(&c);
	script_command(&c, SCRIPT_PERMIT, 1);
	command_str(&c, PERMIT_KEY);
	static const int settings[] = {4,
	                               PERMIT_THRESHOLD,
	                               PERMIT_OPEN_FOR,
	                               PERMIT_QUIET,
	                               PERMIT_PROBES,
	                               PERMIT_PROBE_LIFE,
	                               0,
	                               0,
	                               PERMIT_PAUSE_CAP};
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		command_int(&c, settings[i]);
	const char *wire = command_wire(&c, &len);
	assert_non_null(wire);
	/* all have asked before any has an answer */
	for (int i = 0; i < 100; i++) {
		int sent = 0;
		workers[i] = redisConnectUnix(redis_server_socket(rig_server(r)));
		assert_int_equal(workers[i]->err, 0);
		redisAppendFormattedCommand(workers[i], wire, len);
		while (!sent)
			assert_int_equal(redisBufferWrite(workers[i], &sent), REDIS_OK);
	}
	for (int i = 0; i < 100; i++) {
		redisReply *reply = NULL;
		assert_int_equal(redisGetReply(workers[i], (void **)&reply), REDIS_OK);
		struct permit p = permit_read(reply);
		assert_string_equal(p.state, "half-open");
		assert_int_equal(p.generation, 2);
		if (p.granted < 4)
			assert_in_range(p.wait, 1, PERMIT_PROBE_LIFE);
		granted += p.granted;
		redisFree(workers[i]);
	}
	command_free(&c);
	assert_int_equal(granted, PERMIT_PROBES);
}

static void test_a_probe_that_succeeds_closes_it(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 9, "", "2 half-open 2");
	permit_expect(r, 9, "2 ok 1 0 ''", "9 closed 3");
	/* the other probe comes too late to matter, and so does what was sent before */
	permit_expect(r, 9, "2 fail 5 0 '' 0 fail 5 0 '' 1 fail 5 0 ''", "9 closed 3");
	permit_expect(r, 9, "3 fail 4 0 ''", "9 closed 3"); /* the row began anew */
	permit_expect(r, 9, "3 fail 1 0 ''", "0 open 4");
}

static void test_a_probe_that_fails_opens_it_again(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 1, "", "1 half-open 2");
	struct permit p = permit_ask(r, 1, "2 fail 1 0 'again'");
	assert_string_equal(p.state, "open");
	assert_int_equal(p.generation, 3);
	assert_int_equal(p.wait, PERMIT_OPEN_FOR);
	rig_hash(r, PERMIT_KEY, "reason=again opened=2");
	permit_expect(r, 1, "2 ok 1 0 ''", "0 open 3");
	rig_age_provider(r, PERMIT_KEY, PERMIT_OPEN_FOR - 2000000);
	permit_expect(r, 1, "", "0 open 3");
	rig_age_provider(r, PERMIT_KEY, 2000000);
	permit_expect(r, 9, "",
	              "2 half-open 4"); /* the other probe of before does not count any more */
}

static void test_probes_expire_with_those_who_had_them(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 9, "", "2 half-open 2");
	rig_age_provider(r, PERMIT_KEY, PERMIT_PROBE_LIFE - 500000);
	permit_expect(r, 9, "", "0 half-open 2");
	rig_age_provider(r, PERMIT_KEY, 500000);
	permit_expect(r, 9, "", "2 half-open 2");
	permit_expect(r, 9, "", "0 half-open 2");
}

static void test_probes_that_are_heard_of_live_on(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 9, "", "2 half-open 2");
	for (int i = 0; i < 3; i++) {
		rig_age_provider(r, PERMIT_KEY, PERMIT_PROBE_LIFE - 500000);
		permit_expect(r, 9, "2 probing 1 0 ''", "0 half-open 2");
	}
	rig_age_provider(r, PERMIT_KEY, PERMIT_PROBE_LIFE - 500000);
	permit_expect(r, 9, "1 probing 1 0 ''", "0 half-open 2"); /* not theirs */
	rig_age_provider(r, PERMIT_KEY, 500000);
	permit_expect(r, 9, "", "2 half-open 2");
	permit_expect(r, 9, "2 ok 1 0 ''", "9 closed 3");
	rig_sees(r, "0", "HGET " PERMIT_KEY " probes");
	permit_expect(r, 9, "3 probing 1 0 ''",
	              "9 closed 3"); /* nothing is out that could be renewed */
	rig_sees(r, "0", "HGET " PERMIT_KEY " probes");
}

/* By hand; what was sent before says nothing any more. */
static void test_a_reset_closes_it(void **state)
{
	struct rig *r = permit_begin(state);

	permit_expect(r, 0, "0 reset 1 0 ''", "0 closed 0");
	rig_sees(r, "0", "EXISTS " PERMIT_KEY); /* it was well */
	permit_open_breaker(r);
	permit_expect(r, 0, "0 reset 1 0 ''", "0 closed 2");
	permit_expect(r, 9, "1 fail 9 0 late", "9 closed 2");
	permit_expect(r, 9, "2 fail 5 0 boom", "0 open 3");
	rig_age_provider(r, PERMIT_KEY, PERMIT_OPEN_FOR);
	permit_expect(r, 9, "", "2 half-open 4");
	permit_expect(r, 0, "0 reset 1 0 ''", "0 closed 5");
	permit_expect(r, 9, "4 fail 1 0 probe", "9 closed 5");
	permit_expect(r, 9, "5 fail 4 0 ''", "9 closed 5");
	permit_expect(r, 9, "0 reset 1 0 ''", "9 closed 6");
	permit_expect(r, 9, "6 fail 4 0 ''", "9 closed 6"); /* the row begins anew */
	rig_hash(r, PERMIT_KEY, "state=closed probes=0 opened=2");
}

static void test_an_unused_probe_comes_back(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 9, "", "2 half-open 2");
	permit_expect(r, 9, "2 void 1 0 ''", "1 half-open 2");
	permit_expect(r, 9, "1 void 1 0 '' 0 void 1 0 ''",
	              "0 half-open 2"); /* not theirs to give */
	permit_expect(r, 9, "2 void 99 0 ''", "2 half-open 2");
}

static void test_probes_are_taken_one_by_one(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	for (int i = 0; i < PERMIT_PROBES; i++) {
		struct permit p = permit_ask(r, 1, "");
		assert_int_equal(p.granted, 1);
		assert_int_equal(p.wait, 0); /* it has what it asked for */
	}
	/* others ask again soon: the verdict may come long before a probe's life is over */
	struct permit p = permit_ask(r, 1, "");
	assert_int_equal(p.granted, 0);
	assert_string_equal(p.state, "half-open");
	assert_in_range(p.wait, 1, 10000);
}

/* Its own time to stay closed to all: a suspended account, a quota used up. */
static void test_down_opens_it_at_once(void **state)
{
	static const struct {
		const char *report;
		long long wait;
	} cases[] = {
		{"0 down 1 3600000 'quota'", 3600000},
		{"0 down 1 50 'quota'", 50},
		{"0 down 1 0 'quota'", PERMIT_OPEN_FOR},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = permit_begin(state);
		struct permit p = permit_ask(r, 1, cases[i].report);
		assert_string_equal(p.state, "open");
		assert_int_equal(p.granted, 0);
		assert_int_equal(p.wait, cases[i].wait);
		rig_hash(r, PERMIT_KEY, "reason=quota opened=1");
		rig_age_provider(r, PERMIT_KEY, cases[i].wait);
		permit_expect(r, 1, "", "1 half-open 2");
		/* and a failing probe waits for the usual time again */
		assert_int_equal(permit_ask(r, 1, "2 fail 1 0 ''").wait, PERMIT_OPEN_FOR);
	}
}

static void test_down_of_an_older_generation_is_ignored(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 1, "", "1 half-open 2");
	permit_expect(r, 1, "2 ok 1 0 ''", "1 closed 3");
	permit_expect(r, 1, "0 down 1 0 '' 1 down 1 0 '' 2 down 1 0 '' 2 throttled 1 9000 ''",
	              "1 closed 3");
}

/* ---- throttled ------------------------------------------------------------------------------- */

/* FAULTS 24: Retry-After is honoured by the whole fleet, and no longer than we allow. */
static void test_a_throttling_reply_pauses_it(void **state)
{
	struct rig *r = permit_begin(state);
	struct permit p = permit_ask(r, 5, "0 throttled 1 2000000 ''");

	assert_string_equal(p.state, "throttled");
	assert_int_equal(p.granted, 0);
	assert_int_equal(p.wait, 2000000);
	assert_int_equal(p.generation, 0);
	permit_expect(r, 5, "0 throttled 1 100 ''", "0 throttled 0"); /* does not shorten it */
	assert_in_range(permit_ask(r, 5, "").wait, 101, 2000000);
	rig_age_provider(r, PERMIT_KEY, 2000000);
	permit_expect(r, 5, "", "5 closed 0");
	assert_int_equal(permit_ask(r, 5, "0 throttled 1 999999999 ''").wait, PERMIT_PAUSE_CAP);
	permit_expect(r, 5, "0 ok 9 0 ''", "0 throttled 0");
	rig_age_provider(r, PERMIT_KEY, PERMIT_PAUSE_CAP);
	permit_expect(r, 5, "", "5 closed 0");
}

static void test_a_throttled_probe_comes_back(void **state)
{
	struct rig *r = permit_begin(state);

	permit_wait_out(r);
	permit_expect(r, 2, "", "2 half-open 2");
	permit_expect(r, 9, "2 throttled 1 1000 ''", "0 throttled 2");
	rig_age_provider(r, PERMIT_KEY, 1000);
	permit_expect(r, 9, "", "1 half-open 2");
}

/* ---- trouble ---------------------------------------------------------------------------------- */

/* FAULTS 32: a new master's clock is a day behind. No time that is stored may keep anybody waiting
 * longer than this script itself would. */
static void test_the_clock_steps_back(void **state)
{
	const int64_t day = 86400000;
	struct rig *r = permit_begin(state);

	permit_open_breaker(r);
	rig_age_provider(r, PERMIT_KEY, -day);
	assert_in_range(permit_ask(r, 1, "").wait, 1, PERMIT_OPEN_FOR);
	rig_age_provider(r, PERMIT_KEY, PERMIT_OPEN_FOR);
	permit_expect(r, 9, "", "2 half-open 2");
	rig_age_provider(r, PERMIT_KEY, -day); /* the probes */
	permit_expect(r, 9, "", "0 half-open 2");
	rig_age_provider(r, PERMIT_KEY, PERMIT_PROBE_LIFE);
	permit_expect(r, 9, "", "2 half-open 2");

	r = permit_begin(state);
	permit_expect(r, 9, "0 throttled 1 2000000 ''", "0 throttled 0");
	rig_age_provider(r, PERMIT_KEY, -day);
	assert_in_range(permit_ask(r, 1, "").wait, 1, PERMIT_PAUSE_CAP);
	rig_age_provider(r, PERMIT_KEY, PERMIT_PAUSE_CAP);
	permit_expect(r, 9, "", "9 closed 0");

	r = permit_begin(state);
	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, PERMIT_KEY, -day); /* the row is as old as now */
	permit_expect(r, 1, "0 ok 0 0 '' 0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, PERMIT_KEY, PERMIT_QUIET + 100000);
	permit_expect(r, 1, "0 fail 4 0 ''", "1 closed 0");

	r = permit_begin(state);
	permit_interval = 1000000;
	permit_burst = 5;
	permit_expect(r, 5, "", "5 closed 0");
	rig_age_provider(r, PERMIT_KEY, -day);
	struct permit p = permit_ask(r, 1, "");
	assert_int_equal(p.granted, 0);
	assert_in_range(p.wait, 1, 1000); /* one mail's share, not a day */
}

/* FAULTS 18: what a lost answer granted lapses; the repeated call is a new one. */
static void test_the_same_call_again_grants_anew(void **state)
{
	struct rig *r = permit_begin(state);

	permit_interval = 3600000000;
	permit_burst = 5;
	permit_expect(r, 2, "", "2 closed 0");
	permit_expect(r, 2, "", "2 closed 0");
	permit_expect(r, 2, "", "1 limited 0"); /* and never more than the limit */
}

static void test_full_memory_grants_nothing_that_must_be_written(void **state)
{
	struct rig *r = permit_begin(state);

	permit_interval = 1000;
	permit_burst = 5;
	rig_fill_memory(r, true);
	char *answer = rig_call(r, SCRIPT_PERMIT, PERMIT_KEY, PERMIT_SETTINGS, 1, PERMIT_THRESHOLD,
	                        PERMIT_OPEN_FOR, PERMIT_QUIET, PERMIT_PROBES, PERMIT_PROBE_LIFE,
	                        permit_interval, permit_burst, PERMIT_PAUSE_CAP);
	rig_fill_memory(r, false);
	assert_non_null(strstr(answer, "OOM"));
	free(answer);
	rig_sees(r, "0", "EXISTS " PERMIT_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_healthy_provider_costs_one_read),
		cmocka_unit_test(test_failures_in_a_row_open_it_for_all),
		cmocka_unit_test(test_several_failures_in_one_report_count_as_many),
		cmocka_unit_test(test_one_success_begins_the_row_anew),
		cmocka_unit_test(test_a_quiet_count_is_forgotten),
		cmocka_unit_test(test_void_and_throttled_are_no_failures),
		cmocka_unit_test(test_reports_alone_ask_for_nothing),
		cmocka_unit_test(test_an_open_breaker_hears_nothing),
		cmocka_unit_test(test_a_hundred_workers_get_the_probes_and_no_more),
		cmocka_unit_test(test_a_probe_that_succeeds_closes_it),
		cmocka_unit_test(test_a_probe_that_fails_opens_it_again),
		cmocka_unit_test(test_probes_expire_with_those_who_had_them),
		cmocka_unit_test(test_probes_that_are_heard_of_live_on),
		cmocka_unit_test(test_a_reset_closes_it),
		cmocka_unit_test(test_an_unused_probe_comes_back),
		cmocka_unit_test(test_probes_are_taken_one_by_one),
		cmocka_unit_test(test_down_opens_it_at_once),
		cmocka_unit_test(test_down_of_an_older_generation_is_ignored),
		cmocka_unit_test(test_a_throttling_reply_pauses_it),
		cmocka_unit_test(test_a_throttled_probe_comes_back),
		cmocka_unit_test(test_the_clock_steps_back),
		cmocka_unit_test(test_the_same_call_again_grants_anew),
		cmocka_unit_test(test_full_memory_grants_nothing_that_must_be_written),
	};
	return cmocka_run_group_tests_name("permit.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("permit.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

/* permit.lua: the fleet's breaker, bucket and pauses of one provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support/rig.h"

#define KEY "mail:provider:primary"
#define THRESHOLD 5
/* Long enough that no slow machine lets them run out in the middle of a test. */
#define OPEN_FOR 3000000
#define QUIET 6000000
#define PROBES 2
#define PROBE_LIFE 9000000 /* longer than it stays open, as with slow providers */
#define PAUSE_CAP 3600000

struct permit {
	long long granted, wait, generation, now;
	char state[16];
};

/* The bucket: µs between two mails (0: none), mails at once. */
static long long interval, burst;

static struct permit permit_read(redisReply *reply)
{
	struct permit p;

	assert_int_equal(reply->elements, 5);
	p.granted = reply->element[0]->integer;
	p.wait = reply->element[1]->integer;
	snprintf(p.state, sizeof(p.state), "%s", reply->element[2]->str);
	p.generation = reply->element[3]->integer;
	p.now = reply->element[4]->integer;
	freeReplyObject(reply);
	return p;
}

#define SETTINGS "%d %d %d %d %d %d %lld %lld %d"

/* Asks for `want` permits; reports: "generation kind count ms reason …" */
static struct permit ask(struct rig *r, int want, const char *reports)
{
	return permit_read(rig_reply(r, SCRIPT_PERMIT, KEY, SETTINGS " %s", want, THRESHOLD,
	                             OPEN_FOR, QUIET, PROBES, PROBE_LIFE, interval, burst,
	                             PAUSE_CAP, reports));
}

static void expect_at(int line, struct rig *r, int want, const char *reports, const char *answer)
{
	char got[64];
	struct permit p = ask(r, want, reports);
	snprintf(got, sizeof(got), "%lld %s %lld", p.granted, p.state, p.generation);
	rig_same(__FILE__, line, reports, got, answer);
}
/* The answer as "granted state generation". */
#define expect(R, WANT, REPORTS, ANSWER) expect_at(__LINE__, (R), (WANT), (REPORTS), (ANSWER))

static struct rig *begin(void **state)
{
	interval = burst = 0;
	return rig_begin(state);
}

/* Opened by as many failures as it takes; generation 1. */
static void open_breaker(struct rig *r)
{
	expect(r, 0, "0 fail 5 0 boom", "0 open 1");
}

/* Open and over: the next one that asks makes it half-open, generation 2. */
static void wait_out(struct rig *r)
{
	open_breaker(r);
	rig_age_provider(r, KEY, OPEN_FOR);
}

/* ---- closed -------------------------------------------------------------------------------- */

static void test_a_healthy_provider_costs_one_read(void **state)
{
	struct rig *r = begin(state);

	expect(r, 7, "", "7 closed 0");
	expect(r, 256, "0 ok 100 0 ''", "256 closed 0");
	rig_sees(r, "0", "EXISTS " KEY);
	assert_int_equal(rig_commands(r, NULL), 2); /* TIME, HMGET */
	assert_int_equal(ask(r, 1, "").wait, 0);
}

static void test_failures_in_a_row_open_it_for_all(void **state)
{
	struct rig *r = begin(state);

	for (int i = 1; i < THRESHOLD; i++)
		expect(r, 1, "0 fail 1 0 'timeout'", "1 closed 0");
	struct permit p = ask(r, 9, "0 fail 1 0 '421 go away'");
	assert_string_equal(p.state, "open");
	assert_int_equal(p.granted, 0);
	assert_int_equal(p.generation, 1);
	assert_int_equal(p.wait, OPEN_FOR);
	rig_hash(r, KEY, "state=open generation=1 opened=1 'reason=421 go away' opened_at=%lld",
	         p.now);
	p = ask(r, 9, "");
	assert_int_equal(p.granted, 0);
	assert_in_range(p.wait, 1, OPEN_FOR);
}

static void test_several_failures_in_one_report_count_as_many(void **state)
{
	struct rig *r = begin(state);

	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	expect(r, 1, "0 fail 1 0 ''", "0 open 1");
}

static void test_one_success_begins_the_row_anew(void **state)
{
	struct rig *r = begin(state);

	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	expect(r, 1, "0 ok 1 0 ''", "1 closed 0");
	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	/* within one call as well, in the order of the reports */
	expect(r, 1, "0 fail 0 0 '' 0 ok 1 0 '' 0 fail 4 0 ''", "1 closed 0");
	expect(r, 1, "0 ok 1 0 '' 0 fail 5 0 ''", "0 open 1");
}

static void test_a_quiet_count_is_forgotten(void **state)
{
	struct rig *r = begin(state);

	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, KEY, QUIET + 100000);
	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, KEY, QUIET - 5000000);
	expect(r, 1, "0 fail 1 0 ''", "0 open 1");
}

/* FAULTS 27: what says nothing of the provider moves nothing. */
static void test_void_and_throttled_are_no_failures(void **state)
{
	struct rig *r = begin(state);

	expect(r, 1, "0 void 1000 0 ''", "1 closed 0");
	expect(r, 1, "0 throttled 1000 0 ''", "1 closed 0");
	rig_sees(r, "nil", "HGET " KEY " failures");
	expect(r, 1, "0 fail 4 0 '' 0 void 1 0 '' 0 throttled 1 0 ''", "1 closed 0");
	expect(r, 1, "0 fail 1 0 ''", "0 open 1"); /* nor do they end a row */
}

static void test_reports_alone_ask_for_nothing(void **state)
{
	struct rig *r = begin(state);

	interval = 3600000000;
	burst = 5;
	expect(r, 0, "0 fail 4 0 ''", "0 closed 0");
	assert_int_equal(ask(r, 0, "").wait, 0);
	expect(r, 5, "", "5 closed 0"); /* the bucket was not touched */
}

/* ---- open, half-open ----------------------------------------------------------------------- */

static void test_an_open_breaker_hears_nothing(void **state)
{
	struct rig *r = begin(state);

	open_breaker(r);
	expect(r, 1, "0 ok 1 0 '' 0 fail 9 0 '' 0 down 1 9999999 '' 0 throttled 1 9999 ''",
	       "0 open 1");
	expect(r, 1, "1 ok 1 0 '' 1 down 1 9999999 ''", "0 open 1");
	rig_hash(r, KEY, "opened=1 !throttled_until");
	rig_age_provider(r, KEY, OPEN_FOR);
	expect(r, 1, "", "1 half-open 2");
}

/* FAULTS 26 */
static void test_a_hundred_workers_get_the_probes_and_no_more(void **state)
{
	struct rig *r = begin(state);
	redisContext *workers[100];
	struct command c;
	long long granted = 0;
	size_t len;

	wait_out(r);
	command_init(&c);
	script_command(&c, SCRIPT_PERMIT, 1);
	command_str(&c, KEY);
	static const int settings[] = {4,          THRESHOLD, OPEN_FOR, QUIET,    PROBES,
	                               PROBE_LIFE, 0,         0,        PAUSE_CAP};
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
			assert_in_range(p.wait, 1, PROBE_LIFE);
		granted += p.granted;
		redisFree(workers[i]);
	}
	command_free(&c);
	assert_int_equal(granted, PROBES);
}

static void test_a_probe_that_succeeds_closes_it(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 9, "", "2 half-open 2");
	expect(r, 9, "2 ok 1 0 ''", "9 closed 3");
	/* the other probe comes too late to matter, and so does what was sent before */
	expect(r, 9, "2 fail 5 0 '' 0 fail 5 0 '' 1 fail 5 0 ''", "9 closed 3");
	expect(r, 9, "3 fail 4 0 ''", "9 closed 3"); /* the row began anew */
	expect(r, 9, "3 fail 1 0 ''", "0 open 4");
}

static void test_a_probe_that_fails_opens_it_again(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 1, "", "1 half-open 2");
	struct permit p = ask(r, 1, "2 fail 1 0 'again'");
	assert_string_equal(p.state, "open");
	assert_int_equal(p.generation, 3);
	assert_int_equal(p.wait, OPEN_FOR);
	rig_hash(r, KEY, "reason=again opened=2");
	expect(r, 1, "2 ok 1 0 ''", "0 open 3");
	rig_age_provider(r, KEY, OPEN_FOR - 2000000);
	expect(r, 1, "", "0 open 3");
	rig_age_provider(r, KEY, 2000000);
	expect(r, 9, "", "2 half-open 4"); /* the other probe of before does not count any more */
}

static void test_probes_expire_with_those_who_had_them(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 9, "", "2 half-open 2");
	rig_age_provider(r, KEY, PROBE_LIFE - 500000);
	expect(r, 9, "", "0 half-open 2");
	rig_age_provider(r, KEY, 500000);
	expect(r, 9, "", "2 half-open 2");
	expect(r, 9, "", "0 half-open 2");
}

static void test_probes_that_are_heard_of_live_on(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 9, "", "2 half-open 2");
	for (int i = 0; i < 3; i++) {
		rig_age_provider(r, KEY, PROBE_LIFE - 500000);
		expect(r, 9, "2 probing 1 0 ''", "0 half-open 2");
	}
	rig_age_provider(r, KEY, PROBE_LIFE - 500000);
	expect(r, 9, "1 probing 1 0 ''", "0 half-open 2"); /* not theirs */
	rig_age_provider(r, KEY, 500000);
	expect(r, 9, "", "2 half-open 2");
	expect(r, 9, "2 ok 1 0 ''", "9 closed 3");
	rig_sees(r, "0", "HGET " KEY " probes");
	expect(r, 9, "3 probing 1 0 ''", "9 closed 3"); /* nothing is out that could be renewed */
	rig_sees(r, "0", "HGET " KEY " probes");
}

/* By hand; what was sent before says nothing any more. */
static void test_a_reset_closes_it(void **state)
{
	struct rig *r = begin(state);

	expect(r, 0, "0 reset 1 0 ''", "0 closed 0");
	rig_sees(r, "0", "EXISTS " KEY); /* it was well */
	open_breaker(r);
	expect(r, 0, "0 reset 1 0 ''", "0 closed 2");
	expect(r, 9, "1 fail 9 0 late", "9 closed 2");
	expect(r, 9, "2 fail 5 0 boom", "0 open 3");
	rig_age_provider(r, KEY, OPEN_FOR);
	expect(r, 9, "", "2 half-open 4");
	expect(r, 0, "0 reset 1 0 ''", "0 closed 5");
	expect(r, 9, "4 fail 1 0 probe", "9 closed 5");
	expect(r, 9, "5 fail 4 0 ''", "9 closed 5");
	expect(r, 9, "0 reset 1 0 ''", "9 closed 6");
	expect(r, 9, "6 fail 4 0 ''", "9 closed 6"); /* the row begins anew */
	rig_hash(r, KEY, "state=closed probes=0 opened=2");
}

static void test_an_unused_probe_comes_back(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 9, "", "2 half-open 2");
	expect(r, 9, "2 void 1 0 ''", "1 half-open 2");
	expect(r, 9, "1 void 1 0 '' 0 void 1 0 ''", "0 half-open 2"); /* not theirs to give */
	expect(r, 9, "2 void 99 0 ''", "2 half-open 2");
}

static void test_probes_are_taken_one_by_one(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	for (int i = 0; i < PROBES; i++) {
		struct permit p = ask(r, 1, "");
		assert_int_equal(p.granted, 1);
		assert_int_equal(p.wait, 0); /* it has what it asked for */
	}
	/* others ask again soon: the verdict may come long before a probe's life is over */
	struct permit p = ask(r, 1, "");
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
		{"0 down 1 0 'quota'", OPEN_FOR},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = begin(state);
		struct permit p = ask(r, 1, cases[i].report);
		assert_string_equal(p.state, "open");
		assert_int_equal(p.granted, 0);
		assert_int_equal(p.wait, cases[i].wait);
		rig_hash(r, KEY, "reason=quota opened=1");
		rig_age_provider(r, KEY, cases[i].wait);
		expect(r, 1, "", "1 half-open 2");
		/* and a failing probe waits for the usual time again */
		assert_int_equal(ask(r, 1, "2 fail 1 0 ''").wait, OPEN_FOR);
	}
}

static void test_down_of_an_older_generation_is_ignored(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 1, "", "1 half-open 2");
	expect(r, 1, "2 ok 1 0 ''", "1 closed 3");
	expect(r, 1, "0 down 1 0 '' 1 down 1 0 '' 2 down 1 0 '' 2 throttled 1 9000 ''",
	       "1 closed 3");
}

/* ---- throttled ------------------------------------------------------------------------------- */

/* FAULTS 24: Retry-After is honoured by the whole fleet, and no longer than we allow. */
static void test_a_throttling_reply_pauses_it(void **state)
{
	struct rig *r = begin(state);
	struct permit p = ask(r, 5, "0 throttled 1 2000000 ''");

	assert_string_equal(p.state, "throttled");
	assert_int_equal(p.granted, 0);
	assert_int_equal(p.wait, 2000000);
	assert_int_equal(p.generation, 0);
	expect(r, 5, "0 throttled 1 100 ''", "0 throttled 0"); /* does not shorten it */
	assert_in_range(ask(r, 5, "").wait, 101, 2000000);
	rig_age_provider(r, KEY, 2000000);
	expect(r, 5, "", "5 closed 0");
	assert_int_equal(ask(r, 5, "0 throttled 1 999999999 ''").wait, PAUSE_CAP);
	expect(r, 5, "0 ok 9 0 ''", "0 throttled 0");
	rig_age_provider(r, KEY, PAUSE_CAP);
	expect(r, 5, "", "5 closed 0");
}

static void test_a_throttled_probe_comes_back(void **state)
{
	struct rig *r = begin(state);

	wait_out(r);
	expect(r, 2, "", "2 half-open 2");
	expect(r, 9, "2 throttled 1 1000 ''", "0 throttled 2");
	rig_age_provider(r, KEY, 1000);
	expect(r, 9, "", "1 half-open 2");
}

/* ---- the bucket ------------------------------------------------------------------------------- */

/* With an hour between two mails, the time that this test takes is nothing. */
static void test_the_bucket(void **state)
{
	struct rig *r = begin(state);

	interval = 3600000000;
	burst = 5;
	expect(r, 3, "", "3 closed 0");
	struct permit p = ask(r, 3, "");
	assert_int_equal(p.granted, 2);
	assert_string_equal(p.state, "limited");
	assert_in_range(p.wait, 3540000, 3600000);
	expect(r, 1, "", "0 limited 0");
	rig_age_provider(r, KEY, 3600000);
	expect(r, 3, "", "1 limited 0");
	rig_age_provider(r, KEY, 3 * 3600000);
	expect(r, 3, "", "3 closed 0");
	rig_age_provider(r, KEY, 1000LL * 3600000); /* it holds no more than the burst */
	expect(r, 100, "", "5 limited 0");
	/* what the wait says is enough, and a minute less is not */
	p = ask(r, 1, "");
	rig_age_provider(r, KEY, p.wait - 60000);
	expect(r, 1, "", "0 limited 0");
	rig_age_provider(r, KEY, 60000);
	expect(r, 1, "", "1 closed 0");
}

static void test_the_bucket_bounds_probes_too(void **state)
{
	struct rig *r = begin(state);

	interval = 3600000000;
	burst = 1;
	wait_out(r);
	expect(r, 9, "", "1 half-open 2"); /* so that whoever has it knows that it is one */
	expect(r, 9, "", "0 half-open 2");
	assert_true(ask(r, 9, "").wait > 1000000); /* the bucket's */
	rig_age_provider(r, KEY, 3600000);
	expect(r, 9, "", "1 half-open 2"); /* the last probe */
}

/* Several clients at once, at random: never more than the burst and what flowed in meanwhile. */
static void test_the_rate_holds_in_any_stretch_of_time(void **state)
{
	enum { CLIENTS = 4, MAX_GRANTS = 4000, ENOUGH = 320, BURST = 20 };
	static struct {
		long long now, granted;
	} grants[MAX_GRANTS];
	struct rig *r = begin(state);
	redisContext *client[CLIENTS];
	bool waits[CLIENTS] = {false};
	struct prng random;
	struct command c;
	size_t n = 0;
	long long total = 0;

	interval = 500; /* µs */
	burst = BURST;
	rig_watch(r, false);
	ask(r, 0, ""); /* loads the script */
	prng_seed(&random, 20260101);
	command_init(&c);
	for (int i = 0; i < CLIENTS; i++)
		client[i] = redisConnectUnix(redis_server_socket(rig_server(r)));
	while (total < ENOUGH && n < MAX_GRANTS) {
		size_t i = prng_u64(&random) % CLIENTS;
		if (waits[i]) {
			redisReply *reply = NULL;
			assert_int_equal(redisGetReply(client[i], (void **)&reply), REDIS_OK);
			struct permit p = permit_read(reply);
			waits[i] = false;
			total += p.granted;
			if (p.granted > 0) {
				grants[n].now = p.now;
				grants[n++].granted = p.granted;
			}
			continue;
		}
		const int settings[] = {(int)(prng_u64(&random) % 30),
		                        THRESHOLD,
		                        OPEN_FOR,
		                        QUIET,
		                        PROBES,
		                        PROBE_LIFE,
		                        (int)interval,
		                        (int)burst,
		                        PAUSE_CAP};
		size_t len;
		int sent = 0;
		command_clear(&c);
		script_command(&c, SCRIPT_PERMIT, 1);
		command_str(&c, KEY);
		for (size_t s = 0; s < sizeof(settings) / sizeof(settings[0]); s++)
			command_int(&c, settings[s]);
		const char *wire = command_wire(&c, &len);
		assert_non_null(wire);
		redisAppendFormattedCommand(client[i], wire, len);
		while (!sent)
			assert_int_equal(redisBufferWrite(client[i], &sent), REDIS_OK);
		waits[i] = true;
	}
	for (int i = 0; i < CLIENTS; i++)
		redisFree(client[i]);
	command_free(&c);
	assert_true(total >= ENOUGH); /* far more than the burst: it does flow in */
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) { /* all that was granted from i's to j's ms */
			long long sum = 0, span = grants[j].now - grants[i].now + 1;
			if (span < 1 || span > 100)
				continue;
			for (size_t k = 0; k < n; k++) {
				if (grants[k].now >= grants[i].now &&
				    grants[k].now <= grants[j].now)
					sum += grants[k].granted;
			}
			assert_true(sum <= BURST + span * 1000 / interval);
		}
	}
}

/* ---- trouble ---------------------------------------------------------------------------------- */

/* FAULTS 32: a new master's clock is a day behind. No time that is stored may keep anybody waiting
 * longer than this script itself would. */
static void test_the_clock_steps_back(void **state)
{
	const int64_t day = 86400000;
	struct rig *r = begin(state);

	open_breaker(r);
	rig_age_provider(r, KEY, -day);
	assert_in_range(ask(r, 1, "").wait, 1, OPEN_FOR);
	rig_age_provider(r, KEY, OPEN_FOR);
	expect(r, 9, "", "2 half-open 2");
	rig_age_provider(r, KEY, -day); /* the probes */
	expect(r, 9, "", "0 half-open 2");
	rig_age_provider(r, KEY, PROBE_LIFE);
	expect(r, 9, "", "2 half-open 2");

	r = begin(state);
	expect(r, 9, "0 throttled 1 2000000 ''", "0 throttled 0");
	rig_age_provider(r, KEY, -day);
	assert_in_range(ask(r, 1, "").wait, 1, PAUSE_CAP);
	rig_age_provider(r, KEY, PAUSE_CAP);
	expect(r, 9, "", "9 closed 0");

	r = begin(state);
	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, KEY, -day); /* the row is as old as now */
	expect(r, 1, "0 ok 0 0 '' 0 fail 4 0 ''", "1 closed 0");
	rig_age_provider(r, KEY, QUIET + 100000);
	expect(r, 1, "0 fail 4 0 ''", "1 closed 0");

	r = begin(state);
	interval = 1000000;
	burst = 5;
	expect(r, 5, "", "5 closed 0");
	rig_age_provider(r, KEY, -day);
	struct permit p = ask(r, 1, "");
	assert_int_equal(p.granted, 0);
	assert_in_range(p.wait, 1, 1000); /* one mail's share, not a day */
}

/* FAULTS 18: what a lost answer granted lapses; the repeated call is a new one. */
static void test_the_same_call_again_grants_anew(void **state)
{
	struct rig *r = begin(state);

	interval = 3600000000;
	burst = 5;
	expect(r, 2, "", "2 closed 0");
	expect(r, 2, "", "2 closed 0");
	expect(r, 2, "", "1 limited 0"); /* and never more than the limit */
}

static void test_full_memory_grants_nothing_that_must_be_written(void **state)
{
	struct rig *r = begin(state);

	interval = 1000;
	burst = 5;
	rig_fill_memory(r, true);
	char *answer = rig_call(r, SCRIPT_PERMIT, KEY, SETTINGS, 1, THRESHOLD, OPEN_FOR, QUIET,
	                        PROBES, PROBE_LIFE, interval, burst, PAUSE_CAP);
	rig_fill_memory(r, false);
	assert_non_null(strstr(answer, "OOM"));
	free(answer);
	rig_sees(r, "0", "EXISTS " KEY);
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
		cmocka_unit_test(test_the_bucket),
		cmocka_unit_test(test_the_bucket_bounds_probes_too),
		cmocka_unit_test(test_the_rate_holds_in_any_stretch_of_time),
		cmocka_unit_test(test_the_clock_steps_back),
		cmocka_unit_test(test_the_same_call_again_grants_anew),
		cmocka_unit_test(test_full_memory_grants_nothing_that_must_be_written),
	};
	return cmocka_run_group_tests_name("permit.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("permit.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

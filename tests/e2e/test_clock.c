/* Wall clocks that are wrong, and that step: what the fleet does goes by Redis' clock and its own
 * monotonic one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/fleet.h"
#include "support/pace.h"
#include "support/timelines.h"
#include "support/wait.h"
#include "support/wall_clock.h"

#define MAILS 120
#define LATER 40
#define LATER_MS 1500
#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define RATE 50
#define BURST 5 /* the default: a tenth of a second's worth */
#define HELD 20
#define RETRY_MS 10000

/* Both ways. */
static const int64_t wrong[] = {-HOUR, DAY};

struct clocks {
	struct fleet *fleet;
	struct wall_clock *of[2]; /* of two workers */
	struct process *workers[2];
	size_t taken;
	int steps;
};

static void begin(struct clocks *c)
{
	*c = (struct clocks){.of = {wall_clock_new(), wall_clock_new()}};
	if (!c->of[0]) {
		print_message("skipped: %s\n", wall_clock_why());
		skip();
	}
	c->fleet = fleet_start(NULL);
	/* a worker that is only slow loses no claim either */
	fleet_set(c->fleet, "LEASE_MS=30000");
}

static void start_workers(struct clocks *c)
{
	for (int i = 0; i < 2; i++)
		c->workers[i] = fleet_worker_ready(c->fleet, wall_clock_settings(c->of[i]));
}

static void end(struct clocks *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->workers[i])
			fleet_stop(c->fleet, c->workers[i]);
		wall_clock_free(c->of[i]);
	}
	fleet_free(c->fleet);
}

static void step(struct clocks *c, int64_t seconds)
{
	for (int i = 0; i < 2; i++)
		wall_clock_step(c->of[i], seconds);
}

/* Nobody's claim was ever taken for a dead worker's. */
static void nothing_was_adopted(struct fleet *f)
{
	assert_int_equal(
		redis_server_int(fleet_redis(f), "HEXISTS {" FLEET_QUEUE "}:stats adopted:n"), 0);
}

static void push_all(void *data)
{
	struct clocks *c = data;

	fleet_push_many(c->fleet, NULL, "c", MAILS, "");
	fleet_push_many(c->fleet, NULL, "later", LATER, ",\"delay\":1500");
}

/* With nearly every mail the clocks are exchanged. */
static void on_look(void *data, size_t taken)
{
	struct clocks *c = data;

	if (taken == c->taken)
		return;
	c->taken = taken;
	c->steps++;
	for (int i = 0; i < 2; i++)
		wall_clock_step(c->of[i], wrong[(c->steps + i) % 2]);
}

/* One worker is a day ahead, one an hour behind, and while they work their clocks are exchanged.
 * Every mail goes once, no faster than the rate allows, those for later not before, and no claim is taken from anybody. */
static void test_wall_clock_steps(void **state)
{
	struct clocks c;
	struct fleet *f;
	const char *record;
	struct tally *taken;
	struct timelines t;
	int64_t started;

	(void)state;
	begin(&c);
	f = c.fleet;
	record = fleet_mock(f, "PRIMARY", "rate=50/s&latency=5-30&success=0.8");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=50");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	start_workers(&c);
	started = pace_now(f);
	(void)pace_watch(f, record, MAILS + LATER, RATE, BURST, push_all, on_look, &c);
	assert_true(c.steps >= 10);
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "c", MAILS);
	assert_int_equal(t.sent, MAILS);
	assert_int_equal(t.lines, t.attempts);
	assert_int_equal(t.unknown, 0);
	assert_true(t.retried > 0);
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), MAILS + LATER);
	assert_int_equal(tally_keys(taken), MAILS + LATER);
	tally_free(taken);
	nothing_was_adopted(f);
	/* Statuses speak in Redis' time, too. */
	for (int i = 0; i < LATER; i++) {
		char key[32];

		snprintf(key, sizeof(key), "later-%d", i);
		fleet_expect(f, key, "status", "sent");
		assert_true(fleet_number(f, key, "created_at") >= started);
		assert_true(fleet_number(f, key, "updated_at") >= started + LATER_MS);
		assert_true(fleet_number(f, key, "updated_at") <= pace_now(f));
	}
	end(&c);
}

static bool all_are_held(void *data)
{
	struct fleet *f = data;

	return redis_server_int(fleet_redis(f), "ZCARD {" FLEET_QUEUE "}:leases") == HELD;
}

/* Both clocks step while all mails are at the provider, who takes longer than a lease. */
static void test_a_step_takes_no_claim(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct timelines t;
		struct clocks c;

		begin(&c);
		(void)fleet_mock(c.fleet, "PRIMARY", "latency=9000");
		fleet_set(c.fleet, "LEASE_MS=8000");
		start_workers(&c);
		fleet_push_many(c.fleet, NULL, "c", HELD, "");
		wait_until(all_are_held, c.fleet, 0);
		step(&c, wrong[i]);
		fleet_wait_settled(c.fleet, NULL);
		t = timelines_count(c.fleet, "c", HELD);
		assert_int_equal(t.sent, HELD);
		assert_int_equal(t.lines, HELD);
		assert_int_equal(t.unknown, 0);
		nothing_was_adopted(c.fleet);
		assert_int_equal(
			redis_server_int(fleet_redis(c.fleet), "HLEN {" FLEET_QUEUE "}:claims"), 0);
		end(&c);
	}
}

static bool all_were_tried(void *data)
{
	return timelines_count(data, "r", HELD).lines >= HELD;
}

/* Both clocks step while mails wait for their second attempt: it is neither made at once nor put off. */
static void test_a_step_moves_no_retry(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		long long due[HELD];
		int waiting = 0;
		struct clocks c;
		char key[32];

		begin(&c);
		(void)fleet_mock(c.fleet, "PRIMARY", "success=0");
		fleet_set(c.fleet, "MAX_RETRY_ATTEMPTS=2");
		fleet_set(c.fleet, "CIRCUIT_BREAKER_THRESHOLD=1000");
		fleet_set(c.fleet, "RETRY_BASE_DELAY=%d", RETRY_MS); /* at random up to this */
		fleet_set(c.fleet, "RETRY_MAX_DELAY=%d", RETRY_MS);
		start_workers(&c);
		fleet_push_many(c.fleet, NULL, "r", HELD, "");
		wait_until(all_were_tried, c.fleet, 0);
		for (int k = 0; k < HELD; k++) {
			snprintf(key, sizeof(key), "r-%d", k);
			due[k] = fleet_number(c.fleet, key, "next_attempt_at");
			waiting += due[k] > pace_now(c.fleet);
		}
		assert_true(waiting > HELD / 4);
		step(&c, wrong[i]);
		fleet_wait_empty(c.fleet, NULL);
		for (int k = 0; k < HELD; k++) {
			snprintf(key, sizeof(key), "r-%d", k);
			fleet_expect(c.fleet, key, "status", "failed");
			fleet_expect(c.fleet, key, "attempts", "2");
			assert_true(fleet_number(c.fleet, key, "updated_at") >= due[k]);
		}
		end(&c);
	}
}

/* What a mail says about time is about Redis' time, whatever a worker thinks that it is. */
static void test_dates_of_a_mail(void **state)
{
	char before[64], after[64], later[64], at_once[64];
	struct clocks c;
	int64_t now;

	(void)state;
	begin(&c);
	now = pace_now(c.fleet);
	snprintf(before, sizeof(before), ",\"expiresAt\":%lld", (long long)now - 60000);
	snprintf(after, sizeof(after), ",\"expiresAt\":%lld", (long long)(now + HOUR * 1000));
	snprintf(later, sizeof(later), ",\"sendAt\":%lld", (long long)(now + HOUR * 1000));
	snprintf(at_once, sizeof(at_once), ",\"sendAt\":%lld", (long long)now);
	start_workers(&c);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		step(&c, wrong[i]);
		redis_server_do(fleet_redis(c.fleet), "FLUSHALL");
		fleet_push(c.fleet, "over", before);
		fleet_push(c.fleet, "in-time", after);
		fleet_push(c.fleet, "for-later", later);
		fleet_push(c.fleet, "due", at_once);
		fleet_wait_status(c.fleet, "over", "failed");
		fleet_wait_status(c.fleet, "in-time", "sent");
		fleet_wait_status(c.fleet, "for-later", "scheduled");
		fleet_wait_status(c.fleet, "due", "sent");
	}
	end(&c);
}

/* An API's clients get no more for a clock that steps, and are told the same. */
static void test_limits_of_the_api(void **state)
{
	struct api_process a;
	struct clocks c;

	(void)state;
	begin(&c);
	fleet_set(c.fleet, "RATE_LIMIT_MAX_REQUESTS=2");
	fleet_set(c.fleet, "RATE_LIMIT_WINDOW=7200000");
	a = api_start(c.fleet, wall_clock_settings(c.of[0]));
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("1"));
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("2"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct answer *r;
		char *wait;

		wall_clock_step(c.of[0], wrong[i]);
		r = api_post(&a, API_SEND, API_MAIL("3"), NULL);
		answer_status(r, 429);
		wait = answer_header(r, "Retry-After");
		assert_in_range(strtol(wait, NULL, 10), 3000, 3600);
		free(wait);
		answer_free(r);
	}
	fleet_stop(c.fleet, a.process);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wall_clock_steps),
		cmocka_unit_test(test_a_step_takes_no_claim),
		cmocka_unit_test(test_a_step_moves_no_retry),
		cmocka_unit_test(test_dates_of_a_mail),
		cmocka_unit_test(test_limits_of_the_api),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

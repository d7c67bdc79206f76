/* Mail for later: sendAt, delay, expiresAt, and how long a status lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/pace.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define MONTH_MS (INT64_C(30) * 86400000)

static void rfc3339(char *out, size_t size, int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm t;
	size_t n;

	assert_non_null(gmtime_r(&seconds, &t));
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &t);
	snprintf(out + n, size - n, ".%03dZ", (int)(ms % 1000));
}

/* Sent when it is time and not before; meanwhile its status says when. */
static void test_later(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	int64_t pushed = pace_now(f), at = pushed + 6000, due;
	char more[128], time[40];
	struct tally *taken;

	(void)state;
	fleet_set(f, "LEASE_MS=60000"); /* nobody looks every third of a lease by then */
	fleet_worker_ready(f, NULL);
	rfc3339(time, sizeof(time), at);
	snprintf(more, sizeof(more), ",\"sendAt\":\"%s\"", time);
	fleet_push(f, "text", more);
	snprintf(more, sizeof(more), ",\"sendAt\":%lld", (long long)at);
	fleet_push(f, "number", more);
	fleet_push(f, "delay", ",\"delay\":6000");
	fleet_push(f, "past", ",\"sendAt\":\"2020-01-01T00:00:00Z\"");
	fleet_wait_status(f, "past", "sent");
	fleet_wait_status(f, "text", "scheduled");
	fleet_wait_status(f, "number", "scheduled");
	fleet_wait_status(f, "delay", "scheduled");
	assert_int_equal(fleet_number(f, "text", "next_attempt_at"), at);
	assert_int_equal(fleet_number(f, "number", "next_attempt_at"), at);
	/* The worker's idea of Redis' clock when it took it; which was after the push, and before it was written. */
	due = fleet_number(f, "delay", "next_attempt_at");
	assert_true(due - 6000 > pushed - 1000);
	assert_true(due - 6000 < fleet_number(f, "delay", "created_at") + 100);
	fleet_wait_status(f, "text", "sent");
	fleet_wait_status(f, "number", "sent");
	fleet_wait_status(f, "delay", "sent");
	fleet_wait_settled(f, NULL);
	assert_true(fleet_number(f, "text", "updated_at") >= at);
	assert_true(fleet_number(f, "number", "updated_at") >= at);
	/* It has a timer for it: the slowest machine is there long before the next look. */
	assert_true(fleet_number(f, "text", "updated_at") < at + 15000);
	assert_true(fleet_number(f, "delay", "updated_at") >= due);
	fleet_expect(f, "text", "attempts", "1");
	fleet_expect(f, "text", "next_attempt_at", "");
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 4);
	tally_free(taken);
	fleet_free(f);
}

static bool two_are_dead(void *arg)
{
	return fleet_dead_count(arg, NULL) == 2;
}

/* Retries for longer than the mail may live, a tenth of a second apart: the attempts are not spent before, and the first
 * is in time however late the worker comes to it. */
#define LIFE_MS 4000
static void retry_for_long(struct fleet *f)
{
	fleet_set(f, "MAX_RETRY_ATTEMPTS=100");
	fleet_set(f, "RETRY_BASE_DELAY=200");
	fleet_set(f, "RETRY_MAX_DELAY=200");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=10000");
}

/* Too late: it fails rather than arrive. */
static void test_expired(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "success=0");
	struct tally *taken;
	char more[160], *error;

	(void)state;
	retry_for_long(f);
	fleet_worker_ready(f, NULL);
	fleet_push(f, "before", ",\"expiresAt\":\"2020-01-01T00:00:00Z\"");
	snprintf(more, sizeof(more), ",\"expiresAt\":%lld", (long long)pace_now(f) + LIFE_MS);
	fleet_push(f, "while-retrying", more);
	snprintf(more, sizeof(more), ",\"expiresAt\":%lld", (long long)pace_now(f) + MONTH_MS);
	fleet_push(f, "in-time", more);
	fleet_wait_status(f, "before", "failed");
	fleet_wait_status(f, "while-retrying", "failed");
	assert_int_equal(timelines_lines(f, "before", NULL, NULL), 0);
	assert_true(timelines_lines(f, "while-retrying", NULL, "retry") > 0);
	error = fleet_field(f, "while-retrying", "error");
	assert_int_equal(strncmp(error, "expired: ", 9), 0);
	free(error);
	wait_until(two_are_dead, f, 0); /* it is buried when its status is written */
	fleet_expect(f, "in-time", "error", "451 4.3.0: the mock fails for now");
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 0);
	tally_free(taken);
	fleet_free(f);
}

/* Somebody has it: it is sent, whatever becomes of the others. */
static void test_expired_for_some(void **state)
{
	struct sink *sink = sink_start();
	struct fleet *f = fleet_start(NULL);
	char job[400], *text;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	retry_for_long(f);
	fleet_worker_ready(f, NULL);
	snprintf(job, sizeof(job),
	         "{\"to\":[\"ok@example.com\",\"defer-100.x@example.com\"],\"subject\":\"Hi\","
	         "\"body\":\"x\",\"idempotencyKey\":\"some\",\"expiresAt\":%lld}",
	         (long long)pace_now(f) + LIFE_MS);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_wait_field(f, "some", "error", "expired: expiresAt has passed");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "some", "status", "sent");
	text = fleet_field(f, "some", "recipients");
	assert_non_null(strstr(text, "ok@example.com accepted 250"));
	assert_non_null(strstr(text, "defer-100.x@example.com deferred"));
	free(text);
	assert_int_equal(fleet_dead_count(f, NULL), 0);
	fleet_free(f);
	sink_free(sink);
}

/* A mail that cannot be delivered is given up after MAX_QUEUE_TIME; held, if it may have arrived. */
static void test_max_queue_time(void **state)
{
	struct fleet *f = fleet_start(NULL);

	(void)state;
	retry_for_long(f);
	fleet_set(f, "MAX_QUEUE_TIME=%d", LIFE_MS / 1000);
	fleet_set(f, "PROVIDERS=fails,forgets");
	fleet_set(f, "PROVIDER_FAILS=mock://?success=0");
	fleet_set(f, "PROVIDER_FORGETS=mock://?success=0&fail=unknown");
	fleet_worker_ready(f, NULL);
	fleet_push(f, "never", ",\"provider\":\"fails\"");
	fleet_push(f, "perhaps", ",\"provider\":\"forgets\"");
	fleet_wait_status(f, "never", "failed");
	fleet_wait_status(f, "perhaps", "held");
	fleet_wait_settled(f, NULL);
	assert_int_equal(fleet_dead_count(f, NULL), 2);
	for (int i = 0; i < 2; i++) {
		char *error = fleet_field(f, i ? "perhaps" : "never", "error");

		assert_int_equal(strncmp(error, "expired: ", 9), 0);
		free(error);
	}
	fleet_free(f);
}

static bool sent_or_forgotten(void *arg)
{
	char *status = fleet_field(arg, "far", "status");
	bool yes = strcmp(status, "scheduled") != 0;

	free(status);
	return yes;
}

static bool has_a_second_to_live(void *arg)
{
	return redis_server_int(fleet_redis(arg), "PTTL mail:status:far") <= 1000;
}

/* Scheduled for much later than a status is kept once it is settled: its status outlives that, so that
 * the mail keeps its key until it is sent. */
static void test_status_outlives_schedule(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	struct tally *taken;
	char more[64];

	(void)state;
	fleet_set(f, "STATUS_TTL=1");
	fleet_set(f, "DEAD_TTL=1");
	fleet_worker_ready(f, NULL);
	snprintf(more, sizeof(more), ",\"sendAt\":%lld", (long long)pace_now(f) + MONTH_MS);
	fleet_push(f, "month", more);
	fleet_push(f, "far", ",\"delay\":3600000");
	fleet_wait_status(f, "month", "scheduled");
	fleet_wait_status(f, "far", "scheduled");
	assert_true(redis_server_int(fleet_redis(f), "PTTL mail:status:month") > MONTH_MS);
	/* Twice as long as STATUS_TTL it is there, and still takes repeats for what they are. */
	assert_false(wait_for(NULL, sent_or_forgotten, f, 2000));
	fleet_push(f, "far", "");
	fleet_push(f, "month", "");
	fleet_wait_field(f, "far", "duplicates", "1");
	fleet_wait_field(f, "month", "duplicates", "1");
	fleet_make_due(f, "far");
	tally_wait(record, 1);
	/* Now it is settled, and the time runs. */
	wait_until(has_a_second_to_live, f, 0);
	fleet_wait_status(f, "far", "");
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 1);
	tally_free(taken);
	fleet_expect(f, "month", "status", "scheduled");
	fleet_free(f);
}

/* Cancelled while it waits: it is not sent when its time comes. */
static void test_cancelled(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	struct tally *taken;

	(void)state;
	fleet_worker_ready(f, NULL);
	fleet_push(f, "cancelled", ",\"delay\":3600000");
	fleet_wait_status(f, "cancelled", "scheduled");
	redis_server_do(fleet_redis(f), "HSET mail:status:cancelled status cancelled");
	fleet_make_due(f, "cancelled");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "cancelled", "status", "cancelled");
	fleet_push(f, "cancelled", ""); /* its key is known still */
	fleet_wait_field(f, "cancelled", "duplicates", "1");
	fleet_wait_settled(f, NULL);
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 0);
	tally_free(taken);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_expired_for_some),
		cmocka_unit_test(test_max_queue_time),
		cmocka_unit_test(test_status_outlives_schedule),
		cmocka_unit_test(test_cancelled),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

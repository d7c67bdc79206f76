/* What an operator does to workers and sees of them: signals, switches, the list of workers, logs. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/pace.h"
#include "support/sink_group.h"
#include "support/timelines.h"
#include "support/tmpdir.h"
#include "support/wait.h"
#include "support/wire.h"

static bool is_kept(void *key)
{
	return sink_copies(sink, key) > 0;
}

static void wait_kept(const char *key)
{
	wait_until(is_kept, (void *)(uintptr_t)key, 0);
}

/* ---- the end of a worker ----------------------------------------------------------------------- */

static bool are_in_its_hands(void *arg)
{
	return redis_server_int(fleet_redis(arg), "ZCARD {mail:queue}:leases") >= 4;
}

/* SIGTERM: what is with the provider is finished; what only waits is given back, and no attempt is
 * charged for it. */
static void test_drain(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	sink_stay(sink);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&concurrency=2"));
	fleet_set(f, "CONCURRENCY=4");
	w = fleet_worker_ready(f, NULL);
	fleet_push_to(f, "answering", "hold-dot.a@example.com", "");
	fleet_push_to(f, "asking", "hold-rcpt.b@example.com", "");
	wait_kept("answering");
	sink_wait_asked(sink, "hold-rcpt.b@example.com", 1);
	fleet_push_many(f, NULL, "d", 6, ""); /* two wait in its hands, the others in the list */
	wait_until(are_in_its_hands, f, 0);
	process_signal(w, SIGTERM);
	process_wait_line(w, "\"draining\"", 0);
	sink_go(sink);
	assert_int_equal(process_wait(w, 0), 0);
	process_wait_line(w, "\"left\":0", 0);
	fleet_expect(f, "answering", "status", "sent");
	fleet_expect(f, "asking", "status", "sent");
	assert_int_equal(timelines_count(f, "d", 6).lines, 0);
	assert_int_equal(timelines_count(f, "d", 6).sent, 0);
	assert_int_equal(redis_server_int(fleet_redis(f), "ZCARD {mail:queue}:leases"), 0);
	assert_int_equal(redis_server_int(fleet_redis(f), "ZCARD mail:workers"), 0);
	fleet_worker(f, NULL);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "d", 6).sent, 6);
	assert_int_equal(timelines_count(f, "d", 6).attempts, 6);
	assert_int_equal(sink_copies(sink, "answering"), 1);
	fleet_free(f);
}

/* The grace is over: what has not begun goes back untouched; what has is for its lease to tell. */
static void test_grace(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	sink_stay(sink);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "DRAIN_TIMEOUT=1");
	w = fleet_worker_ready(f, NULL);
	fleet_push_to(f, "grace-begun", "hold-dot-1.c@example.com", "");
	fleet_push_to(f, "grace-not", "hold-rcpt-1.d@example.com", "");
	wait_kept("grace-begun");
	sink_wait_asked(sink, "hold-rcpt-1.d@example.com", 1);
	assert_int_equal(process_stop(w, 0), 0);
	process_wait_line(w, "\"grace_over\"", 0);
	assert_int_equal(redis_server_int(fleet_redis(f), "ZCARD {mail:queue}:leases"), 1);
	fleet_worker(f, NULL);
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "grace-not", "status", "sent");
	fleet_expect(f, "grace-not", "attempts", "1");
	assert_int_equal(timelines_lines(f, "grace-not", NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, "grace-not"), 1);
	fleet_expect(f, "grace-begun", "status", "sent");
	assert_int_equal(timelines_lines(f, "grace-begun", NULL, "unknown"), 1);
	fleet_free(f);
}

/* A second SIGTERM: at once, though there is much grace left. */
static void test_second_signal(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	sink_stay(sink);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "DRAIN_TIMEOUT=3600");
	w = fleet_worker_ready(f, NULL);
	fleet_push_to(f, "twice", "hold-dot-1.e@example.com", "");
	wait_kept("twice");
	process_signal(w, SIGTERM);
	process_wait_line(w, "\"draining\"", 0);
	process_signal(w, SIGTERM);
	assert_int_equal(process_wait(w, 0), 0);
	process_wait_line(w, "\"stopped_at_once\"", 0);
	fleet_worker(f, NULL);
	fleet_wait_status(f, "twice", "sent");
	assert_int_equal(timelines_lines(f, "twice", NULL, "unknown"), 1);
	fleet_free(f);
}

static bool was_moved(void *arg)
{
	struct fleet *f = arg;

	return redis_server_int(fleet_redis(f), "LLEN mail:queue") == 0;
}

/* It ends at once when it has nothing in its hands, also when its doorbell has just moved a job that
 * it cannot take, since no provider flows. Another finds the job. */
static void test_ends_with_job_moved(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "DRAIN_TIMEOUT=3600");
	w = fleet_worker_ready(f, NULL);
	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:primary 1");
	process_wait_line(w, "\"paused\"", 0);
	fleet_push(f, "moved", "");
	wait_until(was_moved, f, 0);
	process_signal(w, SIGTERM);
	assert_int_equal(process_wait(w, 0), 0);
	redis_server_do(fleet_redis(f), "DEL mail:control");
	fleet_worker(f, NULL);
	fleet_wait_status(f, "moved", "sent");
	fleet_free(f);
}

/* --drain: everything that is queued, delayed or in flight is done, then it ends. */
static void test_until_empty(void **state)
{
	static const char *const drain[] = {"worker", "--drain", NULL};
	struct fleet *f = fleet_start(NULL);
	struct process *w;
	long long before;

	(void)state;
	fleet_mock(f, "PRIMARY", "success=0.5&latency=1-10&seed=1");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=50");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	fleet_push_many(f, NULL, "e", 200, "");
	fleet_push(f, "e-200", ",\"delay\":900");
	w = fleet_run(f, drain, NULL);
	assert_int_equal(process_wait(w, 0), 0);
	assert_int_equal(timelines_count(f, "e", 201).sent, 201);
	/* Nothing to do: it ends too. */
	w = fleet_run(f, drain, NULL);
	assert_int_equal(process_wait(w, 0), 0);
	/* What another has in flight is waited for. */
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	sink_stay(sink);
	fleet_worker(f, NULL);
	fleet_push_to(f, "theirs", "hold-dot.f@example.com", "");
	wait_kept("theirs");
	before = redis_server_info(fleet_redis(f), "stats", "total_commands_processed");
	w = fleet_run(f, drain, NULL);
	wait_loop_for(NULL, 500);
	assert_true(process_running(w));
	/* It looks now and then, not all the time: some ten looks a second, of some ten commands, the ones
	 * inside its scripts included. */
	assert_in_range(redis_server_info(fleet_redis(f), "stats", "total_commands_processed") -
	                        before,
	                1, 2000);
	sink_go(sink);
	assert_int_equal(process_wait(w, 0), 0);
	fleet_expect(f, "theirs", "status", "sent");
	fleet_free(f);
}

/* --drain notices the end when it comes, not at its next look: by Redis's clock, from the mail's last
 * change to the last claim, in the quickest of some runs. */
static void test_prompt_end(void **state)
{
	static const char *const drain[] = {"worker", "--drain", NULL};
	struct fleet *f = fleet_start(NULL);
	long long quickest = 1000;

	(void)state;
	for (int i = 0; i < 10 && quickest > 20; i++) {
		char key[16];
		char *last;
		long long ms;

		snprintf(key, sizeof(key), "end-%d", i);
		fleet_push(f, key, "");
		assert_int_equal(process_wait(fleet_run(f, drain, NULL), 0), 0);
		last = redis_server_text(fleet_redis(f), "HGET {mail:queue}:clock last");
		ms = strtoll(last, NULL, 10) - fleet_number(f, key, "updated_at");
		quickest = ms < quickest ? ms : quickest;
		free(last);
	}
	assert_in_range(quickest, 0, 20);
	fleet_free(f);
}

/* ---- switches ------------------------------------------------------------------------------------ */

/* SIGHUP: a provider's DSN is read anew; what is with the old one ends there. */
static void test_reload(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *file = tmpdir_file("dsn", "", 0), dsn[256], *record = tmpdir_name("record");
	struct process *w;
	struct tally *taken;

	(void)state;
	sink_stay(sink);
	tmpdir_write(file, sink_dsn(sink, ""));
	fleet_set(f, "PROVIDER_PRIMARY=");
	fleet_set(f, "PROVIDER_PRIMARY_FILE=%s", file);
	w = fleet_worker_ready(f, NULL);
	fleet_push_to(f, "old", "hold-dot.g@example.com", "");
	wait_kept("old");
	tmpdir_write(file, "smtq://nonsense");
	process_signal(w, SIGHUP);
	process_wait_line(w, "\"reload_failed\"", 0);
	fleet_push(f, "still", "");
	fleet_wait_status(f, "still", "sent");
	assert_int_equal(sink_copies(sink, "still"), 1);
	snprintf(dsn, sizeof(dsn), "mock://?record=%s\n", record);
	tmpdir_write(file, dsn);
	process_signal(w, SIGHUP);
	process_wait_line(w, "\"reloaded\"", 0);
	fleet_push(f, "new", "");
	fleet_wait_status(f, "new", "sent");
	taken = tally_of_record(record);
	assert_int_equal(tally_copies(taken, "new"), 1);
	tally_free(taken);
	fleet_expect(f, "old", "status", "sending");
	sink_go(sink);
	fleet_wait_status(f, "old", "sent");
	fleet_expect(f, "old", "attempts", "1");
	fleet_stop(f, w);
	free(file);
	free(record);
	fleet_free(f);
}

/* A queue is paused and resumed, then a provider: its mail goes by the other; with both paused it
 * waits, and is charged nothing. */
static void test_pause(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_SECONDARY=mock://");
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "before", "");
	fleet_wait_status(f, "before", "sent");
	redis_server_do(fleet_redis(f), "HSET mail:control pause:queue:mail:queue 1");
	process_wait_line(w, "\"paused\"", 0);
	fleet_push_many(f, NULL, "q", 10, "");
	/* One may be taken by the doorbell that was waiting. */
	wait_loop_for(NULL, 1200);
	assert_int_equal(timelines_count(f, "q", 10).sent, 0);
	redis_server_do(fleet_redis(f), "HDEL mail:control pause:queue:mail:queue");
	process_wait_line(w, "\"resumed\"", 0);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "q", 10).sent, 10);

	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:primary 1");
	process_wait_lines(w, "\"paused\"", 2, 0);
	fleet_push(f, "other", "");
	fleet_wait_status(f, "other", "sent");
	fleet_expect(f, "other", "provider", "secondary");
	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:secondary 1");
	process_wait_lines(w, "\"paused\"", 3, 0);
	fleet_push(f, "neither", "");
	wait_loop_for(NULL, 500);
	assert_int_equal(timelines_lines(f, "neither", NULL, NULL), 0);
	redis_server_do(fleet_redis(f), "DEL mail:control");
	fleet_wait_status(f, "neither", "sent");
	fleet_expect(f, "neither", "attempts", "1");
	fleet_expect(f, "neither", "provider", "primary");
	fleet_stop(f, w);
	fleet_free(f);
}

#define PACED                                                                                      \
	80 /* at ten a second: some wait still when the pause is noticed, however late that is */

/* What a pause has sent back is taken up when the pause ends, however long a lease is. */
static void test_resume(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "LEASE_MS=600000");
	fleet_mock(f, "PRIMARY", "rate=10/s&burst=1");
	w = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "r", PACED, "");
	fleet_wait_status(f, "r-0", "sent");
	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:primary 1");
	process_wait_line(w, "\"paused\"", 0);
	assert_true(timelines_count(f, "r", PACED).sent < PACED);
	redis_server_do(fleet_redis(f), "DEL mail:control");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "r", PACED).sent, PACED);
	fleet_stop(f, w);
	fleet_free(f);
}

static bool has_rung(void *arg)
{
	return redis_server_int(fleet_redis(arg), "LLEN {mail:queue}:arrivals") == 1;
}

/* While nothing may be claimed the list stays as it is: the doorbell takes one job out, not all. */
static void test_doorbell_rings_once(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "zeroth", "");
	fleet_wait_status(f, "zeroth", "sent"); /* and now it waits for the bell */
	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:primary 1");
	process_wait_line(w, "\"paused\"", 0);
	fleet_push(f, "first", "");
	wait_until(has_rung, f, 0);
	for (int i = 0; i < 200; i++)
		fleet_push(f, "more", "");
	assert_int_equal(redis_server_int(fleet_redis(f), "LLEN {mail:queue}:arrivals"), 1);
	redis_server_do(fleet_redis(f), "DEL mail:control");
	fleet_wait_status(f, "first", "sent");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	fleet_free(f);
}

/* ---- what is seen of it ---------------------------------------------------------------------------- */

static bool has_beaten(void *arg)
{
	return redis_server_int(fleet_redis(arg), "ZCARD mail:workers") == 1;
}

static bool has_left(void *arg)
{
	return redis_server_int(fleet_redis(arg), "ZCARD mail:workers") == 0;
}

static int64_t last_beat(struct fleet *f)
{
	char *score = redis_server_text(fleet_redis(f), "ZSCORE mail:workers idler");
	int64_t beat = score ? strtoll(score, NULL, 10) : 0;

	free(score);
	return beat;
}

struct beat {
	struct fleet *fleet;
	int64_t since;
};

static bool has_beaten_since(void *arg)
{
	const struct beat *b = arg;

	return last_beat(b->fleet) > b->since;
}

/* An idle worker costs next to nothing, and is in the list of workers. */
static void test_idle(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *w;
	int64_t start;
	long cpu;
	size_t commands;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", wire_url(wire));
	fleet_set(f, "LEASE_MS=30000"); /* as it is by default */
	fleet_set(f, "WORKER_NAME=idler");
	w = fleet_worker_ready(f, NULL);
	wait_until(has_beaten, f, 0);
	start = pace_now(f);
	cpu = fleet_cpu_ms(w);
	commands = wire_count(wire, NULL);
	wait_loop_for(NULL, 4000);
	commands = wire_count(wire, NULL) - commands;
	cpu = fleet_cpu_ms(w) - cpu;
	if ((int64_t)commands * 1000 >= 5 * (pace_now(f) - start))
		fail_msg("%zu commands in %lld ms", commands, (long long)(pace_now(f) - start));
	/* 1% is the aim; the clock's ticks are coarse, and sanitizers slow. */
	if (cpu * 100 > 3 * (pace_now(f) - start))
		fail_msg("%ld ms of CPU in %lld ms", cpu, (long long)(pace_now(f) - start));
	wait_until(has_beaten_since, (&(struct beat){f, start}), 0);
	assert_true(last_beat(f) <= pace_now(f));
	/* And is quick when there is something to do: its doorbell waits in Redis. */
	fleet_push(f, "awake", "");
	fleet_wait_status(f, "awake", "sent");
	fleet_stop(f, w);
	wait_until(has_left, f, 0); /* the wire may be behind */
	fleet_free(f);
	wire_free(wire);
}

static void check_line(const char *line)
{
	static const char *const fields[] = {"ts", "level", "event"};
	cJSON *record = cJSON_ParseWithOpts(line, NULL, 1);

	if (!cJSON_IsObject(record))
		fail_msg("a line of the log is no JSON object: %s", line);
	for (size_t i = 0; i < 3; i++)
		if (!cJSON_IsString(cJSON_GetObjectItem(record, fields[i])))
			fail_msg("a record has no %s: %s", fields[i], line);
	cJSON_Delete(record);
}

/* Every line of the log is JSON, at every level; in none of them is a secret, a body, a subject or a
 * whole address. */
static void test_logs(void **state)
{
	static const char *const private[] = {"s3cr3t",  "my-subject", "my-body",
	                                      "my-html", "ada@",       "refuse.log",
	                                      "defer-1", "eve@",       "bmV2ZXIgc2VlbiBpbiBsb2dz"};
	static const char job[] =
		"{\"to\":[\"Ada <ada@example.com>\",\"refuse.log@example.com\","
		"\"defer-1.log@example.com\"],\"subject\":\"my-subject\",\"text\":\"my-body\","
		"\"html\":\"my-html\",\"idempotencyKey\":\"logged\",\"attachments\":"
		"[{\"filename\":\"f\",\"content\":\"bmV2ZXIgc2VlbiBpbiBsb2dz\"}]}";
	static const char refused[] =
		"{\"to\":\"refuse.log@example.com\",\"subject\":\"my-subject\",\"text\":\"my-body\","
		"\"idempotencyKey\":\"refused\"}";
	static const char invalid[] =
		"{\"to\":\"eve@example.com\\r\\n\",\"subject\":\"my-subject\\u0000\","
		"\"text\":\"my-body\"";
	struct fleet *f = fleet_start((const char *const[]){"--requirepass", "s3cr3t", NULL});
	struct process *w;
	char *log, *rest, *line;

	(void)state;
	redis_server_set_password(fleet_redis(f), "s3cr3t");
	fleet_set(f, "REDIS_URL=unix://:s3cr3t@%s", redis_server_socket(fleet_redis(f)));
	fleet_set(f, "PROVIDERS=locked,primary");
	fleet_set(f, "PROVIDER_LOCKED=smtp://user:s3cr3t@127.0.0.1:1?tls=none&auth_insecure=1");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "MAX_RETRY_ATTEMPTS=2");
	fleet_set(f, "LOG_LEVEL=debug");
	w = fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_push_raw(f, NULL, refused, strlen(refused));
	fleet_push_raw(f, NULL, invalid, strlen(invalid));
	fleet_wait_status(f, "logged", "sent");
	fleet_wait_status(f, "refused", "failed");
	fleet_wait_settled(f, NULL);
	process_signal(w, SIGHUP);
	process_wait_line(w, "\"reloaded\"", 0);
	fleet_stop(f, w);
	log = rest = process_stderr(w);
	assert_non_null(strstr(log, "\"worker_started\""));
	assert_non_null(strstr(log, "\"attempt_ended\""));
	assert_non_null(strstr(log, "\"worker_ended\""));
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		const char *found = strstr(log, private[i]);

		if (found)
			fail_msg("the log tells \"%s\": …%.200s", private[i],
			         found - (found - log > 150 ? 150 : found - log));
	}
	while ((line = strsep(&rest, "\n")) != NULL && rest)
		check_line(line);
	free(log);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drain),         cmocka_unit_test(test_grace),
		cmocka_unit_test(test_second_signal), cmocka_unit_test(test_ends_with_job_moved),
		cmocka_unit_test(test_until_empty),   cmocka_unit_test(test_prompt_end),
		cmocka_unit_test(test_reload),        cmocka_unit_test(test_pause),
		cmocka_unit_test(test_resume),        cmocka_unit_test(test_doorbell_rings_once),
		cmocka_unit_test(test_idle),          cmocka_unit_test(test_logs),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, sink_group_begin, sink_group_end);
}

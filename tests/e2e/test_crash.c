/* Workers that die again and again, and jobs that kill them: nothing is lost. */
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
#include "support/preload.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define STORM_MAILS 1500
#define STORM_KILLS 10
#define STORM_WORKERS 3

/* Under load, worker after worker is killed. Every mail is settled, none is sent twice but where the
 * timeline admits that it may be. */
static void test_storm(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *workers[STORM_WORKERS];
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-50&success=0.9");
	struct timelines t;
	struct tally *taken;

	(void)state;
	fleet_set(f, "LEASE_MS=3000"); /* who is only slow is not taken for dead */
	fleet_set(f, "CONCURRENCY=10");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=20");
	fleet_push_many(f, NULL, "s", STORM_MAILS, "");
	for (int i = 0; i < STORM_WORKERS; i++)
		workers[i] = fleet_worker(f, NULL);
	for (int i = 0; i < STORM_KILLS; i++) {
		size_t victim = (size_t)i % STORM_WORKERS;

		tally_wait(record, (size_t)(i + 1) * STORM_MAILS / (STORM_KILLS + 2));
		process_kill(workers[victim]);
		workers[victim] = fleet_worker(f, NULL);
	}
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "s", STORM_MAILS);
	assert_int_equal(t.other, 0);
	/* A job that was four times with a worker that died is poison; that is rare, and not a loss. */
	assert_int_equal(t.sent + t.failed, STORM_MAILS);
	assert_int_equal(t.failed, fleet_dead_count(f, NULL));
	assert_true(t.failed <= 2);
	assert_true(t.unknown > 0); /* else nobody was killed in flight */
	taken = tally_of_record(record);
	timelines_check_copies(f, taken, "s", STORM_MAILS);
	tally_free(taken);
	for (int i = 0; i < STORM_WORKERS; i++)
		fleet_stop(f, workers[i]);
	fleet_free(f);
}

struct mourned {
	struct fleet *fleet;
	struct process *worker;
};

static size_t count_running(struct process *const *workers, size_t n)
{
	size_t running = 0;

	for (size_t i = 0; i < n; i++)
		running += process_running(workers[i]);
	return running;
}

/* A job that kills whoever parses it: one worker falls, the fleet does not, and what was claimed
 * beside it is sent. */
static void test_poison(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *workers[3];
	const char *record = fleet_mock(f, "PRIMARY", "");
	const char *preload = preload_setting();
	char *killer = fleet_job("killer", ",\"metadata\":{\"a\":\"I-KILL-WORKERS\"}"), *bytes;
	redisReply *dead;
	struct tally *taken;
	char key[64];
	size_t n;

	(void)state;
	if (!preload) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		free(killer);
		fleet_free(f);
		skip();
	}
	fleet_set(f, "LEASE_MS=5000"); /* who is only slow is not taken for dead */
	/* All in one claim of the first worker. */
	fleet_push_many(f, NULL, "before", 20, "");
	fleet_push_raw(f, NULL, killer, strlen(killer));
	fleet_push_many(f, NULL, "behind", 20, "");
	for (int i = 0; i < 3; i++)
		workers[i] = fleet_worker(
			f, (const char *const[]){preload, "PRELOAD_KILLER=I-KILL-WORKERS", NULL});
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "before", 20).sent, 20);
	assert_int_equal(timelines_count(f, "behind", 20).sent, 20);
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 40);
	tally_free(taken);

	assert_int_equal(fleet_dead_count(f, NULL), 1);
	dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	bytes = fleet_dead(f, NULL, dead->element[0]->str, &n);
	assert_string_equal(bytes, killer);
	snprintf(key, sizeof(key), "auto-%s", dead->element[0]->str);
	fleet_expect(f, key, "status", "failed");
	/* also under its own key, which had to be made out without parsing it */
	fleet_expect(f, "killer", "status", "failed");
	free(killer);
	killer = fleet_field(f, key, "error");
	assert_int_equal(strncmp(killer, "poison: ", 8), 0);
	assert_int_equal(count_running(workers, 3), 2);
	free(bytes);
	free(killer);
	freeReplyObject(dead);
	fleet_free(f);
}

static bool is_held_back(void *arg)
{
	const struct mourned *m = arg;
	char *status = fleet_field(m->fleet, "killer", "status");
	bool is = strcmp(status, "sending") == 0;

	free(status);
	return is;
}

/* One that had begun before it was seen to kill: its mail may have been sent, and does not stay
 * `sending`. Tried again, it stays with its provider. */
static void test_poison_that_had_begun(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	struct mourned m = {.fleet = f};
	const char *preload = preload_setting();
	char *error;

	(void)state;
	if (!preload) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		fleet_free(f);
		sink_free(sink);
		skip();
	}
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	sink_stay(sink);
	m.worker = fleet_worker(f, NULL);
	fleet_push_to(f, "killer", "hold-dot.f@example.com",
	              ",\"metadata\":{\"a\":\"I-KILL-WORKERS\"}");
	wait_until(is_held_back, &m, 0);
	process_kill(m.worker);
	sink_go(sink);
	fleet_worker(f, (const char *const[]){preload, "PRELOAD_KILLER=I-KILL-WORKERS", NULL});
	fleet_wait_status(f, "killer", "held");
	fleet_wait_settled(f, NULL);
	assert_int_equal(fleet_dead_count(f, NULL), 1);
	fleet_expect(f, "killer", "attempt:1", "primary unknown worker_lost 0ms");
	fleet_expect(f, "killer", "pinned", "primary");
	error = fleet_field(f, "killer", "error");
	assert_int_equal(strncmp(error, "poison: ", 8), 0);
	free(error);
	fleet_free(f);
	sink_free(sink);
}

static bool is_dead_or_buried(void *arg)
{
	const struct mourned *m = arg;

	return !process_running(m->worker) || fleet_dead_count(m->fleet, NULL) > 0;
}

/* One that kills only in earnest, so that trying it out shows nothing: its third recovery is the
 * last. (Its workers are started again, as by whoever supervises them.) */
static void test_poison_in_earnest(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	struct mourned m = {.fleet = f};
	const char *preload = preload_setting();
	int deaths = 0;
	char *error, key[64];
	redisReply *dead;

	(void)state;
	if (!preload) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		fleet_free(f);
		sink_free(sink);
		skip();
	}
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_push(f, "killer", ",\"cc\":\"i-kill@example.com\"");
	while (fleet_dead_count(f, NULL) == 0) {
		m.worker = fleet_worker(
			f, (const char *const[]){preload, "PRELOAD_SEND_KILLER=i-kill@", NULL});
		wait_until(is_dead_or_buried, &m, 0);
		deaths += !process_running(m.worker);
		assert_true(deaths < 6);
	}
	assert_int_equal(deaths, 4);
	fleet_push(f, "after", "");
	fleet_wait_status(f, "after", "sent");
	fleet_wait_settled(f, NULL);
	dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	snprintf(key, sizeof(key), "auto-%s", dead->element[0]->str);
	fleet_expect(f, key, "status", "failed");
	fleet_expect(f, "killer", "status", "failed");
	error = fleet_field(f, key, "error");
	assert_int_equal(strncmp(error, "poison: ", 8), 0);
	assert_int_equal(sink_copies(sink, "killer"), 0);
	free(error);
	freeReplyObject(dead);
	fleet_free(f);
	sink_free(sink);
}

/* A payload that is in none of leases, delayed and dead: found by a sweep. */
static void test_orphan(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *job = fleet_job("orphan", "");

	(void)state;
	redis_server_do(fleet_redis(f), "HSET {mail:queue}:jobs 0123456789abcdef %s", job);
	fleet_worker(f, NULL);
	fleet_wait_status(f, "orphan", "sent");
	fleet_wait_settled(f, NULL);
	free(job);
	fleet_free(f);
}

static bool is_put_off(void *f)
{
	return redis_server_int(fleet_redis(f), "ZCARD {mail:queue}:delayed") == 1;
}

/* Its worker wrote when it is due again, and died before it settled: it waits until then all the same. */
static void test_put_off_unsettled(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;
	char *owner, *due;

	(void)state;
	fleet_set(f, "RETRY_BASE_DELAY=3600000");
	fleet_set(f, "RETRY_MAX_DELAY=3600000");
	fleet_mock(f, "PRIMARY", "success=0&fail=retry:1");
	w = fleet_worker(f, NULL);
	fleet_push(f, "later", "");
	fleet_wait_status(f, "later", "retrying");
	fleet_stop(f, w);
	owner = fleet_field(f, "later", "owner");
	due = fleet_field(f, "later", "next_attempt_at");
	redis_server_do(fleet_redis(f), "DEL {mail:queue}:delayed");
	redis_server_do(fleet_redis(f), "ZADD {mail:queue}:leases 1 %s", strchr(owner, '#') + 1);
	fleet_worker(f, NULL);
	wait_until(is_put_off, f, 0);
	assert_true(redis_server_int(fleet_redis(f), "ZCOUNT {mail:queue}:delayed %s %s", due,
	                             due) == 1);
	fleet_expect(f, "later", "attempts", "1");
	free(owner);
	free(due);
	fleet_free(f);
}

/* A mail whose job was lost, as by a failover, though its status is still there: a repeat takes it
 * over, with what is known of it. */
static void lose_job(struct fleet *f)
{
	redis_server_do(fleet_redis(f), "DEL {mail:queue}:jobs {mail:queue}:leases "
	                                "{mail:queue}:delayed {mail:queue}:claims");
}

static void test_owner_lost(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	struct tally *taken;

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "lost", ",\"delay\":3600000");
	fleet_push(f, "lost-sending", ",\"delay\":3600000");
	fleet_wait_status(f, "lost", "scheduled");
	fleet_wait_status(f, "lost-sending", "scheduled");
	fleet_push(f, "lost", ""); /* while it lives: a duplicate */
	fleet_wait_field(f, "lost", "duplicates", "1");
	lose_job(f);
	redis_server_do(fleet_redis(f), "HSET mail:status:lost next_attempt_at 1");
	redis_server_do(fleet_redis(f), "HSET mail:status:lost-sending status sending attempts 1 "
	                                "provider primary");
	fleet_push(f, "lost", "");
	fleet_push(f, "lost-sending", "");
	fleet_wait_status(f, "lost", "sent");
	fleet_wait_status(f, "lost-sending", "sent");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_lines(f, "lost", NULL, "unknown"), 0);
	assert_int_equal(timelines_lines(f, "lost-sending", NULL, "unknown"), 1);
	taken = tally_of_record(record);
	assert_int_equal(tally_copies(taken, "lost"), 1);
	assert_int_equal(tally_copies(taken, "lost-sending"), 1);
	tally_free(taken);
	fleet_free(f);
}

static bool is_reported_late(void *f)
{
	char *line = fleet_field(f, "taken", "late:1");
	bool is = strncmp(line, "primary sent 250 ", 17) == 0;

	free(line);
	return is;
}

/* The job is lost while its provider has the mail, a repeat takes over, and then the first one's
 * reply comes: it changes nothing, and leaves a trace. */
static void test_owner_lost_in_flight(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "ON_UNKNOWN=hold");
	sink_stay(sink);
	fleet_worker(f, NULL);
	fleet_push_to(f, "taken", "hold-dot.f@example.com", "");
	fleet_wait_status(f, "taken", "sending");
	lose_job(f);
	fleet_push_to(f, "taken", "hold-dot.f@example.com", "");
	fleet_wait_status(f, "taken", "held");
	sink_go(sink);
	wait_until(is_reported_late, f, 0);
	fleet_expect(f, "taken", "status", "held");
	fleet_wait_settled(f, NULL);
	fleet_free(f);
	sink_free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_poison_that_had_begun),
		cmocka_unit_test(test_poison_in_earnest),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_put_off_unsettled),
		cmocka_unit_test(test_owner_lost),
		cmocka_unit_test(test_owner_lost_in_flight),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

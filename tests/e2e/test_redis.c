/* Redis in trouble: away, silent, full, busy, forgetful. The fleet waits, and goes on as if nothing
 * had been. */
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
#include "support/sink_group.h"
#include "support/timelines.h"
#include "support/trouble.h"
#include "support/wait.h"
#include "support/wire.h"

static const char *const always[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* For so long something lasts; nobody's progress hangs on it. */
static void let_pass(int ms)
{
	assert_false(wait_for(NULL, never, NULL, ms));
}

/* All n mails of the stem were sent at the first attempt, once. */
static void check_untroubled(struct fleet *f, const char *record, const char *stem, size_t n)
{
	struct timelines t = timelines_count(f, stem, n);
	struct tally *taken = tally_of_record(record);

	assert_int_equal(t.sent, n);
	assert_int_equal(t.unknown, 0);
	assert_int_equal(t.lines, n);
	assert_int_equal(t.attempts, n);
	assert_int_equal(tally_total(taken), n);
	assert_int_equal(tally_keys(taken), n);
	tally_free(taken);
}

/* Not there when the worker starts: one clear line, and it waits. */
static void test_not_there(void **state)
{
	struct redis_server *r = redis_server_prepare(false, NULL);
	struct fleet *f = fleet_around(r);
	struct process *w = fleet_worker(f, NULL);

	(void)state;
	process_wait_lines(w, "\"redis_down\"", 2, 0); /* one of each connection */
	let_pass(300);
	assert_int_equal(process_count_lines(w, "\"redis_down\""), 2);
	redis_server_run(r);
	fleet_push(f, "patient", "");
	fleet_wait_status(f, "patient", "sent");
	fleet_free(f);
	redis_server_free(r);
}

/* Killed under load, and away for longer than a lease: workers keep what they have in hand; no
 * attempt is charged, nothing is called unknown. */
static void test_restart(void **state)
{
	struct fleet *f = fleet_start(always);
	const char *record = fleet_mock(f, "PRIMARY", "latency=10-60");
	struct process *workers[2];

	(void)state;
	fleet_set(f, "CONCURRENCY=20");
	fleet_set(f, "LEASE_MS=8000"); /* longer than a connection waits between two tries */
	for (int i = 0; i < 2; i++)
		workers[i] = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "r", 600, "");
	tally_wait(record, 200); /* a third */
	redis_server_kill(fleet_redis(f));
	let_pass(8300);
	redis_server_run(fleet_redis(f));
	fleet_wait_settled(f, NULL);
	check_untroubled(f, record, "r", 600);
	for (int i = 0; i < 2; i++)
		fleet_stop(f, workers[i]);
	fleet_free(f);
}

static bool has_loaded(void *arg)
{
	redisReply *reply = redis_server_try(fleet_redis(arg), "EXISTS mail:queue");
	bool yes = reply->type == REDIS_REPLY_INTEGER;

	freeReplyObject(reply);
	return yes;
}

/* It answers LOADING for a while: that is no reason to charge anybody, nor to ask all the time. */
static void test_loading(void **state)
{
	static const char *const slowly[] = {TROUBLE_SLOW_TO_LOAD("700"), NULL};
	struct fleet *f = fleet_start(slowly);
	const char *record = fleet_mock(f, "PRIMARY", "latency=10-60");
	struct process *w;

	(void)state;
	fleet_set(f, "CONCURRENCY=5");
	redis_server_do(fleet_redis(f), "EVAL %s 0",
	                "for i = 1, 1000 do redis.call('SET', 'filler:' .. i, i) end");
	redis_server_do(fleet_redis(f), "BGREWRITEAOF");
	while (redis_server_info(fleet_redis(f), "persistence", "aof_rewrite_in_progress") != 0)
		let_pass(5);
	w = fleet_worker_ready(f, (const char *const[]){"LOG_LEVEL=debug", NULL});
	fleet_push_many(f, NULL, "l", 50, "");
	tally_wait(record, 10);
	redis_server_kill(fleet_redis(f));
	redis_server_run_unready(fleet_redis(f));
	process_wait_line(w, "LOADING", 0);
	wait_until(has_loaded, f, 0);
	fleet_wait_settled(f, NULL);
	check_untroubled(f, record, "l", 50);
	assert_true(process_count_lines(w, "LOADING") < 60);
	fleet_stop(f, w);
	fleet_free(f);
}

/* Up, but silent: noticed by the deadline of a command, and not taken for a reason to do anything. */
static void test_silent(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=10-60");
	struct process *workers[2];

	(void)state;
	fleet_set(f, "COMMAND_TIMEOUT=300");
	fleet_set(f, "CONCURRENCY=20");
	fleet_set(f, "LEASE_MS=20000");
	for (int i = 0; i < 2; i++)
		workers[i] = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "s", 600, "");
	tally_wait(record, 200);
	redis_server_pause(fleet_redis(f));
	for (int i = 0; i < 2; i++)
		process_wait_line(workers[i], "not answered within its deadline", 0);
	let_pass(1300);
	redis_server_resume(fleet_redis(f));
	fleet_wait_settled(f, NULL);
	check_untroubled(f, record, "s", 600);
	for (int i = 0; i < 2; i++)
		fleet_stop(f, workers[i]);
	fleet_free(f);
}

/* Packets are dropped while a provider holds a last byte: it is not held for longer than servers
 * wait, and the mail goes when Redis is back, without a word of it. */
static void test_silent_while_held(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *w;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", wire_url(wire));
	fleet_set(f, "COMMAND_TIMEOUT=200");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	w = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, "held", "hold-rcpt-1.held@example.com", "");
	sink_wait_asked(sink, "hold-rcpt-1.held@example.com", 1);
	wire_freeze(wire, true);
	sink_go(sink);
	process_wait_line(w, "not answered within its deadline", 0);
	let_pass(1200);
	assert_int_equal(sink_copies(sink, "held"), 0);
	wire_freeze(wire, false);
	wire_cut(wire);
	fleet_wait_status(f, "held", "sent");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "held", "attempts", "1");
	assert_int_equal(timelines_lines(f, "held", NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, "held"), 1);
	fleet_stop(f, w);
	fleet_free(f);
	wire_free(wire);
}

static bool is_sent(void *arg)
{
	char *status = fleet_field(arg, "finishing", "status");
	bool yes = strcmp(status, "sent") == 0;

	free(status);
	return yes;
}

/* Memory is full: nothing is taken and nothing begun, but what is under way is finished and settled. */
static void test_full(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "CONCURRENCY=3");
	w = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, "finishing", "hold-dot.x@example.com", "");
	fleet_push_to(f, "retrying", "hold-dot-1.y@example.com", ",\"onUnknown\":\"hold\"");
	fleet_push_to(f, "beginning", "hold-rcpt.z@example.com", "");
	while (sink_copies(sink, "finishing") == 0 || sink_copies(sink, "retrying") == 0)
		let_pass(5);
	sink_wait_asked(sink, "hold-rcpt.z@example.com", 1);
	fleet_push(f, "waiting", "");
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 1");
	sink_go(sink);
	wait_until(is_sent, f, 0);
	fleet_wait_status(f, "retrying", "sent");
	process_wait_line(w, "\"redis_full\"", 0);
	let_pass(300);
	assert_int_equal(sink_copies(sink, "beginning"), 0);
	assert_int_equal(sink_copies(sink, "waiting"), 0);
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 0");
	fleet_wait_status(f, "beginning", "sent");
	fleet_wait_status(f, "waiting", "sent");
	fleet_wait_settled(f, NULL);
	assert_int_equal(sink_copies(sink, "beginning"), 1);
	fleet_expect(f, "beginning", "attempts", "1");
	assert_int_equal(timelines_lines(f, "beginning", NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, "finishing"), 1);
	fleet_stop(f, w);
	fleet_free(f);
}

struct files {
	const struct process *process;
	size_t n;
};

static bool has_closed_one(void *arg)
{
	const struct files *f = arg;

	return fleet_open_files(f->process) < f->n;
}

/* It stays full for longer than a mail server likes to be kept waiting for a last byte: the worker
 * lets the server go before that, and comes again. */
static void test_full_for_long(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct files files;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	files.process = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, "long", "hold-rcpt.long@example.com", "");
	sink_wait_asked(sink, "hold-rcpt.long@example.com", 1);
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 1");
	files.n = fleet_open_files(files.process);
	sink_go(sink);
	wait_until(has_closed_one, &files, 0);
	assert_int_equal(sink_copies(sink, "long"), 0);
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 0");
	fleet_wait_status(f, "long", "sent");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_lines(f, "long", NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, "long"), 1);
	fleet_free(f);
}

#define REFUSED_MS 4000

/* Every write is refused for longer than a lease: outcomes are kept, and written when it is over. */
static void check_refused(const char *error)
{
	struct fleet *f = fleet_start(NULL);
	struct process *workers[2];

	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "LEASE_MS=%d", REFUSED_MS); /* which is also the time to renew it afterwards */
	for (int i = 0; i < 2; i++)
		workers[i] = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, error, "hold-dot.x@example.com", "");
	while (sink_copies(sink, error) == 0)
		let_pass(5);
	trouble_begin(fleet_redis(f), error);
	sink_go(sink);
	let_pass(REFUSED_MS + REFUSED_MS / 4);
	fleet_expect(f, error, "status", "sending");
	assert_int_equal(
		process_count_lines(workers[0], error) + process_count_lines(workers[1], error) > 0,
		1);
	trouble_end(fleet_redis(f), error);
	fleet_wait_status(f, error, "sent");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_lines(f, error, NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, error), 1);
	fleet_push(f, "after", "");
	fleet_wait_status(f, "after", "sent");
	for (int i = 0; i < 2; i++)
		fleet_stop(f, workers[i]);
	fleet_free(f);
}

static void test_refuses_writes(void **state)
{
	(void)state;
	check_refused("NOREPLICAS");
}

static void test_cannot_save(void **state)
{
	(void)state;
	check_refused("MISCONF");
}

/* Somebody's slow script: the fleet waits, and does not kill it. */
static void test_busy(void **state)
{
	struct fleet *f = fleet_start((const char *const[]){"--busy-reply-threshold", "20", NULL});
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-20");
	redisContext *stranger;
	redisReply *reply;

	(void)state;
	fleet_set(f, "CONCURRENCY=10");
	fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "b", 200, "");
	tally_wait(record, 50);
	stranger = fleet_client(f);
	reply = redisCommand(stranger, "EVAL %s 0",
	                     "local function now() local t = redis.call('TIME') "
	                     "return t[1] * 1000 + t[2] / 1000 end "
	                     "local start = now() "
	                     "while now() - start < 1500 do end return 'survived'");
	assert_non_null(reply);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	assert_string_equal(reply->str, "survived");
	freeReplyObject(reply);
	redisFree(stranger);
	fleet_wait_settled(f, NULL);
	check_untroubled(f, record, "b", 200);
	fleet_free(f);
}

/* The scripts are forgotten again and again: nobody notices. */
static void test_script_flush(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-20");
	struct process *w;

	(void)state;
	fleet_set(f, "CONCURRENCY=10");
	w = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "f", 400, "");
	for (size_t n = 20; n <= 380; n += 40) {
		tally_wait(record, n);
		redis_server_do(fleet_redis(f), "SCRIPT FLUSH");
	}
	fleet_wait_settled(f, NULL);
	check_untroubled(f, record, "f", 400);
	assert_int_equal(process_count_lines(w, "\"level\":\"error\""), 0);
	fleet_free(f);
}

/* Something else lies where a queue should be: said loudly, not asked all the time, and the other
 * queue goes on. */
static void test_wrong_type(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(f)));
	char *job = fleet_job("repaired", ""), *later = fleet_job("later", ",\"delay\":3600000");
	struct process *w;
	int64_t start;
	size_t before;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", wire_url(wire));
	fleet_set(f, "QUEUES=mail:bad,mail:good");
	w = fleet_worker(f, NULL);
	fleet_push_raw(f, "mail:bad", later, strlen(later));
	fleet_wait_status(f, "later", "scheduled");
	redis_server_do(fleet_redis(f), "SET mail:bad something");
	fleet_push_many(f, "mail:good", "g", 20, "");
	fleet_wait_settled(f, "mail:good");
	assert_int_equal(timelines_count(f, "g", 20).sent, 20);
	process_wait_line(w, "WRONGTYPE", 0);
	assert_true(process_count_lines(w, "\"level\":\"error\"") > 0);
	fleet_make_due(f, "later");
	fleet_wait_status(f, "later", "sent"); /* it is past the list */
	start = wait_now_ms();
	before = wire_count(wire, NULL);
	let_pass(1000);
	/* A lease of a second makes it ask about 20 times a second in any case. */
	before = wire_count(wire, NULL) - before;
	assert_true((int64_t)before * 1000 < 100 * (wait_now_ms() - start));
	redis_server_do(fleet_redis(f), "DEL mail:bad");
	fleet_push_raw(f, "mail:bad", job, strlen(job));
	fleet_wait_status(f, "repaired", "sent");
	free(job);
	free(later);
	fleet_stop(f, w);
	fleet_free(f);
	wire_free(wire);
}

/* A status that is no hash, in the middle of a batch: that mail alone fails. */
static void test_wrong_status(void **state)
{
	struct fleet *f = fleet_start(NULL);
	redisReply *dead;
	char key[64];

	(void)state;
	redis_server_do(fleet_redis(f), "SET mail:status:w-10 something");
	fleet_push_many(f, NULL, "w", 21, "");
	fleet_worker(f, NULL);
	fleet_wait_settled(f, NULL);
	redis_server_do(fleet_redis(f), "DEL mail:status:w-10");
	assert_int_equal(timelines_count(f, "w", 21).sent, 20);
	assert_int_equal(fleet_dead_count(f, NULL), 1);
	dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	snprintf(key, sizeof(key), "auto-%s", dead->element[0]->str);
	fleet_expect(f, key, "status", "failed");
	freeReplyObject(dead);
	fleet_free(f);
}

/* A Redis that may throw keys away: a loud warning; STRICT refuses. */
static void test_evicts(void **state)
{
	struct fleet *f = fleet_start(
		(const char *const[]){"--maxmemory-policy", "allkeys-lru", NULL});
	struct process *w = fleet_worker(f, NULL);

	(void)state;
	process_wait_line(w, "\"redis_evicts\"", 0);
	fleet_push(f, "though", "");
	fleet_wait_status(f, "though", "sent");
	w = fleet_worker(f, (const char *const[]){"STRICT=1", NULL});
	assert_int_equal(process_wait(w, 0), 2);
	process_wait_line(w, "noeviction", 0);
	fleet_free(f);
}

/* What begin wrote is gone when the provider answers (a failover has lost it): the outcome is written with all that a
 * status tells of its mail. */
static void test_loses_what_was_begun(void **state)
{
	static const char *const fields[] = {"owner", "fingerprint", "created_at", "attempt:1",
	                                     NULL};
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	w = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, "begun", "hold-dot.lost@example.com", "");
	while (sink_copies(sink, "begun") == 0)
		assert_false(wait_for(NULL, never, NULL, 5));
	redis_server_do(fleet_redis(f), "DEL mail:status:begun");
	sink_go(sink);
	fleet_wait_status(f, "begun", "sent");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "begun", "to", "hold-dot.lost@example.com");
	for (size_t i = 0; fields[i]; i++) {
		char *value = fleet_field(f, "begun", fields[i]);
		assert_string_not_equal(value, "");
		free(value);
	}
	fleet_push_to(f, "begun", "hold-dot.lost@example.com", "");
	fleet_wait_field(f, "begun", "duplicates", "1");
	assert_int_equal(sink_copies(sink, "begun"), 1);
	fleet_stop(f, w);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_loading),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_silent_while_held),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_for_long),
		cmocka_unit_test(test_refuses_writes),
		cmocka_unit_test(test_cannot_save),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_script_flush),
		cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_wrong_status),
		cmocka_unit_test(test_evicts),
		cmocka_unit_test(test_loses_what_was_begun),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, sink_group_begin, sink_group_end);
}

/* The archive: what became of mails, kept in a real PostgreSQL, whatever dies meanwhile. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/archive_world.h"
#include "support/cli.h"
#include "support/port.h"
#include "support/wait.h"

#define MAILS "postrider_mails"
#define ATTEMPTS "postrider_attempts"

/* ---- a fleet's mails --------------------------------------------------------------------------- */

/* The mail's row says what its status says, field for field. */
static void assert_same_as_status(struct archive_world *w, const char *key)
{
	redisReply *r = redis_server_cmd(fleet_redis(w->fleet), "HGETALL mail:status:%s", key);

	assert_true(r->elements > 0);
	assert_int_equal(postgres_server_int(w->postgres,
	                                     "SELECT count(*) FROM " MAILS
	                                     ", jsonb_object_keys(details) WHERE key = '%s'",
	                                     key),
	                 r->elements / 2);
	for (size_t i = 0; i + 1 < r->elements; i += 2)
		postgres_server_sees(w->postgres, r->element[i + 1]->str,
		                     "SELECT details->>'%s' FROM " MAILS " WHERE key = '%s'",
		                     r->element[i]->str, key);
	freeReplyObject(r);
}

/* 10,000 mails through three queues, some at the second attempt, some that fail. */
static void test_ten_thousand_mails(void **state)
{
	static const char *const queues[] = {"mail:queue:high", "mail:queue", "mail:queue:low"};
	struct archive_world *w = archive_world_begin(state);
	struct process *worker, *archiver;
	char key[64];

	if (w == NULL)
		return;
	fleet_set(w->fleet, "QUEUES=mail:queue:high*6,mail:queue*3,mail:queue:low");
	(void)fleet_mock(w->fleet, "PRIMARY",
	                 "success=0.9&fail=retry:3,rejected:1&latency=0&seed=5");
	archiver = archive_world_archiver(w, NULL);
	worker = fleet_worker(w->fleet, (const char *const[]){"CONCURRENCY=500", NULL});
	for (size_t q = 0; q < 3; q++) {
		snprintf(key, sizeof(key), "m%zu", q);
		fleet_push_many(w->fleet, queues[q], key, q == 1 ? 3334 : 3333, "");
	}
	for (size_t q = 0; q < 3; q++)
		fleet_wait_settled(w->fleet, queues[q]);
	archive_world_wait(w, MAILS, 10000);
	assert_int_equal(postgres_server_int(w->postgres,
	                                     "SELECT count(*) FROM " MAILS
	                                     " WHERE status NOT IN ('sent', 'failed')"),
	                 0);
	/* every attempt has its row: the numbers of each mail's are 1 to what its status says */
	assert_int_equal(
		postgres_server_int(
			w->postgres,
			"SELECT count(*) FROM (SELECT key, count(*) AS n, min(attempt) AS first,"
			" max(attempt) AS last FROM " ATTEMPTS " GROUP BY key) a JOIN " MAILS
			" USING (key) WHERE n = attempts AND first = 1 AND last = attempts"
			" AND attempts = (details->>'attempts')::int AND status = details->>'status'"),
		10000);
	assert_true(postgres_server_int(w->postgres,
	                                "SELECT count(*) FROM " MAILS " WHERE attempts > 1") > 100);
	assert_true(postgres_server_int(w->postgres, "SELECT count(*) FROM " MAILS
	                                             " WHERE status = 'failed'") > 50);
	for (int i = 0; i < 3333; i += 37) {
		snprintf(key, sizeof(key), "m%d-%d", i % 3, i);
		assert_same_as_status(w, key);
	}
	fleet_stop(w->fleet, worker);
	fleet_end(w->fleet, worker);
	archive_world_stop(w, archiver);
	fleet_set(w->fleet, "QUEUES=");
}

/* ---- deaths ------------------------------------------------------------------------------------ */

struct progress {
	struct archive_world *world;
	long long rows;
};

static bool has_more(void *arg)
{
	struct progress *p = arg;

	return postgres_server_try_int(p->world->postgres, "SELECT count(*) FROM " MAILS) > p->rows;
}

/* Killed again and again, at any moment: each goes on where the last one was. */
static void test_killed_and_resumed(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct progress p = {w, 0};
	struct process *archiver;

	if (w == NULL)
		return;
	archive_world_add(w, NULL, "kill", 8000);
	for (int i = 0; i < 6; i++) {
		archiver = archive_world_archiver(w, NULL);
		if (wait_for(NULL, has_more, &p, 20000))
			p.rows = postgres_server_int(w->postgres, "SELECT count(*) FROM " MAILS);
		fleet_end(w->fleet, archiver);
		archive_world_add(w, NULL, i % 2 ? "odd" : "even", 10);
	}
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 8020);
	archive_world_exact(w, "kill", 8000);
	assert_int_equal(archive_world_count(w, "lost"), 0);
	assert_int_equal(archive_world_count(w, "archived"), 8060);
	archive_world_stop(w, archiver);
}

/* Both make the tables at once, share the work, and take over what a third has left when it was killed. */
static void test_two_at_once(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *a, *b;

	if (w == NULL)
		return;
	archive_world_add(w, NULL, "both", 6000);
	/* as one that has died with these in its hands */
	redis_server_do(fleet_redis(w->fleet),
	                "XGROUP CREATE " ARCHIVE_EVENTS " " ARCHIVE_GROUP " 0");
	redis_server_do(fleet_redis(w->fleet), "XREADGROUP GROUP " ARCHIVE_GROUP
	                                       " dead COUNT 700 STREAMS " ARCHIVE_EVENTS " >");
	a = archive_world_archiver(w, NULL);
	b = archive_world_archiver(w, NULL);
	process_wait_line(a, "archive_ready", 0);
	process_wait_line(b, "archive_ready", 0);
	archive_world_wait(w, MAILS, 6000);
	archive_world_exact(w, "both", 6000);
	postgres_server_sees(w->postgres, "1\n2",
	                     "SELECT version FROM postrider_schema ORDER BY 1");
	assert_int_equal(process_count_lines(a, "\"archive_migrated\"") +
	                         process_count_lines(b, "\"archive_migrated\""),
	                 2);
	archive_world_stop(w, a);
	archive_world_stop(w, b);
	/* who ends leaves no consumer behind */
	redisReply *r = redis_server_cmd(fleet_redis(w->fleet),
	                                 "XINFO CONSUMERS " ARCHIVE_EVENTS " " ARCHIVE_GROUP);
	assert_int_equal(r->elements, 1); /* "dead" is kept for an hour */
	freeReplyObject(r);
}

/* It is told to end while it asks Redis for more: it takes its leave all the same. */
static void test_ends_while_it_asks(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;
	redisReply *r;

	if (w == NULL)
		return;
	archive_world_add(w, NULL, "leave", 10);
	archiver = archive_world_archiver(w, (const char *const[]){"COMMAND_TIMEOUT=60000", NULL});
	archive_world_wait(w, MAILS, 10);
	redis_server_pause(fleet_redis(w->fleet));
	wait_loop_for(NULL, 500); /* it asks several times a second */
	process_signal(archiver, SIGTERM);
	process_wait_line(archiver, "\"draining\"", 0);
	redis_server_resume(fleet_redis(w->fleet));
	assert_int_equal(process_wait(archiver, 0), 0);
	fleet_end(w->fleet, archiver);
	r = redis_server_cmd(fleet_redis(w->fleet),
	                     "XINFO CONSUMERS " ARCHIVE_EVENTS " " ARCHIVE_GROUP);
	assert_int_equal(r->elements, 0);
	freeReplyObject(r);
}

static bool is_writing(void *arg)
{
	return postgres_server_int(arg, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0;
}

/* PostgreSQL is killed in the middle of a write: nothing is acknowledged meanwhile, and one line tells. */
static void test_postgres_restarted(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct progress p = {w, 0};
	struct process *archiver;

	if (w == NULL)
		return;
	archive_world_add(w, NULL, "early", 3000);
	archiver = archive_world_archiver(w, NULL);
	wait_until(has_more, &p, 0);
	/* the write that is on its way waits for this lock */
	postgres_server_do(w->postgres, "BEGIN; LOCK TABLE " MAILS);
	archive_world_add(w, NULL, "held", 300);
	wait_until(is_writing, w->postgres, 0);
	postgres_server_kill(w->postgres);
	process_wait_line(archiver, "\"postgres_away\"", 0);
	archive_world_add(w, NULL, "late", 3000);
	postgres_server_run(w->postgres);
	archive_world_wait(w, MAILS, 6300);
	archive_world_exact(w, "early", 3000);
	archive_world_exact(w, "held", 300);
	archive_world_exact(w, "late", 3000);
	assert_int_equal(process_count_lines(archiver, "\"postgres_away\""), 1);
	assert_int_equal(process_count_lines(archiver, "\"level\":\"error\""), 0);
	archive_world_stop(w, archiver);
}

static void test_redis_restarted(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct progress p = {w, 0};
	struct process *archiver;

	if (w == NULL)
		return;
	archive_world_add(w, NULL, "early", 3000);
	archiver = archive_world_archiver(w, NULL);
	wait_until(has_more, &p, 0);
	redis_server_restart(fleet_redis(w->fleet));
	archive_world_add(w, NULL, "late", 3000);
	archive_world_wait(w, MAILS, 6000);
	archive_world_exact(w, "early", 3000);
	archive_world_exact(w, "late", 3000);
	/* all that was there is gone, also the group; it is made again */
	redis_server_do(fleet_redis(w->fleet), "FLUSHALL");
	archive_world_add(w, NULL, "after", 100);
	archive_world_wait(w, MAILS, 6100);
	assert_int_equal(archive_world_count(w, "lost"), 0);
	archive_world_stop(w, archiver);
}

/* ---- what it finds ----------------------------------------------------------------------------- */

static void test_migrates_from_version_1(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;

	if (w == NULL)
		return;
	postgres_server_file(w->postgres, "tests/e2e/archive_v1.sql");
	archive_world_add(w, NULL, "new", 10);
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 12);
	archive_world_exact(w, "new", 10);
	postgres_server_sees(w->postgres, "1\n2",
	                     "SELECT version FROM postrider_schema ORDER BY 1");
	postgres_server_sees(w->postgres, "1",
	                     "SELECT count(*) FROM pg_indexes WHERE indexname = "
	                     "'postrider_mails_changed'");
	postgres_server_sees(w->postgres, "old-1|sent|Hi\nold-2|failed|",
	                     "SELECT key, status, details->>'subject' FROM " MAILS
	                     " WHERE key LIKE 'old-%%' ORDER BY 1");
	archive_world_stop(w, archiver);
}

static void test_refuses_a_newer_schema(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;
	char *err;

	if (w == NULL)
		return;
	postgres_server_file(w->postgres, "tests/e2e/archive_v1.sql");
	postgres_server_do(w->postgres, "INSERT INTO postrider_schema VALUES (99)");
	archive_world_add(w, NULL, "new", 10);
	archiver = archive_world_archiver(w, NULL);
	assert_int_equal(process_wait(archiver, 0), 2);
	err = process_stderr(archiver);
	cli_assert_has(err,
	               "postrider: the archive's database has schema version 99, and this program "
	               "knows only 2: run the newer program\n");
	free(err);
	fleet_end(w->fleet, archiver);
	postgres_server_sees(w->postgres, "2", "SELECT count(*) FROM " MAILS);
}

/* Quotes, UTF-8 and what is none, long and strange values: all is storable, and comes out the same. */
static void test_hostile_strings(void **state)
{
	static const char odd[] =
		"O'Br\\i\"en $1 %s \xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7 \x01\x7f\n';--";
	static const char broken[] = "550 \xff\xfe bad \xc3";
	struct archive_world *w = archive_world_begin(state);
	struct redis_server *redis;
	struct process *archiver;
	char *got;

	if (w == NULL)
		return;
	redis = fleet_redis(w->fleet);
	redis_server_do(redis,
	                "HSET mail:status:o'k owner mail:queue#j1 status failed updated_at 5 "
	                "to %s error %s subject %b late:3 x",
	                odd, broken, "a\0b", (size_t)3);
	redis_server_do(redis,
	                "XADD " ARCHIVE_EVENTS
	                " * id j1 key o'k status failed provider %s attempt 1 "
	                "code %s ms 1 tenant %s tags %s",
	                odd, broken, odd, "a,\",{},\xff,,b\\");
	redis_server_do(redis,
	                "XADD " ARCHIVE_EVENTS " * id j2 key k2 status sent attempt -5 ms x");
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 2);
	got = postgres_server_text(w->postgres, "SELECT tenant FROM " MAILS " WHERE key = 'o''k'");
	assert_string_equal(got, odd);
	free(got);
	got = postgres_server_text(w->postgres,
	                           "SELECT details->>'to' FROM " MAILS " WHERE key = 'o''k'");
	assert_string_equal(got, odd);
	free(got);
	postgres_server_sees(w->postgres, "550 \xef\xbf\xbd\xef\xbf\xbd bad \xef\xbf\xbd|a",
	                     "SELECT details->>'error', details->>'subject' FROM " MAILS
	                     " WHERE key = 'o''k'");
	postgres_server_sees(w->postgres, "6|a|\xef\xbf\xbd|b\\",
	                     "SELECT cardinality(tags), tags[1], tags[4], tags[6] FROM " MAILS
	                     " WHERE key = 'o''k'");
	postgres_server_sees(w->postgres, "0|",
	                     "SELECT attempts, details FROM " MAILS " WHERE key = 'k2'");
	assert_int_equal(archive_world_count(w, "skipped"), 0);
	archive_world_stop(w, archiver);
}

/* What is no event, and what PostgreSQL refuses, is counted and does not keep up the rest. */
static void test_poison_is_skipped(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct redis_server *redis;
	struct process *archiver;

	if (w == NULL)
		return;
	redis = fleet_redis(w->fleet);
	redis_server_do(redis, "XADD " ARCHIVE_EVENTS " * oops 1");
	redis_server_do(redis, "XADD " ARCHIVE_EVENTS " * id j key {braces} status sent");
	archive_world_add(w, NULL, "good", 50);
	redis_server_do(redis, "XADD " ARCHIVE_EVENTS " * id j key \xff\xfe status sent");
	/* a time that no timestamp can hold, in a stream of its own: nothing comes after it */
	redis_server_do(redis, "XADD {mail:far}:events * id j key near status sent");
	redis_server_do(redis,
	                "XADD {mail:far}:events 9223372036854775000-0 id j key far status sent");
	archiver = archive_world_archiver(
		w, (const char *const[]){"QUEUES=mail:queue,mail:far", NULL});
	archive_world_wait(w, MAILS, 51);
	archive_world_exact(w, "good", 50);
	assert_int_equal(archive_world_count(w, "skipped"), 3);
	assert_int_equal(archive_world_count(w, "archived"), 50);
	process_wait_line(archiver, "\"entry\":\"9223372036854775000-0\"", 0);
	archive_world_add(w, NULL, "more", 5);
	archive_world_wait(w, MAILS, 56);
	postgres_server_sees(w->postgres, "near",
	                     "SELECT key FROM " MAILS " WHERE queue = 'mail:far'");
	archive_world_stop(w, archiver);
}

/* Events that were trimmed before an archiver came are counted, exactly, and warned about. */
static void test_trimmed_events_are_noticed(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct redis_server *redis;
	struct process *archiver;

	if (w == NULL)
		return;
	redis = fleet_redis(w->fleet);
	archive_world_add(w, NULL, "old", 300);
	redis_server_do(redis,
	                "XTRIM " ARCHIVE_EVENTS " MAXLEN 200"); /* before the first: not its loss */
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 200);
	archive_world_stop(w, archiver);
	assert_int_equal(archive_world_count(w, "lost"), 0);
	redis_server_do(redis, "XTRIM " ARCHIVE_EVENTS " MAXLEN 10"); /* they had been read */
	archive_world_add(w, NULL, "gap", 1000);
	redis_server_do(redis, "XTRIM " ARCHIVE_EVENTS " MAXLEN 400");
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 600);
	assert_int_equal(archive_world_count(w, "lost"), 600);
	process_wait_line(archiver, "\"events_lost\"", 0);
	archive_world_add(w, NULL, "then", 100);
	archive_world_wait(w, MAILS, 700);
	assert_int_equal(archive_world_count(w, "lost"), 600);
	assert_int_equal(process_count_lines(archiver, "\"events_lost\""), 1);
	archive_world_stop(w, archiver);
}

/* A queue that nobody had told the archiver of: a worker that serves it has. */
static void test_a_new_queue_is_picked_up(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver, *worker;

	if (w == NULL)
		return;
	archiver = archive_world_archiver(w, NULL);
	process_wait_line(archiver, "archive_ready", 0);
	worker = fleet_worker(w->fleet, (const char *const[]){"QUEUES=mail:new,mail:queue", NULL});
	(void)fleet_mock(w->fleet, "PRIMARY", "latency=0");
	fleet_push_many(w->fleet, "mail:new", "new", 5, "");
	archive_world_wait(w, MAILS, 5);
	postgres_server_sees(w->postgres, "mail:new", "SELECT DISTINCT queue FROM " MAILS);
	fleet_stop(w->fleet, worker);
	fleet_end(w->fleet, worker);
	archive_world_stop(w, archiver);
}

/* ARCHIVE_TTL: what is older goes, with its attempts, in steps; what is not stays. */
static void test_retention(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;

	if (w == NULL)
		return;
	postgres_server_file(w->postgres, "tests/e2e/archive_v1.sql");
	postgres_server_do(w->postgres,
	                   "INSERT INTO " MAILS
	                   " SELECT 'r-' || i, 'j', 'q', 'sent', 'p', 1, '', '', '{}',"
	                   " now() - interval '29 days' - i %% 2 * interval '2 days', i, 0, NULL, 0"
	                   " FROM generate_series(1, 5000) i");
	postgres_server_do(w->postgres,
	                   "INSERT INTO " ATTEMPTS " SELECT key, job, entry_ms, 0, 'q',"
	                   " changed_at, 1, 'sent', 'p', '', 1 FROM " MAILS
	                   " WHERE key LIKE 'r-%%'");
	archiver = archive_world_archiver(w, (const char *const[]){"ARCHIVE_TTL=30", NULL});
	process_wait_lines(archiver, "\"archive_cleared\"", 3, 0);
	archive_world_stop(w, archiver);
	postgres_server_sees(w->postgres, "2500|0",
	                     "SELECT count(*), count(*) FILTER (WHERE changed_at"
	                     " < now() - interval '30 days') FROM " MAILS);
	postgres_server_sees(w->postgres, "2500", "SELECT count(*) FROM " ATTEMPTS);
}

/* ---- the command line -------------------------------------------------------------------------- */

static void test_status_and_mistakes(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;
	struct cli *cli;

	if (w == NULL)
		return;
	cli = cli_new(redis_server_url(fleet_redis(w->fleet)));
	cli_expect(cli, 2, NULL, "archive", NULL);
	cli_assert_has(cli->err, "DATABASE_URL is not set");
	cli_set(cli, "DATABASE_URL", "postgres//user:" POSTGRES_SERVER_PASSWORD "@host");
	cli_expect(cli, 2, NULL, "archive", NULL);
	cli_assert_has(cli->err, "DATABASE_URL is none");
	cli_assert_lacks(cli->err, POSTGRES_SERVER_PASSWORD);
	cli_expect(cli, 2, NULL, "archive", "--json", NULL);
	cli_expect(cli, 1, NULL, "archive", "--status", NULL);
	cli_assert_has(cli->err, "no archiver has ever");
	archive_world_add(w, NULL, "s", 30);
	archiver = archive_world_archiver(w, NULL);
	archive_world_wait(w, MAILS, 30);
	cli_expect(cli, 0, NULL, "archive", "--status", "--json", NULL);
	assert_string_equal(cli_text(cli, "0.queue"), "mail:queue");
	assert_string_equal(cli_text(cli, "0.entries"), "0");
	assert_string_equal(cli_text(cli, "0.behindMs"), "0");
	assert_string_equal(cli_text(cli, "0.total"), "30");
	assert_string_equal(cli_text(cli, "0.archivers"), "1");
	postgres_server_kill(w->postgres);
	process_wait_line(archiver, "\"postgres_away\"", 0);
	archive_world_add(w, NULL, "t", 7);
	cli_expect(cli, 0, NULL, "archive", "--status", "--json", NULL);
	assert_string_equal(cli_text(cli, "0.entries"), "7");
	postgres_server_run(w->postgres);
	archive_world_wait(w, MAILS, 37);
	cli_expect(cli, 0, NULL, "archive", "--status", NULL);
	cli_assert_has(cli->out, "mail:queue      0s        0        37        0     0          1");
	archive_world_stop(w, archiver);
	cli_free(cli);
}

/* The archiver's own page and the API's show the same. */
static void test_metrics(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;
	struct api_process api, page;
	struct answer *r;
	char port[32];

	if (w == NULL)
		return;
	api = api_start(w->fleet, NULL);
	r = api_get(&api, "/metrics");
	cli_assert_lacks(r->body, "postrider_archive");
	answer_free(r);
	page = (struct api_process){.port = port_free()};
	snprintf(port, sizeof(port), "METRICS_PORT=%d", page.port);
	redis_server_do(fleet_redis(w->fleet), "XADD " ARCHIVE_EVENTS " * oops 1");
	archive_world_add(w, NULL, "m", 20);
	archiver = archive_world_archiver(w, (const char *const[]){port, NULL});
	process_wait_line(archiver, "\"metrics_served\"", 0);
	archive_world_wait(w, MAILS, 20);
	postgres_server_kill(w->postgres);
	process_wait_line(archiver, "\"postgres_away\"", 0);
	archive_world_add(w, NULL, "n", 9);
	for (int i = 0; i < 2; i++) {
		r = api_get(i == 0 ? &api : &page, "/metrics");
		answer_status(r, 200);
		cli_assert_has(r->body, "postrider_archive_lag_entries{queue=\"mail:queue\"} 9\n");
		cli_assert_has(r->body, "postrider_archive_events_total{queue=\"mail:queue\","
		                        "result=\"archived\"} 20\n");
		cli_assert_has(r->body, "result=\"skipped\"} 1\n");
		cli_assert_has(r->body, "result=\"lost\"} 0\n");
		cli_assert_has(r->body, "postrider_archivers{queue=\"mail:queue\"} 1\n");
		cli_assert_has(r->body, "postrider_archive_lag_seconds{queue=\"mail:queue\"}");
		answer_free(r);
	}
	postgres_server_run(w->postgres);
	archive_world_wait(w, MAILS, 29);
	api_expect(&page, 200, "GET", "/readyz", NULL);
	archive_world_stop(w, archiver);
	fleet_end(w->fleet, api.process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_thousand_mails),
		cmocka_unit_test(test_killed_and_resumed),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_ends_while_it_asks),
		cmocka_unit_test(test_postgres_restarted),
		cmocka_unit_test(test_redis_restarted),
		cmocka_unit_test(test_migrates_from_version_1),
		cmocka_unit_test(test_refuses_a_newer_schema),
		cmocka_unit_test(test_hostile_strings),
		cmocka_unit_test(test_poison_is_skipped),
		cmocka_unit_test(test_trimmed_events_are_noticed),
		cmocka_unit_test(test_a_new_queue_is_picked_up),
		cmocka_unit_test(test_retention),
		cmocka_unit_test(test_status_and_mistakes),
		cmocka_unit_test(test_metrics),
	};
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("archive", tests, archive_world_setup,
	                                   archive_world_teardown);
}

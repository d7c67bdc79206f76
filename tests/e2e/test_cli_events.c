/* `events`: the streams of all queues as one; and that every settled change is in them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cli_world.h"
#include "support/fleet.h"
#include "support/process.h"
#include "support/sink.h"
#include "support/wait.h"
#include "support/wire.h"

#define HIGH_AND_NORMAL "mail:queue:high*2,mail:queue"

static int empty(void **state)
{
	(void)state;
	redis_server_do(redis, "FLUSHALL");
	cli_set(cli, "QUEUES", NULL);
	return 0;
}

static void add(const char *stream, const char *entry, const char *key, const char *status)
{
	redis_server_do(redis,
	                "XADD %s %s id 0123456789abcdef key %s status %s provider primary "
	                "attempt 1 code %s ms 12",
	                stream, entry, key, status, "250 2.0.0");
}

/* The values of one member, line by line; a new string (free). */
static char *column(const char *out, const char *name)
{
	char *all = strdup(out), *rest = all, *line, *found = calloc(1, strlen(out) + 2);

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		cJSON *o = cJSON_Parse(line);
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

		assert_non_null(o);
		snprintf(found + strlen(found), strlen(out) + 2 - strlen(found), "%s%s",
		         found[0] != '\0' ? " " : "", text != NULL ? text : "-");
		cJSON_Delete(o);
	}
	free(all);
	return found;
}

static void assert_column(const char *out, const char *name, const char *want)
{
	char *got = column(out, name);

	assert_string_equal(got, want);
	free(got);
}

static void test_merges_queues_by_time(void **state)
{
	(void)state;
	cli_set(cli, "QUEUES", HIGH_AND_NORMAL);
	add("{mail:queue}:events", "1764000000000-0", "one", "retrying");
	add("{mail:queue:high}:events", "1764000000000-1", "two", "sent");
	add("{mail:queue}:events", "1764000000002-0", "three", "sent");
	add("{mail:queue:high}:events", "1764000000001-7", "four", "failed");
	cli_expect(cli, 0, NULL, "events", "--json", NULL);
	assert_column(cli->out, "idempotencyKey", "one two four three");
	assert_column(cli->out, "queue", "mail:queue mail:queue:high mail:queue:high mail:queue");
	cli_expect(cli, 0, NULL, "events", "--json", "--queue", "mail:queue:high", NULL);
	assert_column(cli->out, "idempotencyKey", "two four");
	cli_expect(cli, 0, NULL, "events", "--json", "--key", "three", NULL);
	assert_string_equal(cli_text(cli, "time"), "2025-11-24T16:00:00.002Z");
	assert_string_equal(cli_text(cli, "status"), "sent");
	assert_string_equal(cli_text(cli, "code"), "250 2.0.0");
	assert_string_equal(cli_text(cli, "ms"), "12");
	assert_string_equal(cli_text(cli, "tenant"), "null");
	cli_expect(cli, 0, NULL, "events", "--json", "--since", "2025-11-24T16:00:00.001Z", NULL);
	assert_column(cli->out, "idempotencyKey", "four three");
	cli_expect(cli, 1, NULL, "events", "--since", "1h", NULL);
	cli_assert_has(cli->err, "no such events");
}

/* More than is read at once, and twice as many of one queue as of the other. */
static void test_pages(void **state)
{
	char *got, *at;

	(void)state;
	cli_set(cli, "QUEUES", HIGH_AND_NORMAL);
	redis_server_do(
		redis, "EVAL %s 2 {mail:queue}:events {mail:queue:high}:events",
		"for i = 1, 1800 do redis.call('XADD', KEYS[i % 3 == 0 and 1 or 2], 1000 + i, "
		"'key', 'k' .. i, 'status', 'sent') end");
	cli_expect(cli, 0, NULL, "events", "--json", NULL);
	got = at = column(cli->out, "idempotencyKey");
	for (int i = 1; i <= 1800; i++) {
		assert_int_equal(*at, 'k');
		assert_int_equal(strtol(at + 1, &at, 10), i);
		at += *at == ' ';
	}
	assert_string_equal(at, "");
	free(got);
}

static void test_for_people(void **state)
{
	(void)state;
	redis_server_do(redis,
	                "XADD {mail:queue}:events 1764000000123-0 key order-42 status retrying "
	                "provider primary attempt 2 code timeout ms 30000 tenant acme");
	redis_server_do(redis, "XADD {mail:queue}:events * key %b status sent", "a\033]0;x\n", 6);
	cli_expect(cli, 0, NULL, "events", NULL);
	cli_assert_has(cli->out,
	               ".123 retrying  order-42                 primary    #2  timeout    "
	               "30000 ms tenant acme\n");
	cli_assert_lacks(cli->out, "\033");
}

static void test_bad_arguments(void **state)
{
	(void)state;
	cli_expect(cli, 2, NULL, "events", "order-42", NULL);
	cli_expect(cli, 2, NULL, "events", "--since", "yesterday", NULL);
	cli_expect(cli, 2, NULL, "events", "--queue", "{q}", NULL);
	cli_expect(cli, 1, NULL, "events", NULL);
	redis_server_do(redis, "SET {mail:queue}:events oops");
	cli_expect(cli, 3, NULL, "events", NULL);
	cli_assert_has(cli->err, "WRONGTYPE");
}

/* Tries again: what is written before it has asked for the time is old to it. */
static bool has_seen_new(void *follower)
{
	add("{mail:queue}:events", "*", "new", "sent");
	return process_count_lines(follower, "\"new\"") > 0;
}

/* It begins with what comes from now on. */
static void test_follow(void **state)
{
	char url[256], *out;
	struct process *p;

	(void)state;
	add("{mail:queue}:events", "1764000000000-0", "old", "sent");
	snprintf(url, sizeof(url), "REDIS_URL=%s", redis_server_url(redis));
	p = process_start(
		(const char *const[]){fleet_binary(), "events", "--follow", "--json", NULL},
		(const char *const[]){url, NULL});
	wait_until(has_seen_new, p, 0);
	add("{mail:queue}:events", "*", "newer", "failed");
	process_wait_line(p, "newer", 0);
	out = process_stdout(p);
	cli_assert_lacks(out, "\"old\"");
	free(out);
	process_signal(p, SIGINT);
	assert_int_equal(process_wait(p, 0), 256 + SIGINT);
	process_free(p);
}

/* ---- what a fleet writes ------------------------------------------------------------------------ */

/* "status/provider/attempt/code" of each event of a mail, in order. */
static void assert_events(struct fleet *f, const char *key, const char *want)
{
	struct cli *c = cli_new(redis_server_url(fleet_redis(f)));
	char got[1024] = "", *rest, *line;

	cli_expect(c, 0, NULL, "events", "--json", "--key", key, NULL);
	rest = c->out;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		cJSON *o = cJSON_Parse(line);
		const char *provider = cJSON_GetStringValue(cJSON_GetObjectItem(o, "provider"));
		const char *code = cJSON_GetStringValue(cJSON_GetObjectItem(o, "code"));

		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s/%s/%d/%s",
		         got[0] != '\0' ? " " : "",
		         cJSON_GetStringValue(cJSON_GetObjectItem(o, "status")),
		         provider != NULL ? provider : "",
		         (int)cJSON_GetNumberValue(cJSON_GetObjectItem(o, "attempt")),
		         code != NULL ? code : "");
		cJSON_Delete(o);
	}
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", key, got, want);
	cli_free(c);
}

static bool is_put_off(void *fleet)
{
	return redis_server_int(fleet_redis(fleet), "ZCARD {mail:queue}:delayed") == 1;
}

/* What is put off is due now. */
static void make_due(struct fleet *f)
{
	redis_server_do(fleet_redis(f), "EVAL %s 1 {mail:queue}:delayed",
	                "for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
	                "redis.call('ZADD', KEYS[1], 1, id) end");
}

/* Each change of a mail is an event, whatever it is. */
static void test_every_change(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	struct process *hasty;

	(void)state;
	fleet_set(f, "THROTTLE_MAX=1000");
	fleet_set(f, "LEASE_MS=30000");
	/* who waits so briefly for an answer has no other mail than the one that gets none */
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&timeout=200"));
	hasty = fleet_worker(f, NULL);
	fleet_push_to(f, "held", "silent-dot.it@example.com", ",\"onUnknown\":\"hold\"");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, hasty);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_to(f, "taken", "ada@example.com", "");
	fleet_push_to(f, "again", "busy-1.again@example.com", "");
	fleet_push_to(f, "refused", "refuse.it@example.com", "");
	fleet_push_to(f, "later", "ada@example.com", ",\"delay\":1500");
	fleet_push_to(f, "slower", "throttle-1.it@example.com", "");
	fleet_push_to(f, "broken", "ada@example.com", ",\"priority\":\"x\"");
	fleet_wait_settled(f, NULL);
	fleet_push_to(f, "cancelled", "ada@example.com", ",\"delay\":3600000");
	wait_until(is_put_off, f, 0);
	redis_server_do(fleet_redis(f), "HSET mail:status:cancelled status cancelled");
	make_due(f);
	fleet_push_to(f, "bell", "ada@example.com", ""); /* so that the worker looks what is due */
	fleet_wait_settled(f, NULL);
	assert_events(f, "taken", "sent/primary/1/250 2.0.0");
	assert_events(f, "again", "retrying/primary/1/451 4.3.0 sent/primary/2/250 2.0.0");
	assert_events(f, "refused", "failed/primary/1/550 5.1.1");
	assert_events(f, "later", "scheduled//0/ sent/primary/1/250 2.0.0");
	assert_events(f, "cancelled", "scheduled//0/ cancelled//0/");
	assert_events(f, "slower", "retrying/primary/0/450 4.7.28 sent/primary/1/250 2.0.0");
	assert_events(f, "held", "held/primary/1/timeout");
	assert_events(f, "broken", "failed//0/invalid_job");
	sink_free(sink);
	fleet_free(f);
}

/* A worker that dies between finish and settle leaves it to the next one to tell. */
static void test_outlives_its_worker(void **state)
{
	static const char *const addresses[] = {"ada@example.com", "busy-1.it@example.com",
	                                        "refuse.it@example.com"};
	static const char *const wants[] = {
		"sent/primary/1/",
		"retrying/primary/1/451 4.3.0 sent/primary/2/250 2.0.0",
		"failed/primary/1/550 5.1.1",
	};
	struct sink *sink = sink_start();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fleet *f = fleet_start(NULL);
		struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
		char url[256];
		struct process *victim;

		fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
		/* so that the retry is not due before the other worker looks at it */
		fleet_set(f, "RETRY_BASE_DELAY=3600000");
		fleet_set(f, "RETRY_MAX_DELAY=3600000");
		snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(w));
		victim = fleet_worker(f, (const char *const[]){url, NULL});
		wire_hold(w, WIRE_REQUEST, "settle");
		fleet_push_to(f, "mail", addresses[i], "");
		wire_wait_held(w);
		process_kill(victim);
		fleet_set(f, "RETRY_BASE_DELAY=5");
		fleet_worker(f, NULL);
		if (i == 1) {
			wait_until(is_put_off, f, 0);
			make_due(f);
			redis_server_do(fleet_redis(f), "HSET mail:status:mail next_attempt_at 1");
		}
		fleet_wait_settled(f, NULL);
		assert_events(f, "mail", wants[i]);
		fleet_free(f);
		wire_free(w);
	}
	sink_free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_merges_queues_by_time, empty),
		cmocka_unit_test_setup(test_pages, empty),
		cmocka_unit_test_setup(test_for_people, empty),
		cmocka_unit_test_setup(test_bad_arguments, empty),
		cmocka_unit_test_setup(test_follow, empty),
		cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_outlives_its_worker),
	};

	return cmocka_run_group_tests(tests, cli_world_setup, cli_world_teardown);
}

/* `queues`: figures of a Redis as workers leave it, and the switches that workers read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cli_world.h"
#include "support/fleet.h"
#include "support/wait.h"

static long long number(const char *path)
{
	return strtoll(cli_text(cli, path), NULL, 10);
}

static void test_figures(void **state)
{
	long long now = cli_world_now();

	(void)state;
	redis_server_do(redis, "LPUSH mail:queue a b c");
	redis_server_do(redis, "LPUSH {mail:queue}:arrivals d");
	redis_server_do(redis, "ZADD {mail:queue}:leases %lld e", now + 30000);
	redis_server_do(redis, "ZADD {mail:queue}:delayed %lld f %lld g", now + 3600000,
	                now + 7200000);
	redis_server_do(redis, "ZADD {mail:queue}:dead %lld h %lld i %lld j", now - 7200000,
	                now - 1000, now);
	redis_server_do(redis, "HSET {mail:queue}:clock last %lld", now - 60000);
	redis_server_do(redis, "ZADD mail:workers %lld old %lld new", now - 30000, now);
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "queues.0.name"), "mail:queue");
	assert_int_equal(number("queues.0.depth"), 4);
	assert_int_equal(number("queues.0.inFlight"), 1);
	assert_int_equal(number("queues.0.delayed"), 2);
	assert_int_equal(number("queues.0.dead"), 3);
	assert_in_range(number("queues.0.nextDueMs"), 3500000, 3600000);
	assert_in_range(number("queues.0.oldestDeadMs"), 7200000, 7300000);
	assert_in_range(number("queues.0.lastClaimMs"), 60000, 160000);
	assert_string_equal(cli_text(cli, "queues.0.oldestMs"), "null");
	assert_string_equal(cli_text(cli, "queues.0.paused"), "false");
	assert_int_equal(number("workers"), 1);
	cli_expect(cli, 0, NULL, "queues", NULL);
	cli_assert_has(cli->out, "mail:queue        4          1        2     3       -");
	cli_assert_has(cli->out, "1 worker alive");
}

/* The age of the oldest is that of the one taken next, where its status says when it was accepted. */
static void test_oldest(void **state)
{
	long long now = cli_world_now();

	(void)state;
	redis_server_do(redis, "LPUSH mail:queue %s %s", "{\"idempotencyKey\":\"first\"}",
	                "{\"idempotencyKey\":\"second\"}");
	redis_server_do(redis, "HSET mail:status:first status queued created_at %lld", now - 90000);
	redis_server_do(redis, "HSET mail:status:second status queued created_at %lld", now);
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_in_range(number("queues.0.oldestMs"), 90000, 190000);
	/* A status with an owner is that of an earlier push of the same key. */
	redis_server_do(redis, "HSET mail:status:first owner mail:queue#0123456789abcdef");
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "queues.0.oldestMs"), "null");
}

static void test_several_queues(void **state)
{
	(void)state;
	redis_server_do(redis, "LPUSH mail:queue:low a b");
	cli_set(cli, "QUEUES", "mail:queue:high*6,mail:queue:low");
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "queues.0.name"), "mail:queue:high");
	assert_string_equal(cli_text(cli, "queues.1.name"), "mail:queue:low");
	assert_int_equal(number("queues.1.depth"), 2);
	cli_expect(cli, 0, NULL, "queues", "--queue", "mail:queue:low", "--json", NULL);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cli_json(cli), "queues")), 1);
	cli_set(cli, "QUEUES", NULL);
}

/* A key of the wrong type is said to be so; the other queues are shown. */
static void test_wrong_type(void **state)
{
	(void)state;
	redis_server_do(redis, "SET bad text");
	redis_server_do(redis, "LPUSH good a");
	cli_set(cli, "QUEUES", "bad,good");
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	cli_assert_has(cli_text(cli, "queues.0.error"), "WRONGTYPE");
	assert_int_equal(number("queues.1.depth"), 1);
	cli_expect(cli, 0, NULL, "queues", NULL);
	cli_assert_has(cli->out, "WRONGTYPE");
	cli_set(cli, "QUEUES", NULL);
}

static void test_providers(void **state)
{
	long long now = cli_world_now();

	(void)state;
	redis_server_do(redis,
	                "HSET mail:provider:a state open failures 5 opened_at %lld open_for 30000 "
	                "opened 2 reason %s",
	                now, "451 4.3.0");
	redis_server_do(redis, "HSET mail:provider:b throttled_until %lld", now + 60000);
	cli_set(cli, "PROVIDERS", "a,b,c");
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "providers.0.name"), "a");
	assert_string_equal(cli_text(cli, "providers.0.breaker"), "open");
	assert_string_equal(cli_text(cli, "providers.0.reason"), "451 4.3.0");
	assert_int_equal(number("providers.0.failures"), 5);
	assert_in_range(number("providers.0.probeInMs"), 0, 30000);
	assert_string_equal(cli_text(cli, "providers.1.breaker"), "closed");
	assert_in_range(number("providers.1.throttledMs"), 1, 60000);
	assert_string_equal(cli_text(cli, "providers.2.breaker"), "closed");
	assert_string_equal(cli_text(cli, "providers.2.throttledMs"), "null");
	cli_expect(cli, 0, NULL, "queues", NULL);
	cli_assert_has(cli->out, "probe in ");
	cli_assert_has(cli->out, "throttled for ");
	cli_set(cli, "PROVIDERS", NULL);
}

static void test_pause_and_resume(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "queues", "pause", "mail:queue", NULL);
	assert_string_equal(cli->out, "queue mail:queue paused\n");
	assert_int_equal(redis_server_int(redis, "HEXISTS mail:control pause:queue:mail:queue"), 1);
	cli_expect(cli, 0, NULL, "queues", "pause", "mail:queue", NULL);
	assert_string_equal(cli->out, "queue mail:queue was already paused\n");
	cli_expect(cli, 0, NULL, "queues", "pause", "--provider", "a", "--provider=b", "--json",
	           NULL);
	assert_string_equal(cli_text(cli, "0.provider"), "a");
	assert_string_equal(cli_text(cli, "1.provider"), "b");
	assert_string_equal(cli_text(cli, "1.changed"), "true");
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "queues.0.paused"), "true");
	assert_string_equal(cli_text(cli, "providers.0.name"), "a"); /* known by its switch alone */
	assert_string_equal(cli_text(cli, "providers.0.paused"), "true");
	cli_expect(cli, 0, NULL, "queues", "resume", "mail:queue", "--provider", "a", NULL);
	assert_string_equal(cli->out, "queue mail:queue resumed\nprovider a resumed\n");
	assert_int_equal(redis_server_int(redis, "HLEN mail:control"), 1);
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_string_equal(cli_text(cli, "queues.0.paused"), "false");
}

static void test_weight(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "queues", "weight", "--provider", "a", "0", NULL);
	assert_string_equal(cli->out, "provider a has the weight 0\n");
	cli_expect(cli, 0, NULL, "queues", "weight", "--provider", "b", "250", "--json", NULL);
	assert_int_equal(number("weight"), 250);
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	assert_int_equal(number("providers.0.weight"), 0);
	assert_int_equal(number("providers.1.weight"), 250);
	cli_expect(cli, 0, NULL, "queues", NULL);
	cli_assert_has(cli->out, "250");
	cli_expect(cli, 0, NULL, "queues", "weight", "--provider", "a", "default", NULL);
	assert_int_equal(redis_server_int(redis, "HLEN mail:control"), 1);
	cli_set(cli, "PROVIDERS", "a,b");
	cli_expect(cli, 0, NULL, "queues", "weight", "--provider", "b", "7", NULL);
	cli_expect(cli, 2, NULL, "queues", "weight", "--provider", "c", "7", NULL);
	cli_assert_has(cli->err, "c is none of the configured providers");
	cli_expect(cli, 2, NULL, "queues", "pause", "--provider", "a", "--provider", "c", NULL);
	assert_int_equal(redis_server_int(redis, "HEXISTS mail:control pause:provider:a"), 0);
	cli_expect(cli, 0, NULL, "queues", "weight", "--provider", "c", "7", "--force", NULL);
	cli_set(cli, "PROVIDERS", NULL);
	cli_expect(cli, 2, NULL, "queues", "weight", "--provider", "a", "1001", NULL);
	cli_expect(cli, 2, NULL, "queues", "weight", "--provider", "a", "-1", NULL);
	cli_expect(cli, 2, NULL, "queues", "weight", "5", NULL);
	cli_expect(cli, 2, NULL, "queues", "weight", "--provider", "a", NULL);
}

static void test_bad_arguments(void **state)
{
	(void)state;
	cli_expect(cli, 2, NULL, "queues", "halt", NULL);
	cli_assert_has(cli->err, "\"halt\"");
	cli_expect(cli, 2, NULL, "queues", "pause", NULL);
	cli_expect(cli, 2, NULL, "queues", "pause", "mail:quueue", NULL);
	cli_assert_has(cli->err, "mail:quueue is none of the configured queues");
	assert_int_equal(redis_server_int(redis, "EXISTS mail:control"), 0);
	cli_expect(cli, 0, NULL, "queues", "pause", "mail:quueue", "--force", NULL);
	cli_expect(cli, 2, NULL, "queues", "pause", "{mail}", "--force", NULL);
	cli_expect(cli, 2, NULL, "queues", "--queues", "a b", NULL);
	cli_expect(cli, 2, NULL, "queues", "--queue", "{a}", NULL);
}

static bool one_worker(void *arg)
{
	(void)arg;
	cli_expect(cli, 0, NULL, "queues", "--json", NULL);
	return number("workers") == 1;
}

/* The switch is one that a real worker obeys. */
static void test_worker_obeys(void **state)
{
	struct fleet *f = fleet_around(redis);

	(void)state;
	cli_expect(cli, 0, NULL, "queues", "pause", "mail:queue", NULL);
	(void)fleet_worker_ready(f, NULL);
	fleet_push(f, "order-1", "");
	wait_until(one_worker, NULL, 0); /* it has beaten since, and not taken the mail */
	assert_int_equal(number("queues.0.depth"), 1);
	cli_expect(cli, 0, NULL, "queues", "resume", "mail:queue", NULL);
	fleet_wait_status(f, "order-1", "sent");
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_figures, cli_world_empty),
		cmocka_unit_test_setup(test_oldest, cli_world_empty),
		cmocka_unit_test_setup(test_several_queues, cli_world_empty),
		cmocka_unit_test_setup(test_weight, cli_world_empty),
		cmocka_unit_test_setup(test_wrong_type, cli_world_empty),
		cmocka_unit_test_setup(test_providers, cli_world_empty),
		cmocka_unit_test_setup(test_pause_and_resume, cli_world_empty),
		cmocka_unit_test_setup(test_bad_arguments, cli_world_empty),
		cmocka_unit_test_setup(test_worker_obeys, cli_world_empty),
	};

	return cmocka_run_group_tests(tests, cli_world_setup, cli_world_teardown);
}

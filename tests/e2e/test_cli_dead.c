/* `dead`: the letters are made as settle.lua and finish.lua leave them; retried ones are delivered by
 * a real worker. */
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

#define HOUR 3600000LL

/* Of the letters of one test: ages are counted from it, however long it takes to make them. */
static long long now;

static void make_letter(const char *id, const char *payload, size_t n, long long age_ms)
{
	redis_server_do(redis, "HSET {mail:queue}:jobs %s %b", id, payload, n);
	redis_server_do(redis, "HSET {mail:queue}:claims %s 4:2", id);
	redis_server_do(redis, "ZADD {mail:queue}:dead %lld %s", now - age_ms, id);
}

/* A mail that failed under a key that its job owns. */
static void make_failed(const char *key, const char *id, const char *provider, const char *error,
                        long long age_ms)
{
	char *job = fleet_job(key, "");

	make_letter(id, job, strlen(job), age_ms);
	redis_server_do(
		redis,
		"HSET mail:status:%s owner mail:queue#%s status failed provider %s error %s "
		"attempts 3 tries %s:3 attempt:3 %s",
		key, id, provider, error, provider, "primary retry 451 4.3.0 12ms later");
	free(job);
}

#define FULL                                                                                       \
	"00000000000000f1" /* failed an hour ago with secondary, tried with primary: mailbox full */
#define GONE "00000000000000f2"  /* failed a day ago with primary: no such user */
#define BAD "00000000000000f3"   /* not valid, just now; its key is legible */
#define NOISE "00000000000000f4" /* no JSON at all, with a NUL, just now */

static const char bad_payload[] = "{\"to\":\"nobody\",\"idempotencyKey\":\"bad-1\"}";
static const char noise_payload[] = "\x01noise\0\xff \033[2J";

static int fill(void **state)
{
	(void)state;
	now = cli_world_now();
	redis_server_do(redis, "FLUSHALL");
	make_failed("full-1", FULL, "secondary", "452 4.2.2: The mailbox is FULL", HOUR);
	make_failed("gone-1", GONE, "primary", "550 5.1.1: no such user", 24 * HOUR);
	make_letter(BAD, bad_payload, sizeof(bad_payload) - 1, 0);
	redis_server_do(redis, "HSET mail:status:bad-1 status failed error noted");
	redis_server_do(redis,
	                "HSET mail:status:auto-" BAD " owner mail:queue#" BAD
	                " status failed error %s",
	                "invalid_job: Field \"subject\" is required");
	make_letter(NOISE, noise_payload, sizeof(noise_payload) - 1, 0);
	redis_server_do(redis,
	                "HSET mail:status:auto-" NOISE " owner mail:queue#" NOISE
	                " status failed error %s",
	                "invalid_job: The job is not valid JSON");
	return 0;
}

static int n_listed(void)
{
	return cJSON_GetArraySize(cli_json(cli));
}

static void test_list(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "dead", "list", "--json", NULL);
	assert_int_equal(n_listed(), 4);
	/* the newest first; of the same moment the order of their ids */
	assert_string_equal(cli_text(cli, "0.id"), NOISE);
	assert_string_equal(cli_text(cli, "0.idempotencyKey"), "null");
	assert_string_equal(cli_text(cli, "1.id"), BAD);
	assert_string_equal(cli_text(cli, "1.idempotencyKey"), "bad-1");
	assert_string_equal(cli_text(cli, "1.error"), "invalid_job: Field \"subject\" is required");
	assert_string_equal(cli_text(cli, "1.mail.idempotencyKey"), "auto-" BAD);
	assert_string_equal(cli_text(cli, "2.id"), FULL);
	assert_string_equal(cli_text(cli, "2.mail.provider"), "secondary");
	assert_string_equal(cli_text(cli, "3.id"), GONE);
	assert_string_equal(cli_text(cli, "3.queue"), "mail:queue");
	cli_expect(cli, 0, NULL, "dead", "list", NULL);
	cli_assert_has(cli->out, FULL "        1h  full-1  failed      3  secondary  452 4.2.2");
	cli_assert_lacks(cli->out, "\033");
}

static void expect_list(const char *flag, const char *value, const char *only)
{
	cli_expect(cli, 0, NULL, "dead", "list", "--json", flag, value, NULL);
	assert_int_equal(n_listed(), 1);
	assert_string_equal(cli_text(cli, "0.id"), only);
}

/* More than are read at once, some of them large: all are there, in their order, and it does not take
 * a way to Redis and back for each. */
static void test_batches(void **state)
{
	static char large[6 << 20];
	char key[32], id[32];
	long long reads;
	int n;

	(void)state;
	memset(large, 'x', sizeof(large));
	for (int i = 0; i < 150; i++) {
		snprintf(key, sizeof(key), "many-%d", i);
		snprintf(id, sizeof(id), "%016d", i);
		make_failed(key, id, "primary", "999: many", 2 * HOUR + i * 1000LL);
		if (i % 50 == 10)
			redis_server_do(redis, "HSET {mail:queue}:jobs %s %b", id, large,
			                sizeof(large) - (size_t)i);
	}
	reads = redis_server_info(redis, "stats", "total_reads_processed");
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--limit", "1000", NULL);
	reads = redis_server_info(redis, "stats", "total_reads_processed") - reads;
	assert_int_equal(n_listed(), 154);
	assert_in_range(reads, 1, 60);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--error", "999: many", "--limit", "120",
	           NULL);
	n = n_listed();
	/* the large ones have no legible key, and so no status that says 999 */
	assert_int_equal(n, 120);
	assert_string_equal(cli_text(cli, "0.idempotencyKey"), "many-0");
	assert_string_equal(cli_text(cli, "119.idempotencyKey"), "many-122");
	cli_expect(cli, 0, NULL, "dead", "show", "0000000000000010", "--json", NULL);
	assert_string_equal(cli_text(cli, "payloadBytes"), "6291446");
}

static void test_filters(void **state)
{
	(void)state;
	expect_list("--error", "mailbox is full", FULL);
	expect_list("--error", "5.1.1", GONE);
	expect_list("--provider", "secondary", FULL);
	expect_list("--older-than", "2h", GONE);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--newer-than", "2h", NULL);
	assert_int_equal(n_listed(), 3);
	/* in the timeline, though the last one was another */
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--provider", "primary", NULL);
	assert_int_equal(n_listed(), 2);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--older-than", "2h", "--error", "full",
	           NULL);
	assert_int_equal(n_listed(), 0);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--limit", "2", NULL);
	assert_int_equal(n_listed(), 2);
	cli_expect(cli, 0, NULL, "dead", "list", "--queue", "mail:queue:low", NULL);
	assert_string_equal(cli->out, "no dead letters\n");
}

/* More than are fetched at once. */
static void test_many(void **state)
{
	(void)state;
	redis_server_do(redis, "FLUSHALL");
	for (int i = 0; i < 2345; i++)
		redis_server_do(redis, "ZADD {mail:queue}:dead 1 %016d", i);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", "--limit", "0", NULL);
	assert_int_equal(n_listed(), 2345);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", NULL);
	assert_int_equal(n_listed(), 50);
	cli_expect(cli, 0, NULL, "dead", "drop", "--all", "--json", NULL);
	assert_int_equal(redis_server_int(redis, "ZCARD {mail:queue}:dead"), 0);
}

static void test_show(void **state)
{
	static const char *const names[] = {FULL, "full-1"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		cli_expect(cli, 0, NULL, "dead", "show", names[i], "--json", NULL);
		assert_string_equal(cli_text(cli, "id"), FULL);
		assert_string_equal(cli_text(cli, "mail.status"), "failed");
		assert_string_equal(cli_text(cli, "payloadExact"), "true");
		cli_assert_has(cli_text(cli, "payload"), "\"idempotencyKey\":\"full-1\"");
	}
	cli_expect(cli, 0, NULL, "dead", "show", FULL, NULL);
	cli_assert_has(cli->out, "452 4.2.2: The mailbox is FULL");
	/* a job that is not valid owns nothing, and is found all the same */
	cli_expect(cli, 0, NULL, "dead", "show", "bad-1", "--json", NULL);
	assert_string_equal(cli_text(cli, "id"), BAD);
	cli_expect(cli, 0, NULL, "dead", "show", "auto-" BAD, "--json", NULL);
	assert_string_equal(cli_text(cli, "id"), BAD);
	cli_expect(cli, 1, NULL, "dead", "show", "order-42", NULL);
	cli_assert_has(cli->err, "there is no dead letter order-42");
}

/* The very bytes, when they are asked for; nothing that moves a cursor, when they are not. */
static void test_show_bytes(void **state)
{
	struct process *p;
	char url[256], *out;

	(void)state;
	snprintf(url, sizeof(url), "REDIS_URL=%s", redis_server_url(redis));
	p = process_start(
		(const char *const[]){fleet_binary(), "dead", "show", NOISE, "--payload", NULL},
		(const char *const[]){url, NULL});
	assert_int_equal(process_wait(p, 0), 0);
	out = process_stdout(p);
	assert_memory_equal(out, noise_payload, sizeof(noise_payload) - 1);
	free(out);
	process_free(p);
	cli_expect(cli, 0, NULL, "dead", "show", NOISE, NULL);
	cli_assert_lacks(cli->out, "\033");
	cli_assert_has(cli->out, "noise");
	cli_expect(cli, 0, NULL, "dead", "show", NOISE, "--json", NULL);
	assert_string_equal(cli_text(cli, "payloadExact"), "false");
	/* what JSON cannot hold is seen to have been there */
	cli_assert_has(cli_text(cli, "payload"), "noise\xef\xbf\xbd\xef\xbf\xbd ");
}

/* Too large a job is not fetched to be shown. */
static void test_large(void **state)
{
	(void)state;
	cli_set(cli, "MAX_JOB_BYTES", "1024");
	char *big = malloc(2001);
	assert_non_null(big);
	memset(big, ' ', 2001);
	make_letter(NOISE, big, 2001, 0);
	free(big);
	cli_expect(cli, 0, NULL, "dead", "show", NOISE, "--json", NULL);
	assert_string_equal(cli_text(cli, "payload"), "null");
	assert_string_equal(cli_text(cli, "payloadBytes"), "2001");
	cli_expect(cli, 1, NULL, "dead", "show", NOISE, "--payload", NULL);
	cli_set(cli, "MAX_JOB_BYTES", NULL);
}

static void expect_dead(const char *id, bool dead)
{
	char *score = redis_server_text(redis, "ZSCORE {mail:queue}:dead %s", id);

	if ((score != NULL) != dead)
		fail_msg("%s is %sdead", id, score ? "" : "not ");
	free(score);
}

static void test_dry_run(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "dead", "retry", "--all", "--dry-run", NULL);
	cli_assert_has(cli->out, "would be retried " FULL "  full-1\n");
	cli_assert_has(cli->out, "4 would be retried\n");
	cli_expect(cli, 0, NULL, "dead", "drop", FULL, "--dry-run", "--json", NULL);
	assert_string_equal(cli_text(cli, "dryRun"), "true");
	assert_string_equal(cli_text(cli, "dropped.0.id"), FULL);
	assert_int_equal(redis_server_int(redis, "ZCARD {mail:queue}:dead"), 4);
	assert_int_equal(redis_server_int(redis, "EXISTS {mail:queue}:delayed"), 0);
	assert_int_equal(redis_server_int(redis, "HEXISTS mail:status:full-1 error"), 1);
}

static void expect_status(const char *key, const char *status)
{
	char *is = redis_server_text(redis, "HGET mail:status:%s status", key);

	assert_non_null(is);
	assert_string_equal(is, status);
	free(is);
}

static void test_retry(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "dead", "retry", "full-1", NULL);
	assert_string_equal(cli->out, "retried " FULL "  full-1\n1 retried\n");
	expect_dead(FULL, false);
	expect_dead(GONE, true);
	assert_int_equal(redis_server_int(redis, "ZCARD {mail:queue}:delayed"), 1);
	expect_status("full-1", "queued");
	assert_int_equal(redis_server_int(redis, "HEXISTS mail:status:full-1 tries"), 0);
	assert_int_equal(redis_server_int(redis, "HEXISTS mail:status:full-1 attempt:3"), 1);
	/* again: it is no dead letter any more */
	cli_expect(cli, 1, NULL, "dead", "retry", FULL, "--json", NULL);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cli_json(cli), "retried")), 0);
	/* a job that is not valid has its status under its id */
	cli_expect(cli, 0, NULL, "dead", "retry", BAD, NULL);
	expect_status("auto-" BAD, "queued");
}

static void test_retry_by_filter(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "dead", "retry", "--error", "no such user", "--older-than", "1h",
	           "--json", NULL);
	assert_string_equal(cli_text(cli, "retried.0.id"), GONE);
	assert_string_equal(cli_text(cli, "retried.0.idempotencyKey"), "gone-1");
	assert_int_equal(redis_server_int(redis, "ZCARD {mail:queue}:dead"), 3);
	/* none is no mistake: this is for cron */
	cli_expect(cli, 0, NULL, "dead", "retry", "--error", "no such user", NULL);
	assert_string_equal(cli->out, "0 retried\n");
}

/* What was sent, or is another's by now, must not be sent again. */
static void test_retry_what_was_sent(void **state)
{
	(void)state;
	redis_server_do(redis, "HSET mail:status:full-1 status sent");
	cli_expect(cli, 1, NULL, "dead", "retry", FULL, NULL);
	cli_assert_has(cli->out, "left alone " FULL "  full-1: it was sent meanwhile");
	expect_dead(FULL, true);
	expect_status("full-1", "sent");
	/* a conflict: the key is another job's, whose status is not touched */
	redis_server_do(redis, "HSET mail:status:gone-1 owner mail:queue#ffffffffffffffff");
	redis_server_do(redis,
	                "HSET mail:status:auto-" GONE " owner mail:queue#" GONE " status failed");
	cli_expect(cli, 0, NULL, "dead", "show", GONE, "--json", NULL);
	assert_string_equal(cli_text(cli, "mail.idempotencyKey"), "auto-" GONE);
	assert_string_equal(cli_text(cli, "idempotencyKey"), "gone-1");
	cli_expect(cli, 0, NULL, "dead", "retry", GONE, NULL);
	expect_status("gone-1", "failed");
	expect_status("auto-" GONE, "queued");
	expect_dead(GONE, false);
}

static void test_drop(void **state)
{
	(void)state;
	cli_expect(cli, 0, NULL, "dead", "drop", FULL, "bad-1", NULL);
	expect_dead(FULL, false);
	expect_dead(BAD, false);
	assert_int_equal(redis_server_int(redis, "HEXISTS {mail:queue}:jobs " FULL), 0);
	assert_int_equal(redis_server_int(redis, "HEXISTS {mail:queue}:claims " FULL), 0);
	assert_int_equal(redis_server_int(redis, "EXISTS {mail:queue}:delayed"), 0);
	expect_status("full-1", "failed"); /* the key stays used up */
	cli_expect(cli, 1, NULL, "dead", "drop", "no-such", GONE, NULL);
	cli_assert_has(cli->err, "there is no dead letter no-such");
	expect_dead(GONE, false);
	cli_expect(cli, 0, NULL, "dead", "drop", "--all", NULL);
	assert_int_equal(redis_server_int(redis, "HLEN {mail:queue}:jobs"), 0);
}

static void test_bad_arguments(void **state)
{
	(void)state;
	cli_expect(cli, 2, NULL, "dead", NULL);
	cli_expect(cli, 2, NULL, "dead", "bury", NULL);
	cli_expect(cli, 2, NULL, "dead", "list", "x", NULL);
	cli_expect(cli, 2, NULL, "dead", "show", NULL);
	/* never all of them by accident */
	cli_expect(cli, 2, NULL, "dead", "drop", NULL);
	cli_assert_has(cli->err, "--all");
	cli_expect(cli, 2, NULL, "dead", "retry", "--limit", "3", NULL);
	cli_expect(cli, 2, NULL, "dead", "drop", FULL, "--all", NULL);
	cli_expect(cli, 2, NULL, "dead", "drop", FULL, "--error", "x", NULL);
	cli_expect(cli, 2, NULL, "dead", "list", "--older-than", "2", NULL);
	cli_expect(cli, 2, NULL, "dead", "list", "--limit", "-1", NULL);
	assert_int_equal(redis_server_int(redis, "ZCARD {mail:queue}:dead"), 4);
}

/* With a real worker: dead for good reason, and alive again once the reason is gone. */
static void test_round_trip(void **state)
{
	struct fleet *f;
	struct process *w;

	(void)state;
	redis_server_do(redis, "FLUSHALL");
	f = fleet_around(redis);
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1");
	w = fleet_worker(f, NULL);
	fleet_push(f, "order-1", "");
	fleet_wait_status(f, "order-1", "failed");
	fleet_wait_settled(f, NULL);
	fleet_end(f, w);
	cli_expect(cli, 0, NULL, "dead", "list", "--json", NULL);
	assert_int_equal(n_listed(), 1);
	assert_string_equal(cli_text(cli, "0.idempotencyKey"), "order-1");
	assert_string_equal(cli_text(cli, "0.mail.status"), "failed");
	fleet_set(f, "PROVIDER_PRIMARY=mock://");
	(void)fleet_worker(f, NULL);
	cli_expect(cli, 0, NULL, "dead", "retry", "order-1", NULL);
	fleet_wait_status(f, "order-1", "sent");
	cli_expect(cli, 0, NULL, "status", "order-1", "--json", NULL);
	assert_string_equal(cli_text(cli, "timeline.0.outcome"), "rejected");
	assert_string_equal(cli_text(cli, "timeline.1.outcome"), "sent");
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_list, fill),
		cmocka_unit_test_setup(test_batches, fill),
		cmocka_unit_test_setup(test_filters, fill),
		cmocka_unit_test_setup(test_many, fill),
		cmocka_unit_test_setup(test_show, fill),
		cmocka_unit_test_setup(test_show_bytes, fill),
		cmocka_unit_test_setup(test_large, fill),
		cmocka_unit_test_setup(test_dry_run, fill),
		cmocka_unit_test_setup(test_retry, fill),
		cmocka_unit_test_setup(test_retry_by_filter, fill),
		cmocka_unit_test_setup(test_retry_what_was_sent, fill),
		cmocka_unit_test_setup(test_drop, fill),
		cmocka_unit_test_setup(test_bad_arguments, fill),
		cmocka_unit_test_setup(test_round_trip, fill),
	};

	return cmocka_run_group_tests(tests, cli_world_setup, cli_world_teardown);
}

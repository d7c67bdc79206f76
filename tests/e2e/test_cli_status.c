/* `status`: what has become of a mail, from hashes as the workers write them. */
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
#include "support/tmpdir.h"

static void make_sent(const char *key)
{
	redis_server_do(redis,
	                "HSET mail:status:%s owner mail:queue#0123456789abcdef status sent "
	                "to ada@example.com subject %s provider secondary message_id %s attempts 2 "
	                "created_at 1764000000000 updated_at 1764000001500 duplicates 3",
	                key, "Hello there", "<m@p>");
	redis_server_do(redis, "HSET mail:status:%s attempt:1 %s attempt:2 %s", key,
	                "primary retry 451 4.3.0 12ms try again later",
	                "secondary sent 250 2.0.0 7ms queued");
}

static void test_not_found(void **state)
{
	(void)state;
	cli_expect(cli, 1, NULL, "status", "order-42", NULL);
	assert_string_equal(cli->out, "");
	cli_assert_has(cli->err, "nothing is known of \"order-42\"");
	cli_expect(cli, 1, NULL, "status", "order-42", "--json", NULL);
	assert_string_equal(cli_text(cli, "found"), "false");
	assert_string_equal(cli_text(cli, "idempotencyKey"), "order-42");
}

static void test_json(void **state)
{
	(void)state;
	make_sent("order-42");
	cli_expect(cli, 0, NULL, "status", "order-42", "--json", NULL);
	assert_string_equal(cli_text(cli, "found"), "true");
	assert_string_equal(cli_text(cli, "idempotencyKey"), "order-42");
	assert_string_equal(cli_text(cli, "status"), "sent");
	assert_string_equal(cli_text(cli, "provider"), "secondary");
	assert_string_equal(cli_text(cli, "attempts"), "2");
	assert_string_equal(cli_text(cli, "messageId"), "<m@p>");
	assert_string_equal(cli_text(cli, "createdAt"), "2025-11-24T16:00:00.000Z");
	assert_string_equal(cli_text(cli, "updatedAt"), "2025-11-24T16:00:01.500Z");
	assert_string_equal(cli_text(cli, "duplicates"), "3");
	assert_string_equal(cli_text(cli, "timeline.0.attempt"), "1");
	assert_string_equal(cli_text(cli, "timeline.0.provider"), "primary");
	assert_string_equal(cli_text(cli, "timeline.0.outcome"), "retry");
	assert_string_equal(cli_text(cli, "timeline.0.code"), "451 4.3.0");
	assert_string_equal(cli_text(cli, "timeline.0.ms"), "12");
	assert_string_equal(cli_text(cli, "timeline.0.text"), "try again later");
	assert_string_equal(cli_text(cli, "timeline.1.outcome"), "sent");
	assert_null(cJSON_GetObjectItem(cli_json(cli), "error"));
}

static void test_for_people(void **state)
{
	(void)state;
	make_sent("order-42");
	cli_expect(cli, 0, NULL, "status", "order-42", NULL);
	cli_assert_has(cli->out, "  key        order-42\n  status     sent\n");
	cli_assert_has(cli->out, "  subject    Hello there\n");
	cli_assert_has(cli->out, "  duplicates 3 dropped\n");
	cli_assert_has(cli->out, "    #  PROVIDER   OUTCOME  CODE        TOOK  TEXT\n"
	                         "    1  primary    retry    451 4.3.0  12 ms  try again later\n"
	                         "    2  secondary  sent     250 2.0.0   7 ms  queued\n");
	cli_assert_lacks(cli->out, "\033"); /* no terminal, no colours */
}

/* What a job smuggles into its subject stays text, on a terminal and in JSON. */
static void test_hostile_text(void **state)
{
	static const char subject[] = "a\033]0;pwned\007\r\n\xff\xfe <script>";

	(void)state;
	redis_server_do(redis, "HSET mail:status:evil status failed subject %b error %b", subject,
	                sizeof(subject) - 1, subject, sizeof(subject) - 1);
	cli_expect(cli, 0, NULL, "status", "evil", NULL);
	cli_assert_lacks(cli->out, "\033");
	cli_assert_lacks(cli->out, "\007");
	cli_assert_lacks(cli->out, "\r");
	cli_assert_has(cli->out, "]0;pwned");
	cli_expect(cli, 0, NULL, "status", "evil", "--json", NULL);
	cli_assert_has(cli_text(cli, "subject"), "]0;pwned");
	cli_assert_lacks(cli->out, "\033");
	cli_assert_lacks(cli->out, "\xff");
}

static void test_bad_arguments(void **state)
{
	char long_key[300];

	(void)state;
	memset(long_key, 'k', sizeof(long_key) - 1);
	long_key[sizeof(long_key) - 1] = '\0';
	cli_expect(cli, 2, NULL, "status", NULL);
	cli_expect(cli, 2, NULL, "status", "a", "b", NULL);
	cli_expect(cli, 2, NULL, "status", "{a}", NULL);
	cli_expect(cli, 2, NULL, "status", "", NULL);
	cli_expect(cli, 2, NULL, "status", long_key, NULL);
	cli_expect(cli, 2, NULL, "status", "a", "--timeout", "5s", NULL);
	cli_expect(cli, 2, NULL, "status", "a", "--watch", "--timeout", "5", NULL);
	/* After "--" all is a word. */
	cli_expect(cli, 1, NULL, "status", "--json", "--", "--watch", NULL);
	assert_string_equal(cli_text(cli, "idempotencyKey"), "--watch");
}

static void test_prefix(void **state)
{
	(void)state;
	redis_server_do(redis, "HSET other:status:order-42 status held");
	cli_expect(cli, 0, NULL, "status", "order-42", "--key-prefix", "other", "--json", NULL);
	assert_string_equal(cli_text(cli, "status"), "held");
}

static struct process *watch(const char *key, const char *more)
{
	char url[256];

	snprintf(url, sizeof(url), "REDIS_URL=%s", redis_server_url(redis));
	return process_start(
		(const char *const[]){fleet_binary(), "status", "--watch", key, more, NULL},
		(const char *const[]){url, NULL});
}

/* It waits for a mail that is not known yet, tells each change, and ends with the mail. */
static void test_watch(void **state)
{
	struct process *p = watch("order-42", "--json");
	char *out;

	(void)state;
	process_wait_line(p, "\"found\":false", 0);
	redis_server_do(redis, "HSET mail:status:order-42 status sending updated_at 1 attempts 1");
	process_wait_line(p, "\"sending\"", 0);
	redis_server_do(redis, "HSET mail:status:order-42 status sent updated_at 2");
	assert_int_equal(process_wait(p, 0), 0);
	out = process_stdout(p);
	assert_int_equal(process_count_lines(p, "{"), 3);
	cli_assert_has(out, "\"sent\"");
	free(out);
	process_free(p);
}

static void test_watch_to_a_bad_end(void **state)
{
	static const char *const ends[] = {"failed", "held", "cancelled"};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		redis_server_do(redis, "HSET mail:status:order-42 status %s updated_at %d", ends[i],
		                (int)i);
		cli_expect(cli, 1, NULL, "status", "order-42", "--watch", NULL);
		cli_assert_has(cli->out, ends[i]);
	}
	redis_server_do(redis, "HSET mail:status:order-42 status retrying");
	cli_expect(cli, 1, NULL, "status", "order-42", "--watch", "--timeout", "1ms", NULL);
	cli_assert_has(cli->err, "not settled yet");
}

/* Redis goes away in the middle: exit 3, one line. */
static void test_watch_loses_redis(void **state)
{
	struct process *p = watch("order-42", "--json");
	char *err;

	(void)state;
	process_wait_line(p, "\"found\":false", 0);
	redis_server_kill(redis);
	assert_int_equal(process_wait(p, 0), 3);
	err = process_stderr(p);
	cli_assert_has(err, "postrider: Redis at ");
	free(err);
	process_free(p);
	redis_server_run(redis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_not_found, cli_world_empty),
		cmocka_unit_test_setup(test_json, cli_world_empty),
		cmocka_unit_test_setup(test_for_people, cli_world_empty),
		cmocka_unit_test_setup(test_hostile_text, cli_world_empty),
		cmocka_unit_test_setup(test_bad_arguments, cli_world_empty),
		cmocka_unit_test_setup(test_prefix, cli_world_empty),
		cmocka_unit_test_setup(test_watch, cli_world_empty),
		cmocka_unit_test_setup(test_watch_to_a_bad_end, cli_world_empty),
		cmocka_unit_test_setup(test_watch_loses_redis, cli_world_empty),
	};

	return cmocka_run_group_tests(tests, cli_world_setup, cli_world_teardown);
}

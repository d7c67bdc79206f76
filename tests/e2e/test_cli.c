/* What all commands have in common: names, help, exit codes, a Redis that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/cli.h"
#include "support/redis_server.h"
#include "support/smtp_script.h"

static const char *const listed[] = {"worker", "send",   "status", "events",
                                     "dead",   "queues", "up",     "version"};

#define N_LISTED (sizeof(listed) / sizeof(listed[0]))

/* Nothing listens there. */
#define NOWHERE "unix:///nonexistent/redis.sock"

static int setup(void **state)
{
	*state = cli_new(NOWHERE);
	return 0;
}

static int teardown(void **state)
{
	cli_free(*state);
	return 0;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_usage(void **state)
{
	struct cli *c = *state;

	cli_expect(c, 2, NULL, NULL);
	assert_string_equal(c->out, "");
	cli_assert_has(c->err, "usage: postrider COMMAND");
	cli_expect(c, 0, NULL, "help", NULL);
	for (size_t i = 0; i < N_LISTED; i++)
		cli_assert_has(c->out, listed[i]);
	cli_assert_lacks(c->out, "options");
	cli_expect(c, 0, NULL, "--help", NULL);
	cli_assert_has(c->out, "usage: postrider COMMAND");
}

static void test_unknown_command(void **state)
{
	struct cli *c = *state;

	cli_expect(c, 2, NULL, "statsu", "x", NULL);
	assert_string_equal(c->err,
	                    "postrider: there is no command \"statsu\"; did you mean status?\n");
	cli_expect(c, 2, NULL, "frobnicate", NULL);
	cli_assert_has(c->err, "postrider help lists them");
	cli_expect(c, 2, NULL, "help", "frobnicate", NULL);
	/* A terminal must not be told what to do by an argument. */
	cli_expect(c, 2, NULL, "\033[2J", NULL);
	cli_assert_lacks(c->err, "\033");
}

/* Each command explains itself with an example, also when the configuration is broken. */
static void test_help(void **state)
{
	struct cli *c = *state;
	char usage[64];

	cli_set(c, "CONCURRENCY", "many");
	for (size_t i = 0; i < N_LISTED; i++) {
		snprintf(usage, sizeof(usage), "usage: postrider %s", listed[i]);
		cli_expect(c, 0, NULL, listed[i], "--help", NULL);
		cli_assert_has(c->out, usage);
		if (strcmp(listed[i], "version") != 0) {
			cli_assert_has(c->out, "Examples\n");
			cli_assert_has(c->out, "Exit codes");
		}
		cli_expect(c, 0, NULL, "help", listed[i], NULL);
		cli_assert_has(c->out, usage);
		cli_expect(c, 0, NULL, listed[i], "-h", NULL);
	}
	cli_set(c, "CONCURRENCY", NULL);
	cli_expect(c, 0, NULL, "worker", "--help", NULL);
	cli_assert_has(c->out, "--concurrency");
}

static void test_version(void **state)
{
	struct cli *c = *state;

	cli_expect(c, 0, NULL, "version", NULL);
	assert_int_equal(strncmp(c->out, "postrider ", 10), 0);
	cli_expect(c, 0, NULL, "--version", NULL);
	assert_int_equal(strncmp(c->out, "postrider ", 10), 0);
	cli_expect(c, 0, NULL, "version", "--json", NULL);
	assert_true(strlen(cli_text(c, "version")) > 0);
	cli_expect(c, 2, NULL, "version", "now", NULL);
}

static void test_options(void **state)
{
	struct cli *c = *state;

	cli_expect(c, 0, NULL, "options", NULL);
	cli_assert_has(c->out, "| `CONCURRENCY` | `100` |");
}

static void test_bad_flags(void **state)
{
	static const char *const with_own[] = {"status", "send", "dead", "queues", "up", "worker"};
	struct cli *c = *state;

	for (size_t i = 0; i < sizeof(with_own) / sizeof(with_own[0]); i++) {
		cli_expect(c, 2, NULL, with_own[i], "--no-such-flag", NULL);
		cli_assert_has(c->err, "--no-such-flag");
		assert_int_equal(count_lines(c->err), 1);
	}
	cli_expect(c, 2, NULL, "status", "x", "--wacth", NULL);
	cli_assert_has(c->err, "did you mean --watch?");
	cli_set(c, "REDIS_URL", "http://localhost");
	cli_expect(c, 2, NULL, "status", "x", NULL);
	cli_assert_has(c->err, "REDIS_URL");
	cli_set(c, "REDIS_URL", NOWHERE);
}

/* Exit 3 and one clear line, from every command that needs Redis. */
static void expect_no_redis(struct cli *c)
{
	assert_int_equal(c->code, 3);
	assert_string_equal(c->out, "");
	assert_int_equal(count_lines(c->err), 1);
	cli_assert_has(c->err, "cannot connect to Redis at /nonexistent/redis.sock");
	cli_assert_has(c->err, "REDIS_URL");
}

static void test_no_redis(void **state)
{
	struct cli *c = *state;

	cli_run(c, NULL, "status", "order-42", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "status", "order-42", "--watch", "--json", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "queues", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "queues", "pause", "mail:queue", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "dead", "list", "--json", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "dead", "retry", "--all", NULL);
	expect_no_redis(c);
	cli_run(c, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t", NULL);
	expect_no_redis(c);
}

static void be_a_mail_server(struct script *c)
{
	char line[100];

	(void)script_say(c, "220 mail.example ESMTP");
	while (script_line(c, line, sizeof(line)))
		(void)script_say(c, "500 what?");
}

/* REDIS_URL leads somewhere, but not to our Redis. */
static void test_not_our_redis(void **state)
{
	struct script_server *mail = script_server_start(be_a_mail_server, NULL);
	struct redis_server *r = redis_server_start(NULL);
	char *url = mem_printf("%s?db=99", redis_server_url(r));
	struct cli *c = *state;

	cli_set(c, "REDIS_URL", url);
	cli_expect(c, 3, NULL, "queues", NULL);
	cli_assert_has(c->err, "check the number of the database in REDIS_URL");
	mem_free(url);
	url = mem_printf("redis://127.0.0.1:%d", script_server_port(mail));
	cli_set(c, "REDIS_URL", url);
	cli_expect(c, 3, NULL, "queues", NULL);
	cli_assert_has(c->err, "that is no Redis; REDIS_URL says where it is");
	mem_free(url);
	redis_server_free(r);
	script_server_free(mail);
}

static void test_misspelt_variable(void **state)
{
	struct cli *c = *state;

	cli_set(c, "CONCURENCY", "5");
	cli_expect(c, 0, NULL, "version", NULL);
	cli_assert_has(
		c->err,
		"\"variable_unknown\",\"name\":\"CONCURENCY\",\"did_you_mean\":\"CONCURRENCY\"");
	assert_int_equal(count_lines(c->err), 1);
}

/* What Redis says when it refuses is passed on with what to do, and the code is the same. */
static void test_redis_refuses(void **state)
{
	static const char *const args[] = {"--requirepass", "sesame", NULL};
	struct redis_server *r = redis_server_prepare(false, args);
	struct cli *c = cli_new(redis_server_url(r));

	(void)state;
	redis_server_set_password(r, "sesame");
	redis_server_run(r);
	cli_expect(c, 3, NULL, "status", "order-42", NULL);
	cli_assert_has(c->err, "NOAUTH");
	cli_expect(c, 3, NULL, "queues", NULL);
	cli_assert_has(c->err, "write redis://USER:PASSWORD@host in REDIS_URL");
	redis_server_do(r, "SET mail:status:order-42 text");
	redis_server_do(r, "CONFIG SET requirepass %s", "");
	cli_expect(c, 3, NULL, "status", "order-42", NULL);
	cli_assert_has(c->err, "WRONGTYPE");
	cli_free(c);
	redis_server_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_redis, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_our_redis, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misspelt_variable, setup, teardown),
		cmocka_unit_test(test_redis_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Webhooks that are not delivered: dead letters and their replay, endpoints that are gone, addresses where none may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cli.h"
#include "support/fleet.h"
#include "support/hook_fleet.h"
#include "support/hook_log.h"
#include "support/http_server.h"
#include "support/wait.h"

static struct http_server *server;

static int begin(void **state)
{
	(void)state;
	server = http_server_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	http_server_free(server);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	http_server_clear(server);
	return 0;
}

struct deaths {
	struct fleet *fleet;
	long long n;
};

static bool are_dead(void *arg)
{
	const struct deaths *w = arg;

	return redis_server_int(fleet_redis(w->fleet), "ZCARD {" HOOK_FLEET_QUEUE "}:dead") >= w->n;
}

static void wait_dead(struct fleet *f, long long n)
{
	struct deaths w = {f, n};

	wait_until(are_dead, &w, 0);
}

/* The only dead letter's error. A new string (free). */
static char *dead_error(struct fleet *f)
{
	struct cli *c = cli_new(redis_server_url(fleet_redis(f)));
	char *error;

	cli_expect(c, 0, NULL, "dead", "list", "--queue", HOOK_FLEET_QUEUE, "--json", NULL);
	error = strdup(cli_text(c, "0.error"));
	cli_free(c);
	return error;
}

static void assert_dead(struct fleet *f, const char *part)
{
	char *error;

	wait_dead(f, 1);
	error = dead_error(f);
	if (strstr(error, part) == NULL)
		fail_msg("the dead letter says %s, not %s", error, part);
	free(error);
}

/* Pauses spent, it is a dead letter with its reason; and can be replayed. */
static void test_dead_and_replayed(void **state)
{
	struct fleet *f = hook_fleet_start(server, "busy-4", "dead");
	struct cli *c = cli_new(redis_server_url(fleet_redis(f)));

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "mail", "");
	assert_dead(f, "500: the endpoint answered so");
	assert_int_equal(hook_log_count(server), 4);
	cli_expect(c, 0, NULL, "dead", "list", "--queue", HOOK_FLEET_QUEUE, "--json", NULL);
	assert_string_equal(cli_text(c, "0.idempotencyKey"), "mail");
	assert_string_equal(cli_text(c, "0.mail.provider"), "127.0.0.1");
	assert_string_equal(cli_text(c, "0.mail.attempts"), "4");
	cli_expect(c, 0, NULL, "dead", "retry", "mail", "--queue", HOOK_FLEET_QUEUE, NULL);
	hook_log_wait(server, "mail", 5);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(fleet_dead_count(f, HOOK_FLEET_QUEUE), 0);
	fleet_expect(f, "mail", "status", "sent"); /* the mail's own was not touched */
	cli_free(c);
	fleet_free(f);
}

static void test_redirects_are_not_followed(void **state)
{
	struct fleet *f = hook_fleet_start(server, "redirect", "moved");

	(void)state;
	fleet_set(f, "WEBHOOK_RETRIES=1ms");
	fleet_worker(f, NULL);
	fleet_push(f, "mail", "");
	assert_dead(f, "302: redirects are not followed");
	assert_int_equal(hook_log_count(server), 2);
	assert_int_equal(http_server_count(server, "heads"), 2);
	fleet_free(f);
}

/* 410: nothing more goes there, neither what waits nor what comes, until a replay succeeds. */
static void test_gone(void **state)
{
	struct fleet *f = hook_fleet_start(server, "gone-1", "left");
	struct cli *c = cli_new(redis_server_url(fleet_redis(f)));
	char url[300], job[500];

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "one", "");
	assert_dead(f, "410: gone");
	fleet_push(f, "two", "");
	fleet_wait_status(f, "two", "sent");
	fleet_wait_settled(f, NULL);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(hook_log_count(server), 1);
	assert_int_equal(fleet_dead_count(f, HOOK_FLEET_QUEUE),
	                 1); /* it was not even put into the queue */
	/* one that waited there already */
	redis_server_do(fleet_redis(f), "LPUSH " HOOK_FLEET_QUEUE " %s",
	                "{\"url\":\"http://127.0.0.1:1/\",\"id\":\"msg_x\",\"body\":\"{}\"}");
	wait_dead(f, 2);
	redis_server_do(fleet_redis(f),
	                "ZADD {" HOOK_FLEET_QUEUE "}:disabled 1 http://127.0.0.1:1/waits");
	redis_server_do(fleet_redis(f), "LPUSH " HOOK_FLEET_QUEUE " %s",
	                "{\"url\":\"http://127.0.0.1:1/waits\",\"id\":\"msg_y\","
	                "\"idempotencyKey\":\"waits\",\"body\":\"{}\"}");
	wait_dead(f, 3);
	cli_expect(c, 0, NULL, "dead", "show", "waits", "--queue", HOOK_FLEET_QUEUE, "--json",
	           NULL);
	cli_assert_has(cli_text(c, "error"), "disabled: the endpoint has answered 410");
	/* it is well again */
	cli_expect(c, 0, NULL, "dead", "retry", "one", "--queue", HOOK_FLEET_QUEUE, NULL);
	hook_log_wait(server, "one", 2);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(redis_server_int(fleet_redis(f), "ZCARD {" HOOK_FLEET_QUEUE "}:disabled"),
	                 1);
	fleet_push(f, "three", "");
	hook_log_wait(server, "three", 1);
	/* and so may one be tried again that never was */
	snprintf(url, sizeof(url), "%s/later", http_server_url(server, NULL, "hook"));
	redis_server_do(fleet_redis(f), "ZADD {" HOOK_FLEET_QUEUE "}:disabled 1 %s", url);
	snprintf(job, sizeof(job),
	         "{\"url\":\"%s\",\"id\":\"msg_z\",\"idempotencyKey\":\"later\",\"body\":\"{}\"}",
	         url);
	redis_server_do(fleet_redis(f), "LPUSH " HOOK_FLEET_QUEUE " %s", job);
	wait_dead(f, 3);
	cli_expect(c, 0, NULL, "dead", "retry", "later", "--queue", HOOK_FLEET_QUEUE, NULL);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(redis_server_int(fleet_redis(f), "ZCARD {" HOOK_FLEET_QUEUE "}:disabled"),
	                 1);
	assert_int_equal(fleet_dead_count(f, HOOK_FLEET_QUEUE), 2);
	cli_free(c);
	fleet_free(f);
}

static void test_what_is_no_webhook(void **state)
{
	static const char *const payloads[] = {
		"",
		"{",
		"[]",
		"{\"url\":\"http://127.0.0.1/\",\"id\":\"a.b\",\"body\":\"{}\"}",
		"{\"url\":\"http://127.0.0.1/\",\"id\":\"a\\r\\nX: y\",\"body\":\"{}\"}",
		"{\"url\":\"http://127.0.0.1/\",\"id\":\"a\"}",
		"{\"url\":7,\"id\":\"a\",\"body\":\"{}\"}",
		"{\"url\":\"http://elsewhere.example/\",\"id\":\"a\",\"body\":\"{}\"}",
		"{\"url\":\"file:///etc/passwd\",\"id\":\"a\",\"body\":\"{}\"}",
	};
	const size_t n = sizeof(payloads) / sizeof(payloads[0]);
	struct fleet *f = hook_fleet_start(server, NULL, "well");

	(void)state;
	for (size_t i = 0; i < n; i++)
		fleet_push_raw(f, HOOK_FLEET_QUEUE, payloads[i], strlen(payloads[i]));
	fleet_worker(f, NULL);
	wait_dead(f, (long long)n);
	fleet_push(f, "mail", ""); /* and they are in nobody's way */
	hook_log_wait(server, "mail", 1);
	assert_int_equal(hook_log_count(server), 1);
	fleet_free(f);
}

/* With hosts of every kind allowed, the address is looked at when the socket is opened. */
static void test_not_into_our_own_network(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "2130706433",        "0x7f.1",
	                                    "[::1]",     "0",         "[::ffff:127.0.0.1]"};
	const size_t n = sizeof(hosts) / sizeof(hosts[0]);
	struct fleet *f = fleet_start(NULL);
	char more[256];

	(void)state;
	fleet_set(f, "WEBHOOK_SECRET=%s", HOOK_FLEET_SECRET);
	fleet_set(f, "WEBHOOK_ALLOW=*");
	for (size_t i = 0; i < n; i++) {
		char key[32];

		snprintf(key, sizeof(key), "mail-%zu", i);
		snprintf(more, sizeof(more), ",\"webhookUrl\":\"https://%s:%d/hook/x\"", hosts[i],
		         http_server_port(server));
		fleet_push(f, key, more);
	}
	fleet_worker(f, NULL);
	wait_dead(f, (long long)n);
	assert_dead(f, "not_public: its address is not a public one");
	assert_int_equal(http_server_count(server, "connections"), 0);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dead_and_replayed, clear),
		cmocka_unit_test_setup(test_redirects_are_not_followed, clear),
		cmocka_unit_test_setup(test_gone, clear),
		cmocka_unit_test_setup(test_what_is_no_webhook, clear),
		cmocka_unit_test_setup(test_not_into_our_own_network, clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, begin, end);
}

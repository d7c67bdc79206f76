#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/sync.h"
#include "support/redis_server.h"
#include "support/wait.h"

static struct topology_config config_of(const char *url)
{
	struct topology_config c;
	struct error err;
	if (!topology_config_parse(&c, url, &err))
		fail_msg("%s", err.text);
	return c;
}

static struct sync *open_at(const char *url, struct error *err)
{
	struct topology_config c = config_of(url);
	struct sync *s = sync_open(&c, err);
	topology_config_free(&c);
	return s;
}

static struct sync *opened(const char *url)
{
	struct error err = {""};
	struct sync *s = open_at(url, &err);
	if (!s)
		fail_msg("%s", err.text);
	return s;
}

/* Arguments are separated by single spaces. */
static redisReply *run(struct sync *s, const char *text, struct error *err)
{
	struct command c;
	command_init(&c);
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, " ");
		command_arg(&c, at, n);
		at += n;
		if (!*at)
			break;
	}
	redisReply *reply = sync_run(s, &c, err);
	command_free(&c);
	return reply;
}

static void assert_answer(struct sync *s, const char *command, const char *expected)
{
	struct error err = {""};
	redisReply *reply = run(s, command, &err);
	if (!reply)
		fail_msg("%s: %s", command, err.text);
	assert_string_equal(reply->str, expected);
	freeReplyObject(reply);
}

static void test_runs_commands(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start_tcp(NULL);
	redis_server_do(server, "ACL SETUSER cli on >pw ~* +@all");
	snprintf(url, sizeof(url), "redis://cli:pw@127.0.0.1:%d/2", redis_server_port(server));
	const char *const urls[] = {redis_server_url(server), redis_server_tcp_url(server), url};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct sync *s = opened(urls[i]);
		assert_answer(s, "SET k v", "OK");
		assert_answer(s, "GET k", "v");
		assert_false(sync_lost(s));
		sync_close(s);
	}
	redis_server_do(server, "SELECT 2");
	assert_int_equal(redis_server_int(server, "EXISTS k"), 1);
	redis_server_free(server);
}

static void test_error_reply_is_told_and_the_connection_stays(void **state)
{
	struct error err = {""};
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct sync *s = opened(redis_server_url(server));
	assert_answer(s, "SET k v", "OK");
	assert_null(run(s, "LPUSH k 1", &err));
	assert_non_null(strstr(err.text, "WRONGTYPE"));
	assert_false(sync_lost(s));
	assert_answer(s, "GET k", "v");
	sync_close(s);
	redis_server_free(server);
}

static void test_script_is_loaded_when_the_server_does_not_know_it(void **state)
{
	struct error err = {""};
	struct command c;
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct sync *s = opened(redis_server_url(server));
	command_init(&c);
	script_command(&c, SCRIPT_PEEK, 0); /* whatever it says of no keys: it is run */
	freeReplyObject(sync_run(s, &c, &err));
	command_free(&c);
	assert_null(strstr(err.text, "NOSCRIPT"));
	redisReply *exists = redis_server_cmd(server, "SCRIPT EXISTS %s",
	                                      script_get(SCRIPT_PEEK)->sha1);
	assert_int_equal(exists->element[0]->integer, 1);
	freeReplyObject(exists);
	sync_close(s);
	redis_server_free(server);
}

/* Answers come in the order of the commands, an error among them stops nothing, and a script that the
 * server does not know is loaded. */
static void test_many_at_once(void **state)
{
	enum { N = 100 };
	static struct command commands[N];
	static redisReply *replies[N];
	struct error err = {""};
	char text[32];
	long long reads;

	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct sync *s = opened(redis_server_url(server));
	assert_answer(s, "SET k v", "OK");
	for (int i = 0; i < N; i++) {
		command_init(&commands[i]);
		if (i % 10 == 3) {
			script_command(&commands[i], SCRIPT_PEEK, 0);
		} else if (i % 10 == 5) {
			command_str(&commands[i], "LPUSH");
			command_str(&commands[i], "k");
			command_str(&commands[i], "x");
		} else {
			command_str(&commands[i], "ECHO");
			command_int(&commands[i], i);
		}
	}
	reads = redis_server_info(server, "stats", "total_reads_processed");
	assert_true(sync_run_all(s, commands, N, replies, &err));
	reads = redis_server_info(server, "stats", "total_reads_processed") - reads;
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), i % 10 == 5 ? "WRONGTYPE" : "%d", i);
		if (i % 10 == 3)
			assert_null(replies[i]->str ? strstr(replies[i]->str, "NOSCRIPT") : NULL);
		else
			assert_memory_equal(replies[i]->str, text, strlen(text));
		freeReplyObject(replies[i]);
	}
	assert_in_range(reads, 1, N / 2);
	assert_true(sync_run_all(s, commands, 0, replies, &err));
	redis_server_kill(server);
	assert_false(sync_run_all(s, commands, N, replies, &err));
	assert_true(sync_lost(s));
	assert_non_null(strstr(err.text, redis_server_socket(server)));
	for (int i = 0; i < N; i++)
		command_free(&commands[i]);
	sync_close(s);
	redis_server_free(server);
}

static void test_no_server(void **state)
{
	struct error err = {""};
	(void)state;
	struct redis_server *server = redis_server_prepare(true, NULL);
	assert_null(open_at(redis_server_url(server), &err));
	assert_non_null(strstr(err.text, redis_server_socket(server)));
	assert_null(open_at(redis_server_tcp_url(server), &err));
	assert_non_null(strstr(err.text, "127.0.0.1:"));
	assert_non_null(strstr(err.text, "refused"));
	assert_null(strchr(err.text, '\n'));
	redis_server_free(server);
}

static void test_wrong_password(void **state)
{
	char url[512];
	struct error err = {""};
	(void)state;
	struct redis_server *server = redis_server_start(
		(const char *const[]){"--requirepass", "right", NULL});
	redis_server_set_password(server, "right");
	snprintf(url, sizeof(url), "unix://:hunter2@%s", redis_server_socket(server));
	assert_null(open_at(url, &err));
	assert_non_null(strstr(err.text, "WRONGPASS"));
	assert_null(strstr(err.text, "hunter2"));
	redis_server_free(server);
}

static void test_silent_server_is_given_up(void **state)
{
	struct error err = {""};
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct topology_config c = config_of(redis_server_url(server));
	c.link.timeout_ms = 300;
	struct sync *s = sync_open(&c, &err);
	assert_non_null(s);
	redis_server_pause(server);
	int64_t began = wait_now_ms();
	assert_null(run(s, "PING", &err));
	assert_true(wait_now_ms() - began >= 290);
	assert_non_null(strstr(err.text, "timeout"));
	assert_true(sync_lost(s));
	redis_server_resume(server);
	sync_close(s);
	topology_config_free(&c);
	redis_server_free(server);
}

static void test_server_that_dies_in_between(void **state)
{
	struct error err = {""};
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct sync *s = opened(redis_server_url(server));
	assert_answer(s, "PING", "PONG");
	redis_server_kill(server);
	assert_null(run(s, "PING", &err)); /* and no SIGPIPE */
	assert_non_null(strstr(err.text, redis_server_socket(server)));
	assert_true(sync_lost(s));
	assert_null(run(s, "PING", &err));
	sync_close(s);
	redis_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_commands),
		cmocka_unit_test(test_error_reply_is_told_and_the_connection_stays),
		cmocka_unit_test(test_script_is_loaded_when_the_server_does_not_know_it),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_silent_server_is_given_up),
		cmocka_unit_test(test_server_that_dies_in_between),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

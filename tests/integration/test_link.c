/* The link against a real redis-server that is well, or comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "redis/script.h"
#include "support/link_world.h"

/* --- being up ------------------------------------------------------------------------------------- */

static void test_comes_up_with_all_scripts_loaded(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 0);
	for (enum script s = 0; s < SCRIPT_N; s++) {
		redisReply *exists = redis_server_cmd(w->server, "SCRIPT EXISTS %s",
		                                      script_get(s)->sha1);
		assert_int_equal(exists->element[0]->integer, 1);
		freeReplyObject(exists);
	}
	link_world_free(w);
}

static void test_greets_with_user_database_and_name(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER worker on >p%%ss ~* +@all");
	snprintf(url, sizeof(url), "unix://worker:p%%25ss@%s?db=3", redis_server_socket(server));
	struct link_world *w = link_world_new(server, url);
	mem_free(w->config.name);
	w->config.name = mem_strdup("worker-7");
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_string_equal(link_world_ask(w, "ACL WHOAMI")->text, "worker");
	assert_string_equal(link_world_ask(w, "CLIENT GETNAME")->text, "worker-7");
	assert_int_equal(link_world_ask(w, "SET in-three 1")->result, LINK_OK);
	redis_server_do(w->server, "SELECT 3");
	assert_int_equal(redis_server_int(w->server, "EXISTS in-three"), 1);
	link_world_free(w);
}

/* Hosted servers and tight ACLs may forbid ROLE and CLIENT; that is no reason to stay down. */
static void test_comes_up_without_role_and_setname(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER tight on >pw ~* +@all -role -client");
	snprintf(url, sizeof(url), "unix://tight:pw@%s", redis_server_socket(server));
	struct link_world *w = link_world_new(server, url);
	mem_free(w->config.name);
	w->config.name = mem_strdup("worker-7");
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	link_world_free(w);
}

static void test_tcp_by_address_and_by_name(void **state)
{
	char url[128];
	(void)state;
	for (int by_name = 0; by_name < 2; by_name++) {
		struct redis_server *server = redis_server_start_tcp(NULL);
		snprintf(url, sizeof(url), "redis://%s:%d", by_name ? "localhost" : "127.0.0.1",
		         redis_server_port(server));
		struct link_world *w = link_world_new(server, url);
		link_world_open(w);
		wait_loop_until(w->loop, link_world_is_up, w, 0);
		assert_string_equal(link_world_ask(w, "PING")->text, "PONG");
		link_world_free(w);
	}
}

static void test_answers_come_in_order(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	for (int i = 0; i < 3000; i++)
		link_world_send(w, "INCR n");
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.in_flight, 3000);
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_OK);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(w->answers[i].integer, i + 1);
	link_stats(w->link, &stats);
	assert_int_equal(stats.commands, 3000);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(stats.reconnects, 0);
	assert_int_equal(stats.in_flight, 0);
	link_world_free(w);
}

/* Far more than a socket takes at once, and than hiredis reads at once. */
static void test_large_command_and_large_answer(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	w->config.timeout_ms = WAIT_DEFAULT_MS;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	size_t n = (size_t)8 << 20;
	char *bytes = malloc(n);
	assert_non_null(bytes);
	memset(bytes, 'x', n);
	struct command c;
	command_init(&c);
	command_str(&c, "SET");
	command_str(&c, "big");
	command_arg(&c, bytes, n);
	link_world_send_command(w, &c);
	command_free(&c);
	free(bytes);
	link_world_send(w, "GET big");
	link_world_send(w, "STRLEN big");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_OK);
	assert_int_equal(w->answers[2].integer, n);
	link_world_free(w);
}

/* What is sent in one turn of the loop is one write of ours, hence one read of the server's. */
static void test_one_turn_is_one_write(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	long long before = redis_server_info(w->server, "stats", "total_reads_processed");
	for (int i = 0; i < 100; i++)
		link_world_send(w, "PING");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	long long reads = redis_server_info(w->server, "stats", "total_reads_processed") - before;
	assert_in_range(reads, 1, 2); /* the second INFO is one of them */
	link_world_free(w);
}

static void test_error_of_one_command_leaves_it_up(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	assert_int_equal(link_world_ask(w, "SET s 1")->result, LINK_OK);
	const struct link_world_answer *a = link_world_ask(w, "LPUSH s 1");
	assert_int_equal(a->result, LINK_ERROR);
	assert_non_null(strstr(a->text, "WRONGTYPE"));
	assert_true(a->link_was_up);
	assert_int_equal(link_world_ask(w, "GET s")->result, LINK_OK);
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.errors, 1);
	link_world_free(w);
}

/* --- the server comes and goes --------------------------------------------------------------------- */

static void never_called(void *data, enum link_result result, const redisReply *reply)
{
	(void)data;
	(void)result;
	(void)reply;
	abort();
}

static void test_waits_for_a_server_that_is_not_there_yet(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_prepare(false, NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	struct command c;
	command_init(&c);
	command_str(&c, "PING");
	link_world_capture_log(w);
	link_world_open(w);
	wait_loop_for(w->loop, 500); /* several tries */
	bool up = link_up(w->link), sent = link_send(w->link, &c, 0, never_called, NULL);
	redis_server_run(server);
	bool came_up = wait_for(w->loop, link_world_is_up, w, 0);
	char *log = link_world_captured_log(w);
	command_free(&c);
	assert_false(up);
	assert_false(sent);
	assert_true(came_up);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 0); /* it was never up before */
	assert_int_equal(link_world_count(log, "redis_down"), 1);
	assert_int_equal(link_world_count(log, "redis_up"), 1);
	free(log);
	assert_string_equal(link_world_ask(w, "PING")->text, "PONG");
	link_world_free(w);
}

static void test_restart_in_the_middle(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_pause(w->server);
	for (int i = 0; i < 500; i++)
		link_world_send(w, "INCR n");
	ev_run(w->loop, EVRUN_NOWAIT); /* they leave */
	redis_server_restart(w->server);
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_LOST);
	for (int i = 0; i < w->n_answers; i++) {
		assert_false(w->answers[i].link_was_up);
		assert_false(w->answers[i].after_down);
	}
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_int_equal(w->ups, 2);
	assert_int_equal(w->downs, 1);
	int before = w->sent;
	link_world_send(w, "INCR n");
	link_world_send(w, "INCR n");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, before, LINK_OK);
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.reconnects, 1);
	link_world_free(w);
}

static void test_idle_link_notices_the_end_of_the_server(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_kill(w->server);
	wait_loop_until(w->loop, link_world_is_down, w, 0);
	assert_int_equal(w->downs, 1);
	redis_server_run(w->server);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	link_world_free(w);
}

static void test_server_that_falls_silent(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	w->config.timeout_ms = 300;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	redis_server_pause(w->server);
	int64_t began = wait_now_ms();
	for (int i = 0; i < 10; i++)
		link_world_send(w, "PING");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_LOST);
	assert_true(wait_now_ms() - began >= 299); /* not before the deadline */
	/* while it is silent it is not up, though the kernel accepts connections for it */
	wait_loop_for(w->loop, 1000);
	assert_int_equal(w->ups, 1);
	redis_server_resume(w->server);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_string_equal(link_world_ask(w, "PING")->text, "PONG");
	link_world_free(w);
}

static void test_command_with_a_shorter_deadline(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	w->config.timeout_ms = 10 * WAIT_DEFAULT_MS;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	redis_server_pause(w->server);
	link_world_send_deadline(w, 300, "PING");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_LOST);
	link_world_free(w);
}

/* A blocking command has a deadline of its own, and what is sent behind it has its time from when
 * that is answered: it is lost neither before, nor only after the longer deadline. */
static void test_blocking_command_outlasts_the_timeout(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	w->config.timeout_ms = 2000;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	int64_t began = wait_now_ms();
	link_world_send(w, "PING");
	link_world_send_deadline(w, 600000, "BLPOP nothing 3");
	link_world_send(w, "PING");
	link_world_send_deadline(w, 600, "BLPOP nothing 0");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(w->answers[i].result, LINK_OK);
	assert_int_equal(w->answers[3].result, LINK_LOST);
	assert_true(wait_now_ms() - began >= 3590);
	link_world_free(w);
}

static bool server_has_answered_get(void *arg)
{
	struct link_world *w = arg;
	char *stats = redis_server_text(w->server, "INFO commandstats");
	bool run = strstr(stats, "cmdstat_get:") != NULL;
	free(stats);
	return run;
}

static bool time_has_come(void *arg)
{
	return wait_now_ms() >= *(int64_t *)arg;
}

/* The whole process may be stopped (SIGSTOP, a suspended machine): an answer that lies in the
 * socket is not lost, not even one that takes several reads. */
static void test_answer_that_came_while_the_loop_stood_still(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_do(w->server, "SETRANGE k 100000 x");
	link_world_send_deadline(w, 100, "GET k");
	int64_t past_deadline = wait_now_ms() + 110;
	ev_run(w->loop, EVRUN_NOWAIT); /* it leaves */
	wait_until(server_has_answered_get, w, 0);
	wait_until(time_has_come, &past_deadline, 0);
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_OK);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

static bool says_loading(void *server)
{
	char *answer = redis_server_ping(server);
	bool loading = strncmp(answer, "LOADING", 7) == 0;
	free(answer);
	return loading;
}

static void test_loading_server(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start((const char *const[]){
		"--appendonly", "yes", "--appendfsync", "no", "--key-load-delay", "250",
		"--loading-process-events-interval-bytes", "1024", NULL});
	struct link_world *w = link_world_new(server, redis_server_url(server));
	for (int i = 0; i < 16000; i++) /* while loading, it answers once in 1,024 of them */
		redis_server_do(server, "SET key:%d value", i);
	redis_server_stop(server);
	redis_server_run_unready(server);
	wait_until(says_loading, server, 0);
	redis_server_pause(server); /* so that it is still loading when the link comes */
	link_world_capture_log(w);
	link_world_open(w);
	wait_loop_for(w->loop, 50);
	redis_server_resume(server);
	bool came_up = wait_for(w->loop, link_world_is_up, w, 0);
	char *log = link_world_captured_log(w);
	assert_true(came_up);
	/* not before all was there */
	assert_int_equal(link_world_ask(w, "DBSIZE")->integer, 16000);
	assert_int_equal(link_world_count(log, "\"redis_down\""), 1);
	assert_int_equal(link_world_count(log, "LOADING"), 1);
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.reconnects, 0);
	free(log);
	link_world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_up_with_all_scripts_loaded),
		cmocka_unit_test(test_greets_with_user_database_and_name),
		cmocka_unit_test(test_comes_up_without_role_and_setname),
		cmocka_unit_test(test_tcp_by_address_and_by_name),
		cmocka_unit_test(test_answers_come_in_order),
		cmocka_unit_test(test_large_command_and_large_answer),
		cmocka_unit_test(test_one_turn_is_one_write),
		cmocka_unit_test(test_error_of_one_command_leaves_it_up),
		cmocka_unit_test(test_waits_for_a_server_that_is_not_there_yet),
		cmocka_unit_test(test_restart_in_the_middle),
		cmocka_unit_test(test_idle_link_notices_the_end_of_the_server),
		cmocka_unit_test(test_server_that_falls_silent),
		cmocka_unit_test(test_command_with_a_shorter_deadline),
		cmocka_unit_test(test_blocking_command_outlasts_the_timeout),
		cmocka_unit_test(test_answer_that_came_while_the_loop_stood_still),
		cmocka_unit_test(test_loading_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

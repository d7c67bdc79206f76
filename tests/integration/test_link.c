/* The link against a real redis-server, and what it does in each trouble that a server can be in. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "redis/link.h"
#include "redis/script.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_ANSWERS 4096

/* What the callbacks record; the tests assert on it afterwards. */
struct answer {
	int command; /* as numbered by send() */
	enum link_result result;
	bool link_was_up;
	bool after_down; /* on_change(down) had been told already */
	long long integer;
	char text[160];
};

struct world {
	struct ev_loop *loop;
	struct redis_server *server;
	struct link *link;
	struct link_config config;
	int ups, downs;
	int sent;
	struct answer answers[MAX_ANSWERS];
	int n_answers;
	/* link_close is called within the answer to this command, or within this change */
	int close_at_answer, close_at_up, close_at_down;
	int stderr_fd; /* the real one, while the log is captured */
	char *log_path;
};

static struct world *world_new(struct redis_server *server, const char *url)
{
	struct world *w = mem_zalloc(sizeof(*w));
	struct error err;
	w->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(w->loop);
	w->server = server;
	w->close_at_answer = w->close_at_up = w->close_at_down = -1;
	w->stderr_fd = -1;
	if (!link_config_parse(&w->config, url, &err))
		fail_msg("%s", err.text);
	return w;
}

static void close_link(struct world *w)
{
	struct link *l = w->link;
	w->link = NULL;
	link_close(l);
}

static void world_free(struct world *w)
{
	if (w->link)
		close_link(w);
	link_config_free(&w->config);
	redis_server_free(w->server);
	ev_loop_destroy(w->loop);
	mem_free(w);
}

static void on_change(void *data, bool up)
{
	struct world *w = data;
	if (up)
		w->ups++;
	else
		w->downs++;
	if (w->link && (w->ups == w->close_at_up || w->downs == w->close_at_down))
		close_link(w);
}

static void open_link(struct world *w)
{
	w->link = link_open(w->loop, &w->config, on_change, w);
}

static bool is_up(void *arg)
{
	struct world *w = arg;
	return w->link && link_up(w->link);
}

static bool is_down(void *arg)
{
	return !is_up(arg);
}

static bool all_answered(void *arg)
{
	struct world *w = arg;
	return w->n_answers == w->sent;
}

static bool link_is_closed(void *arg)
{
	struct world *w = arg;
	return !w->link;
}

/* A server with these arguments, and a link that is up. */
static struct world *world_up(const char *const *args)
{
	struct redis_server *server = redis_server_start(args);
	struct world *w = world_new(server, redis_server_url(server));
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	return w;
}

/* The number of a command rides in its data pointer, beside the world. */
struct tag {
	struct world *world;
	int command;
};

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct tag tag = *(struct tag *)data;
	struct world *w = tag.world;
	mem_free(data);
	if (w->n_answers < MAX_ANSWERS) {
		struct answer *a = &w->answers[w->n_answers];
		a->command = tag.command;
		a->result = result;
		a->link_was_up = w->link && link_up(w->link);
		a->after_down = w->downs == w->ups;
		if (reply && reply->str)
			snprintf(a->text, sizeof(a->text), "%s", reply->str);
		if (reply)
			a->integer = reply->integer;
	}
	w->n_answers++;
	if (tag.command == w->close_at_answer && w->link)
		close_link(w);
}

static void send_command(struct world *w, struct command *c, int deadline_ms)
{
	struct tag *tag = mem_alloc(sizeof(*tag));
	*tag = (struct tag){w, w->sent};
	assert_true(link_send(w->link, c, deadline_ms, on_answer, tag));
	w->sent++;
}

/* Arguments are separated by single spaces. */
static void send_deadline(struct world *w, int deadline_ms, const char *text)
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
	send_command(w, &c, deadline_ms);
	command_free(&c);
}

static void send(struct world *w, const char *text)
{
	send_deadline(w, 0, text);
}

static void send_script(struct world *w, const char *lua, const char *key)
{
	struct command c;
	command_init(&c);
	command_str(&c, "EVAL");
	command_str(&c, lua);
	command_int(&c, 1);
	command_str(&c, key);
	send_command(w, &c, 0);
	command_free(&c);
}

static const struct answer *ask(struct world *w, const char *text)
{
	send(w, text);
	wait_loop_until(w->loop, all_answered, w, 0);
	return &w->answers[w->n_answers - 1];
}

static const struct answer *ask_script(struct world *w, const char *lua, const char *key)
{
	send_script(w, lua, key);
	wait_loop_until(w->loop, all_answered, w, 0);
	return &w->answers[w->n_answers - 1];
}

/* Every command from `first` on was answered exactly once, in order, and with this result. */
static void assert_all(const struct world *w, int first, enum link_result result)
{
	assert_int_equal(w->n_answers, w->sent);
	for (int i = first; i < w->n_answers; i++) {
		assert_int_equal(w->answers[i].command, i);
		assert_int_equal(w->answers[i].result, result);
	}
}

/* --- the log, captured into a file ---------------------------------------------------------------- */

static void capture_log(struct world *w)
{
	fflush(stderr);
	w->log_path = tmpdir_file("log", "", 0);
	w->stderr_fd = dup(STDERR_FILENO);
	int fd = open(w->log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0 && w->stderr_fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
}

static char *captured_log(struct world *w)
{
	fflush(stderr);
	dup2(w->stderr_fd, STDERR_FILENO);
	close(w->stderr_fd);
	char *text = tmpdir_read(w->log_path, NULL);
	free(w->log_path);
	return text;
}

static int count(const char *text, const char *part)
{
	int n = 0;
	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

/* --- being up ------------------------------------------------------------------------------------- */

static void test_comes_up_with_all_scripts_loaded(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 0);
	for (enum script s = 0; s < SCRIPT_N; s++) {
		redisReply *exists = redis_server_cmd(w->server, "SCRIPT EXISTS %s",
		                                      script_get(s)->sha1);
		assert_int_equal(exists->element[0]->integer, 1);
		freeReplyObject(exists);
	}
	world_free(w);
}

static void test_greets_with_user_database_and_name(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER worker on >p%%ss ~* +@all");
	snprintf(url, sizeof(url), "unix://worker:p%%25ss@%s?db=3", redis_server_socket(server));
	struct world *w = world_new(server, url);
	mem_free(w->config.name);
	w->config.name = mem_strdup("worker-7");
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	assert_string_equal(ask(w, "ACL WHOAMI")->text, "worker");
	assert_string_equal(ask(w, "CLIENT GETNAME")->text, "worker-7");
	assert_int_equal(ask(w, "SET in-three 1")->result, LINK_OK);
	redis_server_do(w->server, "SELECT 3");
	assert_int_equal(redis_server_int(w->server, "EXISTS in-three"), 1);
	world_free(w);
}

/* Hosted servers and tight ACLs may forbid ROLE and CLIENT; that is no reason to stay down. */
static void test_comes_up_without_role_and_setname(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER tight on >pw ~* +@all -role -client");
	snprintf(url, sizeof(url), "unix://tight:pw@%s", redis_server_socket(server));
	struct world *w = world_new(server, url);
	mem_free(w->config.name);
	w->config.name = mem_strdup("worker-7");
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	world_free(w);
}

static void test_tcp_by_address_and_by_name(void **state)
{
	char url[128];
	(void)state;
	for (int by_name = 0; by_name < 2; by_name++) {
		struct redis_server *server = redis_server_start_tcp(NULL);
		snprintf(url, sizeof(url), "redis://%s:%d", by_name ? "localhost" : "127.0.0.1",
		         redis_server_port(server));
		struct world *w = world_new(server, url);
		open_link(w);
		wait_loop_until(w->loop, is_up, w, 0);
		assert_string_equal(ask(w, "PING")->text, "PONG");
		world_free(w);
	}
}

static void test_answers_come_in_order(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	for (int i = 0; i < 3000; i++)
		send(w, "INCR n");
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.in_flight, 3000);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_OK);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(w->answers[i].integer, i + 1);
	link_stats(w->link, &stats);
	assert_int_equal(stats.commands, 3000);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(stats.reconnects, 0);
	assert_int_equal(stats.in_flight, 0);
	world_free(w);
}

/* Far more than a socket takes at once, and than hiredis reads at once. */
static void test_large_command_and_large_answer(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	size_t n = (size_t)20 << 20;
	char *bytes = malloc(n);
	assert_non_null(bytes);
	memset(bytes, 'x', n);
	struct command c;
	command_init(&c);
	command_str(&c, "SET");
	command_str(&c, "big");
	command_arg(&c, bytes, n);
	send_command(w, &c, 0);
	command_free(&c);
	free(bytes);
	send(w, "GET big");
	send(w, "STRLEN big");
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_OK);
	assert_int_equal(w->answers[2].integer, n);
	world_free(w);
}

/* What is sent in one turn of the loop is one write of ours, hence one read of the server's. */
static void test_one_turn_is_one_write(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	long long before = redis_server_info(w->server, "stats", "total_reads_processed");
	for (int i = 0; i < 100; i++)
		send(w, "PING");
	wait_loop_until(w->loop, all_answered, w, 0);
	long long reads = redis_server_info(w->server, "stats", "total_reads_processed") - before;
	assert_in_range(reads, 1, 2); /* the second INFO is one of them */
	world_free(w);
}

static void test_error_of_one_command_leaves_it_up(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	assert_int_equal(ask(w, "SET s 1")->result, LINK_OK);
	const struct answer *a = ask(w, "LPUSH s 1");
	assert_int_equal(a->result, LINK_ERROR);
	assert_non_null(strstr(a->text, "WRONGTYPE"));
	assert_true(a->link_was_up);
	assert_int_equal(ask(w, "GET s")->result, LINK_OK);
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.errors, 1);
	world_free(w);
}

/* --- the server comes and goes --------------------------------------------------------------------- */

static void test_waits_for_a_server_that_is_not_there_yet(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_prepare(false, NULL);
	struct world *w = world_new(server, redis_server_url(server));
	struct command c;
	command_init(&c);
	command_str(&c, "PING");
	capture_log(w);
	open_link(w);
	wait_loop_for(w->loop, 500); /* several tries */
	bool up = link_up(w->link), sent = link_send(w->link, &c, 0, on_answer, w);
	redis_server_run(server);
	bool came_up = wait_for(w->loop, is_up, w, 0);
	char *log = captured_log(w);
	command_free(&c);
	assert_false(up);
	assert_false(sent);
	assert_true(came_up);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 0); /* it was never up before */
	assert_int_equal(count(log, "redis_down"), 1);
	assert_int_equal(count(log, "redis_up"), 1);
	free(log);
	assert_string_equal(ask(w, "PING")->text, "PONG");
	world_free(w);
}

static bool all_commands_at_server(void *arg)
{
	/* they left at the end of the first turn */
	struct world *w = arg;
	struct link_stats stats;
	link_stats(w->link, &stats);
	return stats.in_flight == (size_t)w->sent;
}

static void test_restart_in_the_middle(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	redis_server_pause(w->server);
	for (int i = 0; i < 500; i++)
		send(w, "INCR n");
	wait_loop_until(w->loop, all_commands_at_server, w, 0);
	redis_server_restart(w->server);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_LOST);
	for (int i = 0; i < w->n_answers; i++) {
		assert_false(w->answers[i].link_was_up);
		assert_false(w->answers[i].after_down);
	}
	wait_loop_until(w->loop, is_up, w, 0);
	assert_int_equal(w->ups, 2);
	assert_int_equal(w->downs, 1);
	int before = w->sent;
	send(w, "INCR n");
	send(w, "INCR n");
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, before, LINK_OK);
	struct link_stats stats;
	link_stats(w->link, &stats);
	assert_int_equal(stats.reconnects, 1);
	world_free(w);
}

static void test_idle_link_notices_the_end_of_the_server(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	redis_server_kill(w->server);
	wait_loop_until(w->loop, is_down, w, 0);
	assert_int_equal(w->downs, 1);
	redis_server_run(w->server);
	wait_loop_until(w->loop, is_up, w, 0);
	world_free(w);
}

static void test_server_that_falls_silent(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct world *w = world_new(server, redis_server_url(server));
	w->config.timeout_ms = 300;
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	redis_server_pause(w->server);
	int64_t began = wait_now_ms();
	for (int i = 0; i < 10; i++)
		send(w, "PING");
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_LOST);
	assert_true(wait_now_ms() - began >= 299); /* not before the deadline */
	/* while it is silent it is not up, though the kernel accepts connections for it */
	wait_loop_for(w->loop, 1000);
	assert_int_equal(w->ups, 1);
	redis_server_resume(w->server);
	wait_loop_until(w->loop, is_up, w, 0);
	assert_string_equal(ask(w, "PING")->text, "PONG");
	world_free(w);
}

/* A blocking command has a deadline of its own, and what is queued behind it is not due before. */
static void test_blocking_command_outlasts_the_timeout(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct world *w = world_new(server, redis_server_url(server));
	w->config.timeout_ms = 300;
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	send_deadline(w, 30000, "BLPOP nothing 1");
	send(w, "PING");
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_OK);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

static bool server_has_run_echo(void *arg)
{
	struct world *w = arg;
	char *stats = redis_server_text(w->server, "INFO commandstats");
	bool run = strstr(stats, "cmdstat_echo") != NULL;
	free(stats);
	return run;
}

/* The whole process may be stopped (SIGSTOP, a suspended machine): an answer that lies in the
 * socket is not lost. */
static void test_answer_that_came_while_the_loop_stood_still(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	int64_t deadline = wait_now_ms() + 200;
	send_deadline(w, 100, "ECHO hello");
	ev_run(w->loop, EVRUN_NOWAIT); /* it leaves */
	wait_until(server_has_run_echo, w, 0);
	while (wait_now_ms() < deadline)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_OK);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

static void test_loading_server(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start((const char *const[]){
		"--appendonly", "yes", "--appendfsync", "no", "--key-load-delay", "1500",
		"--loading-process-events-interval-bytes", "1024", NULL});
	struct world *w = world_new(server, redis_server_url(server));
	for (int i = 0; i < 2000; i++)
		redis_server_do(server, "SET key:%d value", i);
	redis_server_stop(server);
	redis_server_run_unready(server);
	capture_log(w);
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON, false);
	open_link(w);
	bool came_up = wait_for(w->loop, is_up, w, 0);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON, false);
	char *log = captured_log(w);
	assert_true(came_up);
	assert_int_equal(ask(w, "DBSIZE")->integer, 2000); /* not before it was whole */
	assert_int_equal(count(log, "\"redis_down\""), 1);
	assert_true(count(log, "LOADING") > 0);
	assert_true(count(log, "LOADING") < 100); /* no hot loop */
	free(log);
	world_free(w);
}

/* --- the server answers, but not well --------------------------------------------------------------- */

static long long client_id(struct world *w)
{
	return ask(w, "CLIENT ID")->integer;
}

static void test_scripts_that_the_server_forgot(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	long long id = client_id(w);
	struct command c;
	command_init(&c);
	script_command(&c, SCRIPT_CLAIM, 0);
	redis_server_do(w->server, "SCRIPT FLUSH");
	capture_log(w);
	int first = w->sent;
	for (int i = 0; i < 5; i++)
		send_command(w, &c, 0);
	bool answered = wait_for(w->loop, all_answered, w, 0);
	bool came_up = wait_for(w->loop, is_up, w, 0);
	char *log = captured_log(w);
	assert_true(answered && came_up);
	assert_all(w, first, LINK_AGAIN);
	assert_non_null(strstr(w->answers[first].text, "NOSCRIPT"));
	assert_false(w->answers[first].link_was_up);
	assert_int_equal(w->downs, 1);
	assert_int_equal(w->ups, 2);
	assert_int_equal(count(log, "redis_down"), 0); /* it was not */
	free(log);
	/* now it is there: whatever the script says of no keys, it is run */
	first = w->sent;
	send_command(w, &c, 0);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_int_not_equal(w->answers[first].result, LINK_AGAIN);
	assert_int_equal(client_id(w), id); /* the same connection */
	command_free(&c);
	world_free(w);
}

static bool says_busy(void *arg)
{
	redisReply *reply = redis_server_try(arg, "PING");
	bool busy = reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSY", 4) == 0;
	freeReplyObject(reply);
	return busy;
}

/* A slow script of somebody else: we wait, and never kill it. */
static void test_busy_server(void **state)
{
	(void)state;
	struct world *w = world_up((const char *const[]){"--lua-time-limit", "50", NULL});
	long long id = client_id(w);
	struct process *slow = process_start(
		(const char *const[]){"redis-cli", "-s", redis_server_socket(w->server), "EVAL",
	                              "while true do end", "0", NULL},
		NULL);
	wait_until(says_busy, w->server, 0);
	const struct answer *a = ask(w, "PING");
	assert_int_equal(a->result, LINK_AGAIN);
	assert_non_null(strstr(a->text, "BUSY"));
	assert_false(a->link_was_up);
	assert_int_equal(w->downs, 1);
	wait_loop_for(w->loop, 500); /* it stays down for as long */
	assert_int_equal(w->ups, 1);
	redis_server_do(w->server, "SCRIPT KILL");
	wait_loop_until(w->loop, is_up, w, 0);
	assert_int_equal(client_id(w), id);
	process_free(slow);
	world_free(w);
}

static void test_master_that_became_a_replica(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	long long id = client_id(w);
	redis_server_do(w->server, "REPLICAOF 127.0.0.1 1");
	int first = w->sent;
	send(w, "SET k 1");
	send(w, "PING"); /* in flight with it: has its own answer */
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_int_equal(w->answers[first].result, LINK_AGAIN);
	assert_int_equal(w->answers[first + 1].result, LINK_OK);
	assert_false(w->answers[first].link_was_up);
	wait_loop_for(w->loop, 500); /* a replica is no server for us */
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 1);
	redis_server_do(w->server, "REPLICAOF NO ONE");
	wait_loop_until(w->loop, is_up, w, 0);
	assert_int_not_equal(client_id(w), id);
	assert_int_equal(ask(w, "SET k 1")->result, LINK_OK);
	world_free(w);
}

static void test_wrong_password_until_it_is_mended(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(
		(const char *const[]){"--requirepass", "right", NULL});
	redis_server_set_password(server, "right");
	snprintf(url, sizeof(url), "unix://:wrong@%s", redis_server_socket(server));
	struct world *w = world_new(server, url);
	capture_log(w);
	open_link(w);
	wait_loop_for(w->loop, 500);
	bool up = link_up(w->link);
	long long tries = redis_server_info(server, "stats", "total_connections_received");
	redis_server_do(server, "CONFIG SET requirepass wrong");
	bool came_up = wait_for(w->loop, is_up, w, 0);
	char *log = captured_log(w);
	assert_false(up);
	assert_in_range(tries, 1, 4); /* ours once or twice, and the test's: no hot loop */
	assert_true(came_up);
	assert_int_equal(count(log, "redis_refused"), 1);
	assert_non_null(strstr(log, "WRONGPASS"));
	assert_null(strstr(log, ":wrong@"));
	free(log);
	world_free(w);
}

static void test_password_where_one_is_missing(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(
		(const char *const[]){"--requirepass", "right", NULL});
	redis_server_set_password(server, "right");
	struct world *w = world_new(server, redis_server_url(server));
	capture_log(w);
	open_link(w);
	wait_loop_for(w->loop, 300);
	bool up = link_up(w->link);
	char *log = captured_log(w);
	assert_false(up);
	assert_int_equal(count(log, "redis_refused"), 1);
	assert_non_null(strstr(log, "NOAUTH"));
	free(log);
	world_free(w);
}

static void test_command_that_the_acl_forbids(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER w on >pw ~mail:* +@all -flushall");
	snprintf(url, sizeof(url), "unix://w:pw@%s", redis_server_socket(server));
	struct world *w = world_new(server, url);
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	assert_int_equal(ask(w, "FLUSHALL")->result, LINK_CONFIG);
	assert_int_equal(ask(w, "GET other")->result, LINK_CONFIG);
	redis_server_do(server, "ACL SETUSER w -set"); /* a script of ours that may not */
	assert_int_equal(ask_script(w, "return redis.call('SET', KEYS[1], 1)", "mail:x")->result,
	                 LINK_CONFIG);
	assert_int_equal(ask(w, "GET mail:x")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

static void test_memory_that_is_full(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	assert_int_equal(ask(w, "HSET h f 1")->result, LINK_OK);
	redis_server_do(w->server, "CONFIG SET maxmemory 1");
	assert_int_equal(ask(w, "SET k 1")->result, LINK_NOMEM);
	assert_int_equal(ask_script(w, "return redis.call('SET', KEYS[1], 1)", "k")->result,
	                 LINK_NOMEM);
	/* what a script caught, as text */
	const struct answer *a = ask_script(w, "return redis.pcall('SET', KEYS[1], 1).err", "k");
	assert_int_equal(a->result, LINK_OK);
	assert_int_equal(link_classify(a->text, strlen(a->text)), LINK_NOMEM);
	assert_int_equal(ask(w, "HDEL h f")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

static void test_too_few_replicas(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	redis_server_do(w->server, "CONFIG SET min-replicas-to-write 1");
	assert_int_equal(ask(w, "SET k 1")->result, LINK_REFUSED);
	assert_int_equal(ask_script(w, "return redis.call('SET', KEYS[1], 1)", "k")->result,
	                 LINK_REFUSED);
	assert_int_equal(ask(w, "GET k")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

/* --- closing, wherever ------------------------------------------------------------------------------ */

static void test_close_answers_what_is_in_flight(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	for (int i = 0; i < 10; i++)
		send(w, "PING");
	close_link(w);
	assert_all(w, 0, LINK_LOST);
	assert_int_equal(w->downs, 0); /* who closes it knows */
	world_free(w);
}

static void test_close_within_an_answer(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	w->close_at_answer = 3;
	for (int i = 0; i < 10; i++)
		send(w, "PING");
	wait_loop_until(w->loop, all_answered, w, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(w->answers[i].command, i);
		assert_int_equal(w->answers[i].result, i <= 3 ? LINK_OK : LINK_LOST);
	}
	wait_loop_for(w->loop, 20);
	world_free(w);
}

static void test_close_within_a_lost_answer(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	redis_server_pause(w->server);
	w->close_at_answer = 3;
	for (int i = 0; i < 10; i++)
		send(w, "PING");
	wait_loop_for(w->loop, 20);
	redis_server_kill(w->server);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_all(w, 0, LINK_LOST);
	wait_loop_for(w->loop, 20);
	assert_int_equal(w->downs, 0);
	world_free(w);
}

static void test_close_within_an_answer_that_takes_it_down(void **state)
{
	(void)state;
	struct world *w = world_up(NULL);
	redis_server_do(w->server, "SCRIPT FLUSH");
	struct command c;
	command_init(&c);
	script_command(&c, SCRIPT_CLAIM, 0);
	w->close_at_answer = 0;
	send_command(w, &c, 0);
	send_command(w, &c, 0);
	command_free(&c);
	wait_loop_until(w->loop, all_answered, w, 0);
	assert_int_equal(w->answers[0].result, LINK_AGAIN);
	assert_int_equal(w->answers[1].result, LINK_LOST);
	wait_loop_for(w->loop, 20);
	world_free(w);
}

static void test_close_within_on_change(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct world *w = world_new(server, redis_server_url(server));
	w->close_at_up = 1;
	open_link(w);
	wait_loop_until(w->loop, link_is_closed, w, 0);
	w->close_at_up = -1;
	w->close_at_down = 1;
	open_link(w);
	wait_loop_until(w->loop, is_up, w, 0);
	redis_server_kill(server);
	wait_loop_until(w->loop, link_is_closed, w, 0);
	wait_loop_for(w->loop, 20);
	world_free(w);
}

static void test_close_before_it_is_up(void **state)
{
	static const char *const urls[] = {"redis://127.0.0.1:1", "redis://localhost:1",
	                                   "redis://no-such-host.invalid", "unix:///nonexistent"};
	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		/* after no turn of the loop, one, a few */
		for (int turns = 0; turns < 5; turns++) {
			struct world *w = world_new(NULL, urls[i]);
			open_link(w);
			for (int t = 0; t < turns; t++)
				ev_run(w->loop, EVRUN_NOWAIT);
			close_link(w);
			world_free(w);
		}
	}
	struct redis_server *server = redis_server_start(NULL);
	for (int turns = 0; turns < 8; turns++) {
		struct world *w = world_new(NULL, redis_server_url(server));
		open_link(w);
		for (int t = 0; t < turns; t++)
			ev_run(w->loop, EVRUN_NOWAIT);
		close_link(w);
		world_free(w);
	}
	redis_server_free(server);
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
		cmocka_unit_test(test_blocking_command_outlasts_the_timeout),
		cmocka_unit_test(test_answer_that_came_while_the_loop_stood_still),
		cmocka_unit_test(test_loading_server),
		cmocka_unit_test(test_scripts_that_the_server_forgot),
		cmocka_unit_test(test_busy_server),
		cmocka_unit_test(test_master_that_became_a_replica),
		cmocka_unit_test(test_wrong_password_until_it_is_mended),
		cmocka_unit_test(test_password_where_one_is_missing),
		cmocka_unit_test(test_command_that_the_acl_forbids),
		cmocka_unit_test(test_memory_that_is_full),
		cmocka_unit_test(test_too_few_replicas),
		cmocka_unit_test(test_close_answers_what_is_in_flight),
		cmocka_unit_test(test_close_within_an_answer),
		cmocka_unit_test(test_close_within_a_lost_answer),
		cmocka_unit_test(test_close_within_an_answer_that_takes_it_down),
		cmocka_unit_test(test_close_within_on_change),
		cmocka_unit_test(test_close_before_it_is_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

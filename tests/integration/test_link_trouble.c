/* The link against a real redis-server that answers, but not as it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/script.h"
#include "support/link_world.h"
#include "support/tmpdir.h"
#include "support/trouble.h"

static long long client_id(struct link_world *w)
{
	return link_world_ask(w, "CLIENT ID")->integer;
}

static void test_scripts_that_the_server_forgot(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	long long id = client_id(w);
	struct command c;
	command_init(&c);
	script_command(&c, SCRIPT_CLAIM, 0);
	for (int round = 0; round < 5; round++) {
		redis_server_do(w->server, "SCRIPT FLUSH");
		link_world_capture_log(w);
		int first = w->sent;
		for (int i = 0; i < 5; i++)
			link_world_send_command(w, &c);
		bool answered = wait_for(w->loop, link_world_all_answered, w, 0);
		bool came_up = wait_for(w->loop, link_world_is_up, w, 0);
		char *log = link_world_captured_log(w);
		assert_true(answered && came_up);
		link_world_assert_all(w, first, LINK_AGAIN);
		assert_non_null(strstr(w->answers[first].text, "NOSCRIPT"));
		assert_false(w->answers[first].link_was_up);
		assert_int_equal(w->downs, round + 1);
		assert_int_equal(w->ups, round + 2);
		assert_int_equal(link_world_count(log, "redis_down"), 0); /* it was not */
		free(log);
		/* now it is there: whatever the script says of no keys, it is run */
		first = w->sent;
		link_world_send_command(w, &c);
		wait_loop_until(w->loop, link_world_all_answered, w, 0);
		assert_int_not_equal(w->answers[first].result, LINK_AGAIN);
	}
	assert_int_equal(client_id(w), id); /* the same connection */
	command_free(&c);
	link_world_free(w);
}

static bool says_busy(void *server)
{
	char *answer = redis_server_ping(server);
	bool busy = strncmp(answer, "BUSY", 4) == 0;
	free(answer);
	return busy;
}

/* A slow script of somebody else: we wait, and never kill it. */
static void test_busy_server(void **state)
{
	(void)state;
	struct link_world *w = link_world_up((const char *const[]){"--lua-time-limit", "50", NULL});
	long long id = client_id(w);
	struct process *slow = process_start(
		(const char *const[]){redis_server_cli(), "-s", redis_server_socket(w->server),
	                              "EVAL", "while true do end", "0", NULL},
		NULL);
	wait_until(says_busy, w->server, 0);
	const struct link_world_answer *a = link_world_ask(w, "PING");
	assert_int_equal(a->result, LINK_AGAIN);
	assert_non_null(strstr(a->text, "BUSY"));
	assert_false(a->link_was_up);
	assert_int_equal(w->downs, 1);
	wait_loop_for(w->loop, 500); /* it stays down for as long */
	assert_int_equal(w->ups, 1);
	redis_server_do(w->server, "SCRIPT KILL");
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_int_equal(client_id(w), id);
	process_free(slow);
	link_world_free(w);
}

static void test_master_that_became_a_replica(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	long long id = client_id(w);
	redis_server_do(w->server, "REPLICAOF 127.0.0.1 1");
	link_world_capture_log(w);
	int first = w->sent;
	link_world_send(w, "SET k 1");
	link_world_send(w, "PING"); /* in flight with it: has its own answer */
	bool answered = wait_for(w->loop, link_world_all_answered, w, 0);
	wait_loop_for(w->loop, 500); /* a replica is no server for us */
	char *log = link_world_captured_log(w);
	assert_true(answered);
	assert_int_equal(w->answers[first].result, LINK_AGAIN);
	assert_int_equal(w->answers[first + 1].result, LINK_OK);
	assert_false(w->answers[first].link_was_up);
	assert_int_equal(w->ups, 1);
	assert_int_equal(w->downs, 1);
	assert_int_equal(link_world_count(log, "redis_down"), 1);
	assert_int_equal(link_world_count(log, "redis_refused"), 0); /* it happens in a failover */
	free(log);
	redis_server_do(w->server, "REPLICAOF NO ONE");
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_int_not_equal(client_id(w), id);
	assert_int_equal(link_world_ask(w, "SET k 1")->result, LINK_OK);
	link_world_free(w);
}

/* The log is being captured. */
static bool is_refused(void *world)
{
	char *log = tmpdir_read(((struct link_world *)world)->log_path, NULL);
	bool refused = strstr(log, "redis_refused") != NULL;
	free(log);
	return refused;
}

static void test_wrong_password_until_it_is_mended(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(
		(const char *const[]){"--requirepass", "right", NULL});
	redis_server_set_password(server, "right");
	snprintf(url, sizeof(url), "unix://:wrong@%s", redis_server_socket(server));
	struct link_world *w = link_world_new(server, url);
	link_world_capture_log(w);
	link_world_open(w);
	int64_t began = wait_now_ms();
	bool refused = wait_for(w->loop, is_refused, w, 0);
	wait_loop_for(w->loop, 1500);
	bool up = link_up(w->link);
	long long tries = redis_server_info(server, "stats", "total_connections_received");
	long long most = 4 + (wait_now_ms() - began) / 5000; /* the test's own and our first */
	redis_server_do(server, "CONFIG SET requirepass wrong");
	bool came_up = wait_for(w->loop, link_world_is_up, w, 0);
	char *log = link_world_captured_log(w);
	assert_true(refused);
	assert_false(up);
	assert_true(tries <= most); /* every 5 s, not by the backoff */
	assert_true(came_up);
	assert_int_equal(link_world_count(log, "redis_refused"), 1);
	assert_non_null(strstr(log, "WRONGPASS"));
	assert_null(strstr(log, ":wrong@"));
	free(log);
	link_world_free(w);
}

static void test_password_where_one_is_missing(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(
		(const char *const[]){"--requirepass", "right", NULL});
	redis_server_set_password(server, "right");
	struct link_world *w = link_world_new(server, redis_server_url(server));
	link_world_capture_log(w);
	link_world_open(w);
	bool refused = wait_for(w->loop, is_refused, w, 0);
	wait_loop_for(w->loop, 300); /* and it is said once */
	bool up = link_up(w->link);
	char *log = link_world_captured_log(w);
	assert_true(refused);
	assert_false(up);
	assert_int_equal(link_world_count(log, "redis_refused"), 1);
	assert_non_null(strstr(log, "NOAUTH"));
	free(log);
	link_world_free(w);
}

static void test_command_that_the_acl_forbids(void **state)
{
	char url[512];
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	redis_server_do(server, "ACL SETUSER w on >pw ~mail:* +@all -flushall");
	snprintf(url, sizeof(url), "unix://w:pw@%s", redis_server_socket(server));
	struct link_world *w = link_world_new(server, url);
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	assert_int_equal(link_world_ask(w, "FLUSHALL")->result, LINK_CONFIG);
	assert_int_equal(link_world_ask(w, "GET other")->result, LINK_CONFIG);
	redis_server_do(server, "ACL SETUSER w -set"); /* a script of ours that may not */
	assert_int_equal(
		link_world_ask_script(w, "return redis.call('SET', KEYS[1], 1)", "mail:x")->result,
		LINK_CONFIG);
	assert_int_equal(link_world_ask(w, "GET mail:x")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

static void test_memory_that_is_full(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	assert_int_equal(link_world_ask(w, "HSET h f 1")->result, LINK_OK);
	redis_server_do(w->server, "CONFIG SET maxmemory 1");
	assert_int_equal(link_world_ask(w, "SET k 1")->result, LINK_NOMEM);
	assert_int_equal(
		link_world_ask_script(w, "return redis.call('SET', KEYS[1], 1)", "k")->result,
		LINK_NOMEM);
	/* what a script caught, as text */
	const struct link_world_answer *a = link_world_ask_script(
		w, "return redis.pcall('SET', KEYS[1], 1).err", "k");
	assert_int_equal(a->result, LINK_OK);
	assert_int_equal(link_classify(a->text, strlen(a->text)), LINK_NOMEM);
	assert_int_equal(link_world_ask(w, "HDEL h f")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

static void test_too_few_replicas(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_do(w->server, "CONFIG SET min-replicas-to-write 1");
	assert_int_equal(link_world_ask(w, "SET k 1")->result, LINK_REFUSED);
	assert_int_equal(
		link_world_ask_script(w, "return redis.call('SET', KEYS[1], 1)", "k")->result,
		LINK_REFUSED);
	assert_int_equal(link_world_ask(w, "GET k")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

static void test_disk_that_cannot_be_written(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(trouble_args);
	trouble_begin(w->server, "MISCONF");
	assert_int_equal(link_world_ask(w, "SET k 1")->result, LINK_REFUSED);
	assert_int_equal(
		link_world_ask_script(w, "return redis.call('SET', KEYS[1], 1)", "k")->result,
		LINK_REFUSED);
	assert_int_equal(link_world_ask(w, "GET k")->result, LINK_OK);
	trouble_end(w->server, "MISCONF");
	assert_int_equal(link_world_ask(w, "SET k 1")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

/* A node of a cluster, with the one slot of `{k}`. */
static struct redis_server *start_node(bool with_slot)
{
	struct redis_server *node = redis_server_start_node(
		(const char *const[]){"--cluster-require-full-coverage", "no", NULL});

	if (with_slot)
		redis_server_do(node, "CLUSTER ADDSLOTS %d",
		                (int)redis_server_int(node, "CLUSTER KEYSLOT k"));
	return node;
}

static struct link_world *link_to_node(struct redis_server *node)
{
	struct link_world *w = link_world_new(node, redis_server_url(node));

	w->config.cluster = true;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	return w;
}

static bool is_written(void *world)
{
	return link_world_ask(world, "SET k 1")->result == LINK_OK;
}

/* What is said of a slot is not said of its node: the others that it has are served. */
static void test_slot_that_nobody_serves(void **state)
{
	(void)state;
	struct link_world *w = link_to_node(start_node(false));
	const struct link_world_answer *a = link_world_ask(w, "SET k 1");
	assert_int_equal(a->result, LINK_AGAIN);
	assert_non_null(strstr(a->text, "CLUSTERDOWN"));
	assert_true(a->link_was_up);
	redis_server_do(w->server, "CLUSTER ADDSLOTS %d",
	                (int)redis_server_int(w->server, "CLUSTER KEYSLOT k"));
	wait_until(is_written, w, 0);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

struct pair {
	struct redis_server *node;
	const char *id; /* of the other */
};

static bool has_met(void *arg)
{
	const struct pair *p = arg;
	char *nodes = redis_server_text(p->node, "CLUSTER NODES");
	char *at = strstr(nodes, p->id);
	bool met = at && !memmem(at, strcspn(at, "\n"), "handshake", strlen("handshake"));

	free(nodes);
	return met;
}

/* Some keys of a call have moved with their slot, and some have not. */
static void test_slot_on_its_way(void **state)
{
	(void)state;
	struct link_world *w = link_to_node(start_node(true));
	struct redis_server *other = start_node(false);
	char *id = redis_server_text(other, "CLUSTER MYID");
	const struct link_world_answer *a;
	redis_server_do(w->server, "CLUSTER MEET 127.0.0.1 %d", redis_server_port(other));
	wait_until(has_met, (&(struct pair){w->server, id}), 0);
	wait_until(is_written, w, 0); /* it takes its time before it says that it is one */
	redis_server_do(w->server, "SET {k}1 here");
	redis_server_do(w->server, "CLUSTER SETSLOT %d MIGRATING %s",
	                (int)redis_server_int(w->server, "CLUSTER KEYSLOT k"), id);
	a = link_world_ask(w, "MGET {k}1 {k}2");
	assert_int_equal(a->result, LINK_AGAIN);
	assert_non_null(strstr(a->text, "TRYAGAIN"));
	assert_true(a->link_was_up);
	assert_int_equal(link_world_ask(w, "GET {k}1")->result, LINK_OK);
	assert_int_equal(w->downs, 0);
	free(id);
	redis_server_free(other);
	link_world_free(w);
}

/* To one who does not know that it is a cluster, it is the server that says so: the link is down until it serves. */
static void test_cluster_that_is_taken_for_one_server(void **state)
{
	(void)state;
	struct redis_server *node = start_node(false);
	struct link_world *w = link_world_new(node, redis_server_url(node));
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	const struct link_world_answer *a = link_world_ask(w, "SET k 1");
	assert_int_equal(a->result, LINK_AGAIN);
	assert_false(a->link_was_up);
	assert_int_equal(w->downs, 1);
	wait_loop_until(w->loop, link_world_is_up, w, 0); /* the same connection: it answers PING */
	link_world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts_that_the_server_forgot),
		cmocka_unit_test(test_busy_server),
		cmocka_unit_test(test_master_that_became_a_replica),
		cmocka_unit_test(test_wrong_password_until_it_is_mended),
		cmocka_unit_test(test_password_where_one_is_missing),
		cmocka_unit_test(test_command_that_the_acl_forbids),
		cmocka_unit_test(test_memory_that_is_full),
		cmocka_unit_test(test_too_few_replicas),
		cmocka_unit_test(test_disk_that_cannot_be_written),
		cmocka_unit_test(test_slot_that_nobody_serves),
		cmocka_unit_test(test_slot_on_its_way),
		cmocka_unit_test(test_cluster_that_is_taken_for_one_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

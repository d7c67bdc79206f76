/* The way to Redis on a real cluster: what is known of slots, and what is asked behind a write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/keys.h"
#include "redis/topology.h"
#include "redis/value.h"
#include "support/cluster.h"
#include "support/wait.h"
#include "support/wire.h"

#define NOT_TOLD (-2)
#define NO_NUMBER (-1)

/* A topology on a cluster, its loop, and what the last write's functions were told. */
struct world {
	struct cluster_world *cluster;
	struct ev_loop *loop;
	struct topology *topology;
	enum link_result result;
	long long answer, replicas, disk; /* NOT_TOLD; NO_NUMBER: no answer that is one */
	int told;
	char error[200];
};

static void on_change(void *data, bool up)
{
	(void)data;
	(void)up;
}

static void begin(struct world *w, const char *url, const char *const *args)
{
	struct topology_config config;
	struct error err;
	char *whole = NULL;

	if (!w->cluster)
		w->cluster = cluster_start_with(args);
	if (url)
		assert_true(asprintf(&whole, "redis+cluster://%s", url) > 0);
	if (!topology_config_parse(&config, whole ? whole : cluster_url(w->cluster), &err))
		fail_msg("%s", err.text);
	free(whole);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	w->topology = topology_open(w->loop, &config, on_change, w);
	topology_config_free(&config);
}

static void hang_up(struct world *w)
{
	topology_close(w->topology);
	ev_loop_destroy(w->loop);
}

static void end(struct world *w)
{
	hang_up(w);
	cluster_free(w->cluster);
}

/* A key whose slot the node has, by what it says itself. */
static char *key_of(const struct world *w, int node, int nth)
{
	char key[32];

	for (int i = 0;; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		if (cluster_owner(w->cluster, node, key) == node && nth-- == 0)
			return strdup(key);
	}
}

struct asked {
	struct world *world;
	const char *key;
};

static bool is_served(void *arg)
{
	const struct asked *a = arg;

	return topology_serves(a->world->topology, a->key);
}

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct world *w = data;

	w->told++;
	w->result = result;
	w->answer = result == LINK_OK ? reply->integer : NO_NUMBER;
}

static void on_replicas(void *data, enum link_result result, const redisReply *reply)
{
	struct world *w = data;

	w->told++;
	w->replicas = result == LINK_OK ? reply->integer : NO_NUMBER;
}

static void on_disk(void *data, enum link_result result, const redisReply *reply)
{
	struct world *w = data;

	w->told++;
	w->disk = result == LINK_OK ? value_int_at(reply, 0) : NO_NUMBER;
	snprintf(w->error, sizeof(w->error), "%s", result != LINK_OK && reply ? reply->str : "");
}

static bool has_been_told(void *arg)
{
	const struct asked *a = arg;

	return a->world->told == 3;
}

/* INCR key, and behind it how many replicas and whether the disk have it. Returns with the answers in w. */
static void write_waiting(struct world *w, const char *key)
{
	struct asked a = {w, key};
	struct waiting waiting = {.replicas = 1,
	                          .replicas_ms = 20000,
	                          .on_replicas = on_replicas,
	                          .disk_ms = 20000,
	                          .on_disk = on_disk};
	struct command c;

	wait_loop_until(w->loop, is_served, &a, 0);
	w->told = 0;
	w->replicas = w->disk = w->answer = NOT_TOLD;
	command_init(&c);
	command_str(&c, "INCR");
	command_str(&c, key);
	assert_true(topology_send_waiting(w->topology, &c, &waiting, on_answer, w));
	command_free(&c);
	wait_loop_until(w->loop, has_been_told, &a, 0);
	assert_int_equal(w->result, LINK_OK);
}

static long long redirections(struct world *w, int node)
{
	char *info = redis_server_text(cluster_node(w->cluster, node), "INFO errorstats");
	const char *at = strstr(info, "errorstat_MOVED:count=");
	long long n = at ? strtoll(at + strlen("errorstat_MOVED:count="), NULL, 10) : 0;

	free(info);
	return n;
}

/* What is asked behind a write goes to the node of its slot, over the connection of the write; also when the
 * slot has moved meanwhile. */
static void test_questions_go_the_way_of_the_write(void **state)
{
	struct world w = {0};
	char *here, *there, *moves;
	long long before;
	bool disk;

	(void)state;
	begin(&w, NULL,
	      (const char *const[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
	disk = redis_server_knows(cluster_node(w.cluster, 0), "WAITAOF");
	if (!disk)
		print_message("this Redis has no WAITAOF: that it is asked is not shown\n");
	here = key_of(&w, 0, 0);
	there = key_of(&w, 1, 0);
	moves = key_of(&w, 1, 1);
	redis_server_do(cluster_node(w.cluster, 0), "CONFIG SET appendonly no");

	write_waiting(&w, there);
	assert_int_equal(w.answer, 1);
	assert_int_equal(w.replicas, 1);
	assert_int_equal(w.disk, disk ? 1 : NO_NUMBER);
	write_waiting(&w, here);
	assert_int_equal(w.answer, 1);
	assert_int_equal(w.replicas, 1);
	assert_int_equal(w.disk, NO_NUMBER); /* this node cannot say so */
	assert_non_null(strstr(w.error, disk ? "appendonly is disabled" : "ERR"));

	before = redirections(&w, 1);
	cluster_move_slot(w.cluster, moves, 1, 2);
	write_waiting(&w, moves);
	assert_int_equal(redirections(&w, 1), before + 1);
	assert_int_equal(w.answer, 1); /* once, whoever was asked first */
	assert_int_equal(w.replicas, 1);
	assert_int_equal(w.disk, disk ? 1 : NO_NUMBER);
	free(here);
	free(there);
	free(moves);
	end(&w);
}

struct watched {
	struct world *world;
	struct wire *wire;
	const char *key;
	unsigned old_life; /* of the node that the key was moved from */
	bool reverted;
	size_t asked;
};

static bool asks_again(void *arg)
{
	struct watched *a = arg;

	a->reverted = a->reverted || topology_life(a->world->topology, a->key) == a->old_life;
	return wire_count(a->wire, "CLUSTER") > a->asked;
}

/* The map is asked for over the wire, and was so once. (When a machine is so busy that a node was long in coming up,
 * others are asked for it, too: then once more.) */
static void begin_over(struct world *w, struct wire *wire, const char *key)
{
	for (size_t before = 0;; before = wire_count(wire, "CLUSTER")) {
		begin(w, wire_url(wire), NULL);
		wait_loop_until(w->loop, is_served, (&(struct asked){w, key}), 0);
		if (wire_count(wire, "CLUSTER") == before + 1)
			return;
		hang_up(w);
	}
}

/* The map is on its way when a slot moves: what a node has said since of that slot counts for more. */
static void test_a_map_older_than_a_redirection(void **state)
{
	struct world w = {.cluster = cluster_start()};
	struct wire *wire = wire_start_tcp(redis_server_socket(cluster_node(w.cluster, 3)));
	struct watched a = {.world = &w, .wire = wire};
	char *first, *second;
	long long before;

	(void)state;
	first = key_of(&w, 0, 0);
	second = key_of(&w, 0, 1);
	begin_over(&w, wire, second);
	wire_hold(wire, WIRE_REPLY, "CLUSTER");
	a.key = second;
	a.old_life = topology_life(w.topology, second);
	cluster_move_slot(w.cluster, first, 0, 1);
	write_waiting(&w, first); /* is led to node 1, and the map is asked for … */
	wire_wait_held(wire);     /* … which is made, and does not arrive */
	cluster_move_slot(w.cluster, second, 0, 2);
	write_waiting(&w, second);
	assert_int_not_equal(topology_life(w.topology, second), a.old_life);
	a.asked = wire_count(wire, "CLUSTER");
	before = redirections(&w, 0);
	wire_pass(wire);
	wait_loop_until(w.loop, asks_again, &a, 0);
	assert_false(a.reverted);
	write_waiting(&w, second);
	assert_int_equal(w.answer, 2);
	assert_int_equal(redirections(&w, 0), before);
	free(first);
	free(second);
	end(&w);
	wire_free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions_go_the_way_of_the_write),
		cmocka_unit_test(test_a_map_older_than_a_redirection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/keys.h"
#include "support/process.h"
#include "support/wait.h"

#define MAX_ARGS 24
#define MAX_CLI 32
#define MAX_SAID 1000      /* of what redis-cli says are shown */
#define PATIENT_MS "15000" /* until a node is taken for dead */
#define PROMPT_MS "2000"

struct cluster_world {
	struct redis_server *nodes[CLUSTER_NODES];
	char addresses[CLUSTER_NODES][32];
	char *ids[CLUSTER_NODES];
	char *url;
};

/* `argv` gets the command line's name, what TLS asks for, and the arguments. */
static void make_cli(const char **argv, const char *const *arguments)
{
	size_t n = 0;

	argv[n++] = redis_server_cli();
	for (const char *const *a = redis_server_cli_tls(); *a; a++)
		argv[n++] = *a;
	for (; *arguments; arguments++) {
		assert_true(n + 1 < MAX_CLI);
		argv[n++] = *arguments;
	}
	argv[n] = NULL;
}

static void run_cli(const char *const *arguments)
{
	const char *argv[MAX_CLI];
	char *out = NULL, *err = NULL;

	make_cli(argv, arguments);
	if (process_run(argv, NULL, "", &out, &err) != 0)
		fail_msg("%s %s %s: %s%s", argv[0], arguments[0], arguments[1], out, err);
	free(out);
	free(err);
}

static bool is_whole(void *arg)
{
	const struct cluster_world *c = arg;

	for (int i = 0; i < CLUSTER_NODES; i++) {
		char *info = redis_server_text(c->nodes[i], "CLUSTER INFO");
		bool ok = strstr(info, "cluster_state:ok") && strstr(info, "cluster_size:3") &&
		          strstr(info, "cluster_known_nodes:6");

		free(info);
		if (!ok)
			return false;
		info = redis_server_text(c->nodes[i], "INFO replication");
		ok = strstr(info, "connected_slaves:1") || strstr(info, "master_link_status:up");
		free(info);
		if (!ok)
			return false;
	}
	return true;
}

struct cluster_world *cluster_start(void)
{
	return cluster_start_with(NULL);
}

struct cluster_world *cluster_start_with(const char *const *extra_args)
{
	struct cluster_world *c = calloc(1, sizeof(*c));
	const char *arguments[CLUSTER_NODES + 6] = {"--cluster", "create"};
	const char *args[MAX_ARGS] = {"--cluster-node-timeout", PATIENT_MS,
	                              "--repl-diskless-sync-delay", "0"};

	assert_non_null(c);
	for (size_t i = 0; extra_args && extra_args[i]; i++) {
		assert_true(4 + i + 1 < MAX_ARGS);
		args[4 + i] = extra_args[i];
	}
	for (int i = 0; i < CLUSTER_NODES; i++) {
		c->nodes[i] = redis_server_start_node(args);
		snprintf(c->addresses[i], sizeof(c->addresses[i]), "127.0.0.1:%d",
		         redis_server_port(c->nodes[i]));
		c->ids[i] = redis_server_text(c->nodes[i], "CLUSTER MYID");
		arguments[2 + i] = c->addresses[i];
	}
	arguments[2 + CLUSTER_NODES] = "--cluster-replicas";
	arguments[3 + CLUSTER_NODES] = "1";
	arguments[4 + CLUSTER_NODES] = "--cluster-yes";
	run_cli(arguments);
	wait_until(is_whole, c, 0);
	assert_true(asprintf(&c->url, "redis+cluster://%s,%s%s", c->addresses[0], c->addresses[5],
	                     redis_server_tls_parameters()) > 0);
	return c;
}

void cluster_free(struct cluster_world *c)
{
	if (!c)
		return;
	for (int i = 0; i < CLUSTER_NODES; i++) {
		redis_server_free(c->nodes[i]);
		free(c->ids[i]);
	}
	free(c->url);
	free(c);
}

void cluster_kill(const struct cluster_world *c, int i)
{
	for (int other = 0; other < CLUSTER_NODES; other++)
		if (other != i)
			redis_server_do(c->nodes[other],
			                "CONFIG SET cluster-node-timeout " PROMPT_MS);
	redis_server_kill(c->nodes[i]);
}

const char *cluster_url(const struct cluster_world *c)
{
	return c->url;
}

struct redis_server *cluster_node(const struct cluster_world *c, int i)
{
	return c->nodes[i];
}

/* (By its id: who does not speak TLS is told no port of a node that does.) */
int cluster_owner(const struct cluster_world *c, int asked, const char *key)
{
	redisReply *r = redis_server_cmd(c->nodes[asked], "CLUSTER SLOTS");
	long long slot = keys_slot(key, strlen(key));
	int owner = -1;

	for (size_t i = 0; i < r->elements; i++) {
		const redisReply *range = r->element[i];

		if (slot < range->element[0]->integer || slot > range->element[1]->integer)
			continue;
		for (int n = 0; n < CLUSTER_NODES; n++)
			if (strcmp(c->ids[n], range->element[2]->element[2]->str) == 0)
				owner = n;
	}
	freeReplyObject(r);
	assert_true(owner >= 0);
	return owner;
}

void cluster_move_slot(const struct cluster_world *c, const char *key, int from, int to)
{
	const char *from_id = c->ids[from], *to_id = c->ids[to];
	int slot = (int)keys_slot(key, strlen(key));

	redis_server_do(c->nodes[to], "CLUSTER SETSLOT %d IMPORTING %s", slot, from_id);
	redis_server_do(c->nodes[from], "CLUSTER SETSLOT %d MIGRATING %s", slot, to_id);
	redis_server_do(c->nodes[to], "CLUSTER SETSLOT %d NODE %s", slot, to_id);
	redis_server_do(c->nodes[from], "CLUSTER SETSLOT %d NODE %s", slot, to_id);
}

/* The command line refuses to begin while one node has not heard yet what the others know. */
static bool is_agreed(void *arg)
{
	const struct cluster_world *c = arg;
	const char *argv[MAX_CLI];

	make_cli(argv, (const char *const[]){"--cluster", "check", c->addresses[0], NULL});
	return process_run(argv, NULL, "", NULL, NULL) == 0;
}

struct process *cluster_reshard(const struct cluster_world *c, int from, int to, int n)
{
	const char *from_id = c->ids[from], *to_id = c->ids[to];
	char slots[16];
	const char *argv[MAX_CLI];
	struct process *p;

	wait_until(is_agreed, (void *)(uintptr_t)c, 0);
	snprintf(slots, sizeof(slots), "%d", n);
	make_cli(argv, (const char *const[]){"--cluster", "reshard", c->addresses[to],
	                                     "--cluster-from", from_id, "--cluster-to", to_id,
	                                     "--cluster-slots", slots, "--cluster-yes", NULL});
	p = process_start(argv, NULL);
	return p;
}

void cluster_reshard_end(struct process *reshard)
{
	int code = process_wait(reshard, 0);

	if (code != 0) {
		char *out = process_stdout(reshard), *err = process_stderr(reshard);
		size_t n = strlen(out);

		fail_msg("the reshard ended with %d: … %s%s", code,
		         n > MAX_SAID ? out + n - MAX_SAID : out, err);
	}
	process_free(reshard);
}

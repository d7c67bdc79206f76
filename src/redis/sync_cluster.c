#include "redis/sync_cluster.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/cluster_map.h"
#include "redis/keys.h"
#include "redis/link_error.h"
#include "redis/sync.h"

#define MAX_NODES 1000
#define PAUSE_NS 20000000 /* until what cannot be executed now is asked again */

struct node {
	struct topology_seed at;
	struct sync *sync;
};

struct sync_cluster {
	struct topology_config config;
	struct node *nodes;
	size_t n_nodes, last;       /* last: was asked last */
	short slots[CLUSTER_SLOTS]; /* an index of nodes; -1 not known */
	bool lost;
};

/* A connection to that node, new or old. False: err. */
static bool find_node(struct sync_cluster *c, const char *host, int port, size_t *at,
                      struct error *err)
{
	struct topology_config one;
	struct sync *sync;

	for (*at = 0; *at < c->n_nodes; ++*at)
		if (c->nodes[*at].at.port == port && strcmp(c->nodes[*at].at.host, host) == 0)
			return true;
	if (c->n_nodes == MAX_NODES)
		return error_set(err, "there are more than %d nodes", MAX_NODES);
	topology_config_copy(&one, &c->config);
	one.kind = TOPOLOGY_ONE;
	one.link.host = mem_strdup(host);
	one.link.port = port;
	sync = sync_open(&one, err);
	topology_config_free(&one);
	if (!sync)
		return false;
	c->nodes = mem_realloc(c->nodes, (c->n_nodes + 1) * sizeof(*c->nodes));
	c->nodes[c->n_nodes++] = (struct node){{mem_strdup(host), port}, sync};
	return true;
}

struct sync_cluster *sync_cluster_open(const struct topology_config *config, struct error *err)
{
	struct sync_cluster *c = mem_zalloc(sizeof(*c));

	topology_config_copy(&c->config, config);
	memset(c->slots, -1, sizeof(c->slots));
	for (size_t i = 0; i < config->n_seeds; i++)
		if (find_node(c, config->seeds[i].host, config->seeds[i].port, &c->last, err))
			return c;
	sync_cluster_close(c);
	return NULL;
}

void sync_cluster_close(struct sync_cluster *c)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		sync_close(c->nodes[i].sync);
		mem_free(c->nodes[i].at.host);
	}
	mem_free(c->nodes);
	topology_config_free(&c->config);
	mem_free(c);
}

static redisReply *ask(struct sync_cluster *c, size_t node, struct command *command, bool asking,
                       struct error *err)
{
	struct sync *s = c->nodes[node].sync;
	redisReply *reply = NULL, *ignored;
	struct command first;
	bool ok = true;

	command_init(&first);
	command_str(&first, "ASKING");
	if (asking && (ok = sync_run_all(s, &first, 1, &ignored, err)))
		freeReplyObject(ignored);
	command_free(&first);
	c->last = node;
	if (ok && sync_run_all(s, command, 1, &reply, err))
		return reply;
	c->lost = true;
	return NULL;
}

static bool is_of_slot(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR && link_error_find(reply->str, reply->len)->of_slot;
}

static bool redirect(struct sync_cluster *c, const redisReply *reply, size_t *node, bool *asking,
                     struct error *err)
{
	struct cluster_redirect r;

	*asking = false;
	if (!cluster_redirect_read(&r, reply->str, reply->len)) {
		/* TRYAGAIN, CLUSTERDOWN */
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		return true;
	}
	if (!find_node(c, *r.host ? r.host : c->nodes[*node].at.host, r.port, node, err)) {
		c->lost = true;
		return false;
	}
	*asking = r.ask;
	if (!r.ask)
		c->slots[r.slot] = (short)*node;
	return true;
}

redisReply *sync_cluster_run(struct sync_cluster *c, struct command *command, struct error *err)
{
	int64_t until = clock_mono_us() + (int64_t)c->config.link.timeout_ms * 1000;
	size_t node = c->last, n;
	bool asking = false;
	redisReply *reply;
	const char *key;

	if (command_key(command, &key, &n) && c->slots[keys_slot(key, (unsigned long)n)] >= 0)
		node = (size_t)c->slots[keys_slot(key, (unsigned long)n)];
	for (;;) {
		reply = ask(c, node, command, asking, err);
		if (!reply || !is_of_slot(reply) || clock_mono_us() > until)
			return reply;
		bool ok = redirect(c, reply, &node, &asking, err);
		freeReplyObject(reply);
		if (!ok)
			return NULL;
	}
}

bool sync_cluster_lost(const struct sync_cluster *c)
{
	return c->lost;
}

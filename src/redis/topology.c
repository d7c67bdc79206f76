#include "redis/topology.h"

#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "redis/cluster.h"
#include "redis/keys.h"
#include "redis/sentinel.h"

struct topology_line {
	TAILQ_ENTRY(topology_line) entry;
	struct topology *topology;
	struct link *link;
	unsigned slot;
	link_fn *fn; /* of the command on its way */
	void *data;
};

struct topology {
	struct cluster *cluster; /* NULL: there is only `link` */
	struct ev_loop *loop;
	struct topology_config config;
	void (*on_change)(void *data, bool up);
	void *data;
	struct link *link;
	unsigned life;             /* how often it came up */
	struct sentinel *sentinel; /* says where the link and the lines go; NULL: not asked */
	TAILQ_HEAD(, topology_line) lines;
};

static void on_link(void *data, bool up)
{
	struct topology *t = data;

	t->life += up;
	t->on_change(t->data, up);
}

static void on_master(void *data, const char *host, int port)
{
	struct topology *t = data;
	struct topology_line *l;

	TAILQ_FOREACH(l, &t->lines, entry)
	{
		link_aim(l->link, host, port);
	}
	link_aim(t->link, host, port);
}

/* --- a cluster ---------------------------------------------------------------------------------- */

static void aim_line(struct topology_line *l)
{
	const char *host;
	int port;

	if (cluster_where(l->topology->cluster, l->slot, &host, &port))
		link_aim(l->link, host, port);
}

static void on_moved(void *data)
{
	struct topology *t = data;
	struct topology_line *l;

	TAILQ_FOREACH(l, &t->lines, entry)
	{
		aim_line(l);
	}
}

static void on_cluster(void *data, bool up)
{
	struct topology *t = data;

	t->on_change(t->data, up);
}

static const struct cluster_events cluster_events = {.changed = on_cluster, .moved = on_moved};

/* --- the interface ------------------------------------------------------------------------------ */

struct topology *topology_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_change)(void *data, bool up), void *data)
{
	struct topology *t = mem_zalloc(sizeof(*t));

	t->loop = loop;
	topology_config_copy(&t->config, config);
	t->on_change = on_change;
	t->data = data;
	TAILQ_INIT(&t->lines);
	if (config->kind == TOPOLOGY_CLUSTER) {
		t->cluster = cluster_open(loop, &t->config, &cluster_events, t);
		return t;
	}
	t->link = link_open(loop, &t->config.link, on_link, t);
	if (config->kind == TOPOLOGY_SENTINEL)
		t->sentinel = sentinel_open(loop, &t->config, on_master, t);
	return t;
}

void topology_close(struct topology *t)
{
	if (t->cluster)
		cluster_close(t->cluster);
	if (t->sentinel)
		sentinel_close(t->sentinel);
	if (t->link)
		link_close(t->link);
	topology_config_free(&t->config);
	mem_free(t);
}

bool topology_up(const struct topology *t)
{
	return t->cluster ? cluster_up(t->cluster) : link_up(t->link);
}

unsigned topology_slot(const struct topology *t, const char *key)
{
	return t->cluster ? keys_slot(key, strlen(key)) : 0;
}

bool topology_has_slots(const struct topology *t)
{
	return t->cluster != NULL;
}

bool topology_serves(const struct topology *t, const char *key)
{
	return t->cluster ? cluster_serves(t->cluster, topology_slot(t, key)) : link_up(t->link);
}

unsigned topology_life(const struct topology *t, const char *key)
{
	return t->cluster ? cluster_life(t->cluster, topology_slot(t, key)) : t->life;
}

unsigned topology_lives(const struct topology *t)
{
	return t->cluster ? cluster_lives(t->cluster) : t->life;
}

bool topology_send(struct topology *t, struct command *c, int deadline_ms, link_fn *fn, void *data)
{
	if (t->cluster)
		return cluster_send(t->cluster, c, deadline_ms, NULL, fn, data);
	return link_send(t->link, c, deadline_ms, fn, data);
}

bool topology_send_waiting(struct topology *t, struct command *c, const struct waiting *w,
                           link_fn *fn, void *data)
{
	if (t->cluster)
		return cluster_send(t->cluster, c, 0, w, fn, data);
	return waiting_send(t->link, c, 0, t->config.link.timeout_ms, w, fn, data);
}

void topology_send_everywhere(struct topology *t, struct command *c, link_fn *fn, void *data)
{
	if (t->cluster)
		cluster_send_everywhere(t->cluster, c, fn, data);
	else
		(void)!link_send(t->link, c, 0, fn, data);
}

void topology_stats(const struct topology *t, struct link_stats *out)
{
	if (t->cluster)
		cluster_stats(t->cluster, out);
	else
		link_stats(t->link, out);
}

/* --- lines -------------------------------------------------------------------------------------- */

/* The loop turns, and with it whoever has the line looks whether it is up. */
static void on_line(void *data, bool up)
{
	(void)data;
	(void)up;
}

struct topology_line *topology_line_open(struct topology *t, const char *key)
{
	struct topology_line *l = mem_zalloc(sizeof(*l));
	const char *host;
	int port;

	l->topology = t;
	l->slot = topology_slot(t, key);
	l->link = link_open(t->loop, &t->config.link, on_line, l);
	if (t->cluster)
		aim_line(l);
	else if (t->sentinel && sentinel_master(t->sentinel, &host, &port))
		link_aim(l->link, host, port);
	TAILQ_INSERT_TAIL(&t->lines, l, entry);
	return l;
}

void topology_line_close(struct topology_line *l)
{
	TAILQ_REMOVE(&l->topology->lines, l, entry);
	link_close(l->link);
	mem_free(l);
}

bool topology_line_up(const struct topology_line *l)
{
	return link_up(l->link);
}

/* In a cluster the slot may have moved: whoever has the line asks again, and is led to the right node. */
static void on_line_answered(void *data, enum link_result result, const redisReply *reply)
{
	struct topology_line *l = data;
	struct cluster *cluster = l->topology->cluster;
	link_fn *fn = l->fn;
	void *fn_data = l->data;
	const char *host;
	int port;

	if (cluster && result == LINK_AGAIN && cluster_where(cluster, l->slot, &host, &port))
		cluster_told(cluster, host, reply);
	fn(fn_data, result, reply);
}

bool topology_line_send(struct topology_line *l, struct command *c, int deadline_ms, link_fn *fn,
                        void *data)
{
	if (!link_send(l->link, c, deadline_ms, on_line_answered, l))
		return false;
	l->fn = fn;
	l->data = data;
	return true;
}

#include "redis/topology.h"

#include <sys/queue.h>

#include "base/mem.h"
#include "redis/sentinel.h"

struct topology_line {
	TAILQ_ENTRY(topology_line) entry;
	struct topology *topology;
	struct link *link;
};

struct topology {
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

struct topology *topology_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_change)(void *data, bool up), void *data)
{
	struct topology *t = mem_zalloc(sizeof(*t));

	t->loop = loop;
	topology_config_copy(&t->config, config);
	t->on_change = on_change;
	t->data = data;
	TAILQ_INIT(&t->lines);
	t->link = link_open(loop, &t->config.link, on_link, t);
	if (t->config.kind == TOPOLOGY_SENTINEL)
		t->sentinel = sentinel_open(loop, &t->config, on_master, t);
	return t;
}

void topology_close(struct topology *t)
{
	if (t->sentinel)
		sentinel_close(t->sentinel);
	link_close(t->link);
	topology_config_free(&t->config);
	mem_free(t);
}

bool topology_up(const struct topology *t)
{
	return link_up(t->link);
}

bool topology_serves(const struct topology *t, const char *key)
{
	(void)key;
	return link_up(t->link);
}

unsigned topology_life(const struct topology *t, const char *key)
{
	(void)key;
	return t->life;
}

unsigned topology_slot(const struct topology *t, const char *key)
{
	(void)t;
	(void)key;
	return 0;
}

bool topology_has_slots(const struct topology *t)
{
	return t->config.kind == TOPOLOGY_CLUSTER;
}

bool topology_send(struct topology *t, struct command *c, int deadline_ms, link_fn *fn, void *data)
{
	return link_send(t->link, c, deadline_ms, fn, data);
}

/* --- with replicas ------------------------------------------------------------------------------- */

struct waiting {
	link_fn *fn, *waited;
	void *data;
	bool asked; /* WAIT is on its way */
};

static void on_waited(void *data, enum link_result result, const redisReply *reply)
{
	struct waiting w = *(struct waiting *)data;

	mem_free(data);
	w.waited(w.data, result, reply);
}

static void on_answered(void *data, enum link_result result, const redisReply *reply)
{
	struct waiting *w = data;
	bool asked = w->asked;

	w->fn(w->data, result, reply);
	if (!asked)
		on_waited(w, LINK_LOST, NULL);
}

bool topology_send_waiting(struct topology *t, struct command *c, int64_t replicas, int ms,
                           link_fn *fn, link_fn *waited, void *data)
{
	struct waiting *w = mem_alloc(sizeof(*w));
	struct command wait;

	*w = (struct waiting){fn, waited, data, false};
	if (!link_send(t->link, c, 0, on_answered, w)) {
		mem_free(w);
		return false;
	}
	command_init(&wait);
	command_str(&wait, "WAIT");
	command_int(&wait, replicas);
	command_int(&wait, ms);
	/* where this fails the link is lost, and on_answered will be told so */
	w->asked = link_send(t->link, &wait, 0, on_waited, w);
	command_free(&wait);
	return true;
}

bool topology_has_replicas(enum link_result result, const redisReply *reply, int64_t replicas)
{
	return result == LINK_OK && reply->type == REDIS_REPLY_INTEGER &&
	       reply->integer >= replicas;
}

void topology_send_everywhere(struct topology *t, struct command *c, link_fn *fn, void *data)
{
	(void)!link_send(t->link, c, 0, fn, data);
}

void topology_stats(const struct topology *t, struct link_stats *out)
{
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

	(void)key;
	l->topology = t;
	l->link = link_open(t->loop, &t->config.link, on_line, l);
	if (t->sentinel && sentinel_master(t->sentinel, &host, &port))
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

bool topology_line_send(struct topology_line *l, struct command *c, int deadline_ms, link_fn *fn,
                        void *data)
{
	return link_send(l->link, c, deadline_ms, fn, data);
}

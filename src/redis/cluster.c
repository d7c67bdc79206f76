#include "redis/cluster.h"

#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/cluster_slots.h"
#include "redis/keys.h"
#include "redis/link_error.h"

#define REDO_MS 20     /* until what could not be executed is sent again … */
#define REDO_AT_ONCE 3 /* … after so many redirections that were followed at once */

/* A command on its way. */
struct call {
	TAILQ_ENTRY(call) entry; /* of `redo` */
	struct cluster *cluster;
	struct command command;
	struct cluster_node *node; /* that was asked */
	struct cluster_node *ask;  /* that is to be asked, this once; NULL: whoever has the slot */
	unsigned slot, tries;
	int64_t until_us;       /* mono clock */
	struct waiting waiting; /* what is asked behind it */
	unsigned pending;       /* answers that are still to come, of this try */
	bool again;             /* … and then it is sent again */
	struct error error;     /* why */
	link_fn *fn;
	void *data;
};

TAILQ_HEAD(call_list, call);

struct cluster {
	struct ev_loop *loop;
	const struct topology_config *config;
	struct cluster_slots *slots;
	bool closed;
	struct call_list redo; /* not executed, and to be sent again soon */
	ev_timer redo_timer;
	struct command scratch;
};

/* --- commands ----------------------------------------------------------------------------------- */

static void call_free(struct call *call)
{
	command_free(&call->command);
	mem_free(call);
}

/* Ends a call that nobody has executed. */
static void give_up(struct call *call)
{
	redisReply reply = {.type = REDIS_REPLY_ERROR, .str = call->error.text};
	bool lost = call->cluster->closed;

	reply.len = strlen(call->error.text);
	call->fn(call->data, lost ? LINK_LOST : LINK_AGAIN, lost ? NULL : &reply);
	if (call->waiting.on_replicas)
		call->waiting.on_replicas(call->data, LINK_LOST, NULL);
	if (call->waiting.on_disk)
		call->waiting.on_disk(call->data, LINK_LOST, NULL);
	call_free(call);
}

static void redo_later(struct call *call)
{
	struct cluster *c = call->cluster;

	if (c->closed) {
		give_up(call);
		return;
	}
	TAILQ_INSERT_TAIL(&c->redo, call, entry);
	cluster_slots_hold(c->slots, true); /* the node that it is to ask */
	if (!ev_is_active(&c->redo_timer)) {
		ev_timer_set(&c->redo_timer, REDO_MS / 1e3, 0.);
		ev_timer_start(c->loop, &c->redo_timer);
	}
}

static void on_answer(void *data, enum link_result result, const redisReply *reply);
static void on_replicas(void *data, enum link_result result, const redisReply *reply);
static void on_disk(void *data, enum link_result result, const redisReply *reply);

static void on_asking(void *data, enum link_result result, const redisReply *reply)
{
	(void)data;
	(void)result;
	(void)reply;
}

static bool send_call(struct call *call, struct link *to, int deadline_ms)
{
	struct waiting w = call->waiting;

	call->pending = 1;
	if (!w.on_replicas && !w.on_disk)
		return link_send(to, &call->command, deadline_ms, on_answer, call);
	w.on_replicas = w.on_replicas ? on_replicas : NULL;
	w.on_disk = w.on_disk ? on_disk : NULL;
	call->pending += (w.on_replicas != NULL) + (w.on_disk != NULL);
	return waiting_send(to, &call->command, deadline_ms, call->cluster->config->link.timeout_ms,
	                    &w, on_answer, call);
}

/* False: it cannot be sent now. */
static bool dispatch(struct call *call)
{
	struct cluster *c = call->cluster;
	struct cluster_node *n = call->ask ? call->ask : cluster_slots_node(c->slots, call->slot);
	int64_t left_ms = (call->until_us - clock_mono_us()) / 1000;

	if (!n || !link_up(n->link))
		return false;
	if (call->ask) {
		command_clear(&c->scratch);
		command_str(&c->scratch, "ASKING");
		if (!link_send(n->link, &c->scratch, 0, on_asking, c))
			return false;
	}
	if (!send_call(call, n->link, left_ms > 1 ? (int)left_ms : 1))
		return false;
	n->used_us = clock_mono_us();
	call->node = n;
	call->again = false;
	return true;
}

static void again(struct call *call)
{
	if (call->cluster->closed) {
		give_up(call); /* the nodes are going */
		return;
	}
	bool redirected = strncmp(call->error.text, "MOVED", 5) == 0 || call->ask != NULL;

	if (!redirected || call->tries++ >= REDO_AT_ONCE || !dispatch(call))
		redo_later(call);
}

static bool is_of_slot(enum link_result result, const redisReply *reply)
{
	return result == LINK_AGAIN && link_error_find(reply->str, reply->len)->of_slot;
}

/* One answer more is there. After the last one the call goes, or goes again. */
static void answered(struct call *call)
{
	if (--call->pending > 0)
		return;
	if (call->again)
		again(call);
	else
		call_free(call);
}

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct call *call = data;

	if (is_of_slot(result, reply) && !call->cluster->closed) {
		error_set(&call->error, "%s", reply->str);
		call->ask = cluster_slots_redirect(call->cluster->slots, call->node->at.host,
		                                   reply);
		call->again = true;
	} else {
		call->fn(call->data, result, reply);
	}
	answered(call);
}

static void on_replicas(void *data, enum link_result result, const redisReply *reply)
{
	struct call *call = data;

	if (!call->again)
		call->waiting.on_replicas(call->data, result, reply);
	answered(call);
}

static void on_disk(void *data, enum link_result result, const redisReply *reply)
{
	struct call *call = data;

	if (!call->again)
		call->waiting.on_disk(call->data, result, reply);
	answered(call);
}

static void on_redo(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct cluster *c = timer->data;
	int64_t now = clock_mono_us();
	struct call_list list;
	struct call *call;

	(void)loop;
	(void)events;
	TAILQ_INIT(&list);
	TAILQ_CONCAT(&list, &c->redo, entry);
	while ((call = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, call, entry);
		if (now >= call->until_us)
			give_up(call);
		else if (!dispatch(call))
			redo_later(call);
	}
	cluster_slots_hold(c->slots, !TAILQ_EMPTY(&c->redo));
}

/* --- the interface ------------------------------------------------------------------------------ */

struct cluster *cluster_open(struct ev_loop *loop, const struct topology_config *config,
                             const struct cluster_events *events, void *data)
{
	struct cluster *c = mem_zalloc(sizeof(*c));

	c->loop = loop;
	c->config = config;
	TAILQ_INIT(&c->redo);
	command_init(&c->scratch);
	ev_timer_init(&c->redo_timer, on_redo, 0., 0.);
	c->redo_timer.data = c;
	c->slots = cluster_slots_open(loop, config, events, data);
	return c;
}

void cluster_close(struct cluster *c)
{
	struct call *call;

	c->closed = true;
	ev_timer_stop(c->loop, &c->redo_timer);
	while ((call = TAILQ_FIRST(&c->redo)) != NULL) {
		TAILQ_REMOVE(&c->redo, call, entry);
		give_up(call);
	}
	cluster_slots_close(c->slots);
	command_free(&c->scratch);
	mem_free(c);
}

bool cluster_up(const struct cluster *c)
{
	return cluster_slots_up(c->slots);
}

void cluster_stats(const struct cluster *c, struct link_stats *out)
{
	cluster_slots_stats(c->slots, out);
}

bool cluster_serves(const struct cluster *c, unsigned slot)
{
	const struct cluster_node *n = cluster_slots_node(c->slots, slot);

	return n && link_up(n->link);
}

unsigned cluster_life(const struct cluster *c, unsigned slot)
{
	const struct cluster_node *n = cluster_slots_node(c->slots, slot);

	return n ? n->life : 0;
}

unsigned cluster_lives(const struct cluster *c)
{
	return cluster_slots_lives(c->slots);
}

bool cluster_where(const struct cluster *c, unsigned slot, const char **host, int *port)
{
	const struct cluster_node *n = cluster_slots_node(c->slots, slot);

	if (!n)
		return false;
	*host = n->at.host;
	*port = n->at.port;
	return true;
}

bool cluster_send(struct cluster *c, struct command *command, int deadline_ms,
                  const struct waiting *w, link_fn *fn, void *data)
{
	struct call *call;
	const char *key;
	unsigned slot = 0;
	size_t n;

	if (command_key(command, &key, &n))
		slot = keys_slot(key, n);
	if (c->closed || !cluster_serves(c, slot))
		return false;
	call = mem_zalloc(sizeof(*call));
	call->cluster = c;
	command_copy(&call->command, command);
	call->slot = slot;
	call->until_us = clock_mono_us() +
	                 (int64_t)(deadline_ms > 0 ? deadline_ms : c->config->link.timeout_ms) *
	                         1000;
	if (w)
		call->waiting = *w;
	call->fn = fn;
	call->data = data;
	if (dispatch(call))
		return true;
	call_free(call);
	return false;
}

/* One command for all nodes. */
struct everywhere {
	struct command *command;
	link_fn *fn;
	void *data;
};

static void send_there(struct cluster_node *n, void *data)
{
	struct everywhere *e = data;

	(void)!link_send(n->link, e->command, 0, e->fn, e->data);
}

void cluster_send_everywhere(struct cluster *c, struct command *command, link_fn *fn, void *data)
{
	cluster_slots_each(c->slots, send_there, &(struct everywhere){command, fn, data});
}

void cluster_told(struct cluster *c, const char *host, const redisReply *error)
{
	(void)cluster_slots_redirect(c->slots, host, error);
}

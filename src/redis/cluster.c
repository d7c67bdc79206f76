#include "redis/cluster.h"

#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "redis/cluster_map.h"
#include "redis/keys.h"
#include "redis/link_error.h"

#define TICK_MS 250
#define SCOUT_TICKS 4  /* until it gives a server up that does not come up */
#define REDO_MS 20     /* until what could not be executed is sent again … */
#define REDO_AT_ONCE 3 /* … after so many redirections that were followed at once */
#define MAX_ADDRESSES 512

struct node {
	TAILQ_ENTRY(node) entry;
	struct cluster *cluster;
	struct topology_seed at;
	struct link *link;
	unsigned life;  /* when it last came up; 0 never */
	unsigned slots; /* how many it has */
	int64_t since_us, used_us;
};

/* A command on its way. */
struct call {
	TAILQ_ENTRY(call) entry; /* of `redo` */
	struct cluster *cluster;
	struct command command;
	struct node *node; /* that was asked */
	struct node *ask;  /* that is to be asked, this once; NULL: whoever has the slot */
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
	const struct cluster_events *events;
	void *data;
	TAILQ_HEAD(, node) nodes;
	struct node *slots[CLUSTER_SLOTS]; /* NULL: not known */
	bool newer
		[CLUSTER_SLOTS]; /* what is known of it is newer than the map that is on its way */
	bool any_newer;
	unsigned lives;
	bool told_up, closed;
	struct link_stats gone; /* of nodes that are not there any more */

	struct link *scout; /* asks for the map */
	/* Whom the scout may ask: the seeds, then the servers of the last map and of MOVEDs since. */
	struct topology_seed known[MAX_ADDRESSES];
	bool listed[MAX_ADDRESSES]; /* in the map that is being read */
	size_t n_known, n_seeds, next_known;
	struct error unusable; /* why the last map could not be used; "" it could */
	char *asked;           /* the host of the scout */
	unsigned scout_down;   /* ticks */
	bool asking, stale;
	int64_t refreshed_us;
	ev_timer tick;

	struct call_list redo; /* not executed, and to be sent again soon */
	ev_timer redo_timer;
	struct command scratch;
};

/* --- nodes -------------------------------------------------------------------------------------- */

static void tell(struct cluster *c)
{
	bool up = cluster_up(c);

	if (c->closed || up == c->told_up)
		return;
	c->told_up = up;
	c->events->changed(c->data, up);
}

static void on_node(void *data, bool up)
{
	struct node *n = data;

	if (up)
		n->life = ++n->cluster->lives;
	tell(n->cluster);
}

static bool is_at(const struct topology_seed *a, const char *host, int port)
{
	return a->port == port && strcmp(a->host, host) == 0;
}

static struct node *node_at(struct cluster *c, const char *host, int port)
{
	struct node *n;

	TAILQ_FOREACH(n, &c->nodes, entry)
	{
		if (is_at(&n->at, host, port))
			return n;
	}
	n = mem_zalloc(sizeof(*n));
	n->cluster = c;
	n->at = (struct topology_seed){mem_strdup(host), port};
	n->since_us = n->used_us = clock_mono_us();
	n->link = link_open(c->loop, &c->config->link, on_node, n);
	TAILQ_INSERT_TAIL(&c->nodes, n, entry);
	link_aim(n->link, host, port);
	return n;
}

static void stats_add(struct link_stats *sum, const struct link *l)
{
	struct link_stats one;

	link_stats(l, &one);
	sum->commands += one.commands;
	sum->errors += one.errors;
	sum->reconnects += one.reconnects;
	sum->in_flight += one.in_flight;
}

static void node_free(struct node *n)
{
	stats_add(&n->cluster->gone, n->link);
	n->cluster->gone.in_flight = 0;
	TAILQ_REMOVE(&n->cluster->nodes, n, entry);
	link_close(n->link);
	mem_free(n->at.host);
	mem_free(n);
}

static void drop_idle_nodes(struct cluster *c)
{
	int64_t then = clock_mono_us() - (int64_t)CLUSTER_IDLE_MS * 1000;
	struct link_stats stats;
	struct node *n, *next;

	for (n = TAILQ_FIRST(&c->nodes); n; n = next) {
		next = TAILQ_NEXT(n, entry);
		link_stats(n->link, &stats);
		if (n->slots == 0 && n->used_us < then && stats.in_flight == 0 &&
		    TAILQ_EMPTY(&c->redo))
			node_free(n);
	}
}

/* --- the map ------------------------------------------------------------------------------------ */

static void know(struct cluster *c, const char *host, int port)
{
	size_t i = 0;

	while (i < c->n_known && !is_at(&c->known[i], host, port))
		i++;
	if (i == MAX_ADDRESSES)
		return;
	if (i == c->n_known)
		c->known[c->n_known++] = (struct topology_seed){mem_strdup(host), port};
	c->listed[i] = true;
}

/* The map was good: who is neither in it nor a seed is no server of this cluster any more. */
static void forget_unlisted(struct cluster *c)
{
	size_t kept = c->n_seeds;

	for (size_t i = kept; i < c->n_known; i++) {
		if (c->listed[i])
			c->known[kept++] = c->known[i];
		else
			mem_free(c->known[i].host);
	}
	c->n_known = kept;
}

static void give_slot(struct cluster *c, unsigned slot, struct node *to)
{
	struct node *from = c->slots[slot];

	if (from == to)
		return;
	if (from) {
		from->slots--;
		from->used_us = clock_mono_us();
	}
	to->slots++;
	c->slots[slot] = to;
}

/* Asks another server, which may know more. */
static void send_scout_on(struct cluster *c)
{
	const struct topology_seed *at = &c->known[c->next_known++ % c->n_known];

	c->scout_down = 0;
	c->asking = false; /* its answer is lost, if one is awaited */
	mem_free(c->asked);
	c->asked = mem_strdup(at->host);
	link_aim(c->scout, at->host, at->port);
}

static void on_range(void *data, unsigned first, unsigned last, const char *host, int port,
                     bool master)
{
	struct cluster *c = data;

	if (*host == '\0')
		host = c->asked;
	know(c, host, port);
	if (!master)
		return;
	struct node *n = node_at(c, host, port);
	for (unsigned slot = first; slot <= last; slot++)
		if (!c->newer[slot])
			give_slot(c, slot, n);
}

/* A master that has slots cannot be reached (and not because we have just heard of it): perhaps another has
 * them by now. */
static bool is_broken(const struct cluster *c)
{
	int64_t young = clock_mono_us() - (int64_t)TICK_MS * SCOUT_TICKS * 1000;
	const struct node *n;

	TAILQ_FOREACH(n, &c->nodes, entry)
	{
		if (n->slots > 0 && !link_up(n->link) && n->since_us < young)
			return true;
	}
	return TAILQ_EMPTY(&c->nodes);
}

/* Once for each reason: the scout asks on, several times a second. */
static void map_unusable(struct cluster *c, const char *why)
{
	if (strcmp(c->unusable.text, why) == 0)
		return;
	error_set(&c->unusable, "%s", why);
	log_warn("cluster_map_unusable", LOG_STR("error", why));
}

static void on_map(void *data, enum link_result result, const redisReply *reply);

static void ask_for_map(struct cluster *c)
{
	if (c->asking || !link_up(c->scout))
		return;
	if (c->any_newer)
		memset(c->newer, 0, sizeof(c->newer));
	c->any_newer = false;
	command_clear(&c->scratch);
	command_str(&c->scratch, "CLUSTER");
	command_str(&c->scratch, "SLOTS");
	c->asking = link_send(c->scout, &c->scratch, 0, on_map, c);
}

static void on_map(void *data, enum link_result result, const redisReply *reply)
{
	struct cluster *c = data;

	c->asking = false;
	if (c->closed || result == LINK_LOST)
		return;
	memset(c->listed, 0, sizeof(c->listed));
	if (result != LINK_OK || !cluster_map_read(reply, on_range, c)) {
		map_unusable(c, result != LINK_OK ? reply->str : "it has no slots");
		send_scout_on(c);
	} else {
		forget_unlisted(c);
		c->unusable.text[0] = '\0';
		c->stale = c->any_newer;
		c->refreshed_us = clock_mono_us();
		drop_idle_nodes(c);
		c->events->moved(c->data);
		if (is_broken(c))
			send_scout_on(c);
		else if (c->stale)
			ask_for_map(c);
	}
	tell(c);
}

static void on_scout(void *data, bool up)
{
	struct cluster *c = data;

	if (up && (c->refreshed_us == 0 || c->stale))
		ask_for_map(c);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct cluster *c = timer->data;
	bool due = clock_mono_us() - c->refreshed_us >= (int64_t)CLUSTER_REFRESH_MS * 1000;

	(void)loop;
	(void)events;
	if (!link_up(c->scout)) {
		if (++c->scout_down >= SCOUT_TICKS)
			send_scout_on(c);
	} else if (c->stale || due || is_broken(c)) {
		ask_for_map(c);
	}
}

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
	struct node *n = call->ask ? call->ask : c->slots[call->slot];
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

/* Takes in what a node says of a slot; returns who is to be asked once, or NULL. */
static struct node *take_redirect(struct cluster *c, const char *host, const redisReply *error)
{
	struct cluster_redirect r;
	struct node *n;

	if (!cluster_redirect_read(&r, error->str, error->len))
		return NULL;
	n = node_at(c, r.host[0] != '\0' ? r.host : host, r.port);
	n->used_us = clock_mono_us(); /* it is not to be forgotten before it was asked */
	if (r.ask)
		return n;
	know(c, n->at.host, n->at.port);
	give_slot(c, r.slot, n);
	c->stale = true;
	c->newer[r.slot] = c->any_newer = true;
	c->events->moved(c->data);
	ask_for_map(c);
	return NULL;
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
		call->ask = take_redirect(call->cluster, call->node->at.host, reply);
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
}

/* --- the interface ------------------------------------------------------------------------------ */

struct cluster *cluster_open(struct ev_loop *loop, const struct topology_config *config,
                             const struct cluster_events *events, void *data)
{
	struct cluster *c = mem_zalloc(sizeof(*c));
	struct link_config bare;

	c->loop = loop;
	c->config = config;
	c->events = events;
	c->data = data;
	TAILQ_INIT(&c->nodes);
	TAILQ_INIT(&c->redo);
	command_init(&c->scratch);
	for (size_t i = 0; i < config->n_seeds; i++)
		know(c, config->seeds[i].host, config->seeds[i].port);
	c->n_seeds = c->n_known;
	topology_config_bare(config, &bare);
	bare.quiet = true; /* it goes from one to the next */
	c->scout = link_open(loop, &bare, on_scout, c);
	link_config_free(&bare);
	ev_timer_init(&c->tick, on_tick, TICK_MS / 1e3, TICK_MS / 1e3);
	ev_timer_init(&c->redo_timer, on_redo, 0., 0.);
	c->tick.data = c->redo_timer.data = c;
	ev_timer_start(loop, &c->tick);
	send_scout_on(c);
	return c;
}

void cluster_close(struct cluster *c)
{
	struct call *call;

	c->closed = true;
	ev_timer_stop(c->loop, &c->tick);
	ev_timer_stop(c->loop, &c->redo_timer);
	link_close(c->scout);
	while ((call = TAILQ_FIRST(&c->redo)) != NULL) {
		TAILQ_REMOVE(&c->redo, call, entry);
		give_up(call);
	}
	while (!TAILQ_EMPTY(&c->nodes))
		node_free(TAILQ_FIRST(&c->nodes));
	for (size_t i = 0; i < c->n_known; i++)
		mem_free(c->known[i].host);
	mem_free(c->asked);
	command_free(&c->scratch);
	mem_free(c);
}

bool cluster_up(const struct cluster *c)
{
	const struct node *n;

	TAILQ_FOREACH(n, &c->nodes, entry)
	{
		if (n->slots > 0 && link_up(n->link))
			return true;
	}
	return false;
}

void cluster_stats(const struct cluster *c, struct link_stats *out)
{
	const struct node *n;

	*out = c->gone;
	TAILQ_FOREACH(n, &c->nodes, entry)
	{
		stats_add(out, n->link);
	}
}

bool cluster_serves(const struct cluster *c, unsigned slot)
{
	return c->slots[slot] && link_up(c->slots[slot]->link);
}

unsigned cluster_life(const struct cluster *c, unsigned slot)
{
	return c->slots[slot] ? c->slots[slot]->life : 0;
}

unsigned cluster_lives(const struct cluster *c)
{
	return c->lives;
}

bool cluster_where(const struct cluster *c, unsigned slot, const char **host, int *port)
{
	if (!c->slots[slot])
		return false;
	*host = c->slots[slot]->at.host;
	*port = c->slots[slot]->at.port;
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

void cluster_send_everywhere(struct cluster *c, struct command *command, link_fn *fn, void *data)
{
	struct node *n;

	TAILQ_FOREACH(n, &c->nodes, entry)
	{
		if (link_up(n->link))
			(void)!link_send(n->link, command, 0, fn, data);
	}
}

void cluster_told(struct cluster *c, const char *host, const redisReply *error)
{
	(void)take_redirect(c, host, error);
}

#include "redis/cluster_slots.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "redis/cluster_map.h"

#define TICK_MS 250
#define SCOUT_TICKS 4 /* until it gives a server up that does not come up */
#define MAX_ADDRESSES 512

struct cluster_slots {
	struct ev_loop *loop;
	const struct topology_config *config;
	const struct cluster_events *events;
	void *data;
	TAILQ_HEAD(, cluster_node) nodes;
	struct cluster_node *slots[CLUSTER_SLOTS]; /* NULL: not known */
	/* What is known of it is newer than the map that is on its way. */
	bool newer[CLUSTER_SLOTS];
	bool any_newer;
	unsigned lives;
	bool told_up, held, closed;
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
	struct command scratch;
};

/* --- nodes -------------------------------------------------------------------------------------- */

static void tell(struct cluster_slots *s)
{
	bool up = cluster_slots_up(s);

	if (s->closed || up == s->told_up)
		return;
	s->told_up = up;
	s->events->changed(s->data, up);
}

static void on_node(void *data, bool up)
{
	struct cluster_node *n = data;

	if (up)
		n->life = ++n->of->lives;
	tell(n->of);
}

static bool is_at(const struct topology_seed *a, const char *host, int port)
{
	return a->port == port && strcmp(a->host, host) == 0;
}

static struct cluster_node *node_at(struct cluster_slots *s, const char *host, int port)
{
	struct cluster_node *n;

	TAILQ_FOREACH(n, &s->nodes, entry)
	{
		if (is_at(&n->at, host, port))
			return n;
	}
	n = mem_zalloc(sizeof(*n));
	n->of = s;
	n->at = (struct topology_seed){mem_strdup(host), port};
	n->since_us = n->used_us = clock_mono_us();
	n->link = link_open(s->loop, &s->config->link, on_node, n);
	TAILQ_INSERT_TAIL(&s->nodes, n, entry);
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

static void node_free(struct cluster_node *n)
{
	stats_add(&n->of->gone, n->link);
	n->of->gone.in_flight = 0;
	TAILQ_REMOVE(&n->of->nodes, n, entry);
	link_close(n->link);
	mem_free(n->at.host);
	mem_free(n);
}

static void drop_idle_nodes(struct cluster_slots *s)
{
	int64_t then = clock_mono_us() - (int64_t)CLUSTER_IDLE_MS * 1000;
	struct link_stats stats;
	struct cluster_node *n, *next;

	if (s->held)
		return;
	for (n = TAILQ_FIRST(&s->nodes); n; n = next) {
		next = TAILQ_NEXT(n, entry);
		link_stats(n->link, &stats);
		if (n->slots == 0 && n->used_us < then && stats.in_flight == 0)
			node_free(n);
	}
}

/* --- the map ------------------------------------------------------------------------------------ */

static void know(struct cluster_slots *s, const char *host, int port)
{
	size_t i = 0;

	while (i < s->n_known && !is_at(&s->known[i], host, port))
		i++;
	if (i == MAX_ADDRESSES)
		return;
	if (i == s->n_known)
		s->known[s->n_known++] = (struct topology_seed){mem_strdup(host), port};
	s->listed[i] = true;
}

/* The map was good: who is neither in it nor a seed is no server of this cluster any more. */
static void forget_unlisted(struct cluster_slots *s)
{
	size_t kept = s->n_seeds;

	for (size_t i = kept; i < s->n_known; i++) {
		if (s->listed[i])
			s->known[kept++] = s->known[i];
		else
			mem_free(s->known[i].host);
	}
	s->n_known = kept;
}

static void give_slot(struct cluster_slots *s, unsigned slot, struct cluster_node *to)
{
	struct cluster_node *from = s->slots[slot];

	if (from == to)
		return;
	if (from) {
		from->slots--;
		from->used_us = clock_mono_us();
	}
	to->slots++;
	s->slots[slot] = to;
}

/* Asks another server, which may know more. */
static void send_scout_on(struct cluster_slots *s)
{
	const struct topology_seed *at = &s->known[s->next_known++ % s->n_known];

	s->scout_down = 0;
	s->asking = false; /* its answer is lost, if one is awaited */
	mem_free(s->asked);
	s->asked = mem_strdup(at->host);
	link_aim(s->scout, at->host, at->port);
}

static void on_range(void *data, unsigned first, unsigned last, const char *host, int port,
                     bool master)
{
	struct cluster_slots *s = data;

	if (*host == '\0')
		host = s->asked;
	know(s, host, port);
	if (!master)
		return;
	struct cluster_node *n = node_at(s, host, port);
	for (unsigned slot = first; slot <= last; slot++)
		if (!s->newer[slot])
			give_slot(s, slot, n);
}

/* A master that has slots cannot be reached (and not because we have just heard of it): perhaps another has
 * them by now. */
static bool is_broken(const struct cluster_slots *s)
{
	int64_t young = clock_mono_us() - (int64_t)TICK_MS * SCOUT_TICKS * 1000;
	const struct cluster_node *n;

	TAILQ_FOREACH(n, &s->nodes, entry)
	{
		if (n->slots > 0 && !link_up(n->link) && n->since_us < young)
			return true;
	}
	return TAILQ_EMPTY(&s->nodes);
}

/* Once for each reason: the scout asks on, several times a second. */
static void map_unusable(struct cluster_slots *s, const char *why)
{
	if (strcmp(s->unusable.text, why) == 0)
		return;
	error_set(&s->unusable, "%s", why);
	log_warn("cluster_map_unusable", LOG_STR("error", why));
}

static void on_map(void *data, enum link_result result, const redisReply *reply);

static void ask_for_map(struct cluster_slots *s)
{
	if (s->asking || !link_up(s->scout))
		return;
	if (s->any_newer)
		memset(s->newer, 0, sizeof(s->newer));
	s->any_newer = false;
	command_clear(&s->scratch);
	command_str(&s->scratch, "CLUSTER");
	command_str(&s->scratch, "SLOTS");
	s->asking = link_send(s->scout, &s->scratch, 0, on_map, s);
}

static void on_map(void *data, enum link_result result, const redisReply *reply)
{
	struct cluster_slots *s = data;

	s->asking = false;
	if (s->closed || result == LINK_LOST)
		return;
	memset(s->listed, 0, sizeof(s->listed));
	if (result != LINK_OK || !cluster_map_read(reply, on_range, s)) {
		map_unusable(s, result != LINK_OK ? reply->str : "it has no slots");
		send_scout_on(s);
	} else {
		forget_unlisted(s);
		s->unusable.text[0] = '\0';
		s->stale = s->any_newer;
		s->refreshed_us = clock_mono_us();
		drop_idle_nodes(s);
		s->events->moved(s->data);
		if (is_broken(s))
			send_scout_on(s);
		else if (s->stale)
			ask_for_map(s);
	}
	tell(s);
}

static void on_scout(void *data, bool up)
{
	struct cluster_slots *s = data;

	if (up && (s->refreshed_us == 0 || s->stale))
		ask_for_map(s);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct cluster_slots *s = timer->data;
	bool due = clock_mono_us() - s->refreshed_us >= (int64_t)CLUSTER_REFRESH_MS * 1000;

	(void)loop;
	(void)events;
	if (!link_up(s->scout)) {
		if (++s->scout_down >= SCOUT_TICKS)
			send_scout_on(s);
	} else if (s->stale || due || is_broken(s)) {
		ask_for_map(s);
	}
}

/* --- the interface ------------------------------------------------------------------------------ */

struct cluster_slots *cluster_slots_open(struct ev_loop *loop, const struct topology_config *config,
                                         const struct cluster_events *events, void *data)
{
	struct cluster_slots *s = mem_zalloc(sizeof(*s));
	struct link_config bare;

	s->loop = loop;
	s->config = config;
	s->events = events;
	s->data = data;
	TAILQ_INIT(&s->nodes);
	command_init(&s->scratch);
	for (size_t i = 0; i < config->n_seeds; i++)
		know(s, config->seeds[i].host, config->seeds[i].port);
	s->n_seeds = s->n_known;
	topology_config_bare(config, &bare);
	bare.quiet = true; /* it goes from one to the next */
	s->scout = link_open(loop, &bare, on_scout, s);
	link_config_free(&bare);
	ev_timer_init(&s->tick, on_tick, TICK_MS / 1e3, TICK_MS / 1e3);
	s->tick.data = s;
	ev_timer_start(loop, &s->tick);
	send_scout_on(s);
	return s;
}

void cluster_slots_close(struct cluster_slots *s)
{
	s->closed = true;
	ev_timer_stop(s->loop, &s->tick);
	link_close(s->scout);
	while (!TAILQ_EMPTY(&s->nodes))
		node_free(TAILQ_FIRST(&s->nodes));
	for (size_t i = 0; i < s->n_known; i++)
		mem_free(s->known[i].host);
	mem_free(s->asked);
	command_free(&s->scratch);
	mem_free(s);
}

bool cluster_slots_up(const struct cluster_slots *s)
{
	const struct cluster_node *n;

	TAILQ_FOREACH(n, &s->nodes, entry)
	{
		if (n->slots > 0 && link_up(n->link))
			return true;
	}
	return false;
}

unsigned cluster_slots_lives(const struct cluster_slots *s)
{
	return s->lives;
}

void cluster_slots_stats(const struct cluster_slots *s, struct link_stats *out)
{
	const struct cluster_node *n;

	*out = s->gone;
	TAILQ_FOREACH(n, &s->nodes, entry)
	{
		stats_add(out, n->link);
	}
}

struct cluster_node *cluster_slots_node(const struct cluster_slots *s, unsigned slot)
{
	return s->slots[slot];
}

void cluster_slots_each(struct cluster_slots *s, void (*fn)(struct cluster_node *n, void *data),
                        void *data)
{
	struct cluster_node *n;

	TAILQ_FOREACH(n, &s->nodes, entry)
	{
		if (link_up(n->link))
			fn(n, data);
	}
}

void cluster_slots_hold(struct cluster_slots *s, bool held)
{
	s->held = held;
}

struct cluster_node *cluster_slots_redirect(struct cluster_slots *s, const char *host,
                                            const redisReply *error)
{
	struct cluster_redirect r;
	struct cluster_node *n;

	if (!cluster_redirect_read(&r, error->str, error->len))
		return NULL;
	n = node_at(s, r.host[0] != '\0' ? r.host : host, r.port);
	n->used_us = clock_mono_us(); /* it is not to be forgotten before it was asked */
	if (r.ask)
		return n;
	know(s, n->at.host, n->at.port);
	give_slot(s, r.slot, n);
	s->stale = true;
	s->newer[r.slot] = s->any_newer = true;
	s->events->moved(s->data);
	ask_for_map(s);
	return NULL;
}

#include "fleet/gate.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/permit.h"
#include "mail/text.h"
#include "redis/keys.h"

static const char *const report_names[] = {
	[REPORT_NONE] = "",           [REPORT_OK] = "ok",     [REPORT_FAIL] = "fail",
	[REPORT_VOID] = "void",       [REPORT_DOWN] = "down", [REPORT_THROTTLED] = "throttled",
	[REPORT_PROBING] = "probing",
};

#define PROBING_PART 3 /* of a lease, in which a worker's loop turns at least twice */

/* The loop turns, and with it everything that is ready is flushed. */
static void gate_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gate *g = timer->data;

	(void)loop;
	(void)events;
	*g->changed = true;
}

struct gate *gate_new(struct provider *p, const struct options *o, struct redis_clock *clock,
                      bool *changed)
{
	struct gate *g = mem_zalloc(sizeof(*g));

	g->provider = p;
	g->options = o;
	g->clock = clock;
	g->changed = changed;
	g->weight = p->weight;
	g->key = keys_provider(o->key_prefix, p->name);
	snprintf(g->state, sizeof(g->state), "closed");
	command_init(&g->command);
	TAILQ_INIT(&g->line);
	ev_init(&g->timer, gate_on_timer);
	g->timer.data = g;
	return g;
}

void gate_replace(struct gate *g, struct gate *old)
{
	g->paused = old->paused;
	if (old->weight != old->provider->weight)
		g->weight = old->weight;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	ev_timer_stop(g->provider->loop, &g->timer);
	provider_close(g->provider);
	command_free(&g->command);
	mem_free(g->key);
	mem_free(g);
}

void gate_enter(struct gate *g, struct task *t)
{
	/* A suspect goes first: while it waits, another death could be laid at its door. */
	if (t->suspect)
		TAILQ_INSERT_HEAD(&g->line, t, place);
	else
		TAILQ_INSERT_TAIL(&g->line, t, place);
	g->n_line++;
	t->gate = g;
}

void gate_expect(struct gate *g)
{
	g->expects = g->provider->interval_us == 0 && strcmp(g->state, "closed") == 0;
}

void gate_leave(struct gate *g, struct task *t)
{
	TAILQ_REMOVE(&g->line, t, place);
	g->n_line--;
}

static void gate_add_report(struct gate *g, int64_t generation, enum report_kind kind, int64_t ms,
                            const char *reason)
{
	struct gate_report *last = g->n_reports > 0 ? &g->reports[g->n_reports - 1] : NULL;

	if (kind == REPORT_NONE || (kind == REPORT_VOID && !g->shut && g->state[0] == 'c'))
		return; /* a void one only matters to probes */
	if (last && last->kind == kind && last->generation == generation && last->ms == ms) {
		last->count++;
		return;
	}
	if (g->n_reports == GATE_MAX_REPORTS)
		return; /* Redis is away; the breaker will hear of the next ones */
	last = &g->reports[g->n_reports++];
	*last = (struct gate_report){.generation = generation, .kind = kind, .count = 1, .ms = ms};
	text_mask_addresses(last->reason, sizeof(last->reason), reason ? reason : "");
}

void gate_report(struct gate *g, int64_t generation, enum report_kind kind, int64_t ms,
                 const char *reason)
{
	if (generation == g->probes_generation && g->n_probes > 0)
		g->n_probes--;
	gate_add_report(g, generation, kind, ms, reason);
}

/* What is granted while it is half-open is a probe. */
static void gate_count_probes(struct gate *g, int64_t granted)
{
	int64_t now = clock_boot_us();

	if (granted <= 0 || strcmp(g->state, "half-open") != 0)
		return;
	if (g->probes_generation != g->generation)
		g->n_probes = 0;
	g->probes_generation = g->generation;
	g->n_probes += (size_t)granted;
	g->probing_at = now + g->options->lease_ms * 1000 / PROBING_PART;
	g->probes_end = now + (int64_t)provider_longest_ms(g->provider) * 1000;
}

/* Nobody else may probe while ours are out. */
static void gate_renew_probes(struct gate *g)
{
	int64_t now = clock_boot_us();

	if (g->n_probes == 0 || g->probes_generation != g->generation || g->asking ||
	    now < g->probing_at || now >= g->probes_end)
		return;
	g->probing_at = now + g->options->lease_ms * 1000 / PROBING_PART;
	gate_add_report(g, g->generation, REPORT_PROBING, 0, NULL);
}

bool gate_flows(const struct gate *g)
{
	if (g->paused || g->retired)
		return false;
	return !g->shut || clock_boot_us() >= g->blocked_until;
}

bool gate_takes(const struct gate *g)
{
	return gate_flows(g) && (g->state[0] != 't' || clock_boot_us() >= g->blocked_until);
}

bool gate_recalls(const struct gate *g, const struct task *t)
{
	bool probe = g->state[0] == 'h' && t->generation == g->generation;

	return g->paused || g->retired || (!probe && !gate_takes(g));
}

bool gate_slow(const struct gate *g)
{
	return gate_flows(g) && clock_boot_us() < g->blocked_until;
}

int64_t gate_opens_at(const struct gate *g)
{
	if (g->paused || g->retired)
		return INT64_MAX;
	return g->blocked_until;
}

static void gate_set_state(struct gate *g, const char *state, int64_t wait)
{
	bool shut = wait > 0 && (strcmp(state, "open") == 0 || strcmp(state, "half-open") == 0);

	if (strcmp(state, g->state) != 0) {
		if (strcmp(state, "limited") != 0 && strcmp(g->state, "limited") != 0)
			log_info("breaker_changed", LOG_STR("provider", g->provider->name),
			         LOG_STR("from", g->state), LOG_STR("to", state),
			         LOG_INT("wait_ms", wait));
		snprintf(g->state, sizeof(g->state), "%s", state);
	}
	/* Shut again is news, too: a mail that has entered since it last opened would wait here for good,
	 * since each time that it may ask it seems to flow. */
	if (shut || g->shut || strcmp(state, "throttled") == 0 || (wait > 0 && g->provider->spills))
		*g->changed = true;
	g->shut = shut;
	g->blocked_until = wait > 0 ? clock_boot_us() + wait * 1000 : 0;
	ev_timer_stop(g->provider->loop, &g->timer);
	if (wait > 0) {
		ev_timer_set(&g->timer, (double)wait / 1000.0 + 0.0005, 0.);
		ev_timer_start(g->provider->loop, &g->timer);
	}
}

void gate_reset(struct gate *g)
{
	log_info("breaker_reset", LOG_STR("provider", g->provider->name));
	g->shut = false;
	g->blocked_until = 0;
	ev_timer_stop(g->provider->loop, &g->timer);
	*g->changed = true;
}

static void gate_pass(struct gate *g, int64_t granted)
{
	while (granted > 0 && !TAILQ_EMPTY(&g->line)) {
		struct task *t = TAILQ_FIRST(&g->line);
		gate_leave(g, t);
		t->generation = g->generation;
		granted--;
		task_advance(t, TASK_ON_PERMIT);
	}
	while (granted-- > 0)
		gate_report(g, g->generation, REPORT_VOID, 0, NULL);
}

/* Never executed: the reports go with the next call. */
static void gate_restore_reports(struct gate *g)
{
	size_t room = GATE_MAX_REPORTS - g->n_reports;
	size_t n = g->n_sent < room ? g->n_sent : room;

	memmove(g->reports + n, g->reports, g->n_reports * sizeof(g->reports[0]));
	memcpy(g->reports, g->sent, n * sizeof(g->reports[0]));
	g->n_reports += n;
}

static bool reply_is_permit(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements == 5 &&
	       r->element[0]->type == REDIS_REPLY_INTEGER &&
	       r->element[1]->type == REDIS_REPLY_INTEGER &&
	       r->element[2]->type == REDIS_REPLY_STRING &&
	       r->element[3]->type == REDIS_REPLY_INTEGER &&
	       r->element[4]->type == REDIS_REPLY_INTEGER;
}

static void gate_on_permits(void *data, enum link_result result, const redisReply *reply)
{
	struct gate *g = data;
	int64_t granted;

	g->asking = false;
	if (result != LINK_OK || !reply_is_permit(reply)) {
		if (result != LINK_LOST && result != LINK_OK)
			gate_restore_reports(g);
		if (result == LINK_ERROR || result == LINK_CONFIG || result == LINK_OK) {
			log_error("permit_failed", LOG_STR("provider", g->provider->name),
			          LOG_STR("key", g->key),
			          LOG_STR("error", reply ? reply->str : NULL));
			gate_set_state(g, "failed", 5000);
		} else if (result == LINK_NOMEM || result == LINK_REFUSED) {
			gate_set_state(g, g->state, 1000);
		}
		return;
	}
	redis_clock_heard(g->clock, reply->element[4]->integer);
	g->generation = reply->element[3]->integer;
	gate_set_state(g, reply->element[2]->str,
	               reply->element[1]->integer < GATE_MAX_WAIT ? reply->element[1]->integer
	                                                          : GATE_MAX_WAIT);
	granted = reply->element[0]->integer < GATE_MAX_BATCH ? reply->element[0]->integer
	                                                      : GATE_MAX_BATCH;
	gate_count_probes(g, granted);
	gate_pass(g, granted);
}

static size_t gate_wants(const struct gate *g, size_t most)
{
	size_t want = g->n_line, room = provider_room(g->provider);

	if (want == 0 && g->expects)
		want = 1;

	if (g->paused || g->retired)
		return 0;
	if (clock_boot_us() < g->blocked_until && g->n_reports == 0)
		return 0;
	if (want > room)
		want = room;
	return want < most ? want : most;
}

void gate_flush(struct gate *g, struct topology *redis, size_t most)
{
	struct command *c = &g->command;
	size_t want;

	gate_renew_probes(g);
	want = gate_wants(g, most);
	g->expects = false;
	if (g->asking || (want == 0 && g->n_reports == 0))
		return;
	permit_command(c, g->key, g->options, want, g->provider->interval_us, g->provider->burst);
	for (size_t i = 0; i < g->n_reports; i++) {
		const struct gate_report *r = &g->reports[i];
		permit_report(c, r->generation, report_names[r->kind], r->count, r->ms, r->reason);
	}
	if (!topology_send(redis, c, 0, gate_on_permits, g))
		return;
	g->asking = true;
	memcpy(g->sent, g->reports, g->n_reports * sizeof(g->reports[0]));
	g->n_sent = g->n_reports;
	g->n_reports = 0;
}

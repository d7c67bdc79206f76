#include "fleet/gates.h"

#include <string.h>

#include "base/clock.h"
#include "fleet/queue.h"
#include "fleet/route.h"

void gates_init(struct gates *gs, const struct options *o, struct redis_clock *clock,
                struct status *status)
{
	*gs = (struct gates){.options = o, .clock = clock, .status = status};
}

void gates_free(struct gates *gs)
{
	for (size_t i = 0; i < gs->n; i++)
		gate_free(gs->list[i]);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static bool gate_allowed(const struct gate *g, const struct job *j)
{
	return !g->retired &&
	       (j->provider[0] == '\0' || strcmp(j->provider, g->provider->name) == 0);
}

static bool gate_carries(const struct gate *g, const struct job *j)
{
	return gate_allowed(g, j) && provider_refuses(g->provider, j) == NULL;
}

size_t gates_providers(const struct gates *gs, const struct job *j,
                       struct policy_provider out[REGISTRY_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < gs->n && n < REGISTRY_MAX; i++) {
		const struct provider *p = gs->list[i]->provider;
		if (gate_carries(gs->list[i], j))
			out[n++] = (struct policy_provider){
				.name = p->name,
				.max_bytes = p->type->max_bytes,
				.spills = p->spills,
			};
	}
	return n;
}

const char *gates_refusal(const struct gates *gs, const struct job *j)
{
	const char *why = NULL;

	for (size_t i = 0; i < gs->n && why == NULL; i++) {
		if (gate_allowed(gs->list[i], j))
			why = provider_refuses(gs->list[i]->provider, j);
	}
	return why;
}

static size_t gates_choices(const struct gates *gs, const struct task *t,
                            struct route_choice out[GATES_MAX])
{
	struct policy p = {
		.max_tries = t->job->max_attempts > 0 ? t->job->max_attempts
	                                              : gs->options->max_retry_attempts,
	};
	size_t n = 0;

	for (size_t i = 0; i < gs->n; i++) {
		struct gate *g = gs->list[i];
		const struct provider *provider = g->provider;
		if (!gate_carries(g, t->job) || !policy_may_use(&t->history, &p, provider->name))
			continue;
		out[n++] = (struct route_choice){
			.gate = g,
			.tier = provider->tier,
			.weight = g->weight,
			.tries = history_tries(&t->history, provider->name),
			.open = gate_flows(g),
			.slow = gate_slow(g),
			.spills = provider->spills,
			.opens_at = gate_opens_at(g),
		};
	}
	route_order(out, n, t->key);
	return n;
}

bool gates_flow(const struct gates *gs)
{
	if (clock_boot_us() < status_fenced_until(gs->status))
		return false;
	for (size_t i = 0; i < gs->n; i++) {
		if (gate_takes(gs->list[i]))
			return true;
	}
	return false;
}

enum route gates_route(const struct gates *gs, const struct task *t, struct gate **gate,
                       int64_t *at)
{
	struct route_choice choices[GATES_MAX];
	size_t n = gates_choices(gs, t, choices), chosen = route_choose(choices, n);
	int64_t now = clock_boot_us(), opens_at, wait = 0;

	if (chosen == ROUTE_NOWHERE)
		return ROUTE_NONE;
	*gate = choices[chosen].gate;
	opens_at = choices[chosen].opens_at;
	if (opens_at == INT64_MAX)
		wait = INT64_MAX;
	else if (opens_at > now)
		wait = (opens_at - now) / 1000;
	if (wait <= gs->options->lease_ms)
		return ROUTE_GATE;
	/* Paused, or shut for long: it waits in Redis, where it needs no lease. While all are, nothing is
	 * claimed: then it is due as soon as one opens, or is made to. */
	if (!gates_flow(gs))
		wait = 0;
	else if (wait > gs->options->lease_ms * 2)
		wait = gs->options->lease_ms * 2;
	*at = redis_clock_now(&t->queue->clock) + wait;
	return ROUTE_WAIT;
}

void gates_reroute(struct gates *gs)
{
	gs->rerouting = false;
	for (size_t i = 0; i < gs->n; i++) {
		struct gate *g = gs->list[i];
		size_t n = g->n_line;
		if (gate_takes(g) && !gs->reweighed && !(g->provider->spills && gate_slow(g)))
			continue;
		while (n-- > 0 && !TAILQ_EMPTY(&g->line))
			task_advance(TAILQ_FIRST(&g->line), TASK_ON_REROUTE);
	}
	gs->reweighed = false;
}

/* ---- the turn of the loop ---------------------------------------------------------------------- */

/* The job that a doorbell has moved will go to the first that takes it, or, by weights, to one beside it. */
static void gates_expect(struct gates *gs)
{
	const struct gate *first = NULL;

	for (size_t i = 0; i < gs->n; i++) {
		struct gate *g = gs->list[i];
		if (!gate_takes(g) || (first && g->provider->tier != first->provider->tier))
			continue;
		first = g;
		gate_expect(g);
	}
}

/* While replicas are missing, one mail of all gates goes at a time. */
void gates_flush(struct gates *gs, struct topology *redis)
{
	int64_t fenced = status_fenced_until(gs->status);
	bool may = clock_boot_us() >= fenced;

	if (gs->expecting && fenced == 0)
		gates_expect(gs);
	gs->expecting = false;
	for (size_t i = 0; i < gs->n; i++) {
		struct gate *g = gs->list[i];

		if (fenced == 0) {
			gate_flush(g, redis, GATE_MAX_BATCH);
		} else if (may && g->n_line > 0 && !g->asking) {
			status_fence_probe(gs->status);
			may = false;
			gate_flush(g, redis, 1);
		} else {
			gate_flush(g, redis, 0);
		}
	}
}

/* ---- reloads ------------------------------------------------------------------------------------- */

/* The first `n` gates are new; those behind have had their day. */
static void gates_retire(struct gates *gs, size_t n)
{
	for (size_t i = n; i < gs->n; i++) {
		struct gate *old = gs->list[i];

		for (size_t k = 0; k < n && !old->retired; k++) {
			if (strcmp(gs->list[k]->provider->name, old->provider->name) == 0)
				gate_replace(gs->list[k], old);
		}
		old->retired = true;
	}
}

bool gates_open(struct gates *gs, struct ev_loop *loop, bool allow_mocks, struct error *err)
{
	struct registry r;

	if (!registry_open(&r, loop, gs->options, allow_mocks, err))
		return false;
	if (gs->n + r.n > GATES_MAX) {
		registry_close(&r);
		return error_set(err,
		                 "too many reloads while mails are still with the old providers");
	}
	/* The new ones first: the order is the failover order. */
	memmove(&gs->list[r.n], &gs->list[0], gs->n * sizeof(gs->list[0]));
	for (size_t i = 0; i < r.n; i++)
		gs->list[i] = gate_new(r.list[i], gs->options, gs->clock, &gs->rerouting);
	gs->n += r.n;
	gates_retire(gs, r.n);
	return true;
}

void gates_remove(struct gates *gs, size_t i)
{
	gate_free(gs->list[i]);
	gs->n--;
	memmove(&gs->list[i], &gs->list[i + 1], (gs->n - i) * sizeof(gs->list[0]));
}

void gates_tell_limits(const struct gates *gs, struct stats *stats)
{
	for (size_t i = 0; i < gs->n; i++) {
		const struct provider *p = gs->list[i]->provider;
		if (!gs->list[i]->retired)
			stats_limit(stats_provider(stats, p->name), p->interval_us, p->burst);
	}
}

#include "fleet/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sigpipe.h"
#include "mail/address.h"
#include "mail/message.h"

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

size_t worker_providers(const struct worker *w, const struct job *j,
                        struct policy_provider out[REGISTRY_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_gates && n < REGISTRY_MAX; i++) {
		const struct provider *p = w->gates[i]->provider;
		if (gate_carries(w->gates[i], j))
			out[n++] = (struct policy_provider){
				.name = p->name,
				.max_bytes = p->type->max_bytes,
				.spills = p->spills,
			};
	}
	return n;
}

const char *worker_refusal(const struct worker *w, const struct job *j)
{
	const char *why = NULL;

	for (size_t i = 0; i < w->n_gates && why == NULL; i++) {
		if (gate_allowed(w->gates[i], j))
			why = provider_refuses(w->gates[i]->provider, j);
	}
	return why;
}

static size_t worker_choices(const struct worker *w, const struct task *t,
                             struct route_choice out[WORKER_MAX_GATES])
{
	struct policy p = {
		.max_tries = t->job->max_attempts > 0 ? t->job->max_attempts
	                                              : w->options->max_retry_attempts,
	};
	size_t n = 0;

	for (size_t i = 0; i < w->n_gates; i++) {
		struct gate *g = w->gates[i];
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

/* Is there anybody to give a mail to? While there is not, nothing is taken from the lists. */
static bool worker_flows(const struct worker *w)
{
	if (clock_boot_us() < status_fenced_until(&w->status))
		return false;
	for (size_t i = 0; i < w->n_gates; i++) {
		if (gate_takes(w->gates[i]))
			return true;
	}
	return false;
}

enum route worker_route(struct worker *w, const struct task *t, struct gate **gate, int64_t *at)
{
	struct route_choice choices[WORKER_MAX_GATES];
	size_t n = worker_choices(w, t, choices), chosen = route_choose(choices, n);
	int64_t now = clock_boot_us(), opens_at, wait = 0;

	if (chosen == ROUTE_NOWHERE)
		return ROUTE_NONE;
	*gate = choices[chosen].gate;
	opens_at = choices[chosen].opens_at;
	if (opens_at == INT64_MAX)
		wait = INT64_MAX;
	else if (opens_at > now)
		wait = (opens_at - now) / 1000;
	if (wait <= w->options->lease_ms)
		return ROUTE_GATE;
	/* Paused, or shut for long: it waits in Redis, where it needs no lease. While all are, nothing is
	 * claimed: then it is due as soon as one opens, or is made to. */
	if (!worker_flows(w))
		wait = 0;
	else if (wait > w->options->lease_ms * 2)
		wait = w->options->lease_ms * 2;
	*at = redis_clock_now(&t->queue->clock) + wait;
	return ROUTE_WAIT;
}

static void worker_reroute(struct worker *w)
{
	w->rerouting = false;
	for (size_t i = 0; i < w->n_gates; i++) {
		struct gate *g = w->gates[i];
		size_t n = g->n_line;
		if (gate_takes(g) && !w->reweighed && !(g->provider->spills && gate_slow(g)))
			continue;
		while (n-- > 0 && !TAILQ_EMPTY(&g->line))
			task_advance(TAILQ_FIRST(&g->line), TASK_ON_REROUTE);
	}
	w->reweighed = false;
}

const struct tracer *worker_tracer(const struct worker *w)
{
	return w->tracer;
}

bool worker_stopping(const struct worker *w)
{
	return w->stopping;
}

/* ---- the turn of the loop ---------------------------------------------------------------------- */

size_t worker_tasks(const struct worker *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_queues; i++)
		n += w->queues[i]->n_tasks;
	return n;
}

/* A queue with places of its own: webhooks, which mails never wait for. */
static void worker_flush_own(struct queue *q)
{
	size_t slots = q->n_tasks < q->places ? q->places - q->n_tasks : 0;

	queue_flush(q, slots == 0 && q->doorbell.rang ? 1 : slots);
}

/* Places that a queue has, or has asked for. */
static size_t places_held(const struct queue *q)
{
	return q->n_tasks + (q->claiming ? q->asked : 0);
}

/* Does it share the places of CONCURRENCY now? Also while its claim is on its way, or else the others would take
 * what it leaves free in between. */
static bool shares_places(const struct queue *q)
{
	return q->places == 0 && (q->hungry || (q->claiming && q->asked > 0));
}

/* Divides the places among the queues that may have something, by their weights: so that one whose mails take long does
 * not come to have them all. Who has more than its share gets no free one. */
static void worker_flush_queues(struct worker *w)
{
	size_t used = 0, most = (size_t)w->options->concurrency, free_slots, all;
	long weights = 0;

	for (size_t i = 0; i < w->n_queues; i++) {
		w->queues[i]->hungry = queue_hungry(w->queues[i]); /* asked once: time goes on */
		used += w->queues[i]->places == 0 ? places_held(w->queues[i]) : 0;
	}
	free_slots = all = used < most && worker_flows(w) ? most - used : 0;
	for (size_t i = 0; i < w->n_queues; i++) {
		if (!shares_places(w->queues[i]))
			continue;
		weights += w->queues[i]->weight;
		all += places_held(w->queues[i]);
	}
	for (size_t i = 0; i < w->n_queues; i++) {
		struct queue *q = w->queues[i];
		size_t share = 0, fair, held = places_held(q);

		if (q->places > 0) {
			worker_flush_own(q);
			continue;
		}
		if (weights > 0 && shares_places(q)) {
			fair = (all * (size_t)q->weight + (size_t)weights - 1) / (size_t)weights;
			if (q->hungry)
				share = fair > held ? fair - held : 0;
			if (share > free_slots)
				share = free_slots;
			free_slots -= share;
			all -= held + share;
			weights -= q->weight;
			/* What its doorbell has moved is taken even when all slots are full:
			 * nobody else was told of it. */
			if (share == 0 && q->hungry && q->doorbell.rang && worker_flows(w))
				share = 1;
		}
		queue_flush(q, share);
	}
}

static bool worker_all_done(const struct worker *w)
{
	for (size_t i = 0; i < w->n_queues; i++) {
		const struct queue *q = w->queues[i];
		if (q->n_tasks > 0 || q->claiming)
			return false;
		/* One that stops leaves to others what its doorbell has moved. */
		if (!w->stopping && (q->doorbell.rang || (!q->dry && !q->paused) ||
		                     !q->waiting_known || (q->waiting > 0 && q->places == 0)))
			return false;
	}
	return w->stopping || w->until_empty;
}

static void worker_drop_retired(struct worker *w)
{
	for (size_t i = w->n_gates; i-- > 0;) {
		struct gate *g = w->gates[i];
		if (!g->retired || g->provider->in_use > 0 || g->asking || g->n_line > 0)
			continue;
		for (size_t q = 0; q < w->n_queues; q++) {
			struct task *t;
			TAILQ_FOREACH(t, &w->queues[q]->tasks, lease)
			{
				if (t->gate == g)
					goto next;
			}
		}
		gate_free(g);
		w->n_gates--;
		memmove(&w->gates[i], &w->gates[i + 1], (w->n_gates - i) * sizeof(w->gates[0]));
	next:;
	}
}

/* The job that a doorbell has moved will go to the first that takes it, or, by weights, to one beside it. */
static void worker_expect(struct worker *w)
{
	const struct gate *first = NULL;

	for (size_t i = 0; i < w->n_gates; i++) {
		struct gate *g = w->gates[i];
		if (!gate_takes(g) || (first && g->provider->tier != first->provider->tier))
			continue;
		first = g;
		gate_expect(g);
	}
}

/* While replicas are missing, one mail of all gates goes at a time. */
static void worker_flush_gates(struct worker *w)
{
	int64_t fenced = status_fenced_until(&w->status);
	bool may = clock_boot_us() >= fenced;

	if (w->rung && fenced == 0)
		worker_expect(w);
	w->rung = false;
	for (size_t i = 0; i < w->n_gates; i++) {
		struct gate *g = w->gates[i];

		if (fenced == 0) {
			gate_flush(g, w->redis, GATE_MAX_BATCH);
		} else if (may && g->n_line > 0 && !g->asking) {
			status_fence_probe(&w->status);
			may = false;
			gate_flush(g, w->redis, 1);
		} else {
			gate_flush(g, w->redis, 0);
		}
	}
}

static void worker_flush(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct worker *w = prepare->data;

	(void)events;
	if (worker_all_done(w)) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	if (w->rerouting)
		worker_reroute(w);
	if (!topology_up(w->redis))
		return;
	/* Claims first: renewals must be in Redis before what relies on them. */
	worker_flush_queues(w);
	status_flush(&w->status, w->redis);
	webhooks_flush(&w->webhooks);
	worker_flush_gates(w);
}

/* The server may be another one, which never heard of them. */
static void worker_tell_limits(struct worker *w)
{
	for (size_t i = 0; i < w->n_gates; i++) {
		const struct provider *p = w->gates[i]->provider;
		if (!w->gates[i]->retired)
			stats_limit(stats_provider(&w->stats, p->name), p->interval_us, p->burst);
	}
}

static void worker_on_redis(void *data, bool up)
{
	struct worker *w = data;

	if (!up)
		return;
	heartbeat_beat(&w->heartbeat, w->redis);
	worker_tell_limits(w);
}

/* Once a second: heartbeat; the stats; providers that have held a last byte for too long, since Redis is away
 * or refuses what is asked. */
static void worker_on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *w = timer->data;
	int64_t now = clock_boot_us();
	struct task *t;

	(void)loop;
	(void)events;
	heartbeat_beat(&w->heartbeat, w->redis);
	stats_flush(&w->stats, w->redis);
	worker_drop_retired(w);
	for (size_t i = 0; i < w->n_queues; i++) {
		TAILQ_FOREACH(t, &w->queues[i]->tasks, lease)
		{
			if (t->state == TASK_BEGINNING && now - t->state_since > WORKER_MAX_HOLD_US)
				task_advance(t, TASK_ON_OVERDUE);
		}
	}
}

/* ---- signals ----------------------------------------------------------------------------------- */

static void worker_each_task(struct worker *w, enum task_event event)
{
	struct task *t, *next;

	for (size_t i = 0; i < w->n_queues; i++) {
		for (t = TAILQ_FIRST(&w->queues[i]->tasks); t; t = next) {
			next = TAILQ_NEXT(t, lease);
			task_advance(t, event);
		}
	}
}

/* The grace is over. What is past the point of no return is left to its lease: the next worker
 * finds it `sending`, and the mail's policy decides. */
static void worker_on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *w = timer->data;

	(void)events;
	if (worker_tasks(w) == 0 || w->grace.repeat > 0.) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_warn("grace_over", LOG_INT("mails", (int64_t)worker_tasks(w)));
	worker_each_task(w, TASK_ON_OVERDUE);
	timer->repeat = 1.; /* time to settle what was given back */
	ev_timer_again(loop, timer);
}

static void worker_on_stop(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct worker *w = signal->data;

	(void)events;
	if (w->stopping) {
		w->stop_by = clock_mono_us();
		log_warn("stopped_at_once", LOG_INT("mails", (int64_t)worker_tasks(w)));
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	w->stopping = true;
	w->stop_by = clock_mono_us() + w->options->drain_timeout * 1000000;
	log_info("draining", LOG_INT("mails", (int64_t)worker_tasks(w)));
	for (size_t i = 0; i < w->n_queues; i++)
		queue_drain(w->queues[i]);
	worker_each_task(w, TASK_ON_REROUTE);
	ev_timer_set(&w->grace, (double)w->options->drain_timeout, 0.);
	ev_timer_start(loop, &w->grace);
}

static bool worker_open_gates(struct worker *w, struct error *err)
{
	struct registry r;

	if (!registry_open(&r, w->loop, w->options, w->allow_mocks, err))
		return false;
	if (w->n_gates + r.n > WORKER_MAX_GATES) {
		registry_close(&r);
		return error_set(err,
		                 "too many reloads while mails are still with the old providers");
	}
	/* The new ones first: the order is the failover order. */
	memmove(&w->gates[r.n], &w->gates[0], w->n_gates * sizeof(w->gates[0]));
	for (size_t i = 0; i < r.n; i++)
		w->gates[i] = gate_new(r.list[i], w->options, &w->clock, &w->rerouting);
	w->n_gates += r.n;
	return true;
}

/* The first `n` gates are new; those behind have had their day. */
static void worker_retire_gates(struct worker *w, size_t n)
{
	for (size_t i = n; i < w->n_gates; i++) {
		struct gate *old = w->gates[i];

		for (size_t k = 0; k < n && !old->retired; k++) {
			if (strcmp(w->gates[k]->provider->name, old->provider->name) == 0)
				gate_replace(w->gates[k], old);
		}
		old->retired = true;
	}
}

static void worker_on_reload(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct worker *w = signal->data;
	size_t before = w->n_gates;
	struct error err;

	(void)loop;
	(void)events;
	options_forget();
	if (!worker_open_gates(w, &err)) {
		log_error("reload_failed", LOG_STR("error", err.text));
		return;
	}
	worker_retire_gates(w, w->n_gates - before);
	w->heartbeat.known = false;
	webhooks_reload(&w->webhooks);
	worker_tell_limits(w);
	w->rerouting = true;
	log_info("reloaded", LOG_INT("providers", (int64_t)(w->n_gates - before)));
}

/* ---- start and end ------------------------------------------------------------------------------- */

/* NULL: err says why. */
static struct queue *worker_open_queue(struct worker *w, const char *name, long weight,
                                       struct error *err)
{
	struct queue *q = queue_new(w, w->loop, name, weight, w->options, w->redis, err);

	if (!q)
		return NULL;
	w->queues[w->n_queues++] = q;
	q->stats = stats_queue(&w->stats, q->keys.stats);
	if (w->until_empty)
		queue_watch_end(q);
	return q;
}

static bool worker_open_queues(struct worker *w, struct error *err)
{
	struct queue_set set;
	bool ok = queue_set_load(&set, w->options, NULL, err);

	for (size_t i = 0; ok && i < set.n; i++)
		ok = worker_open_queue(w, set.keys[i].list, set.weights[i], err) != NULL;
	queue_set_free(&set);
	return ok;
}

static bool worker_open_webhooks(struct worker *w, struct error *err)
{
	struct queue *q = NULL;
	char *name;

	if (!webhooks_init(&w->webhooks, w->options, err))
		return false;
	if (w->webhooks.rules.n_secrets > 0) {
		name = keys_webhooks(w->options->key_prefix);
		q = worker_open_queue(w, name, 1, err);
		mem_free(name);
		if (!q)
			return error_prefix(err, "KEY_PREFIX");
		q->places = (size_t)w->options->webhook_concurrency;
	}
	return webhooks_open(&w->webhooks, w->loop, q, w->redis, err);
}

static void worker_watch(struct worker *w)
{
	ev_prepare_init(&w->flush, worker_flush);
	ev_timer_init(&w->tick, worker_on_tick, HEARTBEAT_MS / 1000., HEARTBEAT_MS / 1000.);
	ev_init(&w->grace, worker_on_grace);
	ev_signal_init(&w->on_term, worker_on_stop, SIGTERM);
	ev_signal_init(&w->on_int, worker_on_stop, SIGINT);
	ev_signal_init(&w->on_hup, worker_on_reload, SIGHUP);
	w->flush.data = w->tick.data = w->grace.data = w;
	w->on_term.data = w->on_int.data = w->on_hup.data = w;
	ev_prepare_start(w->loop, &w->flush);
	ev_timer_start(w->loop, &w->tick);
	ev_signal_start(w->loop, &w->on_term);
	ev_signal_start(w->loop, &w->on_int);
	ev_signal_start(w->loop, &w->on_hup);
}

static void worker_unwatch(struct worker *w)
{
	ev_prepare_stop(w->loop, &w->flush);
	ev_timer_stop(w->loop, &w->tick);
	ev_timer_stop(w->loop, &w->grace);
	ev_signal_stop(w->loop, &w->on_term);
	ev_signal_stop(w->loop, &w->on_int);
	ev_signal_stop(w->loop, &w->on_hup);
}

static char *worker_make_name(const struct options *o)
{
	return o->worker_name[0] != '\0' ? mem_strdup(o->worker_name) : random_name();
}

/* A sender that is no address would bury every job that names none. */
static bool worker_check_sender(const struct options *o, struct error *err)
{
	struct address a;
	const char *why;

	if (o->mail_from[0] == '\0')
		return true;
	if (!address_parse(&a, o->mail_from, strlen(o->mail_from), &why))
		return error_set(err, "MAIL_FROM %s", why);
	address_free(&a);
	return true;
}

static bool worker_start(struct worker *w, struct error *err)
{
	struct topology_config redis;
	bool ok;

	if (!worker_check_sender(w->options, err) ||
	    !tracer_open(&w->tracer, w->loop, w->options, w->name, err))
		return false;
	if (!topology_config_parse(&redis, w->options->redis_url, err))
		return false;
	redis.link.timeout_ms = (int)w->options->command_timeout;
	mem_free(redis.link.name);
	redis.link.name = mem_strdup(w->name);
	w->redis = topology_open(w->loop, &redis, worker_on_redis, w);
	topology_config_free(&redis);
	ok = worker_open_gates(w, err) && worker_open_queues(w, err) &&
	     worker_open_webhooks(w, err);
	if (ok)
		worker_watch(w);
	return ok;
}

static void worker_stop(struct worker *w)
{
	bool opened = ev_is_active(&w->tick);

	if (opened) {
		worker_unwatch(w);
		heartbeat_leave(&w->heartbeat, w->redis);
		stats_flush(&w->stats, w->redis);
		ev_run(w->loop, EVRUN_NOWAIT); /* lets them out */
	}
	for (size_t i = 0; i < w->n_queues; i++)
		doorbell_close(&w->queues[i]->doorbell);
	if (w->redis)
		topology_close(w->redis);
	if (opened && w->guest)
		w->guest->close(w->guest->data);
	tracer_close(w->tracer, worker_tasks(w) > 0 ? 0 : tracer_spare_ms(w->stop_by));
	for (size_t i = 0; i < w->n_queues; i++)
		queue_free(w->queues[i]);
	for (size_t i = 0; i < w->n_gates; i++)
		gate_free(w->gates[i]);
	webhooks_free(&w->webhooks);
	status_free(&w->status);
	heartbeat_free(&w->heartbeat);
	stats_free(&w->stats);
	mem_free(w->name);
}

bool worker_run(const struct options *o, bool until_empty, bool allow_mocks,
                const struct worker_guest *guest, struct error *err)
{
	struct worker w = {
		.loop = ev_default_loop(EVFLAG_AUTO),
		.options = o,
		.until_empty = until_empty,
		.allow_mocks = allow_mocks,
		.guest = guest,
		.err = err,
	};
	bool ok;

	sigpipe_ignore();
	message_init();
	w.name = worker_make_name(o);
	log_set_name(w.name);
	status_init(&w.status, o);
	heartbeat_init(&w.heartbeat, &w);
	stats_init(&w.stats, o->key_prefix);
	ok = worker_start(&w, err);
	if (ok) {
		log_info("worker_started", LOG_INT("queues", (int64_t)w.n_queues),
		         LOG_INT("providers", (int64_t)w.n_gates),
		         LOG_INT("concurrency", o->concurrency));
		if (guest)
			guest->open(guest->data, &w, w.loop, w.redis);
		ev_run(w.loop, 0);
		ok = !w.failed;
		log_info("worker_ended", LOG_INT("left", (int64_t)worker_tasks(&w)));
	}
	worker_stop(&w);
	log_set_name(NULL);
	return ok;
}

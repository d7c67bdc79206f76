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
	free_slots = all = used < most && gates_flow(&w->gates) ? most - used : 0;
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
			if (share == 0 && q->hungry && q->doorbell.rang && gates_flow(&w->gates))
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

/* What waits within a provider whose gate has shut is not charged for that: it goes another way. */
static void worker_recall(struct worker *w)
{
	struct task *t, *next;

	for (size_t i = 0; i < w->n_queues; i++) {
		for (t = TAILQ_FIRST(&w->queues[i]->tasks); t; t = next) {
			next = TAILQ_NEXT(t, lease);
			if (!t->webhook && t->state == TASK_SENDING && gate_recalls(t->gate, t))
				task_advance(t, TASK_ON_REROUTE);
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
	if (w->gates.rerouting) {
		gates_reroute(&w->gates);
		worker_recall(w);
	}
	if (!topology_up(w->redis))
		return;
	/* Claims first: renewals must be in Redis before what relies on them. */
	worker_flush_queues(w);
	status_flush(&w->status, w->redis);
	webhooks_flush(&w->webhooks);
	gates_flush(&w->gates, w->redis);
}

static void worker_on_redis(void *data, bool up)
{
	struct worker *w = data;

	if (!up)
		return;
	heartbeat_beat(&w->heartbeat, w->redis);
	gates_tell_limits(&w->gates, &w->stats);
}

static bool worker_needs(const struct worker *w, const struct gate *g)
{
	const struct task *t;

	for (size_t i = 0; i < w->n_queues; i++) {
		TAILQ_FOREACH(t, &w->queues[i]->tasks, lease)
		{
			if (t->gate == g)
				return true;
		}
	}
	return g->provider->in_use > 0 || g->asking;
}

static void worker_drop_retired(struct worker *w)
{
	for (size_t i = w->gates.n; i-- > 0;) {
		if (w->gates.list[i]->retired && !worker_needs(w, w->gates.list[i]))
			gates_remove(&w->gates, i);
	}
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

static void worker_on_reload(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct worker *w = signal->data;
	size_t before = w->gates.n;
	struct error err;

	(void)loop;
	(void)events;
	options_forget();
	if (!gates_open(&w->gates, w->loop, w->allow_mocks, &err)) {
		log_error("reload_failed", LOG_STR("error", err.text));
		return;
	}
	w->heartbeat.known = false;
	webhooks_reload(&w->webhooks);
	gates_tell_limits(&w->gates, &w->stats);
	w->gates.rerouting = true;
	log_info("reloaded", LOG_INT("providers", (int64_t)(w->gates.n - before)));
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
	ok = gates_open(&w->gates, w->loop, w->allow_mocks, err) && worker_open_queues(w, err) &&
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
	gates_free(&w->gates);
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
	gates_init(&w.gates, o, &w.clock, &w.status);
	heartbeat_init(&w.heartbeat, &w);
	stats_init(&w.stats, o->key_prefix);
	ok = worker_start(&w, err);
	if (ok) {
		log_info("worker_started", LOG_INT("queues", (int64_t)w.n_queues),
		         LOG_INT("providers", (int64_t)w.gates.n),
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

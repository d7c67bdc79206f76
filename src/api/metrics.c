#include "api/metrics.h"

#include <string.h>

#include "api/api.h"
#include "api/exposition.h"
#include "api/look.h"
#include "api/media.h"
#include "api/traffic.h"
#include "base/vitals.h"
#include "fleet/guest.h"
#include "fleet/stats.h"
#include "fleet/tracer.h"

/* ---- counts of the fleet --------------------------------------------------------------------- */

/* The figures that are counted in one group (fleet/stats.h): a sample for each label, or a histogram. */
struct figure {
	enum stats_group group;
	enum exposition_kind kind;
	const char *name, *label; /* NULL: there is only one */
	const char *help;
};

static const struct figure queue_figures[] = {
	{STATS_MAILS, EXPOSITION_COUNTER, "postrider_mails_total", "status",
         "Mails settled for good, in the fleet."},
	{STATS_DEAD, EXPOSITION_COUNTER, "postrider_dead_letters_total", "reason",
         "Mails that became dead letters, in the fleet."},
	{STATS_DUPLICATES, EXPOSITION_COUNTER, "postrider_duplicates_total", NULL,
         "Jobs dropped because their mail was known, in the fleet."},
	{STATS_ADOPTED, EXPOSITION_COUNTER, "postrider_adoptions_total", NULL,
         "Jobs taken over from workers that died or were away, in the fleet."},
	{STATS_WAIT, EXPOSITION_HISTOGRAM, "postrider_queue_wait_seconds", NULL,
         "From when a mail could be sent (accepted by the API, else first claimed; or due) to each "
         "attempt, in the fleet."},
	{STATS_TOTAL, EXPOSITION_HISTOGRAM, "postrider_mail_duration_seconds", NULL,
         "From when a mail could first be sent (accepted by the API, else first claimed; or sendAt) "
         "until it was sent, in the fleet."},
};

static const struct figure provider_figures[] = {
	{STATS_ATTEMPTS, EXPOSITION_COUNTER, "postrider_attempts_total", "outcome",
         "Attempts to deliver, in the fleet."},
	{STATS_PROVIDER_MAILS, EXPOSITION_COUNTER, "postrider_provider_mails_total", "status",
         "Mails settled for good, by the provider of the last attempt, in the fleet."},
	{STATS_CALL, EXPOSITION_HISTOGRAM, "postrider_provider_call_duration_seconds", NULL,
         "From handing a mail to the provider to its answer, in the fleet."},
};

/* of: "queue" or "provider"; cells: its row. */
static void write_cells(struct exposition *x, const struct figure *f, const char *of,
                        const char *name, const int64_t *cells)
{
	const int64_t *at = cells + stats_at(f->group);

	if (f->kind == EXPOSITION_HISTOGRAM) {
		exposition_histogram(x, LABELS(of, name), at);
		return;
	}
	for (size_t i = 0; i < stats_labels(f->group); i++) {
		if (f->label)
			exposition_int(x, LABELS(of, name, f->label, stats_label(f->group, i)),
			               at[i]);
		else
			exposition_int(x, LABELS(of, name), at[i]);
	}
}

static void write_counts(struct exposition *x, const struct survey *s)
{
	for (size_t f = 0; f < sizeof(queue_figures) / sizeof(queue_figures[0]); f++) {
		const struct figure *figure = &queue_figures[f];

		exposition_family(x, figure->name, figure->kind, figure->help);
		for (size_t i = 0; i < s->n_queues; i++)
			write_cells(x, figure, "queue", s->queues[i].keys->list,
			            s->queues[i].counts);
	}
	for (size_t f = 0; f < sizeof(provider_figures) / sizeof(provider_figures[0]); f++) {
		const struct figure *figure = &provider_figures[f];

		exposition_family(x, figure->name, figure->kind, figure->help);
		for (size_t i = 0; i < s->n_providers; i++)
			write_cells(x, figure, "provider", s->providers[i].name,
			            s->providers[i].counts);
	}
}

/* ---- the fleet now --------------------------------------------------------------------------- */

enum queue_gauge { DEPTH, IN_FLIGHT, DELAYED, DEAD, OLDEST, LAST_CLAIM, QUEUE_PAUSED };

static const struct {
	enum queue_gauge gauge;
	const char *name, *help;
} queue_gauges[] = {
	{DEPTH, "postrider_queue_depth", "Jobs pushed and not yet taken, in the fleet."},
	{IN_FLIGHT, "postrider_queue_in_flight", "Jobs in workers' hands, in the fleet."},
	{DELAYED, "postrider_queue_delayed", "Jobs that wait for their time, in the fleet."},
	{DEAD, "postrider_queue_dead", "Dead letters and held mails that are kept, in the fleet."},
	{OLDEST, "postrider_queue_oldest_age_seconds",
         "Since the job that is taken next was accepted, where that is known (it came by the API), in "
         "the fleet."},
	{LAST_CLAIM, "postrider_queue_last_claim_age_seconds",
         "Since a worker last came for jobs, in the fleet."},
	{QUEUE_PAUSED, "postrider_queue_paused", "1 while the queue is paused, in the fleet."},
};

static void write_queue_gauge(struct exposition *x, enum queue_gauge gauge,
                              const struct survey_queue *q)
{
	const char *const *labels = LABELS("queue", q->keys->list);

	switch (gauge) {
	case DEPTH:
		exposition_int(x, labels, q->depth);
		break;
	case IN_FLIGHT:
		exposition_int(x, labels, q->in_flight);
		break;
	case DELAYED:
		exposition_int(x, labels, q->delayed);
		break;
	case DEAD:
		exposition_int(x, labels, q->dead);
		break;
	case OLDEST:
		if (q->oldest_ms >= 0)
			exposition_seconds(x, labels, q->oldest_ms * 1000);
		break;
	case LAST_CLAIM:
		if (q->last_claim_ms >= 0)
			exposition_seconds(x, labels, q->last_claim_ms * 1000);
		break;
	case QUEUE_PAUSED:
		exposition_int(x, labels, q->paused);
		break;
	}
}

static void write_breakers(struct exposition *x, const struct survey *s)
{
	static const char *const states[] = {"closed", "open", "half-open"};

	exposition_family(
		x, "postrider_breaker_state", EXPOSITION_GAUGE,
		"1 for the state that the provider's circuit breaker is in, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++) {
		for (size_t n = 0; n < sizeof(states) / sizeof(states[0]); n++)
			exposition_int(x,
			               LABELS("provider", s->providers[i].name, "state", states[n]),
			               strcmp(s->providers[i].state, states[n]) == 0);
	}
	exposition_family(x, "postrider_breaker_failures", EXPOSITION_GAUGE,
	                  "Failures in a row that the breaker has seen, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++)
		exposition_int(x, LABELS("provider", s->providers[i].name),
		               s->providers[i].failures);
	exposition_family(x, "postrider_breaker_opened_total", EXPOSITION_COUNTER,
	                  "How often the breaker has opened, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++)
		exposition_int(x, LABELS("provider", s->providers[i].name), s->providers[i].opened);
}

static void write_limits(struct exposition *x, const struct survey *s)
{
	exposition_family(x, "postrider_provider_paused", EXPOSITION_GAUGE,
	                  "1 while the provider is paused by hand, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++)
		exposition_int(x, LABELS("provider", s->providers[i].name), s->providers[i].paused);
	exposition_family(x, "postrider_provider_throttled_seconds", EXPOSITION_GAUGE,
	                  "For how long nothing is sent because the provider asked for it, in the "
	                  "fleet.");
	for (size_t i = 0; i < s->n_providers; i++)
		exposition_seconds(x, LABELS("provider", s->providers[i].name),
		                   s->providers[i].pause_ms * 1000);
	exposition_family(x, "postrider_provider_bucket_tokens", EXPOSITION_GAUGE,
	                  "Mails that may go at once under the provider's rate, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++) {
		if (s->providers[i].interval_us > 0)
			exposition_int(x, LABELS("provider", s->providers[i].name),
			               survey_provider_tokens(s, &s->providers[i]));
	}
	exposition_family(x, "postrider_provider_bucket_capacity", EXPOSITION_GAUGE,
	                  "Mails that may go at once when the bucket is full, in the fleet.");
	for (size_t i = 0; i < s->n_providers; i++) {
		if (s->providers[i].interval_us > 0)
			exposition_int(x, LABELS("provider", s->providers[i].name),
			               s->providers[i].burst);
	}
}

/* Of the queues that an archiver has ever read. */
static void write_archive(struct exposition *x, const struct survey *s)
{
	exposition_family(x, "postrider_archive_lag_entries", EXPOSITION_GAUGE,
	                  "Events that are not in PostgreSQL yet, in the fleet.");
	for (size_t i = 0; i < s->n_queues; i++) {
		const struct lag *lag = &s->queues[i].lag;

		if (lag->known)
			exposition_int(x, LABELS("queue", s->queues[i].keys->list),
			               lag->waiting + lag->pending);
	}
	exposition_family(x, "postrider_archive_lag_seconds", EXPOSITION_GAUGE,
	                  "Since the oldest event was written that is not in PostgreSQL yet, in "
	                  "the fleet.");
	for (size_t i = 0; i < s->n_queues; i++) {
		if (s->queues[i].lag.known)
			exposition_seconds(x, LABELS("queue", s->queues[i].keys->list),
			                   lag_ms(&s->queues[i].lag, s->now) * 1000);
	}
	exposition_family(x, "postrider_archive_events_total", EXPOSITION_COUNTER,
	                  "Events archived, skipped (they could not be stored) and lost (trimmed "
	                  "before they were read), in the fleet.");
	for (size_t i = 0; i < s->n_queues; i++) {
		const char *queue = s->queues[i].keys->list;
		const struct lag *lag = &s->queues[i].lag;

		if (!lag->known)
			continue;
		exposition_int(x, LABELS("queue", queue, "result", "archived"), lag->archived);
		exposition_int(x, LABELS("queue", queue, "result", "skipped"), lag->skipped);
		exposition_int(x, LABELS("queue", queue, "result", "lost"), lag->lost);
	}
	exposition_family(x, "postrider_archivers", EXPOSITION_GAUGE,
	                  "Archivers that were heard of in the last seconds, in the fleet.");
	for (size_t i = 0; i < s->n_queues; i++) {
		if (s->queues[i].lag.known)
			exposition_int(x, LABELS("queue", s->queues[i].keys->list),
			               s->queues[i].lag.archivers);
	}
}

void metrics_write_fleet(struct exposition *x, const struct survey *s)
{
	write_counts(x, s);
	for (size_t g = 0; g < sizeof(queue_gauges) / sizeof(queue_gauges[0]); g++) {
		exposition_family(x, queue_gauges[g].name, EXPOSITION_GAUGE, queue_gauges[g].help);
		for (size_t i = 0; i < s->n_queues; i++) {
			if (!s->queues[i].error)
				write_queue_gauge(x, queue_gauges[g].gauge, &s->queues[i]);
		}
	}
	write_breakers(x, s);
	write_limits(x, s);
	write_archive(x, s);
	exposition_family(x, "postrider_workers", EXPOSITION_GAUGE,
	                  "Workers that were heard of in the last seconds, in the fleet.");
	exposition_int(x, NO_LABELS, (int64_t)s->n_workers);
}

/* ---- this process ---------------------------------------------------------------------------- */

static void write_one(struct exposition *x, const char *name, enum exposition_kind kind,
                      const char *help, int64_t value)
{
	exposition_family(x, name, kind, help);
	exposition_int(x, NO_LABELS, value);
}

static void write_redis(struct exposition *x, const struct api *api, bool up)
{
	struct link_stats l;

	topology_stats(api->redis, &l);
	write_one(x, "postrider_redis_up", EXPOSITION_GAUGE,
	          "1 when Redis has answered this request, to this process.", up);
	write_one(x, "postrider_redis_commands_total", EXPOSITION_COUNTER,
	          "Commands sent to Redis (round trips, where they are not in one batch), by this "
	          "process.",
	          (int64_t)l.commands);
	write_one(x, "postrider_redis_errors_total", EXPOSITION_COUNTER,
	          "Commands that Redis answered with an error, to this process.",
	          (int64_t)l.errors);
	write_one(x, "postrider_redis_reconnects_total", EXPOSITION_COUNTER,
	          "How often Redis was reached again after it was away, by this process.",
	          (int64_t)l.reconnects);
}

/* tracer NULL: traces are off. */
static void write_traces(struct exposition *x, const struct tracer *tracer)
{
	struct tracer_counts n;

	if (!tracer)
		return;
	n = tracer_counts(tracer);
	exposition_family(x, "postrider_trace_spans_total", EXPOSITION_COUNTER,
	                  "Spans that the collector has taken, that found no room, and that it "
	                  "did not take, by this process.");
	exposition_int(x, LABELS("result", "exported"), (int64_t)n.exported);
	exposition_int(x, LABELS("result", "dropped"), (int64_t)n.dropped);
	exposition_int(x, LABELS("result", "failed"), (int64_t)n.failed);
}

static void write_vitals(struct exposition *x)
{
	struct vitals v;

	vitals_read(&v);
	exposition_family(x, "process_cpu_seconds_total", EXPOSITION_COUNTER,
	                  "User and system CPU time, of this process.");
	exposition_real(x, NO_LABELS, v.cpu_s);
	exposition_family(x, "process_start_time_seconds", EXPOSITION_GAUGE,
	                  "When it started, seconds since 1970, of this process.");
	exposition_real(x, NO_LABELS, v.started_at);
	write_one(x, "process_resident_memory_bytes", EXPOSITION_GAUGE,
	          "Resident memory, of this process.", v.resident);
	write_one(x, "process_virtual_memory_bytes", EXPOSITION_GAUGE,
	          "Virtual memory, of this process.", v.virtual);
	write_one(x, "process_open_fds", EXPOSITION_GAUGE,
	          "Open file descriptors, of this process.", v.open_fds);
	write_one(x, "process_max_fds", EXPOSITION_GAUGE,
	          "The limit of open file descriptors, of this process.", v.max_fds);
}

static void write_process(struct exposition *x, const struct api *api, bool up)
{
	exposition_family(x, "postrider_build_info", EXPOSITION_GAUGE,
	                  "1, with the version, of this process.");
	exposition_int(x, LABELS("version", POSTRIDER_VERSION), 1);
	if (api->worker)
		write_one(x, "postrider_worker_mails", EXPOSITION_GAUGE,
		          "Mails in the hands of this process, a worker.",
		          (int64_t)worker_tasks(api->worker));
	write_redis(x, api, up);
	write_traces(x, api->worker ? worker_tracer(api->worker) : api->tracer);
	write_one(x, "postrider_http_connections", EXPOSITION_GAUGE,
	          "Connections of HTTP clients, of this process.",
	          (int64_t)server_connections(api->server));
	traffic_write(server_traffic(api->server), x);
	write_vitals(x);
}

/* ---- the route ------------------------------------------------------------------------------- */

static void on_look(struct request *r, enum link_result result, const struct survey *s)
{
	struct exposition x;
	bool json = media_prefers(request_get(r, "Accept"), "application/json", "text/plain");

	request_add(r, "Vary", "Accept");
	exposition_begin(&x, &r->out, json);
	if (result == LINK_OK)
		metrics_write_fleet(&x, s);
	write_process(&x, r->api, result == LINK_OK);
	exposition_end(&x);
	request_answer_as(r, 200, json ? "application/json" : EXPOSITION_TEXT);
}

void metrics_run(struct request *r)
{
	look_run(r, LOOK_COUNTS | LOOK_AGES | LOOK_LAGS, on_look);
}

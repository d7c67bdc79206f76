#include "api/pulse.h"

#include "api/api.h"
#include "api/look.h"
#include "api/overview.h"
#include "api/provider_stats.h"
#include "api/stream.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "fleet/histogram.h"

#define MAX_EVENT ((size_t)2 << 20)

struct viewer {
	TAILQ_ENTRY(viewer) entry;
	struct pulse *pulse;
	struct stream *stream;
	int64_t until; /* mono clock, µs */
	int64_t left;  /* fleet events until it is ended; -1: no end */
};

/* --- the event ----------------------------------------------------------------------------------------------- */

static int64_t sum_queues(const struct survey *s, size_t cell)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_queues; i++)
		sum += s->queues[i].counts[cell];
	return sum;
}

/* Attempts after which the mail went on. */
static int64_t sum_retries(const struct survey *s)
{
	static const enum outcome_kind kinds[] = {OUTCOME_RETRY, OUTCOME_THROTTLED,
	                                          OUTCOME_PROVIDER_DOWN, OUTCOME_UNKNOWN};
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_providers; i++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			sum += s->providers[i].counts[stats_at(STATS_ATTEMPTS) + (size_t)kinds[k]];
	return sum;
}

static struct pulse_sample take_sample(const struct survey *s)
{
	size_t mails = stats_at(STATS_MAILS);

	return (struct pulse_sample){
		.at = s->now,
		.sent = sum_queues(s, mails + STATS_SENT),
		.failed = sum_queues(s, mails + STATS_FAILED),
		.held = sum_queues(s, mails + STATS_HELD),
		.retried = sum_retries(s),
	};
}

static void write_slots(struct buf *out, const char *name, const int64_t *slots)
{
	jsonw_key(out, name);
	jsonw_open(out, '[');
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		jsonw_int(out, slots[i]);
	jsonw_close(out, ']');
}

static void write_histogram(struct buf *out, const char *name, const struct survey *s,
                            enum stats_group g)
{
	int64_t slots[HISTOGRAM_BUCKETS];

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		slots[i] = sum_queues(s, stats_at(g) + i);
	write_slots(out, name, slots);
}

static void write_totals(struct buf *out, const struct pulse_sample *t)
{
	jsonw_key(out, "totals");
	jsonw_open(out, '{');
	jsonw_pair_int(out, "sent", t->sent);
	jsonw_pair_int(out, "failed", t->failed);
	jsonw_pair_int(out, "held", t->held);
	jsonw_pair_int(out, "retried", t->retried);
	jsonw_close(out, '}');
}

static void write_last_error(struct buf *out, const struct pulse *p,
                             const struct survey_provider *provider)
{
	const struct last_error *e = last_errors_of(&p->errors, provider->name);

	jsonw_key(out, "lastError");
	if (e == NULL) {
		jsonw_null(out);
		return;
	}
	jsonw_open(out, '{');
	jsonw_pair(out, "code", e->code);
	jsonw_pair_time(out, "at", e->at);
	jsonw_close(out, '}');
}

static void write_providers(struct buf *out, const struct pulse *pulse, const struct survey *s)
{
	jsonw_key(out, "providers");
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n_providers; i++) {
		const struct survey_provider *p = &s->providers[i];

		jsonw_open(out, '{');
		jsonw_key(out, "stats");
		provider_stats_write(out, s, p);
		write_slots(out, "call", p->counts + stats_at(STATS_CALL));
		jsonw_pair_int_or_null(out, "weight", p->weight);
		write_last_error(out, pulse, p);
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

static void write_event(struct buf *out, const struct pulse *p, enum link_result result,
                        const struct survey *s, const struct pulse_sample *sample)
{
	jsonw_open(out, '{');
	jsonw_pair_int(out, "at", result == LINK_OK ? s->now : clock_wall_ms());
	jsonw_pair_int(out, "everyMs", (int64_t)(p->tick.repeat * 1e3));
	jsonw_pair_bool(out, "redis", result == LINK_OK);
	overview_write(out, result, s);
	if (result == LINK_OK) {
		write_totals(out, sample);
		jsonw_key(out, "bounds");
		jsonw_open(out, '[');
		for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
			jsonw_int(out, histogram_bounds_ms[i]);
		jsonw_close(out, ']');
		write_histogram(out, "wait", s, STATS_WAIT);
		write_histogram(out, "total", s, STATS_TOTAL);
		write_providers(out, p, s);
	}
	jsonw_close(out, '}');
}

static void send_history(const struct pulse *p, struct stream *stream)
{
	size_t first = p->n_history > PULSE_HISTORY ? p->n_history - PULSE_HISTORY : 0;
	struct buf out;

	buf_init(&out, MAX_EVENT);
	jsonw_open(&out, '[');
	for (size_t i = first; i < p->n_history; i++) {
		const struct pulse_sample *s = &p->history[i % PULSE_HISTORY];
		const int64_t values[] = {s->at, s->sent, s->failed, s->held, s->retried};

		jsonw_open(&out, '[');
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			jsonw_int(&out, values[v]);
		jsonw_close(&out, ']');
	}
	jsonw_close(&out, ']');
	stream_send(stream, "history", out.data, out.len);
	buf_free(&out);
}

/* --- the beat ------------------------------------------------------------------------------------------------ */

static void viewer_tell(struct viewer *v)
{
	const struct buf *last = &v->pulse->last;

	stream_send(v->stream, "fleet", last->data, last->len);
	if (v->left > 0 && --v->left == 0)
		stream_end(v->stream);
}

static void pulse_tell(struct pulse *p)
{
	int64_t now = clock_mono_us();
	struct viewer *v;

	TAILQ_FOREACH(v, &p->viewers, entry)
	{
		if (now >= v->until)
			stream_end(v->stream);
		else if (stream_idle(v->stream))
			viewer_tell(v);
	}
}

/* Seconds between two surveys of so many questions. */
static double pulse_period(const struct pulse *p, size_t questions)
{
	size_t beats = 1 + questions / (PULSE_COMMANDS + 1);
	double rest_s = (double)questions / PULSE_REST_COMMANDS;

	if (p->n > 0)
		return (double)beats * PULSE_MS / 1e3;
	return rest_s > PULSE_REST_MS / 1e3 ? rest_s : PULSE_REST_MS / 1e3;
}

static void pulse_set_timer(struct pulse *p, double after_s, double every_s)
{
	ev_timer_stop(p->api->loop, &p->tick);
	ev_timer_set(&p->tick, after_s, every_s);
	ev_timer_start(p->api->loop, &p->tick);
}

static void pulse_on_errors(void *data, enum link_result result)
{
	struct pulse *p = data;

	(void)result; /* they may not be ours to read, and come again with the next failure */
	p->looking = false;
}

/* False: no attempt has failed since they were asked for. */
static bool ask_errors(struct pulse *p, const struct survey *s)
{
	int64_t failures = 0;

	for (size_t i = 0; i < s->n_providers; i++)
		for (size_t kind = 0; kind < OUTCOME_N; kind++)
			if (kind != OUTCOME_SENT)
				failures += s->providers[i].counts[stats_at(STATS_ATTEMPTS) + kind];
	if (failures == p->failures)
		return false;
	p->failures = failures;
	last_errors_again(&p->errors);
	inquiry_run(&p->errors.inquiry, p->api->redis, pulse_on_errors, p);
	return p->errors.inquiry.pending > 0;
}

static void pulse_on_look(void *data, enum link_result result, const struct survey *s)
{
	struct pulse *p = data;
	struct pulse_sample sample = {0};

	p->looking = p->n > 0 && !p->closed && result == LINK_OK && ask_errors(p, s);
	p->tick.repeat = pulse_period(p, survey_questions(s, 0) + survey_questions(s, 1));
	if (result == LINK_OK) {
		sample = take_sample(s);
		p->history[p->n_history++ % PULSE_HISTORY] = sample;
	}
	buf_clear(&p->last);
	if (p->n == 0)
		return;
	write_event(&p->last, p, result, s, &sample);
	if (p->closed || !buf_ok(&p->last))
		return;
	pulse_tell(p);
}

static void pulse_on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct pulse *p = timer->data;

	(void)loop;
	(void)events;
	if (p->looking)
		return;
	p->looking = true;
	look_start(p->api, p->n > 0 ? LOOK_COUNTS | LOOK_AGES : LOOK_COUNTS, pulse_on_look, p);
}

/* --- viewers ------------------------------------------------------------------------------------------------- */

static void viewer_on_closed(void *data)
{
	struct viewer *v = data;
	struct pulse *p = v->pulse;

	TAILQ_REMOVE(&p->viewers, v, entry);
	if (--p->n == 0 && !p->closed)
		pulse_set_timer(p, PULSE_REST_MS / 1e3, PULSE_REST_MS / 1e3);
	mem_free(v);
}

void pulse_run(struct request *r)
{
	struct pulse *p = &r->api->pulse;
	const char *events = request_query(r, "events");
	int64_t left = -1;
	struct viewer *v;

	if (events != NULL && (!number_int(events, &left) || left < 1)) {
		request_invalid(r, "\"events\" must be a number from 1",
		                "\"events\" must be a number from 1");
		return;
	}
	if (p->closed || p->n >= PULSE_MAX) {
		request_unavailable(r, p->closed ? "The server is ending"
		                                 : "Too many are looking already");
		return;
	}
	v = mem_zalloc(sizeof(*v));
	v->pulse = p;
	v->left = left;
	v->until = clock_mono_us() + PULSE_LIFE_US;
	TAILQ_INSERT_TAIL(&p->viewers, v, entry);
	v->stream = stream_open(r, viewer_on_closed, v);
	send_history(p, v->stream);
	if (p->n++ > 0) {
		if (p->last.len > 0)
			viewer_tell(v);
		return;
	}
	pulse_set_timer(p, 0., PULSE_MS / 1e3);
}

void pulse_init(struct pulse *p, struct api *api)
{
	p->api = api;
	TAILQ_INIT(&p->viewers);
	p->failures = -1;
	last_errors_init(&p->errors, api->queues);
	buf_init(&p->last, MAX_EVENT);
	ev_init(&p->tick, pulse_on_tick);
	p->tick.data = p;
	pulse_set_timer(p, PULSE_REST_MS / 1e3, PULSE_REST_MS / 1e3);
}

void pulse_close(struct pulse *p)
{
	struct viewer *v;

	p->closed = true;
	ev_timer_stop(p->api->loop, &p->tick);
	TAILQ_FOREACH(v, &p->viewers, entry)
	{
		stream_end(v->stream);
	}
}

/* Nobody looks any more, and Redis owes nothing. */
void pulse_free(struct pulse *p)
{
	last_errors_free(&p->errors);
	buf_free(&p->last);
}

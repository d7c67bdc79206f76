#include "fleet/webhook.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/ending.h"
#include "fleet/queue.h"
#include "fleet/status.h"
#include "fleet/webhook_job.h"
#include "fleet/webhook_trace.h"
#include "fleet/webhooks.h"
#include "fleet/worker.h"
#include "provider/webhook_call.h"

#define TRIES "webhook" /* what its tries are charged to, in the status */
#define PUT_OFF_MS 1000 /* while its endpoint is slow and has its share of places */
#define PUT_OFF_MAX_MS 60000
#define JITTER 10 /* a pause is longer by up to a tenth */

struct webhook {
	struct webhook_job job;
	struct webhook_target target;
	struct webhook_trace trace;
	struct http_request *request; /* NULL: none on its way */
	struct endpoint *endpoint;    /* of which it has a place; NULL: not remembered */
	bool disabled;                /* its endpoint has answered 410 once */
	bool replay;                  /* a dead letter that a person wants to be tried again */
	int64_t started_at;           /* mono clock, µs */
};

const char *webhook_url(const struct webhook *w)
{
	return w->job.url;
}

void webhook_set_disabled(struct webhook *w, bool disabled)
{
	w->disabled = disabled;
}

static void webhook_release(struct webhook *w)
{
	if (w->endpoint)
		w->endpoint->in_flight--;
	w->endpoint = NULL;
	w->request = NULL;
}

static void webhook_abandon(struct webhook *w)
{
	if (w->request)
		http_client_abandon(w->request);
	webhook_release(w);
}

void webhook_free(struct webhook *w)
{
	if (!w)
		return;
	webhook_abandon(w);
	webhook_job_free(&w->job);
	mem_free(w);
}

void webhook_parse(struct task *t, const char *payload, size_t len)
{
	struct webhook *w = t->webhook = mem_zalloc(sizeof(*w));
	struct error err = {.text = "it kills the worker that takes it"};

	task_name_auto(t);
	if (t->kind == TASK_BIG)
		error_set(&err, "it is larger than MAX_JOB_BYTES");
	else if (t->kind != TASK_POISON && webhook_job_read(&w->job, payload, len, &err)) {
		webhook_trace_init(&w->trace, &w->job);
		if (w->job.key[0] != '\0')
			t->key = w->job.key; /* events are about that mail */
		return;
	}
	ending_decide_failed(t, t->kind == TASK_POISON ? "poison" : "invalid_webhook", err.text);
	log_warn("job_invalid", LOG_STR("id", t->id), LOG_STR("queue", t->queue->keys.list),
	         LOG_STR("error", t->decision.error));
}

/* ---- ends ----------------------------------------------------------------------------------------- */

/* The claim ends, nothing has happened. */
static void webhook_give_back(struct task *t, int64_t wait_ms)
{
	t->decision = (struct decision){.settle = SETTLE_DELAY,
	                                .at = redis_clock_now(&t->queue->clock) + wait_ms};
	ending_settle(t);
}

static void webhook_fail(struct task *t, const char *code, const char *text)
{
	ending_decide_failed(t, code, text);
	ending_finish(t);
}

/* ---- an attempt ----------------------------------------------------------------------------------- */

static const char *end_code(enum http_end end)
{
	static const char *const codes[] = {
		[HTTP_END_LOOKUP] = "dns",      [HTTP_END_CONNECT] = "connect",
		[HTTP_END_TLS] = "tls",         [HTTP_END_TIMEOUT] = "timeout",
		[HTTP_END_LOST] = "lost",       [HTTP_END_CLIENT] = "client",
		[HTTP_END_REPLY] = "no answer",
	};

	return codes[end];
}

/* 2xx is success and nothing else. What the endpoint says in words is not kept. */
static void webhook_judge(struct outcome *o, const struct http_result *r)
{
	char code[OUTCOME_MAX_CODE];
	int status;

	if (r->end != HTTP_END_REPLY) {
		outcome_set(o, r->refused ? OUTCOME_REJECTED : OUTCOME_RETRY,
		            r->refused ? "not_public" : end_code(r->end), r->why);
		return;
	}
	status = r->reply->status;
	snprintf(code, sizeof(code), "%d", status);
	if (status >= 200 && status < 300)
		outcome_set(o, OUTCOME_SENT, code, "");
	else if (status == 410)
		outcome_set(o, OUTCOME_REJECTED, code, "gone: the endpoint is disabled");
	else if (status < 400)
		outcome_set(o, OUTCOME_RETRY, code, "redirects are not followed");
	else
		outcome_set(o, OUTCOME_RETRY, code, "the endpoint answered so");
	o->retry_after_ms = http_reply_retry_after(r->reply);
}

static void webhook_on_held(struct http_request *r)
{
	http_client_release(r);
}

static void webhook_on_end(struct http_request *r, const struct http_result *result)
{
	struct task *t = r->data;
	struct webhook *w = t->webhook;

	t->took_us = clock_mono_us() - w->started_at;
	if (w->endpoint)
		w->endpoint->slow = t->took_us > ENDPOINT_SLOW_US ||
		                    result->end == HTTP_END_TIMEOUT ||
		                    result->end == HTTP_END_CONNECT;
	webhook_judge(&t->outcome, result);
	webhook_trace_end(&w->trace, t, &w->target, result);
	webhook_release(w);
	task_advance(t, TASK_ON_DONE);
}

static void webhook_send(struct task *t)
{
	struct webhooks *all = &t->worker->webhooks;
	struct webhook *w = t->webhook;
	struct http_client *client = w->target.clear_text ? all->http : all->https;
	struct http_request *r = http_client_request(client);

	webhook_call_fill(&r->call, &all->rules, w->job.url, w->job.id,
	                  redis_clock_now(&t->queue->clock) / 1000, w->job.body, w->job.body_len);
	webhook_trace_begin(&w->trace, t, &r->call);
	if (!http_call_ok(&r->call)) {
		http_client_abandon(r);
		webhook_fail(t, "too_large", "its request is too large");
		return;
	}
	r->on_held = webhook_on_held;
	r->on_end = webhook_on_end;
	r->data = t;
	w->request = r;
	w->started_at = clock_mono_us();
	task_set_state(t, TASK_SENDING);
	http_client_send(r);
}

/* Charged; again after its pause, or, when all pauses are over, never. */
static void webhook_retry(struct task *t)
{
	const struct webhook_rules *rules = &t->worker->webhooks.rules;
	struct decision *d = &t->decision;
	int64_t pause, tries, asked = t->outcome.retry_after_ms;

	history_charge(&t->history, TRIES, 1);
	tries = history_tries(&t->history, TRIES);
	if (tries > (int64_t)rules->n_retries) {
		d->status = "failed";
		d->settle = SETTLE_BURY;
		return;
	}
	if (asked > t->worker->options->throttle_max)
		asked = t->worker->options->throttle_max;
	pause = rules->retries[tries - 1];
	pause += (int64_t)random_below((uint64_t)pause / JITTER + 1);
	d->status = "retrying";
	d->settle = SETTLE_DELAY;
	d->at = redis_clock_now(&t->queue->clock) + (pause > asked ? pause : asked);
}

static void webhook_attempted(struct task *t)
{
	t->history.attempts++;
	snprintf(t->history.provider, sizeof(t->history.provider), "%.*s", HISTORY_MAX_NAME - 1,
	         t->webhook->target.host);
}

static void webhook_done(struct task *t)
{
	struct webhooks *all = &t->worker->webhooks;
	struct webhook *w = t->webhook;
	struct decision *d = &t->decision;
	const struct outcome *o = &t->outcome;

	*d = (struct decision){.attempt = true};
	if (o->kind == OUTCOME_SENT) {
		d->status = "sent";
		d->settle = SETTLE_ACK;
	} else {
		snprintf(d->error, sizeof(d->error), "%s: %s", o->code, o->text);
	}
	if (o->kind == OUTCOME_REJECTED) {
		d->status = "failed";
		d->settle = SETTLE_BURY;
	} else if (o->kind != OUTCOME_SENT) {
		webhook_retry(t);
	}
	webhook_attempted(t);
	log_info("webhook_ended", LOG_STR("id", t->id), LOG_STR("key", w->job.key),
	         LOG_STR("host", w->target.host), LOG_INT("attempt", t->history.attempts),
	         LOG_STR("code", o->code), LOG_STR("status", d->status),
	         LOG_INT("ms", t->took_us / 1000),
	         LOG_STR("trace_id", webhook_trace_id(&w->trace)));
	if (o->kind == OUTCOME_REJECTED && strcmp(o->code, "410") == 0)
		webhooks_disable(all, w->job.url);
	else if (o->kind == OUTCOME_SENT && w->disabled)
		webhooks_enable(all, w->job.url);
	if (o->kind == OUTCOME_SENT && t->token == 1)
		ending_settle(t); /* it has no status */
	else
		ending_finish(t);
}

/* ---- the way there -------------------------------------------------------------------------------- */

/* Here, and not when it is sent: those of one claim come here all together. */
static bool webhook_take_place(struct task *t)
{
	struct webhooks *all = &t->worker->webhooks;
	struct endpoint *e = endpoint_of(&all->endpoints, t->webhook->target.host);

	if (!endpoint_has_room(e, (size_t)all->options->webhook_concurrency))
		return false;
	if (e)
		e->in_flight++;
	t->webhook->endpoint = e;
	return true;
}

/* The longer it has waited, the longer it waits again, so that many do not go round and round. */
static int64_t webhook_put_off_ms(const struct task *t)
{
	int64_t age = t->created_at > 0 ? redis_clock_now(&t->queue->clock) - t->created_at : 0;
	int64_t most = age < PUT_OFF_MS ? PUT_OFF_MS : age < PUT_OFF_MAX_MS ? age : PUT_OFF_MAX_MS;

	return PUT_OFF_MS + (int64_t)random_below((uint64_t)most);
}

static void webhook_consider(struct task *t)
{
	struct webhooks *all = &t->worker->webhooks;
	struct webhook *w = t->webhook;
	const char *why;

	if (t->worker->stopping) {
		webhook_give_back(t, 0);
	} else if (!webhook_rules_allow(&all->rules, w->job.url, &w->target, &why)) {
		webhook_fail(t, "not_allowed", why);
	} else if (!webhook_take_place(t)) {
		webhook_give_back(t, webhook_put_off_ms(t));
	} else {
		task_set_state(t, TASK_ASKING);
		webhooks_ask(all, t);
	}
}

/* It counts as an attempt, by which a replay is known: that one goes there. */
static void webhook_fail_disabled(struct task *t)
{
	ending_decide_failed(t, "disabled", "the endpoint has answered 410");
	t->decision.attempt = true;
	webhook_attempted(t);
	ending_finish(t);
}

static void webhook_asked(struct task *t)
{
	if (t->lost)
		task_drop(t, "lease_lost");
	else if (t->worker->stopping)
		webhook_give_back(t, 0);
	else if (t->webhook->disabled && !t->webhook->replay)
		webhook_fail_disabled(t);
	else
		webhook_send(t);
}

/* (When the status is not ours or cannot be used, nothing is known of it.) */
static void webhook_peeked(struct task *t)
{
	if (ending_written(t))
		return;
	t->webhook->replay = t->history.attempts > 0 && strcmp(t->verdict_text, "queued") == 0;
	webhook_consider(t);
}

static void webhook_claimed(struct task *t)
{
	if (t->decision.status) {
		ending_finish(t); /* it cannot be read */
	} else if (t->kind == TASK_AGAIN) {
		task_set_state(t, TASK_PEEKING);
		status_ask(&t->worker->status, STATUS_PEEK, t);
	} else {
		webhook_consider(t);
	}
}

static void webhook_finished(struct task *t)
{
	if (t->verdict == VERDICT_LATE || t->verdict == VERDICT_STALE)
		task_drop(t, "attempt_late");
	else
		ending_settle(t); /* also where nothing could be written: it is over */
}

static void webhook_settled(struct task *t)
{
	if (t->decision.status && t->decision.settle == SETTLE_BURY)
		log_warn("webhook_buried", LOG_STR("id", t->id), LOG_STR("key", t->key),
		         LOG_STR("code", t->outcome.code));
	queue_remove(t->queue, t);
}

static void webhook_break_off(struct task *t)
{
	webhook_trace_end(&t->webhook->trace, t, &t->webhook->target, NULL);
	webhook_abandon(t->webhook);
}

/* Another worker has it. */
static void webhook_lost(struct task *t)
{
	if (t->state != TASK_SENDING)
		return; /* it waits for Redis, whose answer says the same */
	webhook_break_off(t);
	task_drop(t, "lease_lost");
}

static void webhook_overdue(struct task *t)
{
	if (t->state != TASK_SENDING || !t->worker->stopping)
		return;
	webhook_break_off(t);
	webhook_give_back(t, 0);
}

void webhook_advance(struct task *t, enum task_event event)
{
	switch (event) {
	case TASK_ON_CLAIMED:
		webhook_claimed(t);
		break;
	case TASK_ON_PEEKED:
		webhook_peeked(t);
		break;
	case TASK_ON_ASKED:
		webhook_asked(t);
		break;
	case TASK_ON_DONE:
		webhook_done(t);
		break;
	case TASK_ON_FINISHED:
		webhook_finished(t);
		break;
	case TASK_ON_SETTLED:
		webhook_settled(t);
		break;
	case TASK_ON_LOST:
		webhook_lost(t);
		break;
	case TASK_ON_OVERDUE:
		webhook_overdue(t);
		break;
	default:
		break; /* the others are mails' */
	}
}

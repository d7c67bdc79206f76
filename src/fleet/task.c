#include "fleet/task.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/line.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/attempt.h"
#include "fleet/count.h"
#include "fleet/ending.h"
#include "fleet/gate.h"
#include "fleet/queue.h"
#include "fleet/status.h"
#include "fleet/trace.h"
#include "fleet/trial.h"
#include "fleet/webhook.h"
#include "fleet/worker.h"
#include "redis/keys.h"

#define TASK_MAX_FAULTS 4096

static const char *const state_names[TASK_STATES] = {
	[TASK_CLAIMED] = "claimed",     [TASK_PEEKING] = "peeking",
	[TASK_ASKING] = "asking",       [TASK_PARKED] = "parked",
	[TASK_SENDING] = "sending",     [TASK_BEGINNING] = "beginning",
	[TASK_RELEASED] = "released",   [TASK_FINISHING] = "finishing",
	[TASK_NOTIFYING] = "notifying", [TASK_SETTLING] = "settling",
};

const char *task_state_name(enum task_state s)
{
	return state_names[s];
}

void task_set_state(struct task *t, enum task_state s)
{
	log_debug("task_state", LOG_STR("id", t->id), LOG_STR("key", t->key),
	          LOG_STR("from", state_names[t->state]), LOG_STR("to", state_names[s]));
	t->state = s;
	if (s == TASK_BEGINNING || t->trace)
		t->state_since = clock_boot_us();
	if (t->trace && s >= TASK_FINISHING)
		trace_settling(t);
}

/* ---- birth and death --------------------------------------------------------------------- */

static void task_name(struct task *t, const char *key)
{
	size_t prefix;

	mem_free(t->status_key);
	t->status_key = keys_status(t->worker->options->key_prefix, key);
	prefix = strlen(t->status_key) - strlen(key);
	t->key_at = prefix;
	t->key = t->status_key + prefix;
}

void task_name_auto(struct task *t)
{
	char key[TASK_ID_LEN + 8];

	snprintf(key, sizeof(key), "auto-%s", t->id);
	task_name(t, key);
}

struct task *task_new(struct worker *w, struct queue *q, const char *id, int64_t token,
                      enum task_kind kind)
{
	struct task *t = mem_zalloc(sizeof(*t));

	t->worker = w;
	t->queue = q;
	t->kind = kind;
	t->token = token;
	t->claimed_at = clock_boot_us();
	line_copy(t->id, sizeof(t->id), id);
	t->owner = mem_concat(q->keys.list, "#", id, NULL);
	return t;
}

void task_free(struct task *t)
{
	attempt_free(t);
	webhook_free(t->webhook);
	job_free(t->job);
	mem_free(t->trace);
	mem_free(t->status_key);
	mem_free(t->note_key);
	mem_free(t->owner);
	mem_free(t->rival);
	mem_free(t->recipients);
	mem_free(t);
}

void task_drop(struct task *t, const char *event)
{
	log_info(event, LOG_STR("id", t->id), LOG_STR("key", t->key), LOG_INT("token", t->token),
	         LOG_STR("state", state_names[t->state]), LOG_TRACE(t));
	trace_ended(t, event);
	queue_remove(t->queue, t);
}

/* When is it to be sent at the earliest? Redis's clock, ms. */
static int64_t task_not_before(const struct task *t)
{
	const struct job *j = t->job;
	int64_t at = j->send_at;

	if (j->delay > 0 && t->created_at + j->delay > at)
		at = t->created_at + j->delay;
	return at;
}

int64_t task_since(const struct task *t)
{
	int64_t due = task_not_before(t);

	return due > t->created_at ? due : t->created_at;
}

/* ---- the way to a provider ----------------------------------------------------------------------- */

/* An attempt has ended: what follows is written. */
static void task_outcome(struct task *t, const char *provider)
{
	attempt_ended(t, provider);
	ending_finish(t);
}

/* An earlier claim began and was not heard of again: its worker died, or lost its lease. */
static void task_lost_attempt(struct task *t)
{
	char provider[HISTORY_MAX_NAME];

	snprintf(provider, sizeof(provider), "%s", t->history.provider);
	if (t->history.attempts > 0)
		t->history.attempts--; /* begin counted it; task_outcome counts it again */
	t->gate = NULL;
	outcome_set(&t->outcome, OUTCOME_UNKNOWN, "worker_lost",
	            "the worker died before the provider's answer was recorded");
	task_outcome(t, provider);
}

static void task_no_route(struct task *t)
{
	const char *why = gates_refusal(&t->worker->gates, t->job);

	if (t->history.n_tries > 0)
		ending_give_up(t, "attempts_spent", "no provider is left to try");
	else if (why)
		ending_fail(t, CODE_UNSUPPORTED, why);
	else
		ending_fail(t, "no_such_provider", t->job->provider);
}

static void task_route(struct task *t)
{
	struct gate *gate;
	int64_t at;

	if (t->worker->stopping) {
		ending_settle_only(t, SETTLE_DELAY, redis_clock_now(&t->queue->clock));
		return;
	}
	switch (gates_route(&t->worker->gates, t, &gate, &at)) {
	case ROUTE_GATE:
		task_set_state(t, TASK_PARKED);
		gate_enter(gate, t);
		break;
	case ROUTE_WAIT:
		ending_settle_only(t, SETTLE_DELAY, at);
		break;
	case ROUTE_NONE:
		task_no_route(t);
		break;
	}
}

static bool task_expired(const struct task *t, int64_t now)
{
	return t->job->expires_at > 0 && now >= t->job->expires_at;
}

static void task_expire(struct task *t)
{
	ending_give_up(t, "expired", "expiresAt has passed");
}

/* It may have waited since task_consider: for a permit, for a connection. Nothing of it has happened. */
static bool task_too_late(struct task *t)
{
	if (!task_expired(t, redis_clock_now(&t->queue->clock)))
		return false;
	attempt_withdraw(t);
	t->gate = NULL;
	task_expire(t);
	return true;
}

/* Everything is known of the mail: may it be sent now? */
static void task_consider(struct task *t)
{
	int64_t now = redis_clock_now(&t->queue->clock), due;

	if (t->created_at == 0)
		t->created_at = now;
	due = task_not_before(t);
	if (task_expired(t, now)) {
		task_expire(t);
	} else if (now - task_since(t) > t->worker->options->max_queue_time * 1000) {
		ending_give_up(t, "expired", "it was longer in the queue than MAX_QUEUE_TIME");
	} else if (due > now + TASK_SOON_MS) {
		t->decision = (struct decision){
			.status = "scheduled", .settle = SETTLE_DELAY, .at = due};
		ending_finish(t);
	} else {
		task_route(t);
	}
}

/* Begun, but the last byte will not leave: held for too long, the lease is not sure any more, or a
 * failover might forget that it was begun. The status must not go on saying `sending`, or the next claim would call it unknown. */
static void task_take_back(struct task *t)
{
	attempt_withdraw(t);
	t->decision = (struct decision){
		.status = "retrying",
		.settle = SETTLE_DELAY,
		.at = redis_clock_now(&t->queue->clock) +
	              (t->unconfirmed ? t->worker->status.fence_ms : 0),
	};
	t->unconfirmed = false;
	outcome_set(&t->outcome, OUTCOME_RETRY, "taken_back", "");
	ending_finish(t);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* What a status script said, other than that all is well. */
static void task_judged(struct task *t)
{
	if (ending_written(t))
		return;
	switch (t->verdict) {
	case VERDICT_DUPLICATE:
		log_info("duplicate_dropped", LOG_STR("id", t->id), LOG_STR("key", t->key),
		         LOG_TRACE(t));
		stats_add(t->queue->stats, STATS_DUPLICATES, 0);
		ending_settle_only(t, SETTLE_ACK, 0);
		break;
	case VERDICT_RIVAL:
		task_set_state(t, TASK_ASKING);
		status_ask(&t->worker->status, STATUS_ASK, t);
		break;
	case VERDICT_CONFLICT:
		log_warn("key_conflict", LOG_STR("id", t->id), LOG_STR("key", t->key),
		         LOG_TRACE(t));
		task_name_auto(t);
		ending_fail(t, "conflict", "the idempotency key belongs to other content");
		break;
	default:
		log_error("status_unusable", LOG_STR("id", t->id), LOG_STR("key", t->status_key),
		          LOG_STR("error", t->verdict_text), LOG_TRACE(t));
		task_name_auto(t);
		ending_fail(t, "status_unusable", "the key of its status holds something else");
		break;
	}
}

static void task_claimed(struct task *t)
{
	if (!t->job) {
		ending_finish(t);
	} else if (t->kind == TASK_AGAIN) {
		task_set_state(t, TASK_PEEKING);
		status_ask(&t->worker->status, STATUS_PEEK, t);
	} else {
		task_consider(t);
	}
}

/* What its last worker wrote it may not have told: it died with the job in its hands. */
static bool task_tell_written(struct task *t)
{
	if (!t->adopted || t->verdict_text[0] == '\0')
		return false;
	ending_decide_written(t, SETTLE_DELAY, 0);
	t->telling = ending_notify(t);
	if (!t->telling) {
		t->decision = (struct decision){0};
		t->outcome = (struct outcome){0};
	}
	return t->telling;
}

static void task_peeked(struct task *t)
{
	if (t->verdict != VERDICT_OK) {
		task_judged(t);
	} else if (strcmp(t->verdict_text, "sending") == 0) {
		task_lost_attempt(t);
	} else if (!ending_written(t) && !task_tell_written(t)) {
		task_consider(t);
	}
}

/* Its webhook is in the queue. */
static void task_notified(struct task *t)
{
	if (!t->telling) {
		t->notified = true;
		ending_settle(t);
		return;
	}
	t->telling = false;
	t->decision = (struct decision){0};
	t->outcome = (struct outcome){0};
	task_consider(t);
}

static void task_ready(struct task *t)
{
	if (clock_boot_us() >= t->lease_until) {
		attempt_withdraw(
			t); /* stopped for longer than its lease; it is renewed, or lost, first */
		task_route(t);
		return;
	}
	if (task_too_late(t))
		return;
	t->begun = true;
	task_set_state(t, TASK_BEGINNING);
	status_ask(&t->worker->status, STATUS_BEGIN, t);
}

static void task_begun(struct task *t)
{
	if (t->verdict != VERDICT_OK) {
		attempt_withdraw(t);
		if (t->verdict == VERDICT_UNKNOWN) {
			task_set_state(t, TASK_PEEKING); /* what is known of the earlier attempt? */
			status_ask(&t->worker->status, STATUS_PEEK, t);
		} else {
			task_judged(t);
		}
	} else if (t->over) {
		task_outcome(t, t->gate->provider->name); /* it broke while we asked */
	} else if (t->lost || !t->delivering || t->unconfirmed ||
	           clock_boot_us() >= t->lease_until) {
		task_take_back(t);
	} else {
		count_wait(t);
		t->released = true;
		task_set_state(t, TASK_RELEASED);
		provider_release(t->gate->provider, &t->delivery);
		FAILPOINT("released");
	}
}

/* Not read: its reason is to be found under its own key, too, and what that says of an earlier claim
 * ends. */
static void task_note(struct task *t)
{
	mem_free(t->status_key);
	t->status_key = t->note_key;
	t->note_key = NULL;
	t->key = t->status_key + t->key_at;
	t->noting = true;
	ending_finish(t);
}

static void task_finished(struct task *t)
{
	switch (t->verdict) {
	case VERDICT_OK:
	case VERDICT_FOREIGN:
		if (t->note_key) {
			task_note(t);
			return;
		}
		if (t->noting && t->verdict == VERDICT_OK)
			t->decision.status = t->verdict_text; /* failed, or held */
		ending_settle(t);
		break;
	case VERDICT_LATE:
		task_drop(t, "attempt_late");
		break;
	case VERDICT_ERROR:
		if (t->outcome.kind == OUTCOME_SENT || t->noting ||
		    strncmp(t->key, "auto-", 5) == 0) {
			log_error("status_unusable", LOG_STR("id", t->id),
			          LOG_STR("key", t->status_key), LOG_STR("error", t->verdict_text),
			          LOG_TRACE(t));
			ending_settle(t);
			break;
		}
		task_judged(t);
		break;
	default:
		task_judged(t);
		break;
	}
}

static void task_settled(struct task *t)
{
	const struct decision *d = &t->decision;

	if (t->verdict == VERDICT_STALE) {
		task_drop(t, "claim_stale");
		return;
	}
	count_mail(t);
	/* Not the provider's words: many name the recipient. They are in the status. */
	if (d->status && d->settle == SETTLE_BURY)
		log_warn("mail_buried", LOG_STR("id", t->id), LOG_STR("key", t->key),
		         LOG_STR("status", d->status), LOG_STR("code", t->outcome.code),
		         LOG_TRACE(t));
	trace_ended(t, NULL);
	queue_remove(t->queue, t);
}

/* Another worker has it now. What is past the point of no return is still reported: late. */
static void task_lost(struct task *t)
{
	switch (t->state) {
	case TASK_PARKED:
		gate_leave(t->gate, t);
		task_drop(t, "lease_lost");
		break;
	case TASK_SENDING:
		attempt_withdraw(t);
		task_drop(t, "lease_lost");
		break;
	default:
		log_warn("lease_lost", LOG_STR("id", t->id), LOG_STR("key", t->key),
		         LOG_STR("state", state_names[t->state]), LOG_TRACE(t));
		break;
	}
}

static void task_rerouted(struct task *t)
{
	if (t->state == TASK_PARKED) {
		gate_leave(t->gate, t);
		task_route(t);
	} else if (t->state == TASK_SENDING && provider_waits(t->gate->provider, &t->delivery)) {
		attempt_withdraw(t);
		task_route(t);
	}
}

/* The grace is over: what has not begun goes back. */
static void task_overdue(struct task *t)
{
	if (t->state == TASK_SENDING && t->worker->stopping) {
		attempt_withdraw(t);
		task_route(t);
	} else if (t->state == TASK_BEGINNING) {
		attempt_abandon(t); /* task_begun sees that it is gone */
	}
}

void task_advance(struct task *t, enum task_event event)
{
	if (t->webhook) {
		webhook_advance(t, event);
		return;
	}
	switch (event) {
	case TASK_ON_CLAIMED:
		FAILPOINT("claimed");
		trace_claimed(t);
		task_claimed(t);
		break;
	case TASK_ON_PEEKED:
		FAILPOINT("peeked");
		task_peeked(t);
		break;
	case TASK_ON_ASKED:
		task_set_state(t, TASK_PEEKING);
		status_ask(&t->worker->status, STATUS_PEEK, t);
		break;
	case TASK_ON_PERMIT:
		FAILPOINT("permitted");
		if (task_too_late(t))
			break;
		task_set_state(t, TASK_SENDING);
		attempt_start(t);
		break;
	case TASK_ON_READY:
		FAILPOINT("ready");
		task_ready(t);
		break;
	case TASK_ON_BEGUN:
		FAILPOINT("begun");
		task_begun(t);
		break;
	case TASK_ON_DONE:
		FAILPOINT("done");
		if (t->state == TASK_BEGINNING)
			t->over = true;
		else
			task_outcome(t, t->gate->provider->name);
		break;
	case TASK_ON_FINISHED:
		FAILPOINT("finished");
		task_finished(t);
		break;
	case TASK_ON_NOTIFIED:
		task_notified(t);
		break;
	case TASK_ON_SETTLED:
		FAILPOINT("settled");
		task_settled(t);
		break;
	case TASK_ON_LOST:
		task_lost(t);
		break;
	case TASK_ON_OVERDUE:
		task_overdue(t);
		break;
	case TASK_ON_REROUTE:
		task_rerouted(t);
		break;
	}
}

/* ---- the payload ----------------------------------------------------------------------------- */

/* key: its own, where that could be made out; it is freed. */
static void task_invalid(struct task *t, const char *code, const char *text, char *key)
{
	ending_decide_failed(t, code, text);
	task_name_auto(t);
	if (key)
		t->note_key = keys_status(t->worker->options->key_prefix, key);
	mem_free(key);
	log_warn("job_invalid", LOG_STR("id", t->id), LOG_STR("queue", t->queue->keys.list),
	         LOG_STR("error", t->decision.error));
}

void task_parse(struct task *t, const char *payload, size_t len)
{
	const struct options *o = t->worker->options;
	struct buf faults;

	if (t->queue == t->worker->webhooks.queue) {
		webhook_parse(t, payload, len);
		return;
	}
	if (t->kind == TASK_POISON) {
		task_invalid(t, "poison", "it kills the worker that takes it",
		             trial_key(&(struct trial_payload){payload, len}));
		return;
	}
	if (t->kind == TASK_BIG) {
		task_invalid(t, "job_too_large", "the job is larger than MAX_JOB_BYTES", NULL);
		return;
	}
	buf_init(&faults, TASK_MAX_FAULTS);
	t->job = job_parse(payload, len, o, &faults);
	if (!t->job) {
		task_invalid(t, "invalid_job", buf_str(&faults), job_key_of_invalid(payload, len));
	} else if (t->job->key[0] != '\0') {
		task_name(t, t->job->key);
	} else {
		task_name_auto(t);
	}
	buf_free(&faults);
}

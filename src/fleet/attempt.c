#include "fleet/attempt.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/count.h"
#include "fleet/gate.h"
#include "fleet/trace.h"
#include "fleet/worker.h"
#include "mail/message.h"
#include "mail/recipients.h"

static void attempt_on_ready(struct delivery *d)
{
	task_advance(d->data, TASK_ON_READY);
}

static void attempt_on_done(struct delivery *d, const struct outcome *o)
{
	struct task *t = d->data;

	t->outcome = *o;
	t->took_us = clock_mono_us() - d->since_us;
	t->delivering = false;
	task_advance(t, TASK_ON_DONE);
}

void attempt_start(struct task *t)
{
	struct delivery *d = &t->delivery;
	size_t n = t->job->n_rcpts;

	if (!d->rcpts) {
		char id[MESSAGE_MAX_ID];
		message_id(id, t->key, t->job);
		d->message_id = mem_strdup(id);
		d->rcpts = mem_array(n, sizeof(d->rcpts[0]));
		d->job = t->job;
		d->key = t->key;
		d->date_ms = t->created_at;
		d->on_ready = attempt_on_ready;
		d->on_done = attempt_on_done;
		d->data = t;
		if (t->recipients)
			recipients_read(t->recipients, strlen(t->recipients), t->job, d->rcpts);
	}
	t->delivering = true;
	provider_send(t->gate->provider, d);
}

void attempt_abandon(struct task *t)
{
	if (t->delivering)
		provider_abandon(t->gate->provider, &t->delivery);
	t->delivering = false;
}

void attempt_withdraw(struct task *t)
{
	attempt_abandon(t);
	t->over = false;
	if (t->gate)
		gate_report(t->gate, t->generation, REPORT_VOID, 0, NULL);
}

void attempt_free(struct task *t)
{
	attempt_abandon(t);
	mem_free(t->delivery.rcpts);
	mem_free((char *)t->delivery.message_id);
}

/* ---- the end -------------------------------------------------------------------------------- */

static struct policy attempt_policy(const struct task *t)
{
	const struct options *o = t->worker->options;

	return (struct policy){
		.max_tries = t->job->max_attempts > 0 ? t->job->max_attempts
	                                              : o->max_retry_attempts,
		.base_delay = o->retry_base_delay,
		.max_delay = o->retry_max_delay,
		.throttle_max = o->throttle_max,
		.on_unknown = t->job->on_unknown >= 0 ? t->job->on_unknown : (int)o->on_unknown,
	};
}

/* Keeps what became of each recipient; says whether some were put off. */
static bool attempt_recipients(struct task *t)
{
	const struct rcpt_result *r = t->delivery.rcpts;
	bool deferred = false;
	struct buf text;

	if (!r || t->job->n_rcpts < 2 || t->outcome.kind == OUTCOME_UNKNOWN ||
	    t->outcome.kind == OUTCOME_PROVIDER_DOWN)
		return false;
	for (size_t i = 0; i < t->job->n_rcpts; i++)
		deferred = deferred || r[i].state == RCPT_DEFERRED || r[i].state == RCPT_PENDING;
	buf_init(&text, (size_t)JOB_MAX_RECIPIENTS * (ADDRESS_MAX_EMAIL + 64));
	recipients_write(&text, t->job, r);
	mem_free(t->recipients);
	t->recipients = buf_take(&text);
	return deferred;
}

void attempt_failed(struct task *t)
{
	if (!recipients_any_accepted(t->recipients, t->job))
		return;
	t->decision.status = "sent";
	t->decision.settle = SETTLE_ACK;
}

void attempt_ended(struct task *t, const char *provider)
{
	struct policy_provider may[REGISTRY_MAX];
	size_t n_may = gates_providers(&t->worker->gates, t->job, may);
	struct policy p = attempt_policy(t);
	bool deferred = attempt_recipients(t);

	t->over = false;
	policy_decide(&t->decision, &t->history, &p, provider, may, n_may, &t->outcome, deferred,
	              redis_clock_now(&t->queue->clock), random_u64());
	if (strcmp(t->decision.status, "failed") == 0)
		attempt_failed(t);
	if (t->decision.attempt)
		t->history.attempts++;
	if (t->gate)
		gate_report(t->gate, t->generation, t->decision.report, t->decision.report_ms,
		            t->decision.error);
	log_info("attempt_ended", LOG_STR("id", t->id), LOG_STR("key", t->key),
	         LOG_STR("provider", provider), LOG_INT("attempt", t->history.attempts),
	         LOG_STR("outcome", outcome_name(t->outcome.kind)),
	         LOG_STR("code", t->outcome.code), LOG_STR("status", t->decision.status),
	         LOG_INT("ms", t->took_us / 1000), LOG_TRACE(t));
	count_attempt(t, provider);
	trace_attempt(t, provider);
}

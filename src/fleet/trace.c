#include "fleet/trace.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/gate.h"
#include "fleet/queue.h"
#include "fleet/task.h"
#include "fleet/worker.h"

const char *trace_id(const struct task *t)
{
	return t->trace ? t->trace->here.trace_id : NULL;
}

const char *trace_span_id(const struct task *t)
{
	return t->trace && t->trace->here.sampled ? t->trace->here.span_id : NULL;
}

/* ---- which trace ------------------------------------------------------------------------------- */

/* Of the job's owner, which has 64 random bits in it (FNV-1a). */
static uint64_t number_of(const char *owner)
{
	uint64_t n = UINT64_C(0xcbf29ce484222325);

	for (const char *c = owner; *c != '\0'; c++)
		n = (n ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return n;
}

/* The spans of a claim have ids in a row. */
static void next_span(struct trace *tr, char id[TRACE_SPAN_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned n = tr->n_spans++;

	memcpy(id, tr->first_id, sizeof(tr->first_id));
	id[TRACE_SPAN_LEN - 1] = digits[n & 15];
}

/* Nobody but us has begun it: its ids are the owner's. */
static void begin_own(struct trace *tr, const struct task *t, uint64_t owner)
{
	char root[TRACE_SPAN_LEN + 1];
	struct prng numbers;

	prng_seed(&numbers, owner);
	trace_context_hex(tr->here.trace_id, prng_u64(&numbers) | 1); /* never all zero */
	trace_context_hex(tr->here.trace_id + TRACE_SPAN_LEN, prng_u64(&numbers));
	trace_context_hex(root, prng_u64(&numbers) | 1);
	if (t->token == 1) {
		memcpy(tr->here.span_id, root, sizeof(root));
	} else {
		memcpy(tr->parent_id, root, sizeof(root));
		next_span(tr, tr->here.span_id);
	}
}

void trace_claimed(struct task *t)
{
	const struct tracer *tracer = t->worker->tracer;
	const char *given = t->job ? t->job->traceparent : "";
	const char *state = t->job ? t->job->tracestate : NULL;
	uint64_t owner;
	struct trace_context parent;
	struct prng numbers;
	struct trace *tr;

	if (!tracer && given[0] == '\0')
		return;
	owner = number_of(t->owner);
	tr = mem_zalloc(sizeof(*tr));
	tr->remote = given[0] != '\0' && trace_context_read(&parent, given);
	prng_seed(&numbers, owner ^ (uint64_t)t->token);
	trace_context_hex(tr->first_id, prng_u64(&numbers) | 16); /* never all zero */
	tr->ahead_us = t->queue->clock.offset_ms * 1000;
	if (tr->remote) {
		memcpy(tr->here.trace_id, parent.trace_id, sizeof(parent.trace_id));
		memcpy(tr->parent_id, parent.span_id, sizeof(parent.span_id));
		tr->here.state = state;
		next_span(tr, tr->here.span_id);
	} else {
		begin_own(tr, t, owner);
	}
	tr->here.sampled = tracer &&
	                   tracer_takes(tracer, tr->here.trace_id, tr->remote ? &parent : NULL);
	if (tr->here.sampled || tr->remote)
		t->trace = tr;
	else
		mem_free(tr);
}

bool trace_below(const struct task *t, char out[TRACE_PARENT_MAX + 1])
{
	if (!t->trace)
		return false;
	if (t->worker->tracer)
		trace_context_write(&t->trace->here, out);
	else
		snprintf(out, TRACE_PARENT_MAX + 1, "%s", t->job ? t->job->traceparent : "");
	return out[0] != '\0';
}

/* ---- spans ------------------------------------------------------------------------------------- */

static int64_t now_us(const struct trace *tr)
{
	return clock_boot_us() + tr->ahead_us;
}

/* Since when could it be sent? For this claim: since it was due. */
static int64_t since_us(const struct task *t)
{
	int64_t claimed = t->claimed_at + t->trace->ahead_us, since;

	if (!t->job || t->created_at == 0)
		return claimed;
	since = task_since(t);
	if (t->due_at > since)
		since = t->due_at;
	since *= 1000;
	return since < claimed ? since : claimed;
}

/* NULL: it is dropped. */
static struct otlp *begin(const struct task *t, enum otlp_kind kind, const char *verb,
                          const char *object, int64_t start_us, int64_t end_us)
{
	struct trace *tr = t->trace;
	char id[TRACE_SPAN_LEN + 1];
	struct otlp_span span = {
		.trace_id = tr->here.trace_id,
		.span_id = id,
		.parent_id = tr->here.span_id,
		.state = tr->here.state,
		.kind = kind,
		.verb = verb,
		.object = object,
		.start_us = start_us,
		.end_us = end_us,
	};

	next_span(tr, id);
	return tracer_begin(t->worker->tracer, &span);
}

static void add_message(struct otlp *o, const struct task *t)
{
	OTLP_TEXT(o, "messaging.message.id", t->key);
	OTLP_WORD(o, "messaging.system", "postrider");
	OTLP_TEXT(o, "messaging.destination.name", t->queue->keys.list);
}

static void end(const struct task *t, const char *error)
{
	tracer_end(t->worker->tracer, error);
}

static void add_wait(const struct task *t, int64_t until_us)
{
	struct otlp *o = begin(t, OTLP_INTERNAL, "wait", t->queue->keys.list, since_us(t),
	                       until_us);

	if (!o)
		return;
	end(t, NULL);
}

void trace_attempt(struct task *t, const char *provider)
{
	const struct provider *p = t->gate ? t->gate->provider : NULL;
	int64_t answered, handed;
	struct otlp *o;

	if (!t->trace || !t->trace->here.sampled)
		return;
	answered = now_us(t->trace);
	handed = p ? answered - t->took_us : answered;
	if (p)
		add_wait(t, handed);
	o = begin(t, OTLP_CLIENT, "deliver", provider, handed, answered);
	if (!o)
		return;
	OTLP_TEXT(o, "postrider.provider", provider);
	OTLP_INT(o, "postrider.attempt", t->history.attempts);
	OTLP_TEXT(o, "postrider.outcome", outcome_name(t->outcome.kind));
	OTLP_TEXT(o, "postrider.code", t->outcome.code);
	if (p && p->server[0] != '\0') {
		OTLP_TEXT(o, "server.address", p->server);
		OTLP_INT(o, "server.port", p->port);
	}
	end(t, t->outcome.kind == OUTCOME_SENT ? NULL : t->outcome.code);
}

void trace_settling(struct task *t)
{
	if (t->trace->settle_at == 0)
		t->trace->settle_at = t->state_since;
}

static void add_settle(const struct task *t, int64_t now)
{
	static const char *const names[] = {
		[SETTLE_ACK] = "ack",
		[SETTLE_DELAY] = "delay",
		[SETTLE_BURY] = "bury",
		[SETTLE_KEEP] = "keep",
	};
	const struct trace *tr = t->trace;
	struct otlp *o = begin(t, OTLP_CLIENT, "settle", t->queue->keys.list,
	                       tr->settle_at > 0 ? tr->settle_at + tr->ahead_us : now, now);

	if (!o)
		return;
	add_message(o, t);
	OTLP_WORD(o, "messaging.operation.type", "settle");
	OTLP_TEXT(o, "messaging.operation.name", names[t->decision.settle]);
	end(t, NULL);
}

/* What has become of the mail, as far as this claim knows. */
static const char *status_of(const struct task *t)
{
	if (t->decision.status)
		return t->decision.status;
	return t->decision.settle == SETTLE_DELAY ? "waiting" : "duplicate";
}

void trace_ended(struct task *t, const char *why)
{
	const struct trace *tr = t->trace;
	const char *status = why ? why : status_of(t), *error = why;
	struct otlp_span span;
	struct otlp *o;

	if (!tr || !tr->here.sampled)
		return;
	span = (struct otlp_span){
		.trace_id = tr->here.trace_id,
		.span_id = tr->here.span_id,
		.parent_id = tr->parent_id,
		.remote = tr->parent_id[0] != '\0',
		.state = tr->here.state,
		.kind = OTLP_CONSUMER,
		.verb = "process",
		.object = t->queue->keys.list,
		.start_us = since_us(t),
		.end_us = now_us(tr),
	};
	if (!why)
		add_settle(t, span.end_us);
	if (!why && (strcmp(status, "failed") == 0 || strcmp(status, "held") == 0))
		error = t->outcome.code;
	o = tracer_begin(t->worker->tracer, &span);
	if (!o)
		return;
	add_message(o, t);
	OTLP_WORD(o, "messaging.operation.type", "process");
	OTLP_WORD(o, "messaging.operation.name", "process");
	OTLP_TEXT(o, "postrider.job.id", t->id);
	OTLP_TEXT(o, "postrider.status", status);
	end(t, error);
}

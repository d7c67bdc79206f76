#include "fleet/webhook_trace.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "fleet/queue.h"
#include "fleet/task.h"
#include "fleet/tracer.h"
#include "fleet/worker.h"

#define URL_SIZE (WEBHOOK_MAX_HOST + 32)

void webhook_trace_init(struct webhook_trace *tr, const struct webhook_job *j)
{
	*tr = (struct webhook_trace){.job = j};
	if (!trace_context_read(&tr->parent, j->traceparent))
		tr->parent.trace_id[0] = '\0';
	else if (trace_state_valid(j->tracestate))
		tr->parent.state = j->tracestate;
}

const char *webhook_trace_id(const struct webhook_trace *tr)
{
	return tr->parent.trace_id[0] != '\0' ? tr->parent.trace_id : NULL;
}

static int64_t now_us(const struct task *t)
{
	return clock_boot_us() + t->queue->clock.offset_ms * 1000;
}

void webhook_trace_begin(struct webhook_trace *tr, const struct task *t, struct http_call *c)
{
	const struct tracer *tracer = t->worker->tracer;
	struct trace_context here = tr->parent;
	char text[TRACE_PARENT_LEN + 1];

	tr->span_id[0] = '\0';
	if (tr->parent.trace_id[0] == '\0')
		return;
	if (tracer && tracer_takes(tracer, tr->parent.trace_id, &tr->parent)) {
		trace_context_hex(tr->span_id, random_u64() | 1); /* never all zero */
		memcpy(here.span_id, tr->span_id, sizeof(here.span_id));
		here.sampled = true;
		tr->began_us = now_us(t);
	}
	trace_context_write(&here, text);
	http_call_header(c, "traceparent", text);
	if (tr->parent.state)
		http_call_header(c, "tracestate", tr->parent.state);
}

/* Without brackets. */
static void add_server(struct otlp *o, const struct webhook_target *to)
{
	char name[WEBHOOK_MAX_HOST];
	bool literal = to->host[0] == '[';

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(to->host + literal, "]"),
	         to->host + literal);
	OTLP_TEXT(o, "server.address", name);
	OTLP_INT(o, "server.port", to->port);
}

/* Up to its path: many a URL's path is its secret. */
static void add_url(struct otlp *o, const char *url)
{
	const char *host = strstr(url, "://"), *path;
	char text[URL_SIZE];

	if (!host)
		return;
	path = host + 3 + strcspn(host + 3, "/?#\\");
	snprintf(text, sizeof(text), "%.*s/%s", (int)(path - url), url,
	         *path == '\0' || strcmp(path, "/") == 0 ? "" : "REDACTED");
	OTLP_TEXT(o, "url.full", text);
}

/* Its class, by the conventions: the status, where there is one. NULL: it went well. */
static const char *error_of(const struct task *t, const struct http_result *result)
{
	if (!result)
		return "abandoned";
	return t->outcome.kind == OUTCOME_SENT ? NULL : t->outcome.code;
}

void webhook_trace_end(struct webhook_trace *tr, const struct task *t,
                       const struct webhook_target *to, const struct http_result *result)
{
	struct otlp_span span = {
		.trace_id = tr->parent.trace_id,
		.span_id = tr->span_id,
		.parent_id = tr->parent.span_id,
		.remote = true,
		.kind = OTLP_CLIENT,
		.verb = "POST",
		.object = "",
		.start_us = tr->began_us,
		.end_us = now_us(t),
		.state = tr->parent.state,
	};
	struct otlp *o;

	if (tr->span_id[0] == '\0')
		return;
	o = tracer_begin(t->worker->tracer, &span);
	if (o) {
		OTLP_WORD(o, "http.request.method", "POST");
		add_server(o, to);
		add_url(o, tr->job->url);
		if (result && result->end == HTTP_END_REPLY)
			OTLP_INT(o, "http.response.status_code", result->reply->status);
		if (t->history.attempts > 0)
			OTLP_INT(o, "http.request.resend_count", t->history.attempts);
		OTLP_TEXT(o, "postrider.webhook.id", tr->job->id);
		tracer_end(t->worker->tracer, error_of(t, result));
	}
	tr->span_id[0] = '\0';
}

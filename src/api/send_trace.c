#include "api/send_trace.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/tracer.h"

static int64_t now_us(const struct request *r)
{
	return r->trace->began_us + (clock_mono_us() - r->began_at);
}

static void next_span(struct send_trace *s, char id[TRACE_SPAN_LEN + 1])
{
	trace_context_hex(id, s->next_id++);
}

static void begin_own(struct send_trace *s)
{
	trace_context_hex(s->here.trace_id, random_u64() | 1); /* never all zero */
	trace_context_hex(s->here.trace_id + TRACE_SPAN_LEN, random_u64());
}

/* It may come in several lines. */
static void take_state(struct request *r, struct send_trace *s)
{
	s->state = request_get_all(r, "tracestate");
	if (s->state != NULL && trace_state_valid(s->state))
		s->here.state = s->state;
}

void send_trace_begin(struct request *r)
{
	const struct tracer *tracer = r->api->tracer;
	const char *header = request_get(r, "traceparent");
	struct trace_context parent;
	struct send_trace *s;
	bool given = header != NULL && trace_context_read(&parent, header);

	if (r->trace != NULL || (tracer == NULL && !given))
		return;
	s = r->trace = mem_zalloc(sizeof(*s));
	s->next_id = (random_u64() & ~UINT64_C(0xffffff)) | 1; /* BULK_MAX is far from that */
	s->began_us = clock_wall_ms() * 1000 - (clock_mono_us() - r->began_at);
	if (given) {
		s->here = parent;
		take_state(r, s);
	} else {
		begin_own(s);
	}
	if (tracer == NULL)
		return;
	s->here.sampled = tracer_takes(tracer, s->here.trace_id, given ? &parent : NULL);
	memcpy(s->parent_id, s->here.span_id, sizeof(s->parent_id));
	next_span(s, s->here.span_id);
}

const struct trace_context *send_trace_next(struct request *r)
{
	static struct trace_context next;

	if (r->trace == NULL)
		return NULL;
	next = r->trace->here;
	if (r->api->tracer != NULL)
		next_span(r->trace, next.span_id);
	return &next;
}

/* Where this mail's span belongs. False: it is not recorded. */
static bool place(const struct request *r, const struct post *p, struct otlp_span *span,
                  struct trace_context *own)
{
	if (p->traceparent == NULL) {
		span->trace_id = p->trace.trace_id;
		span->parent_id = r->trace->here.span_id;
		span->state = p->trace.state;
		return p->trace.sampled;
	}
	if (!trace_context_read(own, p->traceparent))
		return false;
	span->trace_id = own->trace_id;
	span->parent_id = own->span_id;
	span->state = p->tracestate;
	span->remote = true;
	return tracer_takes(r->api->tracer, own->trace_id, own);
}

void send_trace_mail(const struct request *r, const struct post *p)
{
	static const char *const words[] = {
		[POST_TAKEN] = "taken",
		[POST_KNOWN] = "known",
		[POST_CONFLICT] = "conflict",
		[POST_INVALID] = "invalid",
		[POST_UNAVAILABLE] = "unavailable",
	};
	bool well = p->outcome == POST_TAKEN || p->outcome == POST_KNOWN;
	struct trace_context own;
	struct otlp_span span = {
		.span_id = p->trace.span_id,
		.kind = OTLP_PRODUCER,
		.verb = "send",
		.object = p->queue->list,
	};
	struct otlp *o;

	if (r->trace == NULL || r->api->tracer == NULL || !place(r, p, &span, &own))
		return;
	span.start_us = r->trace->began_us;
	span.end_us = now_us(r);
	o = tracer_begin(r->api->tracer, &span);
	if (o == NULL)
		return;
	OTLP_TEXT(o, "messaging.message.id", p->key);
	OTLP_WORD(o, "messaging.system", "postrider");
	OTLP_TEXT(o, "messaging.destination.name", p->queue->list);
	OTLP_WORD(o, "messaging.operation.type", "send");
	OTLP_WORD(o, "messaging.operation.name", "send");
	OTLP_TEXT(o, "postrider.result", words[p->outcome]);
	tracer_end(r->api->tracer, well ? NULL : words[p->outcome]);
}

static void add_request(const struct request *r)
{
	const struct send_trace *s = r->trace;
	const struct otlp_span span = {
		.trace_id = s->here.trace_id,
		.span_id = s->here.span_id,
		.parent_id = s->parent_id,
		.remote = s->parent_id[0] != '\0',
		.state = s->here.state,
		.kind = OTLP_SERVER,
		.verb = r->method,
		.object = r->route->path,
		.start_us = s->began_us,
		.end_us = now_us(r),
	};
	struct otlp *o = tracer_begin(r->api->tracer, &span);
	char error[16] = "client_gone";

	if (o == NULL)
		return;
	OTLP_TEXT(o, "http.request.method", r->method);
	OTLP_TEXT(o, "http.route", r->route->path);
	OTLP_TEXT(o, "url.scheme", *r->api->options->tls_cert_file != '\0' ? "https" : "http");
	OTLP_TEXT(o, "url.path", r->path);
	if (r->status > 0) {
		OTLP_INT(o, "http.response.status_code", r->status);
		snprintf(error, sizeof(error), "%d", r->status);
	}
	tracer_end(r->api->tracer, r->status > 0 && r->status < 500 ? NULL : error);
}

void send_trace_end(struct request *r)
{
	if (r->trace == NULL)
		return;
	if (r->api->tracer != NULL && r->trace->here.sampled)
		add_request(r);
	mem_free(r->trace->state);
	mem_free(r->trace);
	r->trace = NULL;
}

/* otlp.h - spans as OpenTelemetry's protocol has them: OTLP 1.x over HTTP, in JSON.
 *
 *     otlp_open(body, resource);
 *     o = (struct otlp){.at = to, .end = to + room};
 *     otlp_begin(&o, &span);
 *     OTLP_TEXT(&o, "messaging.message.id", key);
 *     otlp_end(&o, "550 5.1.1");
 *     otlp_close(body);                  the body of one POST to …/v1/traces
 *
 * This runs several times for every mail: a span is written straight to its place, in a few large pieces. The names of
 * attributes are those of the semantic conventions 1.37.0 (OTLP_SCHEMA), and ours begin with postrider. No attribute holds
 * an address, a subject or anything else of a mail's content. */
#ifndef PROVIDER_OTLP_H
#define PROVIDER_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "provider/http_reply.h"

#define OTLP_SCHEMA "https://opentelemetry.io/schemas/1.37.0"
#define OTLP_MAX_WHY 128

/* As the protocol numbers them. */
enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER, OTLP_CLIENT, OTLP_PRODUCER, OTLP_CONSUMER };

struct otlp_span {
	const char *trace_id, *span_id; /* hex digits */
	const char *parent_id;          /* "" none: the root */
	bool remote;                    /* the parent is another process's */
	const char *verb, *object;      /* its name: both, with a blank between (object "": the verb alone); the verb is a plain word */
	enum otlp_kind kind;
	int64_t start_us, end_us;       /* since the epoch; an end before the start is the start */
	const char *state;              /* the trace's tracestate; NULL or "" none */
};

/* From the beginning of the body to where spans stand. attributes: of the resource, as otlp_resource wrote them. */
void otlp_open(struct buf *b, const char *attributes);
void otlp_close(struct buf *b);

/* The resource's attributes, as JSON without its brackets. extra: OTEL_RESOURCE_ATTRIBUTES, "name=value,…" with values
 * percent-encoded; service "": as extra says, else postrider. False: extra is not of that form. */
bool otlp_resource(struct buf *b, const char *service, const char *extra, const char *instance) MUST_CHECK;

/* Where the next character of a span goes. What does not fit sets `failed`, and the span is to be thrown away. */
struct otlp {
	char *at, *end;
	bool failed;
};

void otlp_begin(struct otlp *o, const struct otlp_span *s);
/* An attribute; key and, where it says so, value are literals. OTLP_TEXT without a value ("" or NULL) is left out. */
#define OTLP_TEXT(O, KEY, VALUE) otlp_text(O, OTLP_HEAD(KEY, "stringValue"), VALUE)
#define OTLP_INT(O, KEY, VALUE) otlp_int(O, OTLP_HEAD(KEY, "intValue"), VALUE)
#define OTLP_WORD(O, KEY, LITERAL) otlp_put(O, OTLP_PIECE("{\"key\":\"" KEY "\",\"value\":{\"stringValue\":\"" LITERAL "\"}},"))
/* error: its class, for error.type, and the span has failed; NULL: it has not. A comma is behind it. */
void otlp_end(struct otlp *o, const char *error);

/* What the macros are made of. */
#define OTLP_PIECE(LITERAL) LITERAL, sizeof(LITERAL) - 1
#define OTLP_HEAD(KEY, TYPE) OTLP_PIECE("{\"key\":\"" KEY "\",\"value\":{\"" TYPE "\":\"")
void otlp_text(struct otlp *o, const char *head, size_t n, const char *value);
void otlp_int(struct otlp *o, const char *head, size_t n, int64_t value);
static inline void otlp_put(struct otlp *o, const char *s, size_t n)
{
	if ((size_t)(o->end - o->at) < n) {
		o->failed = true;
		return;
	}
	memcpy(o->at, s, n);
	o->at += n;
}

/* How many spans of a 2xx reply were refused (partial success), and why; 0: none. */
int64_t otlp_refused(const struct http_reply *r, char why[OTLP_MAX_WHY]) MUST_CHECK;

#endif

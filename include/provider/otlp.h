/* otlp.h - spans as OpenTelemetry's protocol has them: OTLP 1.x over HTTP, in JSON.
 *
 *     otlp_open(b, &resource);
 *     otlp_begin(b, &span);
 *     OTLP_TEXT(b, "messaging.system", "postrider");
 *     otlp_end(b, "550 5.1.1");
 *     otlp_close(b);                     the body of one POST to …/v1/traces
 *
 * Written straight into the buffer, and each span as few copies as can be: this runs for every mail. The names of
 * attributes are those of the semantic conventions 1.37.0 (OTLP_SCHEMA), and ours begin with postrider. No attribute
 * holds an address, a subject or anything else of a mail's content. */
#ifndef PROVIDER_OTLP_H
#define PROVIDER_OTLP_H

#include <stdbool.h>
#include <stdint.h>

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
	const char *verb, *object;      /* its name: both, with a blank between */
	enum otlp_kind kind;
	int64_t start_us, end_us;       /* since the epoch; an end before the start is the start */
};

/* From the beginning of the body to where spans stand. attributes: of the resource, as otlp_resource wrote them. */
void otlp_open(struct buf *b, const char *attributes);
void otlp_close(struct buf *b);

/* The resource's attributes, as JSON without its brackets. extra: OTEL_RESOURCE_ATTRIBUTES, "name=value,…" with values
 * percent-encoded; service "": as extra says, else postrider. False: extra is not of that form. */
bool otlp_resource(struct buf *b, const char *service, const char *extra, const char *instance) MUST_CHECK;

void otlp_begin(struct buf *b, const struct otlp_span *s);
/* An attribute; without a value ("" or NULL) it is left out. key: a literal. */
#define OTLP_TEXT(B, KEY, VALUE) otlp_text(B, "{\"key\":\"" KEY "\",\"value\":{\"stringValue\":", VALUE)
#define OTLP_INT(B, KEY, VALUE) otlp_int(B, "{\"key\":\"" KEY "\",\"value\":{\"intValue\":\"", VALUE)
void otlp_text(struct buf *b, const char *head, const char *value);
void otlp_int(struct buf *b, const char *head, int64_t value);
/* error: its class, for error.type, and the span has failed; NULL: it has not. */
void otlp_end(struct buf *b, const char *error);

/* How many spans of a 2xx reply were refused (partial success), and why; 0: none. */
int64_t otlp_refused(const struct http_reply *r, char why[OTLP_MAX_WHY]) MUST_CHECK;

#endif

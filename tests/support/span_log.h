/* span_log.h - the spans that an http_server has kept: it is the collector, at …/hook/v1/traces.
 *
 *     struct fleet *f = span_log_fleet(server, NULL);
 *     span_log_wait(server, "process", "order-1", 1);
 *     const cJSON *span = span_log_find(log, "process", "order-1", 0);
 *
 * Every body is checked by the way (span_log_read): OTLP in JSON, to the letter, whatever the test is about. */
#ifndef SUPPORT_SPAN_LOG_H
#define SUPPORT_SPAN_LOG_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/fleet.h"
#include "support/http_server.h"

/* What such a program has: one collector, started before the first test (span_log_begin) and forgetful between them
 * (span_log_clear, a test's setup), and the place in a trace that its mails come with. */
extern struct http_server *collector;
int span_log_begin(void **state);
int span_log_end(void **state);
int span_log_clear(void **state);
#define SPAN_LOG_TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN_LOG_SPAN "b7ad6b7169203331"

/* A fleet whose spans go to the collector, which behaves so (NULL: well), within milliseconds. */
struct fleet *span_log_fleet(struct http_server *server, const char *behaviour) MUST_CHECK;
/* What a process has logged at its end: how many spans were "exported", "dropped", "failed". */
long long span_log_ended(const struct process *p, const char *name);

/* All spans, each once, however often it was sent, in the order of their arrival: an array (cJSON_Delete). Each has, besides
 * what OTLP says, "service" (its resource's service.name). */
cJSON *span_log_read(const struct http_server *server) MUST_CHECK;

/* The n-th whose name begins with this word, of the mail with this key (NULL: any); NULL: there is none. */
const cJSON *span_log_seek(const cJSON *log, const char *verb, const char *key, size_t n);
/* The same; fails the test with all spans when there is none. */
const cJSON *span_log_find(const cJSON *log, const char *verb, const char *key, size_t n);
size_t span_log_count(const cJSON *log, const char *verb, const char *key);
/* Until there are n of them. */
void span_log_wait(const struct http_server *server, const char *verb, const char *key, size_t n);

/* A member ("name", "traceId" …) or an attribute of a span; "" when it has none. Valid as long as the span; numbers until the
 * next call. */
const char *span_log_get(const cJSON *span, const char *name);
#define span_log_expect(SPAN, NAME, VALUE) span_log_expect_at(__FILE__, __LINE__, (SPAN), (NAME), (VALUE))
void span_log_expect_at(const char *file, int line, const cJSON *span, const char *name, const char *value);
/* `child` is in the trace of `parent`, and below it; and within its time, too. */
#define span_log_expect_below(CHILD, PARENT) span_log_expect_below_at(__FILE__, __LINE__, (CHILD), (PARENT))
void span_log_expect_below_at(const char *file, int line, const cJSON *child, const cJSON *parent);
#define span_log_expect_within(CHILD, PARENT) span_log_expect_within_at(__FILE__, __LINE__, (CHILD), (PARENT))
void span_log_expect_within_at(const char *file, int line, const cJSON *child, const cJSON *parent);

#endif

/* request.h - one HTTP request and its answer, from its first line until the answer has left.
 *
 * Whoever handles a request answers it exactly once, at once or later, by one of the functions below;
 * until then the connection is suspended. A client that hangs up meanwhile is noticed only then, so a
 * request lives until it is answered. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "redis/link.h"

#define REQUEST_MAX_HEADERS 10
#define REQUEST_MAX_ANSWER ((size_t)64 << 20)
#define REQUEST_MAX_CLIENT 80 /* bytes of a client's name, with its NUL */

struct api;
struct route;
struct send_trace;
struct stream;
struct visitor;
struct MHD_Connection;

struct request_header {
	const char *name;
	char *value;
};

struct request {
	TAILQ_ENTRY(request) all;
	struct api *api;
	struct visitor *visitor; /* its connection */
	struct MHD_Connection *connection;
	const struct route *route; /* NULL: none */
	const char *method;        /* "GET" */
	char *path;                /* as it was sent, without the query */
	char *param;               /* what stands for the * of the route, decoded; NULL: none */
	struct buf body;
	void *data; /* the route's own; mem_free'd with the request */
	struct send_trace *trace; /* of one that brings mail in; NULL: none */
	int64_t began_at; /* mono clock, µs */
	int64_t asked_at; /* when it was there, and its route was run */
	void (*again)(struct request *r); /* request_again's */
	char client[REQUEST_MAX_CLIENT]; /* who is limited: "key:shop", "ip:192.0.2.1" */
	bool head_seen, running, suspended, close;
	/* the answer */
	int status; /* 0: none yet */
	const char *type;
	const char *cache; /* Cache-Control; NULL: no-store */
	struct buf out;
	const char *fixed; /* instead of out, when it is not NULL: stays where it is */
	size_t n_fixed;
	struct stream *stream; /* instead of both: it goes on (stream.h) */
	struct request_header headers[REQUEST_MAX_HEADERS];
	size_t n_headers;
};

TAILQ_HEAD(request_list, request);

const char *request_get(const struct request *r, const char *header); /* or NULL */

/* ?name=value, decoded; NULL: it is not there. */
const char *request_query(const struct request *r, const char *name);

/* All fields of this name, with ", " between; a new string, or NULL. */
char *request_get_all(const struct request *r, const char *header) MUST_CHECK;

/* The body as a JSON object; an empty one is an empty object. False: it has been answered, 400. */
bool request_read(struct request *r, cJSON **body) MUST_CHECK; /* cJSON_Delete */

/* A header of the answer; before the answer itself. */
void request_add(struct request *r, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

/* r->out holds JSON, or what `type` says. */
void request_answer(struct request *r, int status);
void request_answer_as(struct request *r, int status, const char *type);

/* An RFC 9457 problem: {type, title, status, detail, error, message}. title: NULL is the status's own.
 * What was in r->out is dropped. */
void request_problem(struct request *r, int status, const char *title, const char *message);
/* The same with `details`: sentences, separated by "; ". */
void request_invalid(struct request *r, const char *message, const char *details);
/* 503 with Retry-After: Redis is away, or will not store. */
void request_unavailable(struct request *r, const char *message);
/* Redis has not done what was asked: 503, or 500 for an error that is of no use to wait for. */
void request_refused(struct request *r, enum link_result result);
/* The same, but first it is asked again by run(r), later, while there is time (again.h). */
void request_again(struct request *r, enum link_result result, void (*run)(struct request *r));

#endif

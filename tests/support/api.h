/* api.h - an HTTP client for the API under test: libcurl for what is well formed, bytes for the rest.
 *
 *     struct api_process a = api_start(fleet, NULL);
 *     struct answer *r = api_post(&a, "/api/email/send", "{…}", NULL);
 *     assert_int_equal(r->status, 202);
 *     answer_is(r, "status", "queued");
 *     answer_free(r);
 *
 * The process is the fleet's. Nothing may hang: a call that gets no answer within two minutes fails. */
#ifndef SUPPORT_API_H
#define SUPPORT_API_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/fleet.h"

struct api_process {
	struct process *process;
	int port;
	bool https;
	const char *ca; /* of the certificate; https only */
};

/* Starts `postrider api` on a free port (unless `extra` says PORT=…) and waits until it listens and, where
 * it can, has reached Redis. */
struct api_process api_start(struct fleet *f, const char *const *extra);
/* The same without waiting for Redis. */
struct api_process api_start_alone(struct fleet *f, const char *const *extra);

struct answer {
	int status; /* 0: the connection broke */
	char *head; /* the answer's header lines */
	char *body;
	cJSON *json; /* NULL: it is none */
};

/* headers: NULL, or NULL-terminated "Name: value". body NULL: none. */
struct answer *api_call(const struct api_process *a, const char *method, const char *path,
                        const char *body, const char *const *headers) MUST_CHECK;
struct answer *api_post(const struct api_process *a, const char *path, const char *body,
                        const char *const *headers) MUST_CHECK; /* as application/json */
struct answer *api_get(const struct api_process *a, const char *path) MUST_CHECK;
void answer_free(struct answer *r);

/* Posts as a client does that is told to come again: until it is no 503. Returns 202, or 200: it was taken before. Anything
 * else fails the test. */
int api_post_until_taken(const struct api_process *a, const char *path, const char *body);

/* n posts at once, each over a connection of its own; half of them to b, unless it is NULL. */
void api_post_at_once(const struct api_process *a, const struct api_process *b, const char *path,
                      const char *body, size_t n, struct answer **answers);

/* The same with one more header line. */
void api_post_at_once_with(const struct api_process *a, const struct api_process *b,
                           const char *path, const char *body, const char *header, size_t n,
                           struct answer **answers);

/* A header's value, a new string (free); NULL: it is not there. */
char *answer_header(const struct answer *r, const char *name) MUST_CHECK;
/* The member "a.b.0.c" of the body; fails the test when it is not there. */
const cJSON *answer_at(const struct answer *r, const char *path);
bool answer_has(const struct answer *r, const char *path);
/* It is this text, or a number, true, false or null written so. */
#define answer_is(R, PATH, VALUE) answer_is_at(__FILE__, __LINE__, (R), (PATH), (VALUE))
void answer_is_at(const char *file, int line, const struct answer *r, const char *path,
                  const char *value);
/* Fails with the answer when the status is another. */
#define answer_status(R, STATUS) answer_status_at(__FILE__, __LINE__, (R), (STATUS))
void answer_status_at(const char *file, int line, const struct answer *r, int status);

/* A call whose only point is its status; and, when it is a problem, that it is one to the letter. */
#define api_expect(A, STATUS, METHOD, PATH, BODY)                                                  \
	api_expect_at(__FILE__, __LINE__, (A), (STATUS), (METHOD), (PATH), (BODY))
void api_expect_at(const char *file, int line, const struct api_process *a, int status,
                   const char *method, const char *path, const char *body);

/* From now on each call (and each api_raw) also goes into this file, a line of JSON: method, path, status, head, body.
 * NULL: no more. */
void api_record(const char *path);

/* Bytes over a connection. */
int api_connect(const struct api_process *a) MUST_CHECK; /* close(2) */
void api_write(int fd, const char *text);
/* All that comes until it is closed; a new string (free). */
char *api_read_all(int fd) MUST_CHECK;
/* What it answers to these bytes. A new string (free). */
char *api_raw(const struct api_process *a, const char *text) MUST_CHECK;

#endif

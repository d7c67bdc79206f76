/* post.h - one mail on its way in: checked, keyed, and then what became of it. */
#ifndef API_POST_H
#define API_POST_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/options.h"
#include "fleet/queue_set.h"
#include "mail/message.h"
#include "mail/trace_context.h"
#include "provider/carriers.h"
#include "redis/keys.h"
#include "redis/link.h"

#define POST_MAX_KEY 100     /* characters of a client's key */
#define POST_MAX_SUBJECT 200 /* characters, exclusive */
#define POST_MAX_DELAY 300000
#define POST_MAX_WORD 128
#define POST_MAX_ERROR 512

enum post_outcome {
	POST_TAKEN,       /* pushed */
	POST_KNOWN,       /* the same mail is known already; `status` … tell */
	POST_CONFLICT,    /* the key belongs to another mail */
	POST_INVALID,     /* `faults` tell; never asked of Redis */
	POST_UNAVAILABLE, /* Redis is away, or will not store: `result` */
};

/* One mail on its way in. */
struct post {
	TAILQ_ENTRY(post) entry;
	char *payload; /* what is pushed */
	size_t len;
	char *key;
	char fingerprint[25];
	char message_id[MESSAGE_MAX_ID]; /* "": not known here, for the sender is the workers' */
	char *to, *subject;              /* cut */
	int64_t send_at, delay;
	const struct queue_keys *queue;
	struct trace_context trace; /* of its span (send_trace.h); trace_id "": none */
	char *traceparent;          /* the job's own; NULL: it names none, or none that is valid */
	char *tracestate;           /* that goes with it; NULL: none */
	/* accept_add's */
	char *status_key;
	unsigned slot; /* of status_key (topology_slot) */
	int64_t since; /* the sender's: when its client began to wait, mono clock, µs */
	bool known;    /* seen before: the answer is a replay, even if it is pushed again */
	bool lost;     /* accept.lua may have been executed already */
	/* what became of it */
	enum post_outcome outcome;
	enum link_result result;
	char *faults;   /* POST_INVALID: sentences separated by "; " */
	bool malformed; /* POST_INVALID: no JSON object at all */
	char status[16];
	char provider[POST_MAX_WORD], provider_id[POST_MAX_WORD];
	char error[POST_MAX_ERROR]; /* of one that did not go; "" not known */
	int64_t attempts, created_at, updated_at;
	/* told once, after accept_add (accept.h) */
	void (*on_done)(struct post *p);
	void *data;
};

TAILQ_HEAD(post_list, post);

/* Checks one mail as it came (the API's limits on top of the job's) and makes it ready to be taken.
 * header_key: from the request's head, or NULL. Never NULL; outcome POST_INVALID tells that it is not
 * valid. trace: goes into a payload that names no traceparent (its state, where that names none either); NULL: nothing
 * does. */
struct post *post_new(const char *text, size_t len, const char *header_key, const struct trace_context *trace,
                      const struct options *o, const struct queue_set *queues,
                      const struct carriers *carriers) MUST_CHECK;
/* The same without the limits that are only for clients: of the key's length, and so on. */
struct post *post_new_trusted(const char *text, size_t len, const struct trace_context *trace,
                              const struct options *o, const struct queue_set *queues) MUST_CHECK;
void post_free(struct post *p); /* NULL is fine */
/* What is read of a mail's status, in the order of accept.lua's answer. */
#define POST_STATUS_FIELDS 7
extern const char *const post_status_fields[POST_STATUS_FIELDS];
/* The values of these fields, from list's element `at` on. */
void post_read_status(struct post *p, const redisReply *list, size_t at);
bool post_is_settled(const struct post *p); /* its status is one for good */

/* {success, status, jobId, messageId, idempotencyKey, statusUrl, timestamp …} of one that was taken or
 * is known. */
void post_write(const struct post *p, struct buf *out);
/* Why it was not taken, in a sentence: POST_CONFLICT and POST_UNAVAILABLE. */
const char *post_why(const struct post *p);

#endif

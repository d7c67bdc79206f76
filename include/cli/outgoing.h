/* outgoing.h - the mails that `send` is about to push: checked, named, given to queues, pushed, and
 * waited for. */
#ifndef CLI_OUTGOING_H
#define CLI_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/queue_set.h"
#include "redis/sync.h"

enum outgoing_state {
	OUTGOING_READY,    /* valid, not pushed (yet) */
	OUTGOING_REFUSED,  /* not valid: `faults` */
	OUTGOING_KNOWN,    /* a mail of this key and content is settled: nothing is sent again; `status` */
	OUTGOING_CONFLICT, /* the key belongs to another mail */
	OUTGOING_QUEUED,   /* pushed */
	OUTGOING_SETTLED,  /* waited for, and settled: `status` */
};

struct outgoing {
	enum outgoing_state state;
	const char *text;  /* the job as it was given; borrowed */
	size_t len;
	size_t line;       /* in the input; 0 none */
	char *key;         /* NULL: it goes without one */
	bool key_is_ours;  /* made here, and yet to be written into the job */
	char fingerprint[25];
	const struct queue_keys *queue; /* borrowed */
	char *faults;      /* sentences, separated by "; " */
	char *status, *error; /* NULL or as last seen */
};

struct outgoing_list {
	struct outgoing *mails;
	size_t n, room;
	struct carriers *carriers; /* opened for the first mail that names its provider */
};

void outgoing_free(struct outgoing_list *l);

/* Checks one job and adds it. without_key: a job that has no key is not given one. */
void outgoing_add(struct outgoing_list *l, const char *text, size_t len, size_t line, const struct options *o,
                  const struct queue_set *queues, bool without_key);
/* Adds something that is no job at all. */
void outgoing_add_fault(struct outgoing_list *l, size_t line, const char *why);

size_t outgoing_count(const struct outgoing_list *l, enum outgoing_state state);

/* Looks the keys that users gave up before anything is pushed: most repeats and conflicts are found
 * here; the workers find the others. */
bool outgoing_look_up(struct outgoing_list *l, struct sync *s, const char *prefix, struct error *err) MUST_CHECK;

/* Pushes what is ready, in order, queue by queue. False: err; what was pushed is marked so. */
bool outgoing_push(struct outgoing_list *l, struct sync *s, const struct queue_set *queues,
                   struct error *err) MUST_CHECK;

/* Asks after those that are queued. Calls settled for each that has come to its end. */
bool outgoing_poll(struct outgoing_list *l, struct sync *s, const char *prefix,
                   void (*settled)(const struct outgoing *m), struct error *err) MUST_CHECK;

/* {accepted, refused, mails: [{index, idempotencyKey, queue, result, status?, error?, errors?}]} */
void outgoing_json(const struct outgoing_list *l, struct buf *out);

#endif

/* dead_letter.h - the dead letters: failed and held mail that is kept for DEAD_TTL.
 *
 * A dead letter is a member of {queue}:dead; its bytes are in {queue}:jobs, exactly as they came;
 * why it is there says the status that belongs to it: that of its key when this job owns the key,
 * else that of auto-<id> (a job without a key, that is not valid, or whose key belongs to other content). */
#ifndef CLI_DEAD_LETTER_H
#define CLI_DEAD_LETTER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "cli/mail_view.h"
#include "fleet/queue_set.h"
#include "redis/sync.h"

struct dead_letter {
	const struct queue_keys *queue; /* borrowed */
	char *id;
	int64_t dead_at;   /* Redis's clock, ms */
	char *payload;     /* NULL: larger than MAX_JOB_BYTES and not fetched, or gone */
	size_t payload_len;/* of the payload as it is stored, also when it was not fetched */
	char *key;         /* its idempotencyKey; NULL none, or not legible */
	struct mail_view mail; /* found is false when its status has run out */
};

/* Which ones. NULL and -1: any. */
struct dead_filter {
	const char *error;     /* is in "code: text"; case does not matter */
	const char *provider;  /* was last tried, or is in the timeline */
	const char *key;       /* is its idempotencyKey */
	int64_t older_ms, newer_ms; /* dead for at least, at most so long */
	size_t limit;          /* 0: no limit */
	bool newest_first;     /* within a queue */
};

extern const struct dead_filter dead_filter_any;

/* What is to be read of, and written to. */
struct dead_letters {
	struct sync *sync;
	const struct options *options;
	const struct queue_set *queues;
};

/* Calls fn for each that the filter lets through, queue by queue; the names are collected first, so fn may
 * take them out. fn returns false to stop, with err when it failed. False: err. */
typedef bool dead_letter_fn(struct dead_letter *l, void *data, struct error *err);
bool dead_letters_each(const struct dead_letters *d, const struct dead_filter *f, dead_letter_fn *fn, void *data,
                       struct error *err) MUST_CHECK;

/* The one that is called so: an id, auto-<id>, or a mail's key. fn is called once or not at all. */
bool dead_letters_find(const struct dead_letters *d, const char *name, dead_letter_fn *fn, void *data,
                       struct error *err) MUST_CHECK;

/* Takes it out: to be tried again (its status is reopened first), or for good.
 * *why: NULL when done, or a static text: why it was left alone. */
bool dead_letter_retry(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                       struct error *err) MUST_CHECK;
bool dead_letter_drop(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                      struct error *err) MUST_CHECK;

cJSON *dead_letter_json(const struct dead_letter *l, bool with_payload);

#endif

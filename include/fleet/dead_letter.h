/* dead_letter.h - one dead letter: failed or held mail that is kept for DEAD_TTL.
 *
 * A dead letter is a member of {queue}:dead; its bytes are in {queue}:jobs, exactly as they came;
 * why it is there says the status that belongs to it: that of its key when this job owns the key,
 * else that of auto-<id> (a job without a key, that is not valid, or whose key belongs to other content).
 *
 * Here are the questions to Redis that make one known, and that take it out; dead_walk.h asks them. A
 * question returns false when there is nothing to ask. */
#ifndef FLEET_DEAD_LETTER_H
#define FLEET_DEAD_LETTER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "fleet/mail_view.h"
#include "redis/command.h"
#include "redis/keys.h"

#define DEAD_LETTER_AUTO "auto-" /* and the id: how its mail is called where its key is not its own */

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

void dead_letter_free(struct dead_letter *l);
/* Without its age. The letter has been read. */
bool dead_letter_passes(const struct dead_letter *l, const struct dead_filter *f) MUST_CHECK;
/* How many bytes of payload are fetched of it; 0 none. Its size is known. */
size_t dead_letter_fetches(const struct dead_letter *l, const struct options *o) MUST_CHECK;

/* NULL, or a static text: why trying it again would leave it alone, as far as that is known of a letter that was read. */
const char *dead_letter_doubt(const struct dead_letter *l) MUST_CHECK;

enum dead_question {
	DEAD_SIZE,    /* of the payload */
	DEAD_PAYLOAD, /* and with it the key */
	DEAD_MAIL,    /* the status of its key */
	DEAD_AUTO,    /* the status of auto-<id>, when that of the key is another's */
	DEAD_REOPEN_AUTO, DEAD_REOPEN_KEY, /* its statuses, for another round */
	DEAD_REQUEUE, /* to be tried again; the statuses first */
	DEAD_DROP,    /* for good */
};

bool dead_letter_ask(const struct dead_letter *l, enum dead_question q, const struct options *o,
                     struct command *c) MUST_CHECK;
/* The answer. A static text: why it is left alone; NULL: nothing speaks against it. */
const char *dead_letter_take(struct dead_letter *l, enum dead_question q, const redisReply *r) MUST_CHECK;

#endif

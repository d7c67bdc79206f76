/* entry.h - one entry of a queue's stream of events, and what PostgreSQL is told of it. */
#ifndef ARCHIVE_ENTRY_H
#define ARCHIVE_ENTRY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define ENTRY_MAX_ID 48
#define ENTRY_MAX_TEXT 512       /* bytes of a field; a longer one is cut (a key is refused) */
#define ENTRY_MAX_TAGS 8192
#define ENTRY_MAX_DETAILS 131072 /* bytes of a mail's details as JSON; without any when there are more */

struct entry {
	char id[ENTRY_MAX_ID]; /* in the stream: "1764000000000-3" */
	int64_t ms, seq;       /* the same */
	bool valid;            /* false: it is no event of ours; only the id is there */
	char *key, *job, *status, *provider, *code, *tenant, *tags; /* never NULL when valid */
	int64_t attempt;
	int64_t took_ms; /* -1: it does not say */
	/* the mail's status hash; set by entry_take_details */
	char *details; /* a JSON object; NULL none */
	int64_t details_at;
};

/* r: as XREADGROUP gives it, [id, [name, value, …]]. False: it has not even an id. */
bool entry_read(struct entry *e, const redisReply *r) MUST_CHECK;
void entry_free(struct entry *e);

/* pairs: HGETALL of mail:status:<key>. Taken only when it is of this very job (its owner is <queue>#<job>), or a
 * note on a job that was not valid: a later mail may have the same key. */
void entry_take_details(struct entry *e, const char *queue, const redisReply *pairs);

/* One object of the array that entry_sql takes. */
void entry_write(const struct entry *e, const char *queue, struct buf *out);

/* Keeps them: $1 is a JSON array of what entry_write writes. Any order, any number of times. */
extern const char entry_sql[];

#endif

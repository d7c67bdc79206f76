/* letter.h - the mails of a storm, and what the world has seen of each.
 *
 * Mail n has the key k<n>, and all that it is follows from the seed and n. Its record is written by whoever
 * sees something of it: the producers (how often it was pushed), the mail hosts (how often each recipient
 * got it, and what they did to it instead). Each field has one writer at a time; the checker reads when all
 * have ended. */
#ifndef STORM_LETTER_H
#define STORM_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define LETTER_MAX_RCPTS 3

struct letter {
	size_t n;
	bool by_api;            /* else LPUSH */
	bool twice;             /* pushed again a while after it was taken */
	bool cancel;            /* by the API, at once; it is not due before delay_ms */
	unsigned n_rcpts;
	const char *provider;   /* pinned; NULL: any */
	const char *on_unknown; /* NULL: as the fleet does */
	unsigned delay_ms;
	size_t body_bytes;
};

struct letter_record {
	/* producers */
	bool pushed; /* Redis or the API has acknowledged it */
	bool cancelled; /* the API has said so */
	/* mail hosts */
	uint8_t met;                      /* envelopes */
	uint8_t copies[LETTER_MAX_RCPTS]; /* of which they said, or may have said, 250 */
	uint8_t charges;                  /* what they did that may be an attempt's end, other than `sent` */
	uint8_t unknowns;                 /* of these: after the last byte, or where it was on its way */
	bool ids_differ;                  /* between copies */
	uint64_t id;                      /* digest of the first copy's Message-ID; 0: none yet */
};

void letter_read(struct letter *l, uint64_t seed, size_t n);
/* The job; a new string (free). */
char *letter_json(const struct letter *l) MUST_CHECK;
/* The n of "k<n>…"; false: it is none. *rest: what follows the digits. */
bool letter_number(const char *key, size_t *n, const char **rest) MUST_CHECK;

/* A copy that was taken, with its Message-ID. */
void letter_taken(struct letter_record *r, unsigned rcpt, const char *message_id, size_t len);
/* What was done to it instead. */
void letter_harmed(struct letter_record *r, bool unknown);

#endif

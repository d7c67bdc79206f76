/* finder.h - looks mails up in the archive that Redis has forgotten.
 *
 * Over one connection, on which any number of questions up to FINDER_MAX are in flight; each is answered once, within
 * COMMAND_TIMEOUT. While PostgreSQL is away every question is answered FINDER_AWAY at once. */
#ifndef ARCHIVE_FINDER_H
#define ARCHIVE_FINDER_H

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/mail_view.h"

#define FINDER_MAX 1000

enum finder_result {
	FINDER_FOUND,   /* pairs: its status as HGETALL would give it; valid during the call */
	FINDER_UNKNOWN, /* the archive does not have it */
	FINDER_AWAY,    /* nobody knows: it does not answer, or is none */
};

typedef void finder_fn(void *data, enum finder_result result, const redisReply *pairs, const char *error);

struct finder;

/* False: DATABASE_URL is set, and is none. */
bool finder_check(const struct options *o, struct error *err) MUST_CHECK;
/* NULL: DATABASE_URL is not set. Connects by itself. */
struct finder *finder_open(struct ev_loop *loop, const struct options *o) MUST_CHECK;
void finder_close(struct finder *f); /* what is in flight is answered FINDER_AWAY; NULL is fine */
/* fn may be called from within this call. */
void finder_find(struct finder *f, const char *key, finder_fn *fn, void *data);

/* The same for a command that waits: *v is read (mail_view_free). False: err says why nobody knows. */
bool finder_ask(const struct options *o, const char *key, struct mail_view *v, bool *found, struct error *err) MUST_CHECK;

#endif

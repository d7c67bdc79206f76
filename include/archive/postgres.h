/* postgres.h - one asynchronous connection to PostgreSQL, on libev: libpq in pipeline mode.
 *
 * Keeps itself connected; on_change(up) is told. When the connection breaks, or an answer is not there by
 * its deadline, everything in flight is answered POSTGRES_LOST, on_change(down) is told, and it connects
 * again after a backoff with full jitter (100 ms doubling to 10 s). The log says so once per outage.
 *
 * Each query is a transaction of its own: either it was carried out as a whole or not at all. Many may be
 * in flight at once; they are answered in order. None is ever repeated here. */
#ifndef ARCHIVE_POSTGRES_H
#define ARCHIVE_POSTGRES_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

enum postgres_result {
	POSTGRES_OK,    /* `reply` is the answer */
	POSTGRES_LOST,  /* nobody knows whether it was carried out: the connection broke, the deadline */
	POSTGRES_AGAIN, /* not carried out, and may work later: a deadlock, a full disk, a read-only server */
	POSTGRES_DATA,  /* not carried out: something in the values is refused (SQLSTATE classes 22, 23, 54) */
	POSTGRES_ERROR, /* not carried out: anything else, as a table that is not there */
};

/* SQLSTATEs that callers look for. */
#define POSTGRES_NO_TABLE "42P01"
#define POSTGRES_DUPLICATE "23505"

/* reply: valid during the call; NULL unless POSTGRES_OK. state: the SQLSTATE, "" none. error: a sentence
 * without secrets, "" for POSTGRES_OK. Not from here: postgres_close. */
typedef void postgres_fn(void *data, enum postgres_result result, const PGresult *reply,
                         const char *state, const char *error);

struct postgres;

/* False: DATABASE_URL is none; err quotes nothing of it. */
bool postgres_check(const char *url, struct error *err) MUST_CHECK;

/* url: one that postgres_check likes; copied. name: what the log and pg_stat_activity call it.
 * on_change: told of each change, and also when the first try has failed; from the loop. */
struct postgres *postgres_open(struct ev_loop *loop, const char *url, const char *name,
                               void (*on_change)(void *data, bool up), void *data) MUST_CHECK;
void postgres_close(struct postgres *p); /* what is in flight is answered POSTGRES_LOST; NULL is fine */
bool postgres_up(const struct postgres *p);
size_t postgres_in_flight(const struct postgres *p);
const char *postgres_error(const struct postgres *p); /* why it is down; "" it is not, or not yet */

/* One statement with its parameters as texts (UTF-8; $1 …). False: it is down, nothing was sent and fn
 * will not be called. */
bool postgres_send(struct postgres *p, const char *sql, int n, const char *const *values,
                   int deadline_ms, postgres_fn *fn, void *data) MUST_CHECK;
/* Several statements without parameters, NULL-terminated, carried out all or none; fn is told of the first
 * that fails, else of the last. */
bool postgres_send_all(struct postgres *p, const char *const *statements, int deadline_ms,
                       postgres_fn *fn, void *data) MUST_CHECK;

#endif

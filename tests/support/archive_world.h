/* archive_world.h - what the archive's tests begin with: a fleet, a PostgreSQL, and events written by hand.
 *
 * Each test begins with nothing in either. Archivers have a lease of a second, and DATABASE_URL. */
#ifndef SUPPORT_ARCHIVE_WORLD_H
#define SUPPORT_ARCHIVE_WORLD_H

#include <stddef.h>

#include "base/attr.h"
#include "support/fleet.h"
#include "support/postgres_server.h"

#define ARCHIVE_EVENTS "{mail:queue}:events"
#define ARCHIVE_GROUP "postrider-archive"

struct archive_world {
	struct fleet *fleet; /* its Redis writes an append-only file */
	struct postgres_server *postgres;
};

/* For cmocka's groups; where there is no PostgreSQL *state stays NULL. */
int archive_world_setup(void **state);
int archive_world_teardown(void **state);
/* NULL: the test skips; the reason was printed. */
struct archive_world *archive_world_begin(void **state) MUST_CHECK;

struct process *archive_world_archiver(struct archive_world *w, const char *const *extra);
/* Ends it by SIGTERM, and looks that it has said nothing of the password. */
void archive_world_stop(struct archive_world *w, struct process *archiver);

/* n events of mails <stem>-0 …, each sent at the first attempt, with a status, as a worker leaves them. NULL: mail:queue. */
void archive_world_add(struct archive_world *w, const char *queue, const char *stem, size_t n);
/* Waits until so many rows are in the table, and no queue has an event that waits or is unacknowledged. */
void archive_world_wait(struct archive_world *w, const char *table, long long rows);
/* Each of these n mails is there once, with all that its status had. */
void archive_world_exact(struct archive_world *w, const char *stem, long long n);
/* A field of {mail:queue}:archive. */
long long archive_world_count(struct archive_world *w, const char *field);

#endif

/* crew.h - the processes of a storm that are killed and stopped: workers, and the API.
 *
 * Each post is held by one process at a time; who dies is replaced at once. A fault at a failpoint arms the
 * process's page and waits for it to pass there; when it does not within a while, the fault happens
 * where it is. Who ends in any other way than by our hand has crashed, and is shown on stderr. */
#ifndef STORM_CREW_H
#define STORM_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "support/fleet.h"

struct crew;

struct crew_count {
	size_t kills, kills_at_points; /* the latter are among the former */
	size_t stops, stops_at_points;
	size_t crashes;
};

/* n workers, and the API in the post n. url(data, post) is where its Redis is. patience: how long an armed failpoint
 * may not be passed. */
struct crew *crew_start(struct fleet *f, unsigned n, int patience_ms,
                        const char *(*url)(void *data, unsigned post), void *data) MUST_CHECK;
void crew_end(struct crew *c);  /* kills all, uncounted, and looks through what they have written */
void crew_free(struct crew *c); /* NULL is fine */

/* False: the post is busy with an earlier fault; ask again. */
bool crew_kill(struct crew *c, unsigned post, const char *point) MUST_CHECK;
bool crew_stop(struct crew *c, unsigned post, const char *point, int64_t ms) MUST_CHECK;
/* To be called every few ms: replaces the dead, wakes the stopped. */
void crew_turn(struct crew *c);
/* No fault is under way any more. */
bool crew_calm(const struct crew *c) MUST_CHECK;

int crew_api_port(const struct crew *c);
struct crew_count crew_count(const struct crew *c); /* of workers; crashes of all */
size_t crew_api_kills(const struct crew *c);
bool crew_has_failpoints(const struct crew *c); /* the program under test was made with them */

#endif

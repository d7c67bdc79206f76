/* sentinels.h - a master with two replicas, and the three Sentinels that watch them.
 *
 * All are real, on free ports of the loopback. Two Sentinels have to agree that a master is dead, and do not take a
 * silent one for dead, however slow the machine is, until a test is about to make it so: sentinels_hurry. */
#ifndef SUPPORT_SENTINELS_H
#define SUPPORT_SENTINELS_H

#include "base/attr.h"
#include "support/redis_server.h"

#define SENTINELS_N 3
#define SENTINELS_NAME "post"

struct sentinels;

/* Returns when each Sentinel knows the two replicas and the two other Sentinels. */
struct sentinels *sentinels_start(void) MUST_CHECK;
void sentinels_free(struct sentinels *s); /* NULL is fine */

const char *sentinels_url(const struct sentinels *s);                    /* redis+sentinel://… */
struct redis_server *sentinels_server(const struct sentinels *s, int i); /* 0 is the first master */
struct redis_server *sentinels_watch(const struct sentinels *s, int i);  /* a Sentinel */

/* By what the first Sentinel says; -1: it is none of ours. */
int sentinels_master(const struct sentinels *s);
/* From now on a master that is silent for two seconds is dead. */
void sentinels_hurry(struct sentinels *s);
/* SIGKILL to the master; returns when the Sentinels have decided for another, which it returns. The
 * dead one stays dead. */
int sentinels_fail_over(struct sentinels *s);
/* SENTINEL FAILOVER: the master lives on, and becomes a replica. Returns when they name another. */
void sentinels_dethrone(struct sentinels *s);
/* Starts it again as it was started first, or as a replica of the present master. */
void sentinels_revive(struct sentinels *s, int i, bool as_replica);
/* All servers but the master are its replicas, and have all it has. */
void sentinels_wait_synced(struct sentinels *s);

#endif

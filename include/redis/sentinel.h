/* sentinel.h - where the master is, by what the Sentinels say.
 *
 * All of them are asked, twice a second each, over a connection that is kept: the one that leads a failover
 * knows its end seconds before the others, and one that is cut off never does. The answer of the highest
 * configuration epoch counts; an older one only when nobody has given the newer for SENTINEL_FORGET_MS.
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/sentinel-clients/; the address is asked for by
 * get-master-addr-by-name, which names the new master as soon as it is promoted.) */
#ifndef REDIS_SENTINEL_H
#define REDIS_SENTINEL_H

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "redis/command.h"
#include "redis/topology_config.h"

#define SENTINEL_ASK_MS 500
#define SENTINEL_FORGET_MS 10000

struct sentinel;

/* on_master: told from the loop, when the address is first known and whenever it is another one; host
 * is valid during the call. config outlives it. */
struct sentinel *sentinel_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_master)(void *data, const char *host, int port),
                               void *data) MUST_CHECK;
void sentinel_close(struct sentinel *s);
/* What on_master was told last; false: nothing yet. host stays the sentinel's. */
bool sentinel_master(const struct sentinel *s, const char **host, int *port) MUST_CHECK;

/* The two questions, and what their answers say. Also for sync.c. */
void sentinel_ask_address(struct command *c, const char *master);
void sentinel_ask_epoch(struct command *c, const char *master);
/* False: this Sentinel does not know. host is the reply's own. */
bool sentinel_read_address(const redisReply *reply, const char **host, int *port) MUST_CHECK;
int64_t sentinel_read_epoch(const redisReply *reply); /* -1: it does not say */

#endif

/* cluster_map.h - what Redis Cluster says of where slots are: CLUSTER SLOTS, MOVED and ASK. Pure.
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/) */
#ifndef REDIS_CLUSTER_MAP_H
#define REDIS_CLUSTER_MAP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define CLUSTER_SLOTS 16384
#define CLUSTER_MAX_HOST 256

struct cluster_redirect {
	bool ask; /* only this once, and after ASKING; the slot has not moved yet */
	unsigned slot;
	char host[CLUSTER_MAX_HOST]; /* "" the one that said so */
	int port;
};

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 ::1:6381", "MOVED 3999 :6381". False: it is neither. */
bool cluster_redirect_read(struct cluster_redirect *r, const char *text, size_t len) MUST_CHECK;

/* One server of a range of slots. host "": the one that was asked. */
typedef void cluster_range_fn(void *data, unsigned first, unsigned last, const char *host, int port,
                              bool master);
/* Calls fn for each server of each range in CLUSTER SLOTS's answer, the range's master first. False:
 * it names none, and fn was not called. */
bool cluster_map_read(const redisReply *reply, cluster_range_fn *fn, void *data) MUST_CHECK;

#endif

/* inquiry.h - what is asked of Redis in rounds: the questions of a round go out together, those of the next
 * follow from the answers.
 *
 * The one who knows the questions does not know how they travel: the same inquiry is run by a command that
 * waits (sync.h) and by the API, which does not (topology.h). */
#ifndef REDIS_INQUIRY_H
#define REDIS_INQUIRY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/command.h"
#include "redis/sync.h"
#include "redis/topology.h"

struct inquiry {
	/* Adds the questions of the next round, by inquiry_add. None: it is over. */
	void (*ask)(struct inquiry *q);
	/* The answer to the i-th question of the round. Never an error: with the first one of a round the
	 * inquiry is over, and what else was answered in it is still told. */
	void (*take)(struct inquiry *q, size_t i, const redisReply *reply);
	/* its own */
	struct command *commands;
	size_t n, room;
	/* while it runs on a topology */
	size_t pending;
	enum link_result result;
	void (*done)(void *data, enum link_result result);
	void *data;
	struct topology *redis;
};

void inquiry_init(struct inquiry *q, void (*ask)(struct inquiry *q),
                  void (*take)(struct inquiry *q, size_t i, const redisReply *reply));
void inquiry_free(struct inquiry *q);

/* One more question: an empty command, to be filled before the next is added. */
struct command *inquiry_add(struct inquiry *q) MUST_CHECK;

/* False: err says why it has stopped. */
bool inquiry_run_sync(struct inquiry *q, struct sync *s, struct error *err) MUST_CHECK;

/* done is called once, maybe at once: LINK_OK, or why it has stopped. Until then the inquiry must live; it may be
 * freed from within that call. */
void inquiry_run(struct inquiry *q, struct topology *redis,
                 void (*done)(void *data, enum link_result result), void *data);

#endif

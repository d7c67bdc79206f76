/* again.h - asks Redis again for what it has not done, while the client still waits for it.
 *
 * After SCRIPT FLUSH, during a failover, while a slot moves or the connection breaks, an answer is LINK_AGAIN (not
 * executed) or LINK_LOST (nobody knows), or nothing can be sent. All that the API writes may be asked twice
 * (lua/README.md). So whoever got such an answer hands in what it has to do, and it is told to when Redis can be asked:
 * for at most COMMAND_TIMEOUT after the request asked first, and, so that an outage does not make each client wait so
 * long, after Redis went away. Then it is over, and the client is answered 503. */
#ifndef API_AGAIN_H
#define API_AGAIN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "redis/link.h"

struct again_entry;
TAILQ_HEAD(again_list, again_entry);

struct again {
	struct ev_loop *loop;
	struct again_list list;
	int64_t patience_us;
	int64_t away_since; /* mono clock, µs; 0: Redis can be asked */
	bool closed;
	ev_timer tick;
};

/* Told once. LINK_OK: ask again. Otherwise it is over: `result` is what was answered last. */
typedef void again_fn(void *data, enum link_result result);

void again_init(struct again *a, struct ev_loop *loop, int64_t patience_ms); /* Redis is away until it is up */
void again_on_redis(struct again *a, bool up);
/* since: when it was first asked, mono clock, µs. fn may be told from within this call that it is over. */
void again_later(struct again *a, int64_t since, enum link_result result, again_fn *fn, void *data);
/* All that is there is over, and what comes later, at once. */
void again_close(struct again *a);

#endif

/* limiter.h - a token bucket per client, in Redis, so that it holds across API processes.
 *
 * What came from one client in one turn of the loop asks together. A mail costs one token; looking
 * things up costs none. */
#ifndef API_LIMITER_H
#define API_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/again.h"
#include "api/request.h"
#include "redis/command.h"
#include "redis/topology.h"

#define LIMITER_MAX_BATCH 256

/* go: it may go on. Otherwise it has been answered (429, 503). */
typedef void limiter_fn(void *data, bool go);

struct limiter_ask;
TAILQ_HEAD(limiter_list, limiter_ask);

struct limiter {
	const char *key_prefix;
	int64_t max, window_ms; /* so many tokens in so long; max 0: no limit */
	struct again *again;
	int64_t interval_us;
	struct limiter_list waiting;
	struct command command;
};

void limiter_init(struct limiter *l, const char *key_prefix, int64_t max, int64_t window_ms, struct again *again);
void limiter_free(struct limiter *l);
/* fn is called exactly once, maybe at once. cost: tokens. */
void limiter_add(struct limiter *l, struct request *r, size_t cost, limiter_fn *fn, void *data);
void limiter_flush(struct limiter *l, struct topology *redis); /* once per turn of the loop */

#endif

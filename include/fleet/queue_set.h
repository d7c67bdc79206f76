/* queue_set.h - the configured queues (QUEUES), their weights, and which of them a new mail goes to. */
#ifndef FLEET_QUEUE_SET_H
#define FLEET_QUEUE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "redis/keys.h"

#define QUEUE_SET_MAX 64
#define QUEUE_SET_MAX_WEIGHT 1000

struct queue_set {
	struct queue_keys keys[QUEUE_SET_MAX]; /* .list is the name */
	long weights[QUEUE_SET_MAX];           /* 1 to QUEUE_SET_MAX_WEIGHT; 1 when not given */
	size_t n;
};

/* QUEUES ("mail:queue:high*6, mail:queue*3"; blanks around names and weights do not matter), or
 * KEY_PREFIX:queue; `only`, unless NULL, is the name of the one queue instead. False, and nothing to free:
 * a name is none, empty or there twice, a weight is no number, there are too many. */
bool queue_set_load(struct queue_set *q, const struct options *o, const char *only, struct error *err) MUST_CHECK;
void queue_set_free(struct queue_set *q);

const struct queue_keys *queue_set_find(const struct queue_set *q, const char *name); /* or NULL */

/* By priority: 7 and more go to the first queue whose name ends in ":high", 3 and less to the first
 * that ends in ":low", where there are such; all others, and a mail without a priority (-1), to the first
 * that ends in neither, or else to the first. */
const struct queue_keys *queue_set_choose(const struct queue_set *q, int priority);

#endif

/* harvest.h - the events of one queue on their way to PostgreSQL, a batch at a time.
 *
 *   gather.lua answers ──▶ HGETALL of each mail's status ──▶ one upsert ──▶ committed
 *        ▲                                                                      │
 *        └────────────── the next call acknowledges what was committed ─────────┘
 *
 * Batches of several queues are on their way at the same time. When Redis or PostgreSQL is away, the batch
 * is kept and the step asked again; when PostgreSQL refuses a value, the batch goes in one by one, and what is
 * still refused is counted as skipped. */
#ifndef ARCHIVE_HARVEST_H
#define ARCHIVE_HARVEST_H

#include <stdbool.h>

#include "base/attr.h"
#include "redis/keys.h"

struct archive;
struct harvest;

/* NULL: the name is none. */
struct harvest *harvest_open(struct archive *a, const char *queue) MUST_CHECK;
void harvest_close(struct harvest *s);
const char *harvest_queue(const struct harvest *s);
void harvest_wake(struct harvest *s); /* Redis or PostgreSQL is there again */
void harvest_stop(struct harvest *s); /* ends what it has in hand, then archive_harvest_ended */
bool harvest_ended(const struct harvest *s);

#endif

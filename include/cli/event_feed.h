/* event_feed.h - the events of several queues as one, in the order of their time.
 *
 *     event_feed_open(&feed, sync, &queues, since_ms);
 *     while (event_feed_next(&feed, &event, &there, &err) && there)
 *             …
 *     event_feed_again(&feed);      later: what has been added since
 *     event_feed_close(&feed);
 *
 * Each queue has a stream of its own, {queue}:events (lua/README.md), whose ids are the times at
 * which its Redis wrote them. They are read in pages, so that memory stays bounded. */
#ifndef CLI_EVENT_FEED_H
#define CLI_EVENT_FEED_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "cli/term.h"
#include "fleet/queue_set.h"
#include "redis/sync.h"

/* Valid until the next call. */
struct event {
	const struct queue_keys *queue;
	const char *entry; /* its id in the stream */
	int64_t at;        /* epoch ms, by Redis's clock */
	const redisReply *fields;
};

struct event_cursor {
	redisReply *page; /* entries of the stream; NULL none loaded */
	size_t at;        /* the next one in it */
	char last[48];    /* id of the last entry of the page, or where to begin: "(…" */
	bool dry;         /* there is nothing more, until event_feed_again */
};

struct event_feed {
	struct sync *sync;
	const struct queue_set *queues;
	struct event_cursor cursors[QUEUE_SET_MAX];
};

/* since: epoch ms by Redis's clock; 0 all that is there. The queues must outlive the feed. */
void event_feed_open(struct event_feed *f, struct sync *s, const struct queue_set *queues, int64_t since);
void event_feed_close(struct event_feed *f);
/* The next one; *there false: no more for now. False: Redis, err says why. */
bool event_feed_next(struct event_feed *f, struct event *e, bool *there, struct error *err) MUST_CHECK;
void event_feed_again(struct event_feed *f);

const char *event_field(const struct event *e, const char *name); /* "" when it has none */
void event_json(const struct event *e, struct buf *out); /* an object */
/* One line, ended by a newline. */
void event_write(const struct event *e, const struct term *term, struct buf *out);

#endif

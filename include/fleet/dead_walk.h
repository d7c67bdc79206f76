/* dead_walk.h - goes through the dead letters (dead_letter.h): looks at them, tries them again, drops them.
 *
 *     struct dead_walk w;
 *     dead_walk_init(&w, options, queues);
 *     w.filter = …; w.fn = …; w.data = …;
 *     … run w.inquiry (redis/inquiry.h) …
 *     dead_walk_free(&w);
 *
 * What is read of the letters is read of many at once. What dies while it walks is not met. */
#ifndef FLEET_DEAD_WALK_H
#define FLEET_DEAD_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "fleet/dead_letter.h"
#include "fleet/queue_set.h"
#include "redis/inquiry.h"

#define DEAD_WALK_BATCH 64

enum dead_action { DEAD_WALK_LOOK, DEAD_WALK_RETRY, DEAD_WALK_DROP };

/* Where a walk is: behind so many of those that died then (they are not taken out) in this queue. */
struct dead_place {
	size_t queue;   /* of the queue_set */
	int64_t at;     /* Redis's clock, ms; -1: at the beginning of the queue */
	size_t skip;
};

/* One entry of a queue's list of dead letters. */
struct dead_entry {
	char *id;
	int64_t at;
};

struct dead_walk {
	struct inquiry inquiry;
	/* --- what is wanted; to be set before it runs */
	const struct options *options;
	const struct queue_set *queues;
	struct dead_filter filter;
	/* Instead of all that the filter lets through: those that are called so, by an id, auto-<id>, or the key
	 * of the mail that the letter owns. */
	const char *const *names;
	size_t n_names;
	enum dead_action action;
	bool dry;      /* says what it would do, and does nothing */
	size_t budget; /* stops when it has looked at so many; 0: never */
	struct dead_place place; /* where it begins, and afterwards where it has stopped */
	/* Told of each letter, after what was to be done with it. why: NULL, or a static text why it was left alone. */
	void (*fn)(struct dead_letter *l, const char *why, void *data);
	void (*missing)(const char *name, void *data); /* there is none of this name; NULL: nobody asks */
	void *data;
	/* --- what came of it */
	bool more;   /* it has stopped before the end */
	int64_t now; /* Redis's clock, ms */
	/* --- its own */
	int stage;
	size_t seen, passed, name, n_round;
	struct dead_entry *page;
	size_t n_page, next_page;
	bool last_page;
	struct dead_letter letters[DEAD_WALK_BATCH];
	const char *why[DEAD_WALK_BATCH];
	bool wanted[DEAD_WALK_BATCH];
	size_t n, from, until; /* letters; of these the ones that are worked on now */
	const char *finding[DEAD_WALK_BATCH]; /* names */
	char *owner[DEAD_WALK_BATCH];
	bool found[DEAD_WALK_BATCH];
	size_t n_finding;
	struct dead_asked { size_t i; int what; } *asked; /* by the questions of the round */
	size_t n_asked, room_asked;
};

void dead_walk_init(struct dead_walk *w, const struct options *o, const struct queue_set *queues);
void dead_walk_free(struct dead_walk *w);

#endif

/* fleet_view.h - the fleet at one moment, read from Redis: its queues, providers and workers.
 *
 * How old the oldest waiting mail is cannot always be known: a plain push carries no time. It is known
 * of a mail that the API accepted (its status says when). Besides that, `last_claim_ms` says when a worker
 * last came by: mail that waits while that grows, waits in vain. */
#ifndef CLI_FLEET_VIEW_H
#define CLI_FLEET_VIEW_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "cli/queue_set.h"
#include "cli/term.h"
#include "redis/sync.h"

#define FLEET_VIEW_MAX_PROVIDERS 64
#define FLEET_VIEW_WORKER_GONE_MS 5000 /* they beat once a second */

/* Ages and times to come are in ms from now; -1: not known, or there is none. */
struct fleet_view_queue {
	char *name;
	char *error;       /* NULL, or why its figures cannot be read (a key of the wrong type) */
	int64_t depth;     /* pushed and not yet taken: the list, and what doorbells moved */
	int64_t in_flight, delayed, dead;
	int64_t oldest_ms; /* since the oldest one of `depth` was accepted */
	int64_t next_due_ms, oldest_dead_ms, last_claim_ms;
	bool paused;
};

struct fleet_view_provider {
	char *name;
	char *state;       /* of the breaker: closed, open, half-open */
	char *reason;      /* why it last opened; NULL none */
	int64_t failures;  /* in a row */
	int64_t opened;    /* how often, ever */
	int64_t probe_ms;  /* open: until a probe; -1 else */
	int64_t pause_ms;  /* throttled for so long; -1 not */
	bool paused;       /* by mail:control */
	int64_t weight;    /* by mail:control; -1: its DSN's */
};

struct fleet_view {
	int64_t now; /* Redis's clock */
	struct fleet_view_queue *queues;
	size_t n_queues;
	struct fleet_view_provider *providers; /* the configured ones, or those that are known to Redis */
	size_t n_providers;
	size_t n_workers; /* heard of lately */
};

bool fleet_view_load(struct fleet_view *v, struct sync *s, const struct options *o, const struct queue_set *queues,
                     struct error *err) MUST_CHECK;
void fleet_view_free(struct fleet_view *v);

cJSON *fleet_view_json(const struct fleet_view *v);
void fleet_view_write(const struct fleet_view *v, const struct term *term, struct buf *out);

#endif

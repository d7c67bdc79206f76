/* pulse.h - GET /api/live (?events=1 ends after so many fleet events): the fleet's figures as server-sent events, for whoever looks at the dashboard.
 *
 * While anybody looks, the fleet is surveyed once a second (less often when there are so many queues that it would
 * cost Redis more than PULSE_COMMANDS a second), once for all viewers of this process. While nobody looks, only the
 * counts are asked for, every PULSE_REST_MS or less often (PULSE_REST_COMMANDS), so that whoever comes sees the last
 * minutes. The events:
 *
 *     history   to a new viewer: [[at, sent, failed, held, retried], …], counts that only grow, of the last minutes
 *     fleet     {at, everyMs, redis, status, problems, queues, workers, totals, wait, total, bounds, providers}
 *
 * A provider's last error is asked for only after one more attempt has failed.
 * A viewer that has not taken the last event misses the next. Each is cut off after a few minutes, and comes back
 * by itself, with whatever rights it has then. */
#ifndef API_PULSE_H
#define API_PULSE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/request.h"
#include "fleet/last_errors.h"

#define PULSE_MS 1000
#define PULSE_COMMANDS 90    /* a second */
#define PULSE_REST_MS 10000
#define PULSE_REST_COMMANDS 2 /* a second */
#define PULSE_MAX 1000       /* viewers */
#define PULSE_LIFE_US ((int64_t)300 * 1000000) /* of a viewer's stream */
#define PULSE_HISTORY 300

struct viewer;
TAILQ_HEAD(viewer_list, viewer);

struct pulse_sample {
	int64_t at; /* Redis's clock, ms */
	int64_t sent, failed, held, retried;
};

struct pulse {
	struct api *api;
	struct viewer_list viewers;
	size_t n;
	bool looking, closed;
	int64_t failures; /* of all providers, when the last errors were asked for; -1: never */
	struct last_errors errors;
	ev_timer tick;
	struct buf last; /* the last fleet event's data */
	struct pulse_sample history[PULSE_HISTORY];
	size_t n_history; /* ever; a ring */
};

void pulse_init(struct pulse *p, struct api *api);
void pulse_free(struct pulse *p);
void pulse_run(struct request *r); /* the route */
void pulse_close(struct pulse *p); /* ends all streams; what comes later is refused */

#endif

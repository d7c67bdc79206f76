/* heartbeat.h - once a second: this worker is alive (mail:workers), and what do the switches say
 * (mail:control)? Whenever a server has come up also: does it keep what it is given?
 *
 * Every few beats it says what it is (roster.h). Once a minute also: these are its queues (mail:queues), for archivers,
 * which have no other way to know. What mail:control holds: control.h. */
#ifndef FLEET_HEARTBEAT_H
#define FLEET_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/redis_clock.h"
#include "redis/command.h"
#include "redis/topology.h"

#define HEARTBEAT_MS 1000
#define HEARTBEAT_GONE_MS 60000 /* a worker unheard for so long is taken from the list … */
#define HEARTBEAT_SAY_BEATS 5 /* what it is, it says every so many beats */
#define HEARTBEAT_GONE_BEATS 60 /* … when one of the others looks, every so many beats */

struct worker;

struct heartbeat {
	struct worker *worker;
	char *workers_key, *control_key, *queues_key;
	unsigned checked; /* topology_lives when the servers' settings were looked at */
	bool asking;
	bool known;   /* the switches were read: until then queues count as paused */
	uint64_t beats;
	int64_t began_at; /* Redis's clock, ms: the first beat */
	struct command command;
};

void heartbeat_init(struct heartbeat *h, struct worker *w);
void heartbeat_free(struct heartbeat *h);
void heartbeat_beat(struct heartbeat *h, struct topology *redis); /* call it every HEARTBEAT_MS */
void heartbeat_leave(struct heartbeat *h, struct topology *redis); /* takes the worker from the list */

#endif

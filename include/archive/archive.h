/* archive.h - `postrider archive`: keeps what became of mails in PostgreSQL, for longer than Redis does.
 *
 * Reads the events of all queues (those of QUEUES, and those that workers have told of in mail:queues) in the
 * consumer group LAG_GROUP (fleet/lag.h), looks up each mail's status, writes both in batches, and acknowledges the
 * events only when PostgreSQL has committed them. Any number of archivers may run at once: each event goes to
 * one of them, and what one leaves unacknowledged for LEASE_MS another takes over. All they write may be
 * written again, in any order. */
#ifndef ARCHIVE_ARCHIVE_H
#define ARCHIVE_ARCHIVE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/postgres.h"
#include "archive/schema.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "fleet/guest.h"
#include "fleet/queue_set.h"
#include "redis/command.h"
#include "redis/topology.h"

#define ARCHIVE_MAX_QUEUES 256

struct harvest;

struct archive {
	struct ev_loop *loop;
	const struct options *options;
	struct topology *redis;
	struct postgres *postgres;
	struct schema schema;
	bool ready;     /* PostgreSQL is up and its schema is ours */
	bool checking;  /* the schema is being looked at */
	bool told;      /* of the schema's trouble */
	char *name;     /* the consumer's: unique */
	struct harvest *harvests[ARCHIVE_MAX_QUEUES];
	size_t n_harvests;
	char *queues_key;
	struct command command;
	ev_timer discover, recheck, retention, grace;
	ev_signal on_term, on_int;
	bool stopping, failed;
	struct error *err;
};

/* Runs until it is told to stop. guest: NULL, or who shares the loop; its worker is NULL. False: err says why it could
 * not start, or that the schema is a newer program's. */
bool archive_run(const struct options *o, const struct queue_set *queues,
                 const struct worker_guest *guest, struct error *err) MUST_CHECK;

/* For harvest.c: a write was refused as if the tables were not ours (any more): they are looked at again. */
void archive_recheck(struct archive *a);
/* A harvest has ended its work. */
void archive_harvest_ended(struct archive *a);

#endif

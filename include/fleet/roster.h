/* roster.h - who the workers are: what each says of itself, and the list of them all.
 *
 * mail:workers has their names and last heartbeats. mail:worker:<name>, a string, is what a worker says of itself every
 * few beats: "<version> <concurrency> <started, ms> <mails in its hands>"; it lives as long as a worker stays in
 * the list. */
#ifndef FLEET_ROSTER_H
#define FLEET_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "redis/command.h"
#include "redis/inquiry.h"

#define ROSTER_MAX 1000 /* more are not listed */
#define ROSTER_SIZE 32  /* of a version, with its NUL */

/* What is known of a worker; 0 and "" is not known. */
struct roster_note {
	char version[ROSTER_SIZE];
	int64_t concurrency, started_at /* Redis's clock, ms */, in_flight;
};

/* The command by which a worker says it; c is overwritten. */
void roster_say(struct command *c, const char *key_prefix, const char *name, const struct roster_note *n, int64_t life_ms);
/* … and takes it back. */
void roster_unsay(struct command *c, const char *key_prefix, const char *name);

struct roster_worker {
	char *name;
	int64_t beat_at; /* Redis's clock, ms */
	struct roster_note note;
};

/* Run its inquiry, read, free. */
struct roster {
	struct inquiry inquiry;
	const char *key_prefix;
	int round;
	int64_t now; /* Redis's clock, ms */
	struct roster_worker *workers; /* those that were heard of last come first */
	size_t n, total;
};

void roster_init(struct roster *r, const char *key_prefix);
void roster_free(struct roster *r);

#endif

/* schema.h - the archive's tables, and the one place that makes and migrates them.
 *
 * postrider_mails     one row for each mail (key, job): its present state by the newest of its events, and
 *                     `details`, its status hash as Redis had it (lua/README.md)
 * postrider_attempts  one row for each event that an attempt made, by its place in the stream
 * postrider_schema    one row for each version that was installed, and when
 *
 * They are wherever the connection's search_path says. A migration is one transaction that begins by taking
 * an advisory lock and writing its version's row: of two archivers that start at once one makes it, the other
 * finds it made. What was once released is never changed: a change is a new version at the end of the list. */
#ifndef ARCHIVE_SCHEMA_H
#define ARCHIVE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/postgres.h"
#include "base/error.h"

enum schema_result {
	SCHEMA_READY,
	SCHEMA_NEWER,  /* made by a later program: this one must not touch it; err says so */
	SCHEMA_FAILED, /* the server refuses, or went away; err says why */
};

typedef void schema_fn(void *data, enum schema_result result, const struct error *err);

struct schema {
	struct postgres *postgres;
	schema_fn *fn;
	void *data;
	int seen; /* the version that is there */
};

extern const int schema_version; /* the newest that this program knows */

/* Looks what is there, makes what is missing, and tells once, from the loop. One at a time. */
void schema_check(struct schema *s, struct postgres *p, schema_fn *fn, void *data);

#endif

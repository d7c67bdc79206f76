#include "archive/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define DEADLINE_MS 600000 /* an index on a large table takes its time */
#define MAX_STATEMENTS 12

/* Any number that nobody else takes: "postride" in ASCII. */
#define LOCK "SELECT pg_advisory_xact_lock(8101814489543341157)"

#define SCHEMA_TABLE                                                                               \
	"CREATE TABLE IF NOT EXISTS postrider_schema ("                                            \
	" version int PRIMARY KEY,"                                                                \
	" installed_at timestamptz NOT NULL DEFAULT now())"

/* Statements after LOCK, SCHEMA_TABLE and the version's own row; NULL-terminated. */
static const char *const migrations[][MAX_STATEMENTS] = {
	/* 1 */
	{
		"CREATE TABLE postrider_mails ("
		" key text COLLATE \"C\" NOT NULL,"
		" job text COLLATE \"C\" NOT NULL,"
		" queue text NOT NULL,"
		" status text NOT NULL,"
		" provider text NOT NULL,"
		" attempts bigint NOT NULL,"
		" code text NOT NULL,"
		" tenant text NOT NULL,"
		" tags text[] NOT NULL,"
		" changed_at timestamptz NOT NULL,"
		" entry_ms bigint NOT NULL,"
		" entry_seq bigint NOT NULL,"
		" details jsonb,"
		" details_at bigint NOT NULL,"
		" PRIMARY KEY (key, job))",
		"CREATE TABLE postrider_attempts ("
		" key text COLLATE \"C\" NOT NULL,"
		" job text COLLATE \"C\" NOT NULL,"
		" entry_ms bigint NOT NULL,"
		" entry_seq bigint NOT NULL,"
		" queue text NOT NULL,"
		" at timestamptz NOT NULL,"
		" attempt bigint NOT NULL,"
		" status text NOT NULL,"
		" provider text NOT NULL,"
		" code text NOT NULL,"
		" ms bigint,"
		" PRIMARY KEY (key, job, entry_ms, entry_seq))",
		NULL,
	},
	/* 2: what retention looks for */
	{
		"CREATE INDEX postrider_mails_changed ON postrider_mails (changed_at)",
		NULL,
	},
};

const int schema_version = (int)(sizeof(migrations) / sizeof(migrations[0]));

static void schema_look(struct schema *s);

static void schema_end(struct schema *s, enum schema_result result, const struct error *err)
{
	s->fn(s->data, result, err);
}

/* what: "" or ends in ": " */
static void schema_fail(struct schema *s, const char *what, const char *why)
{
	struct error err;

	error_set(&err, "%s%s", what, why);
	schema_end(s, SCHEMA_FAILED, &err);
}

static void schema_on_migrated(void *data, enum postgres_result result, const PGresult *reply,
                               const char *state, const char *error)
{
	struct schema *s = data;

	(void)reply;
	/* Another has written this version's row first. */
	if (result == POSTGRES_OK)
		log_info("archive_migrated", LOG_INT("version", s->seen + 1));
	else if (strcmp(state, POSTGRES_DUPLICATE) != 0) {
		schema_fail(s, "the archive's tables could not be made: ", error);
		return;
	}
	schema_look(s);
}

static void schema_migrate(struct schema *s)
{
	const char *statements[MAX_STATEMENTS + 4] = {LOCK, SCHEMA_TABLE};
	struct error version;
	size_t n = 2;

	error_set(&version, "INSERT INTO postrider_schema (version) VALUES (%d)", s->seen + 1);
	statements[n++] = version.text;
	for (const char *const *each = migrations[s->seen]; *each != NULL; each++)
		statements[n++] = *each;
	if (!postgres_send_all(s->postgres, statements, DEADLINE_MS, schema_on_migrated, s))
		schema_fail(s, "", "PostgreSQL went away");
}

static void schema_on_seen(void *data, enum postgres_result result, const PGresult *reply,
                           const char *state, const char *error)
{
	struct schema *s = data;
	struct error err = {""};

	if (result == POSTGRES_OK && PQntuples(reply) == 1)
		s->seen = (int)strtol(PQgetvalue(reply, 0, 0), NULL, 10);
	else if (strcmp(state, POSTGRES_NO_TABLE) == 0)
		s->seen = 0;
	else {
		schema_fail(s, "the archive's schema could not be read: ", error);
		return;
	}
	if (s->seen < schema_version) {
		schema_migrate(s);
	} else if (s->seen == schema_version) {
		schema_end(s, SCHEMA_READY, &err);
	} else {
		error_set(
			&err,
			"the archive's database has schema version %d, and this program knows only %d: "
			"run the newer program",
			s->seen, schema_version);
		schema_end(s, SCHEMA_NEWER, &err);
	}
}

static void schema_look(struct schema *s)
{
	if (!postgres_send(s->postgres, "SELECT coalesce(max(version), 0) FROM postrider_schema", 0,
	                   NULL, DEADLINE_MS, schema_on_seen, s))
		schema_fail(s, "", "PostgreSQL went away");
}

void schema_check(struct schema *s, struct postgres *p, schema_fn *fn, void *data)
{
	s->postgres = p;
	s->fn = fn;
	s->data = data;
	schema_look(s);
}

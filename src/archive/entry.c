#include "archive/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "mail/job.h"
#include "redis/value.h"

#define MAX_FIELDS 512 /* of a status hash; more are left out */
#define MAX_VALUE 65536

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_id(struct entry *e, const char *id)
{
	char ms[ENTRY_MAX_ID];
	const char *dash = strchr(id, '-');

	if (dash == NULL || strlen(id) >= sizeof(e->id))
		return false;
	snprintf(e->id, sizeof(e->id), "%s", id);
	snprintf(ms, sizeof(ms), "%.*s", (int)(dash - id), id);
	return number_int(ms, &e->ms) && number_int(dash + 1, &e->seq) && e->ms >= 0 && e->seq >= 0;
}

/* Up to a NUL, which PostgreSQL cannot keep. */
static char *take(const char *text, size_t max)
{
	size_t n = strlen(text);

	return mem_strndup(text, n > max ? utf8_cut(text, n, max) : n);
}

static const char *find(const redisReply *fields, const char *name)
{
	const char *value = value_find(fields, name);

	return value != NULL ? value : "";
}

static void read_fields(struct entry *e, const redisReply *fields)
{
	const char *key = find(fields, "key"), *job = find(fields, "id");
	const char *status = find(fields, "status");

	if (!job_key_valid(key, strlen(key)) || *job == '\0' || strlen(job) > ENTRY_MAX_TEXT ||
	    *status == '\0')
		return;
	e->valid = true;
	e->key = mem_strdup(key);
	e->job = mem_strdup(job);
	e->status = take(status, ENTRY_MAX_TEXT);
	e->provider = take(find(fields, "provider"), ENTRY_MAX_TEXT);
	e->code = take(find(fields, "code"), ENTRY_MAX_TEXT);
	e->tenant = take(find(fields, "tenant"), ENTRY_MAX_TEXT);
	e->tags = take(find(fields, "tags"), ENTRY_MAX_TAGS);
	if (!number_int(find(fields, "attempt"), &e->attempt) || e->attempt < 0)
		e->attempt = 0;
	if (!number_int(find(fields, "ms"), &e->took_ms) || e->took_ms < 0)
		e->took_ms = -1;
}

bool entry_read(struct entry *e, const redisReply *r)
{
	const char *id = value_text_at(r, 0);

	memset(e, 0, sizeof(*e));
	if (id == NULL || !*id || strlen(id) >= sizeof(e->id))
		return false;
	snprintf(e->id, sizeof(e->id), "%s", id);
	if (read_id(e, id) && r->elements == 2 && r->element[1]->type == REDIS_REPLY_ARRAY)
		read_fields(e, r->element[1]);
	return true;
}

void entry_free(struct entry *e)
{
	mem_free(e->key);
	mem_free(e->job);
	mem_free(e->status);
	mem_free(e->provider);
	mem_free(e->code);
	mem_free(e->tenant);
	mem_free(e->tags);
	mem_free(e->details);
	memset(e, 0, sizeof(*e));
}

/* ---- the status hash ------------------------------------------------------------------------- */

static bool is_of(const struct entry *e, const char *queue, const redisReply *pairs)
{
	const char *owner = find(pairs, "owner");
	size_t n = strlen(queue);

	if (*owner == '\0')
		return strcmp(find(pairs, "status"), "failed") == 0 &&
		       strcmp(e->status, "failed") == 0;
	return strncmp(owner, queue, n) == 0 && owner[n] == '#' &&
	       strcmp(owner + n + 1, e->job) == 0;
}

void entry_take_details(struct entry *e, const char *queue, const redisReply *pairs)
{
	struct buf out;
	int64_t at;

	if (pairs->type != REDIS_REPLY_ARRAY || pairs->elements > 2 * MAX_FIELDS ||
	    !is_of(e, queue, pairs))
		return;
	buf_init(&out, ENTRY_MAX_DETAILS);
	jsonw_open(&out, '{');
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		const char *name = value_text(pairs->element[i]);
		const char *value = value_text(pairs->element[i + 1]);

		if (name == NULL || value == NULL)
			continue;
		jsonw_key(&out, name);
		jsonw_strn(&out, value, utf8_cut(value, strlen(value), MAX_VALUE));
	}
	jsonw_close(&out, '}');
	mem_free(e->details);
	e->details = NULL;
	e->details_at = 0;
	if (buf_ok(&out) && number_int(find(pairs, "updated_at"), &at) && at > 0) {
		e->details = buf_take(&out);
		e->details_at = at;
	}
	buf_free(&out);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_tags(struct buf *out, const char *tags)
{
	jsonw_key(out, "tags");
	jsonw_open(out, '[');
	while (*tags != '\0') {
		size_t n = strcspn(tags, ",");

		jsonw_strn(out, tags, n);
		tags += n + (tags[n] == ',');
	}
	jsonw_close(out, ']');
}

void entry_write(const struct entry *e, const char *queue, struct buf *out)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "key", e->key);
	jsonw_pair(out, "job", e->job);
	jsonw_pair(out, "queue", queue);
	jsonw_pair(out, "status", e->status);
	jsonw_pair(out, "provider", e->provider);
	jsonw_pair_int(out, "attempt", e->attempt);
	jsonw_pair(out, "code", e->code);
	if (e->took_ms >= 0)
		jsonw_pair_int(out, "ms", e->took_ms);
	jsonw_pair(out, "tenant", e->tenant);
	write_tags(out, e->tags);
	jsonw_pair_int(out, "entry_ms", e->ms);
	jsonw_pair_int(out, "entry_seq", e->seq);
	if (e->details != NULL) {
		jsonw_key(out, "details");
		buf_add_str(out, e->details);
	}
	jsonw_pair_int(out, "details_at", e->details_at);
	jsonw_close(out, '}');
}

/* Rows are written in the order of their keys, so that two archivers never wait for each other in a circle. */
#define NEWER "(excluded.entry_ms, excluded.entry_seq) > (m.entry_ms, m.entry_seq)"
#define OF_NEWER(COLUMN)                                                                           \
	COLUMN " = CASE WHEN " NEWER " THEN excluded." COLUMN " ELSE m." COLUMN " END, "

const char entry_sql[] =
	"WITH e AS MATERIALIZED ("
	" SELECT *, to_timestamp(entry_ms / 1000.0) AS at FROM jsonb_to_recordset($1::jsonb) AS t("
	" key text, job text, queue text, status text, provider text, attempt bigint, code text,"
	" ms bigint, tenant text, tags text[], entry_ms bigint, entry_seq bigint, details jsonb,"
	" details_at bigint)), "
	"a AS (INSERT INTO postrider_attempts (key, job, entry_ms, entry_seq, queue, at, attempt,"
	" status, provider, code, ms)"
	" SELECT key, job, entry_ms, entry_seq, queue, at, attempt, status, provider, code, ms FROM e"
	" WHERE provider <> '' ORDER BY key COLLATE \"C\", job COLLATE \"C\", entry_ms, entry_seq"
	" ON CONFLICT DO NOTHING) "
	"INSERT INTO postrider_mails AS m (key, job, queue, status, provider, attempts, code, tenant,"
	" tags, changed_at, entry_ms, entry_seq, details, details_at)"
	" SELECT DISTINCT ON (key COLLATE \"C\", job COLLATE \"C\") key, job, queue, status, provider,"
	" attempt, code, tenant, tags, at, entry_ms, entry_seq, details, details_at FROM e"
	" ORDER BY key COLLATE \"C\", job COLLATE \"C\", entry_ms DESC, entry_seq DESC"
	" ON CONFLICT (key, job) DO UPDATE SET " OF_NEWER("queue") OF_NEWER("status") OF_NEWER(
		"provider") OF_NEWER("attempts") OF_NEWER("code") OF_NEWER("tenant")
		OF_NEWER("tags") OF_NEWER(
			"changed_at") "details = CASE WHEN excluded.details_at > m.details_at OR (excluded.details_at ="
				      " m.details_at AND " NEWER
				      ") THEN coalesce(excluded.details, m.details) ELSE m.details END, "
				      "details_at = greatest(excluded.details_at, m.details_at), " OF_NEWER(
					      "entry_ms") "entry_seq = CASE WHEN " NEWER
							  " THEN excluded.entry_seq ELSE m.entry_seq END"
							  " WHERE " NEWER
							  " OR excluded.details_at > m.details_at";

#include "archive/finder.h"

#include <string.h>

#include "archive/postgres.h"
#include "base/log.h"
#include "base/mem.h"

struct finder {
	struct postgres *postgres;
	int deadline_ms;
	bool told; /* that it is no archive */
};

struct question {
	struct finder *finder;
	finder_fn *fn;
	void *data;
};

/* The newest mail of this key, as rows of name and value. Without a look at its status there are only its events: then the
 * outcome of an attempt is what the mail became by it. Where an event is newer than the look, it says what is so. */
static const char sql[] =
	"SELECT f.key, f.value FROM (SELECT coalesce(m.details,"
	" (SELECT jsonb_object_agg('attempt:' || a.attempt, concat_ws(' ', a.provider,"
	"   CASE a.status WHEN 'retrying' THEN 'retry' ELSE a.status END, nullif(a.code, ''),"
	"   coalesce(a.ms, 0) || 'ms')) FROM postrider_attempts a"
	"  WHERE a.key = m.key AND a.job = m.job), '{}')"
	" || CASE WHEN m.details->>'status' IS DISTINCT FROM m.status AND m.entry_ms >= m.details_at"
	"    THEN jsonb_build_object('status', m.status, 'attempts', m.attempts,"
	"      'updated_at', m.entry_ms)"
	"      || CASE WHEN m.provider = '' THEN '{}'::jsonb"
	"         ELSE jsonb_build_object('provider', m.provider) END"
	"    ELSE '{}' END AS all_fields"
	" FROM postrider_mails m WHERE m.key = $1"
	" ORDER BY (m.details IS NULL), m.entry_ms DESC, m.entry_seq DESC LIMIT 1) x,"
	" jsonb_each_text(x.all_fields) f";

bool finder_check(const struct options *o, struct error *err)
{
	return *o->database_url == '\0' || postgres_check(o->database_url, err);
}

static void finder_on_change(void *data, bool up)
{
	(void)data;
	(void)up;
}

struct finder *finder_open(struct ev_loop *loop, const struct options *o)
{
	struct finder *f;

	if (*o->database_url == '\0')
		return NULL;
	f = mem_zalloc(sizeof(*f));
	f->deadline_ms = (int)o->command_timeout;
	f->postgres = postgres_open(loop, o->database_url, "postrider look-up", finder_on_change,
	                            f);
	return f;
}

void finder_close(struct finder *f)
{
	if (f == NULL)
		return;
	postgres_close(f->postgres);
	mem_free(f);
}

/* The rows as a reply of Redis; the texts stay the result's. */
static void tell_found(const struct question *q, const PGresult *rows)
{
	size_t n = 2 * (size_t)PQntuples(rows);
	redisReply *texts = mem_array(n, sizeof(*texts));
	redisReply **elements = mem_array(n, sizeof(*elements));
	redisReply pairs = {.type = REDIS_REPLY_ARRAY, .elements = n, .element = elements};

	for (size_t i = 0; i < n; i++) {
		texts[i].type = REDIS_REPLY_STRING;
		texts[i].str = PQgetvalue(rows, (int)(i / 2), (int)(i % 2));
		texts[i].len = strlen(texts[i].str);
		elements[i] = &texts[i];
	}
	q->fn(q->data, FINDER_FOUND, &pairs, "");
	mem_free(elements);
	mem_free(texts);
}

static void finder_on_rows(void *data, enum postgres_result result, const PGresult *rows,
                           const char *state, const char *error)
{
	struct question *q = data;

	(void)state;
	if (result == POSTGRES_OK && PQntuples(rows) > 0) {
		tell_found(q, rows);
	} else if (result == POSTGRES_OK) {
		q->fn(q->data, FINDER_UNKNOWN, NULL, "");
	} else {
		if (result == POSTGRES_ERROR && !q->finder->told)
			log_warn("archive_unreadable", LOG_STR("error", error));
		q->finder->told = q->finder->told || result == POSTGRES_ERROR;
		q->fn(q->data, FINDER_AWAY, NULL, error);
	}
	mem_free(q);
}

void finder_find(struct finder *f, const char *key, finder_fn *fn, void *data)
{
	struct question *q = mem_alloc(sizeof(*q));

	*q = (struct question){f, fn, data};
	if (postgres_in_flight(f->postgres) < FINDER_MAX &&
	    postgres_send(f->postgres, sql, 1, &key, f->deadline_ms, finder_on_rows, q))
		return;
	mem_free(q);
	fn(data, FINDER_AWAY, NULL, postgres_error(f->postgres));
}

/* ---- for commands ---------------------------------------------------------------------------- */

struct asking {
	struct ev_loop *loop;
	struct finder finder;
	const char *key;
	struct mail_view *view;
	bool *found;
	enum finder_result result;
	struct error err;
};

static void asking_on_answer(void *data, enum finder_result result, const redisReply *pairs,
                             const char *error)
{
	static const redisReply nothing = {.type = REDIS_REPLY_NIL};
	struct asking *a = data;

	a->result = result;
	if (result == FINDER_AWAY) {
		error_set(&a->err, "the archive does not answer: %s", error);
	} else {
		mail_view_read(a->view, a->key, pairs != NULL ? pairs : &nothing);
		*a->found = a->view->found;
	}
	ev_break(a->loop, EVBREAK_ALL);
}

static void asking_on_change(void *data, bool up)
{
	struct asking *a = data;

	if (up)
		finder_find(&a->finder, a->key, asking_on_answer, a);
	else
		asking_on_answer(a, FINDER_AWAY, NULL, postgres_error(a->finder.postgres));
}

bool finder_ask(const struct options *o, const char *key, struct mail_view *v, bool *found,
                struct error *err)
{
	struct asking a = {.loop = ev_loop_new(EVFLAG_AUTO), .key = key, .view = v, .found = found};

	*found = false;
	if (!postgres_check(o->database_url, err)) {
		ev_loop_destroy(a.loop);
		return false;
	}
	a.result = FINDER_AWAY;
	a.finder.deadline_ms = (int)o->command_timeout;
	a.finder.postgres = postgres_open(a.loop, o->database_url, "postrider status",
	                                  asking_on_change, &a);
	ev_run(a.loop, 0);
	postgres_close(a.finder.postgres);
	ev_loop_destroy(a.loop);
	*err = a.err;
	return a.result != FINDER_AWAY;
}

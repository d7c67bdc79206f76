#include "cli/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli/human.h"
#include "cli/jsonout.h"
#include "cli/query.h"
#include "mail/job.h"
#include "redis/value.h"

#define PAGE 1000
#define PAGE_TEXT "1000"
#define AUTO "auto-"

const struct dead_filter dead_filter_any = {.older_ms = -1, .newer_ms = -1};

/* --- one letter ---------------------------------------------------------------------------------------- */

static void letter_free(struct dead_letter *l)
{
	mem_free(l->id);
	mem_free(l->payload);
	mem_free(l->key);
	mail_view_free(&l->mail);
}

static char *owner_name(const struct dead_letter *l)
{
	return mem_printf("%s#%s", l->queue->list, l->id);
}

static bool load_payload(const struct dead_letters *d, struct dead_letter *l, struct error *err)
{
	redisReply *r;
	int64_t n;

	if (!query_int(d->sync, err, &n, "HSTRLEN", l->queue->jobs, l->id, NULL))
		return false;
	l->payload_len = (size_t)n;
	if (n == 0 || n > d->options->max_job_bytes)
		return true;
	r = query(d->sync, err, "HGET", l->queue->jobs, l->id, NULL);
	if (r == NULL)
		return false;
	if (r->type == REDIS_REPLY_STRING) {
		l->payload_len = r->len;
		l->payload = mem_strndup(r->str, r->len);
		l->key = job_key_of_invalid(r->str, r->len);
	}
	freeReplyObject(r);
	return true;
}

static bool load_status(const struct dead_letters *d, struct dead_letter *l, struct error *err)
{
	const char *prefix = d->options->key_prefix;
	char *owner = owner_name(l), *name;
	bool ok = true, mine = false;

	if (l->key != NULL) {
		ok = mail_view_load(&l->mail, d->sync, prefix, l->key, err);
		mine = ok && l->mail.owner != NULL && strcmp(l->mail.owner, owner) == 0;
	}
	if (ok && !mine) {
		name = mem_printf(AUTO "%s", l->id);
		mail_view_free(&l->mail);
		ok = mail_view_load(&l->mail, d->sync, prefix, name, err);
		mem_free(name);
	}
	mem_free(owner);
	return ok;
}

static bool has_provider(const struct mail_view *v, const char *provider)
{
	if (v->provider != NULL && strcmp(v->provider, provider) == 0)
		return true;
	for (size_t i = 0; i < v->n_timeline; i++)
		if (strcmp(v->timeline[i].provider, provider) == 0)
			return true;
	return false;
}

static bool passes(const struct dead_letter *l, const struct dead_filter *f)
{
	if (f->key != NULL && (l->key == NULL || strcmp(l->key, f->key) != 0))
		return false;
	if (f->error != NULL &&
	    (l->mail.error == NULL || strcasestr(l->mail.error, f->error) == NULL))
		return false;
	return f->provider == NULL || has_provider(&l->mail, f->provider);
}

/* Loads it and hands it to fn, if it is one of those. *taken: it was. *more: fn wants to go on. */
static bool visit(const struct dead_letters *d, const struct queue_keys *queue, const char *id,
                  int64_t dead_at, const struct dead_filter *f, dead_letter_fn *fn, void *data,
                  bool *taken, bool *more, struct error *err)
{
	struct dead_letter l = {.queue = queue, .id = mem_strdup(id), .dead_at = dead_at};
	bool ok = load_payload(d, &l, err) && load_status(d, &l, err);

	*taken = ok && passes(&l, f);
	*more = true;
	if (*taken) {
		err->text[0] = '\0';
		*more = fn(&l, data, err);
		ok = *more || err->text[0] == '\0';
	}
	letter_free(&l);
	return ok;
}

/* --- all of them --------------------------------------------------------------------------------------- */

struct entry {
	char *id;
	int64_t at;
};

struct entries {
	struct entry *list;
	size_t n, room;
};

static void entries_free(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		mem_free(e->list[i].id);
	mem_free(e->list);
	memset(e, 0, sizeof(*e));
}

static void entries_add(struct entries *e, const redisReply *page)
{
	for (size_t i = 0; i + 1 < page->elements; i += 2) {
		const char *id = value_text(page->element[i]);

		if (id == NULL)
			continue;
		if (e->n == e->room) {
			e->room = e->room > 0 ? 2 * e->room : PAGE;
			e->list = mem_realloc(e->list, e->room * sizeof(*e->list));
		}
		e->list[e->n++] = (struct entry){mem_strdup(id), value_int(page->element[i + 1])};
	}
}

/* The ids of one queue in the order of their death, of the age that the filter wants. */
static bool collect(const struct dead_letters *d, const struct queue_keys *queue,
                    const struct dead_filter *f, int64_t now, struct entries *e, struct error *err)
{
	char min[HUMAN_SIZE] = "-inf", max[HUMAN_SIZE] = "+inf", offset[HUMAN_SIZE];
	size_t got = PAGE, from = 0;

	memset(e, 0, sizeof(*e));
	if (f->newer_ms >= 0)
		snprintf(min, sizeof(min), "%" PRId64, now - f->newer_ms);
	if (f->older_ms >= 0)
		snprintf(max, sizeof(max), "%" PRId64, now - f->older_ms);
	while (got == PAGE) {
		redisReply *r;

		snprintf(offset, sizeof(offset), "%zu", from);
		r = query(d->sync, err, "ZRANGE", queue->dead, min, max, "BYSCORE", "LIMIT", offset,
		          PAGE_TEXT, "WITHSCORES", NULL);
		if (r == NULL) {
			entries_free(e);
			return false;
		}
		got = r->type == REDIS_REPLY_ARRAY ? r->elements / 2 : 0;
		from += got;
		entries_add(e, r);
		freeReplyObject(r);
	}
	return true;
}

static bool each_of_queue(const struct dead_letters *d, const struct queue_keys *queue,
                          const struct dead_filter *f, int64_t now, dead_letter_fn *fn, void *data,
                          size_t *n, bool *more, struct error *err)
{
	struct entries e;
	bool ok, taken;

	if (!collect(d, queue, f, now, &e, err))
		return false;
	ok = true;
	for (size_t i = 0; i < e.n && ok && *more; i++) {
		const struct entry *one = &e.list[f->newest_first ? e.n - 1 - i : i];

		ok = visit(d, queue, one->id, one->at, f, fn, data, &taken, more, err);
		*n += ok && taken;
		if (f->limit > 0 && *n >= f->limit)
			*more = false;
	}
	entries_free(&e);
	return ok;
}

bool dead_letters_each(const struct dead_letters *d, const struct dead_filter *f,
                       dead_letter_fn *fn, void *data, struct error *err)
{
	bool more = true;
	size_t n = 0;
	int64_t now;

	if (!query_now(d->sync, err, &now))
		return false;
	for (size_t i = 0; i < d->queues->n && more; i++)
		if (!each_of_queue(d, &d->queues->keys[i], f, now, fn, data, &n, &more, err))
			return false;
	return true;
}

/* --- one by its name ------------------------------------------------------------------------------------ */

/* *found: there is such a dead letter, and fn was called. */
static bool try_id(const struct dead_letters *d, const struct queue_keys *queue, const char *id,
                   dead_letter_fn *fn, void *data, bool *found, struct error *err)
{
	redisReply *r = query(d->sync, err, "ZSCORE", queue->dead, id, NULL);
	bool taken, more, ok = r != NULL;

	if (ok && r->type == REDIS_REPLY_STRING) {
		*found = true;
		ok = visit(d, queue, id, value_int(r), &dead_filter_any, fn, data, &taken, &more,
		           err);
	}
	freeReplyObject(r);
	return ok;
}

/* The job that owns the key, if it is a dead letter. */
static bool try_owner(const struct dead_letters *d, const char *key, dead_letter_fn *fn, void *data,
                      bool *found, struct error *err)
{
	const struct queue_keys *queue = NULL;
	struct mail_view v;
	char *id;
	bool ok = true;

	if (!mail_view_load(&v, d->sync, d->options->key_prefix, key, err))
		return false;
	id = v.owner != NULL ? strrchr(v.owner, '#') : NULL;
	if (id != NULL) {
		*id++ = '\0';
		queue = queue_set_find(d->queues, v.owner);
	}
	if (queue != NULL)
		ok = try_id(d, queue, id, fn, data, found, err);
	mail_view_free(&v);
	return ok;
}

bool dead_letters_find(const struct dead_letters *d, const char *name, dead_letter_fn *fn,
                       void *data, struct error *err)
{
	const char *id = strncmp(name, AUTO, strlen(AUTO)) == 0 ? name + strlen(AUTO) : name;
	struct dead_filter by_key = dead_filter_any;
	bool found = false;

	for (size_t i = 0; i < d->queues->n && !found; i++)
		if (!try_id(d, &d->queues->keys[i], id, fn, data, &found, err))
			return false;
	if (found || !job_key_valid(name, strlen(name)))
		return true;
	if (!try_owner(d, name, fn, data, &found, err))
		return false;
	if (found)
		return true;
	/* A job that is not valid owns nothing: all have to be looked through. */
	by_key.key = name;
	by_key.limit = 1;
	by_key.newest_first = true;
	return dead_letters_each(d, &by_key, fn, data, err);
}

/* --- out of the dead ------------------------------------------------------------------------------------- */

static bool requeue(const struct dead_letters *d, const struct dead_letter *l, const char *how,
                    const char **why, struct error *err)
{
	const struct queue_keys *k = l->queue;
	struct command c;
	redisReply *r;

	command_init(&c);
	script_command(&c, SCRIPT_REQUEUE, 4);
	command_str(&c, k->jobs);
	command_str(&c, k->delayed);
	command_str(&c, k->claims);
	command_str(&c, k->dead);
	command_str(&c, how);
	command_str(&c, l->id);
	r = sync_run(d->sync, &c, err);
	command_free(&c);
	if (r == NULL)
		return false;
	*why = NULL;
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 1 || r->element[0]->integer != 1)
		*why = "it is no dead letter any more";
	freeReplyObject(r);
	return true;
}

/* Opens the status of that name, where this job owns it, for another round. */
static bool reopen(const struct dead_letters *d, const struct dead_letter *l, const char *name,
                   const char **why, struct error *err)
{
	char *key = keys_status(d->options->key_prefix, name), *owner = owner_name(l);
	const char *answer = "";
	struct command c;
	redisReply *r;

	command_init(&c);
	script_command(&c, SCRIPT_REOPEN, 1);
	command_str(&c, key);
	command_int(&c, d->options->max_queue_time * 1000);
	command_str(&c, owner);
	r = sync_run(d->sync, &c, err);
	command_free(&c);
	mem_free(owner);
	mem_free(key);
	if (r == NULL)
		return false;
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 1)
		answer = value_text(r->element[0]);
	if (answer != NULL && strcmp(answer, "sent") == 0)
		*why = "it was sent meanwhile: drop it";
	else if (answer != NULL && strcmp(answer, "cancelled") == 0)
		*why = "it was cancelled: drop it";
	freeReplyObject(r);
	return true;
}

bool dead_letter_retry(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                       struct error *err)
{
	char *name = mem_printf(AUTO "%s", l->id);
	bool ok;

	*why = NULL;
	if (l->payload_len == 0)
		*why = "its content is gone";
	ok = *why != NULL || ((l->key == NULL || reopen(d, l, l->key, why, err)) &&
	                      (*why != NULL || reopen(d, l, name, why, err)));
	mem_free(name);
	if (!ok || *why != NULL)
		return ok;
	return requeue(d, l, "retry", why, err);
}

bool dead_letter_drop(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                      struct error *err)
{
	return requeue(d, l, "drop", why, err);
}

/* --- for programs ------------------------------------------------------------------------------------------ */

static void payload_json(cJSON *o, const struct dead_letter *l)
{
	jsonout_int(o, "payloadBytes", (int64_t)l->payload_len);
	if (l->payload == NULL)
		jsonout_text(o, "payload", NULL);
	else
		jsonout_bytes(o, "payload", l->payload, l->payload_len);
	/* False: it has bytes that JSON cannot hold; --payload prints them as they are. */
	jsonout_bool(o, "payloadExact",
	             l->payload != NULL && utf8_valid(l->payload, l->payload_len) &&
	                     memchr(l->payload, '\0', l->payload_len) == NULL);
}

cJSON *dead_letter_json(const struct dead_letter *l, bool with_payload)
{
	cJSON *o = jsonout_object();

	jsonout_text(o, "id", l->id);
	jsonout_text(o, "queue", l->queue->list);
	jsonout_text(o, "idempotencyKey", l->key);
	jsonout_time(o, "deadAt", l->dead_at);
	jsonout_text(o, "error", l->mail.error);
	jsonout_add(o, "mail", mail_view_json(&l->mail));
	if (with_payload)
		payload_json(o, l);
	return o;
}

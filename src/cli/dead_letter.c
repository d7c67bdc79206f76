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
#define BATCH 64
#define BATCH_BYTES ((size_t)8 << 20)

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

/* --- reading: many at once, since each question costs a way to Redis and back ------------------------------ */

/* What is asked of one letter (false: nothing), and what its answer tells. */
typedef bool ask_fn(const struct dead_letters *d, const struct dead_letter *l, struct command *c);
typedef void take_fn(const struct dead_letters *d, struct dead_letter *l, const redisReply *r);

static bool ask_all(const struct dead_letters *d, struct dead_letter *letters, size_t n,
                    ask_fn *ask, take_fn *take, struct error *err)
{
	struct command commands[BATCH];
	redisReply *replies[BATCH];
	size_t asked[BATCH], m = 0;
	bool ok, sent;

	for (size_t i = 0; i < n; i++) {
		command_init(&commands[m]);
		if (ask(d, &letters[i], &commands[m]))
			asked[m++] = i;
	}
	sent = ok = sync_run_all(d->sync, commands, m, replies, err);
	for (size_t i = 0; i < m; i++) {
		command_free(&commands[i]);
		if (!sent)
			continue;
		if (ok && replies[i]->type == REDIS_REPLY_ERROR)
			ok = error_set(err, "%s", replies[i]->str);
		else if (ok)
			take(d, &letters[asked[i]], replies[i]);
		freeReplyObject(replies[i]);
	}
	return ok;
}

static bool ask_size(const struct dead_letters *d, const struct dead_letter *l, struct command *c)
{
	(void)d;
	command_str(c, "HSTRLEN");
	command_str(c, l->queue->jobs);
	command_str(c, l->id);
	return true;
}

static void take_size(const struct dead_letters *d, struct dead_letter *l, const redisReply *r)
{
	(void)d;
	l->payload_len = (size_t)value_int(r);
}

static bool fetched(const struct dead_letters *d, const struct dead_letter *l)
{
	return l->payload_len > 0 && (int64_t)l->payload_len <= d->options->max_job_bytes;
}

static bool ask_payload(const struct dead_letters *d, const struct dead_letter *l,
                        struct command *c)
{
	if (!fetched(d, l))
		return false;
	command_str(c, "HGET");
	command_str(c, l->queue->jobs);
	command_str(c, l->id);
	return true;
}

static void take_payload(const struct dead_letters *d, struct dead_letter *l, const redisReply *r)
{
	(void)d;
	if (r->type != REDIS_REPLY_STRING)
		return;
	l->payload_len = r->len;
	l->payload = mem_strndup(r->str, r->len);
	l->key = job_key_of_invalid(r->str, r->len);
}

static void ask_status(const struct dead_letters *d, const char *name, struct command *c)
{
	char *key = keys_status(d->options->key_prefix, name);

	command_str(c, "HGETALL");
	command_str(c, key);
	mem_free(key);
}

static bool ask_mail(const struct dead_letters *d, const struct dead_letter *l, struct command *c)
{
	if (l->key != NULL)
		ask_status(d, l->key, c);
	return l->key != NULL;
}

static void take_mail(const struct dead_letters *d, struct dead_letter *l, const redisReply *r)
{
	(void)d;
	mail_view_read(&l->mail, l->key, r);
}

static bool owns_mail(const struct dead_letter *l)
{
	char *owner = owner_name(l);
	bool owns = l->mail.owner != NULL && strcmp(l->mail.owner, owner) == 0;

	mem_free(owner);
	return owns;
}

static bool ask_auto(const struct dead_letters *d, const struct dead_letter *l, struct command *c)
{
	char *name;

	if (owns_mail(l))
		return false;
	name = mem_printf(AUTO "%s", l->id);
	ask_status(d, name, c);
	mem_free(name);
	return true;
}

static void take_auto(const struct dead_letters *d, struct dead_letter *l, const redisReply *r)
{
	char *name = mem_printf(AUTO "%s", l->id);

	(void)d;
	mail_view_free(&l->mail);
	mail_view_read(&l->mail, name, r);
	mem_free(name);
}

/* Their payloads' sizes are known. */
static bool load(const struct dead_letters *d, struct dead_letter *letters, size_t n,
                 struct error *err)
{
	return ask_all(d, letters, n, ask_payload, take_payload, err) &&
	       ask_all(d, letters, n, ask_mail, take_mail, err) &&
	       ask_all(d, letters, n, ask_auto, take_auto, err);
}

/* How many of them are loaded together: as many as have BATCH_BYTES of payload, or one. */
static size_t how_many(const struct dead_letters *d, const struct dead_letter *letters, size_t n)
{
	size_t bytes = 0, i;

	for (i = 0; i < n; i++) {
		bytes += fetched(d, &letters[i]) ? letters[i].payload_len : 0;
		if (i > 0 && bytes > BATCH_BYTES)
			break;
	}
	return i;
}

/* --- those that are wanted ------------------------------------------------------------------------------ */

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

struct visit {
	const struct dead_filter *filter;
	dead_letter_fn *fn;
	void *data;
	size_t n;  /* that were let through */
	bool more; /* fn wants to go on */
};

static bool visit_one(struct visit *v, struct dead_letter *l, struct error *err)
{
	if (!v->more || !passes(l, v->filter))
		return true;
	err->text[0] = '\0';
	v->more = v->fn(l, v->data, err);
	v->n++;
	if (!v->more && err->text[0] != '\0')
		return false;
	if (v->filter->limit > 0 && v->n >= v->filter->limit)
		v->more = false;
	return true;
}

/* Loads them and hands those that pass to fn; frees them. At most BATCH. */
static bool visit(const struct dead_letters *d, struct dead_letter *letters, size_t n,
                  struct visit *v, struct error *err)
{
	bool ok = ask_all(d, letters, n, ask_size, take_size, err);

	for (size_t from = 0, m; from < n; from += m) {
		m = how_many(d, letters + from, n - from);
		ok = ok && (!v->more || load(d, letters + from, m, err));
		for (size_t i = from; i < from + m; i++) {
			ok = ok && visit_one(v, &letters[i], err);
			letter_free(&letters[i]);
		}
	}
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

static bool each_of_queue(const struct dead_letters *d, const struct queue_keys *queue, int64_t now,
                          struct visit *v, struct error *err)
{
	struct entries e;
	bool ok = true;

	if (!collect(d, queue, v->filter, now, &e, err))
		return false;
	for (size_t i = 0; i < e.n && ok && v->more;) {
		struct dead_letter letters[BATCH];
		size_t n = 0;

		for (; n < BATCH && i < e.n; i++, n++) {
			const struct entry *one =
				&e.list[v->filter->newest_first ? e.n - 1 - i : i];

			letters[n] = (struct dead_letter){
				.queue = queue, .id = mem_strdup(one->id), .dead_at = one->at};
		}
		ok = visit(d, letters, n, v, err);
	}
	entries_free(&e);
	return ok;
}

bool dead_letters_each(const struct dead_letters *d, const struct dead_filter *f,
                       dead_letter_fn *fn, void *data, struct error *err)
{
	struct visit v = {.filter = f, .fn = fn, .data = data, .more = true};
	int64_t now;

	if (!query_now(d->sync, err, &now))
		return false;
	for (size_t i = 0; i < d->queues->n && v.more; i++)
		if (!each_of_queue(d, &d->queues->keys[i], now, &v, err))
			return false;
	return true;
}

/* --- one by its name ------------------------------------------------------------------------------------ */

/* *found: there is such a dead letter, and fn was called. */
static bool try_id(const struct dead_letters *d, const struct queue_keys *queue, const char *id,
                   dead_letter_fn *fn, void *data, bool *found, struct error *err)
{
	redisReply *r = query(d->sync, err, "ZSCORE", queue->dead, id, NULL);
	struct visit v = {.filter = &dead_filter_any, .fn = fn, .data = data, .more = true};
	bool ok = r != NULL;

	if (ok && r->type == REDIS_REPLY_STRING) {
		struct dead_letter l = {
			.queue = queue, .id = mem_strdup(id), .dead_at = value_int(r)};

		*found = true;
		ok = visit(d, &l, 1, &v, err);
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

/* Opens the statuses that this job may own, that of its key and that of auto-<id>, for another round. */
static bool reopen(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                   struct error *err)
{
	char *name = mem_printf(AUTO "%s", l->id), *owner = owner_name(l);
	const char *names[] = {name, l->key};
	size_t n = l->key != NULL ? 2 : 1;
	struct command commands[2];
	redisReply *replies[2];
	bool ok, sent;

	for (size_t i = 0; i < n; i++) {
		char *key = keys_status(d->options->key_prefix, names[i]);

		command_init(&commands[i]);
		script_command(&commands[i], SCRIPT_REOPEN, 1);
		command_str(&commands[i], key);
		command_int(&commands[i], d->options->max_queue_time * 1000);
		command_str(&commands[i], owner);
		mem_free(key);
	}
	sent = ok = sync_run_all(d->sync, commands, n, replies, err);
	for (size_t i = 0; i < n; i++) {
		const char *answer = NULL;

		command_free(&commands[i]);
		if (!sent)
			continue;
		if (replies[i]->type == REDIS_REPLY_ERROR)
			ok = error_set(err, "%s", replies[i]->str);
		if (replies[i]->type == REDIS_REPLY_ARRAY && replies[i]->elements == 1)
			answer = value_text(replies[i]->element[0]);
		if (answer != NULL && strcmp(answer, "sent") == 0)
			*why = "it was sent meanwhile: drop it";
		else if (answer != NULL && strcmp(answer, "cancelled") == 0)
			*why = "it was cancelled: drop it";
		freeReplyObject(replies[i]);
	}
	mem_free(owner);
	mem_free(name);
	return ok;
}

bool dead_letter_retry(const struct dead_letters *d, const struct dead_letter *l, const char **why,
                       struct error *err)
{
	*why = NULL;
	if (l->payload_len == 0)
		*why = "its content is gone";
	else if (!reopen(d, l, why, err))
		return false;
	return *why != NULL || requeue(d, l, "retry", why, err);
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

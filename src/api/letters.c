#include "api/letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "fleet/dead_walk.h"
#include "fleet/view_json.h"

#define LIST_LIMIT 50
#define MAX_PART ((size_t)1 << 20)
#define NUMBER_SIZE 24

/* One request's walk. */
struct letters {
	struct request *request;
	struct dead_walk walk;
	struct queue_set one; /* the only queue, when it was named */
	cJSON *body;
	const char *names[LETTERS_MAX];
	bool told[LETTERS_MAX]; /* what became of this one is in what comes out */
	/* what comes out, apart from r->out */
	struct buf skipped, missing;
	size_t n;
};

static struct letters *letters_new(struct request *r)
{
	struct letters *l = mem_zalloc(sizeof(*l));

	l->request = r;
	dead_walk_init(&l->walk, r->api->options, r->api->queues);
	l->walk.data = l;
	buf_init(&l->skipped, MAX_PART);
	buf_init(&l->missing, MAX_PART);
	return l;
}

static void letters_free(struct letters *l)
{
	dead_walk_free(&l->walk);
	queue_set_free(&l->one);
	cJSON_Delete(l->body);
	buf_free(&l->skipped);
	buf_free(&l->missing);
	mem_free(l);
}

/* Nothing was changed by it: the whole request begins anew, later. */
static void letters_later(struct letters *l, enum link_result result,
                          void (*run)(struct request *r))
{
	struct request *r = l->request;

	letters_free(l);
	buf_clear(&r->out);
	request_again(r, result, run);
}

static void on_listed(struct dead_letter *d, const char *why, void *data)
{
	struct letters *l = data;

	(void)why;
	view_json_letter(&l->request->out, d, false);
	l->n++;
}

static void on_shown(struct dead_letter *d, const char *why, void *data)
{
	struct letters *l = data;

	(void)why;
	view_json_letter(&l->request->out, d, true);
	l->n++;
}

/* --- the list ------------------------------------------------------------------------------------------------ */

static bool refuse(struct letters *l, const char *message)
{
	request_invalid(l->request, message, message);
	return false;
}

static bool read_age(struct letters *l, const char *name, int64_t *ms)
{
	const char *text = request_query(l->request, name);
	char message[128];

	if (text == NULL || *text == '\0' || number_duration(text, ms))
		return true;
	snprintf(message, sizeof(message), "\"%s\" must be a duration, as 30s, 10m, 2h or 7d",
	         name);
	return refuse(l, message);
}

/* "<queue>:<at>:<skip>", as `next` said */
static bool read_place(struct dead_place *p, const char *text)
{
	int64_t numbers[3];

	for (size_t i = 0; i < 3; i++) {
		size_t n = strcspn(text, ":");
		char number[NUMBER_SIZE];

		if (n >= sizeof(number))
			return false;
		memcpy(number, text, n);
		number[n] = '\0';
		if (!number_int(number, &numbers[i]) || numbers[i] < (i == 1 ? -1 : 0))
			return false;
		text += n + (text[n] == ':');
	}
	*p = (struct dead_place){(size_t)numbers[0], numbers[1], (size_t)numbers[2]};
	return *text == '\0';
}

static const char *query_or_null(const struct request *r, const char *name)
{
	const char *text = request_query(r, name);

	return text != NULL && *text != '\0' ? text : NULL;
}

static bool read_list(struct letters *l)
{
	struct request *r = l->request;
	struct dead_filter *f = &l->walk.filter;
	const char *queue = query_or_null(r, "queue"), *after = query_or_null(r, "after");
	const char *limit = query_or_null(r, "limit");
	int64_t n = LIST_LIMIT;
	struct error err;

	f->error = query_or_null(r, "error");
	f->provider = query_or_null(r, "provider");
	f->newest_first = true;
	l->walk.budget = LETTERS_BUDGET;
	if (limit != NULL && (!number_int(limit, &n) || n < 1 || n > LETTERS_MAX))
		return refuse(l, "\"limit\" must be a number from 1 to 100");
	f->limit = (size_t)n;
	if (!read_age(l, "olderThan", &f->older_ms) || !read_age(l, "newerThan", &f->newer_ms))
		return false;
	if (after != NULL && !read_place(&l->walk.place, after))
		return refuse(l, "\"after\" must be what \"next\" said");
	if (queue == NULL)
		return true;
	if (queue_set_find(r->api->queues, queue) == NULL ||
	    !queue_set_load(&l->one, r->api->options, queue, &err)) {
		request_problem(r, 404, NULL, "There is no such queue");
		return false;
	}
	l->walk.queues = &l->one;
	return true;
}

static void on_list_done(void *data, enum link_result result)
{
	struct letters *l = data;
	struct request *r = l->request;
	const struct dead_place *p = &l->walk.place;
	char next[3 * NUMBER_SIZE];

	if (result == LINK_OK) {
		snprintf(next, sizeof(next), "%zu:%" PRId64 ":%zu", p->queue, p->at, p->skip);
		jsonw_close(&r->out, ']');
		jsonw_pair_or_null(&r->out, "next", l->walk.more ? next : NULL);
		jsonw_pair_int(&r->out, "examined", (int64_t)l->walk.seen);
		jsonw_pair_time(&r->out, "timestamp", l->walk.now);
		jsonw_close(&r->out, '}');
		request_answer(r, 200);
		letters_free(l);
	} else {
		letters_later(l, result, letters_list);
	}
}

void letters_list(struct request *r)
{
	struct letters *l = letters_new(r);

	if (!read_list(l)) {
		letters_free(l);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_key(&r->out, "letters");
	jsonw_open(&r->out, '[');
	l->walk.fn = on_listed;
	inquiry_run(&l->walk.inquiry, r->api->redis, on_list_done, l);
}

/* --- one ----------------------------------------------------------------------------------------------------- */

static void on_show_done(void *data, enum link_result result)
{
	struct letters *l = data;

	if (result != LINK_OK) {
		letters_later(l, result, letters_show);
		return;
	}
	if (l->n == 0)
		request_problem(l->request, 404, NULL, "There is no such dead letter");
	else
		request_answer(l->request, 200);
	letters_free(l);
}

void letters_show(struct request *r)
{
	struct letters *l = letters_new(r);

	l->names[0] = r->param;
	l->walk.names = l->names;
	l->walk.n_names = 1;
	l->walk.fn = on_shown;
	inquiry_run(&l->walk.inquiry, r->api->redis, on_show_done, l);
}

/* --- retry, drop --------------------------------------------------------------------------------------------- */

static bool is_called(const struct dead_letter *d, const char *name)
{
	size_t n = strlen(DEAD_LETTER_AUTO);

	if (d->key != NULL && strcmp(name, d->key) == 0)
		return true;
	return strcmp(strncmp(name, DEAD_LETTER_AUTO, n) == 0 ? name + n : name, d->id) == 0;
}

static void on_taken(struct dead_letter *d, const char *why, void *data)
{
	struct letters *l = data;
	struct buf *out = why != NULL ? &l->skipped : &l->request->out;

	for (size_t i = 0; i < l->walk.n_names; i++)
		l->told[i] = l->told[i] || is_called(d, l->names[i]);
	jsonw_open(out, '{');
	jsonw_pair(out, "id", d->id);
	jsonw_pair(out, "queue", d->queue->list);
	jsonw_pair_or_null(out, "idempotencyKey", d->key);
	jsonw_pair_or_null(out, "status", d->mail.status);
	if (why != NULL)
		jsonw_pair(out, "reason", why);
	jsonw_close(out, '}');
}

static void on_missing(const char *name, void *data)
{
	struct letters *l = data;

	for (size_t i = 0; i < l->walk.n_names; i++)
		l->told[i] = l->told[i] || l->names[i] == name;
	jsonw_str(&l->missing, name);
}

static bool read_names(struct letters *l)
{
	const cJSON *names, *dry, *name;

	if (!request_read(l->request, &l->body))
		return false;
	names = cJSON_GetObjectItemCaseSensitive(l->body, "names");
	dry = cJSON_GetObjectItemCaseSensitive(l->body, "dryRun");
	if (dry != NULL && !cJSON_IsBool(dry))
		return refuse(l, "Field \"dryRun\" must be true or false");
	if (!cJSON_IsArray(names) || cJSON_GetArraySize(names) == 0)
		return refuse(l, "Field \"names\" must be a non-empty array");
	if (cJSON_GetArraySize(names) > LETTERS_MAX)
		return refuse(l, "Maximum 100 dead letters allowed per request");
	cJSON_ArrayForEach(name, names)
	{
		if (!cJSON_IsString(name))
			return refuse(l, "Field \"names\" must be an array of strings");
		l->names[l->walk.n_names++] = name->valuestring;
	}
	l->walk.names = l->names;
	l->walk.dry = cJSON_IsTrue(dry);
	return true;
}

static void write_list(struct buf *out, const char *name, const struct buf *list)
{
	jsonw_key(out, name);
	jsonw_open(out, '[');
	if (list->len > 0)
		buf_add(out, list->data, list->len);
	jsonw_close(out, ']');
}

static void on_take_done(void *data, enum link_result result);

/* Once more, but for those whose fate is known. What was taken out while nobody heard of it is then missing. */
static void take_again(void *data, enum link_result result)
{
	struct letters *l = data;
	struct dead_walk before = l->walk;
	size_t n = 0;

	if (result != LINK_OK) {
		request_refused(l->request, result);
		letters_free(l);
		return;
	}
	dead_walk_free(&l->walk);
	dead_walk_init(&l->walk, before.options, before.queues);
	l->walk.action = before.action;
	l->walk.dry = before.dry;
	l->walk.fn = before.fn;
	l->walk.missing = before.missing;
	l->walk.data = l;
	l->walk.names = l->names;
	for (size_t i = 0; i < before.n_names; i++)
		if (!l->told[i])
			l->names[n++] = l->names[i];
	l->walk.n_names = n;
	memset(l->told, 0, sizeof(l->told));
	inquiry_run(&l->walk.inquiry, l->request->api->redis, on_take_done, l);
}

static void on_take_done(void *data, enum link_result result)
{
	struct letters *l = data;
	struct request *r = l->request;

	if (result == LINK_OK) {
		jsonw_close(&r->out, ']');
		write_list(&r->out, "skipped", &l->skipped);
		write_list(&r->out, "missing", &l->missing);
		jsonw_close(&r->out, '}');
		request_answer(r, 200);
		letters_free(l);
	} else {
		again_later(&r->api->again, r->asked_at, result, take_again, l);
	}
}

static void take(struct request *r, enum dead_action action)
{
	struct letters *l = letters_new(r);

	if (!read_names(l)) {
		letters_free(l);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair_bool(&r->out, "dryRun", l->walk.dry);
	jsonw_key(&r->out, action == DEAD_WALK_DROP ? "dropped" : "retried");
	jsonw_open(&r->out, '[');
	l->walk.action = action;
	l->walk.fn = on_taken;
	l->walk.missing = on_missing;
	inquiry_run(&l->walk.inquiry, r->api->redis, on_take_done, l);
}

void letters_retry(struct request *r)
{
	take(r, DEAD_WALK_RETRY);
}

void letters_drop(struct request *r)
{
	take(r, DEAD_WALK_DROP);
}

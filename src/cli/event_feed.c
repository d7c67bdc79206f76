#include "cli/event_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/number.h"
#include "cli/human.h"
#include "cli/query.h"
#include "redis/value.h"

#define PAGE 500
#define PAGE_TEXT "500"

void event_feed_open(struct event_feed *f, struct sync *s, const struct queue_set *queues,
                     int64_t since)
{
	memset(f, 0, sizeof(*f));
	f->sync = s;
	f->queues = queues;
	for (size_t i = 0; i < queues->n; i++)
		snprintf(f->cursors[i].last, sizeof(f->cursors[i].last), "%" PRId64, since);
}

void event_feed_close(struct event_feed *f)
{
	for (size_t i = 0; i < f->queues->n; i++)
		freeReplyObject(f->cursors[i].page);
}

void event_feed_again(struct event_feed *f)
{
	for (size_t i = 0; i < f->queues->n; i++)
		f->cursors[i].dry = false;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* [id, [name, value, …]] */
static bool is_entry(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	       r->element[0]->type == REDIS_REPLY_STRING &&
	       r->element[1]->type == REDIS_REPLY_ARRAY;
}

static bool load(struct event_feed *f, size_t i, struct error *err)
{
	struct event_cursor *c = &f->cursors[i];
	redisReply *last;

	freeReplyObject(c->page);
	c->at = 0;
	c->page = query(f->sync, err, "XRANGE", f->queues->keys[i].events, c->last, "+", "COUNT",
	                PAGE_TEXT, NULL);
	if (c->page == NULL)
		return false;
	if (c->page->type != REDIS_REPLY_ARRAY || c->page->elements < PAGE)
		c->dry = true;
	if (c->page->type != REDIS_REPLY_ARRAY || c->page->elements == 0)
		return true;
	last = c->page->element[c->page->elements - 1];
	if (is_entry(last))
		snprintf(c->last, sizeof(c->last), "(%s", last->element[0]->str);
	return true;
}

/* The next entry of a queue; NULL: none. */
static const redisReply *peek(const struct event_cursor *c)
{
	if (c->page == NULL || c->page->type != REDIS_REPLY_ARRAY || c->at >= c->page->elements)
		return NULL;
	return c->page->element[c->at];
}

/* "1764000000000-3" */
static int64_t id_time(const redisReply *entry, int64_t *sequence)
{
	char *end;
	int64_t ms = strtoll(entry->element[0]->str, &end, 10);

	*sequence = *end == '-' ? strtoll(end + 1, NULL, 10) : 0;
	return ms;
}

static bool is_before(const redisReply *a, const redisReply *b)
{
	int64_t a_sequence, b_sequence;
	int64_t a_ms = id_time(a, &a_sequence), b_ms = id_time(b, &b_sequence);

	return a_ms < b_ms || (a_ms == b_ms && a_sequence < b_sequence);
}

bool event_feed_next(struct event_feed *f, struct event *e, bool *there, struct error *err)
{
	const redisReply *first = NULL, *each;
	size_t from = 0;
	int64_t sequence;

	for (size_t i = 0; i < f->queues->n; i++) {
		struct event_cursor *c = &f->cursors[i];

		if (peek(c) == NULL && !c->dry && !load(f, i, err))
			return false;
		while ((each = peek(c)) != NULL && !is_entry(each))
			c->at++;
		if (each != NULL && (first == NULL || is_before(each, first))) {
			first = each;
			from = i;
		}
	}
	*there = first != NULL;
	if (first == NULL)
		return true;
	f->cursors[from].at++;
	e->queue = &f->queues->keys[from];
	e->entry = first->element[0]->str;
	e->at = id_time(first, &sequence);
	e->fields = first->element[1];
	return true;
}

/* ---- showing ---------------------------------------------------------------------------------- */

const char *event_field(const struct event *e, const char *name)
{
	const char *value = value_find(e->fields, name);

	return value != NULL ? value : "";
}

static void pair_number(struct buf *out, const char *name, const char *text)
{
	int64_t n;

	if (number_int(text, &n))
		jsonw_pair_int(out, name, n);
}

static void pair_tags(struct buf *out, const char *tags)
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

void event_json(const struct event *e, struct buf *out)
{
	jsonw_open(out, '{');
	jsonw_pair_time(out, "time", e->at);
	jsonw_pair_or_null(out, "entry", e->entry);
	jsonw_pair_or_null(out, "queue", e->queue->list);
	jsonw_pair_or_null(out, "id", event_field(e, "id"));
	jsonw_pair_or_null(out, "idempotencyKey", event_field(e, "key"));
	jsonw_pair_or_null(out, "status", event_field(e, "status"));
	jsonw_pair_or_null(out, "provider", event_field(e, "provider"));
	pair_number(out, "attempt", event_field(e, "attempt"));
	jsonw_pair_or_null(out, "code", event_field(e, "code"));
	pair_number(out, "ms", event_field(e, "ms"));
	jsonw_pair_or_null(out, "tenant", event_field(e, "tenant"));
	pair_tags(out, event_field(e, "tags"));
	jsonw_close(out, '}');
}

/* A column: at least `width` wide, one blank behind it. */
static void add_column(struct buf *out, const char *text, size_t width)
{
	size_t from = out->len;

	human_text(out, *text != '\0' ? text : "-", *text != '\0' ? strlen(text) : 1);
	for (size_t n = term_columns(buf_str(out) + from, out->len - from); n < width; n++)
		buf_add_char(out, ' ');
	buf_add_char(out, ' ');
}

void event_write(const struct event *e, const struct term *term, struct buf *out)
{
	const char *status = event_field(e, "status"), *tenant = event_field(e, "tenant");
	char when[HUMAN_SIZE];
	struct buf padded;

	buf_init(&padded, 1 << 16);
	add_column(&padded, status, 9);
	buf_addf(out, "%s.%03d ", human_time(when, e->at), (int)(e->at % 1000));
	term_paint(term, out, term_status_paint(status), buf_str(&padded));
	buf_free(&padded);
	add_column(out, event_field(e, "key"), 24);
	add_column(out, event_field(e, "provider"), 10);
	buf_add_char(out, '#');
	add_column(out, event_field(e, "attempt"), 2);
	add_column(out, event_field(e, "code"), 10);
	human_text(out, event_field(e, "ms"), strlen(event_field(e, "ms")));
	buf_add_str(out, " ms");
	if (*tenant != '\0') {
		buf_add_str(out, " tenant ");
		human_text(out, tenant, strlen(tenant));
	}
	buf_add_char(out, '\n');
}

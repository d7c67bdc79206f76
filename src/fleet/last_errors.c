#include "fleet/last_errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/value.h"

static void last_errors_ask(struct inquiry *q)
{
	struct last_errors *l = (struct last_errors *)q;

	for (size_t i = 0; l->asked == 0 && i < l->queues->n; i++) {
		struct command *c = inquiry_add(q);

		command_str(c, "XREVRANGE");
		command_str(c, l->queues->keys[i].events);
		command_str(c, "+");
		command_str(c, "-");
		command_str(c, "COUNT");
		command_int(c, LAST_ERRORS_LOOK);
	}
	l->asked++;
}

static const char *field(const redisReply *pairs, const char *name)
{
	for (size_t i = 0; pairs->type == REDIS_REPLY_ARRAY && i + 1 < pairs->elements; i += 2)
		if (value_text_at(pairs, i) != NULL && strcmp(value_text_at(pairs, i), name) == 0)
			return value_text_at(pairs, i + 1);
	return NULL;
}

static struct last_error *find(struct last_errors *l, const char *provider)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].provider, provider) == 0)
			return &l->list[i];
	if (l->n == LAST_ERRORS_MAX || strlen(provider) >= LAST_ERRORS_NAME)
		return NULL;
	snprintf(l->list[l->n].provider, LAST_ERRORS_NAME, "%s", provider);
	l->list[l->n].at = 0;
	return &l->list[l->n++];
}

/* ["1764000000000-3", [name, value, …]] */
static void take_event(struct last_errors *l, const redisReply *entry)
{
	const char *id = value_text_at(entry, 0), *provider, *status, *code;
	int64_t at = id != NULL ? strtoll(id, NULL, 10) : 0;
	struct last_error *e;

	if (at <= 0 || entry->elements != 2)
		return;
	provider = field(entry->element[1], "provider");
	status = field(entry->element[1], "status");
	code = field(entry->element[1], "code");
	if (provider == NULL || *provider == '\0' || code == NULL || *code == '\0' ||
	    status == NULL || strcmp(status, "sent") == 0)
		return;
	e = find(l, provider);
	if (e == NULL || e->at >= at)
		return;
	e->at = at;
	snprintf(e->code, sizeof(e->code), "%s", code);
}

static void last_errors_take(struct inquiry *q, size_t i, const redisReply *r)
{
	struct last_errors *l = (struct last_errors *)q;

	(void)i;
	for (size_t n = 0; r->type == REDIS_REPLY_ARRAY && n < r->elements; n++)
		if (r->element[n]->type == REDIS_REPLY_ARRAY)
			take_event(l, r->element[n]);
}

void last_errors_init(struct last_errors *l, const struct queue_set *queues)
{
	memset(l, 0, sizeof(*l));
	inquiry_init(&l->inquiry, last_errors_ask, last_errors_take);
	l->queues = queues;
}

void last_errors_free(struct last_errors *l)
{
	inquiry_free(&l->inquiry);
}

void last_errors_again(struct last_errors *l)
{
	l->asked = 0;
}

const struct last_error *last_errors_of(const struct last_errors *l, const char *provider)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].provider, provider) == 0)
			return &l->list[i];
	return NULL;
}

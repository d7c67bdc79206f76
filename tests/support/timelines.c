#include "support/timelines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_PROVIDERS 8

struct timeline {
	char status[16];
	size_t attempts, lines, unknown, n_providers;
	struct {
		char name[64];
		size_t n;
	} providers[MAX_PROVIDERS];
};

/* "primary retry 451 4.3.0 12ms try again later" */
static void add_line(struct timeline *t, const char *line)
{
	size_t len = strcspn(line, " "), i = 0;

	t->lines++;
	t->unknown += strncmp(line + len, " unknown ", 9) == 0;
	while (i < t->n_providers && (strlen(t->providers[i].name) != len ||
	                              memcmp(t->providers[i].name, line, len) != 0))
		i++;
	assert_true(i < MAX_PROVIDERS);
	if (i == t->n_providers)
		snprintf(t->providers[t->n_providers++].name, sizeof(t->providers[0].name), "%.*s",
		         (int)len, line);
	t->providers[i].n++;
}

static void read_timeline(struct timeline *t, const redisReply *all)
{
	*t = (struct timeline){0};
	assert_int_equal(all->type, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const char *name = all->element[i]->str, *value = all->element[i + 1]->str;

		if (strcmp(name, "status") == 0)
			snprintf(t->status, sizeof(t->status), "%s", value);
		else if (strcmp(name, "attempts") == 0)
			t->attempts = (size_t)strtoull(value, NULL, 10);
		else if (strncmp(name, "attempt:", 8) == 0)
			add_line(t, value);
	}
}

static void count_one(struct timelines *c, const struct timeline *t)
{
	if (strcmp(t->status, "sent") == 0)
		c->sent++;
	else if (strcmp(t->status, "failed") == 0)
		c->failed++;
	else if (strcmp(t->status, "held") == 0)
		c->held++;
	else
		c->other++;
	c->lines += t->lines;
	c->attempts += t->attempts;
	c->retried += t->lines > 1;
	c->fell_back += t->n_providers > 1;
	c->unknown += t->unknown > 0;
	for (size_t i = 0; i < t->n_providers; i++)
		if (t->providers[i].n > c->most)
			c->most = t->providers[i].n;
}

/* Calls fn with the timeline of each <stem>-<i>, in order. */
static void each_timeline(struct fleet *f, const char *stem, size_t n,
                          void (*fn)(void *data, size_t i, const struct timeline *t), void *data)
{
	redisContext *c = fleet_client(f);
	size_t asked = 0, answered = 0;

	while (answered < n) {
		if (asked < n && asked - answered < FLEET_PIPELINE) {
			redisAppendCommand(c, "HGETALL mail:status:%s-%lld", stem,
			                   (long long)asked++);
			continue;
		}
		struct timeline t;
		redisReply *reply = fleet_answer(c);
		read_timeline(&t, reply);
		freeReplyObject(reply);
		fn(data, answered++, &t);
	}
	redisFree(c);
}

static void on_counted(void *data, size_t i, const struct timeline *t)
{
	(void)i;
	count_one(data, t);
}

struct timelines timelines_count(struct fleet *f, const char *stem, size_t n)
{
	struct timelines c = {0};

	each_timeline(f, stem, n, on_counted, &c);
	return c;
}

struct copies {
	struct fleet *fleet;
	const struct tally *tally;
	const char *stem;
	size_t wrong;
};

static void on_copied(void *data, size_t i, const struct timeline *t)
{
	struct copies *c = data;
	char key[128];
	size_t n;
	bool sent;

	snprintf(key, sizeof(key), "%s-%zu", c->stem, i);
	n = tally_copies(c->tally, key);
	sent = strcmp(t->status, "sent") == 0;
	if ((n == 0 && !sent) || (n == 1 && (sent || t->unknown > 0)) ||
	    (n > 1 && t->unknown >= n - 1 && tally_ids(c->tally, key) == 1))
		return;
	if (c->wrong++ < 3) {
		print_error("%s is \"%s\" after %zu attempts, %zu of them unknown, and was taken "
		            "%zu times, with %zu Message-IDs\n",
		            key, t->status, t->attempts, t->unknown, n, tally_ids(c->tally, key));
		fleet_show_status(c->fleet, key);
	}
}

void timelines_check_copies(struct fleet *f, const struct tally *t, const char *stem, size_t n)
{
	struct copies c = {f, t, stem, 0};

	each_timeline(f, stem, n, on_copied, &c);
	if (c.wrong > 0)
		fail_msg(
			"%zu of %zu mails were taken another number of times than their status says",
			c.wrong, n);
}

size_t timelines_lines(struct fleet *f, const char *key, const char *provider, const char *outcome)
{
	redisReply *all = redis_server_cmd(fleet_redis(f), "HGETALL mail:status:%s", key);
	size_t n = 0;

	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const char *line = all->element[i + 1]->str;
		size_t len = strcspn(line, " ");

		if (strncmp(all->element[i]->str, "attempt:", 8) != 0)
			continue;
		if (provider && (strlen(provider) != len || memcmp(provider, line, len) != 0))
			continue;
		line += len + (line[len] == ' ');
		len = strcspn(line, " ");
		n += !outcome || (strlen(outcome) == len && memcmp(outcome, line, len) == 0);
	}
	freeReplyObject(all);
	return n;
}

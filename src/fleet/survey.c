#include "fleet/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "mail/job.h"
#include "redis/keys.h"
#include "redis/value.h"

#define PAUSE_QUEUE KEYS_PAUSE_QUEUE ":"
#define PAUSE_PROVIDER KEYS_PAUSE_PROVIDER ":"
#define WEIGHT_PROVIDER KEYS_WEIGHT_PROVIDER ":"
#define USUAL_PROVIDERS "primary,secondary" /* what `up` calls its mocks */

/* The questions of the first round, each queue's behind those of the fleet. */
enum { FLEET_TIME, FLEET_CONTROL, FLEET_STATS, FLEET_N };
/* Of the second: workers, then two for each queue, then one for each provider. */
#define SECOND_FLEET 1
#define SECOND_QUEUE 2

/* --- queues ---------------------------------------------------------------------------------------------- */

enum queue_question {
	Q_LIST,
	Q_ARRIVALS,
	Q_LEASES,
	Q_DELAYED,
	Q_DEAD,
	Q_CLAIMED,
	Q_FIRST_DUE,
	Q_FIRST_DEAD,
	Q_NEXT_MOVED,
	Q_NEXT,
	Q_STATS,
	Q_LAG,
	Q_N
};

#define KEY(FIELD) offsetof(struct queue_keys, FIELD)

/* Workers take from the tail. */
static const struct {
	const char *command;
	size_t key;
	const char *arguments[3];
} queue_questions[Q_N] = {
	[Q_LIST] = {"LLEN", KEY(list), {NULL}},
	[Q_ARRIVALS] = {"LLEN", KEY(arrivals), {NULL}},
	[Q_LEASES] = {"ZCARD", KEY(leases), {NULL}},
	[Q_DELAYED] = {"ZCARD", KEY(delayed), {NULL}},
	[Q_DEAD] = {"ZCARD", KEY(dead), {NULL}},
	[Q_CLAIMED] = {"HGET", KEY(clock), {"last"}},
	[Q_FIRST_DUE] = {"ZRANGE", KEY(delayed), {"0", "0", "WITHSCORES"}},
	[Q_FIRST_DEAD] = {"ZRANGE", KEY(dead), {"0", "0", "WITHSCORES"}},
	[Q_NEXT_MOVED] = {"LINDEX", KEY(arrivals), {"-1"}},
	[Q_NEXT] = {"LINDEX", KEY(list), {"-1"}},
	[Q_STATS] = {"HGETALL", KEY(stats), {NULL}},
	[Q_LAG] = {NULL, 0, {NULL}}, /* a script (lag.h) */
};

static void ask_queue(const struct survey_queue *q, size_t i, struct command *c)
{
	if (i == Q_LAG) {
		lag_ask(c, q->keys);
		return;
	}
	command_str(c, queue_questions[i].command);
	command_str(c, *(char *const *)((const char *)q->keys + queue_questions[i].key));
	for (size_t a = 0; a < 3 && queue_questions[i].arguments[a] != NULL; a++)
		command_str(c, queue_questions[i].arguments[a]);
}

/* The score of the only element; 0 when there is none. */
static int64_t score(const redisReply *r)
{
	return value_int_at(r, 1);
}

/* Where the status of the mail with this payload is; NULL: nobody knows. */
static char *status_of(const struct survey *s, const redisReply *payload)
{
	char *key = NULL, *name = NULL;

	if (payload->type == REDIS_REPLY_STRING)
		key = job_key_of_invalid(payload->str, payload->len);
	if (key != NULL)
		name = keys_status(s->options->key_prefix, key);
	mem_free(key);
	return name;
}

static void take_queue_stats(struct survey_queue *q, const redisReply *r)
{
	size_t cell;

	for (size_t f = 0; r->type == REDIS_REPLY_ARRAY && f + 1 < r->elements; f += 2) {
		const char *field = value_text_at(r, f);

		if (field != NULL && stats_find(false, field, &cell))
			q->counts[cell] = value_int_at(r, f + 1);
	}
}

static void take_queue(const struct survey *s, struct survey_queue *q, enum queue_question i,
                       const redisReply *r)
{
	switch (i) {
	case Q_LIST:
	case Q_ARRIVALS:
		q->depth += value_int(r);
		break;
	case Q_LEASES:
		q->in_flight = value_int(r);
		break;
	case Q_DELAYED:
		q->delayed = value_int(r);
		break;
	case Q_DEAD:
		q->dead = value_int(r);
		break;
	case Q_CLAIMED:
		q->claimed_at = value_int(r);
		break;
	case Q_FIRST_DUE:
		q->due_at = score(r);
		break;
	case Q_FIRST_DEAD:
		q->dead_at = score(r);
		break;
	case Q_NEXT_MOVED:
	case Q_NEXT:
		q->next[i - Q_NEXT_MOVED] = status_of(s, r);
		break;
	case Q_STATS:
		take_queue_stats(q, r);
		break;
	case Q_LAG:
		lag_take(&q->lag, r);
		break;
	case Q_N:
		break;
	}
}

/* A point in the past, as an age. */
static int64_t age(int64_t now, int64_t at)
{
	if (at <= 0)
		return -1;
	return at < now ? now - at : 0;
}

/* A point to come, as a wait. */
static int64_t wait_until(int64_t now, int64_t at)
{
	return at > now ? at - now : 0;
}

/* When the mail that is taken next was accepted. A status that has an owner is that of an earlier push.
 * What doorbells moved goes first. */
static void take_accepted(const struct survey *s, struct survey_queue *q, const redisReply *r)
{
	if (q->oldest_ms < 0 && value_text_at(r, 0) == NULL && value_text_at(r, 1) != NULL)
		q->oldest_ms = age(s->now, value_int_at(r, 1));
}

/* --- providers ------------------------------------------------------------------------------------------- */

static struct survey_provider *add_provider(struct survey *s, const char *name, size_t n)
{
	struct survey_provider *p;

	for (size_t i = 0; i < s->n_providers; i++)
		if (strlen(s->providers[i].name) == n && memcmp(s->providers[i].name, name, n) == 0)
			return &s->providers[i];
	if (s->n_providers == SURVEY_MAX_PROVIDERS)
		return NULL;
	p = &s->providers[s->n_providers++];
	p->name = mem_strndup(name, n);
	p->probe_ms = p->pause_ms = p->weight = -1;
	return p;
}

static void add_providers(struct survey *s, const char *list)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ", ");

		if (n > 0)
			(void)add_provider(s, list, n);
		list += n + (list[n] != '\0');
	}
}

static void drop_provider(struct survey *s, size_t i)
{
	mem_free(s->providers[i].name);
	mem_free(s->providers[i].state);
	mem_free(s->providers[i].reason);
	s->n_providers--;
	memmove(&s->providers[i], &s->providers[i + 1],
	        (s->n_providers - i) * sizeof(*s->providers));
	memset(&s->providers[s->n_providers], 0, sizeof(*s->providers));
}

static void ask_provider(const struct survey *s, const struct survey_provider *p, struct command *c)
{
	static const char *const fields[] = {"state",           "failures", "opened_at", "open_for",
	                                     "throttled_until", "reason",   "opened",    "tat"};
	char *key = keys_provider(s->options->key_prefix, p->name);

	command_str(c, "HMGET");
	command_str(c, key);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		command_str(c, fields[i]);
	mem_free(key);
}

static void take_provider(const struct survey *s, struct survey_provider *p, const redisReply *r)
{
	const char *state = value_text_at(r, 0), *reason = value_text_at(r, 5);
	int64_t throttled_until = value_int_at(r, 4);
	/* permit.lua keeps it only where it is not what the worker has configured */
	int64_t open_for = value_text_at(r, 3) != NULL ? value_int_at(r, 3)
	                                               : s->options->breaker_timeout;

	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		p->known = p->known || r->element[i]->type == REDIS_REPLY_STRING;
	p->state = state != NULL ? mem_strdup(state) : NULL;
	p->reason = reason != NULL && *reason != '\0' ? mem_strdup(reason) : NULL;
	p->failures = value_int_at(r, 1);
	p->opened = value_int_at(r, 6);
	p->tat = value_int_at(r, 7);
	if (state != NULL && strcmp(state, "open") == 0)
		p->probe_ms = wait_until(s->now, value_int_at(r, 2) + open_for);
	if (throttled_until > s->now)
		p->pause_ms = throttled_until - s->now;
}

bool survey_provider_closed(const struct survey_provider *p)
{
	return strcmp(p->state, "closed") == 0;
}

int64_t survey_provider_tokens(const struct survey *s, const struct survey_provider *p)
{
	int64_t now = s->now * 1000, depth = p->interval_us * p->burst;
	int64_t from = p->tat > now ? p->tat : now;

	/* permit.lua: from is when it will be full again. */
	if (p->interval_us <= 0 || now + depth <= from)
		return 0;
	return (now + depth - from) / p->interval_us;
}

/* "primary:attempts:sent", "primary:burst" */
static void take_provider_stat(struct survey *s, const char *field, int64_t value)
{
	size_t n = strcspn(field, ":"), cell;
	struct survey_provider *p = field[n] == ':' ? add_provider(s, field, n) : NULL;

	if (p == NULL)
		return;
	p->known = true;
	field += n + 1;
	if (strcmp(field, "interval") == 0)
		p->interval_us = value;
	else if (strcmp(field, "burst") == 0)
		p->burst = value;
	else if (stats_find(true, field, &cell))
		p->counts[cell] = value;
}

/* --- switches -------------------------------------------------------------------------------------------- */

static void take_switch(struct survey *s, const char *name, const char *value)
{
	struct survey_provider *p;

	if (name == NULL || value == NULL)
		return;
	if (strncmp(name, WEIGHT_PROVIDER, strlen(WEIGHT_PROVIDER)) == 0) {
		name += strlen(WEIGHT_PROVIDER);
		p = add_provider(s, name, strlen(name));
		if (p != NULL && !number_int(value, &p->weight))
			p->weight = -1;
		return;
	}
	if (*value == '\0' || strcmp(value, "0") == 0)
		return;
	if (strncmp(name, PAUSE_PROVIDER, strlen(PAUSE_PROVIDER)) == 0) {
		name += strlen(PAUSE_PROVIDER);
		p = add_provider(s, name, strlen(name));
		if (p != NULL)
			p->paused = true;
	}
	if (strncmp(name, PAUSE_QUEUE, strlen(PAUSE_QUEUE)) != 0)
		return;
	for (size_t i = 0; i < s->n_queues; i++)
		/* survey_init has set it. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		if (strcmp(s->queues[i].keys->list, name + strlen(PAUSE_QUEUE)) == 0)
			s->queues[i].paused = true;
}

/* --- the rounds ------------------------------------------------------------------------------------------ */

void survey_init(struct survey *s, const struct options *o, const struct queue_set *queues)
{
	memset(s, 0, sizeof(*s));
	s->options = o;
	s->queues = mem_array(queues->n > 0 ? queues->n : 1, sizeof(*s->queues));
	for (size_t i = 0; i < queues->n; i++)
		s->queues[s->n_queues++] = (struct survey_queue){.keys = &queues->keys[i],
		                                                 .oldest_ms = -1};
	s->providers = mem_array(SURVEY_MAX_PROVIDERS, sizeof(*s->providers));
	add_providers(s, o->providers[0] != '\0' ? o->providers : USUAL_PROVIDERS);
}

void survey_free(struct survey *s)
{
	for (size_t i = 0; i < s->n_queues; i++) {
		mem_free(s->queues[i].error);
		mem_free(s->queues[i].next[0]);
		mem_free(s->queues[i].next[1]);
	}
	while (s->n_providers > 0)
		drop_provider(s, s->n_providers - 1);
	mem_free(s->queues);
	mem_free(s->providers);
	memset(s, 0, sizeof(*s));
}

void survey_count(struct survey *s)
{
	s->counts = true;
}

void survey_age(struct survey *s)
{
	s->ages = true;
}

void survey_lag(struct survey *s)
{
	s->lags = true;
}

size_t survey_questions(const struct survey *s, int round)
{
	if (round == 0)
		return FLEET_N + Q_N * s->n_queues;
	return SECOND_FLEET + SECOND_QUEUE * s->n_queues + s->n_providers;
}

static struct survey_queue *queue_of(const struct survey *s, int round, size_t i)
{
	size_t first = round == 0 ? FLEET_N : SECOND_FLEET, each = round == 0 ? Q_N : SECOND_QUEUE;

	if (i < first || (i - first) / each >= s->n_queues)
		return NULL;
	return &s->queues[(i - first) / each];
}

static struct survey_provider *provider_of(const struct survey *s, size_t i)
{
	return &s->providers[i - SECOND_FLEET - SECOND_QUEUE * s->n_queues];
}

static void ask_workers(const struct survey *s, struct command *c)
{
	char *key = keys_workers(s->options->key_prefix);

	command_str(c, "ZCOUNT");
	command_str(c, key);
	command_int(c, s->now - SURVEY_WORKER_GONE_MS);
	command_str(c, "+inf");
	mem_free(key);
}

static void ask_stats(const struct survey *s, struct command *c)
{
	char *key = keys_stats(s->options->key_prefix);

	command_str(c, "HGETALL");
	command_str(c, key);
	mem_free(key);
}

static void ask_control(const struct survey *s, struct command *c)
{
	char *key = keys_control(s->options->key_prefix);

	command_str(c, "HGETALL");
	command_str(c, key);
	mem_free(key);
}

/* Without the stats there is still the rest. */
static bool is_stats(int round, const struct survey_queue *q, size_t i)
{
	return round == 0 && (q != NULL ? (i - FLEET_N) % Q_N == Q_STATS : i == FLEET_STATS);
}

static bool is_lag(int round, const struct survey_queue *q, size_t i)
{
	return round == 0 && q != NULL && (i - FLEET_N) % Q_N == Q_LAG;
}

static bool is_next(int round, const struct survey_queue *q, size_t i)
{
	size_t question = (i - FLEET_N) % Q_N;

	return round == 0 && q != NULL && (question == Q_NEXT_MOVED || question == Q_NEXT);
}

bool survey_ask(const struct survey *s, int round, size_t i, struct command *c)
{
	const struct survey_queue *q = queue_of(s, round, i);

	command_clear(c);
	if (is_stats(round, q, i) && !s->counts)
		return false;
	if (is_next(round, q, i) && !s->ages)
		return false;
	if (is_lag(round, q, i) && !s->lags)
		return false;
	if (round == 0 && q != NULL) {
		ask_queue(q, (i - FLEET_N) % Q_N, c);
	} else if (round == 0 && i == FLEET_TIME) {
		command_str(c, "TIME");
	} else if (round == 0 && i == FLEET_STATS) {
		ask_stats(s, c);
	} else if (round == 0) {
		ask_control(s, c);
	} else if (i < SECOND_FLEET) {
		ask_workers(s, c);
	} else if (q == NULL) {
		ask_provider(s, provider_of(s, i), c);
	} else {
		const char *name = q->next[(i - SECOND_FLEET) % SECOND_QUEUE];

		if (name == NULL || q->error != NULL)
			return false;
		command_str(c, "HMGET");
		command_str(c, name);
		command_str(c, "owner");
		command_str(c, "created_at");
	}
	return true;
}

void survey_take(struct survey *s, int round, size_t i, const redisReply *r)
{
	struct survey_queue *q = queue_of(s, round, i);

	if (round == 0 && q != NULL) {
		take_queue(s, q, (i - FLEET_N) % Q_N, r);
	} else if (round == 0 && i == FLEET_TIME) {
		s->now = value_int_at(r, 0) * 1000 + value_int_at(r, 1) / 1000;
	} else if (round == 0 && i == FLEET_STATS) {
		for (size_t f = 0; r->type == REDIS_REPLY_ARRAY && f + 1 < r->elements; f += 2)
			if (value_text_at(r, f) != NULL)
				take_provider_stat(s, value_text_at(r, f), value_int_at(r, f + 1));
	} else if (round == 0) {
		for (size_t f = 0; r->type == REDIS_REPLY_ARRAY && f + 1 < r->elements; f += 2)
			take_switch(s, value_text_at(r, f), value_text_at(r, f + 1));
	} else if (i < SECOND_FLEET) {
		s->n_workers = (size_t)value_int(r);
	} else if (q == NULL) {
		take_provider(s, provider_of(s, i), r);
	} else {
		take_accepted(s, q, r);
	}
}

/* A key of the wrong type spoils its own queue only. */
bool survey_fail(struct survey *s, int round, size_t i, const char *error)
{
	struct survey_queue *q = queue_of(s, round, i);

	if (is_stats(round, q, i) || is_lag(round, q, i))
		return true;
	if (q == NULL || strstr(error, "WRONGTYPE") == NULL)
		return false;
	if (q->error == NULL)
		q->error = mem_strdup(error);
	return true;
}

void survey_end(struct survey *s)
{
	bool guessed = s->options->providers[0] == '\0';

	for (size_t i = 0; i < s->n_queues; i++) {
		struct survey_queue *q = &s->queues[i];

		q->oldest_dead_ms = age(s->now, q->dead_at);
		q->last_claim_ms = age(s->now, q->claimed_at);
		q->next_due_ms = q->due_at > 0 ? wait_until(s->now, q->due_at) : -1;
	}
	for (size_t i = 0; i < s->n_providers;) {
		struct survey_provider *p = &s->providers[i];

		if (guessed && !p->known && !p->paused && p->weight < 0) {
			drop_provider(s, i);
			continue;
		}
		if (p->state == NULL)
			p->state = mem_strdup("closed");
		i++;
	}
}

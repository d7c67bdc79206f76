#include "cli/fleet_view.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "cli/human.h"
#include "cli/jsonout.h"
#include "cli/query.h"
#include "cli/table.h"
#include "mail/job.h"
#include "redis/keys.h"

#define PAUSE_QUEUE "pause:queue:"
#define PAUSE_PROVIDER "pause:provider:"
#define WEIGHT_PROVIDER "weight:provider:"
#define ALWAYS_LOOKED_FOR "primary,secondary" /* what `up` calls its mocks */

/* --- queues ------------------------------------------------------------------------------------------ */

/* The first or last score of a zset; -1 when it is empty. */
static bool edge_score(struct sync *s, const char *key, int64_t *at, struct error *err)
{
	redisReply *r = query(s, err, "ZRANGE", key, "0", "0", "WITHSCORES", NULL);

	if (r == NULL)
		return false;
	*at = -1;
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 2)
		*at = query_reply_int(r->element[1]);
	freeReplyObject(r);
	return true;
}

/* When the mail with this payload was accepted; -1: nobody knows. A status that has an owner is that
 * of an earlier push. */
static bool accepted_at(struct sync *s, const char *prefix, const redisReply *payload, int64_t *at,
                        struct error *err)
{
	char *key = NULL, *name;
	redisReply *r;

	*at = -1;
	if (payload->type == REDIS_REPLY_STRING)
		key = job_key_of_invalid(payload->str, payload->len);
	if (key == NULL)
		return true;
	name = keys_status(prefix, key);
	r = query(s, err, "HMGET", name, "owner", "created_at", NULL);
	mem_free(name);
	mem_free(key);
	if (r == NULL)
		return false;
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	    r->element[0]->type == REDIS_REPLY_NIL && r->element[1]->type == REDIS_REPLY_STRING)
		*at = query_reply_int(r->element[1]);
	freeReplyObject(r);
	return true;
}

/* Workers take from the tail, what doorbells moved first. */
static bool load_oldest(struct sync *s, const char *prefix, const struct queue_keys *k, int64_t *at,
                        struct error *err)
{
	const char *const lists[] = {k->arrivals, k->list};

	*at = -1;
	for (size_t i = 0; i < 2 && *at < 0; i++) {
		redisReply *tail = query(s, err, "LINDEX", lists[i], "-1", NULL);
		bool ok = tail != NULL && accepted_at(s, prefix, tail, at, err);

		freeReplyObject(tail);
		if (!ok)
			return false;
	}
	return true;
}

/* A point in the past, as an age. */
static int64_t age(int64_t now, int64_t at)
{
	if (at <= 0)
		return -1;
	return at < now ? now - at : 0;
}

static bool load_queue(struct fleet_view_queue *q, struct sync *s, const char *prefix,
                       const struct queue_keys *k, int64_t now, struct error *err)
{
	int64_t arrivals, oldest, due, dead, claimed;

	if (!query_int(s, err, &q->depth, "LLEN", k->list, NULL) ||
	    !query_int(s, err, &arrivals, "LLEN", k->arrivals, NULL) ||
	    !query_int(s, err, &q->in_flight, "ZCARD", k->leases, NULL) ||
	    !query_int(s, err, &q->delayed, "ZCARD", k->delayed, NULL) ||
	    !query_int(s, err, &q->dead, "ZCARD", k->dead, NULL) ||
	    !query_int(s, err, &claimed, "HGET", k->clock, "last", NULL) ||
	    !edge_score(s, k->delayed, &due, err) || !edge_score(s, k->dead, &dead, err) ||
	    !load_oldest(s, prefix, k, &oldest, err))
		return false;
	q->depth += arrivals;
	q->oldest_ms = age(now, oldest);
	q->oldest_dead_ms = age(now, dead);
	q->last_claim_ms = age(now, claimed);
	q->next_due_ms = -1;
	if (due >= 0)
		q->next_due_ms = due > now ? due - now : 0;
	return true;
}

/* A key of the wrong type spoils its own queue only. */
static bool load_queues(struct fleet_view *v, struct sync *s, const struct options *o,
                        const struct queue_set *queues, struct error *err)
{
	v->queues = mem_array(queues->n > 0 ? queues->n : 1, sizeof(*v->queues));
	for (size_t i = 0; i < queues->n; i++) {
		struct fleet_view_queue *q = &v->queues[v->n_queues++];

		q->name = mem_strdup(queues->keys[i].list);
		if (load_queue(q, s, o->key_prefix, &queues->keys[i], v->now, err))
			continue;
		if (strstr(err->text, "WRONGTYPE") == NULL)
			return false;
		q->error = mem_strdup(err->text);
	}
	return true;
}

/* --- providers --------------------------------------------------------------------------------------- */

static struct fleet_view_provider *find_provider(const struct fleet_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_providers; i++)
		if (strcmp(v->providers[i].name, name) == 0)
			return &v->providers[i];
	return NULL;
}

static struct fleet_view_provider *add_provider(struct fleet_view *v, const char *name)
{
	struct fleet_view_provider *p = find_provider(v, name);

	if (p != NULL || v->n_providers == FLEET_VIEW_MAX_PROVIDERS)
		return p;
	p = &v->providers[v->n_providers++];
	p->name = mem_strdup(name);
	p->weight = -1;
	return p;
}

static void add_providers(struct fleet_view *v, const char *list)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ", ");
		char *name = mem_strndup(list, n);

		if (n > 0)
			(void)add_provider(v, name);
		mem_free(name);
		list += n + (list[n] != '\0');
	}
}

/* *known: whether Redis has anything on it. */
static bool load_provider(struct fleet_view_provider *p, struct sync *s, const char *prefix,
                          int64_t now, bool *known, struct error *err)
{
	char *key = keys_provider(prefix, p->name);
	redisReply *r = query(s, err, "HMGET", key, "state", "failures", "opened_at", "open_for",
	                      "throttled_until", "reason", "opened", "tat", NULL);
	int64_t probe_at, pause_until;
	const char *state, *reason;

	mem_free(key);
	if (r == NULL)
		return false;
	*known = false;
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		*known = *known || r->element[i]->type == REDIS_REPLY_STRING;
	state = *known ? query_reply_text(r->element[0]) : NULL;
	p->state = mem_strdup(state != NULL ? state : "closed");
	p->probe_ms = p->pause_ms = -1;
	if (*known) {
		reason = query_reply_text(r->element[5]);
		p->reason = reason != NULL && *reason != '\0' ? mem_strdup(reason) : NULL;
		p->failures = query_reply_int(r->element[1]);
		p->opened = query_reply_int(r->element[6]);
		probe_at = query_reply_int(r->element[2]) + query_reply_int(r->element[3]);
		pause_until = query_reply_int(r->element[4]);
		if (strcmp(p->state, "open") == 0)
			p->probe_ms = probe_at > now ? probe_at - now : 0;
		if (pause_until > now)
			p->pause_ms = pause_until - now;
	}
	freeReplyObject(r);
	return true;
}

static void drop_provider(struct fleet_view *v, size_t i)
{
	mem_free(v->providers[i].name);
	mem_free(v->providers[i].state);
	mem_free(v->providers[i].reason);
	v->n_providers--;
	memmove(&v->providers[i], &v->providers[i + 1],
	        (v->n_providers - i) * sizeof(*v->providers));
}

/* Without PROVIDERS (a fleet that `up` started, looked at from another shell) those that Redis knows
 * under the usual names. */
static bool load_providers(struct fleet_view *v, struct sync *s, const struct options *o,
                           struct error *err)
{
	bool guessed = o->providers[0] == '\0', known;

	add_providers(v, guessed ? ALWAYS_LOOKED_FOR : o->providers);
	for (size_t i = 0; i < v->n_providers;) {
		if (!load_provider(&v->providers[i], s, o->key_prefix, v->now, &known, err))
			return false;
		if (guessed && !known && !v->providers[i].paused && v->providers[i].weight < 0)
			drop_provider(v, i);
		else
			i++;
	}
	return true;
}

/* --- switches and workers ------------------------------------------------------------------------------ */

static void read_switch(struct fleet_view *v, const char *name, const char *value)
{
	struct fleet_view_provider *p;

	if (strncmp(name, WEIGHT_PROVIDER, strlen(WEIGHT_PROVIDER)) == 0) {
		p = add_provider(v, name + strlen(WEIGHT_PROVIDER));
		if (p != NULL && !number_int(value, &p->weight))
			p->weight = -1;
		return;
	}
	if (*value == '\0' || strcmp(value, "0") == 0)
		return;
	if (strncmp(name, PAUSE_PROVIDER, strlen(PAUSE_PROVIDER)) == 0) {
		p = add_provider(v, name + strlen(PAUSE_PROVIDER));
		if (p != NULL)
			p->paused = true;
	}
	if (strncmp(name, PAUSE_QUEUE, strlen(PAUSE_QUEUE)) != 0)
		return;
	for (size_t i = 0; i < v->n_queues; i++)
		if (strcmp(v->queues[i].name, name + strlen(PAUSE_QUEUE)) == 0)
			v->queues[i].paused = true;
}

static bool load_switches(struct fleet_view *v, struct sync *s, const char *prefix,
                          struct error *err)
{
	char *key = keys_control(prefix);
	redisReply *r = query(s, err, "HGETALL", key, NULL);

	mem_free(key);
	if (r == NULL)
		return false;
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
		const char *name = query_reply_text(r->element[i]);
		const char *value = query_reply_text(r->element[i + 1]);

		if (name != NULL && value != NULL)
			read_switch(v, name, value);
	}
	freeReplyObject(r);
	return true;
}

static bool load_workers(struct fleet_view *v, struct sync *s, const char *prefix,
                         struct error *err)
{
	char *key = keys_workers(prefix), since[HUMAN_SIZE];
	int64_t n;
	bool ok;

	snprintf(since, sizeof(since), "%" PRId64, v->now - FLEET_VIEW_WORKER_GONE_MS);
	ok = query_int(s, err, &n, "ZCOUNT", key, since, "+inf", NULL);
	mem_free(key);
	v->n_workers = ok ? (size_t)n : 0;
	return ok;
}

bool fleet_view_load(struct fleet_view *v, struct sync *s, const struct options *o,
                     const struct queue_set *queues, struct error *err)
{
	memset(v, 0, sizeof(*v));
	v->providers = mem_array(FLEET_VIEW_MAX_PROVIDERS, sizeof(*v->providers));
	if (query_now(s, err, &v->now) && load_queues(v, s, o, queues, err) &&
	    load_switches(v, s, o->key_prefix, err) && load_providers(v, s, o, err) &&
	    load_workers(v, s, o->key_prefix, err))
		return true;
	fleet_view_free(v);
	return false;
}

void fleet_view_free(struct fleet_view *v)
{
	for (size_t i = 0; i < v->n_queues; i++) {
		mem_free(v->queues[i].name);
		mem_free(v->queues[i].error);
	}
	while (v->n_providers > 0)
		drop_provider(v, v->n_providers - 1);
	mem_free(v->queues);
	mem_free(v->providers);
	memset(v, 0, sizeof(*v));
}

/* --- for programs -------------------------------------------------------------------------------------- */

static cJSON *queue_json(const struct fleet_view_queue *q)
{
	cJSON *o = jsonout_object();

	jsonout_text(o, "name", q->name);
	jsonout_bool(o, "paused", q->paused);
	if (q->error != NULL) {
		jsonout_text(o, "error", q->error);
		return o;
	}
	jsonout_int(o, "depth", q->depth);
	jsonout_int(o, "inFlight", q->in_flight);
	jsonout_int(o, "delayed", q->delayed);
	jsonout_int(o, "dead", q->dead);
	jsonout_int_or_null(o, "oldestMs", q->oldest_ms);
	jsonout_int_or_null(o, "nextDueMs", q->next_due_ms);
	jsonout_int_or_null(o, "oldestDeadMs", q->oldest_dead_ms);
	jsonout_int_or_null(o, "lastClaimMs", q->last_claim_ms);
	return o;
}

static cJSON *provider_json(const struct fleet_view_provider *p)
{
	cJSON *o = jsonout_object();

	jsonout_text(o, "name", p->name);
	jsonout_text(o, "breaker", p->state);
	jsonout_int(o, "failures", p->failures);
	jsonout_int(o, "opened", p->opened);
	jsonout_text(o, "reason", p->reason);
	jsonout_int_or_null(o, "probeInMs", p->probe_ms);
	jsonout_int_or_null(o, "throttledMs", p->pause_ms);
	jsonout_bool(o, "paused", p->paused);
	jsonout_int_or_null(o, "weight", p->weight);
	return o;
}

cJSON *fleet_view_json(const struct fleet_view *v)
{
	cJSON *o = jsonout_object(), *queues = jsonout_array(), *providers = jsonout_array();

	for (size_t i = 0; i < v->n_queues; i++)
		jsonout_append(queues, queue_json(&v->queues[i]));
	for (size_t i = 0; i < v->n_providers; i++)
		jsonout_append(providers, provider_json(&v->providers[i]));
	jsonout_add(o, "queues", queues);
	jsonout_add(o, "providers", providers);
	jsonout_int(o, "workers", (int64_t)v->n_workers);
	jsonout_time(o, "at", v->now);
	return o;
}

/* --- for people ------------------------------------------------------------------------------------------ */

static void add_age(struct table *t, int64_t ms)
{
	char text[HUMAN_SIZE];

	table_add(t, PAINT_NONE, ms >= 0 ? human_duration(text, ms) : NULL);
}

static void add_count(struct table *t, int64_t n, enum paint paint)
{
	table_addf(t, n > 0 ? paint : PAINT_DIM, "%" PRId64, n);
}

static void write_queues(const struct fleet_view *v, const struct term *term, struct buf *out)
{
	static const struct table_column columns[] = {
		{"QUEUE", false, true, 0},     {"WAITING", true, false, 0},
		{"IN FLIGHT", true, false, 0}, {"DELAYED", true, false, 0},
		{"DEAD", true, false, 0},      {"OLDEST", true, false, 0},
		{"NEXT DUE", true, false, 0},  {"LAST CLAIM", true, false, 0},
		{"STATE", false, false, 0},
	};
	struct table t;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < v->n_queues; i++) {
		const struct fleet_view_queue *q = &v->queues[i];

		table_add(&t, PAINT_BOLD, q->name);
		add_count(&t, q->depth, PAINT_NONE);
		add_count(&t, q->in_flight, PAINT_CYAN);
		add_count(&t, q->delayed, PAINT_YELLOW);
		add_count(&t, q->dead, PAINT_RED);
		add_age(&t, q->error == NULL ? q->oldest_ms : -1);
		add_age(&t, q->error == NULL ? q->next_due_ms : -1);
		add_age(&t, q->error == NULL ? q->last_claim_ms : -1);
		if (q->error != NULL)
			table_add(&t, PAINT_RED, q->error);
		else
			table_add(&t, q->paused ? PAINT_YELLOW : PAINT_GREEN,
			          q->paused ? "paused" : "open");
	}
	table_write(&t, term, out);
	table_free(&t);
}

static void add_provider_state(struct table *t, const struct fleet_view_provider *p)
{
	char ms[HUMAN_SIZE];

	if (p->paused)
		table_add(t, PAINT_YELLOW, "paused");
	else if (p->pause_ms >= 0)
		table_addf(t, PAINT_YELLOW, "throttled for %s", human_duration(ms, p->pause_ms));
	else if (p->probe_ms > 0)
		table_addf(t, PAINT_RED, "probe in %s", human_duration(ms, p->probe_ms));
	else if (p->probe_ms == 0)
		table_add(t, PAINT_YELLOW, "probe due");
	else
		table_add(t, PAINT_GREEN, "open");
}

static void write_providers(const struct fleet_view *v, const struct term *term, struct buf *out)
{
	static const struct table_column columns[] = {
		{"PROVIDER", false, true, 0},
		{"BREAKER", false, false, 0},
		{"FAILURES IN A ROW", true, false, 0},
		{"STATE", false, false, 0},
		{"WEIGHT", true, false, 0},
		{"LAST OPENED BY", false, true, 0},
	};
	struct table t;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < v->n_providers; i++) {
		const struct fleet_view_provider *p = &v->providers[i];
		bool closed = strcmp(p->state, "closed") == 0;

		table_add(&t, PAINT_BOLD, p->name);
		table_add(&t, closed ? PAINT_GREEN : PAINT_RED, p->state);
		add_count(&t, p->failures, PAINT_YELLOW);
		add_provider_state(&t, p);
		if (p->weight >= 0)
			table_addf(&t, PAINT_NONE, "%" PRId64, p->weight);
		else
			table_add(&t, PAINT_NONE, NULL);
		table_add(&t, PAINT_DIM, p->reason);
	}
	table_write(&t, term, out);
	table_free(&t);
}

void fleet_view_write(const struct fleet_view *v, const struct term *term, struct buf *out)
{
	write_queues(v, term, out);
	if (v->n_providers > 0) {
		buf_add_char(out, '\n');
		write_providers(v, term, out);
	}
	buf_add_str(out, "\n");
	if (v->n_workers > 0)
		buf_addf(out, "%zu worker%s alive\n", v->n_workers, v->n_workers == 1 ? "" : "s");
	else
		term_paint(term, out, PAINT_YELLOW, "no worker alive\n");
}

#include "fleet/heartbeat.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "fleet/roster.h"
#include "fleet/worker.h"
#include "redis/keys.h"

void heartbeat_init(struct heartbeat *h, struct worker *w)
{
	*h = (struct heartbeat){.worker = w};
	h->workers_key = keys_workers(w->options->key_prefix);
	h->control_key = keys_control(w->options->key_prefix);
	h->queues_key = keys_queues(w->options->key_prefix);
	command_init(&h->command);
}

void heartbeat_free(struct heartbeat *h)
{
	mem_free(h->workers_key);
	mem_free(h->control_key);
	mem_free(h->queues_key);
	command_free(&h->command);
}

/* Nothing hangs on these: the next beat comes in a second. */
static void heartbeat_on_ignored(void *data, enum link_result result, const redisReply *reply)
{
	struct heartbeat *h = data;

	if (result == LINK_ERROR || result == LINK_CONFIG)
		log_warn("heartbeat_failed", LOG_STR("key", h->workers_key),
		         LOG_STR("error", reply ? reply->str : NULL));
}

/* Redis must not evict: a job or a status that is thrown away is a mail lost or sent twice. */
static void heartbeat_on_memory(void *data, enum link_result result, const redisReply *reply)
{
	struct heartbeat *h = data;
	struct worker *w = h->worker;
	const char *policy, *line = "maxmemory_policy:";
	char name[64];

	if (result != LINK_OK || !reply->str)
		return; /* not allowed to ask */
	policy = strstr(reply->str, line);
	if (!policy)
		return;
	policy += strlen(line);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(policy, "\r\n"), policy);
	if (strcmp(name, "noeviction") == 0)
		return;
	log_error("redis_evicts", LOG_STR("policy", name),
	          LOG_STR("error",
	                  "set maxmemory-policy to noeviction: this Redis may throw mails away"));
	if (w->options->strict) {
		w->failed = true;
		error_set(
			w->err,
			"Redis has maxmemory-policy %s and may throw mails away: set it to noeviction, or STRICT=0",
			name);
		ev_break(w->loop, EVBREAK_ALL);
	}
}

/* The value of "<what>:<name>", as in pause:queue:mail:queue; "" none. */
static const char *control_value(const redisReply *hash, const char *what, const char *name)
{
	char field[KEYS_MAX_QUEUE + 32];

	snprintf(field, sizeof(field), "%s:%s", what, name);
	for (size_t i = 0; i + 1 < hash->elements; i += 2) {
		const redisReply *k = hash->element[i], *v = hash->element[i + 1];
		if (k->str && v->str && strcmp(k->str, field) == 0)
			return v->str;
	}
	return "";
}

static bool control_has(const redisReply *hash, const char *what, const char *name)
{
	const char *value = control_value(hash, what, name);

	return value[0] != '\0' && strcmp(value, "0") != 0;
}

/* What is no weight counts as not set. */
static void weight_set(struct worker *w, struct gate *g, const char *value)
{
	int64_t weight;

	if (!number_int(value, &weight) || weight < 0 || weight > PROVIDER_MAX_WEIGHT)
		weight = g->provider->weight;
	if (weight == g->weight)
		return;
	log_info("weight_changed", LOG_STR("provider", g->provider->name),
	         LOG_INT("from", g->weight), LOG_INT("to", weight));
	g->weight = (long)weight;
	w->gates.rerouting = w->gates.reweighed = true;
}

/* Has somebody closed its breaker since we last looked? */
static bool reset_seen(struct gate *g, const redisReply *hash)
{
	int64_t at = g->reset_at;

	if (!number_int(control_value(hash, KEYS_RESET_PROVIDER, g->provider->name), &g->reset_at))
		g->reset_at = 0;
	return g->reset_at != at && g->reset_at != 0;
}

static void pause_set(const struct heartbeat *h, bool *paused, bool now, const char *what,
                      const char *name)
{
	bool before = *paused;

	*paused = now;
	if (before == now || (!h->known && !now))
		return;
	log_info(now ? "paused" : "resumed", LOG_STR(what, name));
}

static void heartbeat_on_control(void *data, enum link_result result, const redisReply *reply)
{
	struct heartbeat *h = data;
	struct worker *w = h->worker;

	h->asking = false;
	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
		if (result == LINK_ERROR || result == LINK_CONFIG)
			log_warn("control_unreadable", LOG_STR("key", h->control_key),
			         LOG_STR("error", reply ? reply->str : NULL));
		return;
	}
	for (size_t i = 0; i < w->n_queues; i++)
		pause_set(h, &w->queues[i]->paused,
		          control_has(reply, KEYS_PAUSE_QUEUE, w->queues[i]->keys.list), "queue",
		          w->queues[i]->keys.list);
	for (size_t i = 0; i < w->gates.n; i++) {
		struct gate *g = w->gates.list[i];
		bool before = g->paused;
		const char *name = g->provider->name;
		pause_set(h, &g->paused, control_has(reply, KEYS_PAUSE_PROVIDER, name), "provider",
		          name);
		weight_set(w, g, control_value(reply, KEYS_WEIGHT_PROVIDER, name));
		w->gates.rerouting = w->gates.rerouting || before != g->paused;
		if (reset_seen(g, reply) && h->known)
			gate_reset(g);
	}
	h->known = true;
}

static void heartbeat_send(struct heartbeat *h, struct topology *redis, link_fn *fn)
{
	if (!topology_send(redis, &h->command, 0, fn, h))
		log_debug("heartbeat_skipped", LOG_STR("key", h->workers_key));
}

static void heartbeat_say(struct heartbeat *h, struct topology *redis, int64_t now)
{
	const struct worker *w = h->worker;
	struct roster_note note = {.concurrency = w->options->concurrency,
	                           .in_flight = (int64_t)worker_tasks(w)};

	if (h->began_at == 0)
		h->began_at = now;
	note.started_at = h->began_at;
	snprintf(note.version, sizeof(note.version), "%s", POSTRIDER_VERSION);
	roster_say(&h->command, w->options->key_prefix, w->name, &note, HEARTBEAT_GONE_MS);
	heartbeat_send(h, redis, heartbeat_on_ignored);
}

static void heartbeat_tell_queues(struct heartbeat *h, struct topology *redis, int64_t now)
{
	struct worker *w = h->worker;
	struct command *c = &h->command;

	command_clear(c);
	command_str(c, "ZADD");
	command_str(c, h->queues_key);
	for (size_t i = 0; i < w->n_queues; i++) {
		if (w->queues[i] == w->webhooks.queue)
			continue; /* it has no events */
		command_int(c, now);
		command_str(c, w->queues[i]->keys.list);
	}
	heartbeat_send(h, redis, heartbeat_on_ignored);
}

void heartbeat_beat(struct heartbeat *h, struct topology *redis)
{
	struct command *c = &h->command;
	int64_t now = redis_clock_now(&h->worker->clock);

	if (!topology_up(redis))
		return;
	if (h->checked != topology_lives(redis)) {
		h->checked = topology_lives(redis);
		command_clear(c);
		command_str(c, "INFO");
		command_str(c, "memory");
		topology_send_everywhere(redis, c, heartbeat_on_memory, h);
	}
	if (h->worker->clock.offset_ms != 0) {
		command_clear(c);
		command_str(c, "ZADD");
		command_str(c, h->workers_key);
		command_int(c, now);
		command_str(c, h->worker->name);
		heartbeat_send(h, redis, heartbeat_on_ignored);
		if (h->beats % HEARTBEAT_SAY_BEATS == 0)
			heartbeat_say(h, redis, now);
		if (h->beats++ % HEARTBEAT_GONE_BEATS == 0) {
			command_clear(c);
			command_str(c, "ZREMRANGEBYSCORE");
			command_str(c, h->workers_key);
			command_str(c, "-inf");
			command_int(c, now - HEARTBEAT_GONE_MS);
			heartbeat_send(h, redis, heartbeat_on_ignored);
			heartbeat_tell_queues(h, redis, now);
		}
	}
	if (!h->asking) {
		command_clear(c);
		command_str(c, "HGETALL");
		command_str(c, h->control_key);
		h->asking = topology_send(redis, c, 0, heartbeat_on_control, h);
	}
}

void heartbeat_leave(struct heartbeat *h, struct topology *redis)
{
	struct command *c = &h->command;

	if (!topology_up(redis))
		return;
	command_clear(c);
	command_str(c, "ZREM");
	command_str(c, h->workers_key);
	command_str(c, h->worker->name);
	heartbeat_send(h, redis, heartbeat_on_ignored);
	roster_unsay(c, h->worker->options->key_prefix, h->worker->name);
	heartbeat_send(h, redis, heartbeat_on_ignored);
}

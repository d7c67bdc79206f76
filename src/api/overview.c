#include "api/overview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/look.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "fleet/view_json.h"

#define MAX_PROBLEMS 65536

/* --- what is wrong ----------------------------------------------------------------------------------------- */

enum health { HEALTHY, DEGRADED, UNHEALTHY };

static const char *const health_names[] = {"healthy", "degraded", "unhealthy"};

/* problems: a list of JSON strings, its bracket open. */
static void add_problem(struct buf *problems, enum health *all, enum health one, const char *what,
                        const char *name, const char *why)
{
	struct buf text;

	buf_init(&text, 1024);
	buf_add_str(&text, what);
	if (name != NULL)
		buf_addf(&text, " %s", name);
	if (why != NULL)
		buf_addf(&text, ": %s", why);
	jsonw_str(problems, buf_str(&text));
	buf_free(&text);
	if (one > *all)
		*all = one;
}

static void begin_problems(struct buf *problems)
{
	buf_init(problems, MAX_PROBLEMS);
	jsonw_open(problems, '[');
}

/* NULL: mail can go through it; else why not. */
static const char *provider_fault(const struct survey_provider *p)
{
	if (p->paused)
		return "paused";
	if (!survey_provider_closed(p))
		return p->reason != NULL ? p->reason : "its circuit breaker is not closed";
	return NULL;
}

static enum health judge_providers(const struct survey *s, struct buf *problems)
{
	enum health health = HEALTHY;
	size_t useless = 0;

	for (size_t i = 0; i < s->n_providers; i++) {
		const char *why = provider_fault(&s->providers[i]);

		if (why == NULL)
			continue;
		useless++;
		add_problem(problems, &health, DEGRADED, "provider", s->providers[i].name, why);
	}
	if (useless > 0 && useless == s->n_providers)
		add_problem(problems, &health, UNHEALTHY, "no provider can be sent through", NULL,
		            NULL);
	return health;
}

static enum health judge(const struct survey *s, enum link_result result, struct buf *problems)
{
	enum health health = HEALTHY;

	if (result != LINK_OK) {
		add_problem(problems, &health, UNHEALTHY, "Redis does not answer", NULL, NULL);
		return health;
	}
	health = judge_providers(s, problems);
	if (s->n_workers == 0)
		add_problem(problems, &health, UNHEALTHY, "no worker is alive", NULL, NULL);
	for (size_t i = 0; i < s->n_queues; i++) {
		const struct survey_queue *q = &s->queues[i];

		if (q->error != NULL)
			add_problem(problems, &health, DEGRADED, "queue", q->keys->list, q->error);
		else if (q->paused)
			add_problem(problems, &health, DEGRADED, "queue", q->keys->list, "paused");
	}
	return health;
}

/* --- parts ------------------------------------------------------------------------------------------------- */

static const char *breaker_name(const struct survey_provider *p)
{
	if (strcmp(p->state, "open") == 0)
		return "OPEN";
	return survey_provider_closed(p) ? "CLOSED" : "HALF_OPEN";
}

void overview_write_breaker(struct buf *out, const struct survey_provider *p)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "state", breaker_name(p));
	jsonw_pair_int(out, "failures", p->failures);
	jsonw_pair_int(out, "opened", p->opened);
	jsonw_pair_or_null(out, "reason", survey_provider_closed(p) ? NULL : p->reason);
	jsonw_pair_int_or_null(out, "probeInMs", p->probe_ms);
	jsonw_close(out, '}');
}

static void write_breakers(const struct survey *s, struct buf *out)
{
	jsonw_key(out, "circuitBreakers");
	jsonw_open(out, '{');
	for (size_t i = 0; i < s->n_providers; i++) {
		jsonw_key(out, s->providers[i].name);
		overview_write_breaker(out, &s->providers[i]);
	}
	jsonw_close(out, '}');
}

static void write_providers(const struct survey *s, struct buf *out)
{
	jsonw_key(out, "providers");
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n_providers; i++) {
		const struct survey_provider *p = &s->providers[i];

		jsonw_open(out, '{');
		jsonw_pair(out, "name", p->name);
		jsonw_pair_bool(out, "available", provider_fault(p) == NULL);
		jsonw_pair_or_null(out, "reason", provider_fault(p));
		jsonw_pair_bool(out, "paused", p->paused);
		jsonw_pair_int_or_null(out, "throttledMs", p->pause_ms);
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

static void write_queues(const struct survey *s, struct buf *out)
{
	jsonw_key(out, "queues");
	view_json_queues(out, s);
}

/* Status and problems, which stand first. */
static void write_head(struct request *r, enum health health, struct buf *problems)
{
	struct buf *out = &r->out;

	jsonw_pair(out, "status", health_names[health]);
	jsonw_pair_now(out, "timestamp");
	jsonw_pair_real(out, "uptime", (double)(clock_mono_us() - r->api->started_at) / 1e6);
	jsonw_close(problems, ']');
	jsonw_key(out, "problems");
	jsonw_raw(out, problems);
}

static void answer_health(struct request *r, enum health health)
{
	jsonw_close(&r->out, '}');
	request_answer(r, health == HEALTHY ? 200 : 503);
}

void overview_write(struct buf *out, enum link_result result, const struct survey *s)
{
	struct buf problems;
	enum health health;

	begin_problems(&problems);
	health = judge(s, result, &problems);
	jsonw_close(&problems, ']');
	jsonw_pair(out, "status", health_names[health]);
	jsonw_key(out, "problems");
	jsonw_raw(out, &problems);
	write_queues(s, out);
	jsonw_pair_int(out, "workers", (int64_t)s->n_workers);
	buf_free(&problems);
}

/* --- /health, /circuit-breakers, /api/email/queue/status --------------------------------------------------- */

static void on_health(struct request *r, enum link_result result, const struct survey *s)
{
	struct buf problems;
	enum health health;

	begin_problems(&problems);
	health = judge(s, result, &problems);
	jsonw_open(&r->out, '{');
	write_head(r, health, &problems);
	write_providers(s, &r->out);
	write_breakers(s, &r->out);
	answer_health(r, health);
	buf_free(&problems);
}

void overview_health(struct request *r)
{
	look_run(r, 0, on_health);
}

static void on_breakers(struct request *r, enum link_result result, const struct survey *s)
{
	if (result != LINK_OK) {
		request_again(r, result, overview_breakers);
		return;
	}
	jsonw_open(&r->out, '{');
	write_breakers(s, &r->out);
	jsonw_pair_now(&r->out, "timestamp");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

void overview_breakers(struct request *r)
{
	look_run(r, 0, on_breakers);
}

static void on_queues(struct request *r, enum link_result result, const struct survey *s)
{
	if (result != LINK_OK) {
		request_again(r, result, overview_queues);
		return;
	}
	jsonw_open(&r->out, '{');
	write_queues(s, &r->out);
	jsonw_pair_int(&r->out, "workers", (int64_t)s->n_workers);
	jsonw_pair_time(&r->out, "timestamp", s->now);
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

void overview_queues(struct request *r)
{
	look_run(r, LOOK_AGES, on_queues);
}

/* --- /health/detailed -------------------------------------------------------------------------------------- */

/* What INFO says of itself; the value of a line "name:value", 0 or "" without one. */
struct server_info {
	char version[32], policy[32];
	int64_t used, limit;
	bool answered;
};

static bool info_line(const char *info, const char *name, char *out, size_t size)
{
	const char *at = strstr(info, name);

	*out = '\0';
	if (at == NULL || (at != info && at[-1] != '\n'))
		return false;
	at += strlen(name);
	snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
	return true;
}

static struct server_info read_info(const redisReply *reply)
{
	struct server_info i = {.answered = true};
	char number[32];

	(void)info_line(reply->str, "redis_version:", i.version, sizeof(i.version));
	(void)info_line(reply->str, "maxmemory_policy:", i.policy, sizeof(i.policy));
	if (info_line(reply->str, "used_memory:", number, sizeof(number)))
		i.used = strtoll(number, NULL, 10);
	if (info_line(reply->str, "maxmemory:", number, sizeof(number)))
		i.limit = strtoll(number, NULL, 10);
	return i;
}

static void write_redis(const struct request *r, enum link_result result,
                        const struct server_info *info, struct buf *out)
{
	struct link_stats stats;

	topology_stats(r->api->redis, &stats);
	jsonw_key(out, "redis");
	jsonw_open(out, '{');
	jsonw_pair_bool(out, "connected", result == LINK_OK);
	jsonw_pair_or_null(out, "version", info->version);
	jsonw_pair_int_or_null(out, "usedMemory", info->answered ? info->used : -1);
	jsonw_pair_int_or_null(out, "maxMemory", info->answered ? info->limit : -1);
	jsonw_pair_or_null(out, "maxMemoryPolicy", info->policy);
	jsonw_pair_int(out, "commands", (int64_t)stats.commands);
	jsonw_pair_int(out, "errors", (int64_t)stats.errors);
	jsonw_pair_int(out, "reconnects", (int64_t)stats.reconnects);
	jsonw_close(out, '}');
}

static void write_limiter(const struct options *o, struct buf *out)
{
	jsonw_key(out, "rateLimiter");
	jsonw_open(out, '{');
	jsonw_pair_bool(out, "enabled", o->rate_limit_max > 0);
	jsonw_pair_int(out, "maxRequests", o->rate_limit_max);
	jsonw_pair_int(out, "windowMs", o->rate_limit_window);
	jsonw_close(out, '}');
}

static void on_detailed(struct request *r, enum link_result result, const struct survey *s)
{
	const struct server_info *info = r->data;
	struct buf problems, *out = &r->out;
	enum health health;

	begin_problems(&problems);
	health = judge(s, result, &problems);
	if (info->policy[0] != '\0' && strcmp(info->policy, "noeviction") != 0)
		add_problem(&problems, &health, DEGRADED, "Redis may throw mails away", NULL,
		            "set maxmemory-policy to noeviction");
	jsonw_open(out, '{');
	write_head(r, health, &problems);
	write_providers(s, out);
	write_breakers(s, out);
	write_queues(s, out);
	write_limiter(r->api->options, out);
	jsonw_pair_int(out, "workers", (int64_t)s->n_workers);
	write_redis(r, result, info, out);
	answer_health(r, health);
	buf_free(&problems);
}

static void on_info(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;

	/* It may not be allowed to us. */
	if (result == LINK_OK && reply->str != NULL)
		*(struct server_info *)r->data = read_info(reply);
	look_run(r, LOOK_AGES, on_detailed);
}

void overview_detailed(struct request *r)
{
	struct command *c = &r->api->command;

	r->data = mem_zalloc(sizeof(struct server_info));
	command_clear(c);
	command_str(c, "INFO");
	if (!topology_send(r->api->redis, c, 0, on_info, r))
		look_run(r, LOOK_AGES, on_detailed);
}

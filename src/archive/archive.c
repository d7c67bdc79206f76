#include "archive/archive.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/harvest.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "redis/keys.h"
#include "redis/value.h"

#define DISCOVER_S 10. /* how often workers' queues are looked at */
#define RECHECK_S 2.
#define RETENTION_S 60.
#define RETENTION_STEP 1000 /* mails at once */
#define RETENTION_MS 60000

/* ---- queues ---------------------------------------------------------------------------------- */

static void archive_add(struct archive *a, const char *queue)
{
	struct harvest *s;

	for (size_t i = 0; i < a->n_harvests; i++)
		if (strcmp(harvest_queue(a->harvests[i]), queue) == 0)
			return;
	if (a->n_harvests == ARCHIVE_MAX_QUEUES)
		return;
	s = harvest_open(a, queue);
	if (s == NULL)
		return;
	a->harvests[a->n_harvests++] = s;
	log_info("archiving", LOG_STR("queue", queue));
}

static void archive_on_queues(void *data, enum link_result result, const redisReply *reply)
{
	struct archive *a = data;

	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY || a->stopping)
		return;
	for (size_t i = 0; i < reply->elements; i++)
		if (value_text_at(reply, i) != NULL)
			archive_add(a, value_text_at(reply, i));
}

static void archive_discover(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct archive *a = timer->data;

	(void)loop;
	(void)events;
	command_clear(&a->command);
	command_str(&a->command, "ZREVRANGE");
	command_str(&a->command, a->queues_key);
	command_int(&a->command, 0);
	command_int(&a->command, ARCHIVE_MAX_QUEUES - 1);
	if (!topology_send(a->redis, &a->command, 0, archive_on_queues, a))
		log_debug("discover_skipped", LOG_STR("key", a->queues_key));
}

/* ---- what is there --------------------------------------------------------------------------- */

static void archive_wake(struct archive *a)
{
	for (size_t i = 0; i < a->n_harvests; i++)
		harvest_wake(a->harvests[i]);
}

static void archive_on_redis(void *data, bool up)
{
	struct archive *a = data;

	log_info(up ? "redis_ready" : "redis_away", LOG_STR("name", a->name));
	if (!up)
		return;
	archive_wake(a);
	ev_feed_event(a->loop, &a->discover, EV_TIMER);
}

static void archive_on_schema(void *data, enum schema_result result, const struct error *err)
{
	struct archive *a = data;

	a->checking = false;
	switch (result) {
	case SCHEMA_READY:
		a->ready = true;
		a->told = false;
		log_info("archive_ready", LOG_INT("version", schema_version));
		archive_wake(a);
		ev_feed_event(a->loop, &a->retention, EV_TIMER);
		break;
	case SCHEMA_NEWER:
		*a->err = *err;
		a->failed = true;
		ev_break(a->loop, EVBREAK_ALL);
		break;
	case SCHEMA_FAILED:
		if (!a->told && postgres_up(a->postgres)) {
			log_error("archive_not_ready", LOG_STR("error", err->text));
			a->told = true;
		}
		ev_timer_stop(a->loop, &a->recheck);
		ev_timer_set(&a->recheck, RECHECK_S, 0.);
		ev_timer_start(a->loop, &a->recheck);
		break;
	}
}

static void archive_check(struct archive *a)
{
	if (a->checking || !postgres_up(a->postgres))
		return;
	a->checking = true;
	schema_check(&a->schema, a->postgres, archive_on_schema, a);
}

static void archive_on_recheck(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	archive_check(timer->data);
}

void archive_recheck(struct archive *a)
{
	a->ready = false;
	if (!a->checking && !ev_is_active(&a->recheck)) {
		ev_timer_set(&a->recheck, RECHECK_S, 0.);
		ev_timer_start(a->loop, &a->recheck);
	}
}

static void archive_on_postgres(void *data, bool up)
{
	struct archive *a = data;

	a->ready = false;
	if (up)
		archive_check(a);
}

/* ---- retention ------------------------------------------------------------------------------- */

static void archive_retain(struct archive *a, double after_s)
{
	ev_timer_stop(a->loop, &a->retention);
	if (a->options->archive_ttl == 0)
		return;
	ev_timer_set(&a->retention, after_s, 0.);
	ev_timer_start(a->loop, &a->retention);
}

static void archive_on_deleted(void *data, enum postgres_result result, const PGresult *reply,
                               const char *state, const char *error)
{
	struct archive *a = data;
	long n = result == POSTGRES_OK ? strtol(PQgetvalue(reply, 0, 0), NULL, 10) : 0;

	(void)state;
	if (result == POSTGRES_ERROR)
		log_warn("archive_not_cleared", LOG_STR("error", error));
	if (n > 0)
		log_info("archive_cleared", LOG_INT("mails", n));
	archive_retain(a, n == RETENTION_STEP ? 0. : RETENTION_S);
}

static void archive_on_retention(struct ev_loop *loop, ev_timer *timer, int events)
{
	/* A mail that another is writing, or deleting, is left for the next time. */
	static const char sql[] =
		"WITH old AS (SELECT key, job FROM postrider_mails"
		" WHERE changed_at < now() - make_interval(days => $1::int)"
		" ORDER BY changed_at LIMIT 1000 FOR UPDATE SKIP LOCKED), "
		"gone AS (DELETE FROM postrider_mails m USING old"
		" WHERE m.key = old.key AND m.job = old.job RETURNING m.key, m.job), "
		"attempts AS (DELETE FROM postrider_attempts a USING gone"
		" WHERE a.key = gone.key AND a.job = gone.job) "
		"SELECT count(*) FROM gone";
	struct archive *a = timer->data;
	char days[24];
	const char *values[] = {days};

	(void)loop;
	(void)events;
	if (a->options->archive_ttl == 0)
		return;
	snprintf(days, sizeof(days), "%" PRId64, a->options->archive_ttl);
	if (!a->ready ||
	    !postgres_send(a->postgres, sql, 1, values, RETENTION_MS, archive_on_deleted, a))
		archive_retain(a, RETENTION_S);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void archive_on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* What is in hand is written and acknowledged; what cannot be is still in Redis. */
static void archive_on_stop(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct archive *a = signal->data;

	(void)events;
	if (a->stopping) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	a->stopping = true;
	log_info("draining", LOG_INT("queues", (int64_t)a->n_harvests));
	ev_timer_set(&a->grace, (double)a->options->drain_timeout, 0.);
	ev_timer_start(loop, &a->grace);
	for (size_t i = 0; i < a->n_harvests; i++)
		harvest_stop(a->harvests[i]);
}

void archive_harvest_ended(struct archive *a)
{
	for (size_t i = 0; i < a->n_harvests; i++)
		if (!harvest_ended(a->harvests[i]))
			return;
	ev_break(a->loop, EVBREAK_ALL);
}

/* ---- start and end --------------------------------------------------------------------------- */

static void archive_watch(struct archive *a)
{
	ev_timer_init(&a->discover, archive_discover, DISCOVER_S, DISCOVER_S);
	ev_init(&a->recheck, archive_on_recheck);
	ev_init(&a->retention, archive_on_retention);
	ev_init(&a->grace, archive_on_grace);
	ev_signal_init(&a->on_term, archive_on_stop, SIGTERM);
	ev_signal_init(&a->on_int, archive_on_stop, SIGINT);
	a->discover.data = a->recheck.data = a->retention.data = a->grace.data = a->on_term.data =
		a->on_int.data = a;
	ev_timer_start(a->loop, &a->discover);
	ev_signal_start(a->loop, &a->on_term);
	ev_signal_start(a->loop, &a->on_int);
}

static void archive_unwatch(struct archive *a)
{
	ev_timer_stop(a->loop, &a->discover);
	ev_timer_stop(a->loop, &a->recheck);
	ev_timer_stop(a->loop, &a->retention);
	ev_timer_stop(a->loop, &a->grace);
	ev_signal_stop(a->loop, &a->on_term);
	ev_signal_stop(a->loop, &a->on_int);
}

static void archive_work(struct archive *a, const struct topology_config *redis,
                         const struct queue_set *queues, const struct worker_guest *guest)
{
	signal(SIGPIPE, SIG_IGN);
	a->redis = topology_open(a->loop, redis, archive_on_redis, a);
	a->postgres = postgres_open(a->loop, a->options->database_url, "postrider archive",
	                            archive_on_postgres, a);
	archive_watch(a);
	for (size_t i = 0; i < queues->n; i++)
		archive_add(a, queues->keys[i].list);
	if (guest)
		guest->open(guest->data, NULL, a->loop, a->redis);
	log_info("archive_started", LOG_STR("name", a->name));
	ev_run(a->loop, 0);
	postgres_close(a->postgres);
	topology_close(a->redis);
	archive_unwatch(a);
	if (guest)
		guest->close(guest->data);
	for (size_t i = 0; i < a->n_harvests; i++)
		harvest_close(a->harvests[i]);
	log_info("archive_ended", LOG_STR("name", a->name));
}

bool archive_run(const struct options *o, const struct queue_set *queues,
                 const struct worker_guest *guest, struct error *err)
{
	struct archive a = {.loop = ev_default_loop(EVFLAG_AUTO), .options = o, .err = err};
	struct topology_config redis;

	if (*o->database_url == '\0')
		return error_set(err, "DATABASE_URL is not set: say where to keep mails, as in "
		                      "postgresql://user@host/database");
	if (!postgres_check(o->database_url, err) ||
	    !topology_config_parse(&redis, o->redis_url, err))
		return false;
	redis.link.timeout_ms = (int)o->command_timeout;
	a.name = random_name();
	a.queues_key = keys_queues(o->key_prefix);
	command_init(&a.command);
	archive_work(&a, &redis, queues, guest);
	topology_config_free(&redis);
	command_free(&a.command);
	mem_free(a.queues_key);
	mem_free(a.name);
	return !a.failed;
}

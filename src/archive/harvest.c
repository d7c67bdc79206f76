#include "archive/harvest.h"

#include <stdint.h>
#include <string.h>

#include "archive/archive.h"
#include "archive/entry.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/backoff.h"
#include "fleet/lag.h"
#include "redis/script.h"

#define BATCH 500
#define IDLE_MS 200      /* between looks at an empty stream */
#define MAX_WAIT_MS 2000 /* between tries while Redis or PostgreSQL is away */
#define BASE_WAIT_MS 50
#define WRITE_MS 30000
#define WARN_US 60000000 /* lost events are told of once a minute */
#define MAX_JSON ((size_t)256 << 20)

enum harvest_state {
	HARVEST_REST,    /* nothing in hand; the timer will look again */
	HARVEST_GATHER,  /* gather.lua was asked */
	HARVEST_LOOK_UP, /* entries in hand; their mails' statuses are being read */
	HARVEST_WRITE,   /* entries in hand; on their way to PostgreSQL */
	HARVEST_WAIT,    /* entries in hand; the timer will go on with `next` */
	HARVEST_ENDED,
};

struct harvest {
	struct archive *archive;
	struct queue_keys keys;
	enum harvest_state state, next;
	struct entry entries[BATCH]; /* in hand */
	size_t n, at;                /* the first one that is not settled yet */
	size_t writing;              /* on their way, from `at` on */
	size_t skipping;             /* how many of it were skipped */
	bool singly;                 /* this batch goes one by one */
	bool skipped[BATCH];         /* cannot be read or written: to be counted as skipped */
	bool acks;      /* the entries are settled; the next gather acknowledges them */
	size_t pending; /* statuses that are awaited */
	bool missed;    /* Redis went away meanwhile */
	int64_t tries;
	int64_t adopted_at, warned_at, lost; /* mono clock, µs; lost and not told of yet */
	bool stopping, told;
	bool leaving; /* the gather on its way takes nothing more, and removes the consumer */
	struct command command;
	ev_timer timer;
};

/* One status that is awaited. */
struct question {
	struct harvest *harvest;
	size_t i;
};

static void harvest_advance(struct harvest *s);

/* ---- waiting --------------------------------------------------------------------------------- */

static void harvest_sleep(struct harvest *s, int64_t ms)
{
	ev_timer_stop(s->archive->loop, &s->timer);
	ev_timer_set(&s->timer, (double)ms / 1000., 0.);
	ev_timer_start(s->archive->loop, &s->timer);
}

/* Redis or PostgreSQL is away: later again, with `next`. */
static void harvest_wait(struct harvest *s, enum harvest_state next)
{
	s->next = next;
	s->state = next == HARVEST_REST ? HARVEST_REST : HARVEST_WAIT;
	harvest_sleep(s, 1 + backoff_delay(++s->tries, BASE_WAIT_MS, MAX_WAIT_MS, random_u64()));
}

static void harvest_trouble(struct harvest *s, const char *what, const char *error)
{
	if (!s->told)
		log_warn(what, LOG_STR("queue", s->keys.list), LOG_STR("error", error));
	s->told = true;
}

static void harvest_clear(struct harvest *s)
{
	for (size_t i = 0; i < s->n; i++)
		entry_free(&s->entries[i]);
	memset(s->skipped, 0, sizeof(s->skipped));
	s->n = s->at = s->writing = s->skipping = 0;
	s->acks = s->singly = false;
}

static void harvest_end(struct harvest *s)
{
	s->state = HARVEST_ENDED;
	ev_timer_stop(s->archive->loop, &s->timer);
	archive_harvest_ended(s->archive);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void harvest_settled(struct harvest *s)
{
	s->acks = true;
	s->state = HARVEST_REST;
	harvest_advance(s);
}

static void harvest_skip(struct harvest *s, size_t i, const char *why)
{
	s->skipped[i] = true;
	if (s->skipping++ > 0)
		return; /* one line a batch */
	log_warn("event_skipped", LOG_STR("queue", s->keys.list),
	         LOG_STR("entry", s->entries[i].id), LOG_STR("error", why));
}

static void harvest_on_written(void *data, enum postgres_result result, const PGresult *reply,
                               const char *state, const char *error)
{
	struct harvest *s = data;

	(void)reply;
	(void)state;
	if (result == POSTGRES_DATA && s->writing == 1) {
		harvest_skip(s, s->at, error);
	} else if (result == POSTGRES_DATA) {
		s->singly = true;
		s->writing = 0;
	} else if (result != POSTGRES_OK) {
		if (result == POSTGRES_ERROR) {
			harvest_trouble(s, "archive_refused", error);
			archive_recheck(s->archive);
		}
		s->writing = 0;
		harvest_wait(s, HARVEST_WRITE);
		return;
	} else {
		s->tries = 0;
		s->told = false;
	}
	s->at += s->writing;
	s->writing = 0;
	s->state = HARVEST_WRITE;
	harvest_advance(s);
}

static void harvest_write(struct harvest *s)
{
	size_t most = s->singly ? 1 : BATCH;
	const char *values[1];
	struct buf json;

	while (s->at < s->n && s->skipped[s->at])
		s->at++;
	if (s->at == s->n) {
		harvest_settled(s);
		return;
	}
	buf_init(&json, MAX_JSON);
	jsonw_open(&json, '[');
	for (s->writing = 0; s->writing < most && s->at + s->writing < s->n; s->writing++) {
		if (s->skipped[s->at + s->writing])
			break;
		entry_write(&s->entries[s->at + s->writing], s->keys.list, &json);
	}
	jsonw_close(&json, ']');
	values[0] = buf_str(&json);
	s->state = HARVEST_WRITE;
	if (!s->archive->ready || !postgres_send(s->archive->postgres, entry_sql, 1, values,
	                                         WRITE_MS, harvest_on_written, s)) {
		s->writing = 0;
		harvest_wait(s, HARVEST_WRITE);
	}
	buf_free(&json);
}

/* ---- looking up ------------------------------------------------------------------------------ */

static void harvest_looked_up(struct harvest *s)
{
	if (s->missed)
		harvest_wait(s, HARVEST_LOOK_UP);
	else
		harvest_write(s);
}

static void harvest_on_status(void *data, enum link_result result, const redisReply *reply)
{
	struct question *q = data;
	struct harvest *s = q->harvest;

	if (result == LINK_OK)
		entry_take_details(&s->entries[q->i], s->keys.list, reply);
	else if (result == LINK_LOST || result == LINK_AGAIN)
		s->missed = true;
	else
		harvest_trouble(s, "status_unreadable", reply != NULL ? reply->str : NULL);
	mem_free(q);
	if (--s->pending == 0)
		harvest_looked_up(s);
}

/* What becomes of a mail between its event and this look is newer than the event: it comes again with the next one. */
static void harvest_look_up(struct harvest *s)
{
	struct archive *a = s->archive;

	s->state = HARVEST_LOOK_UP;
	s->missed = false;
	s->pending = 1; /* one more than there are, so that it does not end before all are asked */
	for (size_t i = 0; i < s->n; i++) {
		struct question *q;
		char *key;

		if (s->skipped[i] || s->entries[i].details != NULL)
			continue;
		q = mem_alloc(sizeof(*q));
		*q = (struct question){s, i};
		key = keys_status(a->options->key_prefix, s->entries[i].key);
		command_clear(&s->command);
		command_str(&s->command, "HGETALL");
		command_str(&s->command, key);
		mem_free(key);
		s->pending++;
		if (topology_send(a->redis, &s->command, 0, harvest_on_status, q))
			continue;
		mem_free(q);
		s->pending--;
		s->missed = true;
	}
	if (--s->pending == 0)
		harvest_looked_up(s);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static void harvest_warn_lost(struct harvest *s, int64_t lost)
{
	int64_t now = clock_mono_us();

	s->lost += lost;
	if (s->lost == 0 || (s->warned_at != 0 && now - s->warned_at < WARN_US))
		return;
	log_warn("events_lost", LOG_STR("queue", s->keys.list), LOG_INT("events", s->lost),
	         LOG_STR("error", "they were trimmed from the stream before they were archived: "
	                          "raise EVENTS_MAX, or start more archivers"));
	s->warned_at = now;
	s->lost = 0;
}

static void harvest_take(struct harvest *s, const redisReply *entries)
{
	for (size_t i = 0; i < entries->elements && s->n < BATCH; i++) {
		if (!entry_read(&s->entries[s->n], entries->element[i]))
			continue;
		if (!s->entries[s->n++].valid)
			harvest_skip(s, s->n - 1, "it is no event that this program knows");
	}
}

static void harvest_on_gathered(void *data, enum link_result result, const redisReply *reply)
{
	struct harvest *s = data;

	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		if (result != LINK_LOST && result != LINK_AGAIN)
			harvest_trouble(s, "events_unreadable", reply != NULL ? reply->str : NULL);
		harvest_wait(s, HARVEST_REST);
		return;
	}
	s->tries = 0;
	harvest_clear(s);
	if (s->leaving) {
		harvest_end(s);
		return;
	}
	harvest_warn_lost(s, reply->element[0]->integer);
	harvest_take(s, reply->element[1]);
	if (s->n > 0) {
		harvest_look_up(s);
		return;
	}
	s->told = false;
	s->state = HARVEST_REST;
	harvest_sleep(s, s->stopping ? 0 : IDLE_MS);
}

static void harvest_add_acks(struct harvest *s, struct command *c)
{
	size_t n = s->acks ? s->n : 0;
	int64_t skipped = 0;

	for (size_t i = 0; i < n; i++)
		skipped += s->skipped[i];
	command_int(c, skipped);
	for (size_t i = 0; i < n; i++)
		if (s->skipped[i])
			command_str(c, s->entries[i].id);
	for (size_t i = 0; i < n; i++)
		if (!s->skipped[i])
			command_str(c, s->entries[i].id);
}

static void harvest_gather(struct harvest *s)
{
	struct archive *a = s->archive;
	struct command *c = &s->command;
	int64_t now = clock_mono_us(), lease = a->options->lease_ms;
	bool adopt = now - s->adopted_at >= lease * 1000 / 2;

	if (adopt)
		s->adopted_at = now;
	script_command(c, SCRIPT_GATHER, 2);
	command_str(c, s->keys.events);
	command_str(c, s->keys.archive);
	command_str(c, LAG_GROUP);
	command_str(c, a->name);
	s->leaving = s->stopping;
	command_int(c, s->leaving ? 0 : BATCH);
	command_int(c, adopt ? lease : 0);
	harvest_add_acks(s, c);
	s->state = HARVEST_GATHER;
	if (!topology_send(a->redis, c, 0, harvest_on_gathered, s))
		harvest_wait(s, HARVEST_REST);
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* Goes on from where it is; only when nothing is awaited. */
static void harvest_advance(struct harvest *s)
{
	ev_timer_stop(s->archive->loop, &s->timer);
	switch (s->state == HARVEST_WAIT ? s->next : s->state) {
	case HARVEST_LOOK_UP:
		harvest_look_up(s);
		break;
	case HARVEST_WRITE:
		harvest_write(s);
		break;
	case HARVEST_REST:
		/* What could not be written anyway stays in Redis. */
		if (s->archive->ready || s->acks || s->stopping)
			harvest_gather(s);
		else
			harvest_sleep(s, IDLE_MS);
		break;
	default:
		break;
	}
}

static void harvest_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	harvest_advance(timer->data);
}

struct harvest *harvest_open(struct archive *a, const char *queue)
{
	struct harvest *s = mem_zalloc(sizeof(*s));
	struct error err;

	if (!queue_keys_make(&s->keys, queue, &err)) {
		mem_free(s);
		return NULL;
	}
	s->archive = a;
	command_init(&s->command);
	ev_init(&s->timer, harvest_on_timer);
	s->timer.data = s;
	harvest_sleep(s, 0);
	return s;
}

void harvest_close(struct harvest *s)
{
	ev_timer_stop(s->archive->loop, &s->timer);
	harvest_clear(s);
	queue_keys_free(&s->keys);
	command_free(&s->command);
	mem_free(s);
}

const char *harvest_queue(const struct harvest *s)
{
	return s->keys.list;
}

void harvest_wake(struct harvest *s)
{
	if (s->state != HARVEST_REST && s->state != HARVEST_WAIT)
		return;
	s->tries = 0;
	harvest_sleep(s, 0);
}

void harvest_stop(struct harvest *s)
{
	s->stopping = true;
	if (s->state == HARVEST_REST)
		harvest_sleep(s, 0);
}

bool harvest_ended(const struct harvest *s)
{
	return s->state == HARVEST_ENDED;
}

#include "redis/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sigpipe.h"
#include "redis/connection.h"
#include "redis/greeting.h"
#include "redis/link_error.h"
#include "redis/secure.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
#define BACKOFF_DOUBLINGS 7 /* then the first is past the most */
#define REFUSED_RETRY_MS 5000

#define NO_STEP (-1) /* a caller's command, none of the greeting's */

enum state {
	WAITING,    /* no connection; the retry timer runs */
	CONNECTING, /* the connection is on its way */
	GREETING,   /* AUTH … SCRIPT LOAD are in flight */
	UP,
	HELD, /* connected, but the server does not answer as it should; the retry timer runs, or
	       * answers are awaited before the connection is given up */
};

/* One command in flight. */
struct call {
	struct call *next;
	link_fn *fn;
	void *data;
	int64_t deadline_us; /* by clock_mono_us */
	int deadline_ms;     /* what was asked for */
	int step;            /* of the greeting, or NO_STEP */
};

struct link {
	struct ev_loop *loop;
	struct link_config config;
	char *where; /* for the log */
	void (*on_change)(void *data, bool up);
	void *data;

	enum state state;
	struct connection *connection; /* NULL: none */
	ev_timer retry;                /* WAITING: connect; HELD: greet */
	ev_timer alarm;                /* not after the first call's deadline */
	struct call *first, *last;     /* in flight, in order */
	struct call *spare;
	struct link_stats stats;

	/* Facts that callbacks record, for `advance` to act on. */
	bool lost; /* the connection is; `reason` says why */
	struct greeting greeting;
	unsigned greeting_left;  /* its commands without an answer */
	enum link_remedy remedy; /* while HELD: what to do about it */
	bool aimed;              /* elsewhere, and at once */
	bool refused;            /* the greeting was, by configuration */
	struct error reason;     /* why it is not up */

	bool told_up; /* what on_change was told last */
	bool closed;  /* by link_close; freed when none of our functions is on the stack */
	int depth;    /* how many are */

	unsigned tries;        /* since a command was last answered well */
	int64_t down_since_us; /* when this outage began; 0: none */
	bool logged_down, logged_refused;
	bool was_up;
};

static void advance(struct link *l);

/* Every entry from the loop goes through these two: the link outlives it, whatever is closed by
 * the functions that are called meanwhile. */
static void enter(struct link *l)
{
	l->depth++;
}

static void release(struct link *l)
{
	if (--l->depth > 0 || !l->closed)
		return;
	while (l->spare) {
		struct call *c = l->spare;
		l->spare = c->next;
		mem_free(c);
	}
	link_config_free(&l->config);
	mem_free(l->where);
	mem_free(l);
}

static void leave(struct link *l)
{
	advance(l);
	release(l);
}

static void set_state(struct link *l, enum state state)
{
	static const char *const names[] = {
		[WAITING] = "waiting",   [CONNECTING] = "connecting",
		[GREETING] = "greeting", [UP] = "up",
		[HELD] = "held",
	};
	if (l->state == state)
		return;
	if (l->state == UP)
		l->down_since_us = clock_mono_us();
	log_debug("redis_state", LOG_STR("redis", l->where), LOG_STR("from", names[l->state]),
	          LOG_STR("to", names[state]));
	l->state = state;
}

/* --- the log, once per outage ------------------------------------------------------------------ */

static void log_down(struct link *l)
{
	if (l->config.quiet) {
		log_debug("redis_down", LOG_STR("redis", l->where),
		          LOG_STR("error", l->reason.text));
	} else if (l->refused && !l->logged_refused) {
		log_error("redis_refused", LOG_STR("redis", l->where),
		          LOG_STR("error", l->reason.text));
		l->logged_refused = l->logged_down = true;
	} else if (!l->logged_down) {
		log_warn("redis_down", LOG_STR("redis", l->where),
		         LOG_STR("error", l->reason.text));
		l->logged_down = true;
	} else {
		log_debug("redis_still_down", LOG_STR("redis", l->where),
		          LOG_STR("error", l->reason.text));
	}
}

static void log_up(struct link *l)
{
	int64_t ms = (clock_mono_us() - l->down_since_us) / 1000;
	/* a server that has only forgotten the scripts was not down for anybody */
	const char *event = l->logged_down || !l->was_up ? "redis_up" : "redis_scripts_loaded";

	if (l->config.quiet)
		log_debug("redis_up", LOG_STR("redis", l->where));
	else
		log_info(event, LOG_STR("redis", l->where), LOG_INT("ms", ms));
	l->logged_down = l->logged_refused = false;
}

/* --- calls in flight --------------------------------------------------------------------------- */

static void start_alarm(struct link *l, int64_t us)
{
	ev_timer_stop(l->loop, &l->alarm);
	ev_timer_set(&l->alarm, (double)us / 1e6, 0.);
	ev_timer_start(l->loop, &l->alarm);
}

/* A call that stood behind one with a longer deadline (a blocking one) has its own time from when
 * its turn has come. */
static void renew_deadline(struct link *l, struct call *c)
{
	c->deadline_us = clock_mono_us() + (int64_t)c->deadline_ms * 1000;
	start_alarm(l, (int64_t)c->deadline_ms * 1000);
}

/* The oldest call, taken out of the queue; false when there is none. */
static bool take_call(struct link *l, struct call *call)
{
	struct call *c = l->first;
	if (!c)
		return false;
	l->first = c->next;
	if (!l->first)
		l->last = NULL;
	else if (l->first->deadline_us < c->deadline_us)
		renew_deadline(l, l->first);
	if (c->step == NO_STEP)
		l->stats.in_flight--;
	*call = *c;
	c->next = l->spare;
	l->spare = c;
	return true;
}

static struct call *new_call(struct link *l)
{
	struct call *c = l->spare;
	if (!c)
		return mem_alloc(sizeof(*c));
	l->spare = c->next;
	return c;
}

/* Sends a command and queues its call. False: the connection is about to be lost. */
static bool submit(struct link *l, struct command *command, int deadline_ms, struct call call)
{
	size_t len;
	const char *wire = command_wire(command, &len);
	if (!wire) {
		fprintf(stderr, "postrider: a Redis command is empty or longer than %zu bytes\n",
		        COMMAND_MAX_BYTES);
		abort();
	}
	if (!connection_send(l->connection, wire, len))
		return false;
	call.deadline_us = clock_mono_us() + (int64_t)deadline_ms * 1000;
	call.deadline_ms = deadline_ms;
	call.next = NULL;
	struct call *c = new_call(l);
	*c = call;
	if (c->step == NO_STEP)
		l->stats.in_flight++;
	if (l->last) {
		l->last->next = c;
	} else {
		l->first = c;
		start_alarm(l, (int64_t)deadline_ms * 1000);
	}
	l->last = c;
	return true;
}

static void answer_lost(struct link *l)
{
	struct call call;
	while (take_call(l, &call))
		if (call.step == NO_STEP)
			call.fn(call.data, LINK_LOST, NULL);
}

/* --- connecting and greeting ------------------------------------------------------------------- */

static void hang_up(struct link *l)
{
	if (l->connection)
		connection_close(l->connection);
	l->connection = NULL;
}

static void connect_now(struct link *l)
{
	ev_timer_stop(l->loop, &l->retry);
	ev_timer_set(&l->retry, 0., 0.);
	ev_timer_start(l->loop, &l->retry);
}

static void retry_later(struct link *l)
{
	unsigned doublings = l->tries < BACKOFF_DOUBLINGS ? l->tries : BACKOFF_DOUBLINGS;
	uint64_t most = (uint64_t)BACKOFF_FIRST_MS << doublings;
	if (most > BACKOFF_MAX_MS)
		most = BACKOFF_MAX_MS;
	uint64_t ms = l->refused ? REFUSED_RETRY_MS : random_below(most + 1);
	l->tries++;
	ev_timer_set(&l->retry, (double)ms / 1e3, 0.);
	ev_timer_start(l->loop, &l->retry);
}

static void greet(struct link *l)
{
	struct command c;

	set_state(l, GREETING);
	greeting_init(&l->greeting);
	l->greeting_left = 0;
	l->remedy = LINK_REMEDY_NONE;
	l->refused = false;
	command_init(&c);
	for (int step = 0; step < GREETING_END; step++) {
		if (greeting_command(&c, &l->config, step)) {
			if (!submit(l, &c, l->config.timeout_ms, (struct call){.step = step}))
				l->lost = true;
			l->greeting_left++;
		}
		if (step == GREETING_AUTH && c.body.data)
			mem_wipe(c.body.data, c.body.len);
		command_clear(&c);
	}
	command_free(&c);
}

static void take_verdict(struct link *l)
{
	l->reason = l->greeting.reason;
	l->refused = l->greeting.refused;
	l->remedy = l->refused ? LINK_REMEDY_RECONNECT : l->greeting.remedy;
}

/* All of the greeting's answers are there. */
static void judge_greeting(struct link *l)
{
	if (greeting_ok(&l->greeting)) {
		set_state(l, UP);
		log_up(l);
		if (l->was_up)
			l->stats.reconnects++;
		l->was_up = true;
		return;
	}
	take_verdict(l);
	set_state(l, HELD);
}

/* --- what the connection tells ------------------------------------------------------------------ */

static void on_opened(void *data)
{
	struct link *l = data;
	enter(l);
	greet(l);
	leave(l);
}

/* Some refusals come before the server hangs up by itself (DENIED, too many clients): they tell more
 * than the end of the connection does. */
static void on_lost(void *data, const char *reason)
{
	struct link *l = data;
	enter(l);
	if (l->state == GREETING && !greeting_ok(&l->greeting)) {
		take_verdict(l);
	} else {
		error_set(&l->reason, "%s", reason);
		l->refused = false;
	}
	l->lost = true;
	leave(l);
}

/* An error answer to a caller's command. Where it means that the server is not well, the link is
 * down before the caller hears of it. While greeting, the greeting's own answers, which come
 * later, tell more. */
static enum link_result note_error(struct link *l, const redisReply *reply)
{
	const struct link_error *e = link_error_find(reply->str, reply->len);

	l->stats.errors++;
	if (e->remedy == LINK_REMEDY_NONE || (l->config.cluster && e->of_slot) ||
	    (l->state != UP && l->state != HELD))
		return e->result;
	set_state(l, HELD);
	if (e->remedy > l->remedy)
		l->remedy = e->remedy;
	error_set(&l->reason, "%s%s%s", reply->str, *e->advice ? ": " : "", e->advice);
	return e->result;
}

static void on_replied(void *data, const redisReply *reply)
{
	struct link *l = data;
	struct call call;
	enum link_result result = LINK_OK;

	enter(l);
	if (!take_call(l, &call)) {
		error_set(&l->reason, "the server answers what nobody asked");
		l->lost = true;
	} else if (call.step != NO_STEP) {
		greeting_note(&l->greeting, call.step, reply);
		l->greeting_left--;
	} else {
		if (reply->type == REDIS_REPLY_ERROR)
			result = note_error(l, reply);
		if (l->state == UP)
			l->tries = 0;
		call.fn(call.data, result, reply);
	}
	leave(l);
}

static const struct connection_events events = {
	.opened = on_opened, .replied = on_replied, .lost = on_lost};

/* --- what follows ------------------------------------------------------------------------------- */

static void advance_held(struct link *l)
{
	if (l->remedy == LINK_REMEDY_RECONNECT) {
		/* what is in flight gets its own answers first; the alarm bounds that */
		l->lost = !l->first;
		return;
	}
	if (ev_is_active(&l->retry))
		return;
	if (l->remedy == LINK_REMEDY_GREET && l->tries == 0) {
		l->tries++; /* a server that forgets the scripts at once must not keep us busy */
		greet(l);
		return;
	}
	log_down(l);
	retry_later(l);
}

static void recover(struct link *l)
{
	l->lost = false;
	hang_up(l);
	ev_timer_stop(l->loop, &l->retry);
	ev_timer_stop(l->loop, &l->alarm);
	set_state(l, WAITING);
	answer_lost(l);
	if (l->closed)
		return;
	if (l->aimed) {
		l->aimed = false;
		l->tries = 0;
		connect_now(l);
		return;
	}
	log_down(l);
	retry_later(l);
}

/* The one place that acts on what callbacks have recorded. */
static void advance(struct link *l)
{
	if (l->closed)
		return;
	if (l->state == GREETING && l->greeting_left == 0 && !l->lost)
		judge_greeting(l);
	if (l->state == HELD && !l->lost)
		advance_held(l);
	if (l->lost)
		recover(l);
	bool up = l->state == UP;
	if (l->closed || up == l->told_up)
		return;
	l->told_up = up;
	l->on_change(l->data, up);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct link *l = timer->data;
	(void)revents;
	enter(l);
	if (l->state == WAITING && !l->config.host && !l->config.path) {
		/* link_aim will come */
	} else if (l->state == WAITING) {
		set_state(l, CONNECTING);
		l->connection = connection_open(loop, &l->config, &events, l);
	} else if (l->state == HELD) {
		greet(l);
	}
	leave(l);
}

/* The alarm is set for the first call's deadline and left alone when that is answered while others
 * wait: it looks again when it goes off. When the loop, or the whole process, was stopped for long, the answer may
 * lie in the socket: only a server that says nothing is given up. */
static void on_alarm(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct link *l = timer->data;
	(void)loop;
	(void)revents;
	enter(l);
	if (l->first) {
		int64_t left = l->first->deadline_us - clock_mono_us();
		if (left <= 0 && connection_readable(l->connection))
			left = 1000;
		if (left > 0) {
			start_alarm(l, left);
		} else {
			error_set(&l->reason, "a command was not answered within its deadline");
			l->lost = true;
		}
	}
	leave(l);
}

/* --- where, and how ------------------------------------------------------------------------------ */

void link_config_copy(struct link_config *to, const struct link_config *from)
{
	*to = *from;
	to->host = mem_strdup(from->host);
	to->path = mem_strdup(from->path);
	to->user = mem_strdup(from->user);
	to->password = mem_strdup(from->password);
	to->name = mem_strdup(from->name);
	to->tls = secure_share(from->tls);
}

void link_config_free(struct link_config *c)
{
	if (c->password)
		mem_wipe(c->password, strlen(c->password));
	mem_free(c->host);
	mem_free(c->path);
	mem_free(c->user);
	mem_free(c->password);
	mem_free(c->name);
	secure_free(c->tls);
	memset(c, 0, sizeof(*c));
}

char *link_config_where(const struct link_config *config)
{
	if (config->path)
		return mem_strdup(config->path);
	return config->host ? mem_printf("%s:%d", config->host, config->port) : mem_strdup("");
}

/* --- the interface ------------------------------------------------------------------------------ */

struct link *link_open(struct ev_loop *loop, const struct link_config *config,
                       void (*on_change)(void *data, bool up), void *data)
{
	struct link *l = mem_zalloc(sizeof(*l));

	sigpipe_ignore();
	l->loop = loop;
	link_config_copy(&l->config, config);
	l->where = link_config_where(config);
	l->on_change = on_change;
	l->data = data;
	l->down_since_us = clock_mono_us();
	ev_timer_init(&l->retry, on_retry, 0., 0.);
	ev_timer_init(&l->alarm, on_alarm, 0., 0.);
	ev_set_priority(&l->alarm, EV_MINPRI); /* what there is to read is read before */
	l->retry.data = l->alarm.data = l;
	ev_timer_start(loop, &l->retry);
	return l;
}

void link_close(struct link *l)
{
	if (l->closed)
		return;
	enter(l);
	l->closed = true;
	hang_up(l);
	ev_timer_stop(l->loop, &l->retry);
	ev_timer_stop(l->loop, &l->alarm);
	set_state(l, WAITING);
	answer_lost(l);
	release(l);
}

bool link_up(const struct link *l)
{
	return l->state == UP;
}

void link_aim(struct link *l, const char *host, int port)
{
	bool known = l->config.host && strcmp(l->config.host, host) == 0 && l->config.port == port;

	if (known || l->closed)
		return;
	enter(l);
	mem_free(l->config.host);
	l->config.host = mem_strdup(host);
	l->config.port = port;
	mem_free(l->where);
	l->where = link_config_where(&l->config);
	if (l->state == WAITING) {
		l->tries = 0;
		connect_now(l);
	} else {
		error_set(&l->reason, "the server is %s now", l->where);
		l->aimed = l->lost = true;
	}
	leave(l);
}

bool link_send(struct link *l, struct command *c, int deadline_ms, link_fn *fn, void *data)
{
	struct call call = {.fn = fn, .data = data, .step = NO_STEP};

	if (l->state != UP || l->lost)
		return false;
	if (!submit(l, c, deadline_ms > 0 ? deadline_ms : l->config.timeout_ms, call))
		return false;
	l->stats.commands++;
	return true;
}

void link_stats(const struct link *l, struct link_stats *out)
{
	*out = l->stats;
}

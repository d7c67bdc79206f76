#include "smtp/session.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "smtp/handshake.h"
#include "smtp/transaction.h"

/* After so many refusals a connection is given up: Postfix delays its replies from the 10th error
 * on, and hangs up at the 20th. */
#define MAX_ERRORS 10
/* Held for longer than this, a server that hangs up is not to blame (Postfix under stress gives a
 * client 10 s). */
#define HELD_LONG_US 10000000
/* This part of command_ms an envelope waits behind another's dot, and at least so long; then another
 * connection may be quicker. */
#define BEHIND_PART 60
#define BEHIND_LEAST_MS 500

static void on_event(struct smtp_transport *t);
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

static void take(struct smtp_session *s, struct smtp_envelope *e)
{
	s->envelope = e;
	e->session = s;
	e->taken_us = clock_mono_us();
}

struct smtp_session *smtp_session_open(struct smtp_client *c, struct smtp_envelope *e)
{
	struct smtp_session *s = mem_zalloc(sizeof(*s));

	s->client = c;
	smtp_transport_init(&s->transport, c->loop, on_event);
	ev_init(&s->timer, on_timer);
	s->timer.data = s;
	if (e != NULL)
		take(s, e);
	return s;
}

static void session_close(struct smtp_session *s)
{
	smtp_session_enter(s, SMTP_CLOSED, 0);
	smtp_transport_close(&s->transport);
	s->over = false;
	if (s->envelope != NULL)
		s->envelope->session = NULL;
	s->envelope = NULL;
}

static void session_free(struct smtp_session *s)
{
	ev_timer_stop(s->client->loop, &s->timer);
	smtp_transport_free(&s->transport);
	mem_free(s);
}

void smtp_session_enter(struct smtp_session *s, enum smtp_phase phase, long ms)
{
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("smtp_phase", LOG_STR("from", smtp_phase_name(s->phase)),
		          LOG_STR("to", smtp_phase_name(phase)), LOG_INT("fd", s->transport.fd));
	s->phase = phase;
	if (ms == 0)
		ev_timer_stop(s->client->loop, &s->timer);
	else
		smtp_session_extend(s, ms);
}

void smtp_session_extend(struct smtp_session *s, long ms)
{
	int64_t left_us = (int64_t)ms * 1000;

	if (s->limit_us != 0 && s->limit_us - clock_mono_us() < left_us)
		left_us = s->limit_us - clock_mono_us();
	s->timer.repeat = left_us > 1000 ? (double)left_us / 1e6 : 0.001;
	ev_timer_again(s->client->loop, &s->timer);
}

void smtp_session_limit(struct smtp_session *s, long ms)
{
	s->limit_us = ms > 0 ? clock_mono_us() + (int64_t)ms * 1000 : 0;
}

void smtp_session_send(struct smtp_session *s)
{
	struct buf *scratch = &s->client->scratch;

	/* A broken connection shows when it is read: there may be a reply that says why. */
	if (!buf_ok(scratch))
		smtp_session_over(s, SMTP_END_PROTOCOL, "the command is too long");
	else if (!smtp_transport_write(&s->transport, scratch->data, scratch->len))
		smtp_transport_wake(&s->transport);
	buf_clear(scratch);
}

static void set_result(struct smtp_session *s, enum smtp_end end, const char *why)
{
	struct smtp_result *r = &s->result;

	s->over = true;
	memset(r, 0, sizeof(*r));
	r->end = end;
	r->phase = s->phase;
	r->last_byte_left = s->phase == SMTP_FINAL && s->transport.touched;
	r->held_long = s->phase == SMTP_HELD && clock_mono_us() - s->held_us > HELD_LONG_US;
	if (why != NULL)
		snprintf(r->why, sizeof(r->why), "%s", why);
}

void smtp_session_over(struct smtp_session *s, enum smtp_end end, const char *why)
{
	if (s->decided) {
		s->over = true;
		s->out_of_step = true; /* the replies that were waited for did not come */
	} else {
		set_result(s, end, why);
	}
	if (!s->busy)
		smtp_transport_wake(&s->transport);
}

void smtp_session_decided(struct smtp_session *s)
{
	s->over = false;
	s->decided = true;
}

void smtp_session_refused(struct smtp_session *s, const struct smtp_reply *reply)
{
	bool decided = s->decided;

	smtp_session_over(s, SMTP_END_REPLY, NULL);
	if (decided)
		return;
	s->result.last_byte_left = false;
	s->result.reply = *reply;
}

void smtp_session_lost(struct smtp_session *s)
{
	int error = s->transport.error;

	smtp_session_over(s, SMTP_END_LOST,
	                  error != 0 ? strerror(error) : "the server closed the connection");
}

void smtp_session_ready(struct smtp_session *s)
{
	smtp_session_enter(s, SMTP_IDLE, 0);
	if (s->envelope != NULL)
		smtp_transaction_start(s);
	else
		smtp_session_over(s, SMTP_END_REPLY, NULL);
}

/* Can the connection take another envelope after this? */
static bool in_step(const struct smtp_session *s)
{
	const struct smtp_transport *t = &s->transport;

	return s->phase > SMTP_HANDSHAKE && !s->out_of_step && !t->broken && !t->closed &&
	       s->in_len == 0 && t->out.len == 0;
}

static bool reusable(const struct smtp_session *s)
{
	const struct smtp_result *r = &s->result;

	if (!in_step(s) || s->phase < SMTP_IDLE || r->reply.code == 421)
		return false;
	if (s->served >= (unsigned long)s->client->config->per_connection ||
	    s->errors >= MAX_ERRORS)
		return false;
	switch (r->end) {
	case SMTP_END_REPLY:
	case SMTP_END_RCPTS:
		return s->phase != SMTP_BODY && s->phase != SMTP_HELD && s->phase != SMTP_RSET;
	case SMTP_END_TOO_LARGE:
	case SMTP_END_NO_UTF8:
	case SMTP_END_NO_8BIT:
	case SMTP_END_BAD_ADDRESS:
		return true;
	default:
		return false;
	}
}

static void say_quit(struct smtp_session *s)
{
	static const char quit[] = "QUIT\r\n";
	enum smtp_phase p = s->phase;

	if (!in_step(s) || p == SMTP_BODY || p == SMTP_HELD)
		return;
	if (s->result.end == SMTP_END_PROTOCOL || s->result.reply.code == 421)
		return;
	if (!smtp_transport_write(&s->transport, quit, sizeof(quit) - 1))
		return; /* as good as said */
}

/* The dot was answered, and what went out with it will be. */
static bool goes_on(const struct smtp_session *s)
{
	const struct smtp_transport *t = &s->transport;

	return s->behind != NULL && s->phase == SMTP_FINAL && s->result.end == SMTP_END_REPLY &&
	       s->result.reply.code != 421 && !s->out_of_step && !t->broken && !t->closed;
}

/* Acts on what was recorded: the connection is kept or closed, and the pool is told. */
static void conclude(struct smtp_session *s)
{
	struct smtp_envelope *e = s->envelope;
	struct smtp_result result;

	s->over = s->decided = false;
	if (e != NULL)
		e->session = NULL;
	s->envelope = NULL;
	if (goes_on(s)) {
		smtp_transaction_follow(s);
	} else if (reusable(s)) {
		smtp_session_enter(s, SMTP_IDLE, 0);
	} else {
		say_quit(s);
		session_close(s);
	}
	/* A copy: from here on the session may be given its next envelope. */
	result = s->result;
	s->client->on_end(s, e, &result);
}

static void take_reply(struct smtp_session *s, const struct smtp_reply *r, bool more_came)
{
	if (r->code >= 400)
		s->errors++;
	if (r->code == 421)
		smtp_session_refused(s, r);
	else if (s->phase == SMTP_IDLE)
		smtp_session_over(s, SMTP_END_PROTOCOL, "the server spoke without being asked");
	else if (s->phase < SMTP_IDLE)
		smtp_handshake_reply(s, r, more_came);
	else
		smtp_transaction_reply(s, r);
}

static void parse_replies(struct smtp_session *s)
{
	size_t at = 0, used;
	enum reply_status status;
	bool ehlo;

	while (!s->over && s->phase != SMTP_CLOSED && s->phase != SMTP_HANDSHAKE) {
		ehlo = s->phase == SMTP_EHLO;
		status = smtp_reply_parse(&s->reply, s->in + at, s->in_len - at, &used,
		                          ehlo ? smtp_caps_line : NULL, &s->caps);
		at += used;
		if (status == REPLY_MORE)
			break;
		if (status == REPLY_BROKEN)
			smtp_session_over(s, SMTP_END_PROTOCOL, "what came is not an SMTP reply");
		else
			take_reply(s, &s->reply, at < s->in_len);
		memset(&s->reply, 0, sizeof(s->reply));
	}
	if (s->phase == SMTP_CLOSED)
		return;
	s->in_len -= at;
	if (at > 0 && s->in_len > 0)
		memmove(s->in, s->in + at, s->in_len);
}

static size_t read_some(struct smtp_session *s)
{
	size_t n = smtp_transport_read(&s->transport, s->in + s->in_len, sizeof(s->in) - s->in_len,
	                               &s->unread);

	s->in_len += n;
	return n;
}

static void read_replies(struct smtp_session *s)
{
	if (s->in_len > 0) /* to what was sent behind a dot */
		parse_replies(s);
	while (s->unread && !s->over && s->phase > SMTP_HANDSHAKE && s->phase != SMTP_CLOSED) {
		(void)read_some(s);
		parse_replies(s);
	}
	if (!s->over && s->phase != SMTP_CLOSED && s->transport.closed)
		smtp_session_lost(s);
}

/* Goes as far as the connection lets us. */
static void look(struct smtp_session *s)
{
	if (!s->over && (s->phase == SMTP_CONNECT || s->phase == SMTP_HANDSHAKE))
		smtp_handshake_progress(s);
	if (!s->over)
		read_replies(s);
	if (!s->over && s->phase == SMTP_BODY)
		smtp_transaction_pump(s);
}

/* Acts when there is something to act on, for as long as there is, and frees what was closed. */
static void settle(struct smtp_session *s)
{
	while (s->over) {
		conclude(s);
		if (s->envelope != NULL)
			look(s); /* what followed may have its replies already */
	}
	s->busy = false;
	if (s->phase == SMTP_CLOSED)
		session_free(s);
}

static void on_event(struct smtp_transport *t)
{
	struct smtp_session *s = (struct smtp_session *)((char *)t -
	                                                 offsetof(struct smtp_session, transport));

	s->busy = s->unread = true;
	look(s);
	settle(s);
}

static long behind_ms(const struct smtp_session *s)
{
	long ms = s->client->config->command_ms / BEHIND_PART;

	return ms > BEHIND_LEAST_MS ? ms : BEHIND_LEAST_MS;
}

/* The server takes its time with the dot: what is behind it may be sent elsewhere meanwhile. */
static void give_back(struct smtp_session *s)
{
	struct smtp_envelope *e = s->behind;

	smtp_session_forget(s);
	s->client->on_back(s, e);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct smtp_session *s = timer->data;

	(void)events;
	s->busy = s->unread = true;
	ev_timer_stop(loop, timer);
	/* Stopped for a while, we may be late ourselves: what was waited for may be there. */
	look(s);
	if (!s->over && s->phase != SMTP_CLOSED && !ev_is_active(timer)) {
		if (s->phase == SMTP_CONNECT)
			smtp_handshake_next(s, "it does not answer");
		else if (s->behind != NULL && s->client->config->final_ms > behind_ms(s))
			give_back(s);
		else
			smtp_session_over(s, SMTP_END_TIMEOUT, "no reply in time");
	}
	settle(s);
}

void smtp_session_connect(struct smtp_session *s, const struct smtp_addresses *found)
{
	ev_now_update(s->client->loop); /* deadlines count from now, not from when the loop woke */
	s->addresses = *found;
	smtp_session_limit(s, s->client->config->connect_ms * SMTP_CONNECT_LIMIT);
	smtp_handshake_connect(s);
}

void smtp_session_unresolved(struct smtp_session *s, const char *why)
{
	smtp_session_over(s, SMTP_END_DNS, why);
}

void smtp_session_begin(struct smtp_session *s, struct smtp_envelope *e)
{
	take(s, e);
	ev_now_update(s->client->loop);
	smtp_session_limit(s, s->client->config->command_ms * SMTP_COMMAND_LIMIT);
	smtp_transaction_start(s);
	/* Within its own event handler nobody would look at that any more. */
	if (s->over)
		smtp_transport_wake(&s->transport);
}

/* An envelope that can go with the dot of this one. */
static struct smtp_envelope *find_next(struct smtp_session *s)
{
	if (!s->caps.pipelining || s->client->next == NULL || s->errors >= MAX_ERRORS ||
	    s->served >= (unsigned long)s->client->config->per_connection)
		return NULL;
	return s->client->next(s);
}

void smtp_session_release(struct smtp_session *s)
{
	struct buf *out = &s->client->scratch;
	long ms = s->client->config->final_ms;

	if (s->phase != SMTP_HELD || s->over)
		return; /* it has just broken, and on_end is on its way */
	/* A server that has hung up, or said 421, would make an `unknown` of the dot; and what it has begun
	 * to say (before this, too) is no answer to it. */
	(void)read_some(s);
	if (s->in_len > 0 || s->reply.n_lines > 0 || s->transport.closed) {
		smtp_session_enter(s, SMTP_HELD, s->client->config->command_ms);
		smtp_transport_wake(&s->transport);
		return;
	}
	smtp_transport_mark(&s->transport);
	smtp_session_limit(s, 0);
	s->behind = find_next(s);
	buf_add_str(out, ".\r\n");
	if (s->behind != NULL) {
		s->behind->session = s;
		smtp_transaction_add_behind(s, s->behind);
		ms = ms < behind_ms(s) ? ms : behind_ms(s);
	}
	smtp_session_enter(s, SMTP_FINAL, ms);
	s->released_us = clock_mono_us();
	smtp_session_send(s);
}

void smtp_session_forget(struct smtp_session *s)
{
	int64_t waited_ms = (clock_mono_us() - s->released_us) / 1000;

	s->behind->session = NULL;
	s->behind = NULL;
	s->out_of_step = true;      /* nobody is left to whom its replies would belong */
	if (s->phase == SMTP_FINAL) /* the dot still has what it has alone */
		smtp_session_extend(s, s->client->config->final_ms - waited_ms);
}

bool smtp_session_abandon(struct smtp_session *s)
{
	if (s->phase < SMTP_IDLE && !s->over) {
		s->envelope->session = NULL;
		s->envelope = NULL; /* the connection can serve another */
		return false;
	}
	session_close(s);
	if (!s->busy)
		session_free(s);
	return true;
}

void smtp_session_quit(struct smtp_session *s)
{
	say_quit(s);
	session_close(s);
	if (!s->busy)
		session_free(s);
}

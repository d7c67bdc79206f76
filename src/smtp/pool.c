#include "smtp/pool.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "smtp/resolver.h"
#include "smtp/session.h"
#include "smtp/tls.h"
#include "smtp/transaction.h"

#define SCRATCH_MAX ((size_t)1 << 20) /* a thousand recipients' command lines */
#define AHEAD 2               /* for each connection: one behind the dot, one to follow that */
#define PROMPT_US 100000      /* a dot that is answered within is answered promptly … */
#define PROMPT_FOR_US 1000000 /* … and for so long we count on the next ones to be */

struct list {
	struct smtp_session *first, *last;
	size_t n;
};

struct smtp_pool {
	struct smtp_client client;
	const struct smtp_events *events;
	struct list idle; /* the last used first */
	struct list working;
	ev_timer sweep;                 /* closes what has been idle for too long */
	struct smtp_resolver *resolver; /* NULL: the host is a numeric address */
	struct smtp_addresses addresses;
	int64_t addresses_until; /* CLOCK_MONOTONIC, us */
	unsigned busy;           /* connections in a row that were greeted with 421 */
	/* Envelopes for which there is no connection yet, and the last one's place. */
	struct smtp_envelope *waiting, **waiting_end;
	int64_t prompt_until; /* CLOCK_MONOTONIC, us */
	bool one_by_one;      /* the server does not cope with commands behind a dot */
};

static void list_push(struct list *l, struct smtp_session *s)
{
	s->prev = NULL;
	s->next = l->first;
	if (l->first != NULL)
		l->first->prev = s;
	else
		l->last = s;
	l->first = s;
	l->n++;
}

static void list_remove(struct list *l, struct smtp_session *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		l->first = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	else
		l->last = s->prev;
	s->next = s->prev = NULL;
	l->n--;
}

static void on_resolved(void *data, const struct smtp_addresses *found, const char *why)
{
	struct smtp_pool *p = data;
	struct smtp_session *next;

	if (found != NULL) {
		p->addresses = *found;
		p->addresses_until = clock_mono_us() + (int64_t)found->ttl * 1000000;
	}
	for (struct smtp_session *s = p->working.first; s != NULL; s = next) {
		next = s->next;
		if (s->phase != SMTP_RESOLVE)
			continue;
		if (found != NULL)
			smtp_session_connect(s, found);
		else
			smtp_session_unresolved(s, why);
	}
}

static void open_session(struct smtp_pool *p, struct smtp_envelope *e)
{
	const struct smtp_config *c = p->client.config;
	struct smtp_session *s = smtp_session_open(&p->client, e);

	list_push(&p->working, s);
	if (p->resolver == NULL || clock_mono_us() < p->addresses_until)
		smtp_session_connect(s, &p->addresses);
	else if (!smtp_resolver_busy(p->resolver))
		smtp_resolver_lookup(p->resolver, c->host, c->port, c->connect_ms, on_resolved, p);
}

/* An address that answered, after others did not, is tried first from now on. */
static void prefer_address(struct smtp_pool *p, const struct smtp_session *s)
{
	const union smtp_address *good = &s->addresses.list[s->address];
	struct smtp_addresses *a = &p->addresses;

	for (size_t i = 1; i < a->n; i++) {
		union smtp_address moved = a->list[i];

		if (!smtp_address_equal(&moved, good))
			continue;
		memmove(&a->list[1], &a->list[0], i * sizeof(a->list[0]));
		a->list[0] = moved;
		return;
	}
}

static void make_idle(struct smtp_pool *p, struct smtp_session *s)
{
	list_push(&p->idle, s);
	s->idle = true;
	s->idle_us = clock_mono_us();
	if (!ev_is_active(&p->sweep)) {
		ev_timer_set(&p->sweep, (double)p->client.config->idle_ms / 1e3, 0.);
		ev_timer_start(p->client.loop, &p->sweep);
	}
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct smtp_pool *p = timer->data;
	int64_t left = 0;
	struct smtp_session *s;

	(void)events;
	while ((s = p->idle.last) != NULL) {
		left = s->idle_us + (int64_t)p->client.config->idle_ms * 1000 - clock_mono_us();
		if (left > 0)
			break;
		list_remove(&p->idle, s);
		smtp_session_quit(s);
	}
	if (s != NULL) {
		ev_timer_set(timer, (double)left / 1e6, 0.);
		ev_timer_start(loop, timer);
	}
}

static void wait_in_line(struct smtp_pool *p, struct smtp_envelope *e)
{
	e->next = NULL;
	*p->waiting_end = e;
	p->waiting_end = &e->next;
}

static struct smtp_envelope *take_first(struct smtp_pool *p)
{
	struct smtp_envelope *e = p->waiting;

	p->waiting = e->next;
	if (p->waiting == NULL)
		p->waiting_end = &p->waiting;
	return e;
}

static void leave_line(struct smtp_pool *p, const struct smtp_envelope *e)
{
	struct smtp_envelope **at = &p->waiting;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	if (*at == NULL)
		p->waiting_end = at;
}

static void begin(struct smtp_pool *p, struct smtp_session *s, struct smtp_envelope *e)
{
	list_remove(&p->idle, s);
	s->idle = false;
	list_push(&p->working, s);
	smtp_session_begin(s, e);
}

/* Those that wait get the connections that there are, and may be. */
static void serve(struct smtp_pool *p)
{
	while (p->waiting != NULL) {
		if (p->idle.first != NULL)
			begin(p, p->idle.first, take_first(p));
		else if (p->working.n < (size_t)p->client.config->connections)
			open_session(p, take_first(p));
		else
			break;
	}
}

/* Its connection was closed before it had asked anything that the server could act on, and nothing was
 * answered that says something about it: it gets a fresh one. */
static void restart(struct smtp_pool *p, struct smtp_envelope *e)
{
	e->restarted = true;
	open_session(p, e);
}

/* The server closed an idle connection just when we began to use it. */
static bool stale(const struct smtp_session *s, const struct smtp_result *r)
{
	if (!s->reused || s->answered)
		return false;
	return r->end == SMTP_END_LOST || (r->end == SMTP_END_REPLY && r->reply.code == 421);
}

/* It did not understand what came behind a dot, or has thrown it away. */
static bool confused(const struct smtp_session *s, const struct smtp_result *r)
{
	if (!s->followed || r->reply.code == 421)
		return false;
	if (r->end == SMTP_END_REPLY)
		return r->phase == SMTP_RSET || (r->phase == SMTP_MAIL && r->reply.code == 503);
	return r->end == SMTP_END_TIMEOUT && !s->answered;
}

/* What the end tells about the server, beyond this envelope. */
static void learn(struct smtp_pool *p, const struct smtp_session *s, struct smtp_result *r)
{
	int64_t now = clock_mono_us();

	p->prompt_until = 0;
	if (r->end == SMTP_END_REPLY && r->phase == SMTP_FINAL && r->reply.code / 100 == 2 &&
	    now - s->released_us < PROMPT_US)
		p->prompt_until = now + PROMPT_FOR_US;
	if (s->connected && s->address > 0)
		prefer_address(p, s);
	if (r->end == SMTP_END_CONNECT)
		p->addresses_until = 0; /* the name may have moved */
	if (r->end == SMTP_END_REPLY && r->phase == SMTP_GREETING && r->reply.code == 421)
		r->busy = ++p->busy;
	else if (r->phase > SMTP_GREETING)
		p->busy = 0;
}

static struct smtp_envelope *detach(struct smtp_session *s)
{
	struct smtp_envelope *e = s->behind;

	smtp_session_forget(s);
	return e;
}

static void on_end(struct smtp_session *s, struct smtp_envelope *e, struct smtp_result *r)
{
	struct smtp_pool *p = s->client->data;
	bool goes_on = s->phase == SMTP_RSET; /* the flags are those of the next one already */
	bool moves = false;

	if (e != NULL && !e->restarted && !goes_on) {
		p->one_by_one = p->one_by_one || confused(s, r);
		moves = stale(s, r) || confused(s, r);
	}
	learn(p, s, r);
	if (!goes_on)
		list_remove(s->idle ? &p->idle : &p->working, s);
	if (s->phase == SMTP_IDLE)
		make_idle(p, s);
	if (s->behind != NULL)
		restart(p, detach(s));
	if (moves)
		restart(p, e);
	serve(p);
	if (e != NULL && !moves)
		p->events->on_end(e, r);
}

static struct smtp_envelope *on_next(struct smtp_session *s)
{
	struct smtp_pool *p = s->client->data;
	struct smtp_envelope *e = p->waiting;

	if (e == NULL || p->one_by_one || !smtp_transaction_can_follow(s, e))
		return NULL;
	return take_first(p);
}

static void on_back(struct smtp_session *s, struct smtp_envelope *e)
{
	struct smtp_pool *p = s->client->data;

	e->next = p->waiting;
	if (p->waiting == NULL)
		p->waiting_end = &e->next;
	p->waiting = e;
	serve(p);
}

static void on_rcpt(struct smtp_session *s, size_t i, const struct smtp_reply *reply)
{
	struct smtp_pool *p = s->client->data;

	p->events->on_rcpt(s->envelope, i, reply);
}

static void on_held(struct smtp_session *s)
{
	struct smtp_pool *p = s->client->data;

	p->events->on_held(s->envelope);
}

struct smtp_pool *smtp_pool_open(struct ev_loop *loop, const struct smtp_config *config,
                                 const struct smtp_events *events, const char *name_servers,
                                 struct error *err)
{
	struct smtp_pool *p = mem_zalloc(sizeof(*p));

	p->client.loop = loop;
	p->client.config = config;
	p->client.on_rcpt = on_rcpt;
	p->client.on_held = on_held;
	p->client.on_end = on_end;
	p->client.next = on_next;
	p->client.on_back = on_back;
	p->client.data = p;
	p->events = events;
	p->waiting_end = &p->waiting;
	buf_init(&p->client.scratch, SCRATCH_MAX);
	ev_init(&p->sweep, on_sweep);
	p->sweep.data = p;
	if (config->mode != SMTP_TLS_NONE) {
		p->client.tls = smtp_tls_open(config->verify, config->ca_file, err);
		if (p->client.tls == NULL) {
			smtp_pool_close(p);
			return NULL;
		}
	}
	if (!smtp_resolver_numeric(&p->addresses, config->host, config->port)) {
		p->resolver = smtp_resolver_open(loop, name_servers, err);
		if (p->resolver == NULL) {
			smtp_pool_close(p);
			return NULL;
		}
	}
	return p;
}

void smtp_pool_close(struct smtp_pool *p)
{
	struct smtp_session *s;

	/* What still connects for an envelope that was abandoned counts as idle here. */
	while ((s = p->idle.first) != NULL || (s = p->working.first) != NULL) {
		list_remove(s->idle ? &p->idle : &p->working, s);
		smtp_session_quit(s);
	}
	ev_timer_stop(p->client.loop, &p->sweep);
	smtp_resolver_close(p->resolver);
	smtp_tls_close(p->client.tls);
	buf_free(&p->client.scratch);
	mem_free(p);
}

void smtp_pool_send(struct smtp_pool *p, struct smtp_envelope *e)
{
	e->restarted = false;
	e->session = NULL;
	e->eightbit = smtp_envelope_8bit(e);
	wait_in_line(p, e);
	serve(p);
}

size_t smtp_pool_ahead(const struct smtp_pool *p)
{
	return clock_mono_us() < p->prompt_until ? AHEAD * (size_t)p->client.config->connections
	                                         : 0;
}

bool smtp_pool_waits(const struct smtp_envelope *e)
{
	return e->session == NULL || e->session->behind == e;
}

void smtp_pool_release(struct smtp_pool *p, struct smtp_envelope *e)
{
	(void)p;
	smtp_session_release(e->session);
}

void smtp_pool_abandon(struct smtp_pool *p, struct smtp_envelope *e)
{
	struct smtp_session *s = e->session;

	if (s == NULL) {
		leave_line(p, e);
		return;
	}
	if (s->behind == e) {
		smtp_session_forget(s);
		return;
	}
	list_remove(&p->working, s);
	if (s->behind != NULL)
		restart(p, detach(s));
	if (!smtp_session_abandon(s))
		list_push(&p->working, s);
	serve(p);
}

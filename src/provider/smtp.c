/* The provider smtp:// and smtps://: jobs in, envelopes out (src/smtp), replies in, outcomes out. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mail/message.h"
#include "provider/provider.h"
#include "provider/smtp_check.h"
#include "provider/smtp_dsn.h"
#include "provider/smtp_outcome.h"
#include "smtp/pool.h"

/* What composing can add to the payload's bytes: base64, encoded words, headers. */
#define MESSAGE_MAX(PAYLOAD) ((size_t)(PAYLOAD)*2 + ((size_t)1 << 20))

#define KEEP_BUFFER (256 * 1024) /* a larger one is not kept for the next message */

/* One delivery as an envelope. Used again for the next one, with its buffers. */
struct attempt {
	struct attempt *next; /* among the spare or the stillborn */
	struct smtp *smtp;
	struct delivery *delivery;
	struct smtp_envelope envelope;
	size_t *index;               /* envelope.to[i] is the job's recipient index[i] */
	struct rcpt_result *results; /* of envelope.to[i] */
	size_t room;                 /* of the three arrays */
	struct smtp_rcpts rcpts;
	struct outcome outcome; /* of a stillborn one */
};

struct smtp {
	struct provider *provider;
	struct smtp_config config;
	struct smtp_pool *pool;
	struct attempt *spare;
	/* What failed within provider_send, which may not call back: told from the loop. */
	struct attempt *stillborn;
	ev_timer tell;
};

static struct attempt *take_attempt(struct smtp *smtp)
{
	struct attempt *a = smtp->spare;

	if (a != NULL) {
		smtp->spare = a->next;
		return a;
	}
	a = mem_zalloc(sizeof(*a));
	a->smtp = smtp;
	a->envelope.data = a;
	buf_init(&a->envelope.message, MESSAGE_MAX(smtp->provider->options->max_job_bytes));
	return a;
}

static void free_attempts(struct attempt *a)
{
	while (a != NULL) {
		struct attempt *next = a->next;

		buf_free(&a->envelope.message);
		mem_free(a->envelope.to);
		mem_free(a->index);
		mem_free(a->results);
		mem_free(a);
		a = next;
	}
}

static void give_back(struct attempt *a)
{
	a->delivery = NULL;
	if (a->envelope.message.cap > KEEP_BUFFER)
		buf_free(&a->envelope.message);
	else
		buf_clear(&a->envelope.message);
	a->next = a->smtp->spare;
	a->smtp->spare = a;
}

/* The recipients to whom it is still to go. */
static void address(struct attempt *a)
{
	const struct job *job = a->delivery->job;
	size_t n = 0;

	if (job->n_rcpts > a->room) {
		a->room = job->n_rcpts;
		a->envelope.to = mem_realloc(a->envelope.to, a->room * sizeof(a->envelope.to[0]));
		a->index = mem_realloc(a->index, a->room * sizeof(a->index[0]));
		a->results = mem_realloc(a->results, a->room * sizeof(a->results[0]));
	}
	for (size_t i = 0; i < job->n_rcpts; i++) {
		enum rcpt_state state = a->delivery->rcpts[i].state;

		if (state != RCPT_PENDING && state != RCPT_DEFERRED)
			continue;
		a->envelope.to[n] = job->rcpts[i].address.email;
		a->index[n] = i;
		a->results[n] = a->delivery->rcpts[i];
		n++;
	}
	a->envelope.n_to = n;
	a->envelope.from = job->from.email;
	a->envelope.utf8 = job->utf8_addresses;
	smtp_rcpts_start(&a->rcpts);
}

/* The states count only with some outcomes; what was not accepted for good stays to be sent. */
static void report_recipients(struct attempt *a, const struct outcome *o)
{
	bool rejected = o->kind == OUTCOME_REJECTED && strcmp(o->code, CODE_TOO_LARGE) != 0;
	bool counts = rejected || o->kind == OUTCOME_SENT || o->kind == OUTCOME_RETRY ||
	              o->kind == OUTCOME_THROTTLED;

	for (size_t i = 0; counts && i < a->envelope.n_to; i++) {
		struct rcpt_result *to = &a->delivery->rcpts[a->index[i]];
		const struct rcpt_result *got = &a->results[i];

		if (got->state == RCPT_REFUSED || got->state == RCPT_DEFERRED ||
		    (got->state == RCPT_ACCEPTED && o->kind == OUTCOME_SENT)) {
			*to = *got;
		}
		if (rejected && to->state != RCPT_REFUSED) {
			/* Taken at RCPT, or never asked, and now the whole mail is refused. */
			to->state = RCPT_REFUSED;
			snprintf(to->code, sizeof(to->code), "%s", o->code);
		}
	}
}

static void finish(struct attempt *a, const struct outcome *o)
{
	struct delivery *d = a->delivery;
	struct smtp *smtp = a->smtp;

	report_recipients(a, o);
	give_back(a);
	provider_done(smtp->provider, d, o);
}

static void on_rcpt(struct smtp_envelope *e, size_t i, const struct smtp_reply *reply)
{
	struct attempt *a = e->data;

	smtp_rcpts_add(&a->rcpts, &a->results[i], reply);
}

static void on_held(struct smtp_envelope *e)
{
	struct attempt *a = e->data;

	a->delivery->since_us = e->taken_us;
	a->delivery->on_ready(a->delivery);
}

static void on_end(struct smtp_envelope *e, const struct smtp_result *r)
{
	struct attempt *a = e->data;
	struct outcome o;

	a->delivery->since_us = e->taken_us;
	if (r->end == SMTP_END_RCPTS)
		o = a->rcpts.worst;
	else
		smtp_outcome(&o, r);
	smtp_outcome_hide(&o, &a->smtp->config);
	if (o.kind == OUTCOME_SENT || (r->end == SMTP_END_RCPTS && a->rcpts.deferred > 0))
		o.retry_after_ms = a->rcpts.retry_after_ms;
	finish(a, &o);
}

static void on_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct smtp *smtp = timer->data;
	struct attempt *a;
	struct outcome o;

	(void)loop;
	(void)events;
	while ((a = smtp->stillborn) != NULL) {
		smtp->stillborn = a->next;
		o = a->outcome;
		finish(a, &o);
	}
}

static void smtp_close(struct provider *p)
{
	struct smtp *smtp = p->state;

	if (smtp->pool != NULL)
		smtp_pool_close(smtp->pool);
	ev_timer_stop(p->loop, &smtp->tell);
	free_attempts(smtp->spare);
	smtp_dsn_free(&smtp->config);
	mem_free(smtp);
}

static void *smtp_open(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct smtp_events events = {
		.on_rcpt = on_rcpt, .on_held = on_held, .on_end = on_end};
	struct smtp *smtp = mem_zalloc(sizeof(*smtp));
	struct smtp_config *c = &smtp->config;

	smtp->provider = p;
	p->state = smtp;
	ev_init(&smtp->tell, on_tell);
	smtp->tell.data = smtp;
	if (smtp_dsn_read(c, dsn, p->options->ehlo_name, err)) {
		c->connections = p->concurrency;
		smtp->pool = smtp_pool_open(p->loop, c, &events, NULL, err);
	}
	if (smtp->pool == NULL) {
		smtp_close(p);
		p->state = NULL;
		return NULL;
	}
	provider_talks_to(p, c->host, c->port);
	c->final_ms = p->timeout_ms;
	p->setup_ms = c->connect_ms * SMTP_CONNECT_LIMIT + c->command_ms * SMTP_COMMAND_LIMIT;
	return smtp;
}

static void smtp_send(struct provider *p, struct delivery *d)
{
	struct smtp *smtp = p->state;
	struct attempt *a = take_attempt(smtp);
	struct error err;

	a->delivery = d;
	d->impl = a;
	address(a);
	if (message_compose(&a->envelope.message, d->job, d->message_id, d->date_ms, &err)) {
		smtp_pool_send(smtp->pool, &a->envelope);
		return;
	}
	outcome_set(&a->outcome, OUTCOME_REJECTED, "message", err.text);
	a->next = smtp->stillborn;
	smtp->stillborn = a;
	ev_feed_event(p->loop, &smtp->tell, EV_CUSTOM);
}

/* Under a rate nothing is taken before its time. */
static size_t smtp_ahead(const struct provider *p)
{
	const struct smtp *smtp = p->state;

	return p->interval_us == 0 ? smtp_pool_ahead(smtp->pool) : 0;
}

static bool smtp_waits(const struct delivery *d)
{
	const struct attempt *a = d->impl;

	return smtp_pool_waits(&a->envelope);
}

static void smtp_release(struct provider *p, struct delivery *d)
{
	struct smtp *smtp = p->state;
	struct attempt *a = d->impl;

	smtp_pool_release(smtp->pool, &a->envelope);
}

static void smtp_abandon(struct provider *p, struct delivery *d)
{
	struct smtp *smtp = p->state;
	struct attempt *a = d->impl, **at = &smtp->stillborn;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at != NULL)
		*at = a->next;
	else
		smtp_pool_abandon(smtp->pool, &a->envelope);
	give_back(a);
}

static void ask(struct provider *p, struct provider_check *c)
{
	struct smtp *smtp = p->state;

	smtp_check(p, &smtp->config, c);
}

#define SMTP_TYPE(SCHEME)                                                                          \
	{                                                                                          \
		.scheme = (SCHEME), .params = smtp_dsn_params, .concurrency = 20,                  \
		.timeout_ms = 600000, .open = smtp_open, .send = smtp_send,                        \
		.release = smtp_release, .abandon = smtp_abandon, .close = smtp_close,             \
		.check = ask, .ahead = smtp_ahead, .waits = smtp_waits                             \
	}

const struct provider_type provider_smtp = SMTP_TYPE("smtp");
const struct provider_type provider_smtps = SMTP_TYPE("smtps");

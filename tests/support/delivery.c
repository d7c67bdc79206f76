#include "support/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/message.h"
#include "support/wait.h"

/* Set while a provider's function runs: its callbacks must not come then. */
static bool calling;

void delivery_options(struct options *o)
{
	static char *argv[] = {(char *)"test", NULL};
	struct error err;
	int rest;

	unsetenv("PROVIDERS");
	setenv("MAIL_FROM", "Postrider <sender@example.org>", 1);
	setenv("EHLO_NAME", "client.example", 1);
	if (!options_load(o, 1, argv, NULL, &rest, &err))
		fail_msg("options: %s", err.text);
}

struct provider *delivery_open(struct ev_loop *loop, const struct options *o, const char *dsn, ...)
{
	char text[1024];
	struct provider *p;
	struct error err;
	va_list args;

	va_start(args, dsn);
	vsnprintf(text, sizeof(text), dsn, args);
	va_end(args);
	p = provider_open(loop, o, "test", text, &err);
	if (p == NULL)
		fail_msg("%s", err.text);
	return p;
}

static void on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	mail_release(timer->data);
}

static void on_ready(struct delivery *d)
{
	struct mail *m = d->data;

	m->ready++;
	m->in_call |= calling;
	switch (m->when_ready) {
	case READY_RELEASE:
		mail_release(m);
		break;
	case READY_RELEASE_LATER:
		ev_timer_start(m->provider->loop, &m->later);
		break;
	case READY_HOLD:
		break;
	case READY_ABANDON:
		mail_abandon(m);
		break;
	}
}

static void on_done(struct delivery *d, const struct outcome *o)
{
	struct mail *m = d->data;

	m->done++;
	m->in_call |= calling;
	m->ready_when_done = m->ready > 0;
	m->outcome = *o;
	ev_timer_stop(m->provider->loop, &m->later);
	if (m->on_done != NULL)
		m->on_done(m);
}

struct mail *mail_new(struct provider *p, int n, const char *payload)
{
	struct mail *m = calloc(1, sizeof(*m));
	struct buf faults;

	assert_non_null(m);
	if (payload == NULL)
		payload = "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\"}";
	buf_init(&faults, 4096);
	m->job = job_parse(payload, strlen(payload), p->options, &faults);
	if (m->job == NULL)
		fail_msg("%s", buf_str(&faults));
	buf_free(&faults);
	m->provider = p;
	snprintf(m->key, sizeof(m->key), "key-%d", n);
	snprintf(m->id, sizeof(m->id), "<mail-%d@example.org>", n);
	m->delivery = (struct delivery){.job = m->job,
	                                .message_id = m->id,
	                                .key = m->key,
	                                .date_ms = 1790000000000,
	                                .on_ready = on_ready,
	                                .on_done = on_done,
	                                .data = m};
	m->delivery.rcpts = calloc(m->job->n_rcpts, sizeof(m->delivery.rcpts[0]));
	assert_non_null(m->delivery.rcpts);
	ev_timer_init(&m->later, on_later, 0.002, 0.);
	m->later.data = m;
	return m;
}

void mail_free(struct mail *m)
{
	assert_false(m->in_call);
	job_free(m->job);
	free(m->delivery.rcpts);
	free(m);
}

void mail_send(struct mail *m)
{
	bool before = calling;

	m->ready = m->done = 0;
	m->released = m->abandoned = m->ready_when_done = false;
	calling = true;
	provider_send(m->provider, &m->delivery);
	calling = before;
}

void mail_release(struct mail *m)
{
	bool before = calling;

	m->released = true;
	calling = true;
	provider_release(m->provider, &m->delivery);
	calling = before;
}

void mail_abandon(struct mail *m)
{
	bool before = calling;

	m->abandoned = true;
	ev_timer_stop(m->provider->loop, &m->later);
	calling = true;
	provider_abandon(m->provider, &m->delivery);
	calling = before;
}

static bool is_ready_or_done(void *m)
{
	return ((struct mail *)m)->ready > 0 || ((struct mail *)m)->done > 0;
}

static bool is_done(void *m)
{
	return ((struct mail *)m)->done > 0;
}

void mail_wait_ready(struct mail *m)
{
	wait_loop_until(m->provider->loop, is_ready_or_done, m, 0);
	if (m->ready == 0)
		fail_msg("not ready, but %s: %s %s", outcome_name(m->outcome.kind), m->outcome.code,
		         m->outcome.text);
}

void mail_wait_done(struct mail *m)
{
	wait_loop_until(m->provider->loop, is_done, m, 0);
}

const struct outcome *mail_deliver(struct mail *m)
{
	m->when_ready = READY_RELEASE;
	mail_send(m);
	mail_wait_done(m);
	return &m->outcome;
}

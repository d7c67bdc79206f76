#include "support/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *name;
	const char *before; /* the DSN up to the endpoint */
} apis[N_APIS] = {
	[SENDGRID] = {"sendgrid", "sendgrid://test-key-123@default?endpoint="},
	[MAILGUN] = {"mailgun", "mailgun://test-key-123:mg.example.org@default?endpoint="},
	[SES] = {"ses", "ses://AKIDEXAMPLE:secret%2F%2B123@default?region=eu-west-1&endpoint="},
	[POSTMARK] = {"postmark", "postmark://test-key-123@default?endpoint="},
	[RESEND] = {"resend", "resend://test-key-123@default?endpoint="},
};

int http_world_begin(void **state)
{
	struct http_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	delivery_options(&w->options);
	w->server = http_server_start();
	*state = w;
	return 0;
}

int http_world_end(void **state)
{
	struct http_world *w = *state;

	http_server_free(w->server);
	options_free(&w->options);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

int http_world_set_up(void **state)
{
	http_server_clear(((struct http_world *)*state)->server);
	return 0;
}

const char *http_world_name(enum http_world_api api)
{
	return apis[api].name;
}

struct provider *http_world_open(struct http_world *w, enum http_world_api api,
                                 const char *behaviour, const char *more)
{
	return delivery_open(w->loop, &w->options, "%s%s%s", apis[api].before,
	                     http_server_url(w->server, behaviour, apis[api].name), more);
}

struct outcome http_world_deliver(struct http_world *w, enum http_world_api api,
                                  const char *behaviour, const char *more, const char *payload)
{
	struct provider *p = http_world_open(w, api, behaviour, more);
	struct mail *m = mail_new(p, 1, payload);
	struct outcome o;

	mail_deliver(m);
	assert_int_equal(m->done, 1);
	o = m->outcome;
	mail_free(m);
	provider_close(p);
	return o;
}

/* http_api.h - what all providers with an HTTP API do alike: one delivery, one POST.
 *
 * A provider's own file says how its request is put together and what its replies mean (both pure);
 * here is the way from provider_send to on_done, so that it is the same for all of them:
 *
 *    compose ─▶ http_client ─▶ on_ready ─▶ release ─▶ judge ─▶ recipients ─▶ on_done
 *
 * Whatever a table says, nothing is SENT or UNKNOWN before the last byte has left. */
#ifndef PROVIDER_HTTP_API_H
#define PROVIDER_HTTP_API_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/uri.h"
#include "mail/outcome.h"
#include "provider/addressees.h"
#include "provider/http_call.h"
#include "provider/http_client.h"
#include "provider/http_reply.h"
#include "provider/provider.h"

struct http_api;

/* What one provider is. */
struct http_api_type {
	const char *brand;     /* "SendGrid" */
	const char *no_to;     /* why a mail without anybody in `to` cannot go; NULL: it can */
	/* The request that hands over this mail. False: err says why it cannot be put together. */
	bool (*compose)(const struct http_api *api, const struct delivery *d,
	                const struct addressees *to, struct http_call *call, struct error *err);
	/* Fills the outcome from a whole reply or what came of it. */
	void (*judge)(struct outcome *o, const struct http_reply *r);
	/* The reply took the mail, but not for all: marks those RCPT_REFUSED. Optional. */
	void (*mark_refused)(const struct http_reply *r, const struct addressees *to, struct delivery *d);
	/* The harmless question. */
	void (*ask)(const struct http_api *api, struct http_call *call);
	/* What its answer says; SENT: all is well. Optional: 2xx is well, the rest is judged as is the
	 * reply to a mail. */
	void (*answered)(struct outcome *o, const struct http_reply *r);
	/* Sees every reply, to learn from it. Optional. */
	void (*learn)(struct http_api *api, const struct http_reply *r);
	void (*free_own)(void *own);
};

struct http_api {
	struct provider *provider;
	const struct http_api_type *type;
	char *base;   /* http_dsn.h */
	char *secret; /* the API key: what no text may show */
	char *second_secret; /* nor this: the key as it goes over the line, a session token; NULL none */
	void *own;    /* the type's: what else its DSN said */
	struct http_client *client;
	struct http_attempt *spare;
	/* What failed within provider_send, which may not call back: told from the loop. */
	struct http_attempt *stillborn;
	ev_timer tell;
};

/* For the provider's open: reads what all have in common. base: its own URL; secret: copied.
 * NULL: err says why. */
struct http_api *http_api_open(struct provider *p, struct uri *dsn, const struct http_api_type *type,
                               const char *base, const char *secret, struct error *err) MUST_CHECK;

/* The other functions of struct provider_type. */
void http_api_send(struct provider *p, struct delivery *d);
void http_api_release(struct provider *p, struct delivery *d);
void http_api_abandon(struct provider *p, struct delivery *d);
void http_api_close(struct provider *p);
void http_api_check(struct provider *p, struct provider_check *c);

/* What a request comes to that got no reply; pure. */
void http_api_no_reply(struct outcome *o, const struct http_result *result);

#endif

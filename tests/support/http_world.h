/* http_world.h - the providers with an HTTP API, opened against http_server. */
#ifndef SUPPORT_HTTP_WORLD_H
#define SUPPORT_HTTP_WORLD_H

#include <ev.h>

#include "base/attr.h"
#include "base/options.h"
#include "provider/provider.h"
#include "support/delivery.h"
#include "support/http_server.h"

enum http_world_api { SENDGRID, MAILGUN, SES, POSTMARK, RESEND, N_APIS };

struct http_world {
	struct ev_loop *loop;
	struct options options;
	struct http_server *server;
};

/* For cmocka: one for the whole group; set_up makes the server forget before each test. */
int http_world_begin(void **state);
int http_world_end(void **state);
int http_world_set_up(void **state);

const char *http_world_name(enum http_world_api api); /* "sendgrid" */
/* With the credentials that the server knows. behaviour: as in http_server.h, NULL none; more: "",
 * or "&name=value" for the DSN. */
struct provider *http_world_open(struct http_world *w, enum http_world_api api,
                                 const char *behaviour, const char *more) MUST_CHECK;
/* Opens, delivers one mail, closes. payload: NULL, a plain one. */
struct outcome http_world_deliver(struct http_world *w, enum http_world_api api,
                                  const char *behaviour, const char *more, const char *payload);

#endif

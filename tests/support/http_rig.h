/* http_rig.h - requests of http_client against http_server, and what became of them. */
#ifndef SUPPORT_HTTP_RIG_H
#define SUPPORT_HTTP_RIG_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "provider/http_client.h"
#include "support/http_server.h"

struct http_rig {
	struct ev_loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct http_config config;
};

/* For cmocka: a server for the whole group; for each test a client with generous timeouts, and a
 * server that has seen nothing yet. */
int http_rig_begin(void **state);
int http_rig_end(void **state);
int http_rig_set_up(void **state);
int http_rig_tear_down(void **state);
/* Another client, after the config was changed. */
void http_rig_reopen(struct http_rig *r);

enum when_held { HELD_RELEASE, HELD_WAIT, HELD_ABANDON };

struct exchange {
	struct http_rig *rig;
	struct http_request *request; /* NULL when it is over */
	enum when_held when_held;
	unsigned held, ended;
	bool in_call; /* a callback came from within a call: not allowed */
	/* of the result */
	enum http_end end;
	bool passed, refused;
	int status;
	bool complete;
	size_t body_len;
	char why[HTTP_MAX_WHY];
	void (*on_end)(struct exchange *x); /* NULL, or what else is to be done then */
};

/* A POST of n bytes to /plain/<name>, or GET when n is 0. */
void exchange_start(struct exchange *x, struct http_rig *r, const char *behaviour, const char *name,
                    size_t n);
void exchange_start_at(struct exchange *x, struct http_rig *r, const char *url, size_t n);
void exchange_release(struct exchange *x);
void exchange_abandon(struct exchange *x);
/* Whichever comes first; false: it ended without having been held. */
bool exchange_wait_held_or_end(struct exchange *x) MUST_CHECK;
void exchange_wait_held(struct exchange *x);
void exchange_wait_end(struct exchange *x);
/* From start to end with a release as soon as it is held. */
void exchange_run(struct exchange *x, struct http_rig *r, const char *behaviour, const char *name,
                  size_t n);

/* How many lines of a file of the server name this request. */
size_t http_rig_count(const struct http_rig *r, const char *file, const char *name);
/* Until the server has noted it so often, while the loop runs. */
void http_rig_wait(struct http_rig *r, const char *file, const char *name, size_t n);

#endif

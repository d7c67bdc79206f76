/* server.h - HTTP on libev: libmicrohttpd without a thread, its epoll descriptor as a watcher.
 *
 * Bounds (README: The HTTP API): connections, bytes of head and body, and the time in which a request
 * must have arrived. A request whose framing is ambiguous (both lengths, an unknown coding) is refused
 * and its connection closed. What libmicrohttpd refuses by itself (a line that is no HTTP) it answers
 * itself.
 *
 * A connection that has asked nothing takes about 5 KB; one that has, about 25 KB for as long as it stays, since
 * libmicrohttpd keeps its pool, which must hold the longest head. visitor.h bounds how many of those stay. */
#ifndef API_SERVER_H
#define API_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request.h"
#include "base/attr.h"
#include "base/error.h"

#define SERVER_MAX_CONNECTIONS 10000
#define SERVER_MAX_HEAD 16384
#define SERVER_MAX_BODIES ((size_t)1 << 30) /* bytes of all requests' bodies together */

struct server;
struct traffic;

struct server_config {
	const char *host; /* an address; "" all */
	int port;         /* 0: any */
	bool alone;       /* no other process may listen there, too */
	const char *option; /* what the port is called, for err */
	size_t max_body;
	int64_t arrival_ms; /* in which a request must have arrived, and an answer been taken */
	const char *certificate, *key; /* PEM; NULL: no TLS */
};

/* False: err says why it cannot listen. */
struct server *server_open(struct ev_loop *loop, struct api *api, const struct server_config *config,
                           struct error *err) MUST_CHECK;
int server_port(const struct server *s);
bool server_tls(const struct server *s); /* it speaks HTTPS */
size_t server_connections(const struct server *s);
const struct traffic *server_traffic(const struct server *s);
/* No new connections; those that are there are closed after their next answer. */
void server_quiesce(struct server *s);
bool server_idle(const struct server *s); /* no request is under way */
void server_close(struct server *s);      /* every request has been answered, or is now, by 503 */

/* For request.c: the answer is there. For stream.c: more of it is. */
void server_answered(struct request *r);
/* For stream.c: more will come. The client is not waited for until then. */
void server_pause(struct request *r);

#endif

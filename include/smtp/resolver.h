/* resolver.h - host names to addresses without stopping the loop: c-ares on libev.
 *
 * /etc/hosts and /etc/resolv.conf are honoured as c-ares reads them. Addresses come in the order in
 * which they are to be tried (RFC 6724), IPv6 and IPv4. */
#ifndef SMTP_RESOLVER_H
#define SMTP_RESOLVER_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"

#define SMTP_MAX_ADDRESSES 8

union smtp_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct smtp_addresses {
	union smtp_address list[SMTP_MAX_ADDRESSES];
	size_t n;
	int ttl; /* seconds: how long they may be kept */
};

socklen_t smtp_address_len(const union smtp_address *a);
bool smtp_address_equal(const union smtp_address *a, const union smtp_address *b);

/* A numeric IPv4 or IPv6 address needs no look-up: true, and it is the only one. */
bool smtp_resolver_numeric(struct smtp_addresses *out, const char *host, int port) MUST_CHECK;

struct smtp_resolver;

/* servers: "127.0.0.1:5353", as ares_set_servers_ports_csv takes them, or NULL for the system's. */
struct smtp_resolver *smtp_resolver_open(struct ev_loop *loop, const char *servers,
                                         struct error *err) MUST_CHECK;
void smtp_resolver_close(struct smtp_resolver *r); /* a look-up under way is forgotten; NULL is fine */

/* found: NULL when there are none, and `why` says so in a few words. Called from the loop, once. */
typedef void smtp_resolver_fn(void *data, const struct smtp_addresses *found, const char *why);

bool smtp_resolver_busy(const struct smtp_resolver *r);
/* One look-up at a time: only when not busy. */
void smtp_resolver_lookup(struct smtp_resolver *r, const char *host, int port, long timeout_ms,
                          smtp_resolver_fn *fn, void *data);

#endif

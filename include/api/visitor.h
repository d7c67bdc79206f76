/* visitor.h - the HTTP server's connections, and for how long their clients are waited for.
 *
 * A client has arrival_us to send a request (else 408) and to take its answer; a connection without a request is closed
 * after as long. One that was answered once and is idle again keeps libmicrohttpd's pool, some 25 KB (server.h); so no
 * more than VISITOR_MAX_KEPT of those stay: one more, and the one that was idle the longest is closed. (Of 10,000 that ask
 * within one turn of the loop each has had its pool by then: 260 MB, which are used again later.) For server.c. */
#ifndef API_VISITOR_H
#define API_VISITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"

#define VISITOR_MAX_KEPT 2000

/* What a browser may do with an answer that is no page: nothing. */
#define VISITOR_POLICY "default-src 'none'; frame-ancestors 'none'"

/* One connection. It is in `timed` while its time runs, that is, while we wait for its client. */
struct visitor {
	TAILQ_ENTRY(visitor) entry, kept_entry;
	struct visitors *all;
	int fd;
	bool timed, kept;
	bool receiving; /* a request has begun, and is not all there yet */
	int refused;    /* with this status, past libmicrohttpd; 0 not */
	int64_t since;  /* mono clock, µs */
};

TAILQ_HEAD(visitor_list, visitor);

struct visitors {
	struct visitor_list timed, kept; /* the longest first */
	size_t n, n_kept;
	int64_t arrival_us;
	bool tls; /* nothing can be written past libmicrohttpd */
};

void visitors_init(struct visitors *all, int64_t arrival_us, bool tls);
/* Hangs up on those whose time is over. Called some times within it. */
void visitors_hang_up(struct visitors *all);

struct visitor *visitor_new(struct visitors *all, int fd) MUST_CHECK; /* it is waited for */
void visitor_free(struct visitor *v);                                 /* the connection is closed */
void visitor_wait(struct visitor *v); /* for the client, from now */
void visitor_rest(struct visitor *v); /* we do not wait for it */
void visitor_keep(struct visitor *v); /* it was answered, and may ask again */
/* Writes an answer past libmicrohttpd, which takes one only before a body or after it, and hangs up. Nothing else has
 * been written, so this is all that the client gets. line: "408 Request Timeout". */
void visitor_refuse(struct visitor *v, const char *line, const char *title, int status);

#endif

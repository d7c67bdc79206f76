/* http_client.h - HTTP/1.1 requests on the loop: libcurl's multi-socket interface on libev.
 *
 * A POST goes out but for the last byte of its body, and is held; no server acts on it before that
 * byte. It is sent again by nobody: neither by libcurl (which repeats a POST by itself when a
 * connection that was used before dies unanswered: the body comes from a read callback that cannot
 * go back, and a second start of the same transfer is refused), nor by us once on_held was called.
 * Before that, a request that met such a dead connection moves to a fresh one, once, unseen.
 *
 *    http_client_send ──▶ on_held ──▶ http_client_release ──▶ on_end
 *         └──▶ on_end         └─────▶ http_client_abandon            (no on_end)
 *    on_end may also come while it is held: the server answered early, or hung up.
 *
 * A GET has no body and is not held. Callbacks come from the loop only, never from inside of one of
 * these functions; within them all of these may be called.
 *
 * Redirects are not followed, certificates are always verified, names are looked up in threads
 * (the loop never waits for one, also not when the request is given up), and proxies are taken from
 * the environment as libcurl does (https_proxy, no_proxy) unless `direct` says otherwise. One client
 * serves one server, or (`direct`) whichever its URLs name. */
#ifndef PROVIDER_HTTP_CLIENT_H
#define PROVIDER_HTTP_CLIENT_H

#include <curl/curl.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/error.h"
#include "provider/http_call.h"
#include "provider/http_reply.h"

struct http_client;

struct http_config {
	const char *ca_file; /* the only roots to trust, in PEM; "" the system's. Copied */
	bool clear_text;     /* http:// instead of https:// */
	size_t max_body;     /* of a request */
	long chunk;          /* so much of it is handed to the kernel at once, at most 2 MB; 0: 64 KB. Memory of each
	                      * request on its way */
	long connections;    /* kept for the next request; as many as there are requests at once */
	long connect_ms;     /* look-up, connecting to all addresses, TLS handshake */
	long send_ms;        /* from then until everything but the last byte has left */
	long reply_ms;       /* from the release until the whole reply is there */
	long idle_ms;        /* a connection without work is not used again after that */
	bool direct;         /* never by a proxy */
	bool public_only;    /* only to public addresses (public_address.h), whatever the name says: looked at
	                      * when the socket is opened, so that no second look-up can come between. Goes
	                      * with direct */
};

enum http_end {
	HTTP_END_REPLY,   /* `reply` has a status, and the server may act on the request */
	HTTP_END_LOOKUP,  /* the name (of the server or the proxy) could not be looked up */
	HTTP_END_CONNECT, /* no address could be connected to */
	HTTP_END_TLS,     /* the certificate is not the server's, or TLS cannot be spoken with it */
	HTTP_END_TIMEOUT,
	HTTP_END_LOST,    /* the connection broke, or what came is no HTTP */
	HTTP_END_CLIENT   /* it could not even be tried: our configuration, or our fault */
};

#define HTTP_MAX_WHY CURL_ERROR_SIZE

struct http_result {
	enum http_end end;
	bool passed; /* the last byte may have left: the server may have acted */
	bool refused; /* with HTTP_END_CONNECT: by us, for none of its addresses is a public one (public_only) */
	const struct http_reply *reply; /* of HTTP_END_REPLY */
	char why[HTTP_MAX_WHY];         /* of all others, for people */
};

struct http_request {
	/* The caller's: `call` is filled before it is sent. */
	struct http_call call;
	void (*on_held)(struct http_request *r);
	void (*on_end)(struct http_request *r, const struct http_result *result);
	void *data;

	/* The client's. */
	TAILQ_ENTRY(http_request) told; /* in the client's list of those to whom something happened */
	bool is_told;
	struct http_client *client;
	struct http_request *next; /* spare */
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	int fd;             /* -1: none */
	ev_timer timer;     /* the deadline of what it is doing */
	size_t given;       /* bytes of the body that libcurl has got */
	unsigned starts;    /* of the transfer: libcurl may start it once */
	bool restarted;     /* on a fresh connection */
	bool held;          /* libcurl has asked for the last byte */
	bool held_told;
	bool released;
	bool passed;        /* the last byte is libcurl's */
	bool hung_up;       /* it was not given: the server is gone */
	bool answered;      /* the head of a final response is there */
	bool resumed;       /* answered early: goes on for the rest of the answer */
	bool overlong;      /* the reply was cut off */
	bool timed_out;
	bool refused;       /* an address of it was not public … */
	bool opened;        /* … and one was */
	bool over;          /* libcurl has finished with `rc` */
	CURLcode rc;
	struct http_reply reply;
};

struct http_client *http_client_open(struct ev_loop *loop, const struct http_config *config,
                                     struct error *err) MUST_CHECK;
void http_client_close(struct http_client *c); /* no request may be on its way; NULL is fine */

/* An empty request, to be filled and sent; it is the client's again after on_end or abandon. */
struct http_request *http_client_request(struct http_client *c) MUST_CHECK;
void http_client_send(struct http_request *r);
/* After on_held: the last byte leaves, unless the server is found gone. on_end follows. */
void http_client_release(struct http_request *r);
/* Any time before on_end, also before it was sent: the connection is closed, on_end does not come. */
void http_client_abandon(struct http_request *r);

struct http_client_stats {
	uint64_t connections; /* opened since the start */
	uint64_t restarts;    /* requests that moved to a fresh one */
};
void http_client_stats(const struct http_client *c, struct http_client_stats *out);

#endif

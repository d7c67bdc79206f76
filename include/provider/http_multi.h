/* http_multi.h - libcurl's multi-socket interface on a libev loop: its sockets and its timer. */
#ifndef PROVIDER_HTTP_MULTI_H
#define PROVIDER_HTTP_MULTI_H

#include <curl/curl.h>
#include <ev.h>
#include <stdbool.h>

#include "base/attr.h"

struct http_multi {
	struct ev_loop *loop;
	CURLM *multi;
	ev_timer timer; /* libcurl's */
	/* A transfer has this socket now; gone: has it no more. From within libcurl. May be NULL. */
	void (*on_socket)(CURL *easy, int fd, bool gone);
	/* libcurl has done something, and has returned: transfers may be over. */
	void (*on_progress)(struct http_multi *m);
};

/* False: libcurl cannot be initialized. */
bool http_multi_open(struct http_multi *m, struct ev_loop *loop, long max_idle) MUST_CHECK;
void http_multi_close(struct http_multi *m); /* no transfer may be in it */

#endif

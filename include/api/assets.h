/* assets.h - the files of src/web, which are in the binary: what a browser is shown, and openapi.json.
 *
 * To add one, put it there and give it a route in routes.c:
 *
 *     {"GET", "/openapi.json", SCOPE_NONE, assets_run},     one file
 *     {"GET", "/web/" "*", SCOPE_NONE, assets_run},         each by its path below src/web
 *
 * Clients keep them but ask each time (`no-cache`), and get a 304 without a body while the ETag is the same.
 * A file may hold any bytes, as many as it likes; it is not copied. Under the Content-Security-Policy of a page
 * (server.c) only scripts and styles that are files here run, and none that stand in the page itself. */
#ifndef API_ASSETS_H
#define API_ASSETS_H

#include <stddef.h>

#include "api/request.h"
#include "base/attr.h"

#define ASSETS_ETAG 25 /* with its quotes and its NUL */

struct asset {
	const char *path;       /* below src/web: "openapi.json", "img/logo.svg" */
	const char *type;       /* Content-Type, by what the path ends in */
	const char *bytes;      /* a NUL follows */
	size_t len;
	char etag[ASSETS_ETAG]; /* strong: of the bytes */
};

const struct asset *assets_find(const char *path) MUST_CHECK; /* or NULL */

/* 200, or 304 to who has it already. */
void assets_answer(struct request *r, const struct asset *a);

/* A route's: the file that stands for its *, or else that of its path ("/openapi.json"). 404 when there is none. */
void assets_run(struct request *r);

#endif

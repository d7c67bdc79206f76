#include "api/assets.h"

#include <stdbool.h>
#include <string.h>

#include "base/embedded.h"
#include "base/mem.h"
#include "mail/digest.h"

#define ETAG_BYTES 16 /* of the digest: 22 characters */

static const struct {
	const char *ending, *type;
} types[] = {
	{".html", "text/html; charset=utf-8"},
	{".css", "text/css; charset=utf-8"},
	{".js", "text/javascript; charset=utf-8"},
	{".json", "application/json"},
	{".svg", "image/svg+xml"},
	{".png", "image/png"},
	{".ico", "image/x-icon"},
	{".woff2", "font/woff2"},
	{".webmanifest", "application/manifest+json"},
	{".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
	const char *ending = strrchr(path, '.');

	for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].ending, ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* Made when it is first asked for; never changed after. */
static struct asset *assets;

static void asset_fill(struct asset *a, const struct embedded *e)
{
	unsigned char digest[DIGEST_SIZE];
	size_t n;

	a->path = e->name;
	a->type = type_of(e->name);
	a->bytes = e->bytes;
	a->len = e->len;
	digest_begin();
	digest_add(e->bytes, e->len);
	digest_end(digest);
	a->etag[0] = '"';
	digest_base64url(a->etag + 1, digest, ETAG_BYTES);
	n = strlen(a->etag);
	a->etag[n] = '"';
	a->etag[n + 1] = '\0';
}

const struct asset *assets_find(const char *path)
{
	if (assets == NULL) {
		assets = mem_zalloc((embedded_web_n + 1) * sizeof(*assets));
		for (size_t i = 0; i < embedded_web_n; i++)
			asset_fill(&assets[i], &embedded_web[i]);
	}
	for (size_t i = 0; i < embedded_web_n; i++)
		if (strcmp(assets[i].path, path) == 0)
			return &assets[i];
	return NULL;
}

/* If-None-Match (RFC 9110, 13.1.2): an ETag, weak or not, or several, or * for any. */
static bool has_it(const struct request *r, const struct asset *a)
{
	char *known = request_get_all(r, "If-None-Match");
	bool has = known != NULL && (strcmp(known, "*") == 0 || strstr(known, a->etag) != NULL);

	mem_free(known);
	return has;
}

void assets_answer(struct request *r, const struct asset *a)
{
	request_add(r, "ETag", "%s", a->etag);
	r->cache = "no-cache";
	if (has_it(r, a)) {
		request_answer_as(r, 304, a->type);
		return;
	}
	r->fixed = a->bytes;
	r->n_fixed = a->len;
	request_answer_as(r, 200, a->type);
}

void assets_run(struct request *r)
{
	const struct asset *a = assets_find(r->param != NULL ? r->param : r->path + 1);

	if (a != NULL)
		assets_answer(r, a);
	else
		request_problem(r, 404, NULL, "There is nothing at this path");
}

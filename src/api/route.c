#include "api/route.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/cors.h"
#include "base/mem.h"
#include "base/utf8.h"

static bool hex(char c, unsigned *n)
{
	if (c >= '0' && c <= '9')
		*n = *n << 4 | (unsigned)(c - '0');
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		*n = *n << 4 | (unsigned)((c | 0x20) - 'a' + 10);
	else
		return false;
	return true;
}

/* One segment of a path, decoded once: a new string, or NULL when it is none that could name a mail. */
static char *decode(const char *text)
{
	size_t n = strlen(text), to = 0;
	char *out = mem_alloc(n + 1);

	for (size_t i = 0; i < n; i++) {
		unsigned c = 0;

		if (text[i] != '%') {
			out[to++] = text[i];
			continue;
		}
		if (i + 2 >= n || !hex(text[i + 1], &c) || !hex(text[i + 2], &c) || c < 0x20 ||
		    c == 0x7f) {
			mem_free(out);
			return NULL;
		}
		out[to++] = (char)c;
		i += 2;
	}
	out[to] = '\0';
	if (to > 0 && utf8_valid(out, to))
		return out;
	mem_free(out);
	return NULL;
}

/* Whether the path is the route's; *rest is then what stands for its "*", not decoded, or NULL. */
static bool matches(const struct route *route, const char *path, const char **rest)
{
	size_t n = strlen(route->path);

	*rest = NULL;
	if (n < 2 || strcmp(route->path + n - 2, "/*") != 0)
		return strcmp(route->path, path) == 0;
	*rest = path + n - 1;
	return strncmp(route->path, path, n - 1) == 0 && **rest != '\0' &&
	       strchr(*rest, '/') == NULL;
}

static bool same_method(const struct request *r, const struct route *route)
{
	return strcmp(route->method, r->method) == 0 ||
	       (strcmp(r->method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void add_word(struct buf *list, const char *word)
{
	if (list->len > 0)
		buf_add_str(list, ", ");
	buf_add_str(list, word);
}

/* Fills r->route and r->param. *allow: the methods that the path has, when not this one. */
static void find_route(struct request *r, struct buf *allow)
{
	for (size_t i = 0; i < r->api->n_routes && r->route == NULL; i++) {
		const struct route *route = &r->api->routes[i];
		const char *rest;

		if (!matches(route, r->path, &rest))
			continue;
		if (!same_method(r, route)) {
			add_word(allow, route->method);
			if (strcmp(route->method, "GET") == 0)
				add_word(allow, "HEAD");
			continue;
		}
		r->route = route;
		r->param = rest != NULL ? decode(rest) : NULL;
		if (rest != NULL && r->param == NULL)
			request_problem(r, 404, NULL, "Email not found");
	}
}

static bool is_json(const char *type)
{
	size_t n = type != NULL ? strcspn(type, "; \t") : 0;

	return n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0;
}

/* Any web page may make its visitor's browser POST here, without asking, a form, plain text, or nothing at
 * all; but not JSON, and not by DELETE: for these the browser asks first (cors.h), and we say no. So every
 * POST must say that it is JSON, also one without a body. */
static bool type_fits(const struct request *r)
{
	return strcmp(r->route->method, "POST") != 0 || is_json(request_get(r, "Content-Type"));
}

/* "localhost", "127.0.0.1:4000", "[::1]:4000" */
static bool is_this_machine(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	struct in_addr address;
	char name[64];

	if (n >= sizeof(name) || n > strlen(host))
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	if (strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* A web page whose name its owner lets point to 127.0.0.1 is for the browser of the same origin as we, so
 * that it may send and read all ("DNS rebinding"); only the Host tells. Where a key is needed, the page has
 * none. Who sends no Host is no browser. */
static bool host_fits(const struct request *r)
{
	const char *host = request_get(r, "Host");

	return r->api->any_host || auth_protects(&r->api->auth) || host == NULL ||
	       is_this_machine(host);
}

void route_begin(struct request *r)
{
	struct buf allow;

	buf_init(&allow, 256);
	find_route(r, &allow);
	cors_add(r);
	if (r->status != 0) {
		/* answered */
	} else if (!host_fits(r)) {
		request_problem(r, 421, NULL,
		                "Without API keys this server answers only to the names "
		                "localhost, 127.0.0.1 and [::1]");
	} else if (strcmp(r->method, "OPTIONS") == 0 && allow.len > 0) {
		cors_answer(r, buf_str(&allow));
	} else if (r->route == NULL && allow.len > 0) {
		request_add(r, "Allow", "%s", buf_str(&allow));
		request_problem(r, 405, NULL, "This path does not know this method");
	} else if (r->route == NULL) {
		request_problem(r, 404, NULL, "There is nothing at this path");
	} else if (!auth_check(&r->api->auth, r, r->route->scope)) {
		/* answered */
	} else if (!type_fits(r)) {
		request_add(r, "Accept-Post", "application/json");
		request_problem(r, 415, NULL, "The Content-Type must be application/json");
	}
	buf_free(&allow);
}

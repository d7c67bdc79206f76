/* uri.h - takes apart the URLs of the configuration: REDIS_URL and the providers' DSNs.
 *
 *     scheme://user:password@host:port/path?name=value&name=value        (RFC 3986)
 *
 * User, password, path and values are percent-decoded; '+' stays '+'. An IPv6 host stands in
 * brackets, which are dropped. A list of hosts (a,b:2,c) is kept as it is in `host`, with port 0.
 * NUL, CR, LF and other control characters are refused anywhere, decoded or not. */
#ifndef BASE_URI_H
#define BASE_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

#define URI_MAX_PARAMS 32

struct uri {
	char *scheme;   /* lower case */
	char *user;     /* "" when there is none */
	char *password; /* "" when there is none */
	char *host;     /* "" for unix:///path */
	int port;       /* 0 when there is none */
	char *path;     /* with its leading slash; "" when there is none */
	struct {
		char *name, *value;
		bool used; /* set by uri_param: what nobody asked for is a typing error */
	} params[URI_MAX_PARAMS];
	size_t n_params;
};

/* False: err says what is wrong, without quoting user or password. */
bool uri_parse(struct uri *u, const char *text, struct error *err) MUST_CHECK;
void uri_free(struct uri *u); /* wipes the password */

/* Percent-decodes n bytes into a new string (mem_free), also when it is false. part names the text in errors, which
 * never quote it: it may be the password. */
bool uri_decode(const char *text, size_t n, const char *part, char **out, struct error *err) MUST_CHECK;

const char *uri_param(struct uri *u, const char *name); /* NULL when it is not given */
/* Whole numbers with a range; a duration is "1500ms", "30s", "5m", "1h" or plain ms.
 * They leave *out alone when the parameter is not given. */
bool uri_param_int(struct uri *u, const char *name, long min, long max, long *out, struct error *err) MUST_CHECK;
bool uri_param_ms(struct uri *u, const char *name, long min, long max, long *out, struct error *err) MUST_CHECK;
/* The host is an address, of IPv4 or IPv6, and no name. */
bool uri_is_address(const char *host);
/* The first parameter that nobody asked for, or NULL. */
const char *uri_unused(const struct uri *u);

/* Whether a host, by its name or as an address, is this machine. */
bool uri_is_loopback(const char *host);

#endif

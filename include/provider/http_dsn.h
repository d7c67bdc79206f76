/* http_dsn.h - what the DSNs of all HTTP providers have in common.
 *
 *     sendgrid://KEY@default?endpoint=http://127.0.0.1:8080&connect_timeout=2s
 *
 *   host             "default", the provider's own; another one is asked by https
 *   endpoint         instead: http:// or https://, with a path if need be, for tests and proxies
 *   auth_insecure    1: credentials may go in clear text, http:// to another machine
 *   tls_ca           a PEM file: the only roots to trust
 *   connect_timeout  10s: look-up, connecting, TLS handshake
 *   send_timeout     60s: until everything but the last byte has left
 *   idle             30s: how long a connection is kept without work */
#ifndef PROVIDER_HTTP_DSN_H
#define PROVIDER_HTTP_DSN_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/uri.h"
#include "provider/http_client.h"

/* Their names, for a type's list of parameters. */
#define HTTP_DSN_PARAMS                                                                            \
	"endpoint", "auth_insecure", "tls_ca", "connect_timeout", "send_timeout", "idle"

struct http_dsn {
	char *base; /* what paths are added to: "https://api.example.com", without a slash at its end */
	char *ca_file;
	bool clear_text;
	long connect_ms, send_ms, idle_ms;
};

/* base: the provider's own. Strings are the struct's (http_dsn_free also after a failure). */
bool http_dsn_read(struct http_dsn *d, struct uri *dsn, const char *base, struct error *err) MUST_CHECK;
void http_dsn_free(struct http_dsn *d);

/* A credential that is to go into a header: not empty, printable ASCII. `what` names it in err,
 * which does not show it. */
bool http_dsn_credential(const char *value, const char *what, struct error *err) MUST_CHECK;

/* A parameter that is 0 or 1, or one of two words: *yes is left alone when it is not given. */
bool http_dsn_flag(struct uri *dsn, const char *name, bool *yes, struct error *err) MUST_CHECK;
bool http_dsn_either(struct uri *dsn, const char *name, const char *no, const char *yes_word, bool *yes,
                     struct error *err) MUST_CHECK;

#endif

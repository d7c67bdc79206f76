/* secure.h - TLS to Redis, where hiredis has it: 1.0 or later, with libhiredis_ssl (Debian 13; not Debian 12).
 *
 * The server's certificate must be for the host that was asked for, unless that is switched off; nothing is
 * said to the server before that is known (RFC 9325, RFC 6125). */
#ifndef REDIS_SECURE_H
#define REDIS_SECURE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX, which counts its users */

struct secure_files {
	const char *ca;        /* PEM; NULL: what the system trusts */
	const char *cert, *key; /* our own, PEM; NULL none. The key may stand in cert's file */
	bool any_certificate;  /* the server's is not looked at */
};

/* NULL: err, also when this build has no TLS. */
struct ssl_ctx_st *secure_new(const struct secure_files *files, struct error *err) MUST_CHECK;
struct ssl_ctx_st *secure_share(struct ssl_ctx_st *ctx) MUST_CHECK; /* one user more; NULL stays NULL */
void secure_free(struct ssl_ctx_st *ctx);                           /* one less; NULL is fine */

/* Begins TLS on a connection that is up. A blocking one is through with it when this returns; another
 * one ends it with its first reads and writes, and is lost when the certificate is wrong. */
bool secure_start(redisContext *c, struct ssl_ctx_st *ctx, const char *host, struct error *err) MUST_CHECK;

/* What OpenSSL has against the connection that was just lost (hiredis does not say). False: nothing. */
bool secure_reason(struct error *err) MUST_CHECK;

#endif

/* tls.h - TLS for a socket on the loop: OpenSSL, with sockets that never raise SIGPIPE. */
#ifndef SMTP_TLS_H
#define SMTP_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

struct smtp_tls; /* what all connections to one server share */

/* ca_file: the only roots to trust, in PEM; "" the system's. Roots are read only when verify. */
struct smtp_tls *smtp_tls_open(bool verify, const char *ca_file, struct error *err) MUST_CHECK;
void smtp_tls_close(struct smtp_tls *t); /* NULL is fine */

/* A client's SSL on a connected socket, which stays the caller's. The host is asked for by SNI, and
 * the certificate must be its (when smtp_tls_open said verify). NULL: no such host can be. */
SSL *smtp_tls_attach(struct smtp_tls *t, int fd, const char *host) MUST_CHECK;

/* Why a handshake failed, in a few words. */
void smtp_tls_why(const SSL *ssl, char *out, size_t size);

#endif

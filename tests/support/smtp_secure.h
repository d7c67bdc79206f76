/* smtp_secure.h - a mail server with TLS and AUTH that we did not write (aiosmtpd, smtp_secure.py), and
 * the certificates for it. */
#ifndef SUPPORT_SMTP_SECURE_H
#define SUPPORT_SMTP_SECURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/process.h"

/* A CA of the test's own; the path of its certificate (PEM), valid until the end. */
const char *secure_ca(void);

struct secure_cert {
	const char *names;    /* subjectAltName: "DNS:mail.test,IP:127.0.0.1" */
	long from_s, until_s; /* validity, from now; 0, 0: an hour ago to in an hour */
	bool self_signed;     /* not by the CA */
};

/* Makes one: the paths of certificate and key (PEM), new strings (free). */
void secure_cert_make(const struct secure_cert *cert, char **cert_path, char **key_path);

struct smtp_secure;

/* cert: NULL, no TLS. options: as smtp_secure.py's, NULL-terminated; NULL none. It listens when this
 * returns. */
struct smtp_secure *smtp_secure_start(const struct secure_cert *cert,
                                      const char *const *options) MUST_CHECK;
void smtp_secure_free(struct smtp_secure *s);
int smtp_secure_port(const struct smtp_secure *s);
/* What the client did, one line each; a new string (free). */
char *smtp_secure_said(const struct smtp_secure *s) MUST_CHECK;
/* The n-th message, from 1; a new string (free). */
char *smtp_secure_message(const struct smtp_secure *s, int n, size_t *len) MUST_CHECK;

#endif

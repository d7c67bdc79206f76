/* sasl.h - the client's side of AUTH PLAIN, LOGIN and XOAUTH2 (RFC 4954, RFC 4616). Pure.
 *
 * What these functions write holds credentials: the caller wipes it. */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include "base/attr.h"
#include "base/buf.h"
#include "smtp/config.h"

/* The mechanism to use: the wanted one if it is offered, else (ANY) PLAIN before LOGIN before
 * XOAUTH2. SMTP_MECHANISM_ANY: none fits. */
enum smtp_mechanism smtp_sasl_choose(enum smtp_mechanism wanted, unsigned offered) MUST_CHECK;

const char *smtp_sasl_name(enum smtp_mechanism m); /* "PLAIN" */

/* Appends the AUTH command with its CRLF. */
void smtp_sasl_start(struct buf *out, enum smtp_mechanism m, const char *user, const char *password);
/* Appends the answer to the step-th (from 0) challenge: for LOGIN the user and the password. A
 * challenge that is not expected is answered so that the server ends the exchange. */
void smtp_sasl_answer(struct buf *out, enum smtp_mechanism m, unsigned step, const char *user,
                      const char *password);

#endif

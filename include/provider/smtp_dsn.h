/* smtp_dsn.h - an smtp:// or smtps:// DSN as the SMTP client's configuration.
 *
 *     smtp://user:password@host:587?tls=require
 *
 *   port             smtps 465; smtp 587 with credentials, else 25. 465 is TLS from the first byte
 *   tls              require | prefer | none; default require on port 465 and 587 and wherever there
 *                    are credentials, else prefer. On a loopback host without credentials: prefer
 *   tls_verify       1 | 0: check the certificate against the host; default 1 when TLS is required
 *                    or there are credentials. Without either, any TLS is better than none
 *   tls_ca           a PEM file: the only roots to trust
 *   auth             plain | login | xoauth2 (the password is the token); default what is offered
 *   auth_insecure    1: credentials may go in clear text
 *   connect_timeout  10s: look-up, connecting to one address, TLS handshake
 *   command_timeout  60s: greeting, and each reply before the last
 *   idle             30s: how long a connection is kept without work
 *   per_connection   100: mails until a connection is closed */
#ifndef PROVIDER_SMTP_DSN_H
#define PROVIDER_SMTP_DSN_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/uri.h"
#include "smtp/config.h"

extern const char *const smtp_dsn_params[]; /* their names, NULL-terminated */

/* Fills the configuration, whose strings are then its own (smtp_dsn_free also after a failure).
 * ehlo_name "": the host's name. final_ms is left to the caller. */
bool smtp_dsn_read(struct smtp_config *c, struct uri *dsn, const char *ehlo_name,
                   struct error *err) MUST_CHECK;
void smtp_dsn_free(struct smtp_config *c); /* wipes the password */

/* A domain, or an address literal in brackets. */
bool smtp_dsn_ehlo_valid(const char *name) MUST_CHECK;

#endif

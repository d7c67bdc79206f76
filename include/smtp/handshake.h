/* handshake.h - a session's way from a list of addresses to a server that takes mail: connecting,
 * TLS, greeting, EHLO or HELO, STARTTLS, AUTH. Part of session.h's state machine. */
#ifndef SMTP_HANDSHAKE_H
#define SMTP_HANDSHAKE_H

#include "smtp/reply.h"
#include "smtp/session.h"

/* Tries the present address, or the next ones. */
void smtp_handshake_connect(struct smtp_session *s);
/* The present address did not answer in time, or cannot be connected to: the next. */
void smtp_handshake_next(struct smtp_session *s, const char *why);
/* Something happened while connecting or in the TLS handshake. */
void smtp_handshake_progress(struct smtp_session *s);
/* A reply in SMTP_GREETING to SMTP_AUTH. */
void smtp_handshake_reply(struct smtp_session *s, const struct smtp_reply *r, bool more_came);

#endif

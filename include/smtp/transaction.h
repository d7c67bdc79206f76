/* transaction.h - one envelope on a session: RSET, MAIL, RCPT, DATA, the message, the hold, the dot.
 * Part of session.h's state machine.
 *
 * Where PIPELINING is offered, everything up to DATA goes in one write (RFC 2920). RSET comes first
 * when the envelope before was refused: the server may still have its transaction open, would
 * refuse MAIL as nested and take RCPT and DATA under the old sender. So it does when the commands go
 * with the dot before, for nobody knows yet how that will be answered. */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include <stdbool.h>

#include "base/attr.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"
#include "smtp/session.h"

void smtp_transaction_start(struct smtp_session *s);
/* Can e's commands go out with the dot of the present envelope? */
bool smtp_transaction_can_follow(const struct smtp_session *s, const struct smtp_envelope *e) MUST_CHECK;
/* Appends them to the shared scratch buffer. */
void smtp_transaction_add_behind(struct smtp_session *s, const struct smtp_envelope *e);
/* The dot has been answered: the envelope behind is the present one, its replies come next. */
void smtp_transaction_follow(struct smtp_session *s);
/* A reply in SMTP_RSET or a later phase. */
void smtp_transaction_reply(struct smtp_session *s, const struct smtp_reply *r);
/* In SMTP_BODY: sends as much as the socket takes; holds after the last of it. */
void smtp_transaction_pump(struct smtp_session *s);

#endif

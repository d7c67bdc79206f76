/* recipients.h - what became of each recipient of one mail, and how the status hash keeps it.
 *
 * The status field `recipients` is "ada@x.org accepted 250; bob@x.org refused 550 5.1.1", in the
 * job's order, which is the same whenever the payload is parsed. It is read back by that order and
 * by the addresses of the job, so that no address can be mistaken for another, whatever is in
 * it. */
#ifndef MAIL_RECIPIENTS_H
#define MAIL_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/job.h"

#define RCPT_MAX_CODE 32

enum rcpt_state { RCPT_PENDING, RCPT_ACCEPTED, RCPT_REFUSED, RCPT_DEFERRED };

struct rcpt_result {
	enum rcpt_state state;
	char code[RCPT_MAX_CODE]; /* "250", "550 5.1.1"; "" none */
};

const char *rcpt_state_name(enum rcpt_state state); /* "pending", "accepted", "refused", "deferred" */

void recipients_write(struct buf *out, const struct job *job, const struct rcpt_result *results);

/* Fills results (job->n_rcpts of them) from such a text; what is not there or cannot be read is
 * RCPT_PENDING without a code, and so is all that follows. */
void recipients_read(const char *text, size_t len, const struct job *job, struct rcpt_result *results);
/* Does such a text (NULL: there is none) say of anybody that the mail was accepted for them? */
bool recipients_any_accepted(const char *text, const struct job *job);

#endif

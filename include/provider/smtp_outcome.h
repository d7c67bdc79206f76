/* smtp_outcome.h - what SMTP replies mean: pure, one table.
 *
 * The phase matters, the enhanced code (RFC 3463, RFC 5248) tells more than the basic one, and
 * where both are vague, words do. */
#ifndef PROVIDER_SMTP_OUTCOME_H
#define PROVIDER_SMTP_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/outcome.h"
#include "smtp/config.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"

enum smtp_class {
	SMTP_CLASS_OK,
	SMTP_CLASS_TEMP,       /* later at the same provider; a failure of it */
	SMTP_CLASS_TEMP_MAIL,  /* later; about this mail or recipient, the provider is well */
	SMTP_CLASS_GREYLISTED, /* much later; likewise */
	SMTP_CLASS_TOO_MANY,   /* this recipient in another transaction, soon */
	SMTP_CLASS_THROTTLE,
	SMTP_CLASS_QUOTA,
	SMTP_CLASS_PROVIDER, /* this server takes nothing from us */
	SMTP_CLASS_SENDER,   /* nothing from this sender */
	SMTP_CLASS_TOO_LARGE,
	SMTP_CLASS_PERM, /* this mail, or at RCPT this recipient, never */
	SMTP_CLASS_N
};

#define SMTP_GREYLIST_MS 300000 /* how long a greylisting server is left alone, at the least */
#define SMTP_TOO_MANY_MS 1000   /* until the recipients that were too many go again */

enum smtp_class smtp_outcome_classify(enum smtp_phase phase, const struct smtp_reply *r);

/* The outcome of a whole attempt (but not of SMTP_END_RCPTS: that is told by the recipients). */
void smtp_outcome(struct outcome *o, const struct smtp_result *r);

/* Takes the password out of its words, also as it goes over the line with PLAIN and LOGIN. */
void smtp_outcome_hide(struct outcome *o, const struct smtp_config *c);

/* What was said to the recipients of one envelope. */
struct smtp_rcpts {
	size_t accepted, deferred, refused;
	int64_t retry_after_ms; /* the longest that a deferred one should wait */
	struct outcome worst;   /* the outcome if none is accepted */
	int rank;               /* of `worst`; 0: none yet */
};

void smtp_rcpts_start(struct smtp_rcpts *all);
/* The reply to one recipient: its state, and what it adds to the whole. */
void smtp_rcpts_add(struct smtp_rcpts *all, struct rcpt_result *one, const struct smtp_reply *r);

/* The server's own name for the mail out of its last reply ("queued as 4F2A"); "" when it gives
 * none that we know. */
void smtp_outcome_queue_id(char out[OUTCOME_MAX_ID], const char *text);

/* "try again in 300 seconds" → 300000; 0 when it does not say. */
int64_t smtp_outcome_wait_ms(const char *text);

#endif

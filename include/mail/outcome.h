/* outcome.h - how one delivery attempt ended: a value, never an exception path.
 *
 * Every attempt ends in exactly one outcome (README: Outcomes). A provider maps its replies to one
 * in a pure table; what follows from it is decided in fleet/policy. Strings are "" and never NULL.
 * What became of single recipients is in recipients.h. */
#ifndef MAIL_OUTCOME_H
#define MAIL_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "mail/recipients.h"

enum outcome_kind {
	OUTCOME_SENT,          /* the provider has taken it */
	OUTCOME_RETRY,         /* not taken; later at the same provider */
	OUTCOME_THROTTLED,     /* not taken; the provider wants us to slow down */
	OUTCOME_PROVIDER_DOWN, /* not taken, and nothing would be: credentials, account, TLS, endpoint */
	OUTCOME_REJECTED,      /* this mail will never be taken */
	OUTCOME_UNKNOWN,       /* the last byte left, and no answer came */
	OUTCOME_N
};

#define OUTCOME_MAX_CODE 32
#define OUTCOME_MAX_TEXT 160
#define OUTCOME_MAX_ID 128

/* Finer reasons, in `code`, that change what follows. Any other code is only shown. */
#define CODE_SENDER_REFUSED "sender_refused" /* this From is not authorised there: next provider */
#define CODE_QUOTA "quota"                   /* used up: next provider, breaker open for long */
#define CODE_TOO_LARGE "too_large"           /* only a provider with a larger limit */
#define CODE_UNSUPPORTED "unsupported"       /* OUTCOME_RETRY: of no use for this mail, whose needs it has not: next provider */
#define CODE_GREYLISTED "greylisted"         /* this recipient, not the provider: wait longer */

struct outcome {
	enum outcome_kind kind;
	char code[OUTCOME_MAX_CODE];     /* "250 2.0.0", "timeout", "tls", "sender_refused" … */
	char text[OUTCOME_MAX_TEXT];     /* the provider's words or ours: one line, printable, cut */
	char message_id[OUTCOME_MAX_ID]; /* the provider's own name for it */
	int64_t retry_after_ms;          /* what the provider asked for; 0 nothing */
	bool healthy;                    /* for OUTCOME_RETRY: the reply was about this mail or recipient only, the breaker
	                                  * must not count it (a greylisted or full mailbox) */
};

const char *outcome_name(enum outcome_kind kind); /* "sent", "retry", … */

/* Fills an outcome, the rest of it with nothing. code and text may be NULL; both are made printable
 * and one line (blanks for line ends and control characters, no two in a row, U+FFFD for what is
 * not UTF-8), and cut between characters. */
void outcome_set(struct outcome *o, enum outcome_kind kind, const char *code, const char *text);

/* Writes *** wherever a credential stands in code and text, whole or cut off at their end: a server may
 * quote what it does not like. "" is fine. */
void outcome_hide(struct outcome *o, const char *secret);

#endif

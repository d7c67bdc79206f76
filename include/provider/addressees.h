/* addressees.h - to whom one attempt still goes: what is pending of a mail's recipients.
 *
 * For APIs that take all recipients at once and want each address once, and somebody in "to". An
 * address that was given twice goes once. When nobody is left in `to` (the mail has only cc or bcc,
 * or the others have it already), those in cc move up; a single bcc does too. */
#ifndef PROVIDER_ADDRESSEES_H
#define PROVIDER_ADDRESSEES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/job.h"
#include "mail/recipients.h"

struct addressees {
	struct addressee {
		const struct address *address; /* the job's */
		size_t index;                  /* of the job's recipients */
		enum job_rcpt_kind kind;       /* perhaps another than the job says */
		bool repeated;                 /* its address stands before it: not to be named again */
	} *list;
	size_t n, room;
};

/* a: zeroed before its first use. results: as in a delivery; NULL: to all. */
void addressees_fill(struct addressees *a, const struct job *job, const struct rcpt_result *results);
void addressees_free(struct addressees *a);

/* Is a mail to several in bcc and to nobody else? Nobody of them can move up. */
bool addressees_all_hidden(const struct job *job);

/* How many go there, each address once. */
size_t addressees_count(const struct addressees *a, enum job_rcpt_kind kind);

/* The next one of that kind, from *at on, which begins at 0; NULL: no more. */
const struct address *addressees_next(const struct addressees *a, enum job_rcpt_kind kind, size_t *at);

#endif

/* fingerprint.h - same mail or not: a digest of what a job says, and of nothing else. */
#ifndef MAIL_FINGERPRINT_H
#define MAIL_FINGERPRINT_H

#include <stdbool.h>

#include "mail/job.h"

/* Fills job->fingerprint from its addresses, subject, text, html, attachments and headers. The
 * order of recipients and attachments counts, that of headers does not (a JSON object has none, and
 * some clients shuffle). A sender that came from the configuration (own_from false) does not count:
 * another MAIL_FROM does not make a repeat another mail. */
void fingerprint_fill(struct job *job, bool own_from);

#endif

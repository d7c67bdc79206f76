/* attachment.h - reads one attachment of a job: {filename, contentType, content, contentId,
 * disposition}. */
#ifndef MAIL_ATTACHMENT_H
#define MAIL_ATTACHMENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "mail/faults.h"
#include "mail/job.h"

#define ATTACHMENT_MAX_FILENAME 255 /* bytes */
#define ATTACHMENT_MAX_TYPE 255
#define ATTACHMENT_MAX_ID 255

/* Adds a fault for all that is wrong with it; index is its place in the array. *a is zeroed by the
 * caller, and may be freed after whatever came of it. */
void attachment_read(struct job_attachment *a, const cJSON *item, long index, struct faults *faults);
void attachment_free(struct job_attachment *a); /* what it holds */

#endif

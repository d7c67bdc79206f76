/* job_fields.h - the members of a job's JSON object, each checked by itself. Only for job.c. */
#ifndef MAIL_JOB_FIELDS_H
#define MAIL_JOB_FIELDS_H

#include <cjson/cJSON.h>

#include "base/options.h"
#include "mail/faults.h"
#include "mail/job.h"

/* Fills a zeroed job from the object and adds a fault for all that is wrong. Every string of the
 * job is set after it, whether there were faults or not. */
void job_fields_read(struct job *job, const cJSON *object, const struct options *o,
                     struct faults *faults);

#endif

/* carriers.h - the providers as a producer knows them (the API, `postrider send`): so that a mail that
 * its own provider cannot carry is refused at once, and not by a worker later.
 *
 * A producer need not know the providers: then nothing is refused here, and the workers say it. */
#ifndef PROVIDER_CARRIERS_H
#define PROVIDER_CARRIERS_H

#include "base/attr.h"
#include "base/options.h"
#include "mail/job.h"

struct carriers;

/* Never NULL. What PROVIDERS names is opened (no connection is made); when it is not set, or wrong, none
 * is known. */
struct carriers *carriers_open(const struct options *o) MUST_CHECK;
void carriers_close(struct carriers *c); /* NULL is fine */

/* A sentence that says why the provider that the job is pinned to cannot carry it, a new string (free):
 * Field "provider" names … NULL: it can, or it is not known, or the job is not pinned. */
char *carriers_refuse(const struct carriers *c, const struct job *job) MUST_CHECK;

#endif

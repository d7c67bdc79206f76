/* webhook_job.h - the payload of a webhook's job: what one endpoint is told of one change of a mail.
 *
 *     {"url": …, "id": "msg_…", "idempotencyKey": <the mail's>, "traceparent": …, "tracestate": …,
 *      "body": "<the JSON that is sent>"}
 *
 * The body is what is signed, so it is kept to the byte:
 *
 *     {"type": "mail.sent", "timestamp": …, "data": {"key", "id", "queue", "status", "provider", "attempt",
 *      "code", "error", "tenant", "tags", "metadata"}}
 *
 * The id is made of the job, the status, the number of the attempt, and when it is due again: what is told twice, because
 * a worker died, has the same one. */
#ifndef FLEET_WEBHOOK_JOB_H
#define FLEET_WEBHOOK_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

struct task;

#define WEBHOOK_JOB_MAX 131072 /* bytes of a payload */

struct webhook_job {
	char *url, *id, *key; /* key: "" none */
	char *traceparent, *tracestate; /* the mail's claim (trace.h); "" none; not looked at yet */
	char *body;
	size_t body_len;
};

/* By t->decision, t->outcome and t->history. now: Redis's clock, ms. `out` has room for
 * WEBHOOK_JOB_MAX. Where metadata would make the body too large, they are left out, and the data says
 * "metadataOmitted": true. */
void webhook_job_write(struct buf *out, const struct task *t, const char *url, int64_t now);

/* False: err says what is wrong with it. */
bool webhook_job_read(struct webhook_job *j, const char *payload, size_t len, struct error *err) MUST_CHECK;
void webhook_job_free(struct webhook_job *j); /* may be called on a zeroed one */

#endif

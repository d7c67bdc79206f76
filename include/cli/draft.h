/* draft.h - one mail written with the flags of `send`, as the JSON of a job. */
#ifndef CLI_DRAFT_H
#define CLI_DRAFT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "cli/args.h"

/* The flags, as options_load wants them: for the command's own list. */
#define DRAFT_FLAGS                                                                                              \
	"to=", "cc=", "bcc=", "from=", "reply-to=", "subject=", "text=", "text-file=", "html=", "html-file=",    \
		"attach=", "inline=", "header=", "key=", "send-at=", "delay=", "expires-at=", "priority=",       \
		"provider=", "max-attempts=", "on-unknown=", "tenant=", "tag=", "meta=", "webhook-url="

/* Was any of them given? */
bool draft_wanted(const struct args *a);

/* Appends the JSON object. What the flags say is not judged here (job_parse does that), but files must be
 * legible, headers and metadata must have a name, and durations a unit. False: err. */
bool draft_write(const struct args *a, struct buf *out, struct error *err) MUST_CHECK;

#endif

/* smtp_sink.h - Postfix's smtp-sink: an SMTP server that we did not write, and that throws all mail away.
 *
 * On a free port of 127.0.0.1; dies with the test program. */
#ifndef SUPPORT_SMTP_SINK_H
#define SUPPORT_SMTP_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/process.h"

struct smtp_sink;

/* extra: NULL, or NULL-terminated options of smtp-sink's. keep: the messages are kept, each in a file
 * of its own, as smtp_sink_messages gives them. It listens when this returns. */
struct smtp_sink *smtp_sink_start(const char *const *extra, bool keep) MUST_CHECK;
/* The same on a port that was used before, e.g. after it was stopped. */
struct smtp_sink *smtp_sink_start_at(int port, const char *const *extra, bool keep) MUST_CHECK;
void smtp_sink_free(struct smtp_sink *s); /* kills it; NULL is fine */

int smtp_sink_port(const struct smtp_sink *s);
struct process *smtp_sink_process(struct smtp_sink *s);
/* How many messages it has taken so far, and over how many connections (of those that have ended). */
size_t smtp_sink_count(const struct smtp_sink *s);
size_t smtp_sink_sessions(const struct smtp_sink *s);
void smtp_sink_wait(struct smtp_sink *s, size_t n); /* until it has taken at least n */

/* The kept messages (keep), one after the other, each as smtp-sink writes it: lines "X-Client-…",
 * "X-Mail-Args: <…>", "X-Rcpt-Args: <…>", then the message with LF for CRLF. A new string (free).
 * n: how many there are; may be NULL. */
char *smtp_sink_messages(const struct smtp_sink *s, size_t *n) MUST_CHECK;

#endif

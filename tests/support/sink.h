/* sink.h - mail servers that we did not write, for the end-to-end tests.
 *
 * sink_start: Debian's aiosmtpd (sink.py). It keeps every message, and a recipient's address says how
 * it behaves: <behaviour>.<rest>@<domain>, or <behaviour>-<n>.<rest>@<domain> for the first n times
 * that it meets that address; any other address is taken.
 *
 *   refuse      550 5.1.1 to RCPT          defer, grey   450 4.2.1, 451 4.7.1 to RCPT
 *   drop-rcpt   hangs up at RCPT           hold-rcpt     answers RCPT when sink_go was called
 *   bounce      554 5.6.0 at the end       busy          451 4.3.0 at the end
 *   throttle    450 4.7.28 at the end      hold-dot      keeps it; answers when sink_go was called
 *   silent-dot  keeps it, never answers    drop-dot      keeps it, then hangs up unanswered
 *   lose-dot    hangs up unanswered, keeps nothing
 *
 * sink_start_fast: smtp-sink of Postfix, for many mails; `options` are its own.
 *
 * Mails are known by their header X-Key (fleet_job writes it). */
#ifndef SUPPORT_SINK_H
#define SUPPORT_SINK_H

#include <stddef.h>

#include "base/attr.h"
#include "support/process.h"
#include "support/tally.h"

struct sink;

struct sink *sink_start(void) MUST_CHECK;
/* The same at another address than 127.0.0.1, one of this host's. */
struct sink *sink_start_at(const char *address) MUST_CHECK;
/* The same, and it offers PIPELINING, which aiosmtpd does not announce though it can do it. */
struct sink *sink_start_pipelining(void) MUST_CHECK;
struct sink *sink_start_fast(const char *const *options) MUST_CHECK;
/* Reserves a port; nothing listens there until sink_run. */
struct sink *sink_prepare(void) MUST_CHECK;
void sink_run(struct sink *s);
void sink_kill(struct sink *s); /* what it kept stays; sink_run starts it again at the same port */
void sink_free(struct sink *s); /* NULL is fine */

/* "smtp://127.0.0.1:<port>?tls=none", with more parameters ("" or "&timeout=500"). Valid until the
 * next call. */
const char *sink_dsn(struct sink *s, const char *parameters);
struct process *sink_process(struct sink *s);
const char *sink_directory(const struct sink *s); /* where sink.py keeps all */

/* What is held goes on, also what comes later; sink_stay: new ones are held again. */
void sink_go(struct sink *s);
void sink_stay(struct sink *s);

struct tally *sink_tally(const struct sink *s) MUST_CHECK;
size_t sink_total(const struct sink *s);                   /* messages kept */
size_t sink_copies(const struct sink *s, const char *key); /* of one mail */
/* How often RCPT was asked for this address (sink_start). */
size_t sink_asked(const struct sink *s, const char *address);
size_t sink_connections(const struct sink *s);
/* The n-th message kept, from 1; a new string (free). */
char *sink_message(const struct sink *s, size_t n) MUST_CHECK;
/* The line of the n-th message in `taken`: "<key> <Message-ID> <recipients> <sender>". */
char *sink_envelope(const struct sink *s, size_t n) MUST_CHECK;

void sink_wait_total(const struct sink *s, size_t n); /* at least so many messages are kept */
void sink_wait_asked(const struct sink *s, const char *address, size_t n);

#endif

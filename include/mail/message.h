/* message.h - composes the RFC 5322 message of a job.
 *
 * 7-bit clean: bodies are 7bit, quoted-printable or base64, whichever suits, so that any server can
 * take it (an internationalized address in a header needs SMTPUTF8: RFC 6532 raw UTF-8 there).
 * Lines end in CRLF and are at most 998 bytes, but for what must not be folded at most 78; nothing
 * is dot-stuffed here. The message ends in CRLF.
 *
 *     mixed                      when there are attachments
 *     ├─ alternative             when there are both text and html
 *     │  ├─ text/plain
 *     │  └─ related              when there are inline parts
 *     │     ├─ text/html
 *     │     └─ the inline parts  (without html they stand among the attachments)
 *     └─ the attachments
 *
 * Names of files by RFC 2231, words by RFC 2047. `Date` is given by the caller: the same on every
 * attempt. Bcc is never written, and neither are tags and metadata, which are for providers that
 * have such a thing. A mail with nobody in To and Cc is addressed to the empty group
 * "undisclosed-recipients". An attached message (message/…) goes as it is if it is 7 bit, for RFC
 * 2046 allows no encoding there, else as application/octet-stream.
 *
 * Written here rather than by GMime's object tree: that takes some 340,000 instructions for a plain
 * mail of 1 KB, this 20,000, and GMime 3.2 breaks rules on the way (words over RFC 2047's 75
 * characters, quoted-printable lines over RFC 2045's 76, file names cut within characters). */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "mail/job.h"

#define MESSAGE_MAX_ID 128

/* "<" 27 characters "@" domain ">", derived from the status key and the fingerprint alone (SHA-256,
 * base32), so that every copy of a mail carries the same one; domain is the sender's, of a very
 * long one the end. */
void message_id(char out[MESSAGE_MAX_ID], const char *key, const struct job *job);

/* Appends the message: for the same arguments always the same bytes (boundaries are derived from
 * the message id). The job has passed job_parse. False: out grew past its maximum. */
bool message_compose(struct buf *out, const struct job *job, const char *message_id, int64_t date_ms,
                     struct error *err) MUST_CHECK;

/* Starts GMime, which addresses may need, so that it delays no mail; not needed otherwise. */
void message_init(void);

/* Is this header's name one that a job may not set (From, To, Cc, Bcc, Sender, Subject, Date,
 * Message-ID, Reply-To, MIME-Version, Content-*, Return-Path, Received, DKIM-Signature,
 * Resent-*)? */
bool message_header_reserved(const char *name);

#endif

/* header.h - writes header fields: folded at 78 columns where there is a blank to fold at, ASCII
 * but for internationalized addresses (RFC 6532), ended by CRLF.
 *
 * Nothing here checks for CR, LF and NUL: a job does not hold any (job.h). */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/address.h"

#define HEADER_MAX_NAME 76

/* RFC 5322's field-name: 1 to HEADER_MAX_NAME printable ASCII characters without a colon. */
bool header_name_valid(const char *name);

/* A field whose value is written as it is: short, ASCII, nothing to fold. */
void header_add(struct buf *out, const char *name, const char *value);

/* Words for people (Subject): decoded they are exactly `value`. Encoded words where it is not plain
 * ASCII, looks like an encoded word itself, or has blanks or long words that folding would not
 * keep. */
void header_add_words(struct buf *out, const char *name, const char *value);

/* A header that the job gives: plain ASCII stays as it is, for it may have a syntax of its own
 * (List-Unsubscribe, References); only what is not, and words too long for any line, is encoded. */
void header_add_value(struct buf *out, const char *name, const char *value);

/* A list of mailboxes (From, To): begin, one add for each, end. */
struct header_list {
	struct buf *out;
	size_t column;
	size_t n;
};
void header_list_begin(struct header_list *l, struct buf *out, const char *name);
void header_list_add(struct header_list *l, const struct address *a);
void header_list_end(struct header_list *l);

#endif

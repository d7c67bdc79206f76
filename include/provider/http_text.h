/* http_text.h - addresses and headers of a mail as APIs want them: on one line, in one string. */
#ifndef PROVIDER_HTTP_TEXT_H
#define PROVIDER_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/address.h"
#include "mail/job.h"

#define HTTP_TEXT_TAG_NAME 32

/* Appends "ada@x.org" or "Ada <ada@x.org>", the name quoted where it has specials, in UTF-8. */
void http_text_mailbox(struct buf *out, const struct address *a);
/* The same in ASCII: a name that is not becomes encoded words (RFC 2047). */
void http_text_mailbox_ascii(struct buf *out, const struct address *a);

/* Appends the value of a header that the job gives: ASCII as it is, else with encoded words. */
void http_text_header(struct buf *out, const char *value);

/* All headers that the job gives, in JSON: calls add for each, jsonw_pair for members of an object. */
void http_text_headers(struct buf *b, const struct job *job,
                       void (*add)(struct buf *b, const char *name, const char *value));
/* Adds {"Name": …, "Value": …} to an array, as SES and Postmark want them. */
void http_text_named(struct buf *b, const char *name, const char *value);

/* An attachment's name; an inline part without one is called by its content id. Never "". */
const char *http_text_file_name(const struct job_attachment *a);

/* A name and value, both of letters, digits, _ and -, of 1 to max characters: what SES and Resend
 * call a tag. */
bool http_text_is_tag(const char *s, size_t max);
/* The name under which the i-th tag of a job goes there: "tag", "tag2", "tag3" … */
const char *http_text_tag_name(char out[HTTP_TEXT_TAG_NAME], size_t i);
/* Why not all tags and metadata of a job can be such tags, at most `max` of them; NULL: they can. */
const char *http_text_tags_refused(const struct job *job, size_t max);

#endif

/* job.h - the job that users push: a JSON object, parsed and checked (the contract is README's
 * table "The job").
 *
 * A job is immutable after job_parse. Everything in it is bounded: the payload by MAX_JOB_BYTES
 * (the caller checks), JSON depth and values by json.h, and what is in it by the limits below. No
 * string of it but text and html holds a control character (a TAB may be in subject, header
 * values and tracestate), and no string is NULL but where it says so. */
#ifndef MAIL_JOB_H
#define MAIL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/options.h"
#include "mail/address.h"

#define JOB_MAX_KEY 256 /* bytes, like all lengths here */
#define JOB_MAX_RECIPIENTS 1000
#define JOB_MAX_HEADERS 100
#define JOB_MAX_HEADER_VALUE 8192
#define JOB_MAX_ATTACHMENTS 100
#define JOB_MAX_TAGS 32
#define JOB_MAX_TAG 128
#define JOB_MAX_METADATA 64
#define JOB_MAX_METADATA_VALUE 1024
#define JOB_MAX_SUBJECT 998
#define JOB_MAX_TENANT 128
#define JOB_MAX_PROVIDER 64
#define JOB_MAX_URL 2048
#define JOB_MAX_DELAY INT64_C(31536000000) /* ms: a year */
#define JOB_MAX_ATTEMPTS 100
#define JOB_MAX_PRIORITY 10

struct job_pair {
	char *name, *value;
};

struct job_attachment {
	char *filename;      /* never NULL, may be "" only for inline parts */
	char *content_type;  /* "application/octet-stream" when not given; never multipart/… */
	char *content_id;    /* "" none; without angle brackets */
	bool is_inline;      /* contentId given or disposition "inline" */
	unsigned char *data; /* decoded; never NULL */
	size_t len;
};

enum job_rcpt_kind { JOB_TO, JOB_CC, JOB_BCC };

struct job_rcpt {
	struct address address;
	enum job_rcpt_kind kind;
};

struct job {
	char *key;               /* idempotencyKey; "" when there is none */
	struct address from;     /* the job's, else MAIL_FROM */
	struct address reply_to; /* email "" when there is none */
	struct job_rcpt *rcpts;  /* to, cc, bcc in this order; the same payload always gives the same order */
	size_t n_rcpts;          /* at least 1 */
	char *subject;
	char *text, *html; /* NULL when not given (never both); may be "" */
	size_t text_len, html_len;
	struct job_attachment *attachments;
	size_t n_attachments;
	struct job_pair *headers;
	size_t n_headers;
	char **tags;
	size_t n_tags;
	struct job_pair *metadata;
	size_t n_metadata;
	int64_t send_at;    /* epoch ms; 0 none */
	int64_t delay;      /* ms; 0 none */
	int64_t expires_at; /* epoch ms; 0 none */
	int priority;       /* 0-10; -1 not given */
	char *provider;     /* "" not pinned; letters, digits, - and _ */
	int max_attempts;   /* 0 not given */
	int on_unknown;     /* enum options_unknown; -1 not given */
	char *tenant, *webhook_url, *traceparent; /* "" not given */
	char *tracestate;       /* "" not given, or without a traceparent */
	bool names_traceparent, names_tracestate; /* there is a member of that name, whatever it holds */
	bool utf8_addresses; /* some address (from, reply_to or recipient) is not ASCII: needs SMTPUTF8 */
	char fingerprint[25]; /* base64url of the first 18 bytes of a SHA-256: fingerprint.h */
};

/* Parses and checks a payload. Returns the job, or NULL with one sentence per fault appended to
 * `faults` (all of them at once, separated by "; "; for broken JSON one, with the position in
 * bytes). Clients of the API know these sentences to the letter: Field "to" is required, … They quote no
 * values, and names only of plain ASCII.
 *
 * JSON is read as json.h says. A member that is null counts as not given, unknown members are
 * ignored, names are case sensitive. A traceparent or tracestate that is not valid is ignored too. A time given
 * as a number must be milliseconds: what would be before 1973 is taken for seconds, and refused.
 *
 * o may be NULL, for producers that do not know the workers' MAIL_FROM: then `from` may be missing
 * (email ""). The fingerprint is the same with it and without. */
struct job *job_parse(const char *payload, size_t len, const struct options *o,
                      struct buf *faults) MUST_CHECK;
void job_free(struct job *j); /* NULL is fine */

/* The idempotencyKey of a payload that job_parse refused, if it can be made out and is a valid key:
 * a new string, or NULL. For showing the reason under the mail's own key. Of broken JSON it is what
 * follows the only "idempotencyKey" in it. */
char *job_key_of_invalid(const char *payload, size_t len) MUST_CHECK;

/* The same without parsing the payload: what follows the only "idempotencyKey" in it. */
char *job_key_unparsed(const char *payload, size_t len) MUST_CHECK;

/* 1-256 bytes of ASCII or UTF-8 without control characters and without braces. */
bool job_key_valid(const char *key, size_t len);

#endif

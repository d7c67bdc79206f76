#include "mail/message.h"

#include <glib.h>
#include <string.h>
#include <strings.h>

#include "base/line.h"
#include "base/timestamp.h"
#include "mail/body.h"
#include "mail/digest.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/param.h"

#define ID_BYTES 17 /* 27 characters of base32 hold 135 bits */
#define ID_CHARS 27
#define BOUNDARY_BYTES 15 /* 24 characters */
#define BOUNDARY_STEM 26  /* with "=_", which neither quoted-printable nor base64 can contain */

struct writer {
	struct buf *out;
	const struct job *job;
	char boundary[BOUNDARY_STEM + 1];
};

void message_init(void)
{
	mime_init();
}

bool message_header_reserved(const char *name)
{
	static const char *const reserved[] = {
		"From",           "To",           "Cc",          "Bcc",
		"Sender",         "Subject",      "Date",        "Message-ID",
		"Reply-To",       "MIME-Version", "Return-Path", "Received",
		"DKIM-Signature",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(reserved); i++)
		if (strcasecmp(name, reserved[i]) == 0)
			return true;
	return strncasecmp(name, "Content-", 8) == 0 || strncasecmp(name, "Resent-", 7) == 0;
}

/* The end of a domain that is too long for the id, whole labels if there are. */
static const char *fitting_domain(const char *domain)
{
	const size_t room = MESSAGE_MAX_ID - 1 - ID_CHARS - strlen("<@>");
	size_t n = strlen(domain);
	const char *dot;

	if (n <= room)
		return domain;
	domain += n - room;
	dot = strchr(domain, '.');
	return dot != NULL ? dot + 1 : domain;
}

void message_id(char out[MESSAGE_MAX_ID], const char *key, const struct job *job)
{
	unsigned char sum[DIGEST_SIZE];
	char name[ID_CHARS + 2];
	struct line l;

	digest_begin();
	digest_add_field(key, strlen(key));
	digest_add_field(job->fingerprint, strlen(job->fingerprint));
	digest_end(sum);
	digest_base32(name, sum, ID_BYTES);
	name[ID_CHARS] = '\0';
	l = line_begin(out, MESSAGE_MAX_ID);
	line_add(&l, "<");
	line_add(&l, name);
	line_add(&l, "@");
	line_add(&l, fitting_domain(address_domain(&job->from)));
	line_add(&l, ">");
}

/* --- header ----------------------------------------------------------------------------------- */

static void add_mailbox(struct buf *out, const char *name, const struct address *a)
{
	struct header_list list;

	header_list_begin(&list, out, name);
	header_list_add(&list, a);
	header_list_end(&list);
}

/* The recipients of one kind; false: there are none, nothing was written. */
static bool add_recipients(struct buf *out, const char *name, const struct job *job,
                           enum job_rcpt_kind kind)
{
	struct header_list list;
	bool begun = false;

	for (size_t i = 0; i < job->n_rcpts; i++) {
		if (job->rcpts[i].kind != kind)
			continue;
		if (!begun)
			header_list_begin(&list, out, name);
		begun = true;
		header_list_add(&list, &job->rcpts[i].address);
	}
	if (begun)
		header_list_end(&list);
	return begun;
}

static void add_header(struct buf *out, const struct job *job, const char *id, int64_t date_ms)
{
	char date[TIMESTAMP_RFC5322_SIZE];
	bool to, cc;

	timestamp_rfc5322(date, date_ms);
	header_add(out, "Date", date);
	add_mailbox(out, "From", &job->from);
	to = add_recipients(out, "To", job, JOB_TO);
	cc = add_recipients(out, "Cc", job, JOB_CC);
	if (!to && !cc)
		header_add(out, "To", "undisclosed-recipients:;");
	if (job->reply_to.email[0] != '\0')
		add_mailbox(out, "Reply-To", &job->reply_to);
	header_add_words(out, "Subject", job->subject);
	header_add(out, "Message-ID", id);
	for (size_t i = 0; i < job->n_headers; i++)
		header_add_value(out, job->headers[i].name, job->headers[i].value);
	header_add(out, "MIME-Version", "1.0");
}

/* --- parts ------------------------------------------------------------------------------------ */

/* A text that is all of the message must end its last line, for the server waits for CRLF.CRLF. */
static void end_line(struct buf *out)
{
	if (buf_ok(out) && (out->len < 2 || memcmp(out->data + out->len - 2, "\r\n", 2) != 0))
		buf_add_str(out, "\r\n");
}

static void add_text(struct writer *w, const char *type, const char *text, size_t n)
{
	enum body_encoding encoding = body_choose(text, n);

	buf_add_str(w->out, "Content-Type: ");
	buf_add_str(w->out, type);
	buf_add_str(w->out, "; charset=utf-8\r\n");
	header_add(w->out, "Content-Transfer-Encoding", body_encoding_name(encoding));
	buf_add_str(w->out, "\r\n");
	body_add_text(w->out, text, n, encoding);
}

static void add_attachment(struct buf *out, const struct job_attachment *a)
{
	const bool message = strncasecmp(a->content_type, "message/", 8) == 0;
	const bool as_is = message && body_is_7bit((const char *)a->data, a->len);

	header_add(out, "Content-Type",
	           message && !as_is ? "application/octet-stream" : a->content_type);
	header_add(out, "Content-Transfer-Encoding",
	           body_encoding_name(as_is ? BODY_7BIT : BODY_BASE64));
	buf_add_str(out, "Content-Disposition: ");
	buf_add_str(out, a->is_inline ? "inline" : "attachment");
	if (a->filename[0] != '\0')
		param_add(out, "filename", a->filename);
	buf_add_str(out, "\r\n");
	if (a->content_id[0] != '\0') {
		buf_add_str(out, "Content-ID: <");
		buf_add_str(out, a->content_id);
		buf_add_str(out, ">\r\n");
	}
	buf_add_str(out, "\r\n");
	if (as_is)
		body_add_text(out, (const char *)a->data, a->len, BODY_7BIT);
	else
		body_add_bytes(out, a->data, a->len);
}

/* --- multiparts ------------------------------------------------------------------------------- */

/* Each kind occurs once at the most, so that its first letter makes the boundary unique. */
static void add_boundary(struct writer *w, const char *subtype)
{
	buf_add_str(w->out, w->boundary);
	buf_add_char(w->out, subtype[0]);
}

static void open_multipart(struct writer *w, const char *subtype, const char *params)
{
	buf_add_str(w->out, "Content-Type: multipart/");
	buf_add_str(w->out, subtype);
	buf_add_str(w->out, params);
	buf_add_str(w->out, ";\r\n boundary=\"");
	add_boundary(w, subtype);
	buf_add_str(w->out, "\"\r\n");
}

static void next_part(struct writer *w, const char *subtype)
{
	buf_add_str(w->out, "\r\n--");
	add_boundary(w, subtype);
	buf_add_str(w->out, "\r\n");
}

static void close_multipart(struct writer *w, const char *subtype)
{
	buf_add_str(w->out, "\r\n--");
	add_boundary(w, subtype);
	buf_add_str(w->out, "--\r\n");
}

/* Does an attachment belong to the html, by which it is shown? */
static bool is_related(const struct job *job, const struct job_attachment *a)
{
	return a->is_inline && job->html != NULL;
}

static size_t count_related(const struct job *job)
{
	size_t n = 0;

	for (size_t i = 0; i < job->n_attachments; i++)
		n += is_related(job, &job->attachments[i]);
	return n;
}

static void add_attachments(struct writer *w, const char *subtype, bool related)
{
	for (size_t i = 0; i < w->job->n_attachments; i++) {
		const struct job_attachment *a = &w->job->attachments[i];

		if (is_related(w->job, a) != related)
			continue;
		next_part(w, subtype);
		add_attachment(w->out, a);
	}
}

static void add_html(struct writer *w)
{
	const struct job *job = w->job;

	if (count_related(job) == 0) {
		add_text(w, "text/html", job->html, job->html_len);
		return;
	}
	open_multipart(w, "related", "; type=\"text/html\"");
	next_part(w, "related");
	add_text(w, "text/html", job->html, job->html_len);
	add_attachments(w, "related", true);
	close_multipart(w, "related");
}

static void add_readable(struct writer *w)
{
	const struct job *job = w->job;

	if (job->html == NULL) {
		add_text(w, "text/plain", job->text, job->text_len);
		return;
	}
	if (job->text == NULL) {
		add_html(w);
		return;
	}
	open_multipart(w, "alternative", "");
	next_part(w, "alternative");
	add_text(w, "text/plain", job->text, job->text_len);
	next_part(w, "alternative");
	add_html(w);
	close_multipart(w, "alternative");
}

static void add_content(struct writer *w)
{
	if (count_related(w->job) == w->job->n_attachments) {
		add_readable(w);
		return;
	}
	open_multipart(w, "mixed", "");
	next_part(w, "mixed");
	add_readable(w);
	add_attachments(w, "mixed", false);
	close_multipart(w, "mixed");
}

static void make_boundary(struct writer *w, const char *id)
{
	unsigned char sum[DIGEST_SIZE];

	digest_begin();
	digest_add_field(id, strlen(id));
	digest_end(sum);
	memcpy(w->boundary, "=_", 2);
	digest_base32(w->boundary + 2, sum, BOUNDARY_BYTES);
}

bool message_compose(struct buf *out, const struct job *job, const char *id, int64_t date_ms,
                     struct error *err)
{
	struct writer w = {.out = out, .job = job};

	if ((job->text != NULL && job->html != NULL) || job->n_attachments > 0)
		make_boundary(&w, id);
	add_header(out, job, id, date_ms);
	add_content(&w);
	end_line(out);
	if (!buf_ok(out))
		return error_set(err, "the message would be larger than %zu bytes", out->max);
	return true;
}

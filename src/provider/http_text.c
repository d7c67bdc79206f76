#include "provider/http_text.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "mail/text.h"

#define MAX_TAG 256
#define MAX_VALUE (JOB_MAX_HEADER_VALUE * 4)

/* Letters, digits, atext and single blanks between them need no quotes. */
static bool is_phrase(const char *s)
{
	static const char atoms[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-/=?^_`{|}~";

	for (size_t i = 0; s[i] != '\0'; i++) {
		if (s[i] == ' ' && i > 0 && s[i - 1] != ' ' && s[i + 1] != '\0')
			continue;
		if ((unsigned char)s[i] < 0x80 && strchr(atoms, s[i]) == NULL)
			return false;
	}
	return true;
}

static void add_quoted(struct buf *out, const char *s)
{
	buf_add_char(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *s);
	}
	buf_add_char(out, '"');
}

static void add_address(struct buf *out, const struct address *a)
{
	buf_add_str(out, " <");
	buf_add_str(out, a->email);
	buf_add_char(out, '>');
}

void http_text_mailbox(struct buf *out, const struct address *a)
{
	if (a->name[0] == '\0') {
		buf_add_str(out, a->email);
		return;
	}
	if (is_phrase(a->name))
		buf_add_str(out, a->name);
	else
		add_quoted(out, a->name);
	add_address(out, a);
}

/* Appends what stands in `lines` from `from` on without its folding. */
static void add_unfolded(struct buf *out, const struct buf *lines, size_t from)
{
	for (size_t i = from; i < lines->len; i++)
		if (lines->data[i] != '\r' && lines->data[i] != '\n')
			buf_add_char(out, lines->data[i]);
	if (!buf_ok(lines))
		out->failed = true;
}

void http_text_mailbox_ascii(struct buf *out, const struct address *a)
{
	struct buf words;
	size_t column = 0;

	if (text_is_ascii(a->name, strlen(a->name)) && strstr(a->name, "=?") == NULL) {
		http_text_mailbox(out, a);
		return;
	}
	buf_init(&words, ADDRESS_MAX_NAME * 6);
	encoded_word_add(&words, a->name, strlen(a->name), &column);
	add_unfolded(out, &words, strspn(buf_str(&words), " \r\n"));
	buf_free(&words);
	add_address(out, a);
}

void http_text_header(struct buf *out, const char *value)
{
	struct buf lines;

	if (text_is_ascii(value, strlen(value))) {
		buf_add_str(out, value);
		return;
	}
	buf_init(&lines, MAX_VALUE);
	header_add_value(&lines, "X", value);
	add_unfolded(out, &lines, 2 + strspn(buf_str(&lines) + 2, " \r\n"));
	buf_free(&lines);
}

void http_text_headers(struct buf *b, const struct job *job,
                       void (*add)(struct buf *b, const char *name, const char *value))
{
	struct buf value;

	buf_init(&value, (size_t)JOB_MAX_HEADER_VALUE * 4);
	for (size_t i = 0; i < job->n_headers; i++) {
		buf_clear(&value);
		http_text_header(&value, job->headers[i].value);
		add(b, job->headers[i].name, buf_str(&value));
		b->failed |= !buf_ok(&value);
	}
	buf_free(&value);
}

void http_text_named(struct buf *b, const char *name, const char *value)
{
	jsonw_open(b, '{');
	jsonw_pair(b, "Name", name);
	jsonw_pair(b, "Value", value);
	jsonw_close(b, '}');
}

const char *http_text_file_name(const struct job_attachment *a)
{
	if (a->filename[0] != '\0')
		return a->filename;
	return a->content_id[0] != '\0' ? a->content_id : "attachment";
}

bool http_text_is_tag(const char *s, size_t max)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = strlen(s);

	return len >= 1 && len <= max && strspn(s, allowed) == len;
}

const char *http_text_tag_name(char out[HTTP_TEXT_TAG_NAME], size_t i)
{
	if (i == 0)
		snprintf(out, HTTP_TEXT_TAG_NAME, "tag");
	else
		snprintf(out, HTTP_TEXT_TAG_NAME, "tag%zu", i + 1);
	return out;
}

const char *http_text_tags_refused(const struct job *job, size_t max)
{
	char name[HTTP_TEXT_TAG_NAME];

	if (job->n_tags + job->n_metadata > max)
		return "it has too many tags and metadata";
	for (size_t i = 0; i < job->n_tags; i++)
		if (!http_text_is_tag(job->tags[i], MAX_TAG))
			return "a tag has other characters than letters, digits, _ and -";
	for (size_t i = 0; i < job->n_metadata; i++) {
		if (!http_text_is_tag(job->metadata[i].name, MAX_TAG) ||
		    !http_text_is_tag(job->metadata[i].value, MAX_TAG))
			return "metadata has other characters than letters, digits, _ and -";
		for (size_t t = 0; t < job->n_tags; t++)
			if (strcmp(job->metadata[i].name, http_text_tag_name(name, t)) == 0)
				return "metadata is named as a tag is there (tag, tag2 …)";
	}
	return NULL;
}

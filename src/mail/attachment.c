#include "mail/attachment.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "mail/text.h"

#define DEFAULT_TYPE "application/octet-stream"

static void fault(struct faults *f, long index, const char *member, const char *what)
{
	faults_add(f, "Field \"attachments[%ld].%s\" %s", index, member, what);
}

/* A member that is a string, or NULL: it is not given, or not a string (a fault). */
static const char *get_string(const cJSON *item, const char *member, long index, struct faults *f)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, member);

	if (value == NULL || cJSON_IsNull(value))
		return NULL;
	if (cJSON_IsString(value))
		return value->valuestring;
	fault(f, index, member, "must be a string");
	return NULL;
}

/* --- content ---------------------------------------------------------------------------------- */

/* The alphabet of RFC 4648, line ends anywhere, a whole number of groups, padded: GLib's decoder by
 * itself skips what it does not know. */
static bool is_base64(const char *s, size_t n)
{
	size_t letters = 0, padding = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\r' || s[i] == '\n')
			continue;
		if (s[i] == '=')
			padding++;
		else if (padding > 0 || (!g_ascii_isalnum(s[i]) && s[i] != '+' && s[i] != '/'))
			return false;
		else
			letters++;
	}
	return padding <= 2 && (letters + padding) % 4 == 0;
}

static void read_content(struct job_attachment *a, const cJSON *item, long index, struct faults *f)
{
	const cJSON *given = cJSON_GetObjectItemCaseSensitive(item, "content");
	const char *content;
	guint held = 0;
	gint state = 0;
	size_t n;

	if (given == NULL || cJSON_IsNull(given)) {
		fault(f, index, "content", "is required");
		return;
	}
	content = get_string(item, "content", index, f);
	if (content == NULL)
		return;
	n = strlen(content);
	if (!is_base64(content, n)) {
		fault(f, index, "content", "must be base64");
		return;
	}
	a->data = mem_alloc(n / 4 * 3 + 3);
	a->len = g_base64_decode_step(content, n, a->data, &state, &held);
}

/* --- content type ----------------------------------------------------------------------------- */

/* The length of an RFC 2045 token at s. */
static size_t token_length(const char *s)
{
	size_t n = 0;

	while (s[n] > ' ' && s[n] < 0x7f && strchr("()<>@,;:\\\"/[]?=", s[n]) == NULL)
		n++;
	return n;
}

static size_t quoted_length(const char *s)
{
	size_t n = 1;

	if (s[0] != '"')
		return 0;
	for (; s[n] != '"'; n++) {
		if (s[n] == '\\')
			n++;
		if (s[n] == '\0')
			return 0;
	}
	return n + 1;
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " ");
}

/* type/subtype *(; name=value) */
static bool is_content_type(const char *s)
{
	size_t n = token_length(s);

	if (n == 0 || s[n] != '/')
		return false;
	s += n + 1;
	n = token_length(s);
	if (n == 0)
		return false;
	for (s = skip_blanks(s + n); *s == ';'; s = skip_blanks(s + n)) {
		s = skip_blanks(s + 1);
		n = token_length(s);
		if (n == 0 || s[n] != '=')
			return false;
		s += n + 1;
		n = *s == '"' ? quoted_length(s) : token_length(s);
		if (n == 0)
			return false;
	}
	return *s == '\0';
}

static void read_type(struct job_attachment *a, const cJSON *item, long index, struct faults *f)
{
	const char *type = get_string(item, "contentType", index, f);
	size_t n = type == NULL ? 0 : strlen(type);

	a->content_type = mem_strdup(n > 0 ? type : DEFAULT_TYPE);
	if (n == 0)
		return;
	if (n > ATTACHMENT_MAX_TYPE || !text_is_ascii(type, n) || text_has_control(type, n) ||
	    !is_content_type(type))
		fault(f, index, "contentType", "must be a media type such as application/pdf");
	else if (strncasecmp(type, "multipart/", 10) == 0)
		fault(f, index, "contentType", "must not be a multipart type");
}

/* --- names ------------------------------------------------------------------------------------ */

static void read_filename(struct job_attachment *a, const cJSON *item, long index, struct faults *f)
{
	const char *name = get_string(item, "filename", index, f);
	size_t n = name == NULL ? 0 : strlen(name);

	a->filename = mem_strdup(n > 0 ? name : "");
	if (n > ATTACHMENT_MAX_FILENAME)
		fault(f, index, "filename", "must be at most 255 bytes");
	else if (text_has_control(a->filename, n))
		fault(f, index, "filename", "must not contain control characters");
	else if (strpbrk(a->filename, "/\\") != NULL)
		fault(f, index, "filename", "must not contain a path");
}

static void read_id(struct job_attachment *a, const cJSON *item, long index, struct faults *f)
{
	const char *id = get_string(item, "contentId", index, f);
	size_t n = id == NULL ? 0 : strlen(id);

	if (n > 2 && id[0] == '<' && id[n - 1] == '>') {
		id++;
		n -= 2;
	}
	a->content_id = mem_strndup(n > 0 ? id : "", n);
	if (n > ATTACHMENT_MAX_ID || !text_is_ascii(a->content_id, n) ||
	    text_has_control(a->content_id, n) || strpbrk(a->content_id, " <>()\"\\") != NULL)
		fault(f, index, "contentId", "must be a content id of printable ASCII characters");
}

static void read_disposition(struct job_attachment *a, const cJSON *item, long index,
                             struct faults *f)
{
	const char *disposition = get_string(item, "disposition", index, f);

	a->is_inline = a->content_id[0] != '\0';
	if (disposition == NULL)
		return;
	if (strcmp(disposition, "inline") == 0)
		a->is_inline = true;
	else if (strcmp(disposition, "attachment") != 0)
		fault(f, index, "disposition", "must be \"inline\" or \"attachment\"");
}

void attachment_read(struct job_attachment *a, const cJSON *item, long index, struct faults *faults)
{
	const cJSON *filename;

	if (!cJSON_IsObject(item)) {
		faults_field(faults, "attachments", index, "must be an object");
		return;
	}
	read_filename(a, item, index, faults);
	read_type(a, item, index, faults);
	read_content(a, item, index, faults);
	read_id(a, item, index, faults);
	read_disposition(a, item, index, faults);
	/* One of a wrong type has been named already. */
	filename = cJSON_GetObjectItemCaseSensitive(item, "filename");
	if (a->filename[0] == '\0' && !a->is_inline &&
	    (filename == NULL || cJSON_IsNull(filename) || cJSON_IsString(filename)))
		fault(faults, index, "filename", "is required");
}

void attachment_free(struct job_attachment *a)
{
	mem_free(a->filename);
	mem_free(a->content_type);
	mem_free(a->content_id);
	mem_free(a->data);
}

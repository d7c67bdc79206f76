#include "cli/draft.h"

#include <cjson/cJSON.h>
#include <glib.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "cli/human.h"
#include "cli/slurp.h"

/* How the value of a flag becomes a member of the job. */
enum draft_kind {
	DRAFT_TEXT,     /* a string */
	DRAFT_NUMBER,   /* a number; what is none stays a string, and is refused as one */
	DRAFT_TIME,     /* a string, or epoch milliseconds */
	DRAFT_DURATION, /* milliseconds */
	DRAFT_FILE,     /* a string: what the file holds */
	DRAFT_LIST,     /* an array of strings */
	DRAFT_ONE_MORE, /* a string; an array of them when there are more */
	DRAFT_PAIRS,    /* an object of strings: "name: value" or "name=value" */
	DRAFT_ATTACH,   /* an array of attachments: files */
	DRAFT_INLINE    /* the same with a content id: "id=file" */
};

static const struct draft_flag {
	const char *flag, *member;
	enum draft_kind kind;
	char separator; /* of DRAFT_PAIRS */
} table[] = {
	{"to", "to", DRAFT_ONE_MORE, 0},
	{"cc", "cc", DRAFT_ONE_MORE, 0},
	{"bcc", "bcc", DRAFT_ONE_MORE, 0},
	{"from", "from", DRAFT_TEXT, 0},
	{"reply-to", "replyTo", DRAFT_TEXT, 0},
	{"subject", "subject", DRAFT_TEXT, 0},
	{"text", "text", DRAFT_TEXT, 0},
	{"text-file", "text", DRAFT_FILE, 0},
	{"html", "html", DRAFT_TEXT, 0},
	{"html-file", "html", DRAFT_FILE, 0},
	{"attach", "attachments", DRAFT_ATTACH, 0},
	{"inline", "attachments", DRAFT_INLINE, 0},
	{"header", "headers", DRAFT_PAIRS, ':'},
	{"key", "idempotencyKey", DRAFT_TEXT, 0},
	{"send-at", "sendAt", DRAFT_TIME, 0},
	{"delay", "delay", DRAFT_DURATION, 0},
	{"expires-at", "expiresAt", DRAFT_TIME, 0},
	{"priority", "priority", DRAFT_NUMBER, 0},
	{"provider", "provider", DRAFT_TEXT, 0},
	{"max-attempts", "maxAttempts", DRAFT_NUMBER, 0},
	{"on-unknown", "onUnknown", DRAFT_TEXT, 0},
	{"tenant", "tenant", DRAFT_TEXT, 0},
	{"tag", "tags", DRAFT_LIST, 0},
	{"meta", "metadata", DRAFT_PAIRS, '='},
	{"webhook-url", "webhookUrl", DRAFT_TEXT, 0},
};

static const char *content_type(const char *path)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{".pdf", "application/pdf"}, {".txt", "text/plain"},
		{".csv", "text/csv"},        {".html", "text/html"},
		{".ics", "text/calendar"},   {".json", "application/json"},
		{".xml", "application/xml"}, {".zip", "application/zip"},
		{".gz", "application/gzip"}, {".png", "image/png"},
		{".jpg", "image/jpeg"},      {".jpeg", "image/jpeg"},
		{".gif", "image/gif"},       {".svg", "image/svg+xml"},
		{".webp", "image/webp"},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* The member, made when it is not there. */
static cJSON *member(cJSON *job, const char *name, bool array)
{
	cJSON *m = cJSON_GetObjectItemCaseSensitive(job, name);

	if (m == NULL && array)
		m = cJSON_AddArrayToObject(job, name);
	else if (m == NULL)
		m = cJSON_AddObjectToObject(job, name);
	return m;
}

static void add_one_more(cJSON *job, const char *name, const char *value)
{
	cJSON *first = cJSON_GetObjectItemCaseSensitive(job, name), *list;

	if (first == NULL) {
		cJSON_AddStringToObject(job, name, value);
		return;
	}
	list = first;
	if (!cJSON_IsArray(first)) {
		list = cJSON_CreateArray();
		cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(job, first));
		cJSON_AddItemToObject(job, name, list);
	}
	cJSON_AddItemToArray(list, cJSON_CreateString(value));
}

static bool add_pair(cJSON *job, const struct draft_flag *f, const char *value, struct error *err)
{
	const char *separator = strchr(value, f->separator);
	char *name;
	bool twice;

	if (separator == NULL || separator == value)
		return error_set(err, "--%s needs a name and a value, \"Name%s\", not \"%s\"",
		                 f->flag, f->separator == ':' ? ": value" : "=value", value);
	name = mem_strndup(value, (size_t)(separator - value));
	separator++;
	separator += f->separator == ':' ? strspn(separator, " ") : 0;
	twice = cJSON_GetObjectItemCaseSensitive(member(job, f->member, false), name) != NULL;
	if (!twice)
		cJSON_AddStringToObject(member(job, f->member, false), name, separator);
	mem_free(name);
	return !twice || error_set(err, "--%s \"%s\" is given twice", f->flag, value);
}

static bool add_file_text(const struct args *a, cJSON *job, const char *name, const char *path,
                          struct error *err)
{
	struct buf text;
	bool ok;

	buf_init(&text, (size_t)a->options.max_job_bytes);
	ok = slurp(path, &text, err);
	if (ok && text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
		ok = error_set(err, "%s has a NUL byte", path);
	if (ok)
		cJSON_AddStringToObject(job, name, buf_str(&text));
	buf_free(&text);
	return ok;
}

static bool add_attachment(const struct args *a, cJSON *job, const struct draft_flag *f,
                           const char *value, struct error *err)
{
	const char *path = value, *slash, *equals = strchr(value, '=');
	struct buf bytes;
	gchar *base64;
	cJSON *one;

	if (f->kind == DRAFT_INLINE && (equals == NULL || equals == value))
		return error_set(err, "--inline needs a content id and a file, \"logo=logo.png\"");
	if (f->kind == DRAFT_INLINE)
		path = equals + 1;
	buf_init(&bytes, (size_t)a->options.max_job_bytes);
	if (!slurp(path, &bytes, err)) {
		buf_free(&bytes);
		return false;
	}
	slash = strrchr(path, '/');
	one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "filename", slash != NULL ? slash + 1 : path);
	cJSON_AddStringToObject(one, "contentType", content_type(path));
	base64 = g_base64_encode((const guchar *)buf_str(&bytes), bytes.len);
	cJSON_AddStringToObject(one, "content", base64);
	g_free(base64);
	buf_free(&bytes);
	if (f->kind == DRAFT_INLINE) {
		char *id = mem_strndup(value, (size_t)(equals - value));

		cJSON_AddStringToObject(one, "contentId", id);
		mem_free(id);
	}
	cJSON_AddItemToArray(member(job, f->member, true), one);
	return true;
}

static bool add_duration(cJSON *job, const struct draft_flag *f, const char *value,
                         struct error *err)
{
	int64_t ms;

	if (!human_parse_duration(value, &ms))
		return error_set(err, "--%s must be a duration such as 30s, 10m or 2h, not \"%s\"",
		                 f->flag, value);
	cJSON_AddNumberToObject(job, f->member, (double)ms);
	return true;
}

static bool add(const struct args *a, cJSON *job, const struct draft_flag *f, const char *value,
                struct error *err)
{
	double number;

	switch (f->kind) {
	case DRAFT_LIST:
		cJSON_AddItemToArray(member(job, f->member, true), cJSON_CreateString(value));
		return true;
	case DRAFT_ONE_MORE:
		add_one_more(job, f->member, value);
		return true;
	case DRAFT_PAIRS:
		return add_pair(job, f, value, err);
	case DRAFT_ATTACH:
	case DRAFT_INLINE:
		return add_attachment(a, job, f, value, err);
	case DRAFT_TEXT:
	case DRAFT_NUMBER:
	case DRAFT_TIME:
	case DRAFT_DURATION:
	case DRAFT_FILE:
		break;
	}
	if (cJSON_HasObjectItem(job, f->member))
		return error_set(err, "%s is given twice", f->member);
	if (f->kind == DRAFT_FILE)
		return add_file_text(a, job, f->member, value, err);
	if (f->kind == DRAFT_DURATION)
		return add_duration(job, f, value, err);
	if (f->kind != DRAFT_TEXT && number_double(value, &number))
		cJSON_AddNumberToObject(job, f->member, number);
	else
		cJSON_AddStringToObject(job, f->member, value);
	return true;
}

bool draft_wanted(const struct args *a)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (args_value(a, table[i].flag) != NULL)
			return true;
	return false;
}

bool draft_write(const struct args *a, struct buf *out, struct error *err)
{
	cJSON *job = cJSON_CreateObject();
	bool ok = true;
	char *text;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && ok; i++) {
		const char *value;
		size_t at = 0;

		while (ok && (value = args_next(a, table[i].flag, &at)) != NULL)
			ok = add(a, job, &table[i], value, err);
	}
	text = ok ? cJSON_PrintUnformatted(job) : NULL;
	cJSON_Delete(job);
	if (!ok)
		return false;
	if (text == NULL)
		return error_set(err, "there is not enough memory for the mail");
	buf_add_str(out, text);
	cJSON_free(text);
	if (!buf_ok(out))
		return error_set(err, "the mail is larger than %zu bytes", out->max);
	return true;
}

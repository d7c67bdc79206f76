#include "mail/job_fields.h"

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/timestamp.h"
#include "mail/attachment.h"
#include "mail/header.h"
#include "mail/message.h"
#include "mail/text.h"
#include "mail/trace_context.h"

/* Epoch milliseconds before 1973-03-03 are epoch seconds that somebody forgot to multiply. */
#define MIN_EPOCH_MS 1e11

struct reader {
	struct job *job;
	struct faults *faults;
	const struct options *options;
	bool text_given; /* as text or body, be it a fault */
};

static void fault(struct reader *r, const char *field, const char *what)
{
	faults_field(r->faults, field, -1, what);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The string, or NULL: it is not given, or something else (a fault). */
static const char *get_string(struct reader *r, const char *field, const cJSON *value)
{
	if (value == NULL)
		return NULL;
	if (cJSON_IsString(value))
		return value->valuestring;
	fault(r, field, "must be a string");
	return NULL;
}

static void read_key(struct reader *r, const char *field, const cJSON *value)
{
	const char *key = get_string(r, field, value);
	size_t n;

	if (key == NULL)
		return;
	n = strlen(key);
	if (n == 0 || n > JOB_MAX_KEY)
		fault(r, field, "must be between 1 and 256 characters");
	else if (!job_key_valid(key, n))
		fault(r, field, "must not contain braces or control characters");
	else
		r->job->key = mem_strndup(key, n);
}

static void read_subject(struct reader *r, const char *field, const cJSON *value)
{
	const char *subject = get_string(r, field, value);
	size_t n = subject == NULL ? 0 : strlen(subject);

	if (value == NULL || (subject != NULL && n == 0))
		fault(r, field, "is required");
	else if (n >= JOB_MAX_SUBJECT)
		fault(r, field, "must be less than 998 bytes");
	else if (text_has_control_but_tab(subject, n))
		fault(r, field, "must not contain control characters");
	else
		r->job->subject = mem_strndup(subject, n);
}

static void read_body(struct reader *r, const char *field, const cJSON *value)
{
	const char *text = get_string(r, field, value);

	r->text_given |= value != NULL;
	if (text == NULL)
		return;
	if (r->job->text == NULL) {
		r->job->text_len = strlen(text);
		r->job->text = mem_strndup(text, r->job->text_len);
	} else if (strcmp(r->job->text, text) != 0) {
		fault(r, field, "must not differ from \"text\", of which it is another name");
	}
}

static void read_html(struct reader *r, const char *field, const cJSON *value)
{
	const char *html = get_string(r, field, value);

	if (value == NULL && !r->text_given)
		fault(r, "body", "is required");
	if (html == NULL)
		return;
	r->job->html_len = strlen(html);
	r->job->html = mem_strndup(html, r->job->html_len);
}

static void read_provider(struct reader *r, const char *field, const cJSON *value)
{
	const char *name = get_string(r, field, value);
	size_t n = 0;

	if (name == NULL)
		return;
	while (g_ascii_isalnum(name[n]) || name[n] == '-' || name[n] == '_')
		n++;
	if (n == 0 || n > JOB_MAX_PROVIDER || name[n] != '\0')
		fault(r, field, "must be a provider's name (letters, digits, - and _)");
	else
		r->job->provider = mem_strndup(name, n);
}

static void read_tenant(struct reader *r, const char *field, const cJSON *value)
{
	const char *tenant = get_string(r, field, value);

	if (tenant == NULL)
		return;
	if (text_is_key(tenant, strlen(tenant), JOB_MAX_TENANT))
		r->job->tenant = mem_strdup(tenant);
	else
		fault(r, field, "must be 1 to 128 printable characters without braces");
}

static bool is_web_url(const char *url)
{
	const char *host;
	size_t n;

	if (strlen(url) > JOB_MAX_URL)
		return false;
	for (size_t i = 0; url[i] != '\0'; i++)
		if (url[i] <= ' ' || url[i] > '~' || strchr("\"<>\\^`{|}", url[i]) != NULL)
			return false;
	if (strncasecmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncasecmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		return false;
	n = strcspn(host, "/?#");
	/* No user and password: they would be kept with the job, and disguise a host. */
	return n > 0 && host[0] != ':' && memchr(host, '@', n) == NULL;
}

static void read_webhook_url(struct reader *r, const char *field, const cJSON *value)
{
	const char *url = get_string(r, field, value);

	if (url == NULL)
		return;
	if (is_web_url(url))
		r->job->webhook_url = mem_strdup(url);
	else
		fault(r, field, "must be an http or https URL without credentials");
}

static void read_traceparent(struct reader *r, const char *field, const cJSON *value)
{
	struct trace_context context;

	(void)field;
	if (cJSON_IsString(value) && trace_context_read(&context, value->valuestring))
		r->job->traceparent = mem_strdup(value->valuestring);
}

/* Behind its traceparent, without which it says nothing. */
static void read_tracestate(struct reader *r, const char *field, const cJSON *value)
{
	(void)field;
	if (cJSON_IsString(value) && r->job->traceparent != NULL &&
	    trace_state_valid(value->valuestring))
		r->job->tracestate = mem_strdup(value->valuestring);
}

/* --- numbers and choices ---------------------------------------------------------------------- */

/* Without its fraction, for whoever computed it; false: it is not given, or a fault. */
static bool get_number(struct reader *r, const char *field, const cJSON *value, double min,
                       double max, int64_t *out)
{
	if (value == NULL)
		return false;
	if (cJSON_IsNumber(value) && value->valuedouble >= min && value->valuedouble <= max) {
		*out = (int64_t)value->valuedouble;
		return true;
	}
	faults_add(r->faults, "Field \"%s\" must be a number between %.0f and %.0f", field, min,
	           max);
	return false;
}

static void read_priority(struct reader *r, const char *field, const cJSON *value)
{
	int64_t n;

	if (get_number(r, field, value, 0, JOB_MAX_PRIORITY, &n))
		r->job->priority = (int)n;
}

static void read_delay(struct reader *r, const char *field, const cJSON *value)
{
	(void)get_number(r, field, value, 0, (double)JOB_MAX_DELAY, &r->job->delay);
}

static void read_max_attempts(struct reader *r, const char *field, const cJSON *value)
{
	int64_t n;

	if (get_number(r, field, value, 1, JOB_MAX_ATTEMPTS, &n))
		r->job->max_attempts = (int)n;
}

static void read_time(struct reader *r, const char *field, const cJSON *value, int64_t *out)
{
	int64_t ms = 0;
	bool ok = false;

	if (value == NULL)
		return;
	if (cJSON_IsNumber(value)) {
		ok = value->valuedouble >= MIN_EPOCH_MS && value->valuedouble <= TIMESTAMP_MAX_MS;
		ms = ok ? (int64_t)value->valuedouble : 0;
	} else if (cJSON_IsString(value)) {
		ok = timestamp_parse(value->valuestring, &ms) && ms > 0;
	}
	if (ok)
		*out = ms;
	else
		fault(r, field, "must be an RFC 3339 date and time or epoch milliseconds");
}

static void read_send_at(struct reader *r, const char *field, const cJSON *value)
{
	read_time(r, field, value, &r->job->send_at);
}

static void read_expires_at(struct reader *r, const char *field, const cJSON *value)
{
	read_time(r, field, value, &r->job->expires_at);
}

static void read_on_unknown(struct reader *r, const char *field, const cJSON *value)
{
	const char *choice = cJSON_IsString(value) ? value->valuestring : "";

	if (value == NULL)
		return;
	if (strcmp(choice, "retry") == 0)
		r->job->on_unknown = ON_UNKNOWN_RETRY;
	else if (strcmp(choice, "hold") == 0)
		r->job->on_unknown = ON_UNKNOWN_HOLD;
	else if (strcmp(choice, "fail") == 0)
		r->job->on_unknown = ON_UNKNOWN_FAIL;
	else
		fault(r, field, "must be \"retry\", \"hold\" or \"fail\"");
}

/* --- addresses -------------------------------------------------------------------------------- */

/* {"email":…, "name":…} */
static bool read_parts(const cJSON *value, struct address *out, const char **why)
{
	const cJSON *email = cJSON_GetObjectItemCaseSensitive(value, "email");
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(value, "name");

	if (email == NULL || !cJSON_IsString(email))
		return false;
	if (name == NULL || cJSON_IsNull(name))
		return address_make(out, email->valuestring, NULL, why);
	if (cJSON_IsString(name))
		return address_make(out, email->valuestring, name->valuestring, why);
	*why = "must have a name that is a string";
	return false;
}

/* index: its place in an array, or -1. */
static bool read_address(struct reader *r, const char *field, long index, const cJSON *value,
                         struct address *out)
{
	const char *why = "must be a valid email address";
	bool ok = false;

	if (cJSON_IsString(value))
		ok = address_parse(out, value->valuestring, strlen(value->valuestring), &why);
	else if (cJSON_IsObject(value))
		ok = read_parts(value, out, &why);
	if (!ok)
		faults_field(r->faults, field, index, why);
	return ok;
}

static void read_from(struct reader *r, const char *field, const cJSON *value)
{
	const char *configured = r->options == NULL ? NULL : r->options->mail_from;
	const char *why;

	if (value != NULL) {
		(void)read_address(r, field, -1, value, &r->job->from);
		return;
	}
	if (r->options == NULL)
		return;
	if (configured == NULL || configured[0] == '\0')
		fault(r, field, "is required (MAIL_FROM is not set)");
	else if (!address_parse(&r->job->from, configured, strlen(configured), &why))
		faults_add(r->faults, "MAIL_FROM %s", why);
}

static void read_reply_to(struct reader *r, const char *field, const cJSON *value)
{
	if (value != NULL)
		(void)read_address(r, field, -1, value, &r->job->reply_to);
}

static size_t count_addresses(const cJSON *value)
{
	if (cJSON_IsArray(value))
		return (size_t)cJSON_GetArraySize(value);
	return value == NULL || (cJSON_IsString(value) && value->valuestring[0] == '\0') ? 0 : 1;
}

static void read_recipient(struct reader *r, const char *field, long index, const cJSON *value,
                           enum job_rcpt_kind kind)
{
	struct job_rcpt *rcpt = &r->job->rcpts[r->job->n_rcpts];

	rcpt->kind = kind;
	if (read_address(r, field, index, value, &rcpt->address))
		r->job->n_rcpts++;
}

static void read_kind(struct reader *r, const char *field, const cJSON *value,
                      enum job_rcpt_kind kind)
{
	long index = 0;

	if (value == NULL || count_addresses(value) == 0)
		return;
	if (!cJSON_IsArray(value)) {
		read_recipient(r, field, -1, value, kind);
		return;
	}
	for (const cJSON *item = value->child; item != NULL; item = item->next)
		read_recipient(r, field, index++, item, kind);
}

static void read_recipients(struct reader *r, const cJSON *to, const cJSON *cc, const cJSON *bcc)
{
	size_t n = count_addresses(to) + count_addresses(cc) + count_addresses(bcc);

	if (n == 0) {
		fault(r, "to", "is required");
		return;
	}
	if (n > JOB_MAX_RECIPIENTS) {
		fault(r, "to", "must have at most 1000 recipients, cc and bcc included");
		return;
	}
	r->job->rcpts = mem_array(n, sizeof(*r->job->rcpts));
	read_kind(r, "to", to, JOB_TO);
	read_kind(r, "cc", cc, JOB_CC);
	read_kind(r, "bcc", bcc, JOB_BCC);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* The number of members of an array or object; 0: it is not given, or a fault. */
static size_t count_members(struct reader *r, const char *field, const cJSON *value, bool object,
                            size_t max)
{
	size_t n;

	if (value == NULL)
		return 0;
	if (object ? !cJSON_IsObject(value) : !cJSON_IsArray(value)) {
		fault(r, field, object ? "must be an object" : "must be an array");
		return 0;
	}
	n = (size_t)cJSON_GetArraySize(value);
	if (n <= max)
		return n;
	faults_add(r->faults, "Field \"%s\" must have at most %zu members", field, max);
	return 0;
}

static void read_attachments(struct reader *r, const char *field, const cJSON *value)
{
	size_t n = count_members(r, field, value, false, JOB_MAX_ATTACHMENTS);
	long index = 0;

	if (n == 0)
		return;
	r->job->attachments = mem_array(n, sizeof(*r->job->attachments));
	r->job->n_attachments = n;
	for (const cJSON *item = value->child; item != NULL; item = item->next, index++)
		attachment_read(&r->job->attachments[index], item, index, r->faults);
}

static void read_tags(struct reader *r, const char *field, const cJSON *value)
{
	size_t n = count_members(r, field, value, false, JOB_MAX_TAGS);
	long index = 0;

	if (n == 0)
		return;
	r->job->tags = mem_array(n, sizeof(*r->job->tags));
	for (const cJSON *item = value->child; item != NULL; item = item->next, index++) {
		size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;

		if (len == 0 || len > JOB_MAX_TAG || text_has_control(item->valuestring, len))
			faults_field(r->faults, field, index,
			             "must be a string of 1 to 128 printable characters");
		else
			r->job->tags[r->job->n_tags++] = mem_strndup(item->valuestring, len);
	}
}

static void add_pair(struct job_pair *pairs, size_t *n, const cJSON *item)
{
	pairs[*n].name = mem_strdup(item->string);
	pairs[*n].value = mem_strdup(item->valuestring);
	(*n)++;
}

static void member_fault(struct reader *r, const char *field, const char *name, const char *what)
{
	faults_add(r->faults, "Field \"%s.%s\" %s", field, name, what);
}

static void read_headers(struct reader *r, const char *field, const cJSON *value)
{
	size_t n = count_members(r, field, value, true, JOB_MAX_HEADERS);

	if (n == 0)
		return;
	r->job->headers = mem_array(n, sizeof(*r->job->headers));
	for (const cJSON *item = value->child; item != NULL; item = item->next) {
		size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;

		if (!header_name_valid(item->string))
			fault(r, field,
			      "must have names of 1 to 76 printable ASCII characters "
			      "without blanks and colons");
		else if (message_header_reserved(item->string))
			member_fault(r, field, item->string, "must not be set (reserved)");
		else if (!cJSON_IsString(item))
			member_fault(r, field, item->string, "must be a string");
		else if (len > JOB_MAX_HEADER_VALUE)
			member_fault(r, field, item->string, "must be at most 8192 bytes");
		else if (text_has_control_but_tab(item->valuestring, len))
			member_fault(r, field, item->string, "must not contain control characters");
		else
			add_pair(r->job->headers, &r->job->n_headers, item);
	}
}

static void read_metadata(struct reader *r, const char *field, const cJSON *value)
{
	size_t n = count_members(r, field, value, true, JOB_MAX_METADATA);

	if (n == 0)
		return;
	r->job->metadata = mem_array(n, sizeof(*r->job->metadata));
	for (const cJSON *item = value->child; item != NULL; item = item->next) {
		size_t len = cJSON_IsString(item) ? strlen(item->valuestring) : 0;

		/* header_name_valid: providers carry them as headers or form fields. */
		if (!header_name_valid(item->string))
			fault(r, field,
			      "must have names of 1 to 76 printable ASCII characters "
			      "without blanks and colons");
		else if (!cJSON_IsString(item) || len > JOB_MAX_METADATA_VALUE ||
		         text_has_control(item->valuestring, len))
			member_fault(r, field, item->string,
			             "must be a string of at most 1024 printable characters");
		else
			add_pair(r->job->metadata, &r->job->n_metadata, item);
	}
}

/* --- all of them ------------------------------------------------------------------------------ */

enum member { TO, CC, BCC, N_RECIPIENTS };

typedef void field_reader(struct reader *r, const char *field, const cJSON *value);

/* In the order in which faults are told. */
static const struct field {
	const char *name;
	field_reader *read; /* NULL: read_recipients reads it */
} fields[] = {
	[TO] = {"to", NULL},
	[CC] = {"cc", NULL},
	[BCC] = {"bcc", NULL},
	{"from", read_from},
	{"replyTo", read_reply_to},
	{"subject", read_subject},
	{"text", read_body},
	{"body", read_body},
	{"html", read_html}, /* after text and body: one of the three is required */
	{"attachments", read_attachments},
	{"headers", read_headers},
	{"idempotencyKey", read_key},
	{"sendAt", read_send_at},
	{"delay", read_delay},
	{"expiresAt", read_expires_at},
	{"priority", read_priority},
	{"provider", read_provider},
	{"maxAttempts", read_max_attempts},
	{"onUnknown", read_on_unknown},
	{"tenant", read_tenant},
	{"tags", read_tags},
	{"metadata", read_metadata},
	{"webhookUrl", read_webhook_url},
	{"traceparent", read_traceparent},
	{"tracestate", read_tracestate},
};

static void set_if_missing(char **s)
{
	if (*s == NULL)
		*s = mem_strdup("");
}

static void fill_address(struct address *a)
{
	if (a->email == NULL)
		*a = (struct address){mem_strdup(""), mem_strdup(""), true};
}

static void fill_missing(struct job *job)
{
	set_if_missing(&job->key);
	set_if_missing(&job->subject);
	set_if_missing(&job->provider);
	set_if_missing(&job->tenant);
	set_if_missing(&job->webhook_url);
	set_if_missing(&job->traceparent);
	set_if_missing(&job->tracestate);
	fill_address(&job->from);
	fill_address(&job->reply_to);
}

void job_fields_read(struct job *job, const cJSON *object, const struct options *o,
                     struct faults *faults)
{
	struct reader r = {.job = job, .faults = faults, .options = o};
	const cJSON *values[G_N_ELEMENTS(fields)] = {NULL};

	job->priority = -1;
	job->on_unknown = -1;
	for (const cJSON *m = object->child; m != NULL; m = m->next) {
		if (m->string[0] == 't' && strncmp(m->string, "trace", 5) == 0) {
			job->names_traceparent |= strcmp(m->string, "traceparent") == 0;
			job->names_tracestate |= strcmp(m->string, "tracestate") == 0;
		}
		if (cJSON_IsNull(m))
			continue;
		for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
			if (fields[i].name[0] == m->string[0] &&
			    strcmp(fields[i].name, m->string) == 0)
				values[i] = m;
	}
	read_recipients(&r, values[TO], values[CC], values[BCC]);
	for (size_t i = N_RECIPIENTS; i < G_N_ELEMENTS(fields); i++)
		fields[i].read(&r, fields[i].name, values[i]);
	fill_missing(job);
}

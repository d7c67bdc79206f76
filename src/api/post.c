#include "api/post.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fleet/timeline.h"
#include "mail/job.h"
#include "mail/json.h"
#include "redis/value.h"

#define KEY_NAME "idempotencyKey"
#define TRACE_NAME "traceparent"
#define STATE_NAME "tracestate"
#define FAULT_BYTES 65536
#define SHOWN_BYTES 60 /* of `to` and `subject` in the status */
#define MAX_DETAILS 64
#define STATUS_URL "/api/email/status/"

/* --- the sentences ---------------------------------------------------------------------------------------- */

/* What a request says of the fields that have stricter limits here. NULL and -1: not given, or wrong in a
 * way that the job's own check tells. */
struct own_fields {
	const char *key, *subject;
	double delay;
	bool key_given;
	bool nothing; /* its text, and its html, are empty */
};

static const char *const order[] = {"to", "subject", "body", KEY_NAME, "priority", "delay"};

#define N_ORDER (sizeof(order) / sizeof(order[0]))

/* In the order of the page; others behind. */
static size_t rank_of(const char *sentence)
{
	for (size_t i = 0; i < N_ORDER; i++) {
		size_t n = strlen(order[i]);

		if (strncmp(sentence, "Field \"", 7) == 0 &&
		    strncmp(sentence + 7, order[i], n) == 0 &&
		    (sentence[7 + n] == '"' || sentence[7 + n] == '['))
			return i;
	}
	return N_ORDER;
}

/* The job's sentences that ours take the place of: its limits are wider. */
static bool is_replaced(const char *sentence)
{
	static const char *const replaced[] = {
		"Field \"idempotencyKey\" must be between",
		"Field \"subject\" must be less than",
		"Field \"delay\" must be a number",
	};

	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
		if (strncmp(sentence, replaced[i], strlen(replaced[i])) == 0)
			return true;
	return false;
}

struct details {
	char *list[MAX_DETAILS];
	size_t n;
};

static void add_detail(struct details *d, const char *sentence, size_t n)
{
	char *copy = mem_strndup(sentence, n);
	size_t at = d->n;

	if (d->n == MAX_DETAILS) {
		mem_free(copy);
		return;
	}
	while (at > 0 && rank_of(d->list[at - 1]) > rank_of(copy))
		at--;
	memmove(&d->list[at + 1], &d->list[at], (d->n - at) * sizeof(d->list[0]));
	d->list[at] = copy;
	d->n++;
}

static void add_sentences(struct details *d, const char *sentences)
{
	while (*sentences != '\0') {
		const char *end = strstr(sentences, "; ");
		size_t n = end != NULL ? (size_t)(end - sentences) : strlen(sentences);

		if (!is_replaced(sentences))
			add_detail(d, sentences, n);
		sentences += n + (end != NULL ? 2 : 0);
	}
}

static char *join(struct details *d)
{
	struct buf all;

	buf_init(&all, FAULT_BYTES * 2);
	for (size_t i = 0; i < d->n; i++) {
		buf_add_str(&all, i > 0 ? "; " : "");
		buf_add_str(&all, d->list[i]);
		mem_free(d->list[i]);
	}
	d->n = 0;
	return buf_take(&all);
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool key_fits(const char *key)
{
	return *key != '\0' && characters(key) <= POST_MAX_KEY;
}

static void add_own(struct details *d, const struct own_fields *f)
{
	const char *fault = NULL;

	if (f->key == NULL && !f->key_given)
		fault = "Field \"" KEY_NAME "\" is required";
	else if (f->key != NULL && !key_fits(f->key))
		fault = "Field \"" KEY_NAME "\" must be between 1 and 100 characters";
	if (fault != NULL)
		add_detail(d, fault, strlen(fault));
	fault = "Field \"subject\" must be less than 200 characters";
	if (f->subject != NULL && characters(f->subject) >= POST_MAX_SUBJECT)
		add_detail(d, fault, strlen(fault));
	fault = "Field \"body\" is required";
	if (f->nothing)
		add_detail(d, fault, strlen(fault));
	fault = "Field \"delay\" must be a number between 0 and 300000 (5 minutes)";
	if (f->delay > POST_MAX_DELAY || f->delay < 0)
		add_detail(d, fault, strlen(fault));
}

/* --- reading ------------------------------------------------------------------------------------------------ */

/* Where none is given at all, the job's own check tells. */
static bool says_nothing(const cJSON *tree)
{
	static const char *const names[] = {"body", "text", "html"};
	bool given = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const cJSON *text = cJSON_GetObjectItemCaseSensitive(tree, names[i]);

		if (cJSON_IsString(text) && *text->valuestring != '\0')
			return false;
		given = given || cJSON_IsString(text);
	}
	return given;
}

static struct own_fields fields_of_tree(const cJSON *tree)
{
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(tree, KEY_NAME);
	const cJSON *subject = cJSON_GetObjectItemCaseSensitive(tree, "subject");
	const cJSON *delay = cJSON_GetObjectItemCaseSensitive(tree, "delay");
	struct own_fields f = {
		.key_given = key != NULL && !cJSON_IsNull(key),
		.nothing = says_nothing(tree),
	};

	if (key != NULL && cJSON_IsString(key))
		f.key = key->valuestring;
	if (subject != NULL && cJSON_IsString(subject))
		f.subject = subject->valuestring;
	if (delay != NULL && !cJSON_IsNull(delay))
		f.delay = cJSON_IsNumber(delay) ? delay->valuedouble : -1;
	return f;
}

static void refuse(struct post *p, struct details *d)
{
	p->outcome = POST_INVALID;
	p->faults = join(d);
}

/* The job has not passed: its faults, and ours. */
static void refuse_with(struct post *p, const char *text, size_t len, const char *header_key,
                        const char *faults)
{
	struct details details = {.n = 0};
	struct own_fields fields;
	struct error err;
	cJSON *tree = json_parse(text, len, &err);

	if (!cJSON_IsObject(tree)) {
		p->malformed = true;
		p->outcome = POST_INVALID;
		p->faults = tree != NULL
		                    ? mem_strdup("The body must be a JSON object")
		                    : mem_printf("The body is %s", len > 0 ? err.text : "empty");
		cJSON_Delete(tree);
		return;
	}
	fields = fields_of_tree(tree);
	/* One in the body that does not fit is wrong whatever the head says. */
	if (header_key != NULL && (fields.key == NULL || key_fits(fields.key)))
		fields.key = header_key;
	add_sentences(&details, faults);
	add_own(&details, &fields);
	refuse(p, &details);
	cJSON_Delete(tree);
}

/* What goes into a payload that does not name it; NULL: that does not. */
struct additions {
	const char *key, *state;
	const char *traceparent; /* NULL: then there is no state either */
	char text[TRACE_PARENT_LEN + 1];
};

/* What was not in it, and then the rest of the object. */
static void put_before(struct post *p, const char *rest, size_t len, const struct additions *a)
{
	struct buf payload;

	buf_init(&payload, len + 8192);
	jsonw_open(&payload, '{');
	if (a->key != NULL)
		jsonw_pair(&payload, KEY_NAME, a->key);
	if (a->traceparent != NULL)
		jsonw_pair(&payload, TRACE_NAME, a->traceparent);
	if (a->state != NULL)
		jsonw_pair(&payload, STATE_NAME, a->state);
	buf_add_char(&payload, ',');
	buf_add(&payload, rest, len);
	p->len = payload.len;
	p->payload = buf_take(&payload);
}

/* The payload as it is pushed. A key that came in the head is put into it, and its place in a trace, which it does not
 * name. */
static bool take_payload(struct post *p, const char *text, size_t len, const struct additions *a)
{
	const char *brace = memchr(text, '{', len);
	struct error err;
	cJSON *tree;

	if ((a->key == NULL && a->traceparent == NULL) || brace == NULL) {
		p->payload = mem_strndup(text, len);
		p->len = len;
		return true;
	}
	if (a->key == NULL || (memmem(text, len, KEY_NAME, strlen(KEY_NAME)) == NULL &&
	                       memchr(text, '\\', len) == NULL)) {
		put_before(p, brace + 1, len - (size_t)(brace + 1 - text), a);
		return true;
	}
	/* It may name the key, as null, or under an escaped name. */
	tree = json_parse(text, len, &err);
	cJSON_DeleteItemFromObjectCaseSensitive(tree, KEY_NAME);
	if (cJSON_AddStringToObject(tree, KEY_NAME, a->key) != NULL &&
	    (a->traceparent == NULL ||
	     cJSON_AddStringToObject(tree, TRACE_NAME, a->traceparent) != NULL) &&
	    (a->state == NULL || cJSON_AddStringToObject(tree, STATE_NAME, a->state) != NULL))
		p->payload = cJSON_PrintUnformatted(tree);
	cJSON_Delete(tree);
	if (p->payload == NULL)
		return false;
	p->len = strlen(p->payload);
	return true;
}

static void take_trace(struct post *p, const struct job *job, const struct trace_context *trace,
                       struct additions *a)
{
	if (trace == NULL)
		return;
	p->trace = *trace;
	if (*job->traceparent != '\0')
		p->traceparent = mem_strdup(job->traceparent);
	if (*job->tracestate != '\0')
		p->tracestate = mem_strdup(job->tracestate);
	if (job->names_traceparent)
		return;
	trace_context_write(trace, a->text);
	a->traceparent = a->text;
	if (!job->names_tracestate)
		a->state = trace->state;
}

static void take_job(struct post *p, const struct job *job, const char *key,
                     const struct queue_set *queues)
{
	const char *to = job->rcpts[0].address.email;

	p->key = mem_strdup(key);
	memcpy(p->fingerprint, job->fingerprint, sizeof(p->fingerprint));
	p->to = mem_strndup(to, timeline_cut(to, SHOWN_BYTES));
	p->subject = mem_strndup(job->subject, timeline_cut(job->subject, SHOWN_BYTES));
	p->send_at = job->send_at;
	p->delay = job->delay;
	if (job->from.email[0] != '\0')
		message_id(p->message_id, key, job);
	p->queue = queue_set_choose(queues, job->priority);
}

/* The provider that it names may not be able to carry it. */
static void add_refusal(struct details *d, const struct carriers *carriers, const struct job *job)
{
	char *sentence = carriers_refuse(carriers, job);

	if (sentence != NULL)
		add_detail(d, sentence, strlen(sentence));
	mem_free(sentence);
}

/* carriers NULL: one that is trusted. */
static struct post *post_read(const char *text, size_t len, const char *header_key,
                              const struct trace_context *trace, const struct options *o,
                              const struct queue_set *queues, const struct carriers *carriers)
{
	struct post *p = mem_zalloc(sizeof(*p));
	struct additions more = {.key = NULL};
	struct details details = {.n = 0};
	struct buf faults;
	struct job *job;
	const char *key;

	buf_init(&faults, FAULT_BYTES);
	/* The workers' sender, where we know it: the Message-ID is of its domain. */
	job = job_parse(text, len, o->mail_from[0] != '\0' ? o : NULL, &faults);
	if (job == NULL) {
		refuse_with(p, text, len, header_key, buf_str(&faults));
		buf_free(&faults);
		return p;
	}
	buf_free(&faults);
	key = header_key != NULL ? header_key : job->key;
	if (carriers != NULL) {
		struct own_fields fields = {
			.key = *key != '\0' || header_key != NULL ? key : NULL,
			.subject = job->subject,
			.delay = (double)job->delay,
			.nothing = job->text_len == 0 && job->html_len == 0,
		};

		add_own(&details, &fields);
		add_refusal(&details, carriers, job);
		if (header_key != NULL && *job->key != '\0' && strcmp(job->key, header_key) != 0)
			add_sentences(&details,
			              "Field \"" KEY_NAME
			              "\" must be the same as the Idempotency-Key header");
		if (header_key != NULL && *header_key != '\0' &&
		    !job_key_valid(header_key, strlen(header_key)))
			add_sentences(&details, "Field \"" KEY_NAME
			                        "\" must not contain braces or control characters");
	}
	if (*job->key == '\0')
		more.key = header_key;
	take_trace(p, job, trace, &more);
	if (details.n > 0)
		refuse(p, &details);
	else if (take_payload(p, text, len, &more))
		take_job(p, job, key, queues);
	job_free(job);
	return p;
}

struct post *post_new(const char *text, size_t len, const char *header_key,
                      const struct trace_context *trace, const struct options *o,
                      const struct queue_set *queues, const struct carriers *carriers)
{
	return post_read(text, len, header_key, trace, o, queues, carriers);
}

struct post *post_new_trusted(const char *text, size_t len, const struct trace_context *trace,
                              const struct options *o, const struct queue_set *queues)
{
	return post_read(text, len, NULL, trace, o, queues, NULL);
}

void post_free(struct post *p)
{
	if (p == NULL)
		return;
	mem_free(p->payload);
	mem_free(p->key);
	mem_free(p->status_key);
	mem_free(p->to);
	mem_free(p->subject);
	mem_free(p->traceparent);
	mem_free(p->tracestate);
	mem_free(p->faults);
	mem_free(p);
}

/* --- the status ------------------------------------------------------------------------------------------- */

const char *const post_status_fields[POST_STATUS_FIELDS] = {
	"status", "provider", "attempts", "message_id", "created_at", "updated_at", "error",
};

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text != NULL ? text : "");
}

void post_read_status(struct post *p, const redisReply *list, size_t at)
{
	copy_text(p->status, sizeof(p->status), value_text_at(list, at));
	copy_text(p->provider, sizeof(p->provider), value_text_at(list, at + 1));
	p->attempts = value_int_at(list, at + 2);
	copy_text(p->provider_id, sizeof(p->provider_id), value_text_at(list, at + 3));
	p->created_at = value_int_at(list, at + 4);
	p->updated_at = value_int_at(list, at + 5);
	copy_text(p->error, sizeof(p->error), value_text_at(list, at + 6));
}

static bool has_failed(const char *status)
{
	return strcmp(status, "failed") == 0 || strcmp(status, "held") == 0 ||
	       strcmp(status, "cancelled") == 0;
}

bool post_is_settled(const struct post *p)
{
	return strcmp(p->status, "sent") == 0 || has_failed(p->status);
}

/* --- telling ------------------------------------------------------------------------------------------------ */

/* What may stand in a path (RFC 3986, unreserved), and else its bytes in hexadecimal. */
static void add_path(struct buf *out, const char *s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    strchr("-._~", c) != NULL) {
			buf_add_char(out, *s);
			continue;
		}
		buf_add_char(out, '%');
		buf_add_char(out, digits[c >> 4]);
		buf_add_char(out, digits[c & 15]);
	}
}

void post_write(const struct post *p, struct buf *out)
{
	const char *status = *p->status != '\0' ? p->status : "queued";

	jsonw_open(out, '{');
	jsonw_pair_bool(out, "success", !has_failed(status));
	jsonw_pair(out, "status", status);
	jsonw_pair(out, "jobId", p->key);
	jsonw_pair_or_null(out, "messageId",
	                   *p->provider_id != '\0' ? p->provider_id : p->message_id);
	jsonw_pair(out, "idempotencyKey", p->key);
	jsonw_key(out, "statusUrl");
	buf_add_str(out, "\"" STATUS_URL);
	add_path(out, p->key);
	buf_add_char(out, '"');
	if (*p->status != '\0') {
		jsonw_pair_or_null(out, "provider", p->provider);
		jsonw_pair_int(out, "attempts", p->attempts);
		jsonw_pair_time(out, "createdAt", p->created_at);
		jsonw_pair_time(out, "updatedAt", p->updated_at);
		jsonw_pair_if(out, "error", p->error);
	}
	jsonw_pair_now(out, "timestamp");
	jsonw_close(out, '}');
}

const char *post_why(const struct post *p)
{
	if (p->outcome == POST_CONFLICT)
		return "The idempotency key belongs to another mail";
	return p->result == LINK_NOMEM
	               ? "Redis has no memory left; nothing was changed"
	               : "Redis does not take it now; repeat with the same idempotency key";
}

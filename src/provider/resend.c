#include "provider/resend.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "mail/digest.h"
#include "provider/http_api.h"
#include "provider/http_dsn.h"
#include "provider/http_judge.h"
#include "provider/http_text.h"

#define MAX_TO 50
#define MAX_TAGS 75
#define KEY_BYTES 24
#define MAX_MAILBOX 4096
#define NO_TO "Resend takes no mail to several in bcc and nobody else"
#define UNTYPED "application/octet-stream" /* what a job says that does not say */

/* --- the request ------------------------------------------------------------------------------ */

static void add_mailbox(struct buf *b, const struct address *a)
{
	struct buf mailbox;

	buf_init(&mailbox, MAX_MAILBOX);
	http_text_mailbox(&mailbox, a);
	jsonw_str(b, buf_str(&mailbox));
	buf_free(&mailbox);
}

static void add_list(struct buf *b, const char *name, const struct addressees *to,
                     enum job_rcpt_kind kind)
{
	const struct address *a;
	size_t at = 0;

	if (addressees_count(to, kind) == 0)
		return;
	jsonw_key(b, name);
	jsonw_open(b, '[');
	while ((a = addressees_next(to, kind, &at)) != NULL)
		add_mailbox(b, a);
	jsonw_close(b, ']');
}

/* Without "text" it would make one up out of the HTML; an empty one says that there is none. */
static void add_bodies(struct buf *b, const struct job *job)
{
	bool html = job->html != NULL && job->html_len > 0;

	jsonw_key(b, "text");
	if (job->text != NULL && job->text_len > 0)
		jsonw_strn(b, job->text, job->text_len);
	else
		jsonw_str(b, html ? "" : "\n");
	if (html) {
		jsonw_key(b, "html");
		jsonw_strn(b, job->html, job->html_len);
	}
}

static void add_headers(struct buf *b, const struct job *job)
{
	if (job->n_headers == 0)
		return;
	jsonw_key(b, "headers");
	jsonw_open(b, '{');
	http_text_headers(b, job, jsonw_pair);
	jsonw_close(b, '}');
}

/* An attachment whose name contradicts its type is dropped there in silence, so that a type that
 * says nothing is left to be told by the name. */
static void add_attachments(struct buf *b, const struct job *job)
{
	if (job->n_attachments == 0)
		return;
	jsonw_key(b, "attachments");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_attachments; i++) {
		const struct job_attachment *a = &job->attachments[i];
		const char *name = http_text_file_name(a);

		jsonw_open(b, '{');
		jsonw_pair(b, "filename", name);
		jsonw_key(b, "content");
		jsonw_base64(b, a->data, a->len);
		if (strcmp(a->content_type, UNTYPED) != 0 || strchr(name, '.') == NULL)
			jsonw_pair(b, "content_type", a->content_type);
		jsonw_pair_if(b, "content_id", a->content_id);
		jsonw_close(b, '}');
	}
	jsonw_close(b, ']');
}

static void add_tag(struct buf *b, const char *name, const char *value)
{
	jsonw_open(b, '{');
	jsonw_pair(b, "name", name);
	jsonw_pair(b, "value", value);
	jsonw_close(b, '}');
}

static void add_tags(struct buf *b, const struct job *job)
{
	char name[HTTP_TEXT_TAG_NAME];

	if (job->n_tags + job->n_metadata == 0)
		return;
	jsonw_key(b, "tags");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_tags; i++)
		add_tag(b, http_text_tag_name(name, i), job->tags[i]);
	for (size_t i = 0; i < job->n_metadata; i++)
		add_tag(b, job->metadata[i].name, job->metadata[i].value);
	jsonw_close(b, ']');
}

void resend_body(struct buf *out, const struct job *job, const struct addressees *to)
{
	jsonw_open(out, '{');
	jsonw_key(out, "from");
	add_mailbox(out, &job->from);
	add_list(out, "to", to, JOB_TO);
	add_list(out, "cc", to, JOB_CC);
	add_list(out, "bcc", to, JOB_BCC);
	if (job->reply_to.email[0] != '\0') {
		jsonw_key(out, "reply_to");
		jsonw_open(out, '[');
		add_mailbox(out, &job->reply_to);
		jsonw_close(out, ']');
	}
	jsonw_pair(out, "subject", job->subject);
	add_bodies(out, job);
	add_headers(out, job);
	add_attachments(out, job);
	add_tags(out, job);
	jsonw_close(out, '}');
}

void resend_key(char out[RESEND_KEY_SIZE], const struct delivery *d, const struct addressees *to)
{
	static const char prefix[] = "postrider-";
	unsigned char hash[DIGEST_SIZE];

	digest_begin();
	digest_add_field(d->key, strlen(d->key));
	digest_add_field(d->message_id, strlen(d->message_id));
	for (size_t i = 0; i < to->n; i++)
		digest_add_count(to->list[i].index);
	digest_end(hash);
	memcpy(out, prefix, sizeof(prefix));
	digest_base64url(out + strlen(prefix), hash, KEY_BYTES);
}

/* --- what it cannot carry --------------------------------------------------------------------- */

const char *resend_refuses(const struct job *job)
{
	size_t n_to = 0;

	for (size_t i = 0; i < job->n_rcpts; i++)
		n_to += job->rcpts[i].kind == JOB_TO;
	if (n_to > MAX_TO || (n_to == 0 && job->n_rcpts > MAX_TO))
		return "Resend takes at most 50 recipients in to";
	if (addressees_all_hidden(job))
		return NO_TO;
	for (size_t i = 0; i < job->n_attachments; i++)
		if (job->attachments[i].len == 0)
			return "Resend takes no empty attachment";
	return http_text_tags_refused(job, MAX_TAGS);
}

/* --- the reply -------------------------------------------------------------------------------- */

static const struct http_rule rules[] = {
	{403, "validation_error", NULL, VERDICT_SENDER},
	{403, "invalid_from_address", NULL, VERDICT_SENDER},
	{422, "invalid_from_address", NULL, VERDICT_SENDER},
	{409, "concurrent_idempotent_requests", NULL, VERDICT_AGAIN},
	{409, "resource_locked", NULL, VERDICT_AGAIN},
	{409, "invalid_idempotent_request", NULL, VERDICT_REJECTED},
	{429, "daily_quota_exceeded", NULL, VERDICT_QUOTA},
	{429, "monthly_quota_exceeded", NULL, VERDICT_QUOTA},
	{0},
};

static int64_t throttle_ms(const struct http_reply *r)
{
	char reset[24];
	int64_t s;

	if (!number_int(http_reply_header(r, "ratelimit-reset", reset, sizeof(reset)), &s) ||
	    s < 0 || s > 86400)
		return 0;
	return s > 0 ? s * 1000 : 1000;
}

/* "name"; older servers call it "type". */
static const char *code_of(const cJSON *body)
{
	const char *name = http_reply_text(body, "name");

	return name[0] != '\0' ? name : http_reply_text(body, "type");
}

void resend_judge(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	const char *id = http_reply_text(body, "id");

	if ((r->status == 200 || r->status == 201) && id[0] != '\0') {
		http_judge_sent(o, r, id);
	} else {
		http_judge(o, r, rules, code_of(body), http_reply_text(body, "message"));
		if (o->kind == OUTCOME_THROTTLED && o->retry_after_ms == 0)
			o->retry_after_ms = throttle_ms(r);
	}
	cJSON_Delete(body);
}

/* --- the provider ----------------------------------------------------------------------------- */

static bool compose(const struct http_api *api, const struct delivery *d,
                    const struct addressees *to, struct http_call *call, struct error *err)
{
	char key[RESEND_KEY_SIZE];

	(void)err;
	buf_addf(&call->url, "%s/emails", api->base);
	buf_addf(&call->headers, "Authorization: Bearer %s\n", api->secret);
	http_call_header(call, "Content-Type", "application/json");
	resend_key(key, d, to);
	http_call_header(call, "Idempotency-Key", key);
	resend_body(&call->body, d->job, to);
	return true;
}

static void ask(const struct http_api *api, struct http_call *call)
{
	buf_addf(&call->url, "%s/domains", api->base);
	buf_addf(&call->headers, "Authorization: Bearer %s\n", api->secret);
}

static void answered(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	bool restricted = strcmp(code_of(body), "restricted_api_key") == 0;

	if (r->status == 200 || (r->status == 401 && restricted))
		outcome_set(o, OUTCOME_SENT, r->status == 200 ? "200" : "401",
		            restricted ? "the key is good (and may only send)"
		                       : "it answers, and knows the key");
	else
		resend_judge(o, r);
	cJSON_Delete(body);
}

static const char *refuses(const struct provider *p, const struct job *job)
{
	(void)p;
	return resend_refuses(job);
}

static void *open_resend(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct http_api_type type = {.brand = "Resend",
	                                          .no_to = NO_TO,
	                                          .compose = compose,
	                                          .judge = resend_judge,
	                                          .ask = ask,
	                                          .answered = answered};

	if (!http_dsn_credential(dsn->user, "API key (resend://KEY@default)", err))
		return NULL;
	return http_api_open(p, dsn, &type, "https://api.resend.com", dsn->user, err);
}

static const char *const params[] = {HTTP_DSN_PARAMS, NULL};

const struct provider_type provider_resend = {
	.scheme = "resend",
	.params = params,
	.concurrency = 100,
	.timeout_ms = 60000,
	.open = open_resend,
	.send = http_api_send,
	.release = http_api_release,
	.abandon = http_api_abandon,
	.close = http_api_close,
	.max_bytes = 40000000,
	.refuses = refuses,
	.check = http_api_check,
};

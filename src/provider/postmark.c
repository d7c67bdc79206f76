#include "provider/postmark.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "mail/attachment.h"
#include "provider/http_api.h"
#include "provider/http_dsn.h"
#include "provider/http_judge.h"
#include "provider/http_text.h"

#define MAX_RECIPIENTS 50
#define MAX_METADATA 10
#define MAX_METADATA_NAME 20 /* characters */
#define MAX_METADATA_VALUE 80
#define MAX_ERROR_CODE 999999
#define NO_TO "Postmark takes no mail to several in bcc and nobody else"
#define MAX_MAILBOXES ((size_t)1 << 20)

/* --- the request ------------------------------------------------------------------------------ */

/* "Ada <ada@x.org>,bob@x.org" */
static void add_list(struct buf *b, const char *name, const struct addressees *to,
                     enum job_rcpt_kind kind)
{
	const struct address *a;
	struct buf list;
	size_t at = 0;

	buf_init(&list, MAX_MAILBOXES);
	while ((a = addressees_next(to, kind, &at)) != NULL) {
		if (list.len > 0)
			buf_add_char(&list, ',');
		http_text_mailbox(&list, a);
	}
	jsonw_pair_if(b, name, buf_str(&list));
	b->failed |= !buf_ok(&list);
	buf_free(&list);
}

static void add_mailbox(struct buf *b, const char *name, const struct address *a)
{
	struct buf mailbox;

	buf_init(&mailbox, MAX_MAILBOXES);
	http_text_mailbox(&mailbox, a);
	jsonw_pair(b, name, buf_str(&mailbox));
	buf_free(&mailbox);
}

/* At least one of the two, and that one not empty. */
static void add_bodies(struct buf *b, const struct job *job)
{
	bool empty = job->text_len == 0 && job->html_len == 0;

	if (job->text != NULL && job->text_len > 0) {
		jsonw_key(b, "TextBody");
		jsonw_strn(b, job->text, job->text_len);
	}
	if (job->html != NULL && job->html_len > 0) {
		jsonw_key(b, "HtmlBody");
		jsonw_strn(b, job->html, job->html_len);
	}
	if (empty)
		jsonw_pair(b, job->text != NULL ? "TextBody" : "HtmlBody", "\n");
}

static void add_headers(struct buf *b, const struct job *job, const char *message_id)
{
	jsonw_key(b, "Headers");
	jsonw_open(b, '[');
	http_text_named(b, "Message-ID", message_id);
	http_text_named(b, "X-PM-KeepID", "true");
	http_text_headers(b, job, http_text_named);
	jsonw_close(b, ']');
}

static void add_attachments(struct buf *b, const struct job *job)
{
	char id[ATTACHMENT_MAX_ID + sizeof("cid:")];

	if (job->n_attachments == 0)
		return;
	jsonw_key(b, "Attachments");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_attachments; i++) {
		const struct job_attachment *a = &job->attachments[i];

		jsonw_open(b, '{');
		jsonw_pair(b, "Name", http_text_file_name(a));
		jsonw_key(b, "Content");
		jsonw_base64(b, a->data, a->len);
		jsonw_pair(b, "ContentType", a->content_type);
		if (a->content_id[0] != '\0') {
			snprintf(id, sizeof(id), "cid:%s", a->content_id);
			jsonw_pair(b, "ContentID", id);
		}
		jsonw_close(b, '}');
	}
	jsonw_close(b, ']');
}

static void add_metadata(struct buf *b, const struct job *job)
{
	if (job->n_metadata == 0)
		return;
	jsonw_key(b, "Metadata");
	jsonw_open(b, '{');
	for (size_t i = 0; i < job->n_metadata; i++)
		jsonw_pair(b, job->metadata[i].name, job->metadata[i].value);
	jsonw_close(b, '}');
}

void postmark_body(struct buf *out, const struct job *job, const char *message_id,
                   const struct addressees *to, const char *message_stream)
{
	jsonw_open(out, '{');
	add_mailbox(out, "From", &job->from);
	add_list(out, "To", to, JOB_TO);
	add_list(out, "Cc", to, JOB_CC);
	add_list(out, "Bcc", to, JOB_BCC);
	if (job->reply_to.email[0] != '\0')
		add_mailbox(out, "ReplyTo", &job->reply_to);
	jsonw_pair(out, "Subject", job->subject);
	add_bodies(out, job);
	if (job->n_tags > 0)
		jsonw_pair(out, "Tag", job->tags[0]);
	add_headers(out, job, message_id);
	add_metadata(out, job);
	add_attachments(out, job);
	jsonw_pair_if(out, "MessageStream", message_stream);
	jsonw_close(out, '}');
}

/* --- what it cannot carry --------------------------------------------------------------------- */

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static const char *metadata_refused(const struct job *job)
{
	if (job->n_metadata > MAX_METADATA)
		return "Postmark takes at most 10 metadata";
	for (size_t i = 0; i < job->n_metadata; i++) {
		if (characters(job->metadata[i].name) > MAX_METADATA_NAME ||
		    characters(job->metadata[i].value) > MAX_METADATA_VALUE)
			return "Postmark takes metadata of at most 20 characters for a name and 80 "
			       "for a value";
		for (size_t k = 0; k < i; k++)
			if (strcasecmp(job->metadata[i].name, job->metadata[k].name) == 0)
				return "Postmark takes no two metadata whose names differ by case "
				       "only";
	}
	return NULL;
}

const char *postmark_refuses(const struct job *job)
{
	if (job->n_rcpts > MAX_RECIPIENTS)
		return "Postmark takes at most 50 recipients";
	if (job->n_tags > 1)
		return "Postmark takes one tag";
	if (addressees_all_hidden(job))
		return NO_TO;
	return metadata_refused(job);
}

/* --- the reply -------------------------------------------------------------------------------- */

/* Its own codes look like HTTP's statuses and are none. */
static const struct http_rule rules[] = {
	{422, "400", NULL, VERDICT_SENDER},  {422, "401", NULL, VERDICT_SENDER},
	{422, "405", NULL, VERDICT_QUOTA},   {422, "412", NULL, VERDICT_DOWN},
	{422, "413", NULL, VERDICT_DOWN},    {422, "1235", NULL, VERDICT_DOWN},
	{422, "1236", NULL, VERDICT_DOWN},   {422, "100", NULL, VERDICT_RETRY},
	{422, NULL, NULL, VERDICT_REJECTED}, {0},
};

void postmark_judge(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(body, "ErrorCode");
	const char *id = http_reply_text(body, "MessageID");
	double error = number != NULL ? cJSON_GetNumberValue(number) : 0; /* NaN: no number */
	char code[16] = "";

	if (r->status == 200 && id[0] != '\0' && error == 0) {
		http_judge_sent(o, r, id);
	} else {
		if (number != NULL && error >= 0 && error <= MAX_ERROR_CODE)
			snprintf(code, sizeof(code), "%.0f", error);
		http_judge(o, r, rules, code, http_reply_text(body, "Message"));
	}
	cJSON_Delete(body);
}

static bool is_end(char c)
{
	return c == '\0' || c == ' ' || c == ',' || c == ';' || c == '>' || c == '\n' || c == '\r';
}

/* Does the list have this address, as a word of its own? "a@x.org" is in no "aa@x.org.uk". A list
 * ends with a dot, and so may an address in it. */
static bool lists(const char *list, const char *email)
{
	size_t n = strlen(email);

	for (const char *at = list; (at = strcasestr(at, email)) != NULL; at++) {
		bool begins = at == list || is_end(at[-1]) || at[-1] == '<' || at[-1] == ':';

		if (begins && (is_end(at[n]) || (at[n] == '.' && is_end(at[n + 1]))))
			return true;
	}
	return false;
}

void postmark_mark_refused(const struct http_reply *r, const struct addressees *to,
                           struct delivery *d)
{
	static const char before[] = "inactive addresses:";
	cJSON *body = http_reply_json(r);
	const char *list = strcasestr(http_reply_text(body, "Message"), before);

	for (size_t i = 0; list != NULL && i < to->n; i++) {
		struct rcpt_result *result = &d->rcpts[to->list[i].index];

		if (!lists(list + strlen(before), to->list[i].address->email))
			continue;
		result->state = RCPT_REFUSED;
		snprintf(result->code, sizeof(result->code), "%d inactive", r->status);
	}
	cJSON_Delete(body);
}

/* --- the provider ----------------------------------------------------------------------------- */

static void add_authorization(const struct http_api *api, struct http_call *call)
{
	http_call_header(call, "X-Postmark-Server-Token", api->secret);
	http_call_header(call, "Accept", "application/json");
}

static bool compose(const struct http_api *api, const struct delivery *d,
                    const struct addressees *to, struct http_call *call, struct error *err)
{
	(void)err;
	buf_addf(&call->url, "%s/email", api->base);
	add_authorization(api, call);
	http_call_header(call, "Content-Type", "application/json");
	postmark_body(&call->body, d->job, d->message_id, to, api->own);
	return true;
}

static void ask(const struct http_api *api, struct http_call *call)
{
	buf_addf(&call->url, "%s/server", api->base);
	add_authorization(api, call);
}

static const char *refuses(const struct provider *p, const struct job *job)
{
	(void)p;
	return postmark_refuses(job);
}

static void *open_postmark(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct http_api_type type = {.brand = "Postmark",
	                                          .no_to = NO_TO,
	                                          .compose = compose,
	                                          .judge = postmark_judge,
	                                          .mark_refused = postmark_mark_refused,
	                                          .ask = ask,
	                                          .free_own = mem_free};
	const char *stream = uri_param(dsn, "message_stream");
	struct http_api *api;

	if (!http_dsn_credential(dsn->user, "server token (postmark://TOKEN@default)", err))
		return NULL;
	api = http_api_open(p, dsn, &type, "https://api.postmarkapp.com", dsn->user, err);
	if (api == NULL)
		return NULL;
	api->own = mem_strdup(stream != NULL ? stream : "");
	return api;
}

static const char *const params[] = {HTTP_DSN_PARAMS, "message_stream", NULL};

const struct provider_type provider_postmark = {
	.scheme = "postmark",
	.params = params,
	.concurrency = 100,
	.timeout_ms = 60000,
	.open = open_postmark,
	.send = http_api_send,
	.release = http_api_release,
	.abandon = http_api_abandon,
	.close = http_api_close,
	.max_bytes = 10000000,
	.refuses = refuses,
	.check = http_api_check,
};

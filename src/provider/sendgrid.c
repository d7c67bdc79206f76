#include "provider/sendgrid.h"

#include <string.h>
#include <strings.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "mail/text.h"
#include "provider/http_api.h"
#include "provider/http_dsn.h"
#include "provider/http_judge.h"
#include "provider/http_text.h"

#define MAX_TAGS 10
#define MAX_ARGS 10000 /* bytes of custom_args */
#define MAX_RECIPIENTS 1000
#define MIN_THROTTLE_MS 1000

struct sendgrid {
	bool sandbox;
};

/* --- the request ------------------------------------------------------------------------------ */

/* Without quotes of its own a comma or semicolon would end a recipient's name there. */
static void add_name(struct buf *b, const char *name)
{
	struct buf quoted;

	if (strpbrk(name, ",;") == NULL) {
		jsonw_pair_if(b, "name", name);
		return;
	}
	buf_init(&quoted, 2 * ADDRESS_MAX_NAME + 2);
	buf_add_char(&quoted, '"');
	for (const char *c = name; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			buf_add_char(&quoted, '\\');
		buf_add_char(&quoted, *c);
	}
	buf_add_char(&quoted, '"');
	jsonw_pair(b, "name", buf_str(&quoted));
	buf_free(&quoted);
}

static void add_address(struct buf *b, const struct address *a)
{
	jsonw_open(b, '{');
	jsonw_pair(b, "email", a->email);
	add_name(b, a->name);
	jsonw_close(b, '}');
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
		add_address(b, a);
	jsonw_close(b, ']');
}

static void add_custom_args(struct buf *b, const struct job *job)
{
	if (job->n_metadata == 0)
		return;
	jsonw_key(b, "custom_args");
	jsonw_open(b, '{');
	for (size_t i = 0; i < job->n_metadata; i++)
		jsonw_pair(b, job->metadata[i].name, job->metadata[i].value);
	jsonw_close(b, '}');
}

/* Each personalization is a copy of its own with its own To. Those in bcc only get one each: they
 * must not see one another. */
static void add_personalizations(struct buf *b, const struct job *job, const struct addressees *to)
{
	const struct address *a;
	size_t at = 0;

	jsonw_key(b, "personalizations");
	jsonw_open(b, '[');
	if (addressees_count(to, JOB_TO) > 0) {
		jsonw_open(b, '{');
		add_list(b, "to", to, JOB_TO);
		add_list(b, "cc", to, JOB_CC);
		add_list(b, "bcc", to, JOB_BCC);
		add_custom_args(b, job);
		jsonw_close(b, '}');
	} else {
		while ((a = addressees_next(to, JOB_BCC, &at)) != NULL) {
			jsonw_open(b, '{');
			jsonw_key(b, "to");
			jsonw_open(b, '[');
			add_address(b, a);
			jsonw_close(b, ']');
			add_custom_args(b, job);
			jsonw_close(b, '}');
		}
	}
	jsonw_close(b, ']');
}

static void add_content(struct buf *b, const char *type, const char *value, size_t n)
{
	jsonw_open(b, '{');
	jsonw_pair(b, "type", type);
	jsonw_key(b, "value");
	jsonw_strn(b, value, n);
	jsonw_close(b, '}');
}

/* Plain text must come first, and no content may be empty. */
static void add_contents(struct buf *b, const struct job *job)
{
	bool text = job->text != NULL && job->text_len > 0;
	bool html = job->html != NULL && job->html_len > 0;

	jsonw_key(b, "content");
	jsonw_open(b, '[');
	if (text)
		add_content(b, "text/plain", job->text, job->text_len);
	if (html)
		add_content(b, "text/html", job->html, job->html_len);
	if (!text && !html)
		add_content(b, job->text != NULL ? "text/plain" : "text/html", "\n", 1);
	jsonw_close(b, ']');
}

static void add_headers(struct buf *b, const struct job *job, const char *message_id)
{
	jsonw_key(b, "headers");
	jsonw_open(b, '{');
	jsonw_pair(b, "Message-ID", message_id);
	http_text_headers(b, job, jsonw_pair);
	jsonw_close(b, '}');
}

static void add_attachments(struct buf *b, const struct job *job)
{
	if (job->n_attachments == 0)
		return;
	jsonw_key(b, "attachments");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_attachments; i++) {
		const struct job_attachment *a = &job->attachments[i];

		jsonw_open(b, '{');
		jsonw_key(b, "content");
		jsonw_base64(b, a->data, a->len);
		jsonw_pair(b, "type", a->content_type);
		jsonw_pair(b, "filename", http_text_file_name(a));
		jsonw_pair(b, "disposition", a->is_inline ? "inline" : "attachment");
		jsonw_pair_if(b, "content_id", a->content_id);
		jsonw_close(b, '}');
	}
	jsonw_close(b, ']');
}

static void add_categories(struct buf *b, const struct job *job)
{
	if (job->n_tags == 0)
		return;
	jsonw_key(b, "categories");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_tags; i++)
		jsonw_str(b, job->tags[i]);
	jsonw_close(b, ']');
}

void sendgrid_body(struct buf *out, const struct job *job, const char *message_id,
                   const struct addressees *to, bool sandbox)
{
	jsonw_open(out, '{');
	add_personalizations(out, job, to);
	jsonw_key(out, "from");
	add_address(out, &job->from);
	if (job->reply_to.email[0] != '\0') {
		jsonw_key(out, "reply_to");
		add_address(out, &job->reply_to);
	}
	jsonw_pair(out, "subject", job->subject);
	add_contents(out, job);
	add_attachments(out, job);
	add_headers(out, job, message_id);
	add_categories(out, job);
	if (sandbox) {
		jsonw_key(out, "mail_settings");
		jsonw_open(out, '{');
		jsonw_key(out, "sandbox_mode");
		jsonw_open(out, '{');
		jsonw_key(out, "enable");
		jsonw_bool(out, true);
		jsonw_close(out, '}');
		jsonw_close(out, '}');
	}
	jsonw_close(out, '}');
}

/* --- what it cannot carry --------------------------------------------------------------------- */

const char *sendgrid_refuses(const struct job *job)
{
	size_t args = 0;

	if (!job->from.ascii)
		return "SendGrid takes no sender's address beyond ASCII";
	if (job->n_rcpts > MAX_RECIPIENTS)
		return "SendGrid takes at most 1000 recipients";
	if (job->n_tags > MAX_TAGS)
		return "SendGrid takes at most 10 tags (categories)";
	for (size_t i = 0; i < job->n_metadata; i++)
		args += strlen(job->metadata[i].name) + strlen(job->metadata[i].value) + 6;
	if (args > MAX_ARGS)
		return "SendGrid takes at most 10000 bytes of metadata (custom_args)";
	for (size_t i = 0; i < job->n_headers; i++)
		if (strncasecmp(job->headers[i].name, "x-sg-", 5) == 0)
			return "SendGrid keeps the headers X-SG-… for itself";
	for (size_t i = 0; i < job->n_attachments; i++)
		if (job->attachments[i].len == 0)
			return "SendGrid takes no empty attachment";
	return NULL;
}

/* --- the reply -------------------------------------------------------------------------------- */

static const struct http_rule rules[] = {
	{401, NULL, "maximum credits exceeded", VERDICT_QUOTA},
	{403, NULL, "verified sender identity", VERDICT_SENDER},
	{0},
};

static int64_t throttle_ms(const struct http_reply *r)
{
	char reset[24];
	int64_t epoch_s;

	if (!number_int(http_reply_header(r, "X-RateLimit-Reset", reset, sizeof(reset)), &epoch_s))
		return 0;
	epoch_s = http_reply_until(r, epoch_s);
	return epoch_s > MIN_THROTTLE_MS ? epoch_s : MIN_THROTTLE_MS;
}

/* {"errors":[{"message":…, "field":"personalizations.0.to", "help":…}]} */
static void add_error(struct buf *words, const cJSON *error)
{
	const char *field = http_reply_text(error, "field");

	if (words->len > 0)
		buf_add_str(words, "; ");
	buf_add_str(words, http_reply_text(error, "message"));
	if (field[0] != '\0' && strcmp(field, "null") != 0)
		buf_addf(words, " (%s)", field);
}

void sendgrid_judge(struct outcome *o, const struct http_reply *r)
{
	char id[OUTCOME_MAX_ID];
	const cJSON *error;
	struct buf words;
	cJSON *body;

	http_reply_header(r, "X-Message-Id", id, sizeof(id));
	if (r->status == 202 || (r->status == 200 && (id[0] != '\0' || r->body.len == 0))) {
		http_judge_sent(o, r, id);
		return;
	}
	body = http_reply_json(r);
	buf_init(&words, HTTP_REPLY_MAX_BODY * 2);
	cJSON_ArrayForEach(error, cJSON_GetObjectItemCaseSensitive(body, "errors"))
		add_error(&words, error);
	http_judge(o, r, rules, "", buf_str(&words));
	if (o->kind == OUTCOME_THROTTLED && o->retry_after_ms == 0)
		o->retry_after_ms = throttle_ms(r);
	buf_free(&words);
	cJSON_Delete(body);
}

/* --- the provider ----------------------------------------------------------------------------- */

static void add_authorization(const struct http_api *api, struct http_call *call)
{
	buf_addf(&call->headers, "Authorization: Bearer %s\n", api->secret);
	http_call_header(call, "Accept", "application/json");
}

static bool compose(const struct http_api *api, const struct delivery *d,
                    const struct addressees *to, struct http_call *call, struct error *err)
{
	const struct sendgrid *own = api->own;

	(void)err;
	buf_addf(&call->url, "%s/v3/mail/send", api->base);
	add_authorization(api, call);
	http_call_header(call, "Content-Type", "application/json");
	sendgrid_body(&call->body, d->job, d->message_id, to, own->sandbox);
	return true;
}

static void ask(const struct http_api *api, struct http_call *call)
{
	buf_addf(&call->url, "%s/v3/scopes", api->base);
	add_authorization(api, call);
}

static const char *refuses(const struct provider *p, const struct job *job)
{
	(void)p;
	return sendgrid_refuses(job);
}

static void *open_sendgrid(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct http_api_type type = {.brand = "SendGrid",
	                                          .compose = compose,
	                                          .judge = sendgrid_judge,
	                                          .ask = ask,
	                                          .free_own = mem_free};
	struct sendgrid own = {0};
	struct http_api *api;
	bool eu = false;

	if (!http_dsn_credential(dsn->user, "API key (sendgrid://KEY@default)", err) ||
	    !http_dsn_either(dsn, "region", "us", "eu", &eu, err) ||
	    !http_dsn_flag(dsn, "sandbox", &own.sandbox, err))
		return NULL;
	api = http_api_open(p, dsn, &type,
	                    eu ? "https://api.eu.sendgrid.com" : "https://api.sendgrid.com",
	                    dsn->user, err);
	if (api == NULL)
		return NULL;
	api->own = mem_alloc(sizeof(own));
	memcpy(api->own, &own, sizeof(own));
	return api;
}

static const char *const params[] = {HTTP_DSN_PARAMS, "region", "sandbox", NULL};

const struct provider_type provider_sendgrid = {
	.scheme = "sendgrid",
	.params = params,
	.concurrency = 100,
	.timeout_ms = 60000,
	.open = open_sendgrid,
	.send = http_api_send,
	.release = http_api_release,
	.abandon = http_api_abandon,
	.close = http_api_close,
	.max_bytes = 30000000,
	.refuses = refuses,
	.check = http_api_check,
};

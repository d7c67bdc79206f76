#include "provider/ses.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "mail/message.h"
#include "provider/http_api.h"
#include "provider/http_dsn.h"
#include "provider/http_judge.h"
#include "provider/http_text.h"
#include "provider/sigv4.h"

#define MAX_RECIPIENTS 50
#define MAX_TAGS 50
#define MAX_HEADERS 15 /* of the simple mode */
#define MAX_HEADER_VALUE 995
#define MAX_FILE_NAME 255
#define MAX_CONTENT_ID 78
#define THROTTLE_MS 2000 /* it does not say how long */
#define JSON_TYPE "application/json"

struct ses {
	struct ses_options options;
	char *access_key, *session_token, *region, *configuration_set;
	char *host, *path; /* of the endpoint */
	int64_t clock_error_s;
};

/* --- the request ------------------------------------------------------------------------------ */

static void add_addresses(struct buf *b, const char *name, const struct addressees *to,
                          enum job_rcpt_kind kind, bool names)
{
	const struct address *a;
	struct buf mailbox;
	size_t at = 0;

	if (addressees_count(to, kind) == 0)
		return;
	buf_init(&mailbox, 4096);
	jsonw_key(b, name);
	jsonw_open(b, '[');
	while ((a = addressees_next(to, kind, &at)) != NULL) {
		buf_clear(&mailbox);
		if (names)
			http_text_mailbox_ascii(&mailbox, a);
		else
			buf_add_str(&mailbox, a->email);
		jsonw_str(b, buf_str(&mailbox));
	}
	jsonw_close(b, ']');
	buf_free(&mailbox);
}

static void add_mailbox(struct buf *b, const char *name, const struct address *a, bool list)
{
	struct buf mailbox;

	buf_init(&mailbox, 4096);
	http_text_mailbox_ascii(&mailbox, a);
	jsonw_key(b, name);
	if (list)
		jsonw_open(b, '[');
	jsonw_str(b, buf_str(&mailbox));
	if (list)
		jsonw_close(b, ']');
	buf_free(&mailbox);
}

static bool add_raw(struct buf *b, const struct delivery *d, struct error *err)
{
	struct buf message;
	bool ok;

	buf_init(&message, b->max);
	ok = message_compose(&message, d->job, d->message_id, d->date_ms, err);
	if (ok) {
		jsonw_key(b, "Raw");
		jsonw_open(b, '{');
		jsonw_key(b, "Data");
		jsonw_base64(b, message.data, message.len);
		jsonw_close(b, '}');
	}
	buf_free(&message);
	return ok;
}

static void add_text(struct buf *b, const char *name, const char *text, size_t n)
{
	jsonw_key(b, name);
	jsonw_open(b, '{');
	jsonw_key(b, "Data");
	jsonw_strn(b, text, n);
	jsonw_pair(b, "Charset", "UTF-8");
	jsonw_close(b, '}');
}

static void add_headers(struct buf *b, const struct job *job)
{
	if (job->n_headers == 0)
		return;
	jsonw_key(b, "Headers");
	jsonw_open(b, '[');
	http_text_headers(b, job, http_text_named);
	jsonw_close(b, ']');
}

static void add_attachments(struct buf *b, const struct job *job)
{
	if (job->n_attachments == 0)
		return;
	jsonw_key(b, "Attachments");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_attachments; i++) {
		const struct job_attachment *a = &job->attachments[i];

		jsonw_open(b, '{');
		jsonw_key(b, "RawContent");
		jsonw_base64(b, a->data, a->len);
		jsonw_pair(b, "FileName", http_text_file_name(a));
		jsonw_pair(b, "ContentType", a->content_type);
		jsonw_pair(b, "ContentDisposition", a->is_inline ? "INLINE" : "ATTACHMENT");
		jsonw_pair_if(b, "ContentId", a->content_id);
		jsonw_pair(b, "ContentTransferEncoding", "BASE64");
		jsonw_close(b, '}');
	}
	jsonw_close(b, ']');
}

static void add_simple(struct buf *b, const struct job *job)
{
	jsonw_key(b, "Simple");
	jsonw_open(b, '{');
	add_text(b, "Subject", job->subject, strlen(job->subject));
	jsonw_key(b, "Body");
	jsonw_open(b, '{');
	if (job->text != NULL)
		add_text(b, "Text", job->text, job->text_len);
	if (job->html != NULL)
		add_text(b, "Html", job->html, job->html_len);
	jsonw_close(b, '}');
	add_headers(b, job);
	add_attachments(b, job);
	jsonw_close(b, '}');
}

static void add_tags(struct buf *b, const struct job *job)
{
	char name[HTTP_TEXT_TAG_NAME];

	if (job->n_tags + job->n_metadata == 0)
		return;
	jsonw_key(b, "EmailTags");
	jsonw_open(b, '[');
	for (size_t i = 0; i < job->n_tags; i++)
		http_text_named(b, http_text_tag_name(name, i), job->tags[i]);
	for (size_t i = 0; i < job->n_metadata; i++)
		http_text_named(b, job->metadata[i].name, job->metadata[i].value);
	jsonw_close(b, ']');
}

bool ses_body(struct buf *out, const struct delivery *d, const struct addressees *to,
              const struct ses_options *o, struct error *err)
{
	const struct job *job = d->job;
	bool ok = true;

	jsonw_open(out, '{');
	if (o->simple) {
		add_mailbox(out, "FromEmailAddress", &job->from, false);
		if (job->reply_to.email[0] != '\0')
			add_mailbox(out, "ReplyToAddresses", &job->reply_to, true);
	}
	jsonw_key(out, "Destination");
	jsonw_open(out, '{');
	/* In raw mode this is the envelope, and the headers are the message's own. */
	add_addresses(out, "ToAddresses", to, JOB_TO, o->simple);
	add_addresses(out, "CcAddresses", to, JOB_CC, o->simple);
	add_addresses(out, "BccAddresses", to, JOB_BCC, o->simple);
	jsonw_close(out, '}');
	jsonw_key(out, "Content");
	jsonw_open(out, '{');
	if (o->simple)
		add_simple(out, job);
	else
		ok = add_raw(out, d, err);
	jsonw_close(out, '}');
	add_tags(out, job);
	jsonw_pair_if(out, "ConfigurationSetName", o->configuration_set);
	jsonw_close(out, '}');
	return ok;
}

/* --- what it cannot carry --------------------------------------------------------------------- */

static bool header_fits(const char *value)
{
	struct buf encoded;
	bool fits;

	buf_init(&encoded, MAX_HEADER_VALUE);
	http_text_header(&encoded, value);
	fits = buf_ok(&encoded);
	buf_free(&encoded);
	return fits;
}

static const char *simple_refuses(const struct job *job)
{
	if (job->n_headers > MAX_HEADERS)
		return "SES takes at most 15 headers in simple mode";
	for (size_t i = 0; i < job->n_headers; i++)
		if (!header_fits(job->headers[i].value))
			return "SES takes headers of at most 995 characters in simple mode";
	for (size_t i = 0; i < job->n_attachments; i++)
		if (strlen(http_text_file_name(&job->attachments[i])) > MAX_FILE_NAME ||
		    strlen(job->attachments[i].content_id) > MAX_CONTENT_ID ||
		    strlen(job->attachments[i].content_type) > MAX_CONTENT_ID)
			return "SES takes content ids and types of at most 78 characters in simple "
			       "mode";
	return NULL;
}

const char *ses_refuses(const struct job *job, bool simple)
{
	const char *why;

	if (job->n_rcpts > MAX_RECIPIENTS)
		return "SES takes at most 50 recipients";
	if (job->utf8_addresses)
		return "SES takes no address beyond ASCII";
	why = http_text_tags_refused(job, MAX_TAGS);
	if (why != NULL)
		return why;
	return simple ? simple_refuses(job) : NULL;
}

/* --- the reply -------------------------------------------------------------------------------- */

static const struct http_rule rules[] = {
	{0, "MessageRejected*", "not verified", VERDICT_SENDER},
	{0, "MailFromDomainNotVerified*", NULL, VERDICT_SENDER},
	{0, "AccountSuspended*", NULL, VERDICT_DOWN},
	{0, "SendingPaused*", NULL, VERDICT_DOWN},
	{0, "NotFound*", NULL, VERDICT_DOWN},
	{0, "LimitExceeded*", NULL, VERDICT_QUOTA},
	{0, NULL, "daily message quota", VERDICT_QUOTA},
	{0, "TooManyRequests*", NULL, VERDICT_THROTTLED},
	{0, "Throttling*", NULL, VERDICT_THROTTLED},
	{0, NULL, "maximum sending rate", VERDICT_THROTTLED},
	{0, NULL, "message too long", VERDICT_TOO_LARGE},
	{0, NULL, "message length is more than", VERDICT_TOO_LARGE},
	{0, "AccessDenied*", NULL, VERDICT_DOWN},
	{0, "UnrecognizedClient*", NULL, VERDICT_DOWN},
	{0, "InvalidClientTokenId*", NULL, VERDICT_DOWN},
	{0, "InvalidSignature*", NULL, VERDICT_DOWN},
	{0, "SignatureDoesNotMatch*", NULL, VERDICT_DOWN},
	{0, "ExpiredToken*", NULL, VERDICT_DOWN},
	{0, "MissingAuthenticationToken*", NULL, VERDICT_DOWN},
	{0, "OptInRequired*", NULL, VERDICT_DOWN},
	{0, "IncompleteSignature*", NULL, VERDICT_DOWN},
	{0, "RequestExpired*", NULL, VERDICT_DOWN},
	{0, "RequestTimeTooSkewed*", NULL, VERDICT_DOWN},
	{0},
};

/* By the header ("MessageRejected:http://…", "com.amazonaws#MessageRejected") or the body. */
static void code_of(const struct http_reply *r, const cJSON *body, char *out, size_t size)
{
	char header[128];
	const char *code = http_reply_header(r, "x-amzn-ErrorType", header, sizeof(header));
	const char *hash;

	if (code[0] == '\0')
		code = http_reply_text(body, "code");
	if (code[0] == '\0')
		code = http_reply_text(body, "Code");
	if (code[0] == '\0')
		code = http_reply_text(body, "__type");
	hash = strchr(code, '#');
	if (hash != NULL)
		code = hash + 1;
	snprintf(out, size, "%.*s", (int)strcspn(code, ":"), code);
}

static const char *words_of(const cJSON *body)
{
	const char *message = http_reply_text(body, "message");

	return message[0] != '\0' ? message : http_reply_text(body, "Message");
}

void ses_judge(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	const char *id = http_reply_text(body, "MessageId");
	char code[128];

	if (r->status == 200 && id[0] != '\0') {
		http_judge_sent(o, r, id);
	} else {
		code_of(r, body, code, sizeof(code));
		http_judge(o, r, rules, code, words_of(body));
		if (o->kind == OUTCOME_THROTTLED && o->retry_after_ms == 0)
			o->retry_after_ms = THROTTLE_MS;
		/* Not what is wrong at the provider: the next request is signed by its clock. */
		if (o->kind == OUTCOME_PROVIDER_DOWN && ses_clock_error(r, 0) != 0) {
			o->kind = OUTCOME_RETRY;
			o->healthy = true;
		}
	}
	cJSON_Delete(body);
}

int64_t ses_clock_error(const struct http_reply *r, int64_t our_epoch_s)
{
	cJSON *body = http_reply_json(r);
	const char *words = words_of(body);
	char code[128], date[64];
	int64_t theirs = 0;

	code_of(r, body, code, sizeof(code));
	if (strncmp(code, "RequestExpired", 14) == 0 ||
	    strncmp(code, "RequestTimeTooSkewed", 20) == 0 ||
	    strcasestr(words, "signature expired") != NULL ||
	    strcasestr(words, "signature not yet current") != NULL)
		theirs = curl_getdate(http_reply_header(r, "Date", date, sizeof(date)), NULL);
	cJSON_Delete(body);
	return theirs > 0 ? theirs - our_epoch_s : 0;
}

/* --- the provider ----------------------------------------------------------------------------- */

static int64_t now_s(const struct ses *own)
{
	return clock_wall_ms() / 1000 + own->clock_error_s;
}

static void sign(const struct http_api *api, struct http_call *call, const char *path)
{
	const struct ses *own = api->own;
	struct sigv4_key key = {.access_key = own->access_key,
	                        .secret = api->secret,
	                        .session_token = own->session_token,
	                        .region = own->region,
	                        .service = "ses"};
	struct sigv4_request r = {.method = call->get ? "GET" : "POST",
	                          .host = own->host,
	                          .query = "",
	                          .content_type = call->get ? "" : JSON_TYPE,
	                          .body = buf_str(&call->body),
	                          .body_len = call->body.len,
	                          .epoch_s = now_s(own)};
	struct buf whole;

	buf_init(&whole, HTTP_CALL_MAX_URL);
	buf_addf(&whole, "%s%s", own->path, path);
	r.path = buf_str(&whole);
	buf_addf(&call->url, "%s%s", api->base, path);
	http_call_header(call, "Host", own->host); /* as it was signed */
	if (!call->get)
		http_call_header(call, "Content-Type", JSON_TYPE);
	sigv4_sign(&call->headers, &key, &r);
	buf_free(&whole);
}

static bool compose(const struct http_api *api, const struct delivery *d,
                    const struct addressees *to, struct http_call *call, struct error *err)
{
	const struct ses *own = api->own;

	if (!ses_body(&call->body, d, to, &own->options, err))
		return false;
	sign(api, call, "/v2/email/outbound-emails");
	return true;
}

static void ask(const struct http_api *api, struct http_call *call)
{
	sign(api, call, "/v2/email/account");
}

static void answered(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	char code[128];

	code_of(r, body, code, sizeof(code));
	if (r->status == 200 &&
	    cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(body, "SendingEnabled")))
		outcome_set(o, OUTCOME_PROVIDER_DOWN, "200", "sending is paused for this account");
	else if (r->status == 200 &&
	         cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(body, "ProductionAccessEnabled")))
		outcome_set(o, OUTCOME_SENT, "200",
		            "the account is in the sandbox: only verified recipients");
	else if (r->status == 200 && body != NULL)
		outcome_set(o, OUTCOME_SENT, "200", "sending is enabled for this account");
	else if (strncmp(code, "AccessDenied", 12) == 0 &&
	         strstr(words_of(body), "ses:GetAccount") != NULL)
		outcome_set(o, OUTCOME_SENT, "403",
		            "the credentials are good (but may not ask about the account)");
	else
		ses_judge(o, r);
	cJSON_Delete(body);
}

static void learn(struct http_api *api, const struct http_reply *r)
{
	struct ses *own = api->own;
	int64_t error_s = ses_clock_error(r, clock_wall_ms() / 1000);

	if (error_s != 0)
		own->clock_error_s = error_s;
}

static const char *refuses(const struct provider *p, const struct job *job)
{
	const struct http_api *api = p->state;
	const struct ses *own = api->own;

	return ses_refuses(job, own->options.simple);
}

static void free_ses(void *own)
{
	struct ses *s = own;

	mem_free_secret(s->access_key);
	mem_free_secret(s->session_token);
	mem_free(s->region);
	mem_free(s->configuration_set);
	mem_free(s->host);
	mem_free(s->path);
	mem_free(s);
}

/* "https://host:port/path" */
static void split_base(struct ses *own, const char *base)
{
	const char *host = strstr(base, "://") + 3;
	size_t n = strcspn(host, "/");

	own->host = mem_strndup(host, n);
	own->path = mem_strdup(host + n);
}

static bool read_params(struct ses *own, struct uri *dsn, struct error *err)
{
	const char *region = uri_param(dsn, "region");
	const char *token = uri_param(dsn, "session_token");
	const char *set = uri_param(dsn, "configuration_set");

	own->region = mem_strdup(region != NULL ? region : "");
	own->session_token = mem_strdup(token != NULL ? token : "");
	own->configuration_set = mem_strdup(set != NULL ? set : "");
	own->options.configuration_set = own->configuration_set;
	own->access_key = mem_strdup(dsn->user);
	if (!http_dsn_credential(dsn->user, "access key (ses://ACCESS_KEY:SECRET@default)", err) ||
	    !http_dsn_credential(dsn->password, "secret (ses://ACCESS_KEY:SECRET@default)", err) ||
	    (token != NULL && !http_dsn_credential(token, "session_token", err)) ||
	    !http_dsn_either(dsn, "mode", "raw", "simple", &own->options.simple, err))
		return false;
	if (region == NULL ||
	    region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0' ||
	    region[0] == '\0')
		return error_set(err, "region is missing or no region, as in region=eu-west-1");
	return true;
}

static void *open_ses(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct http_api_type type = {.brand = "SES",
	                                          .compose = compose,
	                                          .judge = ses_judge,
	                                          .ask = ask,
	                                          .answered = answered,
	                                          .learn = learn,
	                                          .free_own = free_ses};
	struct ses *own = mem_zalloc(sizeof(*own));
	struct http_api *api = NULL;
	char *base;

	if (read_params(own, dsn, err)) {
		base = mem_printf("https://email.%s.amazonaws.com%s", own->region,
		                  strncmp(own->region, "cn-", 3) == 0 ? ".cn" : "");
		api = http_api_open(p, dsn, &type, base, dsn->password, err);
		mem_free(base);
	}
	if (api == NULL) {
		free_ses(own);
		return NULL;
	}
	split_base(own, api->base);
	api->second_secret = mem_strdup(own->session_token);
	api->own = own;
	return api;
}

static const char *const params[] = {HTTP_DSN_PARAMS,     "region", "session_token", "mode",
                                     "configuration_set", NULL};

const struct provider_type provider_ses = {
	.scheme = "ses",
	.params = params,
	.concurrency = 100,
	.timeout_ms = 60000,
	.open = open_ses,
	.send = http_api_send,
	.release = http_api_release,
	.abandon = http_api_abandon,
	.close = http_api_close,
	.max_bytes = 40000000,
	.refuses = refuses,
	.check = http_api_check,
};

#include "provider/mailgun.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "mail/message.h"
#include "mail/text.h"
#include "provider/form.h"
#include "provider/http_api.h"
#include "provider/http_dsn.h"
#include "provider/http_judge.h"

#define MAX_TAGS 10
#define MAX_OPTIONS 16384 /* bytes of all o:, h: and v: together */
#define MAX_RECIPIENTS 1000

struct mailgun {
	char *domain;
	bool testmode;
};

/* --- the request ------------------------------------------------------------------------------ */

static void add_recipients(struct form *f, const struct addressees *to)
{
	static const enum job_rcpt_kind kinds[] = {JOB_TO, JOB_CC, JOB_BCC};
	const struct address *a;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		size_t at = 0;

		while ((a = addressees_next(to, kinds[k], &at)) != NULL)
			form_field(f, "to", a->email);
	}
}

static void add_options(struct form *f, const struct job *job, bool testmode)
{
	struct buf name;

	if (testmode)
		form_field(f, "o:testmode", "yes");
	for (size_t i = 0; i < job->n_tags; i++)
		form_field(f, "o:tag", job->tags[i]);
	buf_init(&name, MAX_OPTIONS);
	for (size_t i = 0; i < job->n_metadata; i++) {
		buf_clear(&name);
		buf_addf(&name, "v:%s", job->metadata[i].name);
		form_field(f, buf_str(&name), job->metadata[i].value);
	}
	buf_free(&name);
}

bool mailgun_body(struct http_call *call, const struct delivery *d, const struct addressees *to,
                  bool testmode, struct error *err)
{
	struct buf message;
	struct form f;
	bool ok;

	buf_init(&message, call->body.max);
	ok = message_compose(&message, d->job, d->message_id, d->date_ms, err);
	if (ok) {
		form_begin(&f, &call->body);
		add_recipients(&f, to);
		add_options(&f, d->job, testmode);
		form_file(&f, "message", "message.mime", "application/octet-stream", message.data,
		          message.len);
		form_end(&f);
		buf_addf(&call->headers, "Content-Type: multipart/form-data; boundary=%s\n",
		         f.boundary);
	}
	buf_free(&message);
	return ok;
}

/* --- what it cannot carry --------------------------------------------------------------------- */

const char *mailgun_refuses(const struct job *job)
{
	size_t options = 0;

	if (job->n_rcpts > MAX_RECIPIENTS)
		return "Mailgun takes at most 1000 recipients";
	if (job->n_tags > MAX_TAGS)
		return "Mailgun takes at most 10 tags";
	for (size_t i = 0; i < job->n_tags; i++) {
		options += strlen(job->tags[i]) + strlen("o:tag");
		if (!text_is_ascii(job->tags[i], strlen(job->tags[i])))
			return "Mailgun takes no tag beyond ASCII";
	}
	for (size_t i = 0; i < job->n_metadata; i++)
		options += strlen("v:") + strlen(job->metadata[i].name) +
		           strlen(job->metadata[i].value);
	if (options > MAX_OPTIONS)
		return "Mailgun takes at most 16 kB of tags and metadata";
	return NULL;
}

/* --- the reply -------------------------------------------------------------------------------- */

static const struct http_rule rules[] = {
	{400, NULL, "domain is unverified", VERDICT_SENDER},
	{400, NULL, "sandbox", VERDICT_SENDER},
	{400, NULL, "is not allowed to send", VERDICT_DOWN},
	{403, NULL, "large batches", VERDICT_REJECTED},
	{404, NULL, "domain not found", VERDICT_SENDER},
	{0},
};

/* "… limit exceeded, try again after Mon, 20 Dec 2021 20:33:21 UTC" */
static int64_t throttle_ms(const struct http_reply *r, const char *text)
{
	static const char before[] = "try again after ";
	const char *date = strcasestr(text, before);

	return date == NULL ? 0 : http_reply_until(r, curl_getdate(date + strlen(before), NULL));
}

/* {"message":…}, or bare text such as Forbidden */
static const char *words_of(const struct http_reply *r, const cJSON *body)
{
	const char *message = http_reply_text(body, "message");

	if (message[0] != '\0' || body != NULL)
		return message;
	return buf_str(&r->body)[0] == '<' ? "" : buf_str(&r->body);
}

void mailgun_judge(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	const char *id = http_reply_text(body, "id"), *words = words_of(r, body);

	if (r->status == 200 && id[0] != '\0') {
		http_judge_sent(o, r, id);
	} else if (r->status == 200 &&
	           strstr(buf_str(&r->body), "Mailgun Magnificent API") != NULL) {
		/* What its servers say of any path that they do not know. */
		outcome_set(o, OUTCOME_PROVIDER_DOWN, "endpoint",
		            "not where mail is taken: \"Mailgun Magnificent API\"");
	} else {
		http_judge(o, r, rules, "", words);
		if (o->kind == OUTCOME_THROTTLED && o->retry_after_ms == 0)
			o->retry_after_ms = throttle_ms(r, words);
	}
	cJSON_Delete(body);
}

/* --- the provider ----------------------------------------------------------------------------- */

static bool compose(const struct http_api *api, const struct delivery *d,
                    const struct addressees *to, struct http_call *call, struct error *err)
{
	const struct mailgun *own = api->own;

	buf_addf(&call->url, "%s/v3/%s/messages.mime", api->base, own->domain);
	http_call_basic(call, "api", api->secret);
	return mailgun_body(call, d, to, own->testmode, err);
}

static void ask(const struct http_api *api, struct http_call *call)
{
	const struct mailgun *own = api->own;

	buf_addf(&call->url, "%s/v3/domains/%s", api->base, own->domain);
	http_call_basic(call, "api", api->secret);
}

/* A key that may only send is refused here as a wrong one is. */
static void answered(struct outcome *o, const struct http_reply *r)
{
	cJSON *body = http_reply_json(r);
	const cJSON *domain = cJSON_GetObjectItemCaseSensitive(body, "domain");
	const char *state = http_reply_text(domain, "state");

	if (r->status == 200 && strcmp(state, "active") == 0) {
		outcome_set(o, OUTCOME_SENT, "200", "the domain is active");
	} else if (r->status == 200 && state[0] != '\0') {
		char text[OUTCOME_MAX_TEXT];

		snprintf(text, sizeof(text), "the domain is %s", state);
		outcome_set(o, OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, text);
	} else {
		mailgun_judge(o, r);
		if (r->status == 401)
			outcome_set(
				o, OUTCOME_PROVIDER_DOWN, "401",
				"the key is not accepted (one that may only send cannot be asked "
				"about)");
	}
	cJSON_Delete(body);
}

static const char *refuses(const struct provider *p, const struct job *job)
{
	(void)p;
	return mailgun_refuses(job);
}

static void free_mailgun(void *own)
{
	struct mailgun *m = own;

	mem_free(m->domain);
	mem_free(m);
}

static bool is_domain(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	return s[0] != '\0' && s[0] != '.' && strspn(s, allowed) == strlen(s);
}

/* "api:KEY" in base64, as it goes over the line (RFC 7617). */
static char *basic_credentials(const char *key)
{
	char *plain = mem_printf("api:%s", key);
	struct buf encoded;

	buf_init(&encoded, HTTP_CALL_MAX_HEADERS);
	jsonw_add_base64(&encoded, plain, strlen(plain));
	mem_free_secret(plain);
	return buf_take(&encoded);
}

static void *open_mailgun(struct provider *p, struct uri *dsn, struct error *err)
{
	static const struct http_api_type type = {.brand = "Mailgun",
	                                          .compose = compose,
	                                          .judge = mailgun_judge,
	                                          .ask = ask,
	                                          .answered = answered,
	                                          .free_own = free_mailgun};
	bool eu = false, testmode = false;
	struct http_api *api;
	struct mailgun *own;

	if (!http_dsn_credential(dsn->user, "API key (mailgun://KEY:DOMAIN@default)", err) ||
	    !http_dsn_either(dsn, "region", "us", "eu", &eu, err) ||
	    !http_dsn_flag(dsn, "testmode", &testmode, err))
		return NULL;
	if (!is_domain(dsn->password)) {
		error_set(err, "the sending domain is missing or no domain "
		               "(mailgun://KEY:DOMAIN@default)");
		return NULL;
	}
	api = http_api_open(p, dsn, &type,
	                    eu ? "https://api.eu.mailgun.net" : "https://api.mailgun.net",
	                    dsn->user, err);
	if (api == NULL)
		return NULL;
	api->second_secret = basic_credentials(dsn->user);
	own = mem_zalloc(sizeof(*own));
	own->domain = mem_strdup(dsn->password);
	own->testmode = testmode;
	api->own = own;
	return api;
}

static const char *const params[] = {HTTP_DSN_PARAMS, "region", "testmode", NULL};

const struct provider_type provider_mailgun = {
	.scheme = "mailgun",
	.params = params,
	.concurrency = 100,
	.timeout_ms = 60000,
	.open = open_mailgun,
	.send = http_api_send,
	.release = http_api_release,
	.abandon = http_api_abandon,
	.close = http_api_close,
	.max_bytes = 25000000,
	.refuses = refuses,
	.check = http_api_check,
};

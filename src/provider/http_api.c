#include "provider/http_api.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "provider/http_dsn.h"

/* What a body can be at most for a payload: JSON's longest escape, or base64 of a message with
 * base64 in it. Only a bound: buffers grow as needed. */
#define BODY_MAX(PAYLOAD) ((size_t)(PAYLOAD)*6 + ((size_t)4 << 20))

/* One delivery as a request. Used again for the next one. */
struct http_attempt {
	struct http_attempt *next; /* among the spare or the stillborn */
	struct http_api *api;
	struct delivery *delivery;
	struct http_request *request;
	struct addressees to;
	struct outcome outcome; /* of a stillborn one */
};

static struct http_attempt *take_attempt(struct http_api *api)
{
	struct http_attempt *a = api->spare;

	if (a != NULL) {
		api->spare = a->next;
		return a;
	}
	a = mem_zalloc(sizeof(*a));
	a->api = api;
	return a;
}

static void give_back(struct http_attempt *a)
{
	a->delivery = NULL;
	a->request = NULL;
	a->next = a->api->spare;
	a->api->spare = a;
}

/* --- how it ended ----------------------------------------------------------------------------- */

void http_api_no_reply(struct outcome *o, const struct http_result *result)
{
	static const struct {
		enum outcome_kind kind;
		const char *code;
	} ends[] = {
		[HTTP_END_REPLY] = {OUTCOME_RETRY, "protocol"},
		[HTTP_END_LOOKUP] = {OUTCOME_RETRY, "dns"},
		[HTTP_END_CONNECT] = {OUTCOME_RETRY, "connect"},
		[HTTP_END_TLS] = {OUTCOME_PROVIDER_DOWN, "tls"},
		[HTTP_END_TIMEOUT] = {OUTCOME_RETRY, "timeout"},
		[HTTP_END_LOST] = {OUTCOME_RETRY, "lost"},
		[HTTP_END_CLIENT] = {OUTCOME_PROVIDER_DOWN, "client"},
	};

	outcome_set(o, result->passed ? OUTCOME_UNKNOWN : ends[result->end].kind,
	            ends[result->end].code, result->why);
}

/* A server may quote what it does not like. */
static void hide(const struct http_api *api, struct outcome *o)
{
	outcome_hide(o, api->secret);
	if (api->second_secret != NULL)
		outcome_hide(o, api->second_secret);
}

static void judge(struct http_api *api, struct outcome *o, const struct http_result *result)
{
	if (result->end != HTTP_END_REPLY) {
		http_api_no_reply(o, result);
		return;
	}
	if (api->type->learn != NULL)
		api->type->learn(api, result->reply);
	api->type->judge(o, result->reply);
	/* An answer to half a mail takes nothing. */
	if (!result->passed && (o->kind == OUTCOME_SENT || o->kind == OUTCOME_UNKNOWN))
		o->kind = OUTCOME_RETRY;
	hide(api, o);
}

/* All recipients of one request fare alike, but for those that mark_refused has told apart. */
static void report_recipients(const struct http_attempt *a, const struct outcome *o)
{
	enum rcpt_state state = RCPT_ACCEPTED;

	if (o->kind == OUTCOME_REJECTED && strcmp(o->code, CODE_TOO_LARGE) != 0)
		state = RCPT_REFUSED;
	else if (o->kind != OUTCOME_SENT)
		return;
	for (size_t i = 0; i < a->to.n; i++) {
		struct rcpt_result *to = &a->delivery->rcpts[a->to.list[i].index];

		if (to->state == RCPT_REFUSED)
			continue;
		to->state = state;
		snprintf(to->code, sizeof(to->code), "%s", o->code);
	}
}

static void finish(struct http_attempt *a, const struct outcome *o)
{
	struct provider *p = a->api->provider;
	struct delivery *d = a->delivery;

	report_recipients(a, o);
	give_back(a);
	provider_done(p, d, o);
}

static void on_end(struct http_request *r, const struct http_result *result)
{
	struct http_attempt *a = r->data;
	struct outcome o;

	judge(a->api, &o, result);
	if (o.kind == OUTCOME_SENT && a->api->type->mark_refused != NULL)
		a->api->type->mark_refused(result->reply, &a->to, a->delivery);
	finish(a, &o);
}

static void on_held(struct http_request *r)
{
	struct http_attempt *a = r->data;

	a->delivery->on_ready(a->delivery);
}

static void on_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_api *api = timer->data;
	struct http_attempt *a;
	struct outcome o;

	(void)loop;
	(void)events;
	while ((a = api->stillborn) != NULL) {
		api->stillborn = a->next;
		o = a->outcome;
		finish(a, &o);
	}
}

/* --- for provider.h --------------------------------------------------------------------------- */

static void tell_server(struct provider *p, const char *base, bool clear_text)
{
	struct error err;
	struct uri uri;

	if (!uri_parse(&uri, base, &err))
		return;
	provider_talks_to(p, uri.host, uri.port != 0 ? uri.port : clear_text ? 80 : 443);
	uri_free(&uri);
}

struct http_api *http_api_open(struct provider *p, struct uri *dsn,
                               const struct http_api_type *type, const char *base,
                               const char *secret, struct error *err)
{
	struct http_api *api = mem_zalloc(sizeof(*api));
	struct http_dsn common;

	api->provider = p;
	api->type = type;
	api->secret = mem_strdup(secret);
	ev_init(&api->tell, on_tell);
	api->tell.data = api;
	p->state = api;
	if (http_dsn_read(&common, dsn, base, err)) {
		struct http_config config = {.ca_file = common.ca_file,
		                             .clear_text = common.clear_text,
		                             .max_body = BODY_MAX(p->options->max_job_bytes),
		                             .connections = p->concurrency,
		                             .connect_ms = common.connect_ms,
		                             .send_ms = common.send_ms,
		                             .reply_ms = p->timeout_ms,
		                             .idle_ms = common.idle_ms};

		p->setup_ms = common.connect_ms + common.send_ms;
		api->base = mem_strdup(common.base);
		tell_server(p, common.base, common.clear_text);
		api->client = http_client_open(p->loop, &config, err);
	}
	http_dsn_free(&common);
	if (api->client != NULL)
		return api;
	http_api_close(p);
	p->state = NULL;
	return NULL;
}

void http_api_close(struct provider *p)
{
	struct http_api *api = p->state;
	struct http_attempt *a;

	http_client_close(api->client);
	ev_timer_stop(p->loop, &api->tell);
	while ((a = api->spare) != NULL) {
		api->spare = a->next;
		addressees_free(&a->to);
		mem_free(a);
	}
	if (api->own != NULL)
		api->type->free_own(api->own);
	mem_free_secret(api->secret);
	mem_free_secret(api->second_secret);
	mem_free(api->base);
	mem_free(api);
}

/* Told later, from the loop. */
static void miscarry(struct http_attempt *a, enum outcome_kind kind, const char *code,
                     const char *why)
{
	struct http_api *api = a->api;

	outcome_set(&a->outcome, kind, code, why);
	a->outcome.healthy = true;
	a->next = api->stillborn;
	api->stillborn = a;
	ev_feed_event(api->provider->loop, &api->tell, EV_CUSTOM);
}

static const char *unsupported(const struct http_api *api, const struct http_attempt *a)
{
	const char *why = provider_refuses(api->provider, a->delivery->job);

	if (why == NULL && addressees_count(&a->to, JOB_TO) == 0)
		why = api->type->no_to;
	return why;
}

void http_api_send(struct provider *p, struct delivery *d)
{
	struct http_api *api = p->state;
	struct http_attempt *a = take_attempt(api);
	struct error err = {""};
	const char *why;

	a->delivery = d;
	d->impl = a;
	addressees_fill(&a->to, d->job, d->rcpts);
	why = unsupported(api, a);
	if (why != NULL) {
		miscarry(a, OUTCOME_RETRY, CODE_UNSUPPORTED, why);
		return;
	}
	a->request = http_client_request(api->client);
	a->request->data = a;
	a->request->on_held = on_held;
	a->request->on_end = on_end;
	if (api->type->compose(api, d, &a->to, &a->request->call, &err) &&
	    http_call_ok(&a->request->call)) {
		http_client_send(a->request);
		return;
	}
	http_client_abandon(a->request);
	a->request = NULL;
	miscarry(a, OUTCOME_REJECTED, "message",
	         err.text[0] != '\0' ? err.text : "it grew too large when it was put together");
}

void http_api_release(struct provider *p, struct delivery *d)
{
	struct http_attempt *a = d->impl;

	(void)p;
	http_client_release(a->request);
}

void http_api_abandon(struct provider *p, struct delivery *d)
{
	struct http_api *api = p->state;
	struct http_attempt *a = d->impl, **at = &api->stillborn;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at != NULL)
		*at = a->next;
	else
		http_client_abandon(a->request);
	give_back(a);
}

/* --- the harmless question -------------------------------------------------------------------- */

struct question {
	struct http_api *api;
	struct provider_check *check;
};

static void understand(struct http_api *api, struct outcome *o, const struct http_reply *r)
{
	char code[OUTCOME_MAX_CODE];

	if (api->type->learn != NULL)
		api->type->learn(api, r);
	snprintf(code, sizeof(code), "%d", r->status);
	if (api->type->answered != NULL)
		api->type->answered(o, r);
	else if (r->status / 100 == 2)
		outcome_set(o, OUTCOME_SENT, code, "it answers, and knows the credentials");
	else
		api->type->judge(o, r);
	hide(api, o);
}

static void on_answer(struct http_request *r, const struct http_result *result)
{
	struct question *q = r->data;
	struct provider_check *c = q->check;
	struct http_result nothing_sent = *result;
	struct outcome o;

	nothing_sent.passed = false; /* no mail was */
	if (result->end == HTTP_END_REPLY)
		understand(q->api, &o, result->reply);
	else
		http_api_no_reply(&o, &nothing_sent);
	if (o.kind == OUTCOME_UNKNOWN)
		o.kind = OUTCOME_RETRY;
	mem_free(q);
	c->on_done(c, &o);
}

void http_api_check(struct provider *p, struct provider_check *c)
{
	struct http_api *api = p->state;
	struct http_request *r = http_client_request(api->client);
	struct question *q = mem_zalloc(sizeof(*q));

	q->api = api;
	q->check = c;
	r->data = q;
	r->on_end = on_answer;
	r->call.get = true;
	api->type->ask(api, &r->call);
	http_client_send(r);
}

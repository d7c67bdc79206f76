/* send.c - POST /api/email/send and /api/email/bulk-send. */
#include "api/send.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "api/api.h"
#include "api/prefer.h"
#include "api/send_trace.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "mail/json.h"

/* The mails of one request. */
struct send {
	struct request *request;
	struct post **posts;
	size_t n, left;
	bool bulk;
};

static void send_free(struct send *s)
{
	for (size_t i = 0; i < s->n; i++)
		post_free(s->posts[i]);
	mem_free(s->posts);
	mem_free(s);
}

/* --- answers ---------------------------------------------------------------------------------------------- */

/* What became of it is known, or what is known after the wait. */
static void on_waited(struct request *r, struct post *p)
{
	post_write(p, &r->out);
	request_answer(r, post_is_settled(p) ? 200 : 202);
	post_free(p);
}

/* It is taken or known. True: its answer waits for the outcome, and has the post now. */
static bool answer_later(struct request *r, struct post *p)
{
	char *text = request_get_all(r, "Prefer");
	int64_t seconds = prefer_wait(text);

	mem_free(text);
	if (seconds == 0)
		return false;
	request_add(r, "Preference-Applied", "wait=%" PRId64, seconds);
	if (post_is_settled(p))
		return false;
	waiters_add(&r->api->waiters, r, p, seconds, on_waited);
	return true;
}

/* *p: NULL when it is somebody else's now. */
static void answer_one(struct request *r, struct post **post)
{
	struct post *p = *post;

	if (p->outcome == POST_KNOWN)
		request_add(r, "Idempotent-Replayed", "true");
	if ((p->outcome == POST_KNOWN || p->outcome == POST_TAKEN) && answer_later(r, p)) {
		*post = NULL;
		return;
	}
	switch (p->outcome) {
	case POST_KNOWN:
	case POST_TAKEN:
		post_write(p, &r->out);
		request_answer(r, p->outcome == POST_KNOWN ? 200 : 202);
		break;
	case POST_CONFLICT:
		request_problem(r, 409, NULL, post_why(p));
		break;
	case POST_UNAVAILABLE:
		request_refused(r, p->result);
		break;
	case POST_INVALID:
		if (p->malformed)
			request_problem(r, 400, NULL, p->faults);
		else
			request_invalid(r, "The mail is not valid", p->faults);
		break;
	}
}

static bool is_taken(const struct post *p)
{
	return p->outcome == POST_TAKEN || p->outcome == POST_KNOWN;
}

static void write_results(const struct send *s, struct buf *out)
{
	jsonw_key(out, "results");
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		const struct post *p = s->posts[i];

		if (!is_taken(p))
			continue;
		jsonw_open(out, '{');
		jsonw_pair_int(out, "index", (int64_t)i);
		jsonw_pair(out, "idempotencyKey", p->key);
		jsonw_key(out, "result");
		post_write(p, out);
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

static void write_errors(const struct send *s, struct buf *out)
{
	jsonw_key(out, "errors");
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		const struct post *p = s->posts[i];

		if (is_taken(p))
			continue;
		jsonw_open(out, '{');
		jsonw_pair_int(out, "index", (int64_t)i);
		jsonw_pair_if(out, "idempotencyKey", p->key);
		jsonw_pair(out, "error", p->outcome == POST_INVALID ? p->faults : post_why(p));
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

static void answer_bulk(const struct send *s)
{
	struct request *r = s->request;
	size_t taken = 0, away = 0;

	for (size_t i = 0; i < s->n; i++) {
		taken += is_taken(s->posts[i]);
		away += s->posts[i]->outcome == POST_UNAVAILABLE;
	}
	if (away == s->n) {
		request_refused(r, s->posts[0]->result);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair_bool(&r->out, "success", taken == s->n);
	jsonw_pair_int(&r->out, "processed", (int64_t)taken);
	jsonw_pair_int(&r->out, "failed", (int64_t)(s->n - taken));
	write_results(s, &r->out);
	write_errors(s, &r->out);
	jsonw_close(&r->out, '}');
	request_answer(r, taken == s->n ? 200 : 207);
}

static void answer(struct send *s)
{
	if (s->bulk)
		answer_bulk(s);
	else
		answer_one(s->request, &s->posts[0]);
	send_free(s);
}

/* --- the way in ------------------------------------------------------------------------------------------- */

static void on_done(struct post *p)
{
	struct send *s = p->data;

	send_trace_mail(s->request, p);
	if (--s->left == 0)
		answer(s);
}

static void on_limit(void *data, bool go)
{
	struct send *s = data;
	struct api *api = s->request->api;

	if (!go) {
		send_free(s);
		return;
	}

	/* One more than there are, so that it is not answered before all are told of. */
	s->left = 1;
	for (size_t i = 0; i < s->n; i++) {
		struct post *p = s->posts[i];

		if (p->outcome == POST_INVALID)
			continue;
		s->left++;
		p->on_done = on_done;
		p->data = s;
		p->since = s->request->asked_at;
		accept_add(&api->accept, api->redis, p);
	}
	if (--s->left == 0)
		answer(s);
}

/* One mail costs a token, valid or not, where there are several; a lone one that is not valid costs
 * nobody anything. */
static void start(struct send *s)
{
	if (!s->bulk && s->posts[0]->outcome == POST_INVALID) {
		answer(s);
		return;
	}
	limiter_add(&s->request->api->limiter, s->request, s->n, on_limit, s);
}

static struct send *send_new(struct request *r, size_t n, bool bulk)
{
	struct send *s = mem_zalloc(sizeof(*s));

	s->request = r;
	s->n = n;
	s->bulk = bulk;
	s->posts = mem_array(n, sizeof(*s->posts));
	return s;
}

/* The key of the head, without the quotes that the draft of Idempotency-Key asks for; NULL: none. */
static char *key_of_head(const struct request *r)
{
	const char *key = request_get(r, "Idempotency-Key");
	size_t n;

	if (key == NULL)
		key = request_get(r, "X-Idempotency-Key");
	if (key == NULL)
		return NULL;
	n = strlen(key);
	if (n >= 2 && key[0] == '"' && key[n - 1] == '"')
		return mem_strndup(key + 1, n - 2);
	return mem_strndup(key, n);
}

void send_post(struct request *r, struct post *p)
{
	struct send *s = send_new(r, 1, false);

	s->posts[0] = p;
	start(s);
}

void send_run(struct request *r)
{
	char *key = key_of_head(r);

	send_trace_begin(r);
	send_post(r, post_new(buf_str(&r->body), r->body.len, key, send_trace_next(r),
	                      r->api->options, r->api->queues, r->api->carriers));
	mem_free(key);
}

static void add_mail(struct send *s, size_t i, const cJSON *mail)
{
	char *text = cJSON_PrintUnformatted(mail);
	const struct api *api = s->request->api;

	if (text == NULL)
		text = mem_strdup("");
	s->posts[i] = post_new(text, strlen(text), NULL, send_trace_next(s->request), api->options,
	                       api->queues, api->carriers);
	mem_free(text);
}

void send_run_bulk(struct request *r)
{
	struct error err;
	cJSON *tree = json_parse(buf_str(&r->body), r->body.len, &err);
	const cJSON *mails = cJSON_GetObjectItemCaseSensitive(tree, "emails"), *mail;
	int64_t most = r->api->options->bulk_max;
	char text[64 + 512];
	struct send *s;
	size_t i = 0;

	send_trace_begin(r);
	if (tree == NULL) {
		snprintf(text, sizeof(text), "The body is %s",
		         r->body.len > 0 ? err.text : "empty");
		request_problem(r, 400, NULL, text);
	} else if (!cJSON_IsArray(mails) || cJSON_GetArraySize(mails) == 0) {
		request_invalid(r, "Field \"emails\" must be a non-empty array",
		                "Field \"emails\" must be a non-empty array");
	} else if (cJSON_GetArraySize(mails) > most) {
		snprintf(text, sizeof(text), "Maximum %" PRId64 " emails allowed per bulk request",
		         most);
		request_invalid(r, text, text);
	} else {
		s = send_new(r, (size_t)cJSON_GetArraySize(mails), true);
		cJSON_ArrayForEach(mail, mails) add_mail(s, i++, mail);
		start(s);
	}
	cJSON_Delete(tree);
}

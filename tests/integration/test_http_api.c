#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/http_world.h"
#include "support/wait.h"
#include <cjson/cJSON.h>

/* Each provider against a server that knows only its documentation: all that a job holds must
 * arrive, whichever way it is asked for. */

/* --- everything of the job --------------------------------------------------------------------- */

static const char rich_job[] =
	"{\"from\":{\"email\":\"b@example.org\",\"name\":\"Bjørn \\\"B\\\" Ås\"},"
	"\"to\":[\"Ada <ada@example.com>\",{\"email\":\"eve@example.com\",\"name\":\"Lovelace, Ada\"}],"
	"\"cc\":\"Zoë <zoe@example.com>\",\"bcc\":[\"hidden@example.com\"],"
	"\"replyTo\":{\"name\":\"Desk; Help\",\"email\":\"desk@example.org\"},\"subject\":\"Grüße \\\"und\\\" \\\\ mehr\","
	"\"text\":\"Hallo Welt, größer als ASCII.\",\"html\":\"<p>Hallo <b>Welt</b> &amp; \\u2713</p>\","
	"\"headers\":{\"X-Key\":\"k-1\",\"X-Umlaut\":\"für alle\","
	"\"List-Unsubscribe\":\"<https://u.example/x?a=1&b=2>\"},"
	"\"attachments\":[{\"filename\":\"a b.txt\",\"contentType\":\"text/plain\",\"content\":\"aGVsbG8=\"},"
	"{\"filename\":\"logo.png\",\"contentType\":\"image/png\",\"contentId\":\"logo\","
	"\"content\":\"iVBORwD/\"}],"
	"\"tags\":[\"receipts\"],\"metadata\":{\"order\":\"o-42\",\"shop\":\"berlin_1\"}}";

/* Everything but the options is the same, whichever provider it is. */
static const char rich_mail[] =
	"{\"from\":{\"email\":\"b@example.org\",\"name\":\"Bjørn \\\"B\\\" Ås\"},"
	"\"to\":[{\"email\":\"ada@example.com\",\"name\":\"Ada\"},"
	"{\"email\":\"eve@example.com\",\"name\":\"Lovelace, Ada\"}],"
	"\"cc\":[{\"email\":\"zoe@example.com\",\"name\":\"Zoë\"}],"
	"\"bcc\":[{\"email\":\"hidden@example.com\",\"name\":\"\"}],"
	"\"reply_to\":{\"email\":\"desk@example.org\",\"name\":\"Desk; Help\"},"
	"\"subject\":\"Grüße \\\"und\\\" \\\\ mehr\",\"text\":\"Hallo Welt, größer als ASCII.\","
	"\"html\":\"<p>Hallo <b>Welt</b> &amp; \\u2713</p>\","
	"\"headers\":{\"X-Key\":\"k-1\",\"X-Umlaut\":\"für alle\","
	"\"List-Unsubscribe\":\"<https://u.example/x?a=1&b=2>\"},"
	"\"tags\":[\"receipts\"],\"metadata\":{\"order\":\"o-42\",\"shop\":\"berlin_1\"},"
	"\"attachments\":[{\"name\":\"a b.txt\",\"type\":\"text/plain\",\"id\":null,\"inline\":false,"
	"\"content\":\"hello\"},{\"name\":\"logo.png\",\"type\":\"image/png\",\"id\":\"logo\","
	"\"inline\":true,\"content\":\"base64:iVBORwD/\"}]}";

static int by_name(const void *a, const void *b)
{
	const cJSON *const *left = a, *const *right = b;

	return strcmp(cJSON_GetObjectItem(*left, "name")->valuestring,
	              cJSON_GetObjectItem(*right, "name")->valuestring);
}

/* A message has its inline parts first. */
static cJSON *sorted(const cJSON *attachments)
{
	cJSON *list = cJSON_CreateArray(), *all[8];
	int n = cJSON_GetArraySize(attachments);

	assert_in_range(n, 0, 8);
	for (int i = 0; i < n; i++)
		all[i] = cJSON_Duplicate(cJSON_GetArrayItem(attachments, i), true);
	if (n > 0)
		qsort(all, (size_t)n, sizeof(all[0]), by_name);
	for (int i = 0; i < n; i++)
		cJSON_AddItemToArray(list, all[i]);
	return list;
}

static cJSON *member(const cJSON *mail, const char *name)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(mail, name);

	return strcmp(name, "attachments") == 0 ? sorted(m) : cJSON_Duplicate(m, true);
}

/* Every member of `expected` must be in the n-th mail that the server kept. */
static void expect_mail(struct http_world *w, size_t n, const char *expected,
                        const char *message_id)
{
	char *text = http_server_mail(w->server, n);
	cJSON *got = cJSON_Parse(text), *want = cJSON_Parse(expected);
	const cJSON *one;

	http_server_check(w->server);
	assert_non_null(got);
	assert_non_null(want);
	cJSON_ArrayForEach(one, want)
	{
		cJSON *left = member(got, one->string), *right = member(want, one->string);

		if (!cJSON_Compare(left, right, true))
			fail_msg("%s is %s in %s", one->string, cJSON_Print(left), text);
		cJSON_Delete(left);
		cJSON_Delete(right);
	}
	if (message_id != NULL)
		assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(got, "message_id")),
		                    message_id);
	cJSON_Delete(got);
	cJSON_Delete(want);
	free(text);
}

static void assert_sent(const struct mail *m)
{
	if (m->outcome.kind != OUTCOME_SENT)
		fail_msg("%s: %s %s", outcome_name(m->outcome.kind), m->outcome.code,
		         m->outcome.text);
	assert_true(m->ready_when_done);
	assert_int_not_equal(m->outcome.message_id[0], '\0');
	for (size_t i = 0; i < m->job->n_rcpts; i++)
		assert_int_equal(m->delivery.rcpts[i].state, RCPT_ACCEPTED);
}

static void carries(struct http_world *w, enum http_world_api api, const char *more,
                    bool keeps_message_id)
{
	struct provider *p = http_world_open(w, api, NULL, more);
	struct mail *m = mail_new(p, 1, rich_job);

	mail_deliver(m);
	http_server_check(w->server);
	assert_sent(m);
	expect_mail(w, 1, rich_mail, keeps_message_id ? "<mail-1@example.org>" : NULL);
	mail_free(m);
	provider_close(p);
}

static void test_sendgrid_carries(void **state)
{
	carries(*state, SENDGRID, "", true);
}

static void test_mailgun_carries(void **state)
{
	carries(*state, MAILGUN, "", true);
}

static void test_ses_carries(void **state)
{
	carries(*state, SES, "", true);
}

static void test_ses_simple_carries(void **state)
{
	carries(*state, SES, "&mode=simple", false);
}

static void test_postmark_carries(void **state)
{
	carries(*state, POSTMARK, "", true);
}

static void test_resend_carries(void **state)
{
	carries(*state, RESEND, "", false);
}

/* --- to whom ------------------------------------------------------------------------------------ */

static const char four[] = "{\"to\":[\"a@example.com\",\"b@example.com\"],\"cc\":\"c@example.com\","
			   "\"bcc\":\"d@example.com\",\"subject\":\"s\",\"text\":\"t\"}";

/* Those who have it already, or never will, are not written to again. */
static void test_only_those_who_wait(void **state)
{
	struct http_world *w = *state;

	for (int api = 0; api < N_APIS; api++) {
		struct provider *p = http_world_open(w, (enum http_world_api)api, NULL, "");
		struct mail *m = mail_new(p, 1, four);

		http_server_clear(w->server);
		m->delivery.rcpts[0].state = RCPT_ACCEPTED;
		m->delivery.rcpts[1].state = RCPT_DEFERRED;
		m->delivery.rcpts[3].state = RCPT_REFUSED;
		mail_deliver(m);
		assert_int_equal(m->outcome.kind, OUTCOME_SENT);
		assert_int_equal(m->delivery.rcpts[1].state, RCPT_ACCEPTED);
		assert_int_equal(m->delivery.rcpts[2].state, RCPT_ACCEPTED);
		assert_int_equal(m->delivery.rcpts[3].state, RCPT_REFUSED);
		expect_mail(w, 1,
		            "{\"to\":[{\"email\":\"b@example.com\",\"name\":\"\"}],"
		            "\"cc\":[{\"email\":\"c@example.com\",\"name\":\"\"}],\"bcc\":[]}",
		            NULL);
		mail_free(m);
		provider_close(p);
	}
}

/* They want somebody in "to" and each address once; SES and Mailgun take the envelope as it is. */
static void test_nobody_in_to(void **state)
{
	static const char hidden[] =
		"{\"bcc\":[\"d@example.com\",\"e@example.com\"],\"subject\":\"s\","
		"\"text\":\"t\"}";
	struct http_world *w = *state;
	struct outcome o;

	o = http_world_deliver(w, SENDGRID, NULL, "", hidden);
	assert_int_equal(o.kind, OUTCOME_SENT);
	expect_mail(w, 1, "{\"options\":{\"copies\":2},\"cc\":[],\"bcc\":[]}",
	            NULL); /* each alone */
	o = http_world_deliver(w, MAILGUN, NULL, "", hidden);
	assert_int_equal(o.kind, OUTCOME_SENT);
	o = http_world_deliver(w, SES, NULL, "", hidden);
	assert_int_equal(o.kind, OUTCOME_SENT);
	for (size_t n = 2; n <= 3; n++)
		expect_mail(w, n,
		            "{\"to\":[],\"bcc\":[{\"email\":\"d@example.com\",\"name\":\"\"},"
		            "{\"email\":\"e@example.com\",\"name\":\"\"}]}",
		            NULL);
	o = http_world_deliver(w, POSTMARK, NULL, "", hidden);
	assert_int_equal(o.kind, OUTCOME_RETRY);
	assert_string_equal(o.code, CODE_UNSUPPORTED);
	o = http_world_deliver(w, RESEND, NULL, "", hidden);
	assert_string_equal(o.code, CODE_UNSUPPORTED);
	assert_int_equal(http_server_count(w->server, "heads"), 3);
}

static void test_cc_moves_up(void **state)
{
	static const char copies[] = "{\"cc\":[\"c@example.com\"],\"bcc\":[\"d@example.com\"],"
				     "\"subject\":\"s\",\"text\":\"t\"}";
	static const enum http_world_api apis[] = {SENDGRID, POSTMARK, RESEND};
	struct http_world *w = *state;

	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		struct outcome o = http_world_deliver(w, apis[i], NULL, "", copies);

		assert_int_equal(o.kind, OUTCOME_SENT);
		expect_mail(w, i + 1,
		            "{\"to\":[{\"email\":\"c@example.com\",\"name\":\"\"}],\"cc\":[],"
		            "\"bcc\":[{\"email\":\"d@example.com\",\"name\":\"\"}]}",
		            NULL);
	}
}

static void test_address_given_twice(void **state)
{
	static const char twice[] = "{\"to\":[\"a@example.com\",\"A@example.com\"],"
				    "\"cc\":\"a@example.com\",\"subject\":\"s\",\"text\":\"t\"}";
	struct http_world *w = *state;

	for (int api = 0; api < N_APIS; api++) {
		struct provider *p = http_world_open(w, (enum http_world_api)api, NULL, "");
		struct mail *m = mail_new(p, 1, twice);

		mail_deliver(m);
		http_server_check(w->server);
		if (api != MAILGUN && api != SES) /* whose headers show what the job says */
			expect_mail(w, (size_t)api + 1,
			            "{\"to\":[{\"email\":\"a@example.com\",\"name\":\"\"}],"
			            "\"cc\":[],\"bcc\":[]}",
			            NULL);
		assert_sent(m); /* all three */
		mail_free(m);
		provider_close(p);
	}
}

/* --- less than all ------------------------------------------------------------------------------ */

static void test_html_only(void **state)
{
	static const char html[] = "{\"to\":\"a@example.com\",\"subject\":\"s\",\"html\":\"<p>x\"}";
	struct http_world *w = *state;

	for (int api = 0; api < N_APIS; api++) {
		struct outcome o = http_world_deliver(w, (enum http_world_api)api, NULL, "", html);

		assert_int_equal(o.kind, OUTCOME_SENT);
		/* Resend would make a text of its own, did we not say that there is none. */
		expect_mail(w, (size_t)api + 1,
		            api == RESEND ? "{\"html\":\"<p>x\",\"text\":\"\"}"
		                          : "{\"html\":\"<p>x\",\"text\":null}",
		            NULL);
	}
}

/* Nobody takes a mail without a body; an empty one is a line end. */
static void test_empty_text(void **state)
{
	static const char empty[] = "{\"to\":\"a@example.com\",\"subject\":\"s\",\"text\":\"\"}";
	struct http_world *w = *state;

	for (int api = 0; api < N_APIS; api++) {
		struct outcome o = http_world_deliver(w, (enum http_world_api)api, NULL, "", empty);

		http_server_check(w->server);
		assert_int_equal(o.kind, OUTCOME_SENT);
	}
}

/* --- what the DSN adds -------------------------------------------------------------------------- */

static void test_options(void **state)
{
	static const struct {
		enum http_world_api api;
		const char *more, *expected;
	} cases[] = {
		{SENDGRID, "&sandbox=1", "{\"options\":{\"copies\":1,\"sandbox\":true}}"},
		{MAILGUN, "&testmode=1", "{\"options\":{\"testmode\":true}}"},
		{SES, "&configuration_set=prod", "{\"options\":{\"configuration_set\":\"prod\"}}"},
		{POSTMARK, "&message_stream=news", "{\"options\":{\"stream\":\"news\"}}"},
	};
	struct http_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_world_deliver(w, cases[i].api, NULL, cases[i].more, NULL);
		expect_mail(w, i + 1, cases[i].expected, NULL);
	}
}

/* The same on every attempt, so that Resend answers as it did before, and keeps no second copy. */
static void test_resend_idempotency_key(void **state)
{
	struct http_world *w = *state;
	struct outcome lost = http_world_deliver(w, RESEND, "keep-reset", "", NULL), again, third;
	struct provider *p;
	struct mail *m;

	assert_int_equal(lost.kind, OUTCOME_UNKNOWN);
	again = http_world_deliver(w, RESEND, NULL, "", NULL);
	third = http_world_deliver(w, RESEND, NULL, "", NULL);
	assert_int_equal(again.kind, OUTCOME_SENT);
	assert_string_equal(again.message_id, third.message_id);
	assert_int_equal(http_server_count(w->server, "taken"), 1);
	p = http_world_open(w, RESEND, NULL, "");
	m = mail_new(p, 2, NULL);
	mail_deliver(m);
	assert_int_equal(m->outcome.kind, OUTCOME_SENT); /* another mail has another */
	assert_int_equal(http_server_count(w->server, "taken"), 2);
	mail_free(m);
	provider_close(p);
}

/* --- the harmless question ---------------------------------------------------------------------- */

struct question {
	struct provider_check check;
	unsigned done;
	struct outcome outcome;
};

static void on_answer(struct provider_check *c, const struct outcome *o)
{
	struct question *q = c->data;

	q->done++;
	q->outcome = *o;
}

static bool is_answered(void *arg)
{
	return ((struct question *)arg)->done > 0;
}

static struct outcome ask(struct http_world *w, struct provider *p)
{
	struct question q = {.done = 0};

	q.check = (struct provider_check){.on_done = on_answer, .data = &q};
	p->type->check(p, &q.check);
	assert_int_equal(q.done, 0);
	wait_loop_until(w->loop, is_answered, &q, 0);
	assert_int_equal(q.done, 1);
	provider_close(p);
	return q.outcome;
}

static void test_check(void **state)
{
	struct http_world *w = *state;
	struct outcome o;

	for (int api = 0; api < N_APIS; api++) {
		o = ask(w, http_world_open(w, (enum http_world_api)api, NULL, ""));
		if (o.kind != OUTCOME_SENT)
			fail_msg("%s: %s %s", http_world_name((enum http_world_api)api), o.code,
			         o.text);
		o = ask(w, http_world_open(w, (enum http_world_api)api, "unwell", ""));
		assert_int_equal(o.kind, OUTCOME_RETRY);
		o = ask(w, http_world_open(w, (enum http_world_api)api, "reset", ""));
		assert_int_equal(o.kind, OUTCOME_RETRY); /* never unknown: no mail was at stake */
		o = ask(w, http_world_open(w, (enum http_world_api)api, "gateway", ""));
		assert_int_equal(o.kind, OUTCOME_RETRY);
	}
	o = ask(w, delivery_open(w->loop, &w->options, "postmark://wrong@default?endpoint=%s",
	                         http_server_url(w->server, NULL, "postmark")));
	assert_int_equal(o.kind, OUTCOME_PROVIDER_DOWN);
	assert_int_equal(http_server_count(w->server, "taken"), 0);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, http_world_set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_sendgrid_carries),
		TEST(test_mailgun_carries),
		TEST(test_ses_carries),
		TEST(test_ses_simple_carries),
		TEST(test_postmark_carries),
		TEST(test_resend_carries),
		TEST(test_only_those_who_wait),
		TEST(test_nobody_in_to),
		TEST(test_cc_moves_up),
		TEST(test_address_given_twice),
		TEST(test_html_only),
		TEST(test_empty_text),
		TEST(test_options),
		TEST(test_resend_idempotency_key),
		TEST(test_check),
	};

	return cmocka_run_group_tests_name("http_api", tests, http_world_begin, http_world_end);
}

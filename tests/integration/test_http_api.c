#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <ev.h>

#include "provider/provider.h"
#include "support/delivery.h"
#include "support/http_server.h"

/* Each provider against a server that knows only its documentation: what a job holds must arrive,
 * and every documented reply must come to its outcome. */

struct world {
	struct ev_loop *loop;
	struct options options;
	struct http_server *server;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	delivery_options(&w->options);
	w->server = http_server_start();
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	http_server_free(w->server);
	options_free(&w->options);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

static int set_up(void **state)
{
	http_server_clear(((struct world *)*state)->server);
	return 0;
}

static const char *const dsns[] = {
	"sendgrid://test-key-123@default?endpoint=%s",
	"mailgun://test-key-123:mg.example.org@default?endpoint=%s",
	"ses://AKIDEXAMPLE:secret%%2F%%2B123@default?region=eu-west-1&endpoint=%s",
	"postmark://test-key-123@default?endpoint=%s",
	"resend://test-key-123@default?endpoint=%s",
};

enum { SENDGRID, MAILGUN, SES, POSTMARK, RESEND, N_APIS };

static const char *const names[] = {"sendgrid", "mailgun", "ses", "postmark", "resend"};

static struct provider *open_api(struct world *w, int api, const char *behaviour, const char *more)
{
	char dsn[512];

	snprintf(dsn, sizeof(dsn), "%s%s", dsns[api], more);
	dsn[sizeof(dsn) - 1] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return delivery_open(w->loop, &w->options, dsn,
	                     http_server_url(w->server, behaviour, names[api]));
#pragma GCC diagnostic pop
}

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
static void expect_mail(struct world *w, size_t n, const char *expected, const char *message_id)
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

static void carries(struct world *w, int api, const char *more, bool keeps_message_id)
{
	struct provider *p = open_api(w, api, NULL, more);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sendgrid_carries, set_up),
		cmocka_unit_test_setup(test_mailgun_carries, set_up),
		cmocka_unit_test_setup(test_ses_carries, set_up),
		cmocka_unit_test_setup(test_ses_simple_carries, set_up),
		cmocka_unit_test_setup(test_postmark_carries, set_up),
		cmocka_unit_test_setup(test_resend_carries, set_up),
	};

	return cmocka_run_group_tests_name("http_api", tests, begin, end);
}

/* SES against a server that we did not write: aws-ses-v2-local of npm, which keeps what it was sent.
 * It is installed into the build directory the first time; where that cannot be, the test is skipped. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <ev.h>

#include "base/buf.h"
#include "support/delivery.h"
#include "support/npm.h"
#include "support/port.h"
#include "support/process.h"
#include "support/wait.h"

#define PACKAGE "aws-ses-v2-local@2.10.2"

static char *program;
static int port;
static struct process *server;

static int begin(void **state)
{
	char number[16];

	(void)state;
	program = npm_install(PACKAGE, ".bin/aws-ses-v2-local");
	if (program == NULL)
		return 0;
	setenv("no_proxy", "127.0.0.1", 1);
	port = port_free();
	snprintf(number, sizeof(number), "%d", port);
	server = process_start(
		(const char *const[]){program, "--port", number, "--host", "127.0.0.1", NULL},
		NULL);
	process_wait_line(server, "server running", 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (server != NULL)
		process_kill(server);
	process_free(server);
	free(program);
	return 0;
}

static size_t keep(char *bytes, size_t size, size_t n, void *data)
{
	buf_add(data, bytes, size * n);
	return size * n;
}

/* The mail that it has kept under this id. */
static cJSON *kept(const char *id)
{
	CURL *e = curl_easy_init();
	const cJSON *mail;
	cJSON *found = NULL, *all;
	struct buf body;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/store", port);
	buf_init(&body, 1 << 24);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, &body);
	assert_int_equal(curl_easy_perform(e), CURLE_OK);
	curl_easy_cleanup(e);
	all = cJSON_Parse(buf_str(&body));
	cJSON_ArrayForEach(mail, cJSON_GetObjectItem(all, "emails"))
	{
		if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(mail, "messageId")), id) == 0)
			found = cJSON_Duplicate(mail, true);
	}
	cJSON_Delete(all);
	buf_free(&body);
	assert_non_null(found);
	return found;
}

static const char *text_at(const cJSON *mail, const char *outer, const char *inner)
{
	const cJSON *o = cJSON_GetObjectItem(mail, outer);
	const char *text = cJSON_GetStringValue(inner == NULL ? o : cJSON_GetObjectItem(o, inner));

	assert_non_null(text);
	return text;
}

static void delivers(const char *mode, const char *to)
{
	static const char job[] =
		"{\"to\":\"Ada <ada@example.com>\",\"subject\":\"Grüße\",\"text\":\"größer\","
		"\"html\":\"<p>größer\",\"attachments\":[{\"filename\":\"a.txt\","
		"\"contentType\":\"text/plain\",\"content\":\"aGVsbG8=\"}],\"tags\":[\"one\"]}";
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	const cJSON *attachment;
	struct options options;
	struct provider *p;
	struct mail *m;
	cJSON *got;

	if (server == NULL)
		skip();
	delivery_options(&options);
	p = delivery_open(loop, &options,
	                  "ses://AKIDEXAMPLE:secret@default?region=eu-west-1&mode=%s"
	                  "&endpoint=http://127.0.0.1:%d",
	                  mode, port);
	m = mail_new(p, 1, job);
	mail_deliver(m);
	if (m->outcome.kind != OUTCOME_SENT)
		fail_msg("%s %s", m->outcome.code, m->outcome.text);
	got = kept(m->outcome.message_id);
	assert_string_equal(text_at(got, "subject", NULL), "Grüße");
	assert_string_equal(text_at(got, "body", "text"), "größer");
	assert_string_equal(text_at(got, "body", "html"), "<p>größer");
	assert_string_equal(
		cJSON_GetArrayItem(
			cJSON_GetObjectItem(cJSON_GetObjectItem(got, "destination"), "to"), 0)
			->valuestring,
		to);
	attachment = cJSON_GetArrayItem(cJSON_GetObjectItem(got, "attachments"), 0);
	assert_string_equal(text_at(attachment, "filename", NULL), "a.txt");
	assert_string_equal(text_at(attachment, "content", NULL), "aGVsbG8=");
	cJSON_Delete(got);
	mail_free(m);
	provider_close(p);
	options_free(&options);
	ev_loop_destroy(loop);
}

static void test_raw(void **state)
{
	(void)state;
	delivers("raw", "\"Ada\" <ada@example.com>"); /* it writes what it has parsed */
}

static void test_simple(void **state)
{
	(void)state;
	delivers("simple", "Ada <ada@example.com>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_simple),
	};

	return cmocka_run_group_tests_name("ses_local", tests, begin, end);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/sendgrid.h"
#include "support/http_case.h"

#define ERROR(MESSAGE, FIELD)                                                                      \
	"{\"errors\":[{\"message\":\"" MESSAGE "\",\"field\":" FIELD ",\"help\":null}]}"

static const struct http_case cases[] = {
	{202, "X-Message-Id: fPvd1tfyTxaEyMIzTHmEBA\n", NULL, OUTCOME_SENT, "202", NULL, 0,
         "fPvd1tfyTxaEyMIzTHmEBA"},
	{202, NULL, NULL, OUTCOME_SENT, "202", NULL, 0, NULL},
	/* the sandbox */
	{200, NULL, NULL, OUTCOME_SENT, "200", NULL, 0, NULL},
	{200, "x-message-id: abc\n", "{}", OUTCOME_SENT, "200", NULL, 0, "abc"},
	/* somebody else's page is no proof */
	{200, NULL, "<html>Welcome</html>", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{400, NULL, ERROR("Does not contain a valid address.", "\"personalizations.0.to.0.email\""),
         OUTCOME_REJECTED, "400",
         "Does not contain a valid address. (personalizations.0.to.0.email)", 0, NULL},
	{400, NULL, ERROR("Bad Request", "null"), OUTCOME_REJECTED, "400", "Bad Request", 0, NULL},
	{400, NULL, ERROR("Bad Request", "\"null\""), OUTCOME_REJECTED, "400", "Bad Request", 0,
         NULL},
	{400, NULL, "not JSON", OUTCOME_REJECTED, "400", NULL, 0, NULL},
	{401, NULL,
         ERROR("The provided authorization grant is invalid, expired, or revoked", "null"),
         OUTCOME_PROVIDER_DOWN, "401", "authorization grant", 0, NULL},
	{401, NULL, ERROR("Maximum credits exceeded", "null"), OUTCOME_PROVIDER_DOWN, CODE_QUOTA,
         "Maximum credits", 0, NULL},
	{403, NULL,
         ERROR("The from address does not match a verified Sender Identity. Mail cannot be sent "
               "until this error is resolved.",
               "\"from\""),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, "Sender Identity", 0, NULL},
	{403, NULL, ERROR("access forbidden", "null"), OUTCOME_PROVIDER_DOWN, "403",
         "access forbidden", 0, NULL},
	{404, NULL, NULL, OUTCOME_PROVIDER_DOWN, "404", NULL, 0, NULL},
	{405, NULL, NULL, OUTCOME_PROVIDER_DOWN, "405", NULL, 0, NULL},
	{413, NULL, NULL, OUTCOME_REJECTED, CODE_TOO_LARGE, NULL, 0, NULL},
	/* the reset is a point in time, told by their clock */
	{429, "Date: Tue, 24 Nov 2026 10:00:00 GMT\nX-RateLimit-Reset: 1795514405\n",
         ERROR("too many requests", "null"), OUTCOME_THROTTLED, "429", "too many", 5000, NULL},
	{429, "Date: Tue, 24 Nov 2026 10:00:00 GMT\nX-RateLimit-Reset: 1795514300\n", NULL,
         OUTCOME_THROTTLED, "429", NULL, 1000, NULL},
	{429, NULL, NULL, OUTCOME_THROTTLED, "429", NULL, 0, NULL},
	{500, NULL, NULL, OUTCOME_RETRY, "500", NULL, 0, NULL},
	{502, NULL, NULL, OUTCOME_UNKNOWN, "502", NULL, 0, NULL},
	{503, NULL, NULL, OUTCOME_RETRY, "503", NULL, 0, NULL},
	{503, "Retry-After: 30\n", NULL, OUTCOME_THROTTLED, "503", NULL, 30000, NULL},
	{504, NULL, NULL, OUTCOME_UNKNOWN, "504", NULL, 0, NULL},
};

static void test_outcomes(void **state)
{
	(void)state;
	http_case_run(cases, sizeof(cases) / sizeof(cases[0]), sendgrid_judge);
}

/* The message of an outcome is bounded and printable, whatever the server writes. */
static void test_long_and_wild_words(void **state)
{
	struct http_reply r;
	struct outcome o;
	struct buf body;

	(void)state;
	buf_init(&body, 60000);
	buf_add_str(&body, "{\"errors\":[{\"message\":\"line\\r\\nBcc: x\\u0000y");
	for (int i = 0; i < 5000; i++)
		buf_add_char(&body, 'w');
	buf_add_str(&body, "\"},{\"message\":7},\"x\",null]}");
	http_case_reply(&r, 400, NULL, buf_str(&body));
	sendgrid_judge(&o, &r);
	assert_int_equal(o.kind, OUTCOME_REJECTED);
	assert_null(strpbrk(o.text, "\r\n"));
	assert_true(strlen(o.text) < OUTCOME_MAX_TEXT);
	http_reply_free(&r);
	buf_free(&body);
}

static void expect_body(const char *payload, bool sandbox, const char *expected)
{
	struct job *job = http_case_job(payload);
	struct addressees to = {0};
	struct buf body;

	addressees_fill(&to, job, NULL);
	buf_init(&body, 1 << 20);
	sendgrid_body(&body, job, "<id@example.org>", &to, sandbox);
	assert_true(buf_ok(&body));
	assert_string_equal(buf_str(&body), expected);
	buf_free(&body);
	addressees_free(&to);
	job_free(job);
}

static void test_body(void **state)
{
	(void)state;
	expect_body("{\"to\":\"a@example.com\",\"subject\":\"s\",\"text\":\"t\"}", false,
	            "{\"personalizations\":[{\"to\":[{\"email\":\"a@example.com\"}]}],"
	            "\"from\":{\"email\":\"sender@example.org\",\"name\":\"Sender\"},"
	            "\"subject\":\"s\",\"content\":[{\"type\":\"text/plain\",\"value\":\"t\"}],"
	            "\"headers\":{\"Message-ID\":\"<id@example.org>\"}}");
	expect_body(
		"{\"to\":[{\"email\":\"a@example.com\",\"name\":\"A, \\\"B\\\"; C\\\\D\"}],"
		"\"cc\":\"c@example.com\",\"bcc\":\"b@example.com\","
		"\"replyTo\":\"R <r@example.org>\",\"subject\":\"s\",\"html\":\"<p>\","
		"\"text\":\"line\\nline\",\"headers\":{\"X-A\":\"grün\"},"
		"\"attachments\":[{\"contentId\":\"logo\",\"contentType\":\"image/png\","
		"\"content\":\"aGk=\"}],\"tags\":[\"one\",\"two\"],\"metadata\":{\"k\":\"v\"}}",
		true,
		"{\"personalizations\":[{\"to\":[{\"email\":\"a@example.com\","
		"\"name\":\"\\\"A, \\\\\\\"B\\\\\\\"; C\\\\\\\\D\\\"\"}],"
		"\"cc\":[{\"email\":\"c@example.com\"}],\"bcc\":[{\"email\":\"b@example.com\"}],"
		"\"custom_args\":{\"k\":\"v\"}}],"
		"\"from\":{\"email\":\"sender@example.org\",\"name\":\"Sender\"},"
		"\"reply_to\":{\"email\":\"r@example.org\",\"name\":\"R\"},\"subject\":\"s\","
		"\"content\":[{\"type\":\"text/plain\",\"value\":\"line\\nline\"},"
		"{\"type\":\"text/html\",\"value\":\"<p>\"}],"
		"\"attachments\":[{\"content\":\"aGk=\",\"type\":\"image/png\","
		"\"filename\":\"logo\",\"disposition\":\"inline\",\"content_id\":\"logo\"}],"
		"\"headers\":{\"Message-ID\":\"<id@example.org>\","
		"\"X-A\":\"=?UTF-8?B?Z3LDvG4=?=\"},\"categories\":[\"one\",\"two\"],"
		"\"mail_settings\":{\"sandbox_mode\":{\"enable\":true}}}");
}

static void expect_refusal(const char *members, const char *why)
{
	http_case_refuses(sendgrid_refuses, members, why);
}

static void test_refuses(void **state)
{
	char *long_metadata;
	struct job *job;
	struct buf to;

	(void)state;
	expect_refusal("\"tags\":[]", NULL);
	expect_refusal("\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"]",
	               NULL);
	expect_refusal(
		"\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]",
		"10 tags");
	expect_refusal("\"headers\":{\"X-SG-EID\":\"1\"}", "X-SG-");
	expect_refusal("\"from\":\"jörg@example.org\"", "beyond ASCII");
	expect_refusal("\"attachments\":[{\"filename\":\"a\",\"content\":\"\"}]",
	               "empty attachment");

	buf_init(&to, 1 << 20);
	buf_add_str(&to, "\"metadata\":{");
	for (int i = 0; i < 10; i++)
		buf_addf(&to, "%s\"k%d\":\"%0*d\"", i > 0 ? "," : "", i, i < 9 ? 1000 : 912, 0);
	buf_add_char(&to, '}');
	long_metadata = buf_take(&to);
	expect_refusal(long_metadata, NULL); /* 9 * 1008 + 920 = 9992 */
	mem_free(long_metadata);
	buf_free(&to);

	buf_init(&to, 1 << 20);
	buf_add_str(&to, "\"metadata\":{");
	for (int i = 0; i < 10; i++)
		buf_addf(&to, "%s\"k%d\":\"%01000d\"", i > 0 ? "," : "", i, 0);
	buf_add_char(&to, '}');
	expect_refusal(buf_str(&to), "10000 bytes");
	buf_free(&to);

	job = http_case_job_with("\"tags\":[]");
	job->n_rcpts = 1001; /* only counted */
	assert_non_null(strstr(sendgrid_refuses(job), "1000 recipients"));
	job->n_rcpts = 1;
	job_free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_long_and_wild_words),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("sendgrid", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/postmark.h"
#include "support/http_case.h"

#define ERROR(CODE, TEXT) "{\"ErrorCode\":" CODE ",\"Message\":\"" TEXT "\"}"

static const struct http_case cases[] = {
	{200, NULL,
         "{\"To\":\"a@example.com\",\"SubmittedAt\":\"2026-11-24T10:00:00Z\","
         "\"MessageID\":\"b7bc2f4a-e38e-4336-af7d-e6c392c2f817\",\"ErrorCode\":0,"
         "\"Message\":\"OK\"}",
         OUTCOME_SENT, "200", NULL, 0, "b7bc2f4a-e38e-4336-af7d-e6c392c2f817"},
	{200, NULL,
         "{\"MessageID\":\"m\",\"Message\":\"Message accepted, but delivery may be delayed.\"}",
         OUTCOME_SENT, "200", NULL, 0, "m"},
	{200, NULL, "{\"ErrorCode\":0,\"Message\":\"OK\"}", OUTCOME_UNKNOWN, "200 0", NULL, 0,
         NULL},
	{200, NULL, "<html>", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{401, NULL,
         ERROR("10", "The Server Token you provided in the X-Postmark-Server-Token request header "
                     "was invalid."),
         OUTCOME_PROVIDER_DOWN, "401 10", "Server Token", 0, NULL},
	{422, NULL, ERROR("300", "Invalid 'From' address."), OUTCOME_REJECTED, "422 300", "Invalid",
         0, NULL},
	{422, NULL, ERROR("402", "Invalid JSON"), OUTCOME_REJECTED, "422 402", NULL, 0, NULL},
	{422, NULL, ERROR("403", "Incompatible JSON"), OUTCOME_REJECTED, "422 403", NULL, 0, NULL},
	{422, NULL,
         ERROR("406", "You tried to send to a recipient that has been marked as inactive."),
         OUTCOME_REJECTED, "422 406", "inactive", 0, NULL},
	{422, NULL, ERROR("409", "JSON required"), OUTCOME_REJECTED, "422 409", NULL, 0, NULL},
	{422, NULL, ERROR("410", "Too many batch messages"), OUTCOME_REJECTED, "422 410", NULL, 0,
         NULL},
	{422, NULL, ERROR("411", "Forbidden attachment type"), OUTCOME_REJECTED, "422 411", NULL, 0,
         NULL},
	{422, NULL, ERROR("400", "Sender signature not found"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, NULL, 0, NULL},
	{422, NULL, ERROR("401", "Sender signature not confirmed"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, NULL, 0, NULL},
	{422, NULL, ERROR("405", "Not allowed to send: you ran out of credits"),
         OUTCOME_PROVIDER_DOWN, CODE_QUOTA, NULL, 0, NULL},
	{422, NULL, ERROR("412", "Account is pending"), OUTCOME_PROVIDER_DOWN, "422 412", NULL, 0,
         NULL},
	{422, NULL, ERROR("413", "Account may not send"), OUTCOME_PROVIDER_DOWN, "422 413", NULL, 0,
         NULL},
	{422, NULL, ERROR("1235", "The stream provided does not exist"), OUTCOME_PROVIDER_DOWN,
         "422 1235", NULL, 0, NULL},
	{422, NULL, ERROR("1236", "Sending is not supported on the stream"), OUTCOME_PROVIDER_DOWN,
         "422 1236", NULL, 0, NULL},
	{422, NULL, ERROR("100", "Maintenance"), OUTCOME_RETRY, "422 100", NULL, 0, NULL},
	{422, NULL, ERROR("999999", "something new"), OUTCOME_REJECTED, "422 999999", NULL, 0,
         NULL},
	{422, NULL, NULL, OUTCOME_REJECTED, "422", NULL, 0, NULL},
	{404, NULL, NULL, OUTCOME_PROVIDER_DOWN, "404", NULL, 0, NULL},
	{415, NULL, NULL, OUTCOME_PROVIDER_DOWN, "415", NULL, 0, NULL},
	{413, NULL, NULL, OUTCOME_REJECTED, CODE_TOO_LARGE, NULL, 0, NULL},
	{429, NULL, NULL, OUTCOME_THROTTLED, "429", NULL, 0, NULL},
	{500, NULL, NULL, OUTCOME_RETRY, "500", NULL, 0, NULL},
	{503, NULL, ERROR("100", "Maintenance"), OUTCOME_RETRY, "503 100", NULL, 0, NULL},
	{502, NULL, NULL, OUTCOME_UNKNOWN, "502", NULL, 0, NULL},
};

static void test_outcomes(void **state)
{
	(void)state;
	http_case_run(cases, sizeof(cases) / sizeof(cases[0]), postmark_judge);
}

/* Which of three recipients a message of the reply names: one letter each, r for refused. */
static void expect_refused(const char *message, const char *expected)
{
	struct job *job = http_case_job(
		"{\"to\":[\"ab@example.com\",\"b@example.com\",\"b@example.co\"],"
		"\"subject\":\"s\",\"text\":\"t\"}");
	struct rcpt_result results[3] = {{.state = RCPT_PENDING}};
	struct delivery d = {.job = job, .rcpts = results};
	struct addressees to = {0};
	struct http_reply r;
	char body[512], got[4] = "---";

	addressees_fill(&to, job, results);
	snprintf(body, sizeof(body), "{\"ErrorCode\":0,\"MessageID\":\"m\",\"Message\":\"%s\"}",
	         message);
	http_case_reply(&r, 200, NULL, body);
	postmark_mark_refused(&r, &to, &d);
	for (size_t i = 0; i < 3; i++)
		if (results[i].state == RCPT_REFUSED)
			got[i] = 'r';
	assert_string_equal(got, expected);
	http_reply_free(&r);
	addressees_free(&to);
	job_free(job);
}

static void test_inactive_recipients(void **state)
{
	(void)state;
	expect_refused("OK", "---");
	expect_refused("b@example.com", "---");
	expect_refused(
		"Message OK, but will not deliver to these inactive addresses: b@example.com. "
		"Inactive recipients are ones that have generated a hard bounce.",
		"-r-");
	expect_refused("Message OK, but will not deliver to these inactive addresses: "
	               "AB@example.com, b@example.co. Inactive recipients are",
	               "r-r");
	expect_refused(
		"Message OK, but will not deliver to these inactive addresses: b@example.com",
		"-r-");
	expect_refused("Message OK, but will not deliver to these inactive addresses: "
	               "bb@example.com, b@example.com.au, x-b@example.com.",
	               "---");
}

static void expect_body(const char *payload, const char *stream, const char *expected)
{
	struct job *job = http_case_job(payload);
	struct addressees to = {0};
	struct buf body;

	addressees_fill(&to, job, NULL);
	buf_init(&body, 1 << 20);
	postmark_body(&body, job, "<id@example.org>", &to, stream);
	assert_true(buf_ok(&body));
	assert_string_equal(buf_str(&body), expected);
	buf_free(&body);
	addressees_free(&to);
	job_free(job);
}

#define ID_HEADERS                                                                                 \
	"{\"Name\":\"Message-ID\",\"Value\":\"<id@example.org>\"},"                                \
	"{\"Name\":\"X-PM-KeepID\",\"Value\":\"true\"}"

static void test_body(void **state)
{
	(void)state;
	expect_body("{\"to\":\"a@example.com\",\"subject\":\"s\",\"text\":\"t\"}", "",
	            "{\"From\":\"Sender <sender@example.org>\",\"To\":\"a@example.com\","
	            "\"Subject\":\"s\",\"TextBody\":\"t\",\"Headers\":[" ID_HEADERS "]}");
	expect_body(
		"{\"to\":[\"Ada <a@example.com>\",{\"name\":\"B, \\\"C\\\"\",\"email\":\"b@example.com\"}],"
		"\"cc\":\"Zoë <c@example.com>\",\"bcc\":\"d@example.com\",\"replyTo\":\"r@example.org\","
		"\"subject\":\"s\",\"text\":\"t\",\"html\":\"<p>\",\"headers\":{\"X-A\":\"1\"},"
		"\"attachments\":[{\"filename\":\"l.png\",\"contentType\":\"image/png\","
		"\"contentId\":\"logo\",\"content\":\"aGk=\"},{\"filename\":\"a.txt\","
		"\"content\":\"aGk=\"}],\"tags\":[\"one\"],\"metadata\":{\"k\":\"v\"}}",
		"news",
		"{\"From\":\"Sender <sender@example.org>\","
		"\"To\":\"Ada <a@example.com>,\\\"B, \\\\\\\"C\\\\\\\"\\\" <b@example.com>\","
		"\"Cc\":\"Zoë <c@example.com>\",\"Bcc\":\"d@example.com\","
		"\"ReplyTo\":\"r@example.org\",\"Subject\":\"s\",\"TextBody\":\"t\","
		"\"HtmlBody\":\"<p>\",\"Tag\":\"one\",\"Headers\":[" ID_HEADERS
		",{\"Name\":\"X-A\",\"Value\":\"1\"}],\"Metadata\":{\"k\":\"v\"},"
		"\"Attachments\":[{\"Name\":\"l.png\",\"Content\":\"aGk=\","
		"\"ContentType\":\"image/png\",\"ContentID\":\"cid:logo\"},"
		"{\"Name\":\"a.txt\",\"Content\":\"aGk=\","
		"\"ContentType\":\"application/octet-stream\"}],\"MessageStream\":\"news\"}");
}

static void test_refuses(void **state)
{
	struct job *job;

	(void)state;
	http_case_refuses(postmark_refuses, "\"tags\":[\"one\"]", NULL);
	http_case_refuses(postmark_refuses, "\"tags\":[\"one\",\"two\"]", "one tag");
	http_case_refuses(
		postmark_refuses,
		"\"metadata\":{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\",\"e\":\"1\",\"f\":\"1\","
		"\"g\":\"1\",\"h\":\"1\",\"i\":\"1\",\"j\":\"1\"}",
		NULL);
	http_case_refuses(
		postmark_refuses,
		"\"metadata\":{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\",\"e\":\"1\",\"f\":\"1\","
		"\"g\":\"1\",\"h\":\"1\",\"i\":\"1\",\"j\":\"1\",\"k\":\"1\"}",
		"10 metadata");
	http_case_refuses(postmark_refuses, "\"metadata\":{\"twenty-characters-20\":\"1\"}", NULL);
	http_case_refuses(postmark_refuses, "\"metadata\":{\"twenty-1-characters-2\":\"1\"}",
	                  "20 characters");
	/* 80 characters of two bytes each */
	http_case_refuses(postmark_refuses,
	                  "\"metadata\":{\"k\":\"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"
	                  "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü\"}",
	                  NULL);
	http_case_refuses(postmark_refuses,
	                  "\"metadata\":{\"k\":\"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"
	                  "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü1\"}",
	                  "80");
	http_case_refuses(postmark_refuses, "\"metadata\":{\"key\":\"1\",\"KEY\":\"2\"}", "case");
	job = http_case_job_with("\"tags\":[]");
	job->n_rcpts = 51; /* only counted */
	assert_non_null(strstr(postmark_refuses(job), "50 recipients"));
	job->n_rcpts = 1;
	job_free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_inactive_recipients),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("postmark", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/mailgun.h"
#include "support/http_case.h"

#define MESSAGE(TEXT) "{\"message\":\"" TEXT "\"}"

static const struct http_case cases[] = {
	{200, NULL,
         "{\"id\":\"<20111114174239.25659.5817@samples.mailgun.org>\",\"message\":\"Queued. "
         "Thank you.\"}",
         OUTCOME_SENT, "200", NULL, 0, "<20111114174239.25659.5817@samples.mailgun.org>"},
	/* What it says of paths that it does not know; nothing was sent. */
	{200, NULL, "Mailgun Magnificent API", OUTCOME_PROVIDER_DOWN, "endpoint", "Magnificent", 0,
         NULL},
	{200, NULL, "<html>proxy</html>", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{200, NULL, MESSAGE("Queued. Thank you."), OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{200, NULL, "{\"id\":\"<2011", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{400, NULL, MESSAGE("to parameter is not a valid address. please check documentation"),
         OUTCOME_REJECTED, "400", "not a valid address", 0, NULL},
	{400, NULL, MESSAGE("Too many recipients, max is 1000"), OUTCOME_REJECTED, "400", NULL, 0,
         NULL},
	{400, NULL,
         MESSAGE("Domain mg.example.org is not allowed to send: The domain is unverified and "
                 "requires DNS configuration. Log in to your control panel."),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, "unverified", 0, NULL},
	{400, NULL,
         MESSAGE("Domain sandbox1.mailgun.org is not allowed to send: Sandbox subdomains are for "
                 "test purposes only."),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, "Sandbox", 0, NULL},
	{400, NULL,
         MESSAGE("Domain mg.example.org is not allowed to send: Please activate your Mailgun "
                 "account."),
         OUTCOME_PROVIDER_DOWN, "400", "activate", 0, NULL},
	{401, NULL, "Forbidden", OUTCOME_PROVIDER_DOWN, "401", "Forbidden", 0, NULL},
	{402, NULL, MESSAGE("parameters were valid but request failed"), OUTCOME_PROVIDER_DOWN,
         "402", NULL, 0, NULL},
	{403, NULL, MESSAGE("Domain mg.example.org is not allowed to send large batches yet"),
         OUTCOME_REJECTED, "403", "large batches", 0, NULL},
	{403, NULL, MESSAGE("Rejected: IP 192.0.2.1 can't be used to send the message"),
         OUTCOME_PROVIDER_DOWN, "403", "192.0.2.1", 0, NULL},
	{404, NULL, MESSAGE("Domain not found: mg.example.org"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, "Domain not found", 0, NULL},
	{404, NULL, "<html>not here</html>", OUTCOME_PROVIDER_DOWN, "404", NULL, 0, NULL},
	{413, NULL, MESSAGE("request size exceeds 52.4MiB limit"), OUTCOME_REJECTED, CODE_TOO_LARGE,
         NULL, 0, NULL},
	/* The wait stands in the sentence. */
	{429, "Date: Mon, 20 Dec 2021 20:33:01 GMT\n",
         MESSAGE("Domain mg.example.org: recipient limit exceeded, try again after Mon, 20 Dec "
                 "2021 20:33:21 UTC"),
         OUTCOME_THROTTLED, "429", "recipient limit", 20000, NULL},
	{429, "Date: Mon, 20 Dec 2021 20:33:01 GMT\nRetry-After: 3\n",
         MESSAGE("request limit exceeded, try again after Mon, 20 Dec 2021 20:33:21 UTC"),
         OUTCOME_THROTTLED, "429", NULL, 3000, NULL},
	{429, NULL, MESSAGE("try again after never"), OUTCOME_THROTTLED, "429", NULL, 0, NULL},
	{500, NULL, MESSAGE("Internal Server Error"), OUTCOME_RETRY, "500", NULL, 0, NULL},
	{502, NULL, NULL, OUTCOME_UNKNOWN, "502", NULL, 0, NULL},
	{503, NULL, NULL, OUTCOME_RETRY, "503", NULL, 0, NULL},
	{504, NULL, NULL, OUTCOME_UNKNOWN, "504", NULL, 0, NULL},
};

static void test_outcomes(void **state)
{
	(void)state;
	http_case_run(cases, sizeof(cases) / sizeof(cases[0]), mailgun_judge);
}

static char *body_of(const char *members, bool testmode)
{
	struct job *job = http_case_job_with(members);
	struct delivery d = {.job = job, .message_id = "<id@example.org>", .date_ms = 0};
	struct addressees to = {0};
	struct http_call call;
	struct error err;
	char *body;

	addressees_fill(&to, job, NULL);
	http_call_init(&call, 1 << 20);
	assert_true(mailgun_body(&call, &d, &to, testmode, &err));
	assert_true(http_call_ok(&call));
	assert_non_null(
		strstr(buf_str(&call.headers), "Content-Type: multipart/form-data; boundary="));
	body = buf_take(&call.body);
	http_call_free(&call);
	addressees_free(&to);
	job_free(job);
	return body;
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

static void test_body(void **state)
{
	char *body = body_of(
		"\"bcc\":[\"b@example.com\",\"A@EXAMPLE.com\"],\"tags\":[\"one\",\"two\"],"
		"\"metadata\":{\"or\\\"der\":\"42\"}",
		true);
	char *again = body_of("\"tags\":[]", false);

	(void)state;
	assert_int_equal(count(body, "name=\"to\"\r\n\r\n"), 2); /* each address once */
	assert_non_null(strstr(body, "name=\"to\"\r\n\r\nb@example.com\r\n"));
	assert_int_equal(count(body, "name=\"o:tag\""), 2);
	assert_non_null(strstr(body, "name=\"v:or%22der\"\r\n\r\n42\r\n"));
	assert_non_null(strstr(body, "name=\"o:testmode\"\r\n\r\nyes\r\n"));
	assert_non_null(strstr(body, "name=\"message\"; filename="));
	assert_non_null(strstr(body, "Message-ID: <id@example.org>\r\n"));
	assert_null(strstr(again, "o:testmode"));
	/* Nobody can write what separates the parts: it is another each time. */
	assert_int_not_equal(strncmp(body, again, strcspn(body, "\r")), 0);
	mem_free(body);
	mem_free(again);
}

static void test_refuses(void **state)
{
	struct job *job;

	(void)state;
	http_case_refuses(mailgun_refuses,
	                  "\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"]",
	                  NULL);
	http_case_refuses(
		mailgun_refuses,
		"\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]",
		"10 tags");
	http_case_refuses(mailgun_refuses, "\"tags\":[\"grün\"]", "ASCII");
	http_case_refuses(mailgun_refuses, "\"metadata\":{\"size\":\"größer\"}", NULL);
	job = http_case_job_with("\"tags\":[]");
	job->n_rcpts = 1001; /* only counted */
	assert_non_null(strstr(mailgun_refuses(job), "1000 recipients"));
	job->n_rcpts = 1;
	job_free(job);
}

static void test_refuses_too_much_metadata(void **state)
{
	struct buf members;

	(void)state;
	buf_init(&members, 1 << 20);
	buf_add_str(&members, "\"metadata\":{");
	for (int i = 0; i < 16; i++)
		buf_addf(&members, "%s\"k%02d\":\"%01000d\"", i > 0 ? "," : "", i, 0);
	buf_add_char(&members, '}');
	http_case_refuses(mailgun_refuses, buf_str(&members), NULL); /* 16 * 1005 */
	members.len--;
	buf_addf(&members, ",\"k16\":\"%01000d\"}", 0);
	http_case_refuses(mailgun_refuses, buf_str(&members), "16 kB");
	buf_free(&members);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_too_much_metadata),
	};

	return cmocka_run_group_tests_name("mailgun", tests, NULL, NULL);
}

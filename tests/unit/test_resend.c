#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "provider/resend.h"
#include "support/http_case.h"

#define ERROR(STATUS, NAME, TEXT)                                                                  \
	"{\"statusCode\":" STATUS ",\"name\":\"" NAME "\",\"message\":\"" TEXT "\"}"

static const struct http_case cases[] = {
	{200, NULL, "{\"id\":\"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794\"}", OUTCOME_SENT, "200", NULL,
         0, "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"},
	{200, NULL, "{\"data\":[]}", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{400, NULL, ERROR("400", "validation_error", "We found an error with one or more fields"),
         OUTCOME_REJECTED, "400 validation_error", "one or more", 0, NULL},
	{400, NULL, ERROR("400", "invalid_idempotency_key", "x"), OUTCOME_REJECTED,
         "400 invalid_idempotency_key", NULL, 0, NULL},
	{401, NULL, ERROR("401", "missing_api_key", "Missing API key"), OUTCOME_PROVIDER_DOWN,
         "401 missing_api_key", NULL, 0, NULL},
	{401, NULL, ERROR("401", "restricted_api_key", "This API key is restricted"),
         OUTCOME_PROVIDER_DOWN, "401 restricted_api_key", NULL, 0, NULL},
	{403, NULL, ERROR("403", "invalid_api_key", "API key is invalid"), OUTCOME_PROVIDER_DOWN,
         "403 invalid_api_key", NULL, 0, NULL},
	{403, NULL, ERROR("403", "suspended_api_key", "x"), OUTCOME_PROVIDER_DOWN,
         "403 suspended_api_key", NULL, 0, NULL},
	{403, NULL, ERROR("403", "invalid_permission", "x"), OUTCOME_PROVIDER_DOWN,
         "403 invalid_permission", NULL, 0, NULL},
	{403, NULL, ERROR("403", "validation_error", "The example.org domain is not verified."),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, "not verified", 0, NULL},
	{403, NULL,
         ERROR("403", "validation_error",
               "You can only send testing emails to your own email address"),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, NULL, 0, NULL},
	{403, NULL, ERROR("403", "invalid_from_address", "x"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, NULL, 0, NULL},
	{404, NULL, ERROR("404", "not_found", "x"), OUTCOME_PROVIDER_DOWN, "404 not_found", NULL, 0,
         NULL},
	{405, NULL, ERROR("405", "method_not_allowed", "x"), OUTCOME_PROVIDER_DOWN,
         "405 method_not_allowed", NULL, 0, NULL},
	/* the same key is at work there: in a moment it will say what became of it */
	{409, NULL, ERROR("409", "concurrent_idempotent_requests", "x"), OUTCOME_RETRY,
         "409 concurrent_idempotent_reque", NULL, 2000, NULL},
	{409, NULL, ERROR("409", "resource_locked", "x"), OUTCOME_RETRY, "409 resource_locked",
         NULL, 2000, NULL},
	{409, NULL, ERROR("409", "invalid_idempotent_request", "x"), OUTCOME_REJECTED,
         "409 invalid_idempotent_request", NULL, 0, NULL},
	{413, NULL, NULL, OUTCOME_REJECTED, CODE_TOO_LARGE, NULL, 0, NULL},
	{422, NULL, ERROR("422", "missing_required_field", "The `to` field is missing."),
         OUTCOME_REJECTED, "422 missing_required_field", NULL, 0, NULL},
	{422, NULL, ERROR("422", "invalid_attachment", "x"), OUTCOME_REJECTED,
         "422 invalid_attachment", NULL, 0, NULL},
	{422, NULL, ERROR("422", "invalid_from_address", "x"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, NULL, 0, NULL},
	/* older servers call the name type */
	{422, NULL, "{\"statusCode\":422,\"type\":\"invalid_parameter\",\"message\":\"x\"}",
         OUTCOME_REJECTED, "422 invalid_parameter", NULL, 0, NULL},
	{429, "retry-after: 3\nratelimit-reset: 9\n",
         ERROR("429", "rate_limit_exceeded", "Too many"), OUTCOME_THROTTLED,
         "429 rate_limit_exceeded", "Too many", 3000, NULL},
	{429, "ratelimit-reset: 9\n", ERROR("429", "rate_limit_exceeded", "x"), OUTCOME_THROTTLED,
         "429 rate_limit_exceeded", NULL, 9000, NULL},
	{429, "ratelimit-reset: 0\n", ERROR("429", "rate_limit_exceeded", "x"), OUTCOME_THROTTLED,
         "429 rate_limit_exceeded", NULL, 1000, NULL},
	{429, "ratelimit-reset: 99999999\n", ERROR("429", "rate_limit_exceeded", "x"),
         OUTCOME_THROTTLED, "429 rate_limit_exceeded", NULL, 0, NULL},
	{429, NULL, ERROR("429", "daily_quota_exceeded", "x"), OUTCOME_PROVIDER_DOWN, CODE_QUOTA,
         NULL, 0, NULL},
	{429, NULL, ERROR("429", "monthly_quota_exceeded", "x"), OUTCOME_PROVIDER_DOWN, CODE_QUOTA,
         NULL, 0, NULL},
	{451, NULL, ERROR("451", "security_error", "x"), OUTCOME_REJECTED, "451 security_error",
         NULL, 0, NULL},
	{500, NULL, ERROR("500", "application_error", "x"), OUTCOME_RETRY, "500 application_error",
         NULL, 0, NULL},
	{503, NULL, ERROR("503", "service_unavailable", "x"), OUTCOME_RETRY,
         "503 service_unavailable", NULL, 0, NULL},
	/* Cloudflare's, in front of it */
	{520, NULL, "<html>", OUTCOME_UNKNOWN, "520", NULL, 0, NULL},
	{521, NULL, "<html>", OUTCOME_RETRY, "521", NULL, 0, NULL},
	{524, NULL, "<html>", OUTCOME_UNKNOWN, "524", NULL, 0, NULL},
};

static void test_outcomes(void **state)
{
	(void)state;
	http_case_run(cases, sizeof(cases) / sizeof(cases[0]), resend_judge);
}

/* That two attempts met is nobody's illness: the breaker must not count it. */
static void test_concurrent_is_healthy(void **state)
{
	struct http_reply r;
	struct outcome o;

	(void)state;
	http_case_reply(&r, 409, NULL, ERROR("409", "concurrent_idempotent_requests", "x"));
	resend_judge(&o, &r);
	assert_true(o.healthy);
	http_reply_free(&r);
	http_case_reply(&r, 500, NULL, ERROR("500", "application_error", "x"));
	resend_judge(&o, &r);
	assert_false(o.healthy);
	http_reply_free(&r);
}

static void key_of(char out[RESEND_KEY_SIZE], const char *key, const char *id, bool first_accepted)
{
	struct job *job = http_case_job("{\"to\":[\"a@example.com\",\"b@example.com\"],"
	                                "\"subject\":\"s\",\"text\":\"t\"}");
	struct rcpt_result results[2] = {{.state = RCPT_PENDING}};
	struct delivery d = {.job = job, .key = key, .message_id = id, .rcpts = results};
	struct addressees to = {0};

	results[0].state = first_accepted ? RCPT_ACCEPTED : RCPT_PENDING;
	addressees_fill(&to, job, results);
	resend_key(out, &d, &to);
	addressees_free(&to);
	job_free(job);
}

static void test_idempotency_key(void **state)
{
	char key[RESEND_KEY_SIZE], other[RESEND_KEY_SIZE];

	(void)state;
	key_of(key, "order-42", "<id@example.org>", false);
	key_of(other, "order-42", "<id@example.org>", false);
	assert_string_equal(key, other);
	assert_true(strlen(key) > 16);
	assert_int_equal(
		strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
		strlen(key));
	key_of(other, "order-43", "<id@example.org>", false);
	assert_string_not_equal(key, other);
	key_of(other, "order-42", "<id2@example.org>", false); /* other content */
	assert_string_not_equal(key, other);
	key_of(other, "order-42", "<id@example.org>", true); /* another body */
	assert_string_not_equal(key, other);
	key_of(other, "order-4", "2<id@example.org>", false);
	assert_string_not_equal(key, other);
}

static void expect_body(const char *payload, const char *expected)
{
	struct job *job = http_case_job(payload);
	struct addressees to = {0};
	struct buf body;

	addressees_fill(&to, job, NULL);
	buf_init(&body, 1 << 20);
	resend_body(&body, job, &to);
	assert_true(buf_ok(&body));
	assert_string_equal(buf_str(&body), expected);
	buf_free(&body);
	addressees_free(&to);
	job_free(job);
}

static void test_body(void **state)
{
	(void)state;
	expect_body("{\"to\":\"a@example.com\",\"subject\":\"s\",\"text\":\"t\"}",
	            "{\"from\":\"Sender <sender@example.org>\",\"to\":[\"a@example.com\"],"
	            "\"subject\":\"s\",\"text\":\"t\"}");
	expect_body(
		"{\"to\":[\"Ada <a@example.com>\",\"b@example.com\"],\"cc\":\"c@example.com\","
		"\"bcc\":\"d@example.com\",\"replyTo\":\"r@example.org\",\"subject\":\"s\","
		"\"html\":\"<p>\",\"headers\":{\"X-A\":\"1\"},\"attachments\":["
		"{\"filename\":\"l.png\",\"contentType\":\"image/png\",\"contentId\":\"logo\","
		"\"content\":\"aGk=\"},{\"filename\":\"a.pdf\",\"content\":\"aGk=\"},"
		"{\"filename\":\"README\",\"content\":\"aGk=\"}],\"tags\":[\"one\"],"
		"\"metadata\":{\"k\":\"v\"}}",
		"{\"from\":\"Sender <sender@example.org>\",\"to\":[\"Ada <a@example.com>\","
		"\"b@example.com\"],\"cc\":[\"c@example.com\"],\"bcc\":[\"d@example.com\"],"
		"\"reply_to\":[\"r@example.org\"],\"subject\":\"s\",\"text\":\"\","
		"\"html\":\"<p>\",\"headers\":{\"X-A\":\"1\"},\"attachments\":["
		"{\"filename\":\"l.png\",\"content\":\"aGk=\",\"content_type\":\"image/png\","
		"\"content_id\":\"logo\"},"
		/* its name tells the type, where the job does not */
		"{\"filename\":\"a.pdf\",\"content\":\"aGk=\"},"
		"{\"filename\":\"README\",\"content\":\"aGk=\","
		"\"content_type\":\"application/octet-stream\"}],"
		"\"tags\":[{\"name\":\"tag\",\"value\":\"one\"},{\"name\":\"k\",\"value\":\"v\"}]}");
}

static void test_refuses(void **state)
{
	struct job *job;

	(void)state;
	http_case_refuses(resend_refuses, "\"tags\":[\"one\",\"two\"],\"metadata\":{\"k\":\"v\"}",
	                  NULL);
	http_case_refuses(resend_refuses, "\"tags\":[\"a b\"]", "letters, digits");
	http_case_refuses(resend_refuses, "\"attachments\":[{\"filename\":\"a\",\"content\":\"\"}]",
	                  "empty attachment");
	job = http_case_job("{\"bcc\":[\"a@x.org\",\"b@x.org\"],\"subject\":\"s\",\"text\":\"t\"}");
	assert_non_null(strstr(resend_refuses(job), "nobody else"));
	job_free(job);
	job = http_case_job("{\"bcc\":[\"a@x.org\",\"A@x.org\"],\"subject\":\"s\",\"text\":\"t\"}");
	assert_null(resend_refuses(job)); /* one, who moves up */
	job_free(job);
	job = http_case_job_with("\"tags\":[]");
	job->rcpts = mem_realloc(job->rcpts, 51 * sizeof(job->rcpts[0]));
	for (size_t i = 1; i < 51; i++)
		job->rcpts[i] = (struct job_rcpt){.kind = JOB_TO};
	job->n_rcpts = 50;
	assert_null(resend_refuses(job));
	job->n_rcpts = 51;
	assert_non_null(strstr(resend_refuses(job), "50 recipients"));
	job->n_rcpts = 1;
	job_free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_concurrent_is_healthy),
		cmocka_unit_test(test_idempotency_key),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("resend", tests, NULL, NULL);
}

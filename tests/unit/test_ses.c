#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "provider/ses.h"
#include "support/http_case.h"

#define TYPE(NAME) "x-amzn-ErrorType: " NAME "\n"
#define MESSAGE(TEXT) "{\"message\":\"" TEXT "\"}"

static const struct http_case cases[] = {
	{200, "x-amzn-RequestId: r\n", "{\"MessageId\":\"0102017c-0000\"}", OUTCOME_SENT, "200",
         NULL, 0, "0102017c-0000"},
	{200, NULL, "{}", OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{200, NULL, NULL, OUTCOME_UNKNOWN, "200", NULL, 0, NULL},
	{400, TYPE("BadRequestException:http://internal.amazon.com/coral/com.amazonaws.ses/"),
         MESSAGE("Local address contains control or whitespace"), OUTCOME_REJECTED,
         "400 BadRequestException", "Local address", 0, NULL},
	{400, TYPE("com.amazonaws.ses#MessageRejected"), MESSAGE("Spam detected"), OUTCOME_REJECTED,
         "400 MessageRejected", "Spam", 0, NULL},
	{400, TYPE("MessageRejected"),
         MESSAGE("Email address is not verified. The following identities failed the check in "
                 "region EU-WEST-1: a@example.org"),
         OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, "not verified", 0, NULL},
	{400, TYPE("MailFromDomainNotVerifiedException"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN,
         CODE_SENDER_REFUSED, NULL, 0, NULL},
	{404, TYPE("NotFoundException"), MESSAGE("Configuration set <x> does not exist."),
         OUTCOME_PROVIDER_DOWN, "404 NotFoundException", NULL, 0, NULL},
	{429, TYPE("TooManyRequestsException"), MESSAGE("Maximum sending rate exceeded."),
         OUTCOME_THROTTLED, "429 TooManyRequestsException", NULL, 2000, NULL},
	{400, TYPE("ThrottlingException"), MESSAGE("Maximum sending rate exceeded."),
         OUTCOME_THROTTLED, "400 ThrottlingException", NULL, 2000, NULL},
	{400, TYPE("Throttling"), MESSAGE("Rate exceeded"), OUTCOME_THROTTLED, "400 Throttling",
         NULL, 2000, NULL},
	{400, TYPE("Throttling"), MESSAGE("Daily message quota exceeded."), OUTCOME_PROVIDER_DOWN,
         CODE_QUOTA, "quota", 0, NULL},
	{400, TYPE("LimitExceededException"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN, CODE_QUOTA, NULL,
         0, NULL},
	{400, TYPE("AccountSuspendedException"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN,
         "400 AccountSuspendedException", NULL, 0, NULL},
	{400, TYPE("SendingPausedException"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN,
         "400 SendingPausedException", NULL, 0, NULL},
	{403, TYPE("AccessDeniedException"), "{\"Message\":\"User is not authorized\"}",
         OUTCOME_PROVIDER_DOWN, "403 AccessDeniedException", "not authorized", 0, NULL},
	{403, TYPE("UnrecognizedClientException"),
         MESSAGE("The security token included in the request is invalid."), OUTCOME_PROVIDER_DOWN,
         "403 UnrecognizedClientException", NULL, 0, NULL},
	{403, TYPE("InvalidSignatureException"),
         MESSAGE("The request signature we calculated does not match"), OUTCOME_PROVIDER_DOWN,
         "403 InvalidSignatureException", NULL, 0, NULL},
	{400, TYPE("IncompleteSignature"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN,
         "400 IncompleteSignature", NULL, 0, NULL},
	{403, TYPE("ExpiredTokenException"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN,
         "403 ExpiredTokenException", NULL, 0, NULL},
	{403, TYPE("OptInRequired"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN, "403 OptInRequired", NULL,
         0, NULL},
	/* without the header: the code is in the body */
	{403, NULL, "{\"__type\":\"com.amazon.coral.service#MissingAuthenticationToken\"}",
         OUTCOME_PROVIDER_DOWN, "403 MissingAuthenticationToken", NULL, 0, NULL},
	{400, NULL, "{\"code\":\"MessageRejected\",\"message\":\"Address blacklisted.\"}",
         OUTCOME_REJECTED, "400 MessageRejected", "blacklisted", 0, NULL},
	{400, TYPE("BadRequestException"),
         MESSAGE("Message length is more than 41943040 bytes long"), OUTCOME_REJECTED,
         CODE_TOO_LARGE, NULL, 0, NULL},
	{413, NULL, NULL, OUTCOME_REJECTED, CODE_TOO_LARGE, NULL, 0, NULL},
	/* Our clock is wrong: not the provider's fault, and the next request is signed by theirs. */
	{403, TYPE("InvalidSignatureException") "Date: Tue, 24 Nov 2026 10:00:00 GMT\n",
         MESSAGE("Signature expired: 20261124T090000Z is now earlier than 20261124T095500Z"),
         OUTCOME_RETRY, "403 InvalidSignatureException", "Signature expired", 0, NULL},
	/* ... unless they do not tell theirs. */
	{403, TYPE("RequestExpired"), MESSAGE("x"), OUTCOME_PROVIDER_DOWN, "403 RequestExpired",
         NULL, 0, NULL},
	{500, TYPE("InternalFailure"), NULL, OUTCOME_RETRY, "500 InternalFailure", NULL, 0, NULL},
	{503, TYPE("ServiceUnavailable"), NULL, OUTCOME_RETRY, "503 ServiceUnavailable", NULL, 0,
         NULL},
	{504, NULL, NULL, OUTCOME_UNKNOWN, "504", NULL, 0, NULL},
};

static void test_outcomes(void **state)
{
	(void)state;
	http_case_run(cases, sizeof(cases) / sizeof(cases[0]), ses_judge);
}

static void test_clock_error(void **state)
{
	struct http_reply r;

	(void)state;
	http_case_reply(&r, 403, TYPE("RequestExpired") "Date: Tue, 24 Nov 2026 10:00:00 GMT\n",
	                NULL);
	assert_int_equal(ses_clock_error(&r, 1795514400 - 3600), 3600);
	assert_int_equal(ses_clock_error(&r, 1795514400 + 3600), -3600);
	http_reply_free(&r);
	http_case_reply(&r, 403, TYPE("AccessDenied") "Date: Tue, 24 Nov 2026 10:00:00 GMT\n",
	                NULL);
	assert_int_equal(ses_clock_error(&r, 0), 0);
	http_reply_free(&r);
}

static void expect_body(const char *payload, const struct ses_options *o, const char *expected)
{
	struct job *job = http_case_job(payload);
	struct delivery d = {.job = job, .message_id = "<id@example.org>", .date_ms = 0};
	struct addressees to = {0};
	struct error err;
	struct buf body;

	addressees_fill(&to, job, NULL);
	buf_init(&body, 1 << 20);
	assert_true(ses_body(&body, &d, &to, o, &err));
	assert_true(buf_ok(&body));
	if (strncmp(buf_str(&body), expected, strlen(expected)) != 0)
		assert_string_equal(buf_str(&body), expected);
	buf_free(&body);
	addressees_free(&to);
	job_free(job);
}

static void test_simple_body(void **state)
{
	struct ses_options o = {.simple = true, .configuration_set = "prod"};

	(void)state;
	expect_body("{\"from\":\"Jörg <j@example.org>\",\"to\":\"Ada <a@example.com>\","
	            "\"bcc\":\"b@example.com\",\"replyTo\":\"r@example.org\",\"subject\":\"ü\","
	            "\"text\":\"t\",\"html\":\"<p>\",\"headers\":{\"X-A\":\"ä\"},"
	            "\"attachments\":[{\"filename\":\"a.txt\",\"contentType\":\"text/plain\","
	            "\"content\":\"aGk=\"}],\"tags\":[\"one\",\"two\"],\"metadata\":{\"k\":\"v\"}}",
	            &o,
	            "{\"FromEmailAddress\":\"=?UTF-8?B?SsO2cmc=?= <j@example.org>\","
	            "\"ReplyToAddresses\":[\"r@example.org\"],"
	            "\"Destination\":{\"ToAddresses\":[\"Ada <a@example.com>\"],"
	            "\"BccAddresses\":[\"b@example.com\"]},\"Content\":{\"Simple\":{"
	            "\"Subject\":{\"Data\":\"ü\",\"Charset\":\"UTF-8\"},"
	            "\"Body\":{\"Text\":{\"Data\":\"t\",\"Charset\":\"UTF-8\"},"
	            "\"Html\":{\"Data\":\"<p>\",\"Charset\":\"UTF-8\"}},"
	            "\"Headers\":[{\"Name\":\"X-A\",\"Value\":\"=?UTF-8?B?w6Q=?=\"}],"
	            "\"Attachments\":[{\"RawContent\":\"aGk=\",\"FileName\":\"a.txt\","
	            "\"ContentType\":\"text/plain\",\"ContentDisposition\":\"ATTACHMENT\","
	            "\"ContentTransferEncoding\":\"BASE64\"}]}},"
	            "\"EmailTags\":[{\"Name\":\"tag\",\"Value\":\"one\"},"
	            "{\"Name\":\"tag2\",\"Value\":\"two\"},{\"Name\":\"k\",\"Value\":\"v\"}],"
	            "\"ConfigurationSetName\":\"prod\"}");
}

/* The envelope only; names, From and Reply-To are the message's. */
static void test_raw_body(void **state)
{
	struct ses_options o = {.simple = false, .configuration_set = ""};

	(void)state;
	expect_body("{\"to\":\"Ada <a@example.com>\",\"cc\":\"c@example.com\",\"subject\":\"s\","
	            "\"text\":\"t\"}",
	            &o,
	            "{\"Destination\":{\"ToAddresses\":[\"a@example.com\"],"
	            "\"CcAddresses\":[\"c@example.com\"]},\"Content\":{\"Raw\":{\"Data\":\"");
}

static const char *raw_refuses(const struct job *job)
{
	return ses_refuses(job, false);
}

static const char *simple_refuses(const struct job *job)
{
	return ses_refuses(job, true);
}

static void test_refuses(void **state)
{
	struct job *job;

	(void)state;
	http_case_refuses(raw_refuses, "\"tags\":[\"a-B_9\"],\"metadata\":{\"k\":\"v\"}", NULL);
	http_case_refuses(raw_refuses, "\"tags\":[\"with blank\"]", "letters, digits");
	http_case_refuses(raw_refuses, "\"metadata\":{\"k\":\"v.1\"}", "letters, digits");
	http_case_refuses(raw_refuses, "\"metadata\":{\"k.1\":\"v\"}", "letters, digits");
	http_case_refuses(raw_refuses, "\"tags\":[\"x\"],\"metadata\":{\"tag\":\"v\"}",
	                  "named as a tag");
	http_case_refuses(raw_refuses, "\"metadata\":{\"tag\":\"v\"}", NULL);
	http_case_refuses(raw_refuses, "\"replyTo\":\"jörg@example.org\"", "beyond ASCII");
	job = http_case_job_with("\"tags\":[]");
	job->n_rcpts = 51; /* only counted */
	assert_non_null(strstr(ses_refuses(job, false), "50 recipients"));
	job->n_rcpts = 1;
	job_free(job);
}

static void test_simple_refuses(void **state)
{
	struct buf members;

	(void)state;
	buf_init(&members, 1 << 20);
	buf_add_str(&members, "\"headers\":{");
	for (int i = 0; i < 16; i++)
		buf_addf(&members, "%s\"X-%d\":\"v\"", i > 0 ? "," : "", i);
	buf_add_char(&members, '}');
	http_case_refuses(simple_refuses, buf_str(&members), "15 headers");
	http_case_refuses(raw_refuses, buf_str(&members), NULL);
	buf_clear(&members);
	buf_addf(&members, "\"headers\":{\"X-A\":\"%0996d\"}", 0);
	http_case_refuses(simple_refuses, buf_str(&members), "995 characters");
	buf_clear(&members);
	buf_addf(&members, "\"headers\":{\"X-A\":\"%0900d\"}", 0);
	http_case_refuses(simple_refuses, buf_str(&members), NULL);
	buf_clear(&members);
	buf_addf(
		&members,
		"\"attachments\":[{\"content\":\"aGk=\",\"contentId\":\"%079d\",\"filename\":\"f\"}]",
		0);
	http_case_refuses(simple_refuses, buf_str(&members), "78 characters");
	http_case_refuses(raw_refuses, buf_str(&members), NULL);
	buf_free(&members);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),    cmocka_unit_test(test_clock_error),
		cmocka_unit_test(test_simple_body), cmocka_unit_test(test_raw_body),
		cmocka_unit_test(test_refuses),     cmocka_unit_test(test_simple_refuses),
	};

	return cmocka_run_group_tests_name("ses", tests, NULL, NULL);
}

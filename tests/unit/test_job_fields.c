/* Each member of a job by itself: what is taken, and the sentence for what is not. */
#include "mail/job_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

static const struct options options = {.mail_from = (char *)"shop@x.org"};

static struct job *parse_with(const struct options *o, const char *json, struct buf *faults)
{
	buf_init(faults, 100000);
	return job_parse(json, strlen(json), o, faults);
}

/* A job that is complete without these members; they may give a member of it once more, as null. */
static struct job *parse(const char *members, struct buf *faults)
{
	char *json = mem_printf("{\"to\":\"a@x.org\",\"subject\":\"S\",\"text\":\"T\",%s}",
	                        members);
	struct job *job = parse_with(&options, json, faults);

	mem_free(json);
	return job;
}

static void expect_faults(const char *members, const char *sentences)
{
	struct buf faults;
	struct job *job = parse(members, &faults);

	if (job != NULL)
		fail_msg("taken: %s", members);
	if (strcmp(buf_str(&faults), sentences) != 0)
		fail_msg("%s: %s", members, buf_str(&faults));
	buf_free(&faults);
}

/* The job; it must be valid. */
static struct job *expect_job(const char *members)
{
	struct buf faults;
	struct job *job = parse(members, &faults);

	if (job == NULL)
		fail_msg("%s: %s", members, buf_str(&faults));
	buf_free(&faults);
	return job;
}

struct row {
	const char *json, *faults;
};

static void check_whole(const struct row *rows, size_t n)
{
	struct buf faults;

	for (size_t i = 0; i < n; i++) {
		if (parse_with(&options, rows[i].json, &faults) != NULL)
			fail_msg("taken: %s", rows[i].json);
		if (strcmp(buf_str(&faults), rows[i].faults) != 0)
			fail_msg("%s: %s", rows[i].json, buf_str(&faults));
		buf_free(&faults);
	}
}

static void test_what_is_required(void **state)
{
	static const struct row rows[] = {
		{"{}",
	         "Field \"to\" is required; Field \"subject\" is required; Field \"body\" is required"},
		{"{\"to\":null,\"subject\":null,\"text\":null,\"body\":null,\"html\":null}",
	         "Field \"to\" is required; Field \"subject\" is required; Field \"body\" is required"},
		{"{\"to\":\"\",\"cc\":[],\"bcc\":null,\"subject\":\"\",\"text\":\"\"}",
	         "Field \"to\" is required; Field \"subject\" is required"},
		{"{\"To\":\"a@x.org\",\"Subject\":\"S\",\"TEXT\":\"T\"}",
	         "Field \"to\" is required; Field \"subject\" is required; Field \"body\" is required"},
		{"{\"to\":\"a@x.org\",\"subject\":\"S\",\"text\":1}",
	         "Field \"text\" must be a string"},
		{"{\"to\":\"a@x.org\",\"subject\":\"S\",\"html\":[]}",
	         "Field \"html\" must be a string"},
	};

	(void)state;
	check_whole(rows, N(rows));
}

static void test_any_body_will_do(void **state)
{
	static const char *const bodies[] = {"\"text\":\"\"",
	                                     "\"body\":\"\"",
	                                     "\"html\":\"\"",
	                                     "\"text\":\"T\",\"html\":\"H\"",
	                                     "\"text\":\"T\",\"body\":\"T\"",
	                                     "\"text\":null,\"body\":\"T\""};
	struct buf faults;

	(void)state;
	for (size_t i = 0; i < N(bodies); i++) {
		char *json = mem_printf("{\"bcc\":\"a@x.org\",\"subject\":\"S\",%s}", bodies[i]);
		struct job *job = parse_with(&options, json, &faults);

		if (job == NULL)
			fail_msg("%s: %s", json, buf_str(&faults));
		job_free(job);
		buf_free(&faults);
		mem_free(json);
	}
	expect_faults("\"body\":\"other\"",
	              "Field \"body\" must not differ from \"text\", of which it is another name");
}

static void test_addresses(void **state)
{
	static const struct row rows[] = {
		{"\"cc\":\"nobody\"", "Field \"cc\" must be a valid email address"},
		{"\"cc\":7", "Field \"cc\" must be a valid email address"},
		{"\"cc\":[\"b@x.org\",\"nobody\",null,[],\"\",{\"name\":\"x\"}]",
	         "Field \"cc[1]\" must be a valid email address; Field \"cc[2]\" must be a valid email address; "
	         "Field \"cc[3]\" must be a valid email address; Field \"cc[4]\" must be a valid email address; "
	         "Field \"cc[5]\" must be a valid email address"},
		{"\"bcc\":\"b@x.org, c@x.org\"",
	         "Field \"bcc\" must be a valid email address (several go into an array)"},
		{"\"bcc\":{\"email\":\"b@x.org\",\"name\":3}",
	         "Field \"bcc\" must have a name that is a string"},
		{"\"bcc\":{\"email\":[\"b@x.org\"]}",
	         "Field \"bcc\" must be a valid email address"},
		{"\"from\":\"nobody\"", "Field \"from\" must be a valid email address"},
		{"\"from\":[\"b@x.org\"]", "Field \"from\" must be a valid email address"},
		{"\"replyTo\":\"\"", "Field \"replyTo\" must be a valid email address"},
		{"\"replyTo\":\"a\\r\\nBcc: b@x.org\"",
	         "Field \"replyTo\" must not contain control characters"},
		{"\"from\":{\"email\":\"b@x.org\",\"name\":\"B\\nX: y\"}",
	         "Field \"from\" must not contain control characters"},
	};
	struct job *job;

	(void)state;
	for (size_t i = 0; i < N(rows); i++)
		expect_faults(rows[i].json, rows[i].faults);
	job = expect_job("\"cc\":{\"email\":\"b@x.org\",\"name\":null,\"more\":1},\"bcc\":[]");
	assert_int_equal(job->n_rcpts, 2);
	job_free(job);
}

static void test_sender_of_the_configuration(void **state)
{
	static const char json[] = "{\"to\":\"a@x.org\",\"subject\":\"S\",\"text\":\"T\"}";
	const struct options none = {.mail_from = (char *)""},
			     bad = {.mail_from = (char *)"nobody"};
	struct buf faults;

	(void)state;
	assert_null(parse_with(&none, json, &faults));
	assert_string_equal(buf_str(&faults), "Field \"from\" is required (MAIL_FROM is not set)");
	buf_free(&faults);
	assert_null(parse_with(&bad, json, &faults));
	assert_string_equal(buf_str(&faults), "MAIL_FROM must be a valid email address");
	buf_free(&faults);
}

/* n recipients over to, cc and bcc. */
static char *with_recipients(int n)
{
	struct buf b;

	buf_init(&b, 1000000);
	buf_add_str(
		&b,
		"{\"subject\":\"S\",\"text\":\"T\",\"cc\":\"c@x.org\",\"bcc\":[\"d@x.org\"],\"to\":[");
	for (int i = 0; i < n - 2; i++)
		buf_addf(&b, "%s\"person%d@x.org\"", i > 0 ? "," : "", i);
	buf_add_str(&b, "]}");
	return buf_take(&b);
}

static void test_recipients_are_bounded(void **state)
{
	char *most = with_recipients(JOB_MAX_RECIPIENTS),
	     *more = with_recipients(JOB_MAX_RECIPIENTS + 1);
	struct buf faults;
	struct job *job = parse_with(&options, most, &faults);

	(void)state;
	assert_non_null(job);
	assert_int_equal(job->n_rcpts, JOB_MAX_RECIPIENTS);
	job_free(job);
	buf_free(&faults);
	assert_null(parse_with(&options, more, &faults));
	assert_string_equal(buf_str(&faults),
	                    "Field \"to\" must have at most 1000 recipients, cc and bcc included");
	buf_free(&faults);
	mem_free(most);
	mem_free(more);
}

static void test_subjects(void **state)
{
	static const char *const bad[] = {
		"a\\r\\nBcc: b@x.org", "a\\nb", "a\\rb", "\\u0007", "\\u0085", "\\u007f"};
	char json[2000];
	struct buf faults;
	struct job *job;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		struct row row = {json, "Field \"subject\" must not contain control characters"};

		snprintf(json, sizeof(json),
		         "{\"to\":\"a@x.org\",\"text\":\"T\",\"subject\":\"%s\"}", bad[i]);
		check_whole(&row, 1);
	}
	for (int n = 997; n <= 998; n++) {
		snprintf(json, sizeof(json),
		         "{\"to\":\"a@x.org\",\"text\":\"T\",\"subject\":\"\\t%0*d\"}", n - 1, 0);
		job = parse_with(&options, json, &faults);
		assert_int_equal(job != NULL, n == 997);
		assert_string_equal(buf_str(&faults),
		                    n == 997 ? ""
		                             : "Field \"subject\" must be less than 998 bytes");
		job_free(job);
		buf_free(&faults);
	}
}

static void test_keys(void **state)
{
	static const char length[] =
		"Field \"idempotencyKey\" must be between 1 and 256 characters";
	static const char bytes[] =
		"Field \"idempotencyKey\" must not contain braces or control characters";
	char members[400];
	struct job *job;

	(void)state;
	expect_faults("\"idempotencyKey\":\"\"", length);
	expect_faults("\"idempotencyKey\":\"{a}\"", bytes);
	expect_faults("\"idempotencyKey\":\"a\\r\\nb\"", bytes);
	expect_faults("\"idempotencyKey\":42", "Field \"idempotencyKey\" must be a string");
	snprintf(members, sizeof(members), "\"idempotencyKey\":\"%0256d\"", 0);
	job = expect_job(members);
	assert_int_equal(strlen(job->key), 256);
	job_free(job);
	snprintf(members, sizeof(members), "\"idempotencyKey\":\"%0257d\"", 0);
	expect_faults(members, length);
	job = expect_job("\"idempotencyKey\":\"a:b c/d\"");
	assert_string_equal(job->key, "a:b c/d");
	job_free(job);
}

static void test_times(void **state)
{
	static const char *const bad[] = {"\"tomorrow\"",
	                                  "\"2026-11-24\"",
	                                  "\"1960-01-01T00:00:00Z\"",
	                                  "0",
	                                  "-1",
	                                  "1795514400" /* seconds */,
	                                  "253402300800000",
	                                  "1e300",
	                                  "true",
	                                  "[]"};
	char members[100];
	struct job *job;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(members, sizeof(members), "\"sendAt\":%s", bad[i]);
		expect_faults(
			members,
			"Field \"sendAt\" must be an RFC 3339 date and time or epoch milliseconds");
	}
	expect_faults(
		"\"expiresAt\":\"x\"",
		"Field \"expiresAt\" must be an RFC 3339 date and time or epoch milliseconds");
	job = expect_job("\"sendAt\":1795514400123.9,\"expiresAt\":\"2026-11-24T11:00:00+01:00\"");
	assert_true(job->send_at == INT64_C(1795514400123));
	assert_true(job->expires_at == INT64_C(1795514400000));
	job_free(job);
}

static void test_numbers(void **state)
{
	static const struct row rows[] = {
		{"\"priority\":-1", "Field \"priority\" must be a number between 0 and 10"},
		{"\"priority\":10.5", "Field \"priority\" must be a number between 0 and 10"},
		{"\"priority\":\"5\"", "Field \"priority\" must be a number between 0 and 10"},
		{"\"priority\":true", "Field \"priority\" must be a number between 0 and 10"},
		{"\"delay\":-1", "Field \"delay\" must be a number between 0 and 31536000000"},
		{"\"delay\":31536000001",
	         "Field \"delay\" must be a number between 0 and 31536000000"},
		{"\"delay\":1e300", "Field \"delay\" must be a number between 0 and 31536000000"},
		{"\"maxAttempts\":0", "Field \"maxAttempts\" must be a number between 1 and 100"},
		{"\"maxAttempts\":101", "Field \"maxAttempts\" must be a number between 1 and 100"},
	};
	struct job *job;

	(void)state;
	for (size_t i = 0; i < N(rows); i++)
		expect_faults(rows[i].json, rows[i].faults);
	job = expect_job("\"priority\":0,\"delay\":31536000000,\"maxAttempts\":100");
	assert_int_equal(job->priority, 0);
	assert_true(job->delay == INT64_C(31536000000));
	assert_int_equal(job->max_attempts, 100);
	job_free(job);
}

static void test_names(void **state)
{
	static const char provider[] =
		"Field \"provider\" must be a provider's name (letters, digits, - and _)";
	static const char tenant[] =
		"Field \"tenant\" must be 1 to 128 printable characters without braces";
	static const char choice[] = "Field \"onUnknown\" must be \"retry\", \"hold\" or \"fail\"";
	static const struct {
		const char *name;
		int value;
	} choices[] = {
		{"retry", ON_UNKNOWN_RETRY}, {"hold", ON_UNKNOWN_HOLD}, {"fail", ON_UNKNOWN_FAIL}};
	char members[300];
	struct job *job;

	(void)state;
	expect_faults("\"provider\":\"\"", provider);
	expect_faults("\"provider\":\"a b\"", provider);
	expect_faults("\"provider\":\"a:b\"", provider);
	expect_faults("\"provider\":\"\\u00e9\"", provider);
	expect_faults("\"provider\":\"a}\"", provider);
	snprintf(members, sizeof(members), "\"provider\":\"%065d\"", 0);
	expect_faults(members, provider);
	expect_faults("\"tenant\":\"\"", tenant);
	expect_faults("\"tenant\":\"{a}\"", tenant);
	expect_faults("\"tenant\":\"a\\nb\"", tenant);
	snprintf(members, sizeof(members), "\"tenant\":\"%0129d\"", 0);
	expect_faults(members, tenant);
	expect_faults("\"onUnknown\":\"drop\"", choice);
	expect_faults("\"onUnknown\":1", choice);
	for (int i = 0; i < 3; i++) {
		snprintf(members, sizeof(members), "\"onUnknown\":\"%s\"", choices[i].name);
		job = expect_job(members);
		assert_int_equal(job->on_unknown, choices[i].value);
		job_free(job);
	}
}

static void test_headers(void **state)
{
	static const char names[] =
		"Field \"headers\" must have names of 1 to 76 printable ASCII characters "
		"without blanks and colons";
	static const char *const reserved[] = {
		"From",         "to",           "CC",          "Bcc",
		"Sender",       "Subject",      "Date",        "Message-Id",
		"REPLY-TO",     "MIME-Version", "Received",    "Return-Path",
		"Content-Type", "content-x",    "Resent-From", "DKIM-Signature"};
	char members[10000];
	struct buf b;

	(void)state;
	expect_faults("\"headers\":[]", "Field \"headers\" must be an object");
	expect_faults("\"headers\":\"X: y\"", "Field \"headers\" must be an object");
	expect_faults("\"headers\":{\"X-A\":1}", "Field \"headers.X-A\" must be a string");
	expect_faults("\"headers\":{\"X-A\":\"a\\r\\nBcc: b@x.org\"}",
	              "Field \"headers.X-A\" must not contain control characters");
	expect_faults("\"headers\":{\"X-A\":\"a\\nb\",\"X-B\":\"\\u0001\"}",
	              "Field \"headers.X-A\" must not contain control characters; "
	              "Field \"headers.X-B\" must not contain control characters");
	expect_faults("\"headers\":{\"X A\":\"\"}", names);
	expect_faults("\"headers\":{\"\":\"\"}", names);
	expect_faults("\"headers\":{\"X:\":\"\"}", names);
	expect_faults("\"headers\":{\"X\\r\\nBcc\":\"b@x.org\"}", names);
	expect_faults("\"headers\":{\"X-\\u00e9\":\"\"}", names);
	for (size_t i = 0; i < N(reserved); i++) {
		char *json = mem_printf("\"headers\":{\"%s\":\"x\"}", reserved[i]);
		char *sentence = mem_printf("Field \"headers.%s\" must not be set (reserved)",
		                            reserved[i]);

		expect_faults(json, sentence);
		mem_free(json);
		mem_free(sentence);
	}
	job_free(expect_job(
		"\"headers\":{\"X-A\":\"tab\\tand \\u00e9\",\"Reply-To-X\":\"\",\"In-Reply-To\":\"<a@b>\"}"));
	snprintf(members, sizeof(members), "\"headers\":{\"X-A\":\"%08192d\"}", 0);
	job_free(expect_job(members));
	snprintf(members, sizeof(members), "\"headers\":{\"X-A\":\"%08193d\"}", 0);
	expect_faults(members, "Field \"headers.X-A\" must be at most 8192 bytes");
	buf_init(&b, 10000);
	buf_add_str(&b, "\"headers\":{\"X\":\"\"");
	for (int i = 0; i < JOB_MAX_HEADERS; i++)
		buf_addf(&b, ",\"X-%d\":\"\"", i);
	buf_add_char(&b, '}');
	expect_faults(buf_str(&b), "Field \"headers\" must have at most 100 members");
	buf_free(&b);
}

static void test_tags_and_metadata(void **state)
{
	static const char tag[] = "must be a string of 1 to 128 printable characters";
	static const char value[] =
		"Field \"metadata.a\" must be a string of at most 1024 printable characters";
	char members[2000], sentence[200];
	struct buf b;

	(void)state;
	expect_faults("\"tags\":\"a\"", "Field \"tags\" must be an array");
	snprintf(sentence, sizeof(sentence),
	         "Field \"tags[0]\" %s; Field \"tags[2]\" %s; Field \"tags[3]\" %s", tag, tag, tag);
	expect_faults("\"tags\":[\"\",\"a\",1,\"a\\nb\"]", sentence);
	snprintf(members, sizeof(members), "\"tags\":[\"%0129d\"]", 0);
	snprintf(sentence, sizeof(sentence), "Field \"tags[0]\" %s", tag);
	expect_faults(members, sentence);
	buf_init(&b, 1000);
	buf_add_str(&b, "\"tags\":[\"a\"");
	for (int i = 0; i < JOB_MAX_TAGS; i++)
		buf_add_str(&b, ",\"a\"");
	buf_add_str(&b, "]");
	expect_faults(buf_str(&b), "Field \"tags\" must have at most 32 members");
	buf_free(&b);

	expect_faults("\"metadata\":[]", "Field \"metadata\" must be an object");
	expect_faults("\"metadata\":{\"a\":1}", value);
	expect_faults("\"metadata\":{\"a\":\"x\\r\\ny\"}", value);
	snprintf(members, sizeof(members), "\"metadata\":{\"a\":\"%01025d\"}", 0);
	expect_faults(members, value);
	expect_faults(
		"\"metadata\":{\"a b\":\"x\"}",
		"Field \"metadata\" must have names of 1 to 76 printable ASCII characters without blanks and colons");
	expect_faults("\"attachments\":{}", "Field \"attachments\" must be an array");
	expect_faults(
		"\"attachments\":[{\"filename\":\"f\",\"content\":\"AA==\"},{\"filename\":\"f\",\"content\":\"!\"}]",
		"Field \"attachments[1].content\" must be base64");
}

static void test_webhook_urls(void **state)
{
	static const char *const bad[] = {"",
	                                  "x.org",
	                                  "ftp://x.org/",
	                                  "file:///etc/passwd",
	                                  "http://",
	                                  "http:///x",
	                                  "http://:80/",
	                                  "javascript:alert(1)",
	                                  "http://user:pass@x.org/",
	                                  "http://x.org@y.org/",
	                                  "http://x.org/ a",
	                                  "http://x.org/\\r\\nX: y",
	                                  "http://x.org/\\u00e9",
	                                  "http://x.org/<a>",
	                                  "http://x.org\\\\@y.org/"};
	static const char *const good[] = {"http://x.org", "HTTPS://x.org:8443/a?b=c@d#e",
	                                   "http://[::1]/", "https://x.org?a=@"};
	char members[3000];

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(members, sizeof(members), "\"webhookUrl\":\"%s\"", bad[i]);
		expect_faults(
			members,
			"Field \"webhookUrl\" must be an http or https URL without credentials");
	}
	for (size_t i = 0; i < N(good); i++) {
		snprintf(members, sizeof(members), "\"webhookUrl\":\"%s\"", good[i]);
		job_free(expect_job(members));
	}
	snprintf(members, sizeof(members), "\"webhookUrl\":\"http://x.org/%02040d\"", 0);
	expect_faults(members,
	              "Field \"webhookUrl\" must be an http or https URL without credentials");
}

/* W3C Trace Context: one that is not valid is as if it were not there. */
static void test_traceparents(void **state)
{
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
	static const char *const good[] = {
		"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-ff",
		"cc-" TRACE "-" PARENT "-01", "cc-" TRACE "-" PARENT "-01-what-comes"};
	static const char *const bad[] = {"",
	                                  "00",
	                                  "00-" TRACE "-" PARENT,
	                                  "00-" TRACE "-" PARENT "-",
	                                  "00-" TRACE "-" PARENT "-1",
	                                  "00-" TRACE "-" PARENT "-01-x",
	                                  "00-" TRACE "-" PARENT "-011",
	                                  "ff-" TRACE "-" PARENT "-01",
	                                  "00-00000000000000000000000000000000-" PARENT "-01",
	                                  "00-" TRACE "-0000000000000000-01",
	                                  "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
	                                  "00-" TRACE "g-" PARENT "-01",
	                                  "cc-" TRACE "-" PARENT "-01-\\r\\nX: y",
	                                  " 00-" TRACE "-" PARENT "-01"};
	char members[200];
	struct job *job;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		snprintf(members, sizeof(members), "\"traceparent\":\"%s\"", good[i]);
		job = expect_job(members);
		assert_string_equal(job->traceparent, good[i]);
		job_free(job);
	}
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(members, sizeof(members), "\"traceparent\":\"%s\"", bad[i]);
		job = expect_job(members);
		assert_string_equal(job->traceparent, "");
		job_free(job);
	}
	job = expect_job("\"traceparent\":7");
	assert_string_equal(job->traceparent, "");
	job_free(job);
}

/* The same; and without its traceparent it says nothing. */
static void test_tracestates(void **state)
{
#define WITH "\"traceparent\":\"00-" TRACE "-" PARENT "-01\",\"tracestate\":"
	static const struct {
		const char *members, *got;
	} cases[] = {
		{WITH "\"a=1, b@x=\\\"2\\\"\"", "a=1, b@x=\"2\""},
		{"\"tracestate\":\"a=1\",\"traceparent\":\"00-" TRACE "-" PARENT "-01\"", "a=1"},
		{WITH "\"a=1\\r\\nX: y\"", ""},
		{WITH "\"a\"", ""},
		{WITH "7", ""},
		{WITH "null", ""},
		{"\"tracestate\":\"a=1\"", ""},
		{"\"tracestate\":\"a=1\",\"traceparent\":\"00-nonsense\"", ""},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct job *job = expect_job(cases[i].members);

		assert_string_equal(job->tracestate, cases[i].got);
		assert_true(job->names_tracestate);
		job_free(job);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_required),
		cmocka_unit_test(test_any_body_will_do),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_sender_of_the_configuration),
		cmocka_unit_test(test_recipients_are_bounded),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_tags_and_metadata),
		cmocka_unit_test(test_webhook_urls),
		cmocka_unit_test(test_traceparents),
		cmocka_unit_test(test_tracestates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

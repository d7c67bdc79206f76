#include "mail/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))
#define TEXT(S) S, sizeof(S) - 1

static const struct options options = {.mail_from = (char *)"Shop <shop@x.org>"};

/* Parses what must be refused; the faults are the caller's (mem_free). */
static char *faults_of(const char *payload, size_t len)
{
	struct job *job;
	struct buf faults;
	char *text;

	buf_init(&faults, 100000);
	job = job_parse(payload, len, &options, &faults);
	if (job != NULL)
		fail_msg("taken: %.200s", payload);
	text = buf_take(&faults);
	assert_true(strlen(text) > 0);
	return text;
}

static void test_a_job_with_everything(void **state)
{
	static const char payload[] =
		"{\"to\":[\"Ada <ada@x.org>\",{\"email\":\"bob@x.org\",\"name\":\"Bob, B.\"}],\"cc\":\"cy@x.org\","
		"\"bcc\":[\"dee@x.org\"],\"from\":\"Fay <fay@x.org>\",\"replyTo\":{\"email\":\"re@x.org\"},"
		"\"subject\":\"Caf\\u00e9\",\"text\":\"T\\n\",\"body\":\"T\\n\",\"html\":\"<p>\","
		"\"attachments\":[{\"filename\":\"f\",\"content\":\"AAE=\"}],\"headers\":{\"X-A\":\"1\",\"X-B\":\"\"},"
		"\"idempotencyKey\":\"order 42:\\u00e9\",\"sendAt\":\"2026-11-24T10:00:00Z\",\"delay\":1500,"
		"\"expiresAt\":1795514500000,\"priority\":7,\"provider\":\"primary-2_x\",\"maxAttempts\":5,"
		"\"onUnknown\":\"hold\",\"tenant\":\"acme\",\"tags\":[\"a\",\"b\"],\"metadata\":{\"order\":\"42\"},"
		"\"webhookUrl\":\"https://x.org/hook?a=b\","
		"\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\",\"more\":{\"x\":[]}}";
	struct buf faults;
	struct job *job;

	(void)state;
	buf_init(&faults, 1000);
	job = job_parse(payload, sizeof(payload) - 1, &options, &faults);
	assert_string_equal(buf_str(&faults), "");
	assert_non_null(job);
	assert_string_equal(job->key, "order 42:\xc3\xa9");
	assert_int_equal(job->n_rcpts, 4);
	assert_string_equal(job->rcpts[0].address.email, "ada@x.org");
	assert_string_equal(job->rcpts[0].address.name, "Ada");
	assert_string_equal(job->rcpts[1].address.name, "Bob, B.");
	assert_int_equal(job->rcpts[1].kind, JOB_TO);
	assert_string_equal(job->rcpts[2].address.email, "cy@x.org");
	assert_int_equal(job->rcpts[2].kind, JOB_CC);
	assert_string_equal(job->rcpts[3].address.email, "dee@x.org");
	assert_int_equal(job->rcpts[3].kind, JOB_BCC);
	assert_string_equal(job->from.email, "fay@x.org");
	assert_string_equal(job->reply_to.email, "re@x.org");
	assert_string_equal(job->subject, "Caf\xc3\xa9");
	assert_string_equal(job->text, "T\n");
	assert_int_equal(job->text_len, 2);
	assert_string_equal(job->html, "<p>");
	assert_int_equal(job->html_len, 3);
	assert_int_equal(job->n_attachments, 1);
	assert_int_equal(job->attachments[0].len, 2);
	assert_int_equal(job->n_headers, 2);
	assert_string_equal(job->headers[0].name, "X-A");
	assert_string_equal(job->headers[1].value, "");
	assert_true(job->send_at == INT64_C(1795514400000));
	assert_true(job->delay == 1500);
	assert_true(job->expires_at == INT64_C(1795514500000));
	assert_int_equal(job->priority, 7);
	assert_string_equal(job->provider, "primary-2_x");
	assert_int_equal(job->max_attempts, 5);
	assert_int_equal(job->on_unknown, ON_UNKNOWN_HOLD);
	assert_string_equal(job->tenant, "acme");
	assert_int_equal(job->n_tags, 2);
	assert_string_equal(job->tags[1], "b");
	assert_int_equal(job->n_metadata, 1);
	assert_string_equal(job->metadata[0].name, "order");
	assert_string_equal(job->metadata[0].value, "42");
	assert_string_equal(job->webhook_url, "https://x.org/hook?a=b");
	assert_int_equal(strlen(job->traceparent), 55);
	assert_false(job->utf8_addresses);
	job_free(job);
	buf_free(&faults);
}

static void test_a_job_with_the_least(void **state)
{
	static const char payload[] =
		"{\"to\":\"ada@x.org\",\"subject\":\"Hi\",\"body\":\"Hello\"}";
	struct buf faults;
	struct job *job;

	(void)state;
	buf_init(&faults, 1000);
	job = job_parse(payload, sizeof(payload) - 1, &options, &faults);
	assert_non_null(job);
	assert_string_equal(job->key, "");
	assert_string_equal(job->from.email, "shop@x.org");
	assert_string_equal(job->from.name, "Shop");
	assert_string_equal(job->reply_to.email, "");
	assert_string_equal(job->text, "Hello");
	assert_null(job->html);
	assert_int_equal(job->n_attachments + job->n_headers + job->n_tags + job->n_metadata, 0);
	assert_true(job->send_at == 0 && job->delay == 0 && job->expires_at == 0);
	assert_int_equal(job->priority, -1);
	assert_int_equal(job->max_attempts, 0);
	assert_int_equal(job->on_unknown, -1);
	assert_string_equal(job->provider, "");
	assert_string_equal(job->tenant, "");
	assert_string_equal(job->webhook_url, "");
	assert_string_equal(job->traceparent, "");
	job_free(job);
	/* A producer that does not know the workers' MAIL_FROM. */
	job = job_parse(payload, sizeof(payload) - 1, NULL, &faults);
	assert_non_null(job);
	assert_string_equal(job->from.email, "");
	assert_false(job->utf8_addresses);
	job_free(job);
	job_free(NULL);
	buf_free(&faults);
}

/* FAULTS 33: whatever it is, it is refused with one sentence, and nothing overflows. */
static void test_what_is_no_job(void **state)
{
	static const struct {
		const char *payload;
		size_t len;
		const char *faults;
	} rows[] = {
		{TEXT(""), "The job is empty"},
		{TEXT("hello"), "The job is not valid JSON: a value was expected, at byte 0"},
		{TEXT("\0"), "The job is not valid JSON: a NUL byte is not allowed, at byte 0"},
		{TEXT("{\"to\":\"a@x.org\"}\0"),
	         "The job is not valid JSON: a NUL byte is not allowed, at byte 16"},
		{TEXT("{\"to\":\"a\0@x.org\"}"),
	         "The job is not valid JSON: a NUL byte is not allowed, at byte 8"},
		{TEXT("{\"subject\":\"\\u0000\"}"),
	         "The job is not valid JSON: a NUL character (\\u0000) is not allowed, at byte 18"},
		{TEXT("{\"subject\":\"\xff\"}"),
	         "The job is not valid JSON: broken UTF-8, at byte 12"},
		{TEXT("{\"delay\":1e999}"),
	         "The job is not valid JSON: a number is too large, at byte 14"},
		{TEXT("{\"to\":\"a@x.org\",\"to\":\"b@x.org\"}"),
	         "The job is not valid JSON: \"to\" is given twice in one object"},
		{TEXT("{\"to\":\"a@x.org\"}{\"to\":\"b@x.org\"}"),
	         "The job is not valid JSON: there is more after the end of the value, at byte 16"},
		{TEXT("[]"), "The job is not a JSON object"},
		{TEXT("[{\"to\":\"a@x.org\"}]"), "The job is not a JSON object"},
		{TEXT("42"), "The job is not a JSON object"},
		{TEXT("null"), "The job is not a JSON object"},
		{TEXT("\"{}\""), "The job is not a JSON object"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		char *faults = faults_of(rows[i].payload, rows[i].len);

		assert_string_equal(faults, rows[i].faults);
		mem_free(faults);
	}
}

static void test_deep_nesting(void **state)
{
	const size_t depth = 100000;
	char *payload = mem_alloc(depth), *faults;

	(void)state;
	memset(payload, '[', depth);
	faults = faults_of(payload, depth);
	assert_string_equal(faults,
	                    "The job is not valid JSON: it is nested too deeply, at byte 33");
	mem_free(faults);
	for (size_t i = 0; i < depth / 5; i++)
		memcpy(payload + 5 * i, "{\"a\":", 5);
	faults = faults_of(payload, depth);
	assert_string_equal(faults,
	                    "The job is not valid JSON: it is nested too deeply, at byte 161");
	mem_free(faults);
	mem_free(payload);
}

static void test_a_string_of_ten_megabytes(void **state)
{
	const size_t size = 10 << 20;
	struct buf payload, faults;
	struct job *job;

	(void)state;
	buf_init(&payload, 2 * size);
	buf_init(&faults, 1000);
	buf_add_str(&payload, "{\"to\":\"a@x.org\",\"subject\":\"S\",\"text\":\"");
	for (size_t i = 0; i < size; i++)
		buf_add_char(&payload, 'x');
	buf_add_str(&payload, "\"}");
	job = job_parse(buf_str(&payload), payload.len, &options, &faults);
	assert_non_null(job);
	assert_int_equal(job->text_len, size);
	job_free(job);
	/* Without its end it is refused, and so is one where a subject belongs. */
	mem_free(faults_of(buf_str(&payload), payload.len - 2));
	memcpy(payload.data + 16, "\"text\":\"S\",\"subject\":\"", 22);
	mem_free(faults_of(buf_str(&payload), payload.len));
	buf_free(&payload);
	buf_free(&faults);
}

static void test_all_faults_are_told_at_once(void **state)
{
	char *faults = faults_of(TEXT(
		"{\"to\":\"nobody\",\"subject\":7,\"idempotencyKey\":\"{x}\",\"priority\":11}"));

	(void)state;
	assert_string_equal(
		faults, "Field \"to\" must be a valid email address; "
			"Field \"subject\" must be a string; Field \"body\" is required; "
			"Field \"idempotencyKey\" must not contain braces or control characters; "
			"Field \"priority\" must be a number between 0 and 10");
	mem_free(faults);
}

static void test_faults_of_a_bounded_buffer(void **state)
{
	struct buf faults;

	(void)state;
	buf_init(&faults, 50);
	assert_null(job_parse(TEXT("{\"to\":1,\"cc\":2,\"bcc\":3}"), &options, &faults));
	assert_false(buf_ok(&faults));
	assert_true(faults.len <= 50);
	buf_free(&faults);
}

static void test_internationalized_addresses(void **state)
{
	static const struct {
		const char *members;
		bool utf8;
	} rows[] = {
		{"\"to\":\"j\xc3\xb6rg@x.org\"", true},
		{"\"to\":\"a@x.org\",\"bcc\":\"j\xc3\xb6rg@x.org\"", true},
		{"\"to\":\"a@x.org\",\"from\":\"j\xc3\xb6rg@x.org\"", true},
		{"\"to\":\"a@x.org\",\"replyTo\":\"j\xc3\xb6rg@x.org\"", true},
		{"\"to\":\"J\xc3\xb6rg <joerg@b\xc3\xbc"
	         "cher.de>\"",
	         false},
	};
	struct buf faults;
	struct job *job;

	(void)state;
	buf_init(&faults, 1000);
	for (size_t i = 0; i < N(rows); i++) {
		char *payload = mem_printf("{%s,\"subject\":\"S\",\"text\":\"\"}", rows[i].members);

		job = job_parse(payload, strlen(payload), &options, &faults);
		assert_non_null(job);
		assert_int_equal(job->utf8_addresses, rows[i].utf8);
		job_free(job);
		mem_free(payload);
	}
	buf_free(&faults);
}

static void test_valid_keys(void **state)
{
	char longest[JOB_MAX_KEY + 1];

	(void)state;
	assert_true(job_key_valid("order-42", 8));
	assert_true(job_key_valid("a:b c", 5));
	memset(longest, 'k', sizeof(longest));
	assert_true(job_key_valid(longest, JOB_MAX_KEY));
	assert_false(job_key_valid(longest, JOB_MAX_KEY + 1));
	assert_false(job_key_valid("", 0));
	assert_false(job_key_valid("{x}", 3));
	assert_false(job_key_valid("a\r\n", 3));
	assert_false(job_key_valid("\xff", 1));
}

/* For showing the reason under the key: only where there is no doubt which key it is. */
static void test_key_of_what_is_not_valid(void **state)
{
	static const struct {
		const char *payload;
		size_t len;
		const char *key;
	} rows[] = {
		{TEXT("{\"idempotencyKey\":\"order-42\",\"to\":\"nobody\"}"), "order-42"},
		{TEXT("{\"to\":\"a@x.org\",\"idempotencyKey\" :\n\"a\\u00e9\\\"b\""),
	         "a\xc3\xa9\"b"},
		{TEXT("{\"to\":\"\xff\",\"idempotencyKey\":\"k\"}"), "k"},
		{TEXT("{\"idempotencyKey\":\"k\",\"delay\":1e999}"), "k"},
		{TEXT("{\"idempotencyKey\":\"k\"}\0"), "k"},
		{TEXT(""), NULL},
		{TEXT("hello"), NULL},
		{TEXT("[]"), NULL},
		{TEXT("{\"to\":1}"), NULL},
		{TEXT("{\"idempotencyKey\":42}"), NULL},
		{TEXT("{\"idempotencyKey\":\"\"}"), NULL},
		{TEXT("{\"idempotencyKey\":\"{x}\"}"), NULL},
		{TEXT("{\"idempotencyKey\":\"a\\nb\"}"), NULL},
		{TEXT("{\"metadata\":{\"idempotencyKey\":\"not mine\"}}"), NULL},
		{TEXT("{\"text\":\"say \\\"idempotencyKey\\\":\\\"k\\\"\",}"), NULL},
		{TEXT("{\"idempotencyKey\":\"a\",\"idempotencyKey\":\"b\"}"), NULL},
		{TEXT("{\"idempotencyKey\""), NULL},
		{TEXT("{\"idempotencyKey\":"), NULL},
		{TEXT("{\"idempotencyKey\":\""), NULL},
		{TEXT("{\"idempotencyKey\":\"abc"), NULL},
		{TEXT("{\"idempotencyKey\":\"abc\\"), NULL},
		{TEXT("{\"idempotencyKey\":\"a\\u0000b\""), NULL},
		{TEXT("{\"idempotencyKey\":[\"a\"],"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		char *key = job_key_of_invalid(rows[i].payload, rows[i].len);

		if (rows[i].key == NULL && key != NULL)
			fail_msg("row %zu: %s", i, key);
		if (rows[i].key != NULL)
			assert_string_equal(key, rows[i].key);
		mem_free(key);
	}
}

/* Every prefix of a valid job, in memory of just that size: nothing is read behind it. */
static void test_every_prefix(void **state)
{
	static const char payload[] =
		"{\"to\":[\"A\\u00e9 \xc3\xa9 <a@x.org>\"],\"subject\":\"\\ud83d\\ude00\",\"text\":\"T\",\"delay\":1.5e1,"
		"\"x\":[true,false,null,-0.5],\"idempotencyKey\":\"a\\\"b\"}";
	const size_t size = sizeof(payload) - 1;

	(void)state;
	for (size_t n = 0; n < size; n++) {
		char *copy = mem_alloc(n > 0 ? n : 1), *key;

		memcpy(copy, payload, n);
		mem_free(faults_of(copy, n));
		key = job_key_of_invalid(copy, n);
		assert_int_equal(key != NULL, n >= size - 1);
		mem_free(key);
		mem_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_job_with_everything),
		cmocka_unit_test(test_a_job_with_the_least),
		cmocka_unit_test(test_what_is_no_job),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_a_string_of_ten_megabytes),
		cmocka_unit_test(test_all_faults_are_told_at_once),
		cmocka_unit_test(test_faults_of_a_bounded_buffer),
		cmocka_unit_test(test_internationalized_addresses),
		cmocka_unit_test(test_valid_keys),
		cmocka_unit_test(test_key_of_what_is_not_valid),
		cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "provider/http_reply.h"
#include "support/http_case.h"

static bool line(struct http_reply *r, const char *text)
{
	return http_reply_line(r, text, strlen(text));
}

static void test_only_the_last_response_counts(void **state)
{
	struct http_reply r;
	char value[64];

	(void)state;
	http_reply_init(&r);
	assert_false(line(&r, "HTTP/1.1 100 Continue\r\n"));
	assert_false(line(&r, "X-A: early\r\n"));
	assert_true(line(&r, "\r\n"));
	assert_int_equal(r.status, 100);
	assert_false(line(&r, "HTTP/1.1 202 Accepted\r\n"));
	assert_false(line(&r, "X-B: late\r\n"));
	assert_true(line(&r, "\r\n"));
	assert_int_equal(r.status, 202);
	assert_string_equal(http_reply_header(&r, "X-A", value, sizeof(value)), "");
	assert_string_equal(http_reply_header(&r, "x-b", value, sizeof(value)), "late");
	http_reply_free(&r);
}

static void test_status(void **state)
{
	static const struct {
		const char *line;
		int status;
	} lines[] = {{"HTTP/1.1 204\r\n", 204},
	             {"HTTP/2 503 \r\n", 503},
	             {"HTTP/1.1\r\n", 0},
	             {"HTTP/1.1 abc\r\n", 0},
	             {"HTTP/1.1 99999\r\n", 999}};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct http_reply r;

		http_reply_init(&r);
		assert_false(line(&r, lines[i].line));
		assert_int_equal(r.status, lines[i].status);
		http_reply_free(&r);
	}
}

static void test_headers(void **state)
{
	struct http_reply r;
	char value[8];

	(void)state;
	http_case_reply(&r, 200,
	                "X-Long-Name: no\nX-Long:   0123456789  \nX-Long: second\nEmpty:\n", NULL);
	assert_string_equal(http_reply_header(&r, "x-long", value, sizeof(value)), "0123456");
	assert_string_equal(http_reply_header(&r, "Empty", value, sizeof(value)), "");
	assert_string_equal(http_reply_header(&r, "X-Lon", value, sizeof(value)), "");
	http_reply_free(&r);
}

static void test_bounds(void **state)
{
	static char much[HTTP_REPLY_MAX_BODY + 100];
	struct http_reply r;
	char value[8];

	(void)state;
	memset(much, 'x', sizeof(much));
	http_reply_init(&r);
	assert_true(http_reply_body(&r, much, HTTP_REPLY_MAX_BODY));
	assert_false(http_reply_body(&r, "y", 1));
	assert_int_equal(r.body.len, HTTP_REPLY_MAX_BODY);
	memcpy(much, "X-A: ", 5);
	assert_false(http_reply_line(&r, much, HTTP_REPLY_MAX_HEADERS + 5)); /* dropped whole */
	assert_false(line(&r, "X-B: b\r\n"));
	assert_string_equal(http_reply_header(&r, "X-A", value, sizeof(value)), "");
	assert_string_equal(http_reply_header(&r, "X-B", value, sizeof(value)), "b");
	http_reply_free(&r);
}

static void test_json(void **state)
{
	struct http_reply r;
	cJSON *json;

	(void)state;
	http_case_reply(&r, 200, NULL, "{\"a\":\"b\",\"n\":1}");
	json = http_reply_json(&r);
	assert_non_null(json);
	assert_string_equal(http_reply_text(json, "a"), "b");
	assert_string_equal(http_reply_text(json, "n"), "");
	assert_string_equal(http_reply_text(json, "none"), "");
	assert_string_equal(http_reply_text(NULL, "a"), "");
	cJSON_Delete(json);
	http_reply_free(&r);
	http_case_reply(&r, 200, NULL, "[1]");
	assert_null(http_reply_json(&r));
	http_reply_free(&r);
	http_case_reply(&r, 200, NULL, NULL);
	assert_null(http_reply_json(&r));
	http_reply_free(&r);
}

static int64_t ten_o_clock(int clock_id)
{
	(void)clock_id;
	return INT64_C(1795514400) * 1000000000; /* Tue, 24 Nov 2026 10:00:00 GMT */
}

static void expect_wait(const char *headers, int64_t ms)
{
	struct http_reply r;
	int64_t got;

	http_case_reply(&r, 429, headers, NULL);
	clock_set_source(ten_o_clock);
	got = http_reply_retry_after(&r);
	clock_set_source(NULL);
	http_reply_free(&r);
	assert_int_equal(got, ms);
}

static void test_retry_after(void **state)
{
	(void)state;
	expect_wait(NULL, 0);
	expect_wait("Retry-After: 120\n", 120000);
	expect_wait("retry-after: 1\n", 1000);
	expect_wait("Retry-After: 0\n", 0);
	expect_wait("Retry-After: -5\n", 0);
	expect_wait("Retry-After: soon\n", 0);
	expect_wait("Retry-After: 99999999999999999999\n", 0);
	expect_wait("Retry-After: 99999999999\n", 0); /* no wait, but a mistake */
	expect_wait("Retry-After: Tue, 24 Nov 2026 10:01:00 GMT\n", 60000);
	expect_wait("Retry-After: Tue, 24 Nov 2026 09:59:00 GMT\n", 0);
	/* Their clock, not ours. */
	expect_wait(
		"Retry-After: Tue, 24 Nov 2026 12:00:05 GMT\nDate: Tue, 24 Nov 2026 12:00:00 GMT\n",
		5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_last_response_counts),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests_name("http_reply", tests, NULL, NULL);
}

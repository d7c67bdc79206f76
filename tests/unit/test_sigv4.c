#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/sigv4.h"

/* Vectors of AWS's published test suite for Signature Version 4; the one with a session token was
 * made with an independent implementation (@smithy/signature-v4). */

static const struct sigv4_key suite = {
	.access_key = "AKIDEXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	.session_token = "",
	.region = "us-east-1",
	.service = "service",
};

#define WHEN 1440938160 /* 2015-08-30T12:36:00Z */

static void expect(const struct sigv4_key *key, const struct sigv4_request *r, const char *lines)
{
	struct buf headers;

	buf_init(&headers, 4096);
	sigv4_sign(&headers, key, r);
	assert_true(buf_ok(&headers));
	assert_string_equal(buf_str(&headers), lines);
	buf_free(&headers);
}

static void test_get_vanilla(void **state)
{
	struct sigv4_request r = {.method = "GET",
	                          .host = "example.amazonaws.com",
	                          .path = "/",
	                          .query = "",
	                          .content_type = "",
	                          .body = "",
	                          .epoch_s = WHEN};

	(void)state;
	expect(&suite, &r,
	       "X-Amz-Date: 20150830T123600Z\n"
	       "Authorization: AWS4-HMAC-SHA256 "
	       "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	       "SignedHeaders=host;x-amz-date, "
	       "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\n");
}

static void test_post_vanilla(void **state)
{
	struct sigv4_request r = {.method = "POST",
	                          .host = "example.amazonaws.com",
	                          .path = "/",
	                          .query = "",
	                          .content_type = "",
	                          .body = "",
	                          .epoch_s = WHEN};

	(void)state;
	expect(&suite, &r,
	       "X-Amz-Date: 20150830T123600Z\n"
	       "Authorization: AWS4-HMAC-SHA256 "
	       "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	       "SignedHeaders=host;x-amz-date, "
	       "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b\n");
}

static void test_query(void **state)
{
	struct sigv4_request r = {.method = "GET",
	                          .host = "example.amazonaws.com",
	                          .path = "/",
	                          .query = "Param1=value1&Param2=value2",
	                          .content_type = "",
	                          .body = "",
	                          .epoch_s = WHEN};

	(void)state;
	expect(&suite, &r,
	       "X-Amz-Date: 20150830T123600Z\n"
	       "Authorization: AWS4-HMAC-SHA256 "
	       "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	       "SignedHeaders=host;x-amz-date, "
	       "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500\n");
}

static void test_body_and_content_type(void **state)
{
	struct sigv4_request r = {.method = "POST",
	                          .host = "example.amazonaws.com",
	                          .path = "/",
	                          .query = "",
	                          .content_type = "application/x-www-form-urlencoded",
	                          .body = "Param1=value1",
	                          .body_len = 13,
	                          .epoch_s = WHEN};

	(void)state;
	expect(&suite, &r,
	       "X-Amz-Date: 20150830T123600Z\n"
	       "Authorization: AWS4-HMAC-SHA256 "
	       "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	       "SignedHeaders=content-type;host;x-amz-date, "
	       "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a\n");
}

/* As it is sent to SES, with temporary credentials. */
static void test_session_token(void **state)
{
	static const char body[] = "{\"a\":\"ü\"}";
	struct sigv4_key key = suite;
	struct sigv4_request r = {.method = "POST",
	                          .host = "email.eu-west-1.amazonaws.com",
	                          .path = "/v2/email/outbound-emails",
	                          .query = "",
	                          .content_type = "application/json",
	                          .body = body,
	                          .body_len = sizeof(body) - 1,
	                          .epoch_s = 1790000000};

	(void)state;
	key.session_token = "TOKEN/abc+1==";
	key.region = "eu-west-1";
	key.service = "ses";
	expect(&key, &r,
	       "X-Amz-Date: 20260921T141320Z\n"
	       "X-Amz-Security-Token: TOKEN/abc+1==\n"
	       "Authorization: AWS4-HMAC-SHA256 "
	       "Credential=AKIDEXAMPLE/20260921/eu-west-1/ses/aws4_request, "
	       "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
	       "Signature=0211b62c6d33c02424317ada550cedeb3eef992bd027a4a5a0d3ace0edb05d2d\n");
}

/* Nothing is signed by half: the caller sees that it did not fit. */
static void test_too_long(void **state)
{
	static char host[20000];
	struct sigv4_request r = {.method = "GET",
	                          .host = host,
	                          .path = "/",
	                          .query = "",
	                          .content_type = "",
	                          .body = "",
	                          .epoch_s = WHEN};
	struct buf headers;

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	buf_init(&headers, 4096);
	sigv4_sign(&headers, &suite, &r);
	assert_false(buf_ok(&headers));
	buf_free(&headers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_vanilla),   cmocka_unit_test(test_post_vanilla),
		cmocka_unit_test(test_query),         cmocka_unit_test(test_body_and_content_type),
		cmocka_unit_test(test_session_token), cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}

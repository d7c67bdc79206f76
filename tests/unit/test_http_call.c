#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/http_call.h"

static void test_headers(void **state)
{
	struct http_call c;

	(void)state;
	http_call_init(&c, 100);
	http_call_header(&c, "Accept", "application/json");
	http_call_basic(&c, "api", "key-123");
	assert_true(http_call_ok(&c));
	assert_string_equal(buf_str(&c.headers), "Accept: application/json\n"
	                                         "Authorization: Basic YXBpOmtleS0xMjM=\n");
	http_call_free(&c);
}

static void test_does_not_fit(void **state)
{
	static char password[6000];
	struct http_call c;

	(void)state;
	memset(password, 'p', sizeof(password) - 1);
	http_call_init(&c, 4);
	http_call_basic(&c, "api", password);
	assert_false(http_call_ok(&c));
	http_call_clear(&c);
	assert_true(http_call_ok(&c));
	buf_add_str(&c.body, "12345");
	assert_false(http_call_ok(&c));
	http_call_free(&c);
}

/* The memory is used again, so that what was in it must be gone, and not only its length. */
static void test_credentials_are_wiped(void **state)
{
	struct http_call c;

	(void)state;
	http_call_init(&c, 100);
	http_call_header(&c, "Authorization", "Bearer s3cret");
	http_call_clear(&c);
	assert_int_equal(c.headers.len, 0);
	assert_non_null(c.headers.data);
	assert_null(memmem(c.headers.data, c.headers.cap, "s3cret", 6));
	http_call_free(&c);
}

/* One large mail does not keep its memory for ever. */
static void test_large_body_is_given_back(void **state)
{
	struct http_call c;

	(void)state;
	http_call_init(&c, 1 << 20);
	for (size_t i = 0; i < HTTP_CALL_KEPT + 1; i++)
		buf_add_char(&c.body, 'x');
	http_call_clear(&c);
	assert_null(c.body.data);
	buf_add_str(&c.body, "small");
	http_call_clear(&c);
	assert_non_null(c.body.data);
	assert_int_equal(c.body.max, 1 << 20);
	http_call_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_does_not_fit),
		cmocka_unit_test(test_credentials_are_wiped),
		cmocka_unit_test(test_large_body_is_given_back),
	};

	return cmocka_run_group_tests_name("http_call", tests, NULL, NULL);
}

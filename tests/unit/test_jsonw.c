#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jsonw.h"

static void test_commas(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	jsonw_open(&b, '{');
	jsonw_pair(&b, "a", "[");
	jsonw_pair(&b, "b", ":");
	jsonw_key(&b, "c");
	jsonw_open(&b, '[');
	jsonw_open(&b, '[');
	jsonw_close(&b, ']');
	jsonw_open(&b, '{');
	jsonw_close(&b, '}');
	jsonw_str(&b, "{");
	jsonw_bool(&b, true);
	jsonw_bool(&b, false);
	jsonw_close(&b, ']');
	jsonw_pair_if(&b, "d", "");
	jsonw_pair_if(&b, "e", NULL);
	jsonw_pair_if(&b, "f", "\"x\"\n");
	jsonw_key(&b, "g");
	jsonw_base64(&b, "hi", 2);
	jsonw_close(&b, '}');
	assert_string_equal(buf_str(&b), "{\"a\":\"[\",\"b\":\":\",\"c\":[[],{},\"{\",true,false],"
	                                 "\"f\":\"\\\"x\\\"\\n\",\"g\":\"aGk=\"}");
	buf_free(&b);
}

static void test_members(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	jsonw_open(&b, '[');
	jsonw_int(&b, INT64_MIN);
	jsonw_null(&b);
	jsonw_int(&b, 0);
	jsonw_open(&b, '{');
	jsonw_pair_int(&b, "a", 1);
	jsonw_pair_int_or_null(&b, "b", -1);
	jsonw_pair_int_or_null(&b, "c", 0);
	jsonw_pair_bool(&b, "d", true);
	jsonw_pair_real(&b, "e", 0.25);
	jsonw_pair_real(&b, "f", NAN);
	jsonw_pair_or_null(&b, "g", "");
	jsonw_pair_or_null(&b, "h", NULL);
	jsonw_pair_or_null(&b, "i", "x");
	jsonw_pair_time(&b, "j", 1795514400123);
	jsonw_pair_time(&b, "k", 0);
	jsonw_pair_time(&b, "l", INT64_MAX);
	jsonw_close(&b, '}');
	jsonw_close(&b, ']');
	assert_string_equal(buf_str(&b),
	                    "[-9223372036854775808,null,0,{\"a\":1,\"b\":null,\"c\":0,\"d\":true,"
	                    "\"e\":0.25,\"f\":null,\"g\":null,\"h\":null,\"i\":\"x\","
	                    "\"j\":\"2026-11-24T10:00:00.123Z\",\"k\":null,\"l\":null}]");
	buf_free(&b);
}

/* What was written apart, and what did not fit there. */
static void test_parts(void **state)
{
	struct buf b, part;

	(void)state;
	buf_init(&b, 1000);
	buf_init(&part, 10);
	jsonw_open(&part, '[');
	jsonw_close(&part, ']');
	jsonw_open(&b, '{');
	jsonw_key(&b, "a");
	jsonw_raw(&b, &part);
	jsonw_key(&b, "b");
	jsonw_open(&b, '[');
	jsonw_raw(&b, &part);
	jsonw_raw(&b, &part);
	assert_string_equal(buf_str(&b), "{\"a\":[],\"b\":[[],[]");
	assert_true(buf_ok(&b));
	jsonw_str(&part, "more than ten bytes");
	jsonw_raw(&b, &part);
	assert_false(buf_ok(&b));
	buf_free(&part);
	buf_free(&b);
}

static void test_base64(void **state)
{
	static const struct {
		const char *bytes, *text;
	} vectors[] = {{"", ""},
	               {"f", "Zg=="},
	               {"fo", "Zm8="},
	               {"foo", "Zm9v"},
	               {"foob", "Zm9vYg=="},
	               {"fooba", "Zm9vYmE="},
	               {"foobar", "Zm9vYmFy"}}; /* RFC 4648 */
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		buf_clear(&b);
		jsonw_add_base64(&b, vectors[i].bytes, strlen(vectors[i].bytes));
		assert_string_equal(buf_str(&b), vectors[i].text);
	}
	buf_free(&b);
}

/* More than is encoded at once: no padding in the middle, no line breaks. */
static void test_base64_of_much(void **state)
{
	size_t n = ((size_t)7 << 20) + 1; /* two more than a multiple of three */
	char *bytes = calloc(1, n);
	struct buf b;

	(void)state;
	assert_non_null(bytes);
	buf_init(&b, n * 2);
	jsonw_add_base64(&b, bytes, n);
	assert_int_equal(b.len, (n + 2) / 3 * 4);
	assert_int_equal(strspn(buf_str(&b), "A"), b.len - 1);
	assert_int_equal(b.data[b.len - 1], '=');
	buf_free(&b);
	free(bytes);
}

static void test_does_not_fit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	jsonw_base64(&b, "0123456789", 10);
	assert_false(buf_ok(&b));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commas),         cmocka_unit_test(test_members),
		cmocka_unit_test(test_parts),          cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_of_much), cmocka_unit_test(test_does_not_fit),
	};

	return cmocka_run_group_tests_name("jsonw", tests, NULL, NULL);
}

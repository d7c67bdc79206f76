#include "mail/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void test_reads_what_is_valid(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		" \t\r\n{ \"a\" : [ 1 , -2.5e3 , true , false , null , \"x\" ] } \n",
		"\"plain\"",
		"0",
		"-0.5",
		"1e308",
		"{\"a\":{\"b\":1},\"b\":1}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"{\"a\":1,\"A\":2}",
		"\"eight plain bytes and then a \\\\ backslash\"",
		"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00, and \\/ at its end: \\n\"",
		"\"\\ud800\\udc00\\udbff\\udfff\"",
		"{\"\":\"\",\"\\tn\\u0061me\":[{},[],[[]],{\"a\":[]}]}",
		"[2147483647,2147483648,-2147483648,-2147483649,1e10,-1e300,1E+2,1e-2,-0,0.1]",
		"[123456789012345678901234567890,4.9e-324,0.30000000000000004,1e-999]",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cJSON *tree = json_parse(texts[i], strlen(texts[i]), &err);

		if (tree == NULL)
			fail_msg("%s: %s", texts[i], err.text);
		cJSON_Delete(tree);
	}
}

static void test_refuses_what_is_not(void **state)
{
#define TEXT(S) S, sizeof(S) - 1
	static const struct {
		const char *text;
		size_t len;
		const char *why; /* part of the error */
	} rows[] = {
		{TEXT(""), "ends too early"},
		{TEXT("   "), "ends too early"},
		{TEXT("hello"), "value was expected"},
		{TEXT("{\"a\":1"), "a comma or }"},
		{TEXT("[1,2"), "a comma or ]"},
		{TEXT("[1,]"), "value was expected"},
		{TEXT("{\"a\":1,}"), "a name was expected"},
		{TEXT("{a:1}"), "a name was expected"},
		{TEXT("{\"a\" 1}"), "a colon"},
		{TEXT("{'a':1}"), "a name was expected"},
		{TEXT("{} {}"), "more after the end"},
		{TEXT("{}\0"), "NUL byte"},
		{TEXT("\0{}"), "NUL byte"},
		{TEXT("\"a\0b\""), "NUL byte"},
		{TEXT("\"aaaaaaaaaaaaaaa\0aaaaaaaaaaaaaaaaa\""), "NUL byte"},
		{TEXT("\"\\u0000\""), "NUL character"},
		{TEXT("\"a\nb\""), "control character"},
		{TEXT("\"a\tb\""), "control character"},
		{TEXT("\"aaaaaaaaaaaaaaaaaa\x1f"
	              "aaaaaaaaaaaaaaa\""),
	         "control character"},
		{TEXT("{\x01}"), "a name was expected"},
		{TEXT("\"\xff\""), "broken UTF-8"},
		{TEXT("\"aaaaaaaaaaaaaaaaaa\x80\""), "broken UTF-8"},
		{TEXT("\"aaaaaaaaaaaaaaaaaa\xff aaaaaaaaaaaaaaa\""), "broken UTF-8"},
		{TEXT("\"\xc0\xaf\""), "broken UTF-8"},
		{TEXT("\"\xed\xa0\x80\""), "broken UTF-8"},
		{TEXT("\"\xf5\x80\x80\x80\""), "broken UTF-8"},
		{TEXT("\"\xe2\x82\""), "broken UTF-8"},
		{TEXT("{\"\xff\":1}"), "broken UTF-8"},
		{TEXT("\"\\ud800\""), "lone surrogate"},
		{TEXT("\"\\ud800x\""), "lone surrogate"},
		{TEXT("\"\\ud800\\u0041\""), "lone surrogate"},
		{TEXT("\"\\udc00\""), "lone surrogate"},
		{TEXT("\"\\u12g4\""), "four hexadecimal"},
		{TEXT("\"\\u12"), "four hexadecimal"},
		{TEXT("\"\\x41\""), "unknown escape"},
		{TEXT("\"abc"), "within a string"},
		{TEXT("\"abc\\"), "within a string"},
		{TEXT("1e999"), "too large"},
		{TEXT("-1e999"), "too large"},
		{TEXT("1e99999999999999999999"), "too large"},
		{TEXT("01"), "more after the end"},
		{TEXT("1."), "a digit"},
		{TEXT(".5"), "value was expected"},
		{TEXT("1e"), "a digit"},
		{TEXT("+1"), "value was expected"},
		{TEXT("-"), "value was expected"},
		{TEXT("0x10"), "more after the end"},
		{TEXT("NaN"), "value was expected"},
		{TEXT("Infinity"), "value was expected"},
		{TEXT("-Infinity"), "value was expected"},
		{TEXT("tru"), "value was expected"},
		{TEXT("nullx"), "more after the end"},
		{TEXT("[\v1]"), "value was expected"},
		{TEXT("\xef\xbb\xbf{}"), "byte order mark"},
		{TEXT("1111111111111111111111111111111111111111111111111111111111111111"),
	         "number is too long"},
		{TEXT("{\"to\":1,\"to\":2}"), "\"to\" is given twice"},
		{TEXT("{\"to\":1,\"t\\u006f\":2}"), "\"to\" is given twice"},
		{TEXT("{\"\":1,\"\":2}"), "is given twice"},
		{TEXT("[[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]]"), "\"a\" is given twice"},
		{TEXT("{\"\xc3\xa9\":1,\"\xc3\xa9\":2}"), "a name is given twice"},
		{TEXT("{\"a; b\":1,\"a; b\":2}"), "a name is given twice"},
	};
#undef TEXT
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (json_parse(rows[i].text, rows[i].len, &err) != NULL)
			fail_msg("row %zu was taken: %s", i, rows[i].text);
		if (strncmp(err.text, "not valid JSON: ", 16) != 0 ||
		    strstr(err.text, rows[i].why) == NULL)
			fail_msg("row %zu, %s: %s", i, rows[i].text, err.text);
	}
}

static void test_says_where(void **state)
{
	struct error err;

	(void)state;
	assert_null(json_parse("{\"a\":1 \"b\":2}", 13, &err));
	assert_string_equal(err.text, "not valid JSON: a comma or } was expected, at byte 7");
}

/* Depth 32 is fine, 33 is not, and what is nested a million times deep overflows no stack. */
static void test_depth_is_bounded(void **state)
{
	const size_t deep = 1000000;
	char *text = mem_alloc(2 * deep);
	struct error err;
	cJSON *tree;

	(void)state;
	for (size_t depth = 1; depth <= deep; depth = depth < 40 ? depth + 1 : depth * 10) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		tree = json_parse(text, 2 * depth, &err);
		assert_int_equal(tree != NULL, depth <= JSON_MAX_DEPTH);
		if (tree == NULL)
			assert_non_null(strstr(err.text, "nested too deeply"));
		cJSON_Delete(tree);
	}
	mem_free(text);
}

static void test_siblings_do_not_add_up_to_depth(void **state)
{
	static const char text[] = "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
				   "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]";
	struct error err;
	cJSON *tree = json_parse(text, sizeof(text) - 1, &err);

	(void)state;
	assert_non_null(tree);
	assert_int_equal(cJSON_GetArraySize(tree), 40);
	cJSON_Delete(tree);
}

/* A tree of many tiny values would take a great deal more memory than their text. */
static void test_values_are_bounded(void **state)
{
	struct error err;
	struct buf b;
	cJSON *tree;

	(void)state;
	for (int more = 0; more <= 1; more++) {
		buf_init(&b, 4 * JSON_MAX_VALUES);
		buf_add_str(&b, "[0");
		for (int i = 0; i < JSON_MAX_VALUES - 2 + more; i++)
			buf_add_str(&b, ",0");
		buf_add_str(&b, "]");
		tree = json_parse(buf_str(&b), b.len, &err);
		if (more)
			assert_non_null(strstr(err.text, "too many values"));
		assert_int_equal(tree == NULL, more);
		cJSON_Delete(tree);
		buf_free(&b);
	}
}

/* Many members are compared by sorting them, few by pairs: both find a twin wherever it is. */
static void test_finds_a_twin_among_many(void **state)
{
	struct error err;
	struct buf b;
	cJSON *tree;

	(void)state;
	for (int n = 2; n < 60; n++)
		for (int twin = -1; twin < n - 1; twin++) {
			buf_init(&b, 10000);
			buf_add_char(&b, '{');
			for (int i = 0; i < n - 1; i++)
				buf_addf(&b, "\"name%d\":0,", i);
			buf_addf(&b, "\"name%d\":0}", twin < 0 ? n : twin);
			tree = json_parse(buf_str(&b), b.len, &err);
			if ((tree != NULL) != (twin < 0))
				fail_msg("%s", buf_str(&b));
			cJSON_Delete(tree);
			buf_free(&b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_is_valid),
		cmocka_unit_test(test_refuses_what_is_not),
		cmocka_unit_test(test_says_where),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_siblings_do_not_add_up_to_depth),
		cmocka_unit_test(test_values_are_bounded),
		cmocka_unit_test(test_finds_a_twin_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

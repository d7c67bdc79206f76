#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/otlp.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define VERSION                                                                                    \
	"{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" POSTRIDER_VERSION "\"}},"
#define INSTANCE "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"me\"}}"
#define NAME(S) "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"" S "\"}}"

static void test_whole(void **state)
{
	struct otlp_span root = {TRACE,
	                         SPAN,
	                         "",
	                         false,
	                         "process",
	                         "mail:\"q\"",
	                         OTLP_CONSUMER,
	                         INT64_C(1795514400123456),
	                         INT64_C(1795514400123457),
	                         NULL};
	struct otlp_span child = {TRACE,
	                          "00f067aa0ba902b7",
	                          SPAN,
	                          true,
	                          "deliver",
	                          "relay",
	                          OTLP_CLIENT,
	                          2000000,
	                          1000000 /* before it began */,
	                          "a=\"b\",c=d"};
	char spans[4000];
	struct otlp o = {.at = spans, .end = spans + sizeof(spans)};
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	otlp_open(&b, "{\"key\":\"a\",\"value\":{\"stringValue\":\"b\"}}");
	otlp_begin(&o, &root);
	otlp_end(&o, NULL);
	otlp_begin(&o, &child);
	OTLP_TEXT(&o, "t", "a\"\\\n\xc3\xa4\xff");
	OTLP_TEXT(&o, "u", "b\\c");
	OTLP_TEXT(&o, "v", "b\x7f");
	OTLP_TEXT(&o, "none", "");
	OTLP_TEXT(&o, "none", NULL);
	OTLP_WORD(&o, "w", "word");
	OTLP_INT(&o, "i", INT64_MIN);
	OTLP_INT(&o, "j", 0);
	OTLP_INT(&o, "k", 1234567);
	otlp_end(&o, "550 5.1.1");
	assert_false(o.failed);
	buf_add(&b, spans, (size_t)(o.at - spans) - 1); /* without the last comma */
	otlp_close(&b);
	assert_true(buf_ok(&b));
	assert_string_equal(
		buf_str(&b),
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{"
		"\"stringValue\":\"b\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"postrider\","
		"\"version\":\"" POSTRIDER_VERSION "\"},\"spans\":["
		"{\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN "\",\"flags\":257,"
		"\"name\":\"process mail:\\\"q\\\"\",\"kind\":5,"
		"\"startTimeUnixNano\":\"1795514400123456000\","
		"\"endTimeUnixNano\":\"1795514400123457000\",\"attributes\":[]},"
		"{\"traceId\":\"" TRACE
		"\",\"spanId\":\"00f067aa0ba902b7\",\"parentSpanId\":\"" SPAN
		"\",\"traceState\":\"a=\\\"b\\\",c=d\",\"flags\":769,"
		"\"name\":\"deliver relay\",\"kind\":3,\"startTimeUnixNano\":\"2000000000\","
		"\"endTimeUnixNano\":\"2000000000\",\"attributes\":["
		"{\"key\":\"t\",\"value\":{\"stringValue\":\"a\\\"\\\\\\n\xc3\xa4\xef\xbf\xbd\"}},"
		"{\"key\":\"u\",\"value\":{\"stringValue\":\"b\\\\c\"}},"
		"{\"key\":\"v\",\"value\":{\"stringValue\":\"b\\u007f\"}},"
		"{\"key\":\"w\",\"value\":{\"stringValue\":\"word\"}},"
		"{\"key\":\"i\",\"value\":{\"intValue\":\"-9223372036854775808\"}},"
		"{\"key\":\"j\",\"value\":{\"intValue\":\"0\"}},"
		"{\"key\":\"k\",\"value\":{\"intValue\":\"1234567\"}},"
		"{\"key\":\"error.type\",\"value\":{\"stringValue\":\"550 5.1.1\"}}],"
		"\"status\":{\"code\":2}}],"
		"\"schemaUrl\":\"" OTLP_SCHEMA "\"}],\"schemaUrl\":\"" OTLP_SCHEMA "\"}]}");
	buf_free(&b);
}

/* In any room: all of it, or `failed`, and nothing behind the end. */
static void test_too_little_room(void **state)
{
	struct otlp_span span = {TRACE,     SPAN,        SPAN, false, "deliver",
	                         "re\"lay", OTLP_CLIENT, 1,    2,     "a=b"};
	char whole[1000], room[1000];
	size_t n = 0;

	(void)state;
	for (size_t size = sizeof(room); size > 0; size--) {
		struct otlp o = {.at = room, .end = room + size};

		memset(room, '#', sizeof(room));
		otlp_begin(&o, &span);
		OTLP_TEXT(&o, "t", "a\"b");
		OTLP_INT(&o, "i", -12);
		OTLP_WORD(&o, "w", "word");
		otlp_end(&o, "x");
		for (size_t i = size; i < sizeof(room); i++)
			assert_int_equal(room[i], '#');
		if (n == 0) {
			n = (size_t)(o.at - room);
			memcpy(whole, room, n);
		}
		assert_int_equal(o.failed, size < n);
		if (!o.failed)
			assert_memory_equal(room, whole, n);
	}
	assert_true(n > 300);
}

static void expect_resource(const char *service, const char *extra, const char *want)
{
	struct buf b;

	buf_init(&b, 10000);
	assert_true(otlp_resource(&b, service, extra, "me"));
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void test_resource(void **state)
{
	static const char *const bad[] = {"a", "=b", "a=b,c", "a=%zz", "a=%0a", "%=b"};
	struct buf b;

	(void)state;
	expect_resource("", "", VERSION INSTANCE "," NAME("postrider"));
	expect_resource("shop", "", NAME("shop") "," VERSION INSTANCE);
	/* the name of its own goes before */
	expect_resource("shop", "service.name=other", NAME("shop") "," VERSION INSTANCE);
	expect_resource("", "service.name=other,service.version=9",
	                VERSION INSTANCE "," NAME("other"));
	expect_resource("s", " a=b%20%22 , ,c=",
	                NAME("s") "," VERSION INSTANCE
	                          ",{\"key\":\"a\",\"value\":{\"stringValue\":\"b \\\"\"}},"
	                          "{\"key\":\"c\",\"value\":{\"stringValue\":\"\"}}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_init(&b, 10000);
		if (otlp_resource(&b, "", bad[i], "me"))
			fail_msg("taken: %s", bad[i]);
		buf_free(&b);
	}
}

/* What a collector refuses of what it takes. */
static void test_partial_success(void **state)
{
	static const struct {
		const char *body, *why;
		int64_t refused;
	} cases[] = {
		{"", "", 0},
		{"{}", "", 0},
		{"{\"partialSuccess\":{}}", "", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}", "no", 3},
		{"{\"partialSuccess\":{\"rejectedSpans\":4}}", "", 4},
		{"{\"partialSuccess\":{\"errorMessage\":\"a warning\"}}", "a warning", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}", "", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}", "", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":1e300}}", "", 0},
		{"{\"partialSuccess\":7}", "", 0},
		{"[]", "", 0},
		{"<html>", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_reply r;
		char why[OTLP_MAX_WHY];

		http_reply_init(&r);
		assert_true(http_reply_body(&r, cases[i].body, strlen(cases[i].body)));
		r.complete = true;
		assert_int_equal(otlp_refused(&r, why), cases[i].refused);
		assert_string_equal(why, cases[i].why);
		http_reply_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_too_little_room),
		cmocka_unit_test(test_resource),
		cmocka_unit_test(test_partial_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

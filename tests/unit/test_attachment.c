#include "mail/attachment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

/* Reads it as the attachment at index 2; the faults go to *b, which the caller frees. */
static struct job_attachment read(const char *json, struct buf *b)
{
	struct job_attachment a = {0};
	cJSON *item = cJSON_Parse(json);
	struct faults faults;

	assert_non_null(item);
	buf_init(b, 10000);
	faults_init(&faults, b);
	attachment_read(&a, item, 2, &faults);
	cJSON_Delete(item);
	return a;
}

static void test_reads_all_members(void **state)
{
	struct job_attachment a;
	struct buf b;

	(void)state;
	a = read(
		"{\"filename\":\"a b.pdf\",\"contentType\":\"application/pdf\",\"content\":\"SGVsbG8=\"}",
		&b);
	assert_string_equal(buf_str(&b), "");
	assert_string_equal(a.filename, "a b.pdf");
	assert_string_equal(a.content_type, "application/pdf");
	assert_string_equal(a.content_id, "");
	assert_false(a.is_inline);
	assert_int_equal(a.len, 5);
	assert_memory_equal(a.data, "Hello", 5);
	attachment_free(&a);
	buf_free(&b);

	a = read(
		"{\"contentId\":\"<logo@x>\",\"content\":\"\",\"contentType\":null,\"filename\":null}",
		&b);
	assert_string_equal(buf_str(&b), "");
	assert_string_equal(a.filename, "");
	assert_string_equal(a.content_type, "application/octet-stream");
	assert_string_equal(a.content_id, "logo@x");
	assert_true(a.is_inline);
	assert_int_equal(a.len, 0);
	assert_non_null(a.data);
	attachment_free(&a);
	buf_free(&b);

	a = read("{\"disposition\":\"inline\",\"content\":\"AA==\"}", &b);
	assert_string_equal(buf_str(&b), "");
	assert_true(a.is_inline);
	assert_int_equal(a.len, 1);
	attachment_free(&a);
	buf_free(&b);
}

static void test_base64(void **state)
{
	static const struct {
		const char *content, *data; /* data NULL: refused */
	} rows[] = {
		{"Zg==", "f"},          {"Zm8=", "fo"},
		{"Zm9v", "foo"},        {"Zm9v\\r\\nYmFy\\n", "foobar"},
		{"Z\\ng\\r=\\n=", "f"}, {"Zg", NULL},
		{"Zg=", NULL},          {"Zg===", NULL},
		{"Z===", NULL},         {"====", NULL},
		{"Zg==Zg==", NULL},     {"Z=g=", NULL},
		{"Zm9v!", NULL},        {"Zm 9v", NULL},
		{"Zm-_", NULL},         {"data:text/plain;base64,Zm9v", NULL},
		{"Zm9vA", NULL},        {"\\u00e9A==", NULL},
	};
	struct job_attachment a;
	char json[200];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		snprintf(json, sizeof(json), "{\"filename\":\"f\",\"content\":\"%s\"}",
		         rows[i].content);
		a = read(json, &b);
		if (rows[i].data == NULL) {
			assert_string_equal(buf_str(&b),
			                    "Field \"attachments[2].content\" must be base64");
		} else {
			assert_string_equal(buf_str(&b), "");
			assert_int_equal(a.len, strlen(rows[i].data));
			assert_memory_equal(a.data, rows[i].data, a.len);
		}
		attachment_free(&a);
		buf_free(&b);
	}
}

static void test_content_types(void **state)
{
	static const char *const good[] = {
		"text/plain",
		"text/calendar; method=REQUEST; charset=UTF-8",
		"application/vnd.a+b.c-d",
		"text/x;a=\\\"quoted \\\\\\\" ; string\\\"",
		"image/png ; a=b",
	};
	static const char *const bad[] = {
		"text",
		"text/",
		"/plain",
		"text/pl ain",
		"text/plain;",
		"text/plain; x",
		"text/plain; x=",
		"text/plain; =x",
		"text/plain; x=\\\"y",
		"text/plain x=y",
		"text/(x)",
		"t\\u00e9xt/plain",
		"text/plain; x=y\\r\\nBcc: z@x.org",
		"text/plain;x=\\\"\\n\\\"",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/b",
	};
	struct job_attachment a;
	char json[600];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < N(good) + N(bad); i++) {
		snprintf(json, sizeof(json),
		         "{\"filename\":\"f\",\"content\":\"\",\"contentType\":\"%s\"}",
		         i < N(good) ? good[i] : bad[i - N(good)]);
		a = read(json, &b);
		if (i < N(good))
			assert_string_equal(buf_str(&b), "");
		else
			assert_string_equal(buf_str(&b),
			                    "Field \"attachments[2].contentType\" must be a media "
			                    "type such as application/pdf");
		attachment_free(&a);
		buf_free(&b);
	}
	a = read("{\"filename\":\"f\",\"content\":\"\",\"contentType\":\"Multipart/mixed\"}", &b);
	assert_string_equal(buf_str(&b),
	                    "Field \"attachments[2].contentType\" must not be a multipart type");
	attachment_free(&a);
	buf_free(&b);
}

static void test_faults(void **state)
{
	static const struct {
		const char *json, *faults;
	} rows[] = {
		{"3", "Field \"attachments[2]\" must be an object"},
		{"[]", "Field \"attachments[2]\" must be an object"},
		{"{}", "Field \"attachments[2].content\" is required; "
	               "Field \"attachments[2].filename\" is required"},
		{"{\"filename\":1,\"contentType\":2,\"content\":3,\"contentId\":4,\"disposition\":5}",
	         "Field \"attachments[2].filename\" must be a string; "
	         "Field \"attachments[2].contentType\" must be a string; "
	         "Field \"attachments[2].content\" must be a string; "
	         "Field \"attachments[2].contentId\" must be a string; "
	         "Field \"attachments[2].disposition\" must be a string"},
		{"{\"filename\":\"\",\"content\":\"\"}",
	         "Field \"attachments[2].filename\" is required"},
		{"{\"filename\":\"a\\r\\nb\",\"content\":\"\"}",
	         "Field \"attachments[2].filename\" must not contain control characters"},
		{"{\"filename\":\"a\\tb\",\"content\":\"\"}",
	         "Field \"attachments[2].filename\" must not contain control characters"},
		{"{\"filename\":\"../x\",\"content\":\"\"}",
	         "Field \"attachments[2].filename\" must not contain a path"},
		{"{\"filename\":\"C:\\\\x\",\"content\":\"\"}",
	         "Field \"attachments[2].filename\" must not contain a path"},
		{"{\"filename\":\"f\",\"content\":\"\",\"contentId\":\"a b\"}",
	         "Field \"attachments[2].contentId\" must be a content id of printable ASCII characters"},
		{"{\"filename\":\"f\",\"content\":\"\",\"contentId\":\"a>\\r\\nX: <b\"}",
	         "Field \"attachments[2].contentId\" must be a content id of printable ASCII characters"},
		{"{\"filename\":\"f\",\"content\":\"\",\"contentId\":\"\\u00e9\"}",
	         "Field \"attachments[2].contentId\" must be a content id of printable ASCII characters"},
		{"{\"filename\":\"f\",\"content\":\"\",\"disposition\":\"Inline\"}",
	         "Field \"attachments[2].disposition\" must be \"inline\" or \"attachment\""},
	};
	struct job_attachment a;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		a = read(rows[i].json, &b);
		assert_string_equal(buf_str(&b), rows[i].faults);
		attachment_free(&a);
		buf_free(&b);
	}
}

static void test_long_filename(void **state)
{
	struct job_attachment a;
	char json[400];
	struct buf b;

	(void)state;
	for (int n = 255; n <= 256; n++) {
		snprintf(json, sizeof(json), "{\"filename\":\"%0*d\",\"content\":\"\"}", n, 0);
		a = read(json, &b);
		assert_string_equal(
			buf_str(&b),
			n == 255 ? ""
				 : "Field \"attachments[2].filename\" must be at most 255 bytes");
		attachment_free(&a);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_all_members), cmocka_unit_test(test_base64),
		cmocka_unit_test(test_content_types),     cmocka_unit_test(test_faults),
		cmocka_unit_test(test_long_filename),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

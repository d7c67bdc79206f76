#include "mail/param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gmime/gmime.h>

static void test_forms(void **state)
{
	static const struct {
		const char *value, *param;
	} rows[] = {
		{"a b.pdf", ";\r\n filename=\"a b.pdf\""},
		{"", ";\r\n filename=\"\""},
		{"a \"b\" \\c; d=e", ";\r\n filename=\"a \\\"b\\\" \\\\c; d=e\""},
		{"caf\xc3\xa9 50%'*.txt", ";\r\n filename*=UTF-8''caf%C3%A9%2050%25%27%2A.txt"},
		{"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5",
	         ";\r\n filename*0*=UTF-8''%E6%97%A5%E6%97%A5%E6%97%A5%E6%97%A5%E6%97%A5%E6%97%A5"
	         ";\r\n filename*1*=%E6%97%A5"},
	};
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		buf_clear(&b);
		param_add(&b, "filename", rows[i].value);
		assert_string_equal(buf_str(&b), rows[i].param);
	}
	buf_free(&b);
}

/* Values of every length, in characters of every width: read back by GMime, in lines of at most 78
 * that hold whole characters. */
static void test_long_values_survive(void **state)
{
	static const char *const characters[] = {"\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80",
	                                         "x\xc3\xa9"};
	GMimeContentDisposition *read;
	struct buf value, header;
	char **lines;

	(void)state;
	buf_init(&value, 1000);
	buf_init(&header, 10000);
	for (size_t i = 0; i < G_N_ELEMENTS(characters); i++) {
		buf_clear(&value);
		while (value.len < 250) {
			buf_add_str(&value, characters[i]);
			buf_clear(&header);
			buf_add_str(&header, "attachment");
			param_add(&header, "filename", buf_str(&value));
			read = g_mime_content_disposition_parse(NULL, buf_str(&header));
			assert_string_equal(
				g_mime_content_disposition_get_parameter(read, "filename"),
				buf_str(&value));
			g_object_unref(read);
			lines = g_strsplit(buf_str(&header), "\r\n", -1);
			for (char **line = lines + 1; *line != NULL; line++) {
				char *piece = g_uri_unescape_string(strchr(*line, '=') + 1, NULL);

				assert_true(strlen(*line) <= 78);
				assert_true(g_utf8_validate(piece, -1, NULL));
				g_free(piece);
			}
			g_strfreev(lines);
		}
	}
	buf_free(&value);
	buf_free(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_long_values_survive),
	};

	g_mime_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

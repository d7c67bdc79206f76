#include "mail/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_ascii(void **state)
{
	(void)state;
	assert_true(text_is_ascii("", 0));
	assert_true(text_is_ascii("\0 abc ~\x7f", 8));
	assert_false(text_is_ascii("abc\x80", 4));
	assert_false(text_is_ascii("\xc3\xa9", 2));
}

/* Every single character up to U+00FF. */
static void test_control_characters(void **state)
{
	(void)state;
	for (int c = 0; c < 0x100; c++) {
		const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		char text[4] = {'a', (char)c, 'b'};
		size_t n = 3;

		if (c >= 0x80) {
			text[1] = (char)(0xc0 | (c >> 6));
			text[2] = (char)(0x80 | (c & 0x3f));
		}
		assert_int_equal(text_has_control(text, n), control);
		assert_int_equal(text_has_control_but_tab(text, n), control && c != '\t');
	}
	/* The bytes 80 to 9F within other characters are none. */
	assert_false(text_has_control("\xe2\x80\x99\xc4\x80\xc2\xa0", 7));
}

static void test_keys(void **state)
{
	char longest[257];

	(void)state;
	memset(longest, 'k', sizeof(longest));
	assert_true(text_is_key("a:b c/\xc3\xa9\"'", 10, 256));
	assert_true(text_is_key(longest, 256, 256));
	assert_false(text_is_key(longest, 257, 256));
	assert_false(text_is_key("", 0, 256));
	assert_false(text_is_key("a{b", 3, 256));
	assert_false(text_is_key("a}b", 3, 256));
	assert_false(text_is_key("a\nb", 3, 256));
	assert_false(text_is_key("a\tb", 3, 256));
	assert_false(text_is_key("a\0b", 3, 256));
	assert_false(text_is_key("a\xff", 2, 256));
}

static void assert_masked(const char *text, size_t size, const char *masked)
{
	char out[200];

	text_mask_addresses(out, size, text);
	assert_string_equal(out, masked);
}

static void test_addresses_are_masked(void **state)
{
	(void)state;
	assert_masked("550: <ada@x.org>: is full", 200, "550: <a***@x.org>: is full");
	assert_masked("ada@x.org", 200, "a***@x.org");
	assert_masked("to:ada@x.org,eve@y.org;\"bob@z.org\"", 200,
	              "t***@x.org,e***@y.org;\"b***@z.org\"");
	assert_masked("j\xc3\xbcrgen@x.org \xc3\xbc@y", 200, "j***@x.org \xc3\xbc***@y");
	assert_masked("@ and a@", 200, "***@ and a***@");
	assert_masked("nobody here", 200, "nobody here");
	assert_masked("<\"ada lovelace\"@x.org> \"a\" \"", 200, "<***@x.org> \"a\" \"");
	assert_masked("\"a\\\" b\"@x.org o'brien@x.org", 200, "***@x.org o***@x.org");
	assert_masked("", 200, "");
	assert_masked("ada@x.org is full", 8, "a***@x.");
	assert_masked("abc def", 4, "abc");
	assert_masked("abc def", 5, "abc ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_addresses_are_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/http_text.h"

typedef void add_fn(struct buf *out, const struct address *a);

static void expect_mailbox(add_fn *add, const char *name, const char *expected)
{
	struct address a;
	const char *why;
	struct buf b;

	if (!address_make(&a, "ada@x.org", name, &why))
		fail_msg("%s %s", name, why);
	buf_init(&b, 4096);
	add(&b, &a);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
	address_free(&a);
}

static void test_mailbox(void **state)
{
	(void)state;
	expect_mailbox(http_text_mailbox, NULL, "ada@x.org");
	expect_mailbox(http_text_mailbox, "Ada King-Noel", "Ada King-Noel <ada@x.org>");
	expect_mailbox(http_text_mailbox, "Zoë", "Zoë <ada@x.org>");
	expect_mailbox(http_text_mailbox, "Lovelace, Ada", "\"Lovelace, Ada\" <ada@x.org>");
	expect_mailbox(http_text_mailbox, "a\"b\\c", "\"a\\\"b\\\\c\" <ada@x.org>");
	expect_mailbox(http_text_mailbox, "two  blanks", "\"two  blanks\" <ada@x.org>");
	/* Nothing in a name may become an address. */
	expect_mailbox(http_text_mailbox, "x <evil@x.org>,", "\"x <evil@x.org>,\" <ada@x.org>");
}

static void test_mailbox_in_ascii(void **state)
{
	(void)state;
	expect_mailbox(http_text_mailbox_ascii, "Lovelace, Ada", "\"Lovelace, Ada\" <ada@x.org>");
	expect_mailbox(http_text_mailbox_ascii, "Zoë", "=?UTF-8?Q?Zo=C3=AB?= <ada@x.org>");
	expect_mailbox(http_text_mailbox_ascii,
	               "=?UTF-8?Q?x?=", "=?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?= <ada@x.org>");
	/* In one line, however many words it takes. */
	expect_mailbox(http_text_mailbox_ascii, "ääääääääääääääääääääääääääääää",
	               "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?= "
	               "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOk?= <ada@x.org>");
}

static void expect_header(const char *value, const char *expected)
{
	struct buf b;

	buf_init(&b, 40000);
	http_text_header(&b, value);
	assert_true(buf_ok(&b));
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void test_header(void **state)
{
	static char long_word[1200];

	(void)state;
	expect_header("", "");
	expect_header("<https://u.example/?a=1&b=2>, <mailto:u@x.org>",
	              "<https://u.example/?a=1&b=2>, <mailto:u@x.org>");
	expect_header("a\tb  c", "a\tb  c");
	expect_header("für", "=?UTF-8?Q?f=C3=BCr?=");
	memset(long_word, 'w', sizeof(long_word) - 1);
	expect_header(long_word, long_word);
}

static void test_tags(void **state)
{
	char name[HTTP_TEXT_TAG_NAME];

	(void)state;
	assert_true(http_text_is_tag("a-Z_9", 5));
	assert_false(http_text_is_tag("a-Z_90", 5));
	assert_false(http_text_is_tag("", 5));
	assert_false(http_text_is_tag("a b", 5));
	assert_false(http_text_is_tag("ü", 5));
	assert_string_equal(http_text_tag_name(name, 0), "tag");
	assert_string_equal(http_text_tag_name(name, 1), "tag2");
	assert_string_equal(http_text_tag_name(name, 31), "tag32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_mailbox_in_ascii),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests_name("http_text", tests, NULL, NULL);
}

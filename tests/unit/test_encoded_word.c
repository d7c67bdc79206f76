#include "mail/encoded_word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gmime/gmime.h>

#include "base/random.h"
#include "base/utf8.h"

static void test_picks_the_shorter_form(void **state)
{
	size_t column = 8;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	encoded_word_add(&b, "Caf\xc3\xa9 in town?", 14, &column);
	assert_string_equal(buf_str(&b), " =?UTF-8?Q?Caf=C3=A9_in_town=3F?=");
	assert_int_equal(column, 8 + b.len);
	buf_clear(&b);
	column = 8;
	encoded_word_add(&b, "\xe6\x97\xa5\xe6\x9c\xac", 6, &column);
	assert_string_equal(buf_str(&b), " =?UTF-8?B?5pel5pys?=");
	buf_free(&b);
}

static void check_word(const char *word, struct buf *decoded)
{
	char *text = g_mime_utils_header_decode_text(NULL, word);

	assert_true(strlen(word) <= 75);
	assert_true(utf8_valid(text, strlen(text)));
	assert_null(strstr(text, "=?UTF-8?"));
	buf_add_str(decoded, text);
	g_free(text);
}

/* No word over 75, no line over 76, words of whole characters, and decoded (each by itself, as RFC
 * 2047 has it) they are the text again. */
static void check(const char *text, size_t n, size_t column)
{
	const size_t before = column;
	char **lines, **words;
	struct buf b, decoded;
	size_t i, from;

	buf_init(&b, 100000);
	buf_init(&decoded, 100000);
	encoded_word_add(&b, text, n, &column);
	lines = g_strsplit(buf_str(&b), "\r\n", -1);
	for (i = 0; lines[i] != NULL; i++) {
		from = i == 0 ? before : 0;
		if (lines[i][0] == '\0' && i == 0)
			continue; /* the line was full already */
		assert_int_equal(lines[i][0], ' ');
		if (from + strlen(lines[i]) > ENCODED_WORD_LINE)
			fail_msg("%zu + %s", from, lines[i]);
		words = g_strsplit(lines[i] + 1, " ", -1);
		for (char **word = words; *word != NULL; word++)
			check_word(*word, &decoded);
		g_strfreev(words);
	}
	from = i == 1 ? before : 0;
	assert_int_equal(column, from + strlen(lines[i - 1]));
	assert_string_equal(buf_str(&decoded), text);
	g_strfreev(lines);
	buf_free(&b);
	buf_free(&decoded);
}

/* GMime decodes the words of one text together, and stops at padding. */
static void test_only_the_last_word_is_padded_where_that_can_be(void **state)
{
	static const char *const characters[] = {"\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80"};
	char *decoded, *unfolded;
	struct buf text, b;
	size_t column;

	(void)state;
	buf_init(&text, 1000);
	buf_init(&b, 10000);
	for (int i = 0; i < 3; i++)
		for (column = 0; column < 90; column++) {
			size_t at = column;

			buf_clear(&text);
			buf_clear(&b);
			for (int n = 0; n < 100; n++)
				buf_add_str(&text, characters[i]);
			encoded_word_add(&b, buf_str(&text), text.len, &at);
			unfolded = g_mime_utils_header_unfold(buf_str(&b));
			decoded = g_mime_utils_header_decode_text(NULL, unfolded);
			assert_string_equal(decoded, buf_str(&text));
			g_free(decoded);
			g_free(unfolded);
		}
	buf_free(&text);
	buf_free(&b);
}

static void test_any_text_survives(void **state)
{
	static const char *const pieces[] = {
		"a",  " ",  "_", "?",           "=", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80",
		"\"", "\\", ",", "Plain words", "  "};
	struct prng random;
	struct buf text;

	(void)state;
	prng_seed(&random, 2047);
	buf_init(&text, 10000);
	for (int i = 0; i < 3000; i++) {
		size_t n = 1 + prng_u64(&random) % 60;
		/* two in three texts are mostly of one kind of character */
		size_t kind = prng_u64(&random) % (3 * G_N_ELEMENTS(pieces));

		buf_clear(&text);
		while (n-- > 0) {
			size_t piece = prng_u64(&random) % G_N_ELEMENTS(pieces);

			if (kind < G_N_ELEMENTS(pieces) && prng_u64(&random) % 4 != 0)
				piece = kind;
			buf_add_str(&text, pieces[piece]);
		}
		check(buf_str(&text), text.len, prng_u64(&random) % 90);
	}
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picks_the_shorter_form),
		cmocka_unit_test(test_any_text_survives),
		cmocka_unit_test(test_only_the_last_word_is_padded_where_that_can_be),
	};

	g_mime_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

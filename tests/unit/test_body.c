#include "mail/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gmime/gmime.h>

#include "base/mem.h"
#include "base/random.h"

static void test_choice(void **state)
{
	char line[80];

	(void)state;
	assert_int_equal(body_choose("", 0), BODY_7BIT);
	assert_int_equal(body_choose("Hello\tworld = fine\r\n", 20), BODY_7BIT);
	memset(line, 'x', sizeof(line));
	assert_int_equal(body_choose(line, 78), BODY_7BIT);
	assert_int_equal(body_choose(line, 79), BODY_QUOTED_PRINTABLE);
	line[40] = '\n';
	assert_int_equal(body_choose(line, 79), BODY_7BIT);
	line[40] = '\r';
	assert_int_equal(body_choose(line, 79), BODY_7BIT);
	for (int c = 0; c < 256; c++) {
		const bool plain = (c >= ' ' && c < 0x7f) || c == '\t' || c == '\r' || c == '\n';

		line[40] = (char)c;
		assert_int_equal(body_choose(line, 60), plain ? BODY_7BIT : BODY_QUOTED_PRINTABLE);
	}
	assert_int_equal(body_choose("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 9), BODY_BASE64);
}

static void add(struct buf *b, const char *text, enum body_encoding encoding)
{
	buf_clear(b);
	body_add_text(b, text, strlen(text), encoding);
}

static void test_line_ends_become_crlf(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	add(&b, "a\nb\r\nc\rd\n\re\r\r\nf", BODY_7BIT);
	assert_string_equal(buf_str(&b), "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf");
	add(&b, "a\nb\rc\r\n", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "a\r\nb\r\nc\r\n");
	add(&b, "a\nb\rc\r\n", BODY_BASE64); /* of "a\r\nb\r\nc\r\n" */
	assert_string_equal(buf_str(&b), "YQ0KYg0KYw0K\r\n");
	add(&b, "", BODY_7BIT);
	assert_string_equal(buf_str(&b), "");
	add(&b, "", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "");
	add(&b, "", BODY_BASE64);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void test_quoted_printable(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	add(&b, "blank \ntab\t\n=\xc3\xa9\nend", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "blank=20\r\ntab=09\r\n=3D=C3=A9\r\nend");
	/* No soft line end where nothing follows, also when the text ends in one's first
	 * character. */
	add(&b, "end =", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "end =3D");
	add(&b, "end ", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "end=20");
	add(&b, "end=\n", BODY_QUOTED_PRINTABLE);
	assert_string_equal(buf_str(&b), "end=3D\r\n");
	buf_free(&b);
}

static void check_lines(const struct buf *b, size_t longest)
{
	size_t line = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\r') {
			assert_true(i + 1 < b->len && b->data[i + 1] == '\n');
			i++;
			line = 0;
			continue;
		}
		assert_true(b->data[i] != '\n' && b->data[i] != '\0');
		assert_true((unsigned char)b->data[i] < 0x80);
		assert_true(++line <= longest);
	}
}

/* Line ends as the encoders' contract has them, by another hand: for comparing. */
static char *canonical(const char *text, size_t n, size_t *n_out)
{
	GString *s = g_string_new(NULL);

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
			continue;
		if (text[i] == '\r' || text[i] == '\n')
			g_string_append(s, "\r\n");
		else
			g_string_append_c(s, text[i]);
	}
	*n_out = s->len;
	return g_string_free(s, FALSE);
}

static void check_decoded(const struct buf *b, GMimeContentEncoding encoding, const char *expected,
                          size_t n)
{
	char *decoded = mem_alloc(b->len + 16);
	GMimeEncoding state;
	size_t len;

	g_mime_encoding_init_decode(&state, encoding);
	len = g_mime_encoding_step(&state, buf_str(b), b->len, decoded);
	assert_int_equal(len, n);
	assert_memory_equal(decoded, expected, n);
	mem_free(decoded);
}

/* Texts of several chunks, of bytes that are hard in this way or that. */
static void test_any_text_survives(void **state)
{
	static const char *const alphabets[] = {"a",  "ab \n", "=\r\n .", "\xc3\xa9 \t\r",
	                                        "\n", "\r"};
	static char text[20000];
	struct prng random;
	struct buf b;

	(void)state;
	prng_seed(&random, 5321);
	buf_init(&b, 1000000);
	for (int i = 0; i < 600; i++) {
		const char *alphabet = alphabets[prng_u64(&random) % G_N_ELEMENTS(alphabets)];
		const size_t n = prng_u64(&random) % (i % 20 == 0 ? sizeof(text) : 300);
		size_t n_expected;
		char *expected;

		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[prng_u64(&random) % strlen(alphabet)];
		expected = canonical(text, n, &n_expected);
		buf_clear(&b);
		body_add_text(&b, text, n, BODY_QUOTED_PRINTABLE);
		check_lines(&b, 76);
		check_decoded(&b, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, expected, n_expected);
		buf_clear(&b);
		body_add_text(&b, text, n, BODY_BASE64);
		check_lines(&b, 76);
		check_decoded(&b, GMIME_CONTENT_ENCODING_BASE64, expected, n_expected);
		if (body_choose(text, n) == BODY_7BIT) {
			buf_clear(&b);
			body_add_text(&b, text, n, BODY_7BIT);
			check_lines(&b, 78);
			assert_int_equal(b.len, n_expected);
			assert_memory_equal(buf_str(&b), expected, n_expected);
		}
		g_free(expected);
	}
	buf_free(&b);
}

static void test_bytes_survive(void **state)
{
	static unsigned char bytes[100000];
	struct prng random;
	struct buf b;

	(void)state;
	prng_seed(&random, 4648);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)prng_u64(&random);
	buf_init(&b, 1000000);
	for (size_t n = 0; n <= sizeof(bytes); n = n < 300 ? n + 1 : n * 3 / 2) {
		buf_clear(&b);
		body_add_bytes(&b, bytes, n);
		check_lines(&b, 76);
		assert_true(n == 0 || memcmp(b.data + b.len - 2, "\r\n", 2) == 0);
		check_decoded(&b, GMIME_CONTENT_ENCODING_BASE64, (const char *)bytes, n);
	}
	buf_free(&b);
}

static void test_what_is_7bit(void **state)
{
	char line[1000];

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_true(body_is_7bit(line, 998));
	assert_false(body_is_7bit(line, 999));
	line[500] = '\n';
	assert_true(body_is_7bit(line, 1000));
	line[500] = '\0';
	assert_false(body_is_7bit(line, 600));
	line[500] = '\x80';
	assert_false(body_is_7bit(line, 600));
	assert_true(body_is_7bit("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_line_ends_become_crlf),
		cmocka_unit_test(test_quoted_printable),
		cmocka_unit_test(test_any_text_survives),
		cmocka_unit_test(test_bytes_survive),
		cmocka_unit_test(test_what_is_7bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "mail/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hex(char *out, const unsigned char sum[DIGEST_SIZE])
{
	for (int i = 0; i < DIGEST_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* FIPS 180-2's examples; the second one is longer than a block, the third than what is gathered. */
static void test_is_sha256(void **state)
{
	unsigned char sum[DIGEST_SIZE];
	char text[2 * DIGEST_SIZE + 1];

	(void)state;
	digest_begin();
	digest_add("abc", 3);
	digest_end(sum);
	hex(text, sum);
	assert_string_equal(text,
	                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

	digest_begin();
	digest_add("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
	digest_end(sum);
	hex(text, sum);
	assert_string_equal(text,
	                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

	digest_begin();
	for (int i = 0; i < 1000000; i++)
		digest_add("a", 1);
	digest_end(sum);
	hex(text, sum);
	assert_string_equal(text,
	                    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However a text is cut into pieces, small or large, its digest is the same. */
static void test_pieces_do_not_matter(void **state)
{
	unsigned char whole[DIGEST_SIZE], pieces[DIGEST_SIZE];
	static char text[5000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	digest_begin();
	digest_add(text, sizeof(text));
	digest_end(whole);
	for (size_t step = 1; step < 1500; step += 97) {
		digest_begin();
		for (size_t i = 0; i < sizeof(text); i += step)
			digest_add(text + i, i + step < sizeof(text) ? step : sizeof(text) - i);
		digest_end(pieces);
		assert_memory_equal(whole, pieces, DIGEST_SIZE);
	}
}

static void test_fields_are_kept_apart(void **state)
{
	unsigned char one[DIGEST_SIZE], two[DIGEST_SIZE];

	(void)state;
	digest_begin();
	digest_add_field("ab", 2);
	digest_add_field("c", 1);
	digest_end(one);
	digest_begin();
	digest_add_field("a", 1);
	digest_add_field("bc", 2);
	digest_end(two);
	assert_memory_not_equal(one, two, DIGEST_SIZE);
}

/* RFC 4648's examples, without padding. */
static void test_texts(void **state)
{
	char text[20];

	(void)state;
	digest_base64url(text, (const unsigned char *)"foobar", 6);
	assert_string_equal(text, "Zm9vYmFy");
	digest_base64url(text, (const unsigned char *)"fooba", 5);
	assert_string_equal(text, "Zm9vYmE");
	digest_base64url(text, (const unsigned char *)"\xff\xef\xbe", 3);
	assert_string_equal(text, "_---");
	digest_base32(text, (const unsigned char *)"foobar", 6);
	assert_string_equal(text, "mzxw6ytboi");
	digest_base32(text, (const unsigned char *)"foo", 3);
	assert_string_equal(text, "mzxw6");
	digest_base32(text, (const unsigned char *)"", 0);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_sha256),
		cmocka_unit_test(test_pieces_do_not_matter),
		cmocka_unit_test(test_fields_are_kept_apart),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_pieces(void **state)
{
	char out[64];
	struct line l = line_begin(out, sizeof(out));

	(void)state;
	assert_string_equal(out, "");
	line_add(&l, "a");
	line_add(&l, "");
	line_add_int(&l, -120);
	line_add(&l, " ");
	line_add_hex(&l, UINT64_C(0x0123456789abcdef));
	assert_string_equal(out, "a-120 0123456789abcdef");
	assert_ptr_equal(l.at, out + strlen(out));
}

static void test_numbers(void **state)
{
	static const struct {
		int64_t n;
		const char *text;
	} rows[] = {
		{0, "0"},
		{9, "9"},
		{10, "10"},
		{INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"},
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct line l = line_begin(out, sizeof(out));
		line_add_int(&l, rows[i].n);
		assert_string_equal(out, rows[i].text);
	}
}

/* Nothing behind its place is touched, and what comes after a cut is not there either. */
static void test_is_cut(void **state)
{
	char out[] = "........";

	(void)state;
	for (size_t size = 1; size < 6; size++) {
		struct line l;

		memset(out, '.', sizeof(out) - 1);
		l = line_begin(out, size);
		line_add(&l, "abc");
		line_add_int(&l, 45);
		line_add_hex(&l, 0);
		assert_int_equal(strlen(out), size - 1);
		assert_memory_equal(out, "abc45", size - 1);
		assert_int_equal(out[size], '.');
		line_copy(out, size, "xyzxyz");
		assert_memory_equal(out, "xyzxyz", size - 1);
		assert_int_equal(strlen(out), size - 1);
		assert_int_equal(out[size], '.');
	}
	line_copy(out, sizeof(out), "short");
	assert_string_equal(out, "short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fleet/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_round_trip(const char *in, const char *out)
{
	struct history h = {0};
	struct buf b;

	buf_init(&b, 8192);
	history_read_tries(&h, in, strlen(in));
	history_write_tries(&h, &b);
	assert_string_equal(buf_str(&b), out);
	buf_free(&b);
}

static void test_reads_what_it_writes(void **state)
{
	(void)state;
	assert_round_trip("", "");
	assert_round_trip("primary:2", "primary:2");
	assert_round_trip("primary:3,secondary:1", "primary:3,secondary:1");
	assert_round_trip("primary:x,secondary:1", "primary:x,secondary:1");
}

static void test_what_it_cannot_read_is_left_out(void **state)
{
	(void)state;
	assert_round_trip(",,:3,primary,secondary:1", "secondary:1");
	assert_round_trip("primary:99999999999999999999999999,b:1", "b:1");
	assert_round_trip("primary:2000000", "primary:x");
	assert_round_trip("a:9223372036854775807,a:9223372036854775807,b:-5", "a:x,b:0");
}

static void test_charges_each_provider_on_its_own(void **state)
{
	struct history h = {0};

	(void)state;
	assert_int_equal(history_tries(&h, "primary"), 0);
	history_charge(&h, "primary", 1);
	history_charge(&h, "secondary", 1);
	history_charge(&h, "primary", 1);
	assert_int_equal(history_tries(&h, "primary"), 2);
	assert_int_equal(history_tries(&h, "secondary"), 1);
	history_charge(&h, "primary", HISTORY_USELESS);
	assert_int_equal(history_tries(&h, "primary"), HISTORY_USELESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_it_writes),
		cmocka_unit_test(test_what_it_cannot_read_is_left_out),
		cmocka_unit_test(test_charges_each_provider_on_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

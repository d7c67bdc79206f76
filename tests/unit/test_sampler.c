#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "fleet/sampler.h"

#define HIGH "ffffffffffffffff" /* the upper half of an id plays no part */

static bool takes(enum sampler_kind kind, double ratio, const char *id,
                  const struct trace_context *parent)
{
	struct sampler s;

	sampler_init(&s, kind, ratio);
	return sampler_takes(&s, id, parent);
}

static void test_ratio(void **state)
{
	(void)state;
	assert_true(takes(SAMPLER_RATIO, 1, HIGH "ffffffffffffffff", NULL));
	assert_false(takes(SAMPLER_RATIO, 0, "00000000000000010000000000000000", NULL));
	/* the bound itself is out */
	assert_true(takes(SAMPLER_RATIO, 0.5, HIGH "7fffffffffffffff", NULL));
	assert_false(takes(SAMPLER_RATIO, 0.5, HIGH "8000000000000000", NULL));
	assert_true(takes(SAMPLER_RATIO, 0.25, HIGH "3fffffffffffffff", NULL));
	assert_false(takes(SAMPLER_RATIO, 0.25, HIGH "4000000000000000", NULL));
	/* 0.1 of them, as the SDKs have it */
	assert_true(takes(SAMPLER_RATIO, 0.1, HIGH "1999999999999000", NULL));
	assert_false(takes(SAMPLER_RATIO, 0.1, HIGH "199999999999a001", NULL));
}

/* Who takes a tenth takes nothing that who takes a half does not. */
static void test_ratio_of_many(void **state)
{
	size_t half = 0, tenth = 0, both = 0;
	struct prng p;
	char id[33];

	(void)state;
	prng_seed(&p, 1);
	for (int i = 0; i < 20000; i++) {
		bool a, b;

		snprintf(id, sizeof(id), "%016llx%016llx", (unsigned long long)prng_u64(&p),
		         (unsigned long long)prng_u64(&p));
		a = takes(SAMPLER_RATIO, 0.5, id, NULL);
		b = takes(SAMPLER_RATIO, 0.1, id, NULL);
		half += a;
		tenth += b;
		both += a && b;
	}
	assert_in_range(half, 9700, 10300);
	assert_in_range(tenth, 1850, 2150);
	assert_int_equal(both, tenth);
}

static void test_parents(void **state)
{
	static const struct {
		enum sampler_kind kind;
		bool alone, under_sampled, under_unsampled; /* of a ratio of 0 */
	} cases[] = {
		{SAMPLER_ALWAYS_ON, true, true, true},
		{SAMPLER_ALWAYS_OFF, false, false, false},
		{SAMPLER_RATIO, false, false, false},
		{SAMPLER_PARENT_ON, true, true, false},
		{SAMPLER_PARENT_OFF, false, true, false},
		{SAMPLER_PARENT_RATIO, false, true, false},
	};
	static const char id[] = "0af7651916cd43dd8448eb211c80319c";
	const struct trace_context yes = {.sampled = true}, no = {.sampled = false};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(takes(cases[i].kind, 0, id, NULL), cases[i].alone);
		assert_int_equal(takes(cases[i].kind, 0, id, &yes), cases[i].under_sampled);
		assert_int_equal(takes(cases[i].kind, 0, id, &no), cases[i].under_unsampled);
	}
	assert_true(takes(SAMPLER_PARENT_RATIO, 1, id, NULL));
	assert_false(takes(SAMPLER_PARENT_RATIO, 1, id, &no));
	assert_true(takes(SAMPLER_RATIO, 1, id, &no));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_ratio_of_many),
		cmocka_unit_test(test_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_numbers_do_not_repeat(void **state)
{
	static uint64_t seen[10000];
	uint64_t ones = 0, zeros = 0;

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		seen[i] = random_u64();
		ones |= seen[i];
		zeros |= ~seen[i];
	}
	assert_true(ones == UINT64_MAX); /* every bit is used */
	assert_true(zeros == UINT64_MAX);
	qsort(seen, 10000, sizeof(seen[0]), by_value);
	for (size_t i = 1; i < 10000; i++)
		assert_true(seen[i] != seen[i - 1]);
}

/* Job ids of two workers forked from one parent must differ. */
static void test_a_forked_child_has_its_own_numbers(void **state)
{
	uint64_t theirs = 0, ours;
	int fds[2];
	pid_t child;

	(void)state;
	(void)random_u64(); /* the parent has numbers in store */
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		theirs = random_u64();
		_exit(write(fds[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	ours = random_u64();
	assert_int_equal(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fds[0]);
	close(fds[1]);
	assert_true(ours != theirs);
}

static void test_below_covers_its_range_evenly(void **state)
{
	int counts[6] = {0};

	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint64_t n = random_below(6);

		assert_true(n < 6);
		counts[n]++;
	}
	for (int i = 0; i < 6; i++) /* ten standard deviations */
		assert_in_range(counts[i], 10000 - 920, 10000 + 920);
	assert_true(random_below(1) == 0);
	assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

static void test_below_is_not_biased_by_the_remainder(void **state)
{
	/* Of 3 * 2^62 numbers the lower third would come twice as often without rejection. */
	const uint64_t third = UINT64_C(1) << 62;
	int low = 0;

	(void)state;
	for (int i = 0; i < 30000; i++)
		low += random_below(3 * third) < third;
	assert_in_range(low, 10000 - 900, 10000 + 900);
}

/* What the published splitmix64 makes of the seed 0, and xoshiro256** of the state 1 2 3 4. */
static void test_prng_is_the_published_one(void **state)
{
	struct prng p;

	(void)state;
	prng_seed(&p, 0);
	assert_true(p.s[0] == UINT64_C(0xe220a8397b1dcdaf));
	assert_true(p.s[1] == UINT64_C(0x6e789e6aa1b965f4));
	assert_true(p.s[2] == UINT64_C(0x06c45d188009454f));
	assert_true(p.s[3] == UINT64_C(0xf88bb8a8724c81ec));
	p = (struct prng){{1, 2, 3, 4}};
	assert_true(prng_u64(&p) == 11520);
	assert_true(prng_u64(&p) == 0);
	assert_true(prng_u64(&p) == 1509978240);
	assert_true(prng_u64(&p) == 1215971899390074240);
}

static void test_prng_repeats_by_seed(void **state)
{
	struct prng a, b, c;
	bool differs = false;

	(void)state;
	prng_seed(&a, 7);
	prng_seed(&b, 7);
	prng_seed(&c, 8);
	for (int i = 0; i < 100; i++) {
		uint64_t n = prng_u64(&a);

		assert_true(n == prng_u64(&b));
		differs = differs || n != prng_u64(&c);
	}
	assert_true(differs);
}

static void test_unit_stays_below_one(void **state)
{
	struct prng p, all_ones = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
	double sum = 0;

	(void)state;
	prng_seed(&p, 1);
	for (int i = 0; i < 10000; i++) {
		double d = prng_unit(&p);

		assert_true(d >= 0 && d < 1);
		sum += d;
	}
	assert_true(sum > 4800 && sum < 5200);
	assert_true(prng_unit(&all_ones) < 1);
}

static uint64_t counted = 100;

static uint64_t count(void)
{
	return ++counted;
}

static void test_a_test_can_say_the_numbers(void **state)
{
	(void)state;
	random_set_source(count);
	assert_true(random_u64() == 101);
	assert_true(random_below(10) == 2);
	random_set_source(NULL);
	assert_true(random_u64() != random_u64());
	assert_true(counted == 102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_do_not_repeat),
		cmocka_unit_test(test_a_forked_child_has_its_own_numbers),
		cmocka_unit_test(test_below_covers_its_range_evenly),
		cmocka_unit_test(test_below_is_not_biased_by_the_remainder),
		cmocka_unit_test(test_prng_is_the_published_one),
		cmocka_unit_test(test_prng_repeats_by_seed),
		cmocka_unit_test(test_unit_stays_below_one),
		cmocka_unit_test(test_a_test_can_say_the_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

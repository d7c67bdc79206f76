#include "fleet/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAILS 20000
#define MAX 8

/* A provider is known by its letter. */
static char names[MAX] = "abcdefgh";

static struct route_choice choice(size_t i, long tier, long weight)
{
	return (struct route_choice){
		.gate = &names[i], .tier = tier, .weight = weight, .open = true};
}

static char name_of(const struct route_choice *c)
{
	return *(const char *)c->gate;
}

/* The order in which a mail tries them, as in "bac". */
static const char *order(const struct route_choice *list, size_t n, const char *key)
{
	static char out[MAX + 1];
	struct route_choice sorted[MAX];

	memcpy(sorted, list, n * sizeof(list[0]));
	route_order(sorted, n, key);
	for (size_t i = 0; i < n; i++)
		out[i] = name_of(&sorted[i]);
	out[n] = '\0';
	return out;
}

/* How many of MAILS mails have `name` at this place of their order. */
static size_t count_at(const struct route_choice *list, size_t n, size_t place, char name)
{
	size_t count = 0;
	char key[32];

	for (int i = 0; i < MAILS; i++) {
		snprintf(key, sizeof(key), "order-%d", i);
		count += order(list, n, key)[place] == name;
	}
	return count;
}

static void assert_share(size_t count, double share)
{
	double off = (double)count / MAILS - share;

	if (off < -0.02 || off > 0.02)
		fail_msg("%zu of %d mails, where %.3f of them were to be", count, MAILS, share);
}

static void test_tiers_are_in_order(void **state)
{
	const struct route_choice own[] = {choice(0, 1001, 1), choice(1, 1002, 9),
	                                   choice(2, 1003, 0)};
	const struct route_choice mixed[] = {choice(0, 7, 1), choice(1, 2, 1), choice(2, 5, 1)};

	(void)state;
	for (int i = 0; i < 50; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		assert_string_equal(order(own, 3, key), "abc");
		assert_string_equal(order(mixed, 3, key), "bca");
	}
	assert_string_equal(order(own, 1, "k"), "a");
}

static void test_weights_are_shares(void **state)
{
	const struct route_choice two[] = {choice(0, 1, 3), choice(1, 1, 1)};
	const struct route_choice three[] = {choice(0, 1, 5), choice(1, 1, 3), choice(2, 1, 2)};
	const struct route_choice fine[] = {choice(0, 1, 990), choice(1, 1, 10)};

	(void)state;
	assert_share(count_at(two, 2, 0, 'a'), 0.75);
	assert_share(count_at(three, 3, 0, 'a'), 0.5);
	assert_share(count_at(three, 3, 0, 'b'), 0.3);
	assert_share(count_at(three, 3, 0, 'c'), 0.2);
	assert_share(count_at(fine, 2, 0, 'b'), 0.01);
	assert_true(count_at(fine, 2, 0, 'b') > 0);
	/* What the first cannot take is shared by the weights of the others: b after a is 3 of 5 … */
	assert_share(count_at(three, 3, 1, 'b'), 0.5 * 3 / 5 + 0.2 * 3 / 8);
}

/* All workers, and a later claim, come to the same. */
static void test_a_mail_keeps_its_order(void **state)
{
	const struct route_choice three[] = {choice(0, 1, 5), choice(1, 1, 3), choice(2, 1, 2)};
	char first[MAX + 1];

	(void)state;
	for (int i = 0; i < 50; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		snprintf(first, sizeof(first), "%s", order(three, 3, key));
		assert_string_equal(order(three, 3, key), first);
	}
}

/* Also when the weights have changed since. */
static void test_one_that_had_a_try_is_first_of_its_tier(void **state)
{
	struct route_choice list[] = {choice(0, 1, 1000), choice(1, 1, 1), choice(2, 1, 1000),
	                              choice(3, 0, 1)};

	(void)state;
	list[1].tries = 1;
	for (int i = 0; i < 50; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(strncmp(order(list, 4, key), "db", 2), 0);
	}
	list[2].tries = 2; /* the one with more of them is nearer to its end */
	assert_int_equal(strncmp(order(list, 4, "k"), "dcb", 3), 0);
}

static void test_weight_0_is_behind_its_tier(void **state)
{
	struct route_choice list[] = {choice(0, 1, 0), choice(1, 1, 1), choice(2, 2, 1),
	                              choice(3, 1, 0)};

	(void)state;
	list[0].tries = 1; /* drained all the same */
	assert_string_equal(order(list, 4, "k"), "badc");
}

enum how { OPEN, SLOW, SHUT };

static struct route_choice as(size_t i, enum how how, bool spills, int64_t opens_at)
{
	struct route_choice c = choice(i, 1, 1);

	c.open = how != SHUT;
	c.slow = how == SLOW;
	c.spills = spills;
	c.opens_at = opens_at;
	return c;
}

static void test_who_is_chosen(void **state)
{
	static const struct {
		const char *name;
		struct {
			enum how how;
			bool spills;
			int64_t opens_at;
		} list[3];
		size_t n, chosen;
	} rows[] = {
		{"the first, when it is open", {{OPEN, false, 0}, {OPEN, false, 0}}, 2, 0},
		{"past one that is shut", {{SHUT, false, 5}, {OPEN, false, 0}}, 2, 1},
		{"a slow one is waited for", {{SLOW, false, 5}, {OPEN, false, 0}}, 2, 0},
		{"unless it spills", {{SLOW, true, 5}, {OPEN, false, 0}}, 2, 1},
		{"spills to one that is waited for", {{SLOW, true, 9}, {SLOW, false, 5}}, 2, 1},
		{"but not when that takes longer", {{SLOW, true, 5}, {SLOW, false, 9}}, 2, 0},
		{"and not past that", {{SLOW, true, 9}, {SLOW, false, 5}, {OPEN, false, 0}}, 3, 1},
		{"all spill: the soonest",
	         {{SLOW, true, 9}, {SLOW, true, 5}, {SLOW, true, 7}},
	         3,
	         1},
		{"slow rather than shut", {{SHUT, false, 1}, {SLOW, false, 5}}, 2, 1},
		{"also when it spills", {{SLOW, true, 5}, {SHUT, true, 1}}, 2, 0},
		{"all shut: the soonest", {{SHUT, false, 9}, {SHUT, true, 5}}, 2, 1},
		{"all paused: the first",
	         {{SHUT, false, INT64_MAX}, {SHUT, false, INT64_MAX}},
	         2,
	         0},
		{"nobody", {{OPEN, false, 0}}, 0, ROUTE_NOWHERE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_choice list[3];

		for (size_t k = 0; k < rows[i].n; k++)
			list[k] = as(k, rows[i].list[k].how, rows[i].list[k].spills,
			             rows[i].list[k].opens_at);
		print_message("%s\n", rows[i].name);
		assert_int_equal(route_choose(list, rows[i].n), rows[i].chosen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiers_are_in_order),
		cmocka_unit_test(test_weights_are_shares),
		cmocka_unit_test(test_a_mail_keeps_its_order),
		cmocka_unit_test(test_one_that_had_a_try_is_first_of_its_tier),
		cmocka_unit_test(test_weight_0_is_behind_its_tier),
		cmocka_unit_test(test_who_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fleet/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"

static const char *const names[STATS_GROUPS] = {
	[STATS_ATTEMPTS] = "attempts", [STATS_PROVIDER_MAILS] = "mails",
	[STATS_CALL] = "call",         [STATS_MAILS] = "mails",
	[STATS_ADOPTED] = "adopted",   [STATS_DUPLICATES] = "duplicates",
	[STATS_DEAD] = "dead",         [STATS_WAIT] = "wait",
	[STATS_TOTAL] = "total",
};

/* Every count has a field of its own, which is found again; and the rows have no holes. */
static void test_every_field_is_found(void **state)
{
	bool taken[2][STATS_MAX_CELLS] = {{false}};
	size_t n[2] = {0}, cell;
	char field[64];

	(void)state;
	for (int g = 0; g < STATS_GROUPS; g++) {
		bool of_provider = g <= STATS_CALL;

		for (size_t i = 0; i < stats_labels((enum stats_group)g); i++) {
			snprintf(field, sizeof(field), "%s:%s", names[g],
			         stats_label((enum stats_group)g, i));
			assert_true(stats_find(of_provider, field, &cell));
			assert_int_equal(cell, stats_at((enum stats_group)g) + i);
			assert_false(taken[of_provider][cell]);
			taken[of_provider][cell] = true;
			n[of_provider]++;
		}
	}
	assert_int_equal(n[true], STATS_PROVIDER_CELLS);
	assert_int_equal(n[false], STATS_QUEUE_CELLS);
	assert_false(stats_find(true, "interval", &cell));
	assert_false(stats_find(true, "attempts", &cell));
	assert_false(stats_find(true, "attempts:", &cell));
	assert_false(stats_find(true, "attempts:sentt", &cell));
	assert_false(stats_find(true, "wait:5", &cell));
	assert_false(stats_find(false, "call:5", &cell));
}

/* The names that are in Redis are the bounds that are counted by. */
static void test_buckets_are_named_by_their_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		int64_t ms;

		assert_true(number_int(stats_label(STATS_CALL, i), &ms));
		assert_int_equal(ms, histogram_bounds_ms[i]);
	}
	assert_string_equal(stats_label(STATS_CALL, HISTOGRAM_BOUNDS), "inf");
	assert_string_equal(stats_label(STATS_CALL, HISTOGRAM_SUM), "us");
}

static void test_final_statuses(void **state)
{
	(void)state;
	assert_int_equal(stats_status("sent"), STATS_SENT);
	assert_int_equal(stats_status("failed"), STATS_FAILED);
	assert_int_equal(stats_status("held"), STATS_HELD);
	assert_int_equal(stats_status("cancelled"), STATS_CANCELLED);
	assert_int_equal(stats_status("retrying"), STATS_STATUSES);
}

static void check_reason(enum outcome_kind kind, const char *code, enum stats_reason reason)
{
	struct outcome o;

	outcome_set(&o, kind, code, "");
	assert_int_equal(stats_reason(&o), reason);
}

static void test_reasons(void **state)
{
	(void)state;
	check_reason(OUTCOME_REJECTED, "invalid_job", STATS_INVALID);
	check_reason(OUTCOME_REJECTED, "expired", STATS_EXPIRED);
	check_reason(OUTCOME_REJECTED, "550 5.1.1", STATS_REJECTED);
	check_reason(OUTCOME_RETRY, "451 4.3.0", STATS_SPENT);
	check_reason(OUTCOME_RETRY, "expired", STATS_SPENT); /* a provider's word, not ours */
	check_reason(OUTCOME_PROVIDER_DOWN, "535", STATS_SPENT);
	check_reason(OUTCOME_UNKNOWN, "timeout", STATS_UNKNOWN);
	check_reason(OUTCOME_SENT, "", STATS_OTHER);
}

static void test_rows_are_apart(void **state)
{
	struct stats s;
	struct stats_row *primary, *secondary, *queue;

	(void)state;
	stats_init(&s, "mail");
	primary = stats_provider(&s, "primary");
	secondary = stats_provider(&s, "secondary");
	queue = stats_queue(&s, "{mail:queue}:stats");
	assert_ptr_equal(stats_provider(&s, "primary"), primary);
	assert_ptr_equal(stats_queue(&s, "{mail:queue}:stats"), queue);
	stats_add(primary, STATS_ATTEMPTS, OUTCOME_SENT);
	stats_add(primary, STATS_ATTEMPTS, OUTCOME_SENT);
	stats_add(secondary, STATS_ATTEMPTS, OUTCOME_RETRY);
	stats_add(queue, STATS_MAILS, STATS_SENT);
	stats_add(queue, STATS_MAILS, STATS_STATUSES); /* no final status: nothing */
	stats_time(queue, STATS_WAIT, 7000);
	stats_time(queue, STATS_WAIT, -1); /* clocks differ a little */
	assert_int_equal(stats_pending(primary, STATS_ATTEMPTS, OUTCOME_SENT), 2);
	assert_int_equal(stats_pending(secondary, STATS_ATTEMPTS, OUTCOME_SENT), 0);
	assert_int_equal(stats_pending(secondary, STATS_ATTEMPTS, OUTCOME_RETRY), 1);
	assert_int_equal(stats_pending(queue, STATS_MAILS, STATS_SENT), 1);
	assert_int_equal(stats_pending(queue, STATS_ADOPTED, 0), 0);
	assert_int_equal(stats_pending(queue, STATS_WAIT, 0), 1);
	assert_int_equal(stats_pending(queue, STATS_WAIT, 1), 1);
	assert_int_equal(stats_pending(queue, STATS_WAIT, HISTOGRAM_SUM), 7000);
	stats_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_is_found),
		cmocka_unit_test(test_buckets_are_named_by_their_bounds),
		cmocka_unit_test(test_final_statuses),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_rows_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

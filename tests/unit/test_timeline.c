#include "fleet/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_cuts_at_whole_characters(void **state)
{
	(void)state;
	assert_int_equal(timeline_cut("abc", 5), 3);
	assert_int_equal(timeline_cut("abcdef", 5), 5);
	assert_int_equal(timeline_cut("ab\xc3\xa9", 3), 2);
	assert_int_equal(timeline_cut("\xf0\x9f\x9a\x80x", 3), 0);
	assert_int_equal(timeline_cut("\xf0\x9f\x9a\x80x", 4), 4);
}

static void test_a_line_fits_a_listpack(void **state)
{
	struct task t = {.took_us = 12345};
	char line[TIMELINE_MAX_LINE + 1];

	(void)state;
	snprintf(t.history.provider, sizeof(t.history.provider), "primary");
	outcome_set(&t.outcome, OUTCOME_RETRY, "451 4.3.0", "try again later");
	timeline_line(line, &t);
	assert_string_equal(line, "primary retry 451 4.3.0 12ms try again later");
	outcome_set(
		&t.outcome, OUTCOME_REJECTED, "550 5.1.1",
		"a very long text that the server has to say about a mailbox which is not there");
	timeline_line(line, &t);
	assert_int_equal(strlen(line), TIMELINE_MAX_LINE);
}

/* A settled status lives STATUS_TTL, one of a dead letter longer than DEAD_TTL, an
 * unsettled one until MAX_QUEUE_TIME after its next attempt. */
static void test_how_long_a_status_lives(void **state)
{
	struct options o = {.status_ttl = 10, .dead_ttl = 20, .max_queue_time = 30};
	struct decision sent = {.settle = SETTLE_ACK}, dead = {.settle = SETTLE_BURY},
			later = {.settle = SETTLE_DELAY, .at = 1500},
			past = {.settle = SETTLE_DELAY};

	(void)state;
	assert_int_equal(timeline_ttl(&sent, &o, 1000), 10000);
	assert_true(timeline_ttl(&dead, &o, 1000) > 20000);
	assert_int_equal(timeline_ttl(&later, &o, 1000), 30500);
	assert_int_equal(timeline_ttl(&past, &o, 1000), 30000);
	o.status_ttl = 1000000;
	assert_int_equal(timeline_ttl(&dead, &o, 1000), 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_at_whole_characters),
		cmocka_unit_test(test_a_line_fits_a_listpack),
		cmocka_unit_test(test_how_long_a_status_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "provider/mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/delivery.h"
#include "support/tmpdir.h"
#include "support/wait.h"

static struct ev_loop *loop;
static struct options options;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	delivery_options(&options);
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	options_free(&options);
	return 0;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

static struct mock_plan plan;
static struct error err;

static void test_fail_shares(void **state)
{
	(void)state;
	assert_true(mock_parse_fail(&plan, "retry:3,throttled:3,rejected:4", &err));
	assert_int_equal(plan.shares[OUTCOME_RETRY], 3);
	assert_int_equal(plan.shares[OUTCOME_THROTTLED], 3);
	assert_int_equal(plan.shares[OUTCOME_REJECTED], 4);
	assert_int_equal(plan.shares[OUTCOME_UNKNOWN], 0);
	assert_int_equal(plan.all_shares, 10);
	assert_true(mock_parse_fail(&plan, "provider_down,unknown:0", &err));
	assert_int_equal(plan.shares[OUTCOME_PROVIDER_DOWN], 1);
	assert_int_equal(plan.all_shares, 1);
}

static void test_fail_that_is_refused(void **state)
{
	static const char *const bad[] = {"",         "sent:1",   "retry:x",
	                                  "retry:",   "retry:-1", "retry,,",
	                                  "nonsense", "retry:0",  "retry:99999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mock_parse_fail(&plan, bad[i], &err))
			fail_msg("\"%s\" was accepted", bad[i]);
}

static void test_latency(void **state)
{
	static const char *const bad[] = {"", "x", "5-", "-5", "9-5", "1-2-3", "1ms", "9999999"};

	(void)state;
	assert_true(mock_parse_latency(&plan, "20", &err));
	assert_int_equal(plan.latency_min, 20);
	assert_int_equal(plan.latency_max, 20);
	assert_true(mock_parse_latency(&plan, "5-50", &err));
	assert_int_equal(plan.latency_min, 5);
	assert_int_equal(plan.latency_max, 50);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mock_parse_latency(&plan, bad[i], &err))
			fail_msg("\"%s\" was accepted", bad[i]);
}

#define DRAWS 20000

static void draw(uint64_t seed, enum outcome_kind *kinds, long *latencies)
{
	struct prng random;

	prng_seed(&random, seed);
	for (int i = 0; i < DRAWS; i++)
		kinds[i] = mock_draw(&plan, &random, &latencies[i]);
}

static void test_the_same_seed_gives_the_same_fates(void **state)
{
	static enum outcome_kind a[DRAWS], b[DRAWS];
	static long la[DRAWS], lb[DRAWS];
	int kinds[OUTCOME_N] = {0}, differ = 0;

	(void)state;
	plan.success = 0.7;
	assert_true(mock_parse_fail(&plan, "retry:3,throttled:3,rejected:4", &err));
	assert_true(mock_parse_latency(&plan, "5-50", &err));
	draw(7, a, la);
	draw(7, b, lb);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_equal(la, lb, sizeof(la));
	draw(8, b, lb);
	for (int i = 0; i < DRAWS; i++) {
		differ += a[i] != b[i];
		kinds[a[i]]++;
		assert_in_range(la[i], 5, 50);
	}
	assert_true(differ > DRAWS / 10);
	/* The shares: 70% sent, the rest 3:3:4. */
	assert_in_range(kinds[OUTCOME_SENT], DRAWS * 68 / 100, DRAWS * 72 / 100);
	assert_in_range(kinds[OUTCOME_RETRY], DRAWS * 8 / 100, DRAWS * 10 / 100);
	assert_in_range(kinds[OUTCOME_THROTTLED], DRAWS * 8 / 100, DRAWS * 10 / 100);
	assert_in_range(kinds[OUTCOME_REJECTED], DRAWS * 11 / 100, DRAWS * 13 / 100);
}

/* ---- as a provider ------------------------------------------------------------------------------ */

static void test_sent(void **state)
{
	struct provider *p = delivery_open(loop, &options, "mock://");
	struct mail *m = mail_new(p, 1, NULL);

	(void)state;
	assert_int_equal(mail_deliver(m)->kind, OUTCOME_SENT);
	assert_int_equal(m->ready, 1);
	assert_int_equal(m->done, 1);
	assert_int_equal(m->delivery.rcpts[0].state, RCPT_ACCEPTED);
	assert_string_not_equal(m->outcome.message_id, "");
	assert_null(m->delivery.impl);
	mail_free(m);
	provider_close(p);
}

/* Each kind of failure, and on which side of the release it comes. */
static void test_failures(void **state)
{
	static const struct {
		const char *fail;
		enum outcome_kind kind;
		bool after_release;
	} kinds[] = {{"retry", OUTCOME_RETRY, true},
	             {"throttled", OUTCOME_THROTTLED, true},
	             {"rejected", OUTCOME_REJECTED, true},
	             {"unknown", OUTCOME_UNKNOWN, true},
	             {"provider_down", OUTCOME_PROVIDER_DOWN, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct provider *p = delivery_open(loop, &options, "mock://?success=0&fail=%s",
		                                   kinds[i].fail);
		struct mail *m = mail_new(p, 1, NULL);

		assert_int_equal(mail_deliver(m)->kind, kinds[i].kind);
		assert_int_equal(m->released, kinds[i].after_release);
		assert_int_equal(m->delivery.rcpts[0].state,
		                 kinds[i].kind == OUTCOME_REJECTED ? RCPT_REFUSED : RCPT_PENDING);
		mail_free(m);
		provider_close(p);
	}
}

/* Waits in every state: nothing is said after the abandon, and its place is free again. */
static void test_abandon(void **state)
{
	struct provider *p = delivery_open(loop, &options, "mock://?concurrency=4&latency=20");
	struct mail *early = mail_new(p, 1, NULL), *held = mail_new(p, 2, NULL);
	struct mail *released = mail_new(p, 3, NULL), *other = mail_new(p, 4, NULL);

	(void)state;
	held->when_ready = released->when_ready = READY_HOLD;
	mail_send(held);
	mail_send(released);
	mail_wait_ready(held);
	mail_wait_ready(released);
	mail_release(released);
	mail_send(early);
	assert_int_equal(provider_room(p), 1);
	mail_abandon(early);
	mail_abandon(held);
	mail_abandon(released);
	assert_int_equal(provider_room(p), 4);
	mail_deliver(other); /* takes 20 ms: the others had their time */
	assert_int_equal(early->ready + early->done, 0);
	assert_int_equal(held->done + released->done, 0);
	mail_free(early);
	mail_free(held);
	mail_free(released);
	mail_free(other);
	provider_close(p);
}

#define MANY 1000

static int n_done;

static void send_again(struct mail *m)
{
	n_done++;
	if (n_done < MANY)
		mail_send(m);
}

static bool all_done(void *arg)
{
	(void)arg;
	return n_done >= MANY;
}

static void count_turn(struct ev_loop *l, ev_prepare *prepare, int events)
{
	(void)l;
	(void)events;
	++*(int *)prepare->data;
}

/* A mail that is sent again from within on_done does not keep the loop from anything else. */
static void test_the_loop_goes_round_between_mails(void **state)
{
	struct provider *p = delivery_open(loop, &options, "mock://");
	struct mail *m = mail_new(p, 1, NULL);
	ev_prepare prepare;
	int turns = 0;

	(void)state;
	ev_prepare_init(&prepare, count_turn);
	prepare.data = &turns;
	ev_prepare_start(loop, &prepare);
	n_done = 0;
	m->on_done = send_again;
	mail_send(m);
	wait_loop_until(loop, all_done, NULL, 0);
	assert_true(turns >= MANY);
	ev_prepare_stop(loop, &prepare);
	mail_free(m);
	provider_close(p);
}

static void test_record(void **state)
{
	char *path = tmpdir_name("record"), *text;
	struct provider *p = delivery_open(loop, &options, "mock://?success=0.5&seed=3&record=%s",
	                                   path);
	char want[128];
	size_t sent = 0, lines = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct mail *m = mail_new(p, i, NULL);

		if (mail_deliver(m)->kind == OUTCOME_SENT) {
			sent++;
			text = tmpdir_read(path, NULL);
			snprintf(want, sizeof(want), "key-%d <mail-%d@example.org> %ld ", i, i,
			         (long)getpid());
			assert_non_null(strstr(text, want));
			free(text);
		}
		mail_free(m);
	}
	text = tmpdir_read(path, NULL);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, sent);
	assert_in_range(sent, 10, 40);
	free(text);
	free(path);
	provider_close(p);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_shares),
		cmocka_unit_test(test_fail_that_is_refused),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_the_same_seed_gives_the_same_fates),
		TEST(test_sent),
		TEST(test_failures),
		TEST(test_abandon),
		TEST(test_the_loop_goes_round_between_mails),
		TEST(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

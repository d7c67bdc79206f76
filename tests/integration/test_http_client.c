#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support/http_rig.h"
#include "support/wait.h"

/* The last byte stays here until it is let go, and no request is sent twice: counted at a server. */

/* --- the last byte ----------------------------------------------------------------------------- */

static void holds(struct http_rig *r, const char *name, size_t n)
{
	struct exchange x = {.when_held = HELD_WAIT};

	exchange_start(&x, r, NULL, name, n);
	exchange_wait_held(&x);
	http_rig_wait(r, "held", name, 1); /* all the others are there */
	wait_loop_for(r->loop, 50);
	assert_int_equal(http_rig_count(r, "wholes", name), 0);
	assert_int_equal(x.ended, 0);
	exchange_release(&x);
	exchange_wait_end(&x);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
	assert_true(x.passed);
	assert_true(x.complete);
	assert_int_equal(x.held, 1);
	assert_int_equal(http_rig_count(r, "wholes", name), 1);
	http_server_check(r->server);
}

static void test_last_byte_is_held(void **state)
{
	holds(*state, "of-1", 1);
	holds(*state, "of-2", 2);
	holds(*state, "of-1000", 1000);
	holds(*state, "of-70000", 70000);
	holds(*state, "of-5000000", 5000000); /* over 1 MiB: libcurl would ask for 100 Continue */
}

static void test_abandoned_while_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {.when_held = HELD_WAIT}, next;

	exchange_start(&x, r, NULL, "left", 5000);
	exchange_wait_held(&x);
	http_rig_wait(r, "held", "left", 1);
	exchange_abandon(&x);
	exchange_run(&next, r, NULL, "next", 100);
	assert_int_equal(next.status, 200);
	assert_int_equal(x.ended, 0);
	assert_int_equal(http_rig_count(r, "wholes", "left"), 0);
	/* Its connection is not used for another: the byte that is missing would be taken from there. */
	assert_int_equal(http_server_count(r->server, "connections"), 2);
}

static void test_abandoned_from_within_on_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {.when_held = HELD_ABANDON}, next;

	exchange_start(&x, r, NULL, "left", 5000);
	exchange_wait_held(&x);
	exchange_run(&next, r, NULL, "next", 100);
	assert_int_equal(next.status, 200);
	assert_int_equal(http_rig_count(r, "wholes", "left"), 0);
}

static void test_abandoned_before_it_was_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0}, sending = {0}, next;

	exchange_start(&x, r, NULL, "left", 5000);
	exchange_abandon(&x);
	exchange_start(&sending, r, "slow-read", "slow", 20000000);
	http_rig_wait(r, "heads", "slow", 1);
	exchange_abandon(&sending);
	exchange_run(&next, r, NULL, "next", 100);
	assert_int_equal(next.status, 200);
	assert_int_equal(x.held + x.ended + sending.held + sending.ended, 0);
	assert_int_equal(http_server_count(r->server, "wholes"), 1);
}

static void test_get_is_not_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, NULL, "question", 0);
	assert_int_equal(x.held, 0);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
}

/* --- a server that does not wait --------------------------------------------------------------- */

/* Held, and the server's FIN is here. Newer versions of libcurl see it by themselves: over. */
static bool is_hung_up(void *arg)
{
	const struct exchange *x = arg;
	struct pollfd fd = {.events = POLLRDHUP};

	if (x->request == NULL)
		return true;
	fd.fd = x->request->fd;
	return x->held > 0 && poll(&fd, 1, 0) > 0 && (fd.revents & POLLRDHUP) != 0;
}

static void certainly_not_sent(struct http_rig *r, const char *behaviour)
{
	struct exchange x = {.when_held = HELD_WAIT};

	exchange_start(&x, r, behaviour, behaviour, 5000);
	wait_loop_until(r->loop, is_hung_up, &x, 0);
	if (x.request != NULL)
		exchange_release(&x);
	exchange_wait_end(&x);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_false(x.passed);
	assert_int_equal(http_rig_count(r, "wholes", behaviour), 0);
}

/* libcurl itself would see the FIN only after the last byte was gone, and nobody could know. */
static void test_fin_while_held(void **state)
{
	certainly_not_sent(*state, "hangup-held");
	certainly_not_sent(*state, "half-close-held");
}

static void test_reset_while_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {.when_held = HELD_WAIT};

	exchange_start(&x, r, "reset-held", "reset", 5000);
	exchange_wait_end(&x); /* by itself */
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_false(x.passed);
}

static void test_answered_while_held(void **state)
{
	struct http_rig *r = *state;
	struct exchange refused = {.when_held = HELD_WAIT}, taken = {.when_held = HELD_WAIT};

	exchange_start(&refused, r, "held-401", "refused", 5000);
	exchange_wait_end(&refused);
	assert_int_equal(refused.end, HTTP_END_REPLY);
	assert_int_equal(refused.status, 401);
	assert_false(refused.passed);
	assert_true(refused.complete);
	assert_true(refused.body_len > 0);

	/* Nobody can have taken half a request, whatever is said. */
	exchange_start(&taken, r, "held-202", "taken", 5000);
	exchange_wait_end(&taken);
	assert_int_equal(taken.end, HTTP_END_LOST);
	assert_false(taken.passed);
	assert_int_equal(http_server_count(r->server, "wholes"), 0);
}

/* Released at the very moment when the answer is in the socket, unread. */
static void test_released_after_the_answer(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;
	struct pollfd fd;
	bool met = false;

	/* The answer may also be there before the hold; then it is tried again, for the moment meant. */
	for (int i = 0; i < 50 && !met; i++) {
		x = (struct exchange){.when_held = HELD_WAIT};
		exchange_start(&x, r, "held-401", "refused", 5000);
		if (exchange_wait_held_or_end(&x) && x.request != NULL) {
			fd = (struct pollfd){.fd = x.request->fd, .events = POLLIN};
			assert_int_equal(poll(&fd, 1, WAIT_DEFAULT_MS), 1);
			exchange_release(&x);
			met = true;
		}
		exchange_wait_end(&x);
		assert_int_equal(x.end, HTTP_END_REPLY);
		assert_int_equal(x.status, 401);
	}
	assert_true(met);
}

static void test_answered_while_sending(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "early-400", "early", 30000000);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 400);
	assert_false(x.passed);
	assert_int_equal(x.held, 0);
}

/* --- connections ------------------------------------------------------------------------------- */

static void test_connections_are_kept(void **state)
{
	enum { N = 20 };
	struct http_rig *r = *state;
	struct exchange one, many[N];

	for (int i = 0; i < 30; i++) {
		exchange_run(&one, r, NULL, "one", 3000);
		assert_int_equal(one.status, 200);
	}
	assert_int_equal(http_server_count(r->server, "connections"), 1);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			many[i] = (struct exchange){.when_held = HELD_WAIT};
			exchange_start(&many[i], r, NULL, "many", 3000);
		}
		for (int i = 0; i < N; i++)
			exchange_wait_held(&many[i]);
		for (int i = 0; i < N; i++)
			exchange_release(&many[i]);
		for (int i = 0; i < N; i++)
			exchange_wait_end(&many[i]);
	}
	assert_int_equal(http_server_count(r->server, "connections"), N);
}

/* A kept connection dies just when it is used again: nobody needs to know, unless on_held was
 * called already (so that the body is a long one here). */
static void test_dead_connection_is_replaced(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;
	struct http_client_stats stats;

	exchange_run(&x, r, "dead-next", "first", 3000);
	assert_int_equal(x.status, 200);
	exchange_run(&x, r, NULL, "second", 5000000);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
	assert_int_equal(x.held, 1);
	assert_int_equal(http_rig_count(r, "wholes", "second"), 1);
	http_client_stats(r->client, &stats);
	assert_int_equal(stats.restarts, 1);
}

/* All that were kept may be dead: it is a fresh one that is tried next. */
static void test_all_connections_are_dead(void **state)
{
	struct http_rig *r = *state;
	struct exchange one = {.when_held = HELD_WAIT}, two = {.when_held = HELD_WAIT}, x;
	struct http_client_stats stats;

	exchange_start(&one, r, "dead-next", "one", 3000);
	exchange_start(&two, r, "dead-next", "two", 3000);
	exchange_wait_held(&one);
	exchange_wait_held(&two);
	exchange_release(&one);
	exchange_release(&two);
	exchange_wait_end(&one);
	exchange_wait_end(&two);
	exchange_run(&x, r, NULL, "third", 5000000);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
	http_client_stats(r->client, &stats);
	assert_int_equal(stats.restarts, 1);
}

/* But once only. */
static void test_second_death_is_told(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, NULL, "first", 3000);
	exchange_run(&x, r, "reset-head", "second", 5000000);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_false(x.passed);
	http_rig_wait(r, "heads", "second", 2);
}

/* libcurl sends a POST again by itself when a connection that it has used before dies unanswered.
 * Here it must not: the server may have acted. */
static void never_again(struct http_rig *r, const char *behaviour, size_t n)
{
	struct exchange x;

	exchange_run(&x, r, NULL, "before", 100); /* so that the next one finds a used connection */
	assert_int_equal(x.status, 200);
	exchange_run(&x, r, behaviour, behaviour, n);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_true(x.passed);
	wait_loop_for(r->loop, 50);
	assert_int_equal(http_rig_count(r, "wholes", behaviour), 1);
}

static void test_nothing_is_sent_twice(void **state)
{
	never_again(*state, "reset", 1);
	never_again(*state, "close", 3000);
	never_again(*state, "partial-head", 100000);
}

/* --- all at once ------------------------------------------------------------------------------- */

struct crowd {
	struct exchange *list;
	size_t n;
};

static bool all_settled(void *arg)
{
	const struct crowd *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].request != NULL)
			return false;
	return true;
}

static void test_crowd(void **state)
{
	enum { N = 400 };
	static const char *const behaviours[] = {NULL,         NULL,       "reset",    "close",
	                                         "reset-head", "held-401", "held-202", "gateway",
	                                         "reset-held", "partial",  "dead-next"};
	static struct exchange list[N];
	struct http_rig *r = *state;
	struct crowd crowd = {list, N};
	struct prng random;
	char name[32];

	prng_seed(&random, 4);
	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < N; i++) {
		size_t n = 1 + (size_t)(prng_u64(&random) % (i % 50 == 0 ? 500000 : 5000));
		const char *behaviour = behaviours[prng_u64(&random) %
		                                   (sizeof(behaviours) / sizeof(behaviours[0]))];

		list[i].when_held = prng_u64(&random) % 4 == 0 ? HELD_ABANDON : HELD_RELEASE;
		snprintf(name, sizeof(name), "no-%zu", i);
		exchange_start(&list[i], r, behaviour, name, n);
		if (i % 40 == 39)
			wait_loop_for(r->loop, 5);
	}
	wait_loop_until(r->loop, all_settled, &crowd, 0);
	for (size_t i = 0; i < N; i++) {
		size_t wholes;

		snprintf(name, sizeof(name), "no-%zu", i);
		wholes = http_rig_count(r, "wholes", name);
		assert_false(list[i].in_call);
		assert_true(list[i].ended <= 1 && list[i].held <= 1);
		assert_true(wholes <= 1);
		if (list[i].ended == 0 || !list[i].passed)
			assert_int_equal(wholes, 0);
		if (list[i].ended == 1 && list[i].status == 200)
			assert_int_equal(wholes, 1);
	}
	http_server_check(r->server);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, http_rig_set_up, http_rig_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_last_byte_is_held),
		TEST(test_abandoned_while_held),
		TEST(test_abandoned_from_within_on_held),
		TEST(test_abandoned_before_it_was_held),
		TEST(test_get_is_not_held),
		TEST(test_fin_while_held),
		TEST(test_reset_while_held),
		TEST(test_answered_while_held),
		TEST(test_released_after_the_answer),
		TEST(test_answered_while_sending),
		TEST(test_connections_are_kept),
		TEST(test_dead_connection_is_replaced),
		TEST(test_all_connections_are_dead),
		TEST(test_second_death_is_told),
		TEST(test_nothing_is_sent_twice),
		TEST(test_crowd),
	};

	return cmocka_run_group_tests_name("http_client", tests, http_rig_begin, http_rig_end);
}

/* A link may be closed at any time, also within every function that it calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/script.h"
#include "support/link_world.h"

static void test_close_answers_what_is_in_flight(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	for (int i = 0; i < 10; i++)
		link_world_send(w, "PING");
	link_world_close(w);
	link_world_assert_all(w, 0, LINK_LOST);
	assert_int_equal(w->downs, 0); /* who closes it knows */
	link_world_free(w);
}

static void test_close_within_an_answer(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	w->close_at_answer = 3;
	for (int i = 0; i < 10; i++)
		link_world_send(w, "PING");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(w->answers[i].command, i);
		assert_int_equal(w->answers[i].result, i <= 3 ? LINK_OK : LINK_LOST);
	}
	wait_loop_for(w->loop, 20);
	link_world_free(w);
}

static void test_close_within_a_lost_answer(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_pause(w->server);
	w->close_at_answer = 3;
	for (int i = 0; i < 10; i++)
		link_world_send(w, "PING");
	wait_loop_for(w->loop, 20);
	redis_server_kill(w->server);
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_LOST);
	wait_loop_for(w->loop, 20);
	assert_int_equal(w->downs, 0);
	link_world_free(w);
}

static void test_close_within_an_answer_that_takes_it_down(void **state)
{
	(void)state;
	struct link_world *w = link_world_up(NULL);
	redis_server_do(w->server, "SCRIPT FLUSH");
	struct command c;
	command_init(&c);
	script_command(&c, SCRIPT_CLAIM, 0);
	w->close_at_answer = 0;
	link_world_send_command(w, &c);
	link_world_send_command(w, &c);
	command_free(&c);
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	assert_int_equal(w->answers[0].result, LINK_AGAIN);
	assert_int_equal(w->answers[1].result, LINK_LOST);
	wait_loop_for(w->loop, 20);
	link_world_free(w);
}

static void test_close_within_on_change(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	w->close_at_up = 1;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_closed, w, 0);
	w->close_at_up = -1;
	w->close_at_down = 1;
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	redis_server_kill(server);
	wait_loop_until(w->loop, link_world_is_closed, w, 0);
	wait_loop_for(w->loop, 20);
	link_world_free(w);
}

/* Opens a link, closes it after so many turns of the loop, and lets the loop run on. */
static void open_and_close(const char *url, int turns)
{
	struct link_world *w = link_world_new(NULL, url);
	link_world_open(w);
	for (int t = 0; t < turns; t++)
		ev_run(w->loop, EVRUN_NOWAIT);
	link_world_close(w);
	wait_loop_for(w->loop, 10);
	link_world_free(w);
}

static void test_close_before_it_is_up(void **state)
{
	(void)state;
	struct redis_server *server = redis_server_start(NULL);
	const char *const urls[] = {"redis://127.0.0.1:1", "redis://localhost:1",
	                            "redis://no-such-host.invalid", "unix:///nonexistent",
	                            redis_server_url(server)};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		for (int turns = 0; turns < 8; turns++)
			open_and_close(urls[i], turns);
	redis_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_answers_what_is_in_flight),
		cmocka_unit_test(test_close_within_an_answer),
		cmocka_unit_test(test_close_within_a_lost_answer),
		cmocka_unit_test(test_close_within_an_answer_that_takes_it_down),
		cmocka_unit_test(test_close_within_on_change),
		cmocka_unit_test(test_close_before_it_is_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

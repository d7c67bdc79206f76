#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/http_rig.h"
#include "support/wait.h"

/* A dead name server must not stop the loop. libcurl looks names up by getaddrinfo(3) in a thread;
 * this program's own getaddrinfo is found before the C library's, and answers when it is let. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static bool dead;
static atomic_int under_way, asked;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
	(void)host;
	(void)service;
	(void)hints;
	(void)result;
	asked++;
	under_way++;
	pthread_mutex_lock(&mutex);
	while (dead)
		pthread_cond_wait(&answered, &mutex);
	pthread_mutex_unlock(&mutex);
	under_way--;
	return EAI_NONAME;
}

static void set_dead(bool is)
{
	pthread_mutex_lock(&mutex);
	dead = is;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&mutex);
}

static bool is_asked(void *arg)
{
	(void)arg;
	return under_way > 0;
}

static bool is_quiet(void *arg)
{
	(void)arg;
	return under_way == 0;
}

static int set_up(void **state)
{
	asked = 0;
	return http_rig_set_up(state);
}

static int tear_down(void **state)
{
	set_dead(false);
	wait_until(is_quiet, NULL, 0);
	return http_rig_tear_down(state);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	++*(unsigned *)timer->data;
}

static void test_dead_name_server(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0};
	unsigned ticks = 0;
	ev_timer tick;

	set_dead(true);
	r->config.connect_ms = 300;
	http_rig_reopen(r);
	ev_timer_init(&tick, on_tick, 0.01, 0.01);
	tick.data = &ticks;
	ev_timer_start(r->loop, &tick);
	exchange_start_at(&x, r, "http://dead.example/x", 100);
	exchange_wait_end(&x);
	ev_timer_stop(r->loop, &tick);
	assert_int_equal(x.end, HTTP_END_TIMEOUT);
	assert_false(x.passed);
	assert_true(ticks > 3);
	/* The thread that looks it up still waits, and nobody has waited for it. */
	assert_int_equal(under_way, 1);
}

static void test_given_up_during_a_look_up(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0};

	set_dead(true);
	exchange_start_at(&x, r, "http://dead.example/x", 100);
	wait_loop_until(r->loop, is_asked, NULL, 0);
	exchange_abandon(&x);
	http_rig_reopen(r); /* closes the client */
	assert_int_equal(under_way, 1);
	assert_int_equal(x.ended, 0);
}

static void test_unknown_name(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0};

	exchange_start_at(&x, r, "http://nobody.example/x", 100);
	exchange_wait_end(&x);
	assert_int_equal(x.end, HTTP_END_LOOKUP);
	assert_false(x.passed);
	assert_true(asked > 0);
	assert_non_null(strstr(x.why, "nobody.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dead_name_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_given_up_during_a_look_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_name, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("http_lookup", tests, http_rig_begin, http_rig_end);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/resolve.h"
#include "support/wait.h"

struct result {
	int calls, addresses;
	char error[128];
};

static void on_result(void *data, const struct addrinfo *list, const char *error)
{
	struct result *r = data;
	r->calls++;
	snprintf(r->error, sizeof(r->error), "%s", error ? error : "");
	for (; list; list = list->ai_next)
		r->addresses++;
}

static bool has_come(void *arg)
{
	const struct result *r = arg;
	return r->calls > 0;
}

static struct result look_up(const char *host)
{
	struct result r = {0};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(resolve_start(loop, host, on_result, &r));
	assert_int_equal(r.calls, 0); /* never at once */
	wait_loop_until(loop, has_come, &r, 0);
	wait_loop_for(loop, 10);
	assert_int_equal(r.calls, 1);
	ev_loop_destroy(loop);
	return r;
}

static void test_known_host(void **state)
{
	(void)state;
	struct result r = look_up("localhost");
	assert_true(r.addresses > 0);
	assert_string_equal(r.error, "");
}

static void test_unknown_host(void **state)
{
	(void)state;
	struct result r = look_up("no-such-host.invalid");
	assert_int_equal(r.addresses, 0);
	assert_string_not_equal(r.error, "");
}

static void test_nothing_comes_after_cancel(void **state)
{
	struct result r = {0};
	(void)state;
	for (int turns = 0; turns < 4; turns++) {
		struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
		struct resolve *resolve = resolve_start(loop, "localhost", on_result, &r);
		for (int i = 0; i < turns && r.calls == 0; i++)
			ev_run(loop, EVRUN_NOWAIT);
		if (r.calls == 0) {
			resolve_cancel(resolve);
			wait_loop_for(loop, 50);
			assert_int_equal(r.calls, 0);
		}
		r.calls = 0;
		ev_loop_destroy(loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_host),
		cmocka_unit_test(test_unknown_host),
		cmocka_unit_test(test_nothing_comes_after_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

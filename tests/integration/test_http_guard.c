/* The HTTP client for URLs that strangers give: whom it does not connect to (FAULTS 43). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/http_rig.h"

#define BODY 100

static void run_at(struct exchange *x, struct http_rig *r, const char *host)
{
	char url[300];

	snprintf(url, sizeof(url), "http://%s:%d/plain/guard", host, http_server_port(r->server));
	memset(x, 0, sizeof(*x));
	exchange_start_at(x, r, url, BODY);
	exchange_wait_end(x);
}

/* However the address is written, and whatever the name is looked up to: it is the socket's. */
static void test_loopback_is_refused_in_every_form(void **state)
{
	static const char *const hosts[] = {
		"127.0.0.1",
		"127.1",
		"2130706433",
		"0x7f000001",
		"0x7f.1",
		"017700000001",
		"localhost",
		"LOCALHOST.",
		"[::1]",
		"0.0.0.0",
		"[::ffff:7f00:1]",
		"[::ffff:127.0.0.1]",
		"127.0.0.99",
		"0",
		"[::]",
		"ip6-localhost",
	};
	struct http_rig *r = *state;
	struct exchange x;

	r->config.direct = r->config.public_only = true;
	http_rig_reopen(r);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		run_at(&x, r, hosts[i]);
		/* (a name that is nobody's here cannot be connected to either) */
		if (!x.refused && x.end != HTTP_END_LOOKUP)
			fail_msg("%s: end %d, %s", hosts[i], (int)x.end, x.why);
		assert_int_equal(x.held, 0);
	}
	run_at(&x, r, "localhost");
	assert_true(x.refused);
	assert_string_equal(x.why, "its address is not a public one");
	assert_int_equal(http_server_count(r->server, "connections"), 0);
}

/* A proxy would connect for us to wherever it likes. */
static void test_no_proxy_is_asked(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;
	char proxy[64];

	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", http_server_port(r->server));
	setenv("http_proxy", proxy, 1);
	unsetenv("no_proxy");
	r->config.direct = true;
	http_rig_reopen(r);
	memset(&x, 0, sizeof(x));
	/* TEST-NET-1: nobody is there */
	r->config.connect_ms = 200;
	http_rig_reopen(r);
	exchange_start_at(&x, r, "http://192.0.2.1/plain/proxied", BODY);
	exchange_wait_end(&x);
	assert_int_not_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(http_server_count(r->server, "connections"), 0);
	/* and with one it would have got there */
	r->config.direct = false;
	http_rig_reopen(r);
	memset(&x, 0, sizeof(x));
	exchange_start_at(&x, r, "http://192.0.2.1/plain/proxied", BODY);
	exchange_wait_end(&x);
	assert_int_equal(http_server_count(r->server, "connections"), 1);
	unsetenv("http_proxy");
	setenv("no_proxy", "127.0.0.1,localhost", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loopback_is_refused_in_every_form,
	                                        http_rig_set_up, http_rig_tear_down),
		cmocka_unit_test_setup_teardown(test_no_proxy_is_asked, http_rig_set_up,
	                                        http_rig_tear_down),
	};

	return cmocka_run_group_tests_name("http_guard", tests, http_rig_begin, http_rig_end);
}

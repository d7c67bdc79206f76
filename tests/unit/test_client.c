/* Who asks through proxies, by X-Forwarded-For. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/client.h"

#define PROXIES "127.0.0.1,10.0.0.0/8,2001:db8:1::/48"

static void test_who(void **state)
{
	static const struct {
		const char *peer, *forwarded, *who;
	} cases[] = {
		{"127.0.0.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.9", "192.0.2.1", "192.0.2.9"}, /* no proxy of ours: nothing is believed */
		{"127.0.0.1", "203.0.113.1, 192.0.2.1", "192.0.2.1"}, /* what he wrote himself */
		{"127.0.0.1", "x, 192.0.2.1\t, 10.0.0.1,\t10.1.1.1 ", "192.0.2.1"},
		{"::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"},
		{"10.9.9.9", "::ffff:192.0.2.1,2001:db8:1::5", "192.0.2.1"},
		/* only proxies: the one that is the farthest */
		{"127.0.0.1", "10.0.0.2,10.0.0.1", "10.0.0.2"},
		/* ports and brackets */
		{"127.0.0.1", "192.0.2.1:80, [2001:db8:1::1]:65000, 10.0.0.1:1", "192.0.2.1"},
		{"127.0.0.1", "[2001:db8::1]", "2001:db8::1"},
		{"127.0.0.1", "2001:db8::1", "2001:db8::1"},
		/* malformed: whoever is connected */
		{"127.0.0.1", "", "127.0.0.1"},
		{"127.0.0.1", "192.0.2.1,", "127.0.0.1"},
		{"127.0.0.1", "unknown", "127.0.0.1"},
		{"127.0.0.1", "192.0.2.1, unknown, 10.0.0.1", "127.0.0.1"},
		{"127.0.0.1", "192.0.2.1:", "127.0.0.1"},
		{"127.0.0.1", "192.0.2.1:123456", "127.0.0.1"},
		{"127.0.0.1", "[::1", "127.0.0.1"},
		{"127.0.0.1", "[::1]x", "127.0.0.1"},
		{"127.0.0.1", "[::1]:", "127.0.0.1"},
		{"127.0.0.1", "192.0.2.1 192.0.2.2", "127.0.0.1"},
		{"127.0.0.1", "0000000000000000000000000000000000000000000000001", "127.0.0.1"},
	};
	unsigned char who[NETWORK_BYTES], want[NETWORK_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(network_address(who, cases[i].peer, strlen(cases[i].peer)));
		assert_true(network_address(want, cases[i].who, strlen(cases[i].who)));
		client_behind(who, PROXIES, cases[i].forwarded);
		if (memcmp(who, want, NETWORK_BYTES) != 0)
			fail_msg("%s is not %s", cases[i].forwarded, cases[i].who);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

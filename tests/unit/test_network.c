/* Addresses in whatever form, and the lists of networks that they are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/network.h"

static bool is_in(const char *list, const char *address)
{
	unsigned char a[NETWORK_BYTES];

	assert_true(network_address(a, address, strlen(address)));
	return network_list_has(list, a);
}

static void test_lists(void **state)
{
	static const char list[] = "127.0.0.1, 10.0.0.0/8,172.16.0.0/12 ,2001:db8::/33,::1,";

	(void)state;
	assert_true(network_list_valid(list));
	assert_true(network_list_valid(""));
	assert_true(network_list_valid("0.0.0.0/0,::/0,1.2.3.4/32,::1/128,10.1.2.3/8"));
	assert_true(is_in(list, "127.0.0.1"));
	assert_true(is_in(list, "::ffff:127.0.0.1"));
	assert_true(is_in(list, "10.255.0.1"));
	assert_true(is_in(list, "172.31.255.255"));
	assert_true(is_in(list, "2001:db8:7fff::1"));
	assert_true(is_in(list, "0:0::1"));
	assert_false(is_in(list, "127.0.0.2"));
	assert_false(is_in(list, "11.0.0.0"));
	assert_false(is_in(list, "172.32.0.0"));
	assert_false(is_in(list, "2001:db8:8000::1"));
	assert_false(is_in("", "::"));
	/* all of one family is nothing of the other */
	assert_true(is_in("0.0.0.0/0", "192.0.2.1"));
	assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
	assert_true(is_in("::ffff:10.0.0.0/104", "10.9.9.9"));
}

static void test_what_is_none(void **state)
{
	static const char *const lists[] = {
		"localhost", "10.0.0.0/33", "::/129",       "10.0.0.0/",          "10.0.0.0/-1",
		"/8",        "10.0.0/8",    "[::1]",        "10.0.0.0/8/8",       "10.0.0.0/00008",
		"1.2.3.4:5", "*",           "fe80::1%eth0", "127.0.0.1;10.0.0.1", "10.0.0.0/+8"};
	unsigned char a[NETWORK_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (network_list_valid(lists[i]))
			fail_msg("%s", lists[i]);
	assert_false(network_address(a, "10.0.0.1\0", 9));
	assert_false(network_address(a, "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

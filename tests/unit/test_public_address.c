/* Which addresses strangers may make us connect to. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "provider/public_address.h"

static bool is_public(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return public_address((struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return public_address((struct sockaddr *)&in6);
}

static void test_public(void **state)
{
	static const char *const addresses[] = {
		"1.1.1.1",          "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
		"100.63.255.255",   "100.128.0.0",     "126.255.255.255", "128.0.0.0",
		"168.63.129.17",    "169.253.255.255", "169.255.0.0",     "172.15.255.255",
		"172.32.0.0",       "192.0.1.0",       "192.167.255.255", "192.169.0.0",
		"198.17.255.255",   "198.20.0.0",      "223.255.255.255", "2606:4700::1111",
		"2a00:1450::1",     "2001:200::1",     "2001:db7::1",     "::ffff:8.8.8.8",
		"64:ff9b::8.8.8.8", "2002:808:808::1", "3fff:1000::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (!is_public(addresses[i]))
			fail_msg("%s is public", addresses[i]);
}

static void test_not_public(void **state)
{
	static const char *const addresses[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.1",
		"10.255.255.255",
		"100.64.0.1",
		"100.100.100.200", /* Alibaba's metadata */
		"127.0.0.1",
		"127.255.255.254",
		"168.63.129.16", /* Azure's */
		"169.254.1.1",
		"169.254.169.254", /* most clouds' */
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.192", /* Oracle's */
		"192.0.2.1",
		"192.88.99.1",
		"192.168.0.1",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.1",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::127.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:10.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:0:127.0.0.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b:1::1",
		"100::1",
		"2001::1", /* Teredo */
		"2001:db8::1",
		"2002:7f00:1::1", /* 6to4 of 127.0.0.1 */
		"2002:a00:1::1",
		"3fff::1",
		"fc00::1",
		"fd00:ec2::254", /* Amazon's metadata */
		"fe80::1",
		"fec0::1",
		"ff02::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (is_public(addresses[i]))
			fail_msg("%s is not public", addresses[i]);
}

static void test_other_families(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	assert_false(public_address((struct sockaddr *)&un));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_not_public),
		cmocka_unit_test(test_other_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

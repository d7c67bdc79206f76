#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/prefer.h"

static void test_wait(void **state)
{
	static const struct {
		const char *text;
		int seconds;
	} cases[] = {
		{NULL, 0},
		{"", 0},
		{"wait=10", 10},
		{"Wait = 10", 10},
		{" wait=10 ", 10},
		{"wait=\"7\"", 7},
		{"respond-async, wait=5", 5},
		{"wait=5, wait=9", 5},
		{"wait=5; foo=1, wait=9", 5},
		{"x=\"a, wait=9\", wait=3", 3},
		{"x=\"a\\\", wait=9\", wait=3", 3},
		{"await=9, wait=3", 3},
		{"waiting=9", 0},
		{"wait=30", 30},
		{"wait=31", 30},
		{"wait=99999999999999999999999999", 30},
		{"wait=0", 0},
		{"wait", 0},
		{"wait=", 0},
		{"wait=, x", 0},
		{"wait,5", 0},
		{"wait=-1", 0},
		{"wait=1.5", 0},
		{"wait=5s", 0},
		{"wait=\"5", 0},
		{"wait=\"\"", 0},
		{",,;=,wait=2", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (prefer_wait(cases[i].text) != cases[i].seconds)
			fail_msg("%s: %d, not %d", cases[i].text, (int)prefer_wait(cases[i].text),
			         cases[i].seconds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

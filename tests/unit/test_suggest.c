#include "base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *nearest(const char *wanted)
{
	static struct suggest s;

	s = suggest_for(wanted);
	suggest_try(&s, "CONCURRENCY");
	suggest_try(&s, "REDIS_URL");
	suggest_try(&s, "STRICT");
	return suggest_best(&s);
}

static void test_near_names_are_found(void **state)
{
	(void)state;
	assert_string_equal(nearest("CONCURENCY"), "CONCURRENCY"); /* dropped */
	assert_string_equal(nearest("REDIS_ULR"), "REDIS_URL");    /* swapped */
	assert_string_equal(nearest("STRICTT"), "STRICT");         /* added */
	assert_string_equal(nearest("STRIKT"), "STRICT");          /* changed */
	assert_string_equal(nearest("REDIS_URL"), "REDIS_URL");
}

static void test_a_swap_is_one_step(void **state)
{
	struct suggest s = suggest_for("ab");

	(void)state;
	suggest_try(&s, "ba");
	assert_int_equal(s.distance, 1);
	suggest_try(&s, "ab");
	assert_int_equal(s.distance, 0);
}

static void test_far_names_are_not_suggested(void **state)
{
	struct suggest s;
	char longest[200];

	(void)state;
	assert_null(nearest("PATH"));
	assert_null(nearest(""));
	assert_null(nearest("URL_REDIS"));
	assert_null(nearest("STRONG")); /* half of it is wrong */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	s = suggest_for(longest);
	suggest_try(&s, longest);
	assert_null(suggest_best(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_names_are_found),
		cmocka_unit_test(test_a_swap_is_one_step),
		cmocka_unit_test(test_far_names_are_not_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

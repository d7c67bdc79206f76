#include "api/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *accept, bool json)
{
	if (media_prefers(accept, "application/json", "text/plain") != json)
		fail_msg("Accept: %s", accept ? accept : "(none)");
}

static void test_who_gets_json(void **state)
{
	(void)state;
	check(NULL, false);
	check("", false);
	check("*/*", false);
	check("text/html, */*;q=0.8", false);
	check("application/json", true);
	check("Application/JSON; charset=utf-8", true);
	check("application/json, text/plain, */*", true);
	check("text/plain;q=0.5, application/json;q=0.6", true);
	check("text/plain, application/json;q=0.9", false);
	check("text/*;q=1, application/json; q=0.999", false);
	check("application/json;q=0", false);
	check("application/json;v=\"q=1\";q=0.1,text/plain;q=0.2", false);
	check("application/jsonp", false);
	check("x, ,;,;q=,application/json", true);
	/* what Prometheus 2.42 sends */
	check("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
	      "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	      false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_gets_json)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

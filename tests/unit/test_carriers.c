#include "provider/carriers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/delivery.h"
#include "support/http_case.h"

#define TWO_TAGS "\"tags\":[\"one\",\"two\"]"

/* What a producer that knows these providers says of a mail to `provider`. */
static char *refused(const char *providers, const char *provider)
{
	char members[128];
	struct options o;
	struct carriers *c;
	struct job *job;
	char *why;

	delivery_options(&o);
	mem_free(o.providers);
	o.providers = mem_strdup(providers);
	snprintf(members, sizeof(members), TWO_TAGS "%s%s\"",
	         provider[0] != '\0' ? ",\"provider\":\"" : ",\"tenant\":\"x", provider);
	job = http_case_job_with(members);
	c = carriers_open(&o);
	why = carriers_refuse(c, job);
	carriers_close(c);
	job_free(job);
	options_free(&o);
	return why;
}

static void test_only_what_is_known_is_refused(void **state)
{
	char *why;

	(void)state;
	setenv("PROVIDER_MARK", "postmark://TOKEN@default", 1);
	setenv("PROVIDER_OTHER", "mock://", 1);
	setenv("PROVIDER_WRONG", "smpt://x", 1);
	why = refused("other,mark", "mark");
	assert_string_equal(why, "Field \"provider\" names mark, which cannot carry this mail: "
	                         "Postmark takes one tag");
	mem_free(why);
	assert_null(refused("other,mark", "other"));
	assert_null(refused("other,mark", ""));
	assert_null(refused("other", "mark"));
	assert_null(refused("", "mark"));
	assert_null(refused("mark,wrong", "mark"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_known_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "provider/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/delivery.h"
#include "support/wait.h"

static struct ev_loop *loop;
static struct options options;
static struct registry registry;
static struct error err;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	delivery_options(&options);
	setenv("PROVIDER_FIRST", "mock://?success=0.5", 1);
	setenv("PROVIDER_THE_SECOND", "mock://?weight=3", 1);
	setenv("PROVIDER_BROKEN", "smtp://u:s3cret@x.example?colour=red", 1);
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	registry_close(&registry);
	ev_loop_destroy(loop);
	options_free(&options);
	return 0;
}

static bool opens(const char *providers, bool allow_mocks)
{
	mem_free(options.providers);
	options.providers = mem_strdup(providers);
	return registry_open(&registry, loop, &options, allow_mocks, &err);
}

static void test_in_failover_order(void **state)
{
	(void)state;
	assert_true(opens("the-second , first", false));
	assert_int_equal(registry.n, 2);
	assert_string_equal(registry.list[0]->name, "the-second");
	assert_int_equal(registry.list[0]->weight, 3);
	assert_string_equal(registry.list[1]->name, "first");
	assert_ptr_equal(registry_find(&registry, "first"), registry.list[1]);
	assert_null(registry_find(&registry, "third"));
}

/* Those whose DSN names none come behind, in the order of PROVIDERS. */
static void test_tiers(void **state)
{
	(void)state;
	setenv("PROVIDER_TIERED", "mock://?tier=1000", 1);
	assert_true(opens("first,tiered,the-second", false));
	assert_int_equal(registry.list[1]->tier, 1000);
	assert_true(registry.list[1]->tier < registry.list[0]->tier);
	assert_true(registry.list[0]->tier < registry.list[2]->tier);
}

static void refused(const char *providers, const char *why)
{
	if (opens(providers, false))
		fail_msg("\"%s\" was accepted", providers);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", providers, err.text, why);
	assert_null(strstr(err.text, "s3cret"));
	assert_int_equal(registry.n, 0);
}

static void test_what_is_refused(void **state)
{
	(void)state;
	refused("", "PROVIDERS");
	refused("first,first", "twice");
	refused("first,missing", "PROVIDER_MISSING");
	refused("first,,the-second", "no name");
	refused("first,a b", "no name");
	refused("first,{x}", "no name");
	refused("first,broken", "colour");
}

/* Nobody's mail vanishes into a mock by accident. */
static void test_mocks_only_where_they_are_allowed(void **state)
{
	(void)state;
	assert_false(opens("", false));
	assert_true(opens("", true));
	assert_int_equal(registry.n, 2);
	assert_string_equal(registry.list[0]->name, "primary");
	assert_string_equal(registry.list[1]->name, "secondary");
	assert_string_equal(registry.list[0]->type->scheme, "mock");
	registry_close(&registry);
	assert_true(opens("first", true));
	assert_int_equal(registry.n, 1);
}

#define SENDS 2000

static bool all_done(void *mails)
{
	struct mail **m = mails;

	for (int i = 0; i < SENDS; i++)
		if (m[i]->done == 0)
			return false;
	return true;
}

/* The success rates that the options name are those of the mocks. */
static void test_success_rates_of_the_mocks(void **state)
{
	static struct mail *mails[SENDS];
	int sent = 0;

	(void)state;
	options.primary_success = 0.25;
	assert_true(opens("", true));
	for (int i = 0; i < SENDS; i++) {
		mails[i] = mail_new(registry.list[0], i, NULL);
		mail_send(mails[i]);
	}
	wait_loop_until(loop, all_done, mails, 0);
	for (int i = 0; i < SENDS; i++) {
		sent += mails[i]->outcome.kind == OUTCOME_SENT;
		mail_free(mails[i]);
	}
	assert_in_range(sent, SENDS * 20 / 100, SENDS * 30 / 100);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_failover_order),
		TEST(test_tiers),
		TEST(test_what_is_refused),
		TEST(test_mocks_only_where_they_are_allowed),
		TEST(test_success_rates_of_the_mocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

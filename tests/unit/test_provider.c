#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/delivery.h"

static struct ev_loop *loop;
static struct options options;
static struct error err;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	delivery_options(&options);
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	options_free(&options);
	return 0;
}

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {{"50/s", 20000},  {"1000/m", 60000}, {"10000/h", 360000}, {"5/d", 17280000000},
	            {"1/s", 1000000}, {"1000000/s", 1},  {"3/s", 333333}};
	static const char *const bad[] = {"",      "50",   "/s",    "0/s",       "-1/s",  "50/w",
	                                  "50 /s", "5/ss", "0.5/s", "1000001/s", "1e3/s", "s"};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(provider_parse_rate(good[i].text, &us, &err));
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (provider_parse_rate(bad[i], &us, &err))
			fail_msg("\"%s\" was accepted", bad[i]);
}

static void test_common_parameters(void **state)
{
	struct provider *p = delivery_open(
		loop, &options,
		"mock://?rate=50/s&burst=7&concurrency=3&timeout=9s&weight=2&tier=4&overflow=spill");

	(void)state;
	assert_string_equal(p->name, "test");
	assert_int_equal(p->interval_us, 20000);
	assert_int_equal(p->burst, 7);
	assert_int_equal(p->concurrency, 3);
	assert_int_equal(p->timeout_ms, 9000);
	assert_int_equal(p->weight, 2);
	assert_int_equal(p->tier, 4);
	assert_true(p->spills);
	assert_int_equal(provider_room(p), 3);
	provider_close(p);
}

static void test_defaults(void **state)
{
	struct provider *p = delivery_open(loop, &options, "mock://");

	(void)state;
	assert_int_equal(p->interval_us, 0);
	assert_int_equal(p->concurrency, 10000);
	assert_int_equal(p->timeout_ms, 60000);
	assert_int_equal(p->weight, 1);
	assert_int_equal(p->tier, PROVIDER_NO_TIER);
	assert_false(p->spills);
	provider_close(p);
	p = delivery_open(loop, &options, "smtp://127.0.0.1");
	assert_int_equal(p->concurrency, 20);
	assert_int_equal(p->timeout_ms, 600000);
	/* A probe lives as long as its mail can: connecting, the commands, the reply to the dot. */
	assert_true(provider_longest_ms(p) >= 600000 + 10000 + 60000);
	provider_close(p);
}

/* A tenth of a second's worth, and at least one. */
static void test_burst_follows_from_the_rate(void **state)
{
	static const struct {
		const char *dsn;
		int64_t burst;
	} bursts[] = {{"mock://?rate=50/s", 5},
	              {"mock://?rate=1000/s", 100},
	              {"mock://?rate=1/s", 1},
	              {"mock://?rate=5/d", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		struct provider *p = delivery_open(loop, &options, "%s", bursts[i].dsn);

		assert_int_equal(p->burst, bursts[i].burst);
		provider_close(p);
	}
}

static void refused(const char *dsn, const char *why)
{
	struct provider *p = provider_open(loop, &options, "primary", dsn, &err);

	if (p != NULL)
		fail_msg("%s was accepted", dsn);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", dsn, err.text, why);
	assert_non_null(strstr(err.text, "primary"));
	assert_null(strstr(err.text, "s3cret"));
}

static void test_what_is_refused_and_why(void **state)
{
	(void)state;
	refused("", "scheme");
	refused("gopher://x", "there are smtp, smtps, ");
	refused("smpt://u:s3cret@x", "did you mean smtp");
	refused("mock://?concurency=5", "did you mean concurrency");
	refused("mock://?tls=none", "mock:// has no parameter \"tls\"");
	refused("smtp://x.example?latncy=5", "has no parameter \"latncy\"");
	refused("smtp://u:s3cret@x.example?tls_verfy=0", "did you mean tls_verify");
	refused("mock://?rate=fast", "50/s");
	refused("mock://?concurrency=0", "concurrency");
	refused("mock://?burst=5", "there is no rate");
	refused("mock://?success=2", "success");
	refused("mock://?weight=1001", "weight");
	refused("mock://?tier=-1", "tier");
	refused("mock://?overflow=drop", "wait or spill");
	refused("mock://?seed=x", "seed");
	refused("mock://?record=/nonexistent/dir/file", "record");
	refused("smtp://u:s3cret@x.example?tls_ca=/nonexistent", "tls_ca");
}

/* What follows a '?' in a password is read as parameters: it must not be shown. */
static void test_a_password_among_the_parameters_is_not_shown(void **state)
{
	(void)state;
	refused("mock://x?s3cret@host=1", "%3F");
	refused("smtp://u@x.example?tls=none&auth_insecure=1&My-s3cret", "%3F");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		TEST(test_common_parameters),
		TEST(test_defaults),
		TEST(test_burst_follows_from_the_rate),
		TEST(test_what_is_refused_and_why),
		TEST(test_a_password_among_the_parameters_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

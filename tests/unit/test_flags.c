#include "base/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ARGS 16

static const struct flag_name names[] = {{"CONCURRENCY", false, false},
                                         {"REDIS_URL", false, true},
                                         {"STRICT", true, false},
                                         {"NO_OP", false, false}};
static const char *const own[] = {"watch", "workers=", "help", NULL};
static const struct flags_spec spec = {names, 4, "PROVIDER_", own};

static struct flags f;
static struct error err;
static char program[] = "postrider", *argv[MAX_ARGS];
static int argc, n_rest;

static int teardown(void **state)
{
	(void)state;
	flags_free(&f);
	return 0;
}

/* `line` is split at blanks; "_" stands for an empty argument. */
static bool parse(const char *line)
{
	static char words[200];
	char *rest = words, *word;

	flags_free(&f);
	memcpy(words, line, strlen(line) + 1);
	argc = 0;
	argv[argc++] = program;
	while ((word = strsep(&rest, " ")) != NULL && argc < MAX_ARGS)
		argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
	n_rest = -1;
	return flags_parse(&f, &spec, argc, argv, &n_rest, &err);
}

static void assert_flag(const char *name, const char *value)
{
	if (value == NULL) {
		assert_null(flags_get(&f, name));
		return;
	}
	assert_non_null(flags_get(&f, name));
	assert_string_equal(flags_get(&f, name), value);
}

static void assert_rest(const char *a, const char *b, const char *c)
{
	const char *const expected[] = {a, b, c};

	for (int i = 0; i < 3; i++)
		if (expected[i] == NULL)
			assert_int_equal(n_rest <= i, true);
		else
			assert_true(n_rest > i && strcmp(argv[i + 1], expected[i]) == 0);
}

static void test_values_in_both_forms(void **state)
{
	(void)state;
	assert_true(parse("--concurrency 5 --redis-url=unix:///a=b"));
	assert_flag("CONCURRENCY", "5");
	assert_flag("REDIS_URL", "unix:///a=b");
	assert_flag("STRICT", NULL);
	assert_int_equal(n_rest, 0);
	assert_true(parse("--concurrency -5"));
	assert_flag("CONCURRENCY", "-5");
	assert_true(parse("--concurrency= --redis-url _"));
	assert_flag("CONCURRENCY", "");
	assert_flag("REDIS_URL", "");
	assert_true(parse("--no-op 1"));
	assert_flag("NO_OP", "1");
}

static void test_switches(void **state)
{
	(void)state;
	assert_true(parse("--strict key"));
	assert_flag("STRICT", "1");
	assert_rest("key", NULL, NULL); /* it takes no value */
	assert_true(parse("--no-strict"));
	assert_flag("STRICT", "0");
	assert_true(parse("--strict=off"));
	assert_flag("STRICT", "off");
	assert_false(parse("--no-strict=1"));
	assert_false(parse("--no-concurrency"));
}

static void test_the_last_one_counts(void **state)
{
	(void)state;
	assert_true(parse("--concurrency 1 --strict --concurrency 2 --no-strict"));
	assert_flag("CONCURRENCY", "2");
	assert_flag("STRICT", "0");
}

static void test_the_rest_moves_to_the_front(void **state)
{
	(void)state;
	assert_true(parse("list --concurrency 5 - --strict mail:queue"));
	assert_int_equal(n_rest, 3);
	assert_rest("list", "-", "mail:queue");
}

static void test_own_flags_stay_among_the_rest(void **state)
{
	(void)state;
	assert_true(parse("--watch --workers 3 key"));
	assert_rest("--watch", "--workers=3", "key");
	assert_true(parse("--workers=4 --concurrency 1"));
	assert_rest("--workers=4", NULL, NULL);
	assert_true(parse("-h"));
	assert_rest("--help", NULL, NULL);
	assert_false(parse("--watch=1"));
	assert_string_equal(err.text, "--watch takes no value");
	assert_false(parse("--workers"));
	assert_string_equal(err.text, "--workers needs a value");
}

static void test_after_a_lone_dash_dash_all_is_rest(void **state)
{
	(void)state;
	assert_true(parse("a -- --concurrency --"));
	assert_rest("a", "--concurrency", "--");
	assert_int_equal(n_rest, 3);
	assert_flag("CONCURRENCY", NULL);
}

static void test_flags_by_prefix(void **state)
{
	(void)state;
	assert_true(parse("--provider-primary mock:// --provider-b-2=smtp://x"));
	assert_flag("PROVIDER_PRIMARY", "mock://");
	assert_flag("PROVIDER_B_2", "smtp://x");
	assert_false(parse("--provider- x"));
	assert_false(parse("--provider x"));
}

static void test_a_missing_value_is_noticed(void **state)
{
	(void)state;
	assert_false(parse("--concurrency"));
	assert_string_equal(err.text, "--concurrency needs a value");
	assert_false(parse("--redis-url --strict"));
	assert_string_equal(err.text, "--redis-url needs a value");
}

static void test_unknown_flags_and_what_was_meant(void **state)
{
	(void)state;
	assert_false(parse("--concurency 5"));
	assert_string_equal(err.text, "unknown flag --concurency (did you mean --concurrency?)");
	assert_false(parse("--redis_url=s3cret"));
	assert_string_equal(err.text, "unknown flag --redis_url (did you mean --redis-url?)");
	assert_false(parse("--wach"));
	assert_string_equal(err.text, "unknown flag --wach (did you mean --watch?)");
	assert_false(parse("--CONCURRENCY=5"));
	assert_false(parse("--frobnicate"));
	assert_string_equal(err.text, "unknown flag --frobnicate");
	assert_false(parse("-x"));
	assert_string_equal(err.text, "unknown flag -x");
	assert_null(f.list);
}

/* SIGHUP loads once more from the argv that the first load has rearranged. */
static void test_parsing_again_gives_the_same(void **state)
{
	(void)state;
	assert_true(parse("list --workers 3 --concurrency 5 --strict key --redis-url=x"));
	flags_free(&f);
	assert_true(flags_parse(&f, &spec, argc, argv, &n_rest, &err));
	assert_int_equal(n_rest, 3);
	assert_rest("list", "--workers=3", "key");
	assert_flag("CONCURRENCY", "5");
	assert_flag("STRICT", "1");
	assert_flag("REDIS_URL", "x");
}

/* What the kernel shows of the arguments is the memory in which they came. */
static void test_secrets_are_blotted_out(void **state)
{
	static char joined[] = "--redis-url=redis://:s3cret@x", flag[] = "--provider-a",
		    value[] = "smtp://u:s3cret@x", plain[] = "--concurrency=5";

	(void)state;
	for (int again = 0; again < 2; again++) {
		if (again == 0) {
			argv[0] = program;
			argv[1] = joined;
			argv[2] = flag;
			argv[3] = value;
			argv[4] = plain;
			argc = 5;
		}
		flags_free(&f);
		assert_true(flags_parse(&f, &spec, argc, argv, &n_rest, &err));
		assert_flag("REDIS_URL", "redis://:s3cret@x");
		assert_flag("PROVIDER_A", "smtp://u:s3cret@x");
		assert_flag("CONCURRENCY", "5");
	}
	assert_string_equal(joined, "--redis-url=*****************");
	assert_string_equal(flag, "--provider-a");
	assert_string_equal(value, "*****************");
	assert_string_equal(plain, "--concurrency=5");
}

static void test_no_arguments_at_all(void **state)
{
	struct flags_spec without = spec;

	(void)state;
	without.own = NULL;
	argv[0] = program;
	assert_true(flags_parse(&f, &without, 1, argv, &n_rest, &err));
	assert_int_equal(n_rest, 0);
	assert_true(flags_parse(&f, &without, 0, argv, &n_rest, &err));
	assert_int_equal(n_rest, 0);
	argv[1] = (char[]){"-h"};
	assert_false(flags_parse(&f, &without, 2, argv, &n_rest, &err));
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_values_in_both_forms),
		TEST(test_switches),
		TEST(test_the_last_one_counts),
		TEST(test_the_rest_moves_to_the_front),
		TEST(test_own_flags_stay_among_the_rest),
		TEST(test_after_a_lone_dash_dash_all_is_rest),
		TEST(test_flags_by_prefix),
		TEST(test_a_missing_value_is_noticed),
		TEST(test_unknown_flags_and_what_was_meant),
		TEST(test_parsing_again_gives_the_same),
		TEST(test_secrets_are_blotted_out),
		TEST(test_no_arguments_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

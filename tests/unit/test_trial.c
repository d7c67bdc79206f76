#include "fleet/trial.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/message.h"

static const struct options options;

/* A payload that is a signal's name dies of it. */
static void die_as_told(const struct trial_payload *p, const struct options *o)
{
	(void)o;
	if (p->len == 4 && memcmp(p->bytes, "segv", 4) == 0)
		raise(SIGSEGV);
	if (p->len == 4 && memcmp(p->bytes, "exit", 4) == 0)
		_exit(3);
	if (p->len == 4 && memcmp(p->bytes, "kill", 4) == 0)
		raise(SIGKILL);
	if (p->len == 4 && memcmp(p->bytes, "oom!", 4) == 0)
		mem_free(mem_alloc(SIZE_MAX / 2));
}

static size_t try_out(const char *const *texts, size_t n)
{
	struct trial_payload p[8];
	void (*work)(const struct trial_payload *, const struct options *) = trial_work;
	size_t at;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct trial_payload){texts[i], strlen(texts[i])};
	trial_work = die_as_told;
	at = trial_run(p, n, &options);
	trial_work = work;
	return at;
}

static void test_names_the_one_that_kills(void **state)
{
	(void)state;
	signal(SIGSEGV, SIG_DFL);
	assert_int_equal(try_out((const char *[]){"a", "b", "segv", "c"}, 4), 2);
	assert_int_equal(try_out((const char *[]){"kill", "b"}, 2), 0);
	assert_int_equal(try_out((const char *[]){"a", "exit"}, 2), 1);
}

static void test_all_harmless(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__ /* which itself ends a program that asks for too much, with a report */
	print_message("not tried under AddressSanitizer: a job that is too large for the memory\n");
#else
	assert_int_equal(try_out((const char *[]){"a", "oom!", "c"}, 3), 3);
#endif
	assert_int_equal(try_out((const char *[]){"a", "b", "c"}, 3), 3);
	assert_int_equal(try_out(NULL, 0), 0);
}

static void test_real_jobs_and_broken_ones_are_survived(void **state)
{
	static const char *const texts[] = {
		"{\"to\":\"a@b.org\",\"from\":\"c@d.org\",\"subject\":\"s\",\"body\":\"b\"}",
		"",
		"{\"to\":",
		"[[[[[[",
	};
	struct trial_payload p[4];
	struct options o = {.mail_from = (char[]){""}, .max_job_bytes = 1 << 20};

	(void)state;
	message_init();
	for (size_t i = 0; i < 4; i++)
		p[i] = (struct trial_payload){texts[i], strlen(texts[i])};
	assert_int_equal(trial_run(p, 4, &o), 4);
}

static void test_the_key_of_one_that_kills(void **state)
{
	static const struct {
		const char *text, *key;
	} cases[] = {
		{"{\"idempotencyKey\" : \"a\\u0062c\", \"to\":1}", "abc"},
		{"not even JSON, \"idempotencyKey\":\"k\" ", "k"},
		{"{\"body\":\"\\\"idempotencyKey\\\":\\\"no\\\"\"}", NULL},
		{"{\"idempotencyKey\":\"{}\"}", NULL},
		{"{\"idempotencyKey\":7}", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trial_payload p = {cases[i].text, strlen(cases[i].text)};
		char *key = trial_key(&p);

		if (cases[i].key)
			assert_string_equal(key, cases[i].key);
		else
			assert_null(key);
		mem_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_the_one_that_kills),
		cmocka_unit_test(test_all_harmless),
		cmocka_unit_test(test_the_key_of_one_that_kills),
		cmocka_unit_test(test_real_jobs_and_broken_ones_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

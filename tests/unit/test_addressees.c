#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/addressees.h"
#include "support/http_case.h"

/* "to cc bcc" of the recipients that are left, as "a b|c|d"; done: a letter for each recipient, '.'
 * waits, 'd' deferred, 'a' accepted, 'r' refused. */
static void expect(const char *recipients, const char *done, const char *expected)
{
	static const enum job_rcpt_kind kinds[] = {JOB_TO, JOB_CC, JOB_BCC};
	struct rcpt_result results[16] = {{.state = RCPT_PENDING}};
	char payload[512], got[256] = "";
	struct addressees to = {0};
	struct job *job;

	snprintf(payload, sizeof(payload), "{%s,\"subject\":\"s\",\"text\":\"t\"}", recipients);
	job = http_case_job(payload);
	assert_int_equal(job->n_rcpts, strlen(done));
	for (size_t i = 0; i < job->n_rcpts; i++)
		results[i].state = done[i] == 'a'   ? RCPT_ACCEPTED
		                   : done[i] == 'r' ? RCPT_REFUSED
		                   : done[i] == 'd' ? RCPT_DEFERRED
		                                    : RCPT_PENDING;
	addressees_fill(&to, job, results);
	for (size_t k = 0; k < 3; k++) {
		const struct address *a;
		size_t at = 0, n = 0;

		while ((a = addressees_next(&to, kinds[k], &at)) != NULL)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s",
			         n++ > 0 ? " " : "", (int)strcspn(a->email, "@"), a->email);
		assert_int_equal(addressees_count(&to, kinds[k]), n);
		if (k < 2)
			strncat(got, "|", sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, expected);
	addressees_free(&to);
	job_free(job);
}

#define FOUR "\"to\":[\"a@x.org\",\"b@x.org\"],\"cc\":\"c@x.org\",\"bcc\":\"d@x.org\""

static void test_who_is_left(void **state)
{
	(void)state;
	expect(FOUR, "....", "a b|c|d");
	expect(FOUR, "ad..", "b|c|d");
	expect(FOUR, ".r.a", "a|c|");
}

static void test_somebody_in_to(void **state)
{
	(void)state;
	expect(FOUR, "aa..", "c||d"); /* cc moves up, bcc stays hidden */
	expect(FOUR, "aaa.", "d||");
	expect("\"bcc\":[\"a@x.org\",\"b@x.org\"]", "..",
	       "||a b"); /* they must not see one another */
	expect("\"bcc\":[\"a@x.org\",\"b@x.org\"]", "a.", "b||");
	expect("\"bcc\":[\"a@x.org\",\"A@X.org\"]", "..", "a||");
}

/* Once, where it was named first. */
static void test_repeated(void **state)
{
	(void)state;
	expect("\"to\":[\"b@x.org\",\"a@x.org\",\"B@x.org\"],\"cc\":[\"a@x.org\",\"c@x.org\"],"
	       "\"bcc\":[\"c@X.ORG\",\"d@x.org\"]",
	       ".......", "b a|c|d");
	expect("\"to\":[\"a@x.org\"],\"cc\":[\"a@x.org\"]", "a.", "a||");
}

static void test_used_again(void **state)
{
	struct job *many = http_case_job(
		"{\"to\":[\"a@x.org\",\"b@x.org\",\"c@x.org\"],\"subject\":\"s\","
		"\"text\":\"t\"}");
	struct job *one = http_case_job("{\"to\":\"d@x.org\",\"subject\":\"s\",\"text\":\"t\"}");
	struct addressees to = {0};
	size_t at = 0;

	(void)state;
	addressees_fill(&to, one, NULL);
	addressees_fill(&to, many, NULL);
	assert_int_equal(addressees_count(&to, JOB_TO), 3);
	addressees_fill(&to, one, NULL);
	assert_int_equal(addressees_count(&to, JOB_TO), 1);
	assert_string_equal(addressees_next(&to, JOB_TO, &at)->email, "d@x.org");
	assert_null(addressees_next(&to, JOB_TO, &at));
	addressees_free(&to);
	job_free(many);
	job_free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_left),
		cmocka_unit_test(test_somebody_in_to),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_used_again),
	};

	return cmocka_run_group_tests_name("addressees", tests, NULL, NULL);
}

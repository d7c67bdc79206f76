#include "mail/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_sentences_are_separated(void **state)
{
	struct faults f;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	faults_init(&f, &b);
	faults_add(&f, "The job is %s", "odd");
	faults_field(&f, "to", -1, "is required");
	faults_field(&f, "cc", 2, "must be a valid email address");
	assert_false(faults_end(&f));
	assert_string_equal(buf_str(&b), "The job is odd; Field \"to\" is required; "
	                                 "Field \"cc[2]\" must be a valid email address");
	buf_free(&b);
}

static void test_none(void **state)
{
	struct faults f;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	faults_init(&f, &b);
	assert_true(faults_end(&f));
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

/* A thousand bad recipients do not make a status of a megabyte. */
static void test_many_are_counted(void **state)
{
	struct faults f;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	faults_init(&f, &b);
	for (int i = 0; i < 1000; i++)
		faults_add(&f, "x%d", i);
	assert_false(faults_end(&f));
	assert_string_equal(buf_str(&b),
	                    "x0; x1; x2; x3; x4; x5; x6; x7; x8; x9; x10; x11; x12; x13; x14; "
	                    "x15; x16; x17; x18; x19; and 980 more");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences_are_separated),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_many_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

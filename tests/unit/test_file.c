#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "support/tmpdir.h"

static struct error err;

static void assert_reads(const char *bytes, size_t n, size_t max)
{
	char *path = tmpdir_file("file", bytes, n), *text;

	if (!file_read(path, max, &text, &err))
		fail_msg("%s", err.text);
	assert_memory_equal(text, bytes, n);
	assert_int_equal(strlen(text), n);
	mem_free(text);
	free(path);
}

static void assert_refuses(const char *bytes, size_t n, size_t max, const char *why)
{
	char *path = tmpdir_file("file", bytes, n), *text;

	assert_false(file_read(path, max, &text, &err));
	assert_non_null(strstr(err.text, why));
	assert_non_null(strstr(err.text, path));
	assert_int_not_equal(errno, ENOENT);
	free(path);
}

static void test_the_whole_file_is_read(void **state)
{
	char large[5000];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_reads("", 0, 0);
	assert_reads("a\nb\n", 4, 4);
	assert_reads(large, sizeof(large), sizeof(large));
}

static void test_too_large_and_nul_are_refused(void **state)
{
	(void)state;
	assert_refuses("12345", 5, 4, "larger than 4 bytes");
	assert_refuses("1\0002", 3, 10, "NUL");
}

static void test_missing_and_unreadable_files_differ(void **state)
{
	char *path = tmpdir_name("none"), *text;

	(void)state;
	assert_false(file_read(path, 10, &text, &err));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "No such file"));
	free(path);
	assert_false(file_read(tmpdir(), 10, &text, &err)); /* a directory */
	assert_int_not_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_file_is_read),
		cmocka_unit_test(test_too_large_and_nul_are_refused),
		cmocka_unit_test(test_missing_and_unreadable_files_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the compiler and the linker were to build into the program: of the one that `make install` puts into place. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/process.h"
#include "support/tmpdir.h"

static char *told;

/* Installs the program as it is: make is told not to build it anew. Returns its new place (free). */
static char *install(void)
{
	char *into = tmpdir_name("installed"), *build = strdup(fleet_binary()), *err, *place;
	char dest[PATH_MAX], dir[PATH_MAX];

	assert_non_null(strrchr(build, '/'));
	*strrchr(build, '/') = '\0';
	snprintf(dest, sizeof(dest), "DESTDIR=%s", into);
	snprintf(dir, sizeof(dir), "BUILD=%s", build);
	if (process_run((const char *const[]){"make", "-s", "-o", fleet_binary(), dir, dest,
	                                      "PREFIX=/usr", "install", NULL},
	                (const char *const[]){"MAKEFLAGS", "MFLAGS", "MAKELEVEL", NULL}, NULL, NULL,
	                &err) != 0)
		fail_msg("make install: %s", err);
	assert_true(asprintf(&place, "%s/usr/bin/postrider", into) > 0);
	free(err);
	free(build);
	free(into);
	return place;
}

static int ask(void **state)
{
	char *place = install(), *err;

	(void)state;
	assert_int_equal(
		process_run((const char *const[]){"readelf", "-hldW", "--dyn-syms", place, NULL},
	                    (const char *const[]){"LC_ALL=C", NULL}, NULL, &told, &err),
		0);
	free(err);
	free(place);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(told);
	return 0;
}

/* The line that has this text; fails when there is none. */
static const char *line_of(const char *text)
{
	const char *at = strstr(told, text);

	if (at == NULL)
		fail_msg("readelf shows no %s", text);
	return at;
}

static bool in_line(const char *line, const char *text)
{
	const char *at = strstr(line, text);

	return at != NULL && at < line + strcspn(line, "\n");
}

static void test_loaded_anywhere(void **state)
{
	(void)state;
	assert_true(in_line(line_of("Type:"), "DYN"));
	assert_true(in_line(line_of("(FLAGS_1)"), "PIE"));
}

static void test_relocations_are_read_only(void **state)
{
	(void)state;
	(void)line_of("GNU_RELRO");
	assert_true(in_line(line_of("(FLAGS_1)"), "NOW"));
}

static void test_the_stack_is_not_executed_and_watched(void **state)
{
	(void)state;
	assert_true(in_line(line_of("GNU_STACK"), " RW "));
	(void)line_of("__stack_chk_fail");
}

/* A sanitizer checks the same calls itself, and is built without. */
static void test_calls_are_fortified(void **state)
{
	(void)state;
	if (strstr(fleet_binary(), "/san-") != NULL) {
		print_message("skipped: a build with a sanitizer is not fortified\n");
		skip();
	}
	(void)line_of("__snprintf_chk");
	(void)line_of("__memcpy_chk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loaded_anywhere),
		cmocka_unit_test(test_relocations_are_read_only),
		cmocka_unit_test(test_the_stack_is_not_executed_and_watched),
		cmocka_unit_test(test_calls_are_fortified),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, ask, forget);
}

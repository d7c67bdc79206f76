#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/jsonout.h"

#define JSON "{\"a\":[1,{\"b{\":\"x\\\\\"},[\"\\\"]\",{}]],\"c\":[],\"d\":null}"

/* What appears on `screen` when text is printed to what it belongs to, as stdout; without carriage returns. */
static void print_to(int screen, int out, const char *text, char *shown, size_t size)
{
	int stdout_was = dup(STDOUT_FILENO);
	struct buf json;
	ssize_t n;
	size_t kept = 0;

	buf_init(&json, 1000);
	buf_add_str(&json, text);
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	jsonout_print(&json);
	assert_true(dup2(stdout_was, STDOUT_FILENO) >= 0);
	close(stdout_was);
	n = read(screen, shown, size - 1);
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++)
		if (shown[i] != '\r')
			shown[kept++] = shown[i];
	shown[kept] = '\0';
}

static void test_programs_get_one_line(void **state)
{
	char shown[1000];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	print_to(ends[0], ends[1], JSON, shown, sizeof(shown));
	assert_string_equal(shown, JSON "\n");
	close(ends[0]);
	close(ends[1]);
}

static void test_people_get_it_laid_out(void **state)
{
	char shown[1000];
	int screen, tty;

	(void)state;
	assert_int_equal(openpty(&screen, &tty, NULL, NULL, NULL), 0);
	print_to(screen, tty, JSON, shown, sizeof(shown));
	assert_string_equal(shown, "{\n"
	                           "  \"a\": [\n"
	                           "    1,\n"
	                           "    {\n"
	                           "      \"b{\": \"x\\\\\"\n"
	                           "    },\n"
	                           "    [\n"
	                           "      \"\\\"]\",\n"
	                           "      {}\n"
	                           "    ]\n"
	                           "  ],\n"
	                           "  \"c\": [],\n"
	                           "  \"d\": null\n"
	                           "}\n");
	close(screen);
	close(tty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs_get_one_line),
		cmocka_unit_test(test_people_get_it_laid_out),
	};

	return cmocka_run_group_tests_name("jsonout", tests, NULL, NULL);
}

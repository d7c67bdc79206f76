#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/command.h"

static void assert_wire(struct command *c, const char *expected, size_t n)
{
	size_t len;
	const char *wire = command_wire(c, &len);
	assert_non_null(wire);
	assert_int_equal(len, n);
	assert_memory_equal(wire, expected, n);
}

#define ASSERT_WIRE(C, LITERAL) assert_wire((C), LITERAL, sizeof(LITERAL) - 1)

static void test_arguments_of_each_kind(void **state)
{
	struct command c;
	(void)state;
	command_init(&c);
	command_str(&c, "SET");
	command_arg(&c, "a\0\r\nb", 5);
	command_str(&c, "");
	command_int(&c, 0);
	command_int(&c, -1);
	command_int(&c, INT64_MIN);
	command_int(&c, INT64_MAX);
	ASSERT_WIRE(&c, "*7\r\n$3\r\nSET\r\n$5\r\na\0\r\nb\r\n$0\r\n\r\n$1\r\n0\r\n$2\r\n-1\r\n"
	                "$20\r\n-9223372036854775808\r\n$19\r\n9223372036854775807\r\n");
	command_free(&c);
}

static void test_wire_may_be_asked_for_between_arguments(void **state)
{
	struct command c;
	(void)state;
	command_init(&c);
	command_str(&c, "GET");
	ASSERT_WIRE(&c, "*1\r\n$3\r\nGET\r\n");
	ASSERT_WIRE(&c, "*1\r\n$3\r\nGET\r\n");
	command_str(&c, "k");
	ASSERT_WIRE(&c, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
	command_free(&c);
}

/* The head grows with the number of arguments, into the room in front of them. */
static void test_many_arguments(void **state)
{
	struct command c;
	size_t len;
	(void)state;
	command_init(&c);
	for (int i = 0; i < 123456; i++)
		command_str(&c, "x");
	const char *wire = command_wire(&c, &len);
	assert_non_null(wire);
	assert_int_equal(len, strlen("*123456\r\n") + 123456 * strlen("$1\r\nx\r\n"));
	assert_memory_equal(wire, "*123456\r\n$1\r\nx\r\n", 16);
	command_free(&c);
}

static void test_cleared_command_starts_anew(void **state)
{
	struct command c;
	size_t len;
	(void)state;
	command_init(&c);
	assert_null(command_wire(&c, &len));
	command_str(&c, "DEL");
	command_clear(&c);
	assert_null(command_wire(&c, &len));
	command_str(&c, "PING");
	ASSERT_WIRE(&c, "*1\r\n$4\r\nPING\r\n");
	command_free(&c);
}

static void test_too_long_command_has_no_wire(void **state)
{
	struct command c;
	size_t len;
	(void)state;
	command_init(&c);
	c.body.max = 64; /* instead of COMMAND_MAX_BYTES */
	command_str(&c, "SET");
	command_arg(&c, "0123456789012345678901234567890123456789", 40);
	command_str(&c, "later ones fit again, but the command is not whole");
	assert_null(command_wire(&c, &len));
	command_clear(&c);
	command_str(&c, "PING");
	ASSERT_WIRE(&c, "*1\r\n$4\r\nPING\r\n");
	command_clear(&c);
	command_arg(&c, "", SIZE_MAX - 8); /* would wrap around */
	assert_null(command_wire(&c, &len));
	command_free(&c);
}

static void assert_key(const char *text, const char *expected)
{
	struct command c, copy;
	const char *key;
	size_t n;

	command_init(&c);
	for (const char *at = text; *at; at += *at == ' ') {
		n = strcspn(at, " ");
		command_arg(&c, at, n);
		at += n;
	}
	command_copy(&copy, &c);
	command_free(&c);
	bool has = command_key(&copy, &key, &n);
	if (has != (expected != NULL) ||
	    (has && (n != strlen(expected) || memcmp(key, expected, n) != 0)))
		fail_msg("%s", text);
	command_free(&copy);
}

static void test_first_key(void **state)
{
	(void)state;
	assert_key("LPUSH list a b", "list");
	assert_key("EVALSHA 0123 2 one two arg", "one");
	assert_key("EVALSHA 0123 0 arg", NULL);
	assert_key("TIME", NULL);
	assert_key("INFO memory", NULL);
	assert_key("WAIT 1 500", NULL);
	assert_key("", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments_of_each_kind),
		cmocka_unit_test(test_wire_may_be_asked_for_between_arguments),
		cmocka_unit_test(test_many_arguments),
		cmocka_unit_test(test_cleared_command_starts_anew),
		cmocka_unit_test(test_too_long_command_has_no_wire),
		cmocka_unit_test(test_first_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

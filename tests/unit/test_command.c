#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* Of one packed value the bytes before it, in a command between two others. */
static void assert_packed(size_t n, const char *head, size_t n_head)
{
	static char value[70000];
	char begin[64], *end;
	struct command c;
	const char *wire;
	size_t len, n_begin;

	memset(value, 'v', sizeof(value));
	command_init(&c);
	command_str(&c, "EVAL");
	command_pack(&c);
	command_arg(&c, value, n);
	command_pack_end(&c);
	command_int(&c, 7);
	n_begin = (size_t)snprintf(begin, sizeof(begin), "*3\r\n$4\r\nEVAL\r\n$%zu\r\n",
	                           n_head + n);
	wire = command_wire(&c, &len);
	assert_non_null(wire);
	assert_int_equal(len, n_begin + n_head + n + strlen("\r\n$1\r\n7\r\n"));
	assert_memory_equal(wire, begin, n_begin);
	assert_memory_equal(wire + n_begin, head, n_head);
	assert_memory_equal(wire + n_begin + n_head, value, n);
	end = (char *)wire + n_begin + n_head + n;
	assert_memory_equal(end, "\r\n$1\r\n7\r\n", strlen("\r\n$1\r\n7\r\n"));
	command_free(&c);
}

static void test_packed_values(void **state)
{
	struct command c;

	(void)state;
	assert_packed(0, "\xa0", 1);
	assert_packed(31, "\xbf", 1);
	assert_packed(32, "\xd9\x20", 2);
	assert_packed(255, "\xd9\xff", 2);
	assert_packed(256, "\xdb\0\0\1\0", 5);
	assert_packed(70000, "\xdb\0\1\x11\x70", 5);
	command_init(&c);
	command_str(&c, "EVAL");
	command_pack(&c);
	command_pack_end(&c);
	ASSERT_WIRE(&c, "*2\r\n$4\r\nEVAL\r\n$0\r\n\r\n");
	command_clear(&c);
	command_str(&c, "EVAL");
	command_pack(&c);
	command_str(&c, "a");
	command_int(&c, -12);
	command_pack_end(&c);
	ASSERT_WIRE(&c, "*2\r\n$4\r\nEVAL\r\n$6\r\n\xa1\x61\xa3-12\r\n");
	command_free(&c);
}

static void test_packed_numbers(void **state)
{
	struct command c;

	(void)state;
	command_init(&c);
	command_str(&c, "EVAL");
	command_pack(&c);
	command_pack_number(&c, 7);
	command_pack_number(&c, 127);
	command_pack_number(&c, 128);
	command_pack_number(&c, 0xabcd);
	command_str(&c, "a");
	command_pack_end(&c);
	ASSERT_WIRE(&c, "*2\r\n$4\r\nEVAL\r\n$10\r\n\x07\x7f\xcd\0\x80\xcd\xab\xcd\xa1\x61\r\n");
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
		cmocka_unit_test(test_packed_values),
		cmocka_unit_test(test_packed_numbers),
		cmocka_unit_test(test_cleared_command_starts_anew),
		cmocka_unit_test(test_too_long_command_has_no_wire),
		cmocka_unit_test(test_first_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

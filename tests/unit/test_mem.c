#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

static int reset_hook(void **state)
{
	(void)state;
	mem_hook = realloc;
	return 0;
}

/* Runs f in a child, and asserts that it aborts and says why. */
static void assert_out_of_memory(void (*f)(void))
{
	char said[200] = "";
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		f();
		_exit(0);
	}
	close(fds[1]);
	assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(said, "postrider: out of memory\n");
}

static void do_alloc(void)
{
	mem_hook = no_memory;
	mem_free(mem_alloc(10));
}

static void do_strdup(void)
{
	mem_hook = no_memory;
	mem_free(mem_strdup("x"));
}

static void do_printf(void)
{
	mem_hook = no_memory;
	mem_free(mem_printf("%d", 1));
}

static void do_overflow(void)
{
	mem_free(mem_array(SIZE_MAX / 2 + 2, 2));
}

static void do_overflow_strndup(void)
{
	mem_free(mem_strndup("x", SIZE_MAX));
}

static void test_out_of_memory_aborts(void **state)
{
	(void)state;
	assert_out_of_memory(do_alloc);
	assert_out_of_memory(do_strdup);
	assert_out_of_memory(do_printf);
	assert_out_of_memory(do_overflow);
	assert_out_of_memory(do_overflow_strndup);
}

static void test_try_returns_null(void **state)
{
	void *p;

	(void)state;
	mem_hook = no_memory;
	assert_null(mem_try(10));
	mem_hook = realloc;
	p = mem_try(0);
	assert_non_null(p);
	mem_free(p);
}

static void test_zeroed_means_zeroed(void **state)
{
	unsigned char *p = mem_alloc(1000);

	(void)state;
	memset(p, 0xaa, 1000);
	mem_free(p);
	p = mem_zalloc(1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	mem_free(p);
	p = mem_array(10, 100);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	mem_free(p);
}

static void test_no_bytes_are_not_out_of_memory(void **state)
{
	void *p = mem_alloc(0);

	(void)state;
	p = mem_realloc(p, 0);
	assert_non_null(p);
	mem_free(p);
	p = mem_array(0, 8);
	assert_non_null(p);
	mem_free(p);
	mem_free(NULL);
}

static void test_strings(void **state)
{
	char *s = mem_strdup("abc");

	(void)state;
	assert_string_equal(s, "abc");
	mem_free(s);
	assert_null(mem_strdup(NULL));
	s = mem_strndup("a\0bc", 3); /* bytes, not characters */
	assert_memory_equal(s, "a\0b", 4);
	mem_free(s);
	s = mem_strndup(NULL, 0);
	assert_string_equal(s, "");
	mem_free_secret(s);
	s = mem_realloc(mem_strdup(""), 10); /* what is shared stays where it is */
	memset(s, 'x', 10);
	mem_free(s);
	s = mem_strdup("");
	assert_string_equal(s, "");
	mem_free(s);
	s = mem_printf("%s-%d", "x", 12);
	assert_string_equal(s, "x-12");
	mem_free(s);
	s = mem_concat("", "mail", ":", "", "key", NULL);
	assert_string_equal(s, "mail:key");
	mem_free(s);
	s = mem_concat("alone", NULL);
	assert_string_equal(s, "alone");
	mem_free(s);
}

static void test_wipe_overwrites(void **state)
{
	char secret[] = "hunter2";

	(void)state;
	mem_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, "\0\0\0\0\0\0\0", sizeof(secret));
	mem_wipe(NULL, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_of_memory_aborts),
		cmocka_unit_test_teardown(test_try_returns_null, reset_hook),
		cmocka_unit_test(test_zeroed_means_zeroed),
		cmocka_unit_test(test_no_bytes_are_not_out_of_memory),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_wipe_overwrites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Files in the binary: what the build has made of them is what they are. */
#include "base/embedded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/process.h"
#include "support/tmpdir.h"

static void test_web_is_the_folder(void **state)
{
	(void)state;
	assert_true(embedded_web_n > 0);
	for (size_t i = 0; i < embedded_web_n; i++) {
		char path[512], *bytes;
		size_t n;

		snprintf(path, sizeof(path), "src/web/%s", embedded_web[i].name);
		bytes = tmpdir_read(path, &n);
		assert_int_equal(embedded_web[i].len, n);
		assert_memory_equal(embedded_web[i].bytes, bytes, n + 1);
		free(bytes);
		if (i > 0)
			assert_true(strcmp(embedded_web[i - 1].name, embedded_web[i].name) < 0);
	}
}

/* The bytes at `at` are the script's, but with the library in the place of a line "--#include NAME". How many
 * there were. */
static size_t compare_script(const char *at, const char *text)
{
	size_t libraries = 0;

	while (*text != '\0') {
		size_t line = strcspn(text, "\n") + 1, n;
		char name[64], path[128], *library;

		if (sscanf(text, "--#include %60[a-z_]", name) != 1) {
			assert_memory_equal(at, text, line);
			at += line;
			text += line;
			continue;
		}
		snprintf(path, sizeof(path), "lua/%s.lib.lua", name);
		library = tmpdir_read(path, &n);
		assert_true(n > 0);
		assert_memory_equal(at, library, n);
		free(library);
		at += n;
		text += line;
		libraries++;
	}
	assert_string_equal(at, "");
	return libraries;
}

static void test_scripts_have_their_libraries(void **state)
{
	size_t libraries = 0;

	(void)state;
	for (size_t i = 0; i < embedded_lua_n; i++) {
		char path[512], *text;

		snprintf(path, sizeof(path), "lua/%s", embedded_lua[i].name);
		text = tmpdir_read(path, NULL);
		libraries += compare_script(embedded_lua[i].bytes, text);
		free(text);
	}
	assert_true(libraries > 0);
}

/* Every byte, in an order in which escapes and digits meet, a long line, no end of the last line. */
static void fill(unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(i < 65536 ? (i % 2 ? i : i / 256)
		                                     : (unsigned char)"?\"\\0=9"[i % 6]);
}

/* The embedded bytes of three files, one of them empty, written out by a program that is made of them. */
static const char writer[] =
	"#include <stdio.h>\n#include \"base/embedded.h\"\n"
	"int main(void)\n{\n"
	"\tfor (size_t i = 0; i < embedded_web_n; i++)\n"
	"\t\tfwrite(embedded_web[i].bytes, 1, embedded_web[i].len, stdout);\n"
	"\treturn embedded_web_n == 3 && embedded_web[1].len == 0 ? 0 : 1;\n}\n";

static void test_any_bytes_are_kept(void **state)
{
	static unsigned char bytes[100000];
	char *dir = tmpdir_make("embed"), script[2048], *err, *out;
	char *one = tmpdir_file("bytes", (fill(bytes, sizeof(bytes)), bytes), sizeof(bytes));
	char *none = tmpdir_file("none", "", 0), *two = tmpdir_file("two", "a\r\n\n", 4);
	char *main_c = tmpdir_file("writer", writer, sizeof(writer) - 1), path[256];
	size_t n;

	(void)state;
	snprintf(
		script, sizeof(script),
		"LC_ALL=C awk -v table=web -v root=x -f src/base/embed.awk %s %s %s >%s/web.c && "
		"cp %s %s/writer.c && cc -Wall -Wextra -Werror -Iinclude -o %s/writer %s/writer.c %s/web.c && "
		"%s/writer >%s/out",
		one, none, two, dir, main_c, dir, dir, dir, dir, dir, dir);
	if (process_run((const char *const[]){"sh", "-c", script, NULL}, NULL, NULL, NULL, &err) !=
	    0)
		fail_msg("%s", err);
	snprintf(path, sizeof(path), "%s/out", dir);
	out = tmpdir_read(path, &n);
	assert_int_equal(n, sizeof(bytes) + 4);
	assert_memory_equal(out, bytes, sizeof(bytes));
	assert_memory_equal(out + sizeof(bytes), "a\r\n\n", 4);
	free(out);
	free(err);
	free(one);
	free(none);
	free(two);
	free(main_c);
	free(dir);
}

static void test_what_is_missing_is_an_error(void **state)
{
	char *err;

	(void)state;
	assert_int_not_equal(
		process_run((const char *const[]){"awk", "-v", "table=web", "-f",
	                                          "src/base/embed.awk", "/nowhere", NULL},
	                    NULL, NULL, NULL, &err),
		0);
	assert_non_null(strstr(err, "/nowhere"));
	free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_web_is_the_folder),
		cmocka_unit_test(test_scripts_have_their_libraries),
		cmocka_unit_test(test_any_bytes_are_kept),
		cmocka_unit_test(test_what_is_missing_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Feeds a fuzz target every file of its corpus: what `make test` runs where libFuzzer need not be. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

#define CORPUS "tests/fuzz/corpus"
#define MAX_BYTES (16L << 20)

/* build/tests/fuzz/fuzz_job: its corpus is that of "job". */
static char *corpus_of(const char *program)
{
	const char *name = strrchr(program, '/');

	name = name != NULL ? name + 1 : program;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	return mem_printf(CORPUS "/%s", name);
}

/* The name goes out first: of an input that breaks something it is the last line. The bytes lie in a
 * block of just their size, so that a sanitizer sees what is read behind them. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long n;

	printf("%s\n", path);
	fflush(stdout);
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	n = ftell(file);
	assert_true(n >= 0 && n < MAX_BYTES);
	rewind(file);
	bytes = mem_alloc((size_t)n);
	assert_int_equal(fread(bytes, 1, (size_t)n, file), n);
	fclose(file);
	(void)LLVMFuzzerTestOneInput(bytes, (size_t)n);
	mem_free(bytes);
}

static void test_the_corpus_breaks_nothing(void **state)
{
	char *folder = corpus_of(*state);
	struct dirent **list;
	int n = scandir(folder, &list, NULL, alphasort), fed = 0;

	if (n < 0)
		fail_msg("no %s: tests run from the top of the tree", folder);
	for (int i = 0; i < n; i++) {
		char *path = mem_printf("%s/%s", folder, list[i]->d_name);

		if (list[i]->d_name[0] != '.') {
			replay_file(path);
			fed++;
		}
		mem_free(path);
		free(list[i]);
	}
	free(list);
	assert_true(fed > 0);
	mem_free(folder);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_the_corpus_breaks_nothing, argv[0]),
	};

	(void)argc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/npm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/process.h"

#define INSTALL_S "120"

/* "<build>/npm/<package>": a test is <build>/tests/<kind>/test_<name>. Each has its own, for npm
 * removes what it was not asked for. */
static char *npm_directory(const char *package)
{
	char self[2048];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *dir;

	assert_true(n > 0);
	self[n] = '\0';
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	assert_true(asprintf(&dir, "%s/npm/%s", self, package) > 0);
	return dir;
}

/* Why not, a new string (free); NULL: it is done. */
static char *run_npm(const char *dir, const char *package)
{
	const char *argv[] = {"timeout",    INSTALL_S,   "npm",      "install",
	                      "--no-audit", "--no-fund", "--prefix", dir,
	                      "--no-save",  package,     NULL};
	struct process *p = process_start((const char *const[]){"sh", "-c", "command -v npm", NULL},
	                                  NULL);
	int code = process_wait(p, 0);
	char *err;

	process_free(p);
	if (code != 0)
		return strdup("there is no npm");
	p = process_start(argv, NULL);
	code = process_wait(p, 150000);
	err = process_stderr(p);
	process_free(p);
	if (code != 0)
		return err;
	free(err);
	return NULL;
}

char *npm_install(const char *package, const char *file)
{
	char *dir = npm_directory(package), *path, *why = NULL;

	assert_true(asprintf(&path, "%s/node_modules/%s", dir, file) > 0);
	if (access(path, R_OK) != 0)
		why = run_npm(dir, package);
	if (access(path, R_OK) != 0) {
		printf("skipped: npm cannot install %s: %.300s\n", package,
		       why != NULL ? why : "it lacks what is wanted of it");
		free(path);
		path = NULL;
	}
	free(why);
	free(dir);
	return path;
}

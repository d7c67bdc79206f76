#include "support/preload.h"

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

/* A sanitizer has an allocator of its own, which must not be stood in front of. */
#ifdef __SANITIZE_ADDRESS__
#define ALLOCATIONS ""
#else
#define ALLOCATIONS "-DPRELOAD_ALLOCATIONS"
#endif

static char *setting, *why;

static void compile(void)
{
	static const char source[] = "tests/e2e/preload.c";
	const char *cc = getenv("CC");
	char *library = tmpdir_name("preload"), *command;

	/* $CC may be several words. */
	assert_true(asprintf(&command,
	                     "%s -std=gnu11 -O1 -D_GNU_SOURCE -shared -fPIC " ALLOCATIONS
	                     " -o '%s' %s "
	                     "$(pkg-config --cflags libcjson) -ldl",
	                     cc && *cc ? cc : "cc", library, source) > 0);
	if (process_run((const char *const[]){"sh", "-c", command, NULL}, NULL, NULL, NULL, &why) ==
	    0) {
		/* A sanitizer wants to be the first of the libraries; it need not. */
		const char *asan = getenv("ASAN_OPTIONS");
		char *options;

		assert_true(asprintf(&options, "%s:verify_asan_link_order=0", asan ? asan : "") >
		            0);
		assert_int_equal(setenv("ASAN_OPTIONS", options, 1), 0);
		assert_true(asprintf(&setting, "LD_PRELOAD=%s", library) > 0);
		free(options);
	}
	free(command);
	free(library);
}

const char *preload_setting(void)
{
	if (!why)
		compile();
	return setting;
}

const char *preload_why(void)
{
	return why;
}

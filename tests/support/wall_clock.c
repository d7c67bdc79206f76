#include "support/wall_clock.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/tmpdir.h"

#define SETTINGS 6

struct wall_clock {
	char *file, *next; /* the file that libfaketime reads; what is to take its place */
	char *settings[SETTINGS + 1];
};

/* Where systems put it; a new string, or NULL. */
static char *library(void)
{
	static const char *const places[] = {"/usr/lib*/*/faketime/libfaketime.so.1",
	                                     "/usr/lib*/faketime/libfaketime.so.1"};
	char *path = NULL;
	glob_t found;

	for (size_t i = 0; !path && i < sizeof(places) / sizeof(places[0]); i++)
		if (glob(places[i], 0, NULL, &found) == 0) {
			path = strdup(found.gl_pathv[0]);
			globfree(&found);
		}
	return path;
}

static char *setting(const char *name, const char *value)
{
	char *text = NULL;

	assert_true(asprintf(&text, "%s%s", name, value) > 0);
	return text;
}

struct wall_clock *wall_clock_new(void)
{
	const char *asan = getenv("ASAN_OPTIONS");
	struct wall_clock *c;
	char *path = library();

	if (!path)
		return NULL;
	c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->file = tmpdir_name("clock");
	c->next = setting(c->file, ".next");
	c->settings[0] = setting("LD_PRELOAD=", path);
	c->settings[1] = setting("FAKETIME_TIMESTAMP_FILE=", c->file);
	c->settings[2] = setting("FAKETIME_NO_CACHE=", "1");
	c->settings[3] = setting("FAKETIME_DONT_FAKE_MONOTONIC=", "1");
	c->settings[4] = setting("NO_FAKE_STAT=", "1");
	/* A sanitizer wants to be the first of the libraries; it need not. */
	c->settings[5] = setting("ASAN_OPTIONS=verify_asan_link_order=0:", asan ? asan : "");
	wall_clock_step(c, 0);
	free(path);
	return c;
}

const char *wall_clock_why(void)
{
	return "there is no libfaketime here (Debian's package: faketime)";
}

void wall_clock_free(struct wall_clock *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SETTINGS; i++)
		free(c->settings[i]);
	free(c->file);
	free(c->next);
	free(c);
}

/* By another file in its place: nobody reads half of it. */
void wall_clock_step(struct wall_clock *c, long long seconds)
{
	FILE *file = fopen(c->next, "we");

	assert_non_null(file);
	assert_true(fprintf(file, "%+lld", seconds) > 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(c->next, c->file), 0);
}

const char *const *wall_clock_settings(const struct wall_clock *c)
{
	return (const char *const *)c->settings;
}

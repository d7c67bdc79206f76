#include "support/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

char *scrape(const struct api_process *a)
{
	struct answer *r = api_get(a, "/metrics");
	char *page, *type = answer_header(r, "Content-Type");

	answer_status(r, 200);
	assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
	page = strdup(r->body);
	free(type);
	answer_free(r);
	return page;
}

double scrape_sample(const char *page, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = strstr(page, name); at; at = strstr(at + 1, name)) {
		if ((at == page || at[-1] == '\n') && at[n] == ' ')
			return strtod(at + n + 1, NULL);
	}
	return -1;
}

void scrape_expect_at(const char *file, int line, const char *page, const char *name, double value)
{
	double got = scrape_sample(page, name);

	if (got < value - 1e-9 || got > value + 1e-9)
		fail_msg("%s:%d: %s is %g, not %g", file, line, name, got, value);
}

struct awaited {
	const struct api_process *api;
	const char *name;
	double value;
};

static bool shows(void *arg)
{
	const struct awaited *a = arg;
	char *page = scrape(a->api);
	bool so = scrape_sample(page, a->name) >= a->value;

	free(page);
	return so;
}

void scrape_wait(const struct api_process *api, const char *name, double value)
{
	struct awaited a = {api, name, value};

	if (wait_for(NULL, shows, &a, 0))
		return;
	char *page = scrape(api);
	print_error("%s\n", page);
	fail_msg("waited in vain for %s to be %g", name, value);
}

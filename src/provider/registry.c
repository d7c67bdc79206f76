#include "provider/registry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define MAX_NAME 63

static bool name_valid(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = strlen(name);

	return len >= 1 && len <= MAX_NAME && strspn(name, allowed) == len;
}

static bool add(struct registry *r, struct ev_loop *loop, const struct options *o, const char *name,
                const char *dsn, struct error *err)
{
	struct provider *p = provider_open(loop, o, name, dsn, err);

	if (p == NULL)
		return false;
	if (p->tier == PROVIDER_NO_TIER)
		p->tier = PROVIDER_MAX_TIER + 1 + (long)r->n;
	r->list[r->n++] = p;
	return true;
}

static bool refuse_missing(const char *name, struct error *err)
{
	char upper[MAX_NAME + 1];
	size_t n = 0;

	for (; name[n] != '\0'; n++)
		upper[n] = name[n] == '-' ? '_' : (char)toupper((unsigned char)name[n]);
	upper[n] = '\0';
	return error_set(err,
	                 "PROVIDERS names %s, but PROVIDER_%s is not set; it is a DSN such as "
	                 "smtp://user:password@relay.example:587",
	                 name, upper);
}

static bool add_named(struct registry *r, struct ev_loop *loop, const struct options *o,
                      const char *name, struct error *err)
{
	char *dsn = NULL;
	bool ok;

	if (!name_valid(name))
		return error_set(err,
		                 "PROVIDERS: \"%s\" is no name; letters, digits, - and _, at "
		                 "most %d of them",
		                 name, MAX_NAME);
	if (registry_find(r, name) != NULL)
		return error_set(err, "PROVIDERS names %s twice", name);
	if (r->n == REGISTRY_MAX)
		return error_set(err, "PROVIDERS names more than %d providers", REGISTRY_MAX);
	if (!options_provider_dsn(name, &dsn, err))
		return false;
	if (dsn == NULL)
		return refuse_missing(name, err);
	ok = add(r, loop, o, name, dsn, err);
	mem_free_secret(dsn);
	return ok;
}

static bool add_list(struct registry *r, struct ev_loop *loop, const struct options *o,
                     struct error *err)
{
	char *names = mem_strdup(o->providers), *rest = names, *name;
	bool ok = true;

	while (ok && (name = strsep(&rest, ",")) != NULL) {
		size_t len;

		name += strspn(name, " \t");
		len = strlen(name);
		while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t'))
			name[--len] = '\0';
		ok = add_named(r, loop, o, name, err);
	}
	mem_free(names);
	return ok;
}

/* What the service did before there were providers to configure. */
static bool add_mocks(struct registry *r, struct ev_loop *loop, const struct options *o,
                      struct error *err)
{
	const struct {
		const char *name;
		double success;
	} mocks[] = {{"primary", o->primary_success}, {"secondary", o->secondary_success}};
	char dsn[96];

	for (size_t i = 0; i < sizeof(mocks) / sizeof(mocks[0]); i++) {
		snprintf(dsn, sizeof(dsn), "mock://?success=%.6f&latency=5-50", mocks[i].success);
		if (!add(r, loop, o, mocks[i].name, dsn, err))
			return false;
	}
	return true;
}

bool registry_open(struct registry *r, struct ev_loop *loop, const struct options *o,
                   bool allow_mocks, struct error *err)
{
	bool ok;

	memset(r, 0, sizeof(*r));
	if (o->providers[0] != '\0')
		ok = add_list(r, loop, o, err);
	else if (allow_mocks)
		ok = add_mocks(r, loop, o, err);
	else
		ok = error_set(err,
		               "PROVIDERS is not set, so there is nothing to deliver by; set for "
		               "example PROVIDERS=primary and PROVIDER_PRIMARY=smtp://relay:25 "
		               "(or mock:// to try things out)");
	if (!ok)
		registry_close(r);
	return ok;
}

void registry_close(struct registry *r)
{
	for (size_t i = 0; i < r->n; i++)
		provider_close(r->list[i]);
	r->n = 0;
}

struct provider *registry_find(const struct registry *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i]->name, name) == 0)
			return r->list[i];
	return NULL;
}

#include "provider/carriers.h"

#include <ev.h>

#include "base/mem.h"
#include "provider/registry.h"

struct carriers {
	struct ev_loop *loop; /* what providers are opened on; it never runs */
	struct registry registry;
};

struct carriers *carriers_open(const struct options *o)
{
	struct carriers *c = mem_zalloc(sizeof(*c));
	struct error ignored;

	if (o->providers[0] == '\0')
		return c;
	c->loop = ev_loop_new(EVFLAG_AUTO);
	if (c->loop != NULL && !registry_open(&c->registry, c->loop, o, false, &ignored))
		c->registry.n = 0;
	return c;
}

void carriers_close(struct carriers *c)
{
	if (c == NULL)
		return;
	registry_close(&c->registry);
	if (c->loop != NULL)
		ev_loop_destroy(c->loop);
	mem_free(c);
}

char *carriers_refuse(const struct carriers *c, const struct job *job)
{
	const struct provider *p = registry_find(&c->registry, job->provider);
	const char *why = p != NULL ? provider_refuses(p, job) : NULL;

	if (why == NULL)
		return NULL;
	return mem_printf("Field \"provider\" names %s, which cannot carry this mail: %s", p->name,
	                  why);
}

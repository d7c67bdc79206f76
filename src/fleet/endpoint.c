#include "fleet/endpoint.h"

#include <stdio.h>
#include <string.h>

#define SLOW_SHARE 10 /* of the places: a tenth, and at least one */

struct endpoint *endpoint_of(struct endpoints *all, const char *host)
{
	struct endpoint *oldest = NULL;

	for (size_t i = 0; i < ENDPOINT_MAX; i++) {
		struct endpoint *e = &all->list[i];

		if (strcmp(e->host, host) == 0) {
			e->met = ++all->met;
			return e;
		}
		if (e->in_flight == 0 && (oldest == NULL || e->met < oldest->met))
			oldest = e;
	}
	if (oldest == NULL)
		return NULL;
	*oldest = (struct endpoint){.met = ++all->met};
	snprintf(oldest->host, sizeof(oldest->host), "%s", host);
	return oldest;
}

bool endpoint_has_room(const struct endpoint *e, size_t places)
{
	size_t most = places / SLOW_SHARE;

	return e == NULL || !e->slow || e->in_flight < (most > 0 ? most : 1);
}

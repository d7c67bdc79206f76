#include "api/traffic.h"

#include <stdio.h>

#include "base/mem.h"

#define STATUSES 600

/* One row for each route, and one for what matched none. */
struct traffic {
	const struct route *routes;
	size_t n;
	uint64_t (*counts)[STATUSES];
};

struct traffic *traffic_new(const struct route *routes, size_t n)
{
	struct traffic *t = mem_zalloc(sizeof(*t));

	t->routes = routes;
	t->n = n;
	t->counts = mem_array(n + 1, sizeof(*t->counts));
	return t;
}

void traffic_free(struct traffic *t)
{
	if (!t)
		return;
	mem_free(t->counts);
	mem_free(t);
}

void traffic_note(struct traffic *t, const struct route *route, int status)
{
	size_t row = route ? (size_t)(route - t->routes) : t->n;

	if (row <= t->n && status >= 0 && status < STATUSES)
		t->counts[row][status]++;
}

void traffic_write(const struct traffic *t, struct exposition *x)
{
	char code[12];

	exposition_family(
		x, "postrider_http_requests_total", EXPOSITION_COUNTER,
		"HTTP requests by route and status code (0: the connection broke), of this process.");
	for (size_t row = 0; row <= t->n; row++) {
		const char *method = row < t->n ? t->routes[row].method : "other";
		const char *path = row < t->n ? t->routes[row].path : "other";

		for (int status = 0; status < STATUSES; status++) {
			if (t->counts[row][status] == 0)
				continue;
			snprintf(code, sizeof(code), "%d", status);
			exposition_int(x, LABELS("route", path, "method", method, "code", code),
			               (int64_t)t->counts[row][status]);
		}
	}
}

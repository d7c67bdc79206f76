/* route.h - the table of routes: what may be asked for, by which method, under which scope. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/request.h"

enum scope { SCOPE_NONE, SCOPE_SEND = 1, SCOPE_READ = 2, SCOPE_ADMIN = 4 };

struct route {
	const char *method;
	const char *path; /* a last segment "*" is any one that is not empty */
	enum scope scope; /* SCOPE_NONE: for everybody */
	void (*run)(struct request *r);
};

/* The API's; a worker's page has others (metrics_server.h). */
extern const struct route route_table[];
extern const size_t route_n;

/* The head is there: finds the route and checks who asks. Answers 401, 403, 404, 405 and 415 itself. */
void route_begin(struct request *r);

#endif

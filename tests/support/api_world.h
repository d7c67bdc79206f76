/* api_world.h - what most tests of the API begin with: a fleet without workers, and one API process.
 *
 *     static int setup(void **state) { return api_world_setup(state, (const char *const[]){"X=1", NULL}); }
 *     … struct api_world *w = api_world_begin(state);
 *
 * The provider `primary` is a mock that answers at once and records; no rate limit. */
#ifndef SUPPORT_API_WORLD_H
#define SUPPORT_API_WORLD_H

#include "support/api.h"
#include "support/fleet.h"

#define API_SEND "/api/email/send"
/* A valid mail under this key. */
#define API_MAIL(KEY)                                                                                 \
	"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\",\"idempotencyKey\":\"" KEY \
	"\"}"

struct api_world {
	struct fleet *fleet;
	const char *record; /* of `primary` */
	struct api_process api;
};

/* For cmocka's groups. settings: "NAME=value", NULL-terminated; NULL: none. */
int api_world_setup(void **state, const char *const *settings);
int api_world_teardown(void **state);
/* With nothing in Redis. */
struct api_world *api_world_begin(void **state);

#endif

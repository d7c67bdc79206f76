#include "support/api_world.h"

#include <stdlib.h>

int api_world_setup(void **state, const char *const *settings)
{
	struct api_world *w = calloc(1, sizeof(*w));

	w->fleet = fleet_start(NULL);
	w->record = fleet_mock(w->fleet, "PRIMARY", "latency=0");
	fleet_set(w->fleet, "RATE_LIMIT_MAX_REQUESTS=0");
	for (; settings && *settings; settings++)
		fleet_set(w->fleet, "%s", *settings);
	w->api = api_start(w->fleet, NULL);
	*state = w;
	return 0;
}

int api_world_teardown(void **state)
{
	struct api_world *w = *state;

	fleet_free(w->fleet);
	free(w);
	return 0;
}

struct api_world *api_world_begin(void **state)
{
	struct api_world *w = *state;

	redis_server_do(fleet_redis(w->fleet), "FLUSHALL");
	return w;
}

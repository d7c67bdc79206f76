#include "support/hook_fleet.h"

struct fleet *hook_fleet_start(struct http_server *server, const char *behaviour, const char *name)
{
	struct fleet *f = fleet_start(NULL);

	fleet_set(f, "WEBHOOK_URL=%s/%s", http_server_url(server, behaviour, "hook"), name);
	fleet_set(f, "WEBHOOK_SECRET=%s", HOOK_FLEET_SECRET);
	fleet_set(f, "WEBHOOK_ALLOW_PRIVATE=1");
	fleet_set(f, "WEBHOOK_RETRIES=20ms,20ms,20ms");
	return f;
}

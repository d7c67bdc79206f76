#include "api/health.h"

#include "api/ack.h"
#include "api/api.h"
#include "api/json.h"
#include "api/route.h"
#include "base/mem.h"
#include "provider/jsonw.h"

#define PROBE_LIFE_MS 10000

void health_live(struct request *r)
{
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "status", "alive");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

static void on_probed(void *data, enum link_result result)
{
	struct request *r = data;

	if (result != LINK_OK) {
		request_refused(r, result == LINK_ERROR ? LINK_LOST : result);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "status", "ready");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

void health_ready(struct request *r)
{
	struct command *c = &r->api->command;
	char *name;

	if (r->api->draining) {
		request_unavailable(r, "The server is ending");
		return;
	}
	name = keys_ready(r->api->options->key_prefix);
	command_clear(c);
	command_str(c, "SET");
	command_str(c, name);
	command_str(c, "1");
	command_str(c, "PX");
	command_int(c, PROBE_LIFE_MS);
	if (!ack_send(r->api->redis, r->api->options, c, name, on_probed, r))
		request_refused(r, LINK_LOST);
	mem_free(name);
}

void health_index(struct request *r)
{
	struct buf *out = &r->out;

	jsonw_open(out, '{');
	jsonw_pair(out, "service", "postrider");
	jsonw_pair(out, "version", POSTRIDER_VERSION);
	jsonw_pair(out, "status", r->api->draining ? "ending" : "running");
	jsonw_key(out, "endpoints");
	jsonw_open(out, '[');
	for (size_t i = 0; i < route_n; i++) {
		char *line = mem_printf("%s %s", route_table[i].method, route_table[i].path);

		jsonw_str(out, line);
		mem_free(line);
	}
	jsonw_close(out, ']');
	jsonw_close(out, '}');
	request_answer(r, 200);
}

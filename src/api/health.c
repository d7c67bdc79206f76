#include "api/health.h"

#include "api/ack.h"
#include "api/api.h"
#include "api/assets.h"
#include "api/media.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/mem.h"

#define PROBE_LIFE_MS 10000
#define READY_LIFE_US 500000

void health_live(struct request *r)
{
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "status", "alive");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

struct health_asker {
	struct request *request;
	struct health_asker *next;
};

static void answer_ready(struct request *r, enum link_result result)
{
	if (result != LINK_OK) {
		request_refused(r, result == LINK_ERROR ? LINK_LOST : result);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "status", "ready");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

static void on_probed(void *data, enum link_result result)
{
	struct api *api = data;
	struct health_asker *a = api->readiness.askers, *next;

	api->readiness.askers = NULL;
	/* Where that has to wait for replicas or the disk, it is not asked again and again. */
	if (result == LINK_OK && (api->options->ack_replicas > 0 || api->options->ack_fsync))
		api->readiness.ready_until = clock_mono_us() + READY_LIFE_US;
	for (; a != NULL; a = next) {
		next = a->next;
		answer_ready(a->request, result);
		mem_free(a);
	}
}

static void ask_ready(struct api *api)
{
	struct command *c = &api->command;
	char *name = keys_ready(api->options->key_prefix);

	command_clear(c);
	command_str(c, "SET");
	command_str(c, name);
	command_str(c, "1");
	command_str(c, "PX");
	command_int(c, PROBE_LIFE_MS);
	if (!ack_send(api->redis, api->options, c, name, on_probed, api))
		on_probed(api, LINK_LOST);
	mem_free(name);
}

void health_ready(struct request *r)
{
	struct readiness *h = &r->api->readiness;
	struct health_asker *a;
	bool asked = h->askers != NULL;

	if (r->api->draining) {
		request_unavailable(r, "The server is ending");
		return;
	}
	if (topology_up(r->api->redis) && clock_mono_us() < h->ready_until) {
		answer_ready(r, LINK_OK);
		return;
	}
	a = mem_alloc(sizeof(*a));
	*a = (struct health_asker){r, h->askers};
	h->askers = a;
	if (!asked)
		ask_ready(r->api);
}

void health_index(struct request *r)
{
	struct buf *out = &r->out;
	const struct asset *page = assets_find("index.html");

	request_add(r, "Vary", "Accept");
	if (page != NULL &&
	    media_prefers(request_get(r, "Accept"), "text/html", "application/json")) {
		assets_answer(r, page);
		return;
	}
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

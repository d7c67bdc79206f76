#include "api/metrics_server.h"

#include "api/api.h"
#include "api/health.h"
#include "api/metrics.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"

#define AGAIN_S 5.
#define NOBODY_POSTS 1024 /* bytes of a body that is not wanted anyway */

struct metrics_server {
	struct api api;
	bool told; /* that it cannot listen */
	ev_timer again;
};

static void ready(struct request *r)
{
	if (r->api->worker && worker_stopping(r->api->worker)) {
		request_unavailable(r, "The worker is ending");
		return;
	}
	if (!topology_up(r->api->redis)) {
		request_unavailable(r, "Redis does not answer");
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "status", "ready");
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

static const struct route routes[] = {
	{"GET", "/metrics", SCOPE_NONE, metrics_run},
	{"GET", "/livez", SCOPE_NONE, health_live},
	{"GET", "/readyz", SCOPE_NONE, ready},
};

static void listen_now(struct metrics_server *m)
{
	const struct options *o = m->api.options;
	struct server_config config = {
		.host = o->api_host[0] != '\0' ? o->api_host : "127.0.0.1",
		.port = (int)o->metrics_port,
		.option = "METRICS_PORT",
		.alone = true,
		.max_body = NOBODY_POSTS,
		.arrival_ms = o->api_timeout,
	};
	struct error err;

	m->api.server = server_open(m->api.loop, &m->api, &config, &err);
	if (m->api.server) {
		log_info("metrics_served", LOG_STR("host", config.host),
		         LOG_INT("port", server_port(m->api.server)));
		return;
	}
	if (!m->told)
		log_warn("metrics_not_served", LOG_STR("error", err.text));
	m->told = true;
	ev_timer_set(&m->again, AGAIN_S, 0.);
	ev_timer_start(m->api.loop, &m->again);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	listen_now(timer->data);
}

static void open_page(void *data, const struct worker *w, struct ev_loop *loop,
                      struct topology *redis)
{
	struct metrics_server *m = data;

	m->api.loop = loop;
	m->api.redis = redis;
	m->api.worker = w;
	m->api.started_at = clock_mono_us();
	ev_init(&m->again, on_again);
	m->again.data = m;
	listen_now(m);
}

static void close_page(void *data)
{
	struct metrics_server *m = data;

	ev_timer_stop(m->api.loop, &m->again);
	if (m->api.server)
		server_close(m->api.server);
	m->api.server = NULL;
}

struct metrics_server *metrics_server_new(const struct options *o, const struct queue_set *queues)
{
	struct metrics_server *m = mem_zalloc(sizeof(*m));

	m->api.options = o;
	m->api.queues = queues;
	m->api.routes = routes;
	m->api.n_routes = sizeof(routes) / sizeof(routes[0]);
	m->api.auth.secret = "";
	m->api.any_host = o->api_host[0] != '\0';
	command_init(&m->api.command);
	return m;
}

void metrics_server_free(struct metrics_server *m)
{
	if (!m)
		return;
	command_free(&m->api.command);
	mem_free(m);
}

struct worker_guest metrics_server_guest(struct metrics_server *m)
{
	return (struct worker_guest){.open = open_page, .close = close_page, .data = m};
}

#include "api/api.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "api/route.h"
#include "api/session.h"
#include "archive/finder.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sigpipe.h"
#include "base/uri.h"
#include "fleet/tracer.h"
#include "mail/message.h"

#define SPARE_FILES 64 /* for Redis, logs, and so on */
#define LOOPBACK "127.0.0.1"
#define MAX_PEM ((size_t)1 << 20)

/* --- the turn of the loop ----------------------------------------------------------------------------------- */

static void api_flush(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct api *api = prepare->data;

	(void)events;
	limiter_flush(&api->limiter, api->redis);
	limiter_flush(&api->sign_ins, api->redis);
	accept_flush(&api->accept, api->redis);
	if (api->draining && server_idle(api->server))
		ev_break(loop, EVBREAK_ALL);
}

static void api_on_redis(void *data, bool up)
{
	struct api *api = data;

	if (!up)
		api->readiness.ready_until = 0;
	again_on_redis(&api->again, up);
	log_info(up ? "redis_ready" : "redis_away", LOG_STR("name", "api"));
}

/* --- signals ------------------------------------------------------------------------------------------------ */

static void api_on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void api_on_stop(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct api *api = signal->data;

	(void)events;
	if (api->draining) {
		api->stop_by = clock_mono_us();
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	api->draining = true;
	log_info("draining", LOG_INT("connections", (int64_t)server_connections(api->server)));
	api->stop_by = clock_mono_us() + api->options->drain_timeout * 1000000;
	server_quiesce(api->server);
	waiters_close(&api->waiters);
	pulse_close(&api->pulse);
	ev_timer_set(&api->grace, (double)api->options->drain_timeout, 0.);
	ev_timer_start(loop, &api->grace);
}

/* --- start and end ------------------------------------------------------------------------------------------ */

static void api_watch(struct api *api)
{
	ev_prepare_init(&api->flush, api_flush);
	ev_init(&api->grace, api_on_grace);
	ev_signal_init(&api->on_term, api_on_stop, SIGTERM);
	ev_signal_init(&api->on_int, api_on_stop, SIGINT);
	api->flush.data = api->grace.data = api->on_term.data = api->on_int.data = api;
	ev_prepare_start(api->loop, &api->flush);
	ev_signal_start(api->loop, &api->on_term);
	ev_signal_start(api->loop, &api->on_int);
}

static void api_unwatch(struct api *api)
{
	ev_prepare_stop(api->loop, &api->flush);
	ev_timer_stop(api->loop, &api->grace);
	ev_signal_stop(api->loop, &api->on_term);
	ev_signal_stop(api->loop, &api->on_int);
}

const char *api_host(const struct options *o, bool protected)
{
	return protected || uri_is_loopback(o->api_host) ? o->api_host : LOOPBACK;
}

/* Both NULL: no TLS. */
static bool api_read_tls(const struct options *o, char **certificate, char **key, struct error *err)
{
	*certificate = *key = NULL;
	if (*o->tls_cert_file == '\0' && *o->tls_key_file == '\0')
		return true;
	if (*o->tls_cert_file == '\0' || *o->tls_key_file == '\0')
		return error_set(err, "TLS_CERT_FILE and TLS_KEY_FILE go together");
	if (!file_read(o->tls_cert_file, MAX_PEM, certificate, err))
		return error_prefix(err, "TLS_CERT_FILE");
	if (!file_read(o->tls_key_file, MAX_PEM, key, err)) {
		mem_free(*certificate);
		return error_prefix(err, "TLS_KEY_FILE");
	}
	return true;
}

static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < limit.rlim_max &&
	    limit.rlim_cur < SERVER_MAX_CONNECTIONS + SPARE_FILES) {
		limit.rlim_cur = SERVER_MAX_CONNECTIONS + SPARE_FILES < limit.rlim_max
		                         ? SERVER_MAX_CONNECTIONS + SPARE_FILES
		                         : limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < SERVER_MAX_CONNECTIONS + SPARE_FILES)
		log_warn("few_files", LOG_INT("limit", (int64_t)limit.rlim_cur));
}

static bool api_start(struct api *api, const struct topology_config *redis, struct error *err)
{
	const struct options *o = api->options;
	char *certificate, *key;
	struct server_config config = {
		.host = api_host(o, auth_protects(&api->auth)),
		.port = (int)o->port,
		.option = "PORT",
		.max_body = (size_t)o->api_max_body,
		.arrival_ms = o->api_timeout,
	};

	if (!api_read_tls(o, &certificate, &key, err))
		return false;
	if (config.host != o->api_host)
		log_warn("loopback_only", LOG_STR("host", config.host),
		         LOG_STR("error",
		                 "nothing protects the API, so only this machine can reach it"));
	if (!tracer_open(&api->tracer, api->loop, o, NULL, err)) {
		mem_free_secret(key);
		mem_free(certificate);
		return false;
	}
	raise_file_limit();
	config.certificate = certificate;
	config.key = key;
	api->server = server_open(api->loop, api, &config, err);
	if (key != NULL)
		mem_wipe(key, strlen(key));
	mem_free(key);
	mem_free(certificate);
	if (api->server == NULL) {
		tracer_close(api->tracer, 0);
		return false;
	}
	api->redis = topology_open(api->loop, redis, api_on_redis, api);
	api->finder = finder_open(api->loop, o);
	api_watch(api);
	log_info("api_started", LOG_STR("host", *config.host != '\0' ? config.host : "*"),
	         LOG_STR("scheme", config.certificate != NULL ? "https" : "http"),
	         LOG_INT("port", server_port(api->server)));
	return true;
}

/* Whoever waits for Redis is answered LINK_LOST by topology_close, and so its client. */
static void api_end(struct api *api)
{
	int port = server_port(api->server);

	api_unwatch(api);
	waiters_close(&api->waiters);
	pulse_close(&api->pulse);
	again_close(&api->again);
	topology_close(api->redis);
	finder_close(api->finder);
	limiter_free(&api->limiter);
	limiter_free(&api->sign_ins);
	accept_free(&api->accept);
	carriers_close(api->carriers);
	server_close(api->server);
	pulse_free(&api->pulse);
	tracer_close(api->tracer, tracer_spare_ms(api->stop_by));
	command_free(&api->command);
	auth_free(&api->auth);
	log_info("api_ended", LOG_INT("port", port));
}

bool api_run(const struct options *o, const struct queue_set *queues, struct error *err)
{
	struct api api = {
		.loop = ev_default_loop(EVFLAG_AUTO),
		.options = o,
		.queues = queues,
		.routes = route_table,
		.n_routes = route_n,
		.started_at = clock_mono_us(),
	};
	struct topology_config redis;
	bool ok;

	sigpipe_ignore();
	message_init();
	if (!auth_load(&api.auth, o, err))
		return false;
	if (!finder_check(o, err) || !topology_config_parse(&redis, o->redis_url, err))
		return false;
	redis.link.timeout_ms = (int)o->command_timeout;
	api.carriers = carriers_open(o);
	again_init(&api.again, api.loop, o->command_timeout);
	accept_init(&api.accept, o, &api.again);
	limiter_init(&api.limiter, o->key_prefix, o->rate_limit_max, o->rate_limit_window,
	             &api.again);
	limiter_init(&api.sign_ins, o->key_prefix, SESSION_TRIES, SESSION_TRIES_MS, &api.again);
	waiters_init(&api.waiters, &api);
	command_init(&api.command);
	pulse_init(&api.pulse, &api);
	ok = api_start(&api, &redis, err);
	topology_config_free(&redis);
	if (!ok) {
		carriers_close(api.carriers);
		return false;
	}
	ev_run(api.loop, 0);
	api_end(&api);
	return true;
}

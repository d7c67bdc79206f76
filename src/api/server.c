#include "api/server.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "api/route.h"
#include "api/send_trace.h"
#include "api/stream.h"
#include "api/traffic.h"
#include "api/visitor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/port.h"

#define POOL_BYTES 24576 /* of a connection: its head, and room to say that it is too long */
#define TICKS 16         /* in the time of a request */
#define MAX_RUNS 8       /* of libmicrohttpd in one turn of the loop */

/* With a page, what our own files say. */
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "          \
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "           \
	"base-uri 'none'; frame-ancestors 'none'"

struct server {
	struct ev_loop *loop;
	struct api *api;
	struct MHD_Daemon *daemon;
	int fd, port;
	size_t max_body, bodies;
	bool quiet, resumed;
	struct visitors visitors;
	struct request_list requests;
	struct traffic *traffic;
	ev_io io;
	ev_timer again, tick;
	ev_prepare prepare;
};

/* --- libmicrohttpd in the loop --------------------------------------------------------------------------- */

static void server_run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG wait;

	for (int i = 0; i < MAX_RUNS; i++) {
		s->resumed = false;
		MHD_run(s->daemon);
		if (!s->resumed && !(MHD_get_timeout(s->daemon, &wait) == MHD_YES && wait == 0))
			return;
	}
	ev_timer_set(&s->again, 0., 0.);
	ev_timer_start(s->loop, &s->again);
}

static void server_on_io(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	server_run(io->data);
}

static void server_on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	server_run(timer->data);
}

static void server_on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct server *s = timer->data;

	(void)loop;
	(void)events;
	visitors_hang_up(&s->visitors);
}

/* What was answered in this turn leaves in it. */
static void server_on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct server *s = prepare->data;

	(void)loop;
	(void)events;
	if (s->resumed)
		server_run(s);
}

void server_answered(struct request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	r->api->server->resumed = true;
	visitor_wait(r->visitor);
	MHD_resume_connection(r->connection);
}

void server_pause(struct request *r)
{
	r->suspended = true;
	visitor_rest(r->visitor);
	MHD_suspend_connection(r->connection);
}

/* --- one request ----------------------------------------------------------------------------------------- */

static struct visitor *visitor_of(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection(void *data, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct server *s = data;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = visitor_new(
			&s->visitors,
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	else
		visitor_free(*context);
}

/* The first line is there. */
static void *on_line(void *data, const char *target, struct MHD_Connection *c)
{
	struct server *s = data;
	struct request *r = mem_zalloc(sizeof(*r));

	r->api = s->api;
	r->connection = c;
	r->visitor = visitor_of(c);
	r->path = mem_strndup(target, strcspn(target, "?"));
	r->began_at = clock_mono_us();
	buf_init(&r->body, s->max_body);
	buf_init(&r->out, REQUEST_MAX_ANSWER);
	TAILQ_INSERT_TAIL(&s->requests, r, all);
	r->visitor->receiving = true;
	visitor_wait(r->visitor);
	return r;
}

static void on_completed(void *data, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode code)
{
	struct server *s = data;
	struct request *r = *context;

	(void)c;
	if (r == NULL)
		return;
	if (r->visitor->refused != 0)
		r->status = r->visitor->refused;
	else if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK && r->stream == NULL)
		r->status = 0;
	r->visitor->refused = 0;
	log_debug("request_ended", LOG_STR("method", r->method),
	          LOG_STR("route", r->route != NULL ? r->route->path : NULL),
	          LOG_INT("status", r->status), LOG_INT("us", clock_mono_us() - r->began_at));
	traffic_note(s->traffic, r->route, r->status);
	send_trace_end(r);
	r->visitor->receiving = false;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		visitor_keep(r->visitor);
	else
		visitor_wait(r->visitor);
	s->bodies -= r->body.len;
	TAILQ_REMOVE(&s->requests, r, all);
	for (size_t i = 0; i < r->n_headers; i++)
		mem_free(r->headers[i].value);
	mem_free(r->path);
	mem_free(r->param);
	mem_free(r->data);
	buf_free(&r->body);
	buf_free(&r->out);
	mem_free(r);
	*context = NULL;
}

static struct MHD_Response *response_of(struct request *r)
{
	size_t n = r->out.len;

	if (r->stream != NULL)
		return stream_response(r->stream);
	if (r->fixed != NULL)
		return MHD_create_response_from_buffer(r->n_fixed, (void *)(uintptr_t)r->fixed,
		                                       MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_buffer_with_free_callback(n, buf_take(&r->out), mem_free);
}

/* Whatever a stranger has got into an answer must do nothing in a browser that is led to it. */
static void add_guards(struct MHD_Response *response, const char *type)
{
	bool page = strncmp(type, "text/html", strlen("text/html")) == 0;

	MHD_add_response_header(response, "Content-Security-Policy",
	                        page ? PAGE_POLICY : VISITOR_POLICY);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
}

static enum MHD_Result queue_answer(struct server *s, struct request *r)
{
	struct MHD_Response *response = response_of(r);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (r->status != 204 && r->status != 304)
		MHD_add_response_header(response, "Content-Type", r->type);
	MHD_add_response_header(response, "Cache-Control",
	                        r->cache != NULL ? r->cache : "no-store");
	add_guards(response, r->type);
	if (r->close || s->quiet)
		MHD_add_response_header(response, "Connection", "close");
	for (size_t i = 0; i < r->n_headers; i++)
		MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
	visitor_wait(r->visitor);
	r->visitor->receiving = false; /* and must take it in that time */
	result = MHD_queue_response(r->connection, (unsigned)r->status, response);
	MHD_destroy_response(response);
	return result;
}

/* How long the body is must be beyond doubt: who disagrees about it can be made to see another
 * request (RFC 9112, 6.1). */
static const char *framing_fault(const struct request *r)
{
	const char *coding = request_get(r, "Transfer-Encoding");
	const char *length = request_get(r, "Content-Length");

	if (coding != NULL && length != NULL)
		return "Content-Length and Transfer-Encoding must not both be there";
	if (coding != NULL && strcasecmp(coding, "chunked") != 0)
		return "Only the transfer coding chunked is known";
	return NULL;
}

struct lengths {
	size_t n;
};

static enum MHD_Result count_length(void *data, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
	struct lengths *l = data;

	(void)kind;
	(void)value;
	if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
		l->n++;
	return MHD_YES;
}

static void check_head(struct server *s, struct request *r)
{
	const union MHD_ConnectionInfo *head = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const char *fault = framing_fault(r), *length = request_get(r, "Content-Length");
	struct lengths lengths = {0};
	int64_t n = 0;

	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_length, &lengths);
	if (fault == NULL && lengths.n > 1)
		fault = "There must be one Content-Length";
	if (fault == NULL && length != NULL && (!number_int(length, &n) || n < 0))
		fault = "Content-Length must be a number";
	r->close = true; /* what follows this head is not read */
	if (head != NULL && head->header_size > SERVER_MAX_HEAD)
		request_problem(r, 431, NULL, "The request's head must be at most 16 KB");
	else if (fault != NULL)
		request_problem(r, 400, NULL, fault);
	else if (n > 0 && (uint64_t)n > s->max_body)
		request_problem(r, 413, NULL, "The body is too large");
	else if (n > 0 && s->bodies + (size_t)n > SERVER_MAX_BODIES)
		request_unavailable(r, "Too many large requests are under way");
	else
		route_begin(r);
	if (r->status == 0)
		r->close = false;
}

static enum MHD_Result take_body(struct server *s, struct request *r, const char *bytes, size_t *n)
{
	size_t before = r->body.len;

	if (s->bodies + *n > SERVER_MAX_BODIES) {
		visitor_refuse(r->visitor, "503 Service Unavailable", "Service Unavailable", 503);
		return MHD_NO;
	}
	buf_add(&r->body, bytes, *n);
	s->bodies += r->body.len - before;
	*n = 0;
	if (buf_ok(&r->body))
		return MHD_YES;
	visitor_refuse(r->visitor, "413 Content Too Large", "Content Too Large", 413);
	return MHD_NO;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **context)
{
	struct server *s = data;
	struct request *r = *context;

	(void)c;
	(void)url;
	(void)version;
	if (!r->head_seen) {
		r->head_seen = true;
		r->method = method;
		check_head(s, r);
		return r->status != 0 ? queue_answer(s, r) : MHD_YES;
	}
	if (*n_upload > 0)
		return take_body(s, r, upload, n_upload);
	if (!r->running) {
		r->running = true;
		r->asked_at = clock_mono_us();
		visitor_rest(r->visitor);
		r->visitor->receiving = false;
		r->route->run(r);
	}
	if (r->status != 0)
		return queue_answer(s, r);
	r->suspended = true;
	MHD_suspend_connection(c);
	return MHD_YES;
}

/* --- start and end ----------------------------------------------------------------------------------------- */

static bool server_listen(struct server *s, const struct server_config *c, struct error *err)
{
	struct error why;

	s->port = c->port;
	s->fd = port_listen(c->host, &s->port, !c->alone, &why);
	return s->fd >= 0 || error_set(err, "%s (%s, API_HOST)", why.text, c->option);
}

static void on_mhd_log(void *data, const char *format, va_list args)
{
	char text[256];

	(void)data;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("http_noted", LOG_STR("error", text));
}

static bool start_daemon(struct server *s, const struct server_config *c, struct error *err)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)c->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)c->key},
		{MHD_OPTION_END, 0, NULL},
	};

	if (s->visitors.tls)
		flags |= MHD_USE_TLS;
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)SERVER_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, on_line, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_ARRAY,
		s->visitors.tls ? tls : &tls[2], MHD_OPTION_END);
	if (s->daemon == NULL)
		return error_set(
			err, s->visitors.tls
				     ? "cannot serve HTTPS: TLS_CERT_FILE and TLS_KEY_FILE must be "
				       "a certificate and its key, in PEM"
				     : "cannot serve HTTP");
	return true;
}

static void server_watch(struct server *s)
{
	int fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	double tick = (double)s->visitors.arrival_us / 1e6 / TICKS;

	ev_io_init(&s->io, server_on_io, fd, EV_READ);
	ev_timer_init(&s->again, server_on_again, 0., 0.);
	ev_timer_init(&s->tick, server_on_tick, tick, tick);
	ev_prepare_init(&s->prepare, server_on_prepare);
	s->io.data = s->again.data = s->tick.data = s->prepare.data = s;
	ev_set_priority(&s->prepare, 1); /* before the outboxes are emptied */
	ev_io_start(s->loop, &s->io);
	ev_timer_start(s->loop, &s->tick);
	ev_prepare_start(s->loop, &s->prepare);
}

struct server *server_open(struct ev_loop *loop, struct api *api,
                           const struct server_config *config, struct error *err)
{
	struct server *s = mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->api = api;
	s->fd = -1;
	s->max_body = config->max_body;
	visitors_init(&s->visitors, config->arrival_ms * 1000, config->certificate != NULL);
	TAILQ_INIT(&s->requests);
	if (!server_listen(s, config, err)) {
		mem_free(s);
		return NULL;
	}
	if (!start_daemon(s, config, err)) {
		close(s->fd);
		mem_free(s);
		return NULL;
	}
	s->traffic = traffic_new(api->routes, api->n_routes);
	server_watch(s);
	return s;
}

int server_port(const struct server *s)
{
	return s->port;
}

bool server_tls(const struct server *s)
{
	return s->visitors.tls;
}

size_t server_connections(const struct server *s)
{
	return s->visitors.n;
}

const struct traffic *server_traffic(const struct server *s)
{
	return s->traffic;
}

void server_quiesce(struct server *s)
{
	int fd;

	if (s->quiet)
		return;
	s->quiet = true;
	fd = MHD_quiesce_daemon(s->daemon);
	if (fd >= 0)
		close(fd);
}

bool server_idle(const struct server *s)
{
	return TAILQ_EMPTY(&s->requests);
}

void server_close(struct server *s)
{
	struct request *r;

	TAILQ_FOREACH(r, &s->requests, all)
	{
		if (r->suspended)
			request_unavailable(r, "The server is ending");
	}
	for (int i = 0; i < MAX_RUNS; i++)
		MHD_run(s->daemon);
	ev_io_stop(s->loop, &s->io);
	ev_timer_stop(s->loop, &s->again);
	ev_timer_stop(s->loop, &s->tick);
	ev_prepare_stop(s->loop, &s->prepare);
	MHD_stop_daemon(s->daemon);
	traffic_free(s->traffic);
	mem_free(s);
}

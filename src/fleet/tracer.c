#include "fleet/tracer.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/sampler.h"
#include "fleet/trace_config.h"
#include "provider/http_client.h"

#define CONNECT_MS 10000
#define IDLE_MS 30000
#define PAUSE_MS 1000 /* after the first failure; it doubles */
#define PAUSE_MAX_MS 30000
#define LOG_US INT64_C(60000000) /* a collector that fails is told of once in that time */
#define MAX_PEM ((size_t)4 << 20)
#define TRACER_MAX_BODY (TRACER_MAX_BATCH + TRACER_MAX_SPAN + MAX_TAIL)
#define CHUNK (1L << 20) /* so a batch leaves in few turns: each cuts mail's calls short */
#define MAX_TAIL 512     /* of otlp_close */

struct batch {
	TAILQ_ENTRY(batch) entry;
	struct buf body;
	size_t n;
	int64_t tried_at; /* mono clock, µs: first; 0 not yet */
};

struct tracer {
	struct ev_loop *loop;
	const struct options *options;
	struct trace_config config;
	struct sampler sampler;
	struct http_client *client;
	struct batch *filling;        /* NULL: there is nothing */
	struct otlp out;              /* the span that is being written, behind its last one */
	TAILQ_HEAD(, batch) sealed;   /* the oldest first: the one that is being sent */
	struct buf spare;             /* a body's memory, for the next batch */
	size_t n, bytes;              /* of both */
	struct http_request *request; /* NULL: none on its way */
	int64_t pause_ms;             /* of the next failure; 0: the last one went well */
	int64_t not_before;           /* mono clock, µs */
	int64_t logged_at;            /* mono clock, µs; 0 never */
	bool closing, late;
	struct tracer_counts counts;
	ev_timer delay, again, deadline;
};

static void tracer_send(struct tracer *t);

/* ---- batches --------------------------------------------------------------------------------- */

static void batch_free(struct tracer *t, struct batch *b)
{
	t->n -= b->n;
	t->bytes -= b->body.len;
	buf_free(&t->spare);
	t->spare = b->body;
	mem_free(b);
}

static struct batch *batch_new(struct tracer *t)
{
	struct batch *b = mem_zalloc(sizeof(*b));

	b->body = t->spare;
	buf_init(&t->spare, TRACER_MAX_BODY);
	buf_clear(&b->body);
	otlp_open(&b->body, t->config.resource);
	t->bytes += b->body.len;
	ev_timer_set(&t->delay, (double)t->options->bsp_delay / 1000., 0.);
	ev_timer_start(t->loop, &t->delay);
	return b;
}

/* The first batch's body into the request, and back: it is not copied. */
static void exchange_bodies(struct tracer *t)
{
	struct batch *b = TAILQ_FIRST(&t->sealed);
	struct buf body = b->body;

	b->body = t->request->call.body;
	t->request->call.body = body;
}

/* What is being filled is to go. */
static void seal(struct tracer *t)
{
	struct batch *b = t->filling;
	size_t before;

	ev_timer_stop(t->loop, &t->delay);
	if (b == NULL)
		return;
	t->filling = NULL;
	before = b->body.len;
	if (b->n > 0)
		b->body.len--; /* the last one's comma */
	otlp_close(&b->body);
	t->bytes += b->body.len - before;
	if (b->n == 0)
		batch_free(t, b);
	else
		TAILQ_INSERT_TAIL(&t->sealed, b, entry);
	tracer_send(t);
}

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	seal(timer->data);
}

/* The oldest batch is done with. */
static void forget_first(struct tracer *t)
{
	struct batch *b = TAILQ_FIRST(&t->sealed);

	TAILQ_REMOVE(&t->sealed, b, entry);
	batch_free(t, b);
}

/* ---- how it ended ----------------------------------------------------------------------------- */

static void tell(struct tracer *t, const char *event, int64_t status, const char *why)
{
	int64_t now = clock_mono_us();

	if (t->logged_at != 0 && now - t->logged_at < LOG_US)
		return;
	t->logged_at = now;
	log_warn(event, LOG_INT("status", status), LOG_STR("error", why),
	         LOG_INT("failed", (int64_t)t->counts.failed),
	         LOG_INT("dropped", (int64_t)t->counts.dropped));
}

static void taken(struct tracer *t, const struct http_reply *reply)
{
	const struct batch *b = TAILQ_FIRST(&t->sealed);
	char why[OTLP_MAX_WHY];
	uint64_t refused = (uint64_t)otlp_refused(reply, why);

	if (refused > b->n)
		refused = b->n;
	t->counts.exported += b->n - refused;
	t->counts.failed += refused;
	if (refused > 0)
		tell(t, "traces_refused", reply->status, why);
	t->pause_ms = 0;
	forget_first(t);
}

static void lost(struct tracer *t, int64_t status, const char *why)
{
	t->counts.failed += TAILQ_FIRST(&t->sealed)->n;
	tell(t, "traces_failed", status, why);
	forget_first(t);
}

/* asked: by the server's Retry-After, ms; 0: it did not. */
static void put_off(struct tracer *t, int64_t status, const char *why, int64_t asked)
{
	const struct batch *b = TAILQ_FIRST(&t->sealed);
	int64_t now = clock_mono_us(), pause;

	t->pause_ms = t->pause_ms == 0                 ? PAUSE_MS
	              : t->pause_ms < PAUSE_MAX_MS / 2 ? t->pause_ms * 2
	                                               : PAUSE_MAX_MS;
	pause = t->pause_ms / 2 + (int64_t)random_below((uint64_t)t->pause_ms / 2);
	if (asked > pause)
		pause = asked < TRACER_MAX_PAUSE_MS ? asked : TRACER_MAX_PAUSE_MS;
	t->not_before = now + pause * 1000;
	if (t->closing || t->not_before - b->tried_at > t->options->bsp_timeout * 1000)
		lost(t, status, why);
}

static bool may_come_again(int status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void on_end(struct http_request *r, const struct http_result *result)
{
	struct tracer *t = r->data;
	const struct http_reply *reply = result->reply;

	exchange_bodies(t);
	t->request = NULL;
	ev_timer_stop(t->loop, &t->deadline);
	if (result->end == HTTP_END_CLIENT)
		lost(t, 0, result->why);
	else if (result->end != HTTP_END_REPLY)
		put_off(t, 0, result->why, 0);
	else if (reply->status >= 200 && reply->status < 300)
		taken(t, reply);
	else if (may_come_again(reply->status))
		put_off(t, reply->status, "the collector does not take them now",
		        http_reply_retry_after(reply));
	else
		lost(t, reply->status, "the collector has refused them");
	tracer_send(t);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct tracer *t = timer->data;

	(void)loop;
	(void)events;
	exchange_bodies(t);
	http_client_abandon(t->request);
	t->request = NULL;
	put_off(t, 0, "no answer within OTEL_EXPORTER_OTLP_TIMEOUT", 0);
	tracer_send(t);
}

/* ---- sending ----------------------------------------------------------------------------------- */

static void on_held(struct http_request *r)
{
	http_client_release(r);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	tracer_send(timer->data);
}

static bool is_early(struct tracer *t, int64_t now)
{
	if (now >= t->not_before)
		return false;
	if (!ev_is_active(&t->again)) {
		ev_now_update(t->loop);
		ev_timer_set(&t->again, (double)(t->not_before - now) / 1e6 + 0.001, 0.);
		ev_timer_start(t->loop, &t->again);
	}
	return true;
}

/* The oldest batch, unless one is on its way, or its time has not come. */
static void tracer_send(struct tracer *t)
{
	struct batch *b = TAILQ_FIRST(&t->sealed);
	int64_t now = clock_mono_us();
	struct http_request *r;

	if (b == NULL || t->request != NULL || (!t->closing && is_early(t, now)))
		return;
	if (b->tried_at == 0)
		b->tried_at = now;
	r = t->request = http_client_request(t->client);
	buf_add_str(&r->call.url, t->config.url);
	http_call_header(&r->call, "Content-Type", "application/json");
	buf_add_str(&r->call.headers, t->config.headers);
	exchange_bodies(t);
	r->on_held = on_held;
	r->on_end = on_end;
	r->data = t;
	ev_timer_set(&t->deadline, (double)t->config.timeout / 1000., 0.);
	ev_timer_start(t->loop, &t->deadline);
	http_client_send(r);
}

/* ---- spans ------------------------------------------------------------------------------------- */

bool tracer_takes(const struct tracer *t, const char *trace_id, const struct trace_context *parent)
{
	return sampler_takes(&t->sampler, trace_id, parent);
}

struct otlp *tracer_begin(struct tracer *t, const struct otlp_span *s)
{
	char *at;

	if (t->n >= (size_t)t->options->bsp_queue || t->bytes >= TRACER_MAX_BYTES) {
		t->counts.dropped++;
		return NULL;
	}
	if (t->filling == NULL)
		t->filling = batch_new(t);
	at = buf_reserve(&t->filling->body, TRACER_MAX_SPAN);
	t->out = (struct otlp){.at = at, .end = at + TRACER_MAX_SPAN};
	otlp_begin(&t->out, s);
	return &t->out;
}

void tracer_end(struct tracer *t, const char *error)
{
	struct batch *b = t->filling;
	size_t n;

	otlp_end(&t->out, error);
	if (t->out.failed) {
		t->counts.dropped++;
		return;
	}
	n = (size_t)(t->out.at - b->body.data) - b->body.len;
	b->body.len += n;
	b->n++;
	t->n++;
	t->bytes += n;
	if (b->n >= (size_t)t->options->bsp_batch || t->n >= (size_t)t->options->bsp_queue ||
	    b->body.len >= TRACER_MAX_BATCH)
		seal(t);
}

struct tracer_counts tracer_counts(const struct tracer *t)
{
	return t->counts;
}

/* ---- start and end ------------------------------------------------------------------------------- */

static struct http_client *open_client(const struct tracer *t, struct error *err)
{
	long ms = (long)t->config.timeout;
	struct http_config config = {
		.ca_file = t->config.certificate,
		.clear_text = t->config.clear_text,
		.max_body = TRACER_MAX_BODY,
		.chunk = CHUNK,
		.connections = 1,
		.connect_ms = ms < CONNECT_MS ? ms : CONNECT_MS,
		.send_ms = ms,
		.reply_ms = ms,
		.idle_ms = IDLE_MS,
	};

	return http_client_open(t->loop, &config, err);
}

/* It is read when a connection is made: better said now. */
static bool check_roots(const struct trace_config *c, struct error *err)
{
	char *pem;

	if (c->certificate[0] == '\0')
		return true;
	if (!file_read(c->certificate, MAX_PEM, &pem, err))
		return error_prefix(err, "%s", c->certificate_from);
	mem_free(pem);
	return true;
}

bool tracer_open(struct tracer **out, struct ev_loop *loop, const struct options *o,
                 const char *instance, struct error *err)
{
	struct trace_config config;
	char host[64] = "", name[96];
	struct tracer *t;

	*out = NULL;
	if (instance == NULL) {
		(void)gethostname(host, sizeof(host) - 1);
		snprintf(name, sizeof(name), "%s-%d", host, (int)getpid());
		instance = name;
	}
	if (!trace_config_read(&config, o, instance, err))
		return false;
	if (config.url == NULL)
		return true;
	if (!check_roots(&config, err)) {
		trace_config_free(&config);
		return false;
	}
	t = mem_zalloc(sizeof(*t));
	t->loop = loop;
	t->options = o;
	t->config = config;
	sampler_init(&t->sampler, (enum sampler_kind)o->traces_sampler, o->traces_sampler_arg);
	TAILQ_INIT(&t->sealed);
	buf_init(&t->spare, TRACER_MAX_BODY);
	ev_init(&t->delay, on_delay);
	ev_init(&t->again, on_again);
	ev_init(&t->deadline, on_deadline);
	t->delay.data = t->again.data = t->deadline.data = t;
	t->client = open_client(t, err);
	if (t->client == NULL) {
		trace_config_free(&t->config);
		mem_free(t);
		return error_prefix(err, "OTEL_EXPORTER_OTLP_ENDPOINT");
	}
	*out = t;
	return true;
}

static void on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct tracer *t = timer->data;

	(void)loop;
	(void)events;
	t->late = true;
}

static void flush(struct tracer *t, int64_t grace_ms)
{
	ev_timer grace;

	t->closing = true;
	ev_now_update(t->loop);
	ev_timer_init(&grace, on_grace, (double)grace_ms / 1000., 0.);
	grace.data = t;
	ev_timer_start(t->loop, &grace);
	seal(t);
	tracer_send(t);
	while (!TAILQ_EMPTY(&t->sealed) && !t->late)
		ev_run(t->loop, EVRUN_ONCE);
	ev_timer_stop(t->loop, &grace);
}

int64_t tracer_spare_ms(int64_t stop_by)
{
	int64_t left = stop_by > 0 ? (stop_by - clock_mono_us()) / 1000 : TRACER_MAX_GRACE_MS;

	if (left < 0)
		return 0;
	return left < TRACER_MAX_GRACE_MS ? left : TRACER_MAX_GRACE_MS;
}

void tracer_close(struct tracer *t, int64_t grace_ms)
{
	if (t == NULL)
		return;
	if (grace_ms > 0)
		flush(t, grace_ms);
	ev_timer_stop(t->loop, &t->delay);
	ev_timer_stop(t->loop, &t->again);
	ev_timer_stop(t->loop, &t->deadline);
	if (t->request != NULL) {
		exchange_bodies(t);
		http_client_abandon(t->request);
	}
	if (t->filling != NULL) {
		t->counts.failed += t->filling->n;
		batch_free(t, t->filling);
	}
	while (!TAILQ_EMPTY(&t->sealed)) {
		t->counts.failed += TAILQ_FIRST(&t->sealed)->n;
		forget_first(t);
	}
	log_info("traces_ended", LOG_INT("exported", (int64_t)t->counts.exported),
	         LOG_INT("dropped", (int64_t)t->counts.dropped),
	         LOG_INT("failed", (int64_t)t->counts.failed));
	http_client_close(t->client);
	trace_config_free(&t->config);
	buf_free(&t->spare);
	mem_free(t);
}

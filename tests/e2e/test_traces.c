/* Traces: which spans a mail gives, how they hang together, and what a collector that is slow, away or unwilling does to
 * mail (nothing). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/hook_log.h"
#include "support/http_server.h"
#include "support/npm.h"
#include "support/port.h"
#include "support/process.h"
#include "support/sink.h"
#include "support/smtp_secure.h"
#include "support/span_log.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define PARENT ",\"traceparent\":\"00-" TRACE "-" SPAN "-01\""
#define UNSAMPLED ",\"traceparent\":\"00-" TRACE "-" SPAN "-00\""
#define TRANSFORMER "@opentelemetry/otlp-transformer"

static struct http_server *server;
static char *verifier; /* NULL: it cannot be had */

static int begin(void **state)
{
	(void)state;
	/* before there is a fleet, which takes npm's settings out of the environment */
	verifier = npm_install(TRANSFORMER "@0.203.0", TRANSFORMER "/package.json");
	server = http_server_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	http_server_free(server);
	free(verifier);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	http_server_clear(server);
	return 0;
}

/* A fleet whose spans go to the collector, which behaves so, within milliseconds. */
static struct fleet *fleet_traced(const char *behaviour)
{
	struct fleet *f = fleet_start(NULL);

	fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=%s", http_server_url(server, behaviour, "hook"));
	fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=20");
	return f;
}

/* The number that a worker has logged at its end: of spans "exported", "dropped", "failed". */
static long long ended(struct process *w, const char *name)
{
	char *log = process_stderr(w), *line = strstr(log, "\"traces_ended\""), *at;
	char field[32];
	long long n;

	assert_non_null(line);
	snprintf(field, sizeof(field), "\"%s\":", name);
	at = strstr(line, field);
	assert_non_null(at);
	n = strtoll(at + strlen(field), NULL, 10);
	free(log);
	return n;
}

/* ---- what belongs together ---------------------------------------------------------------------- */

/* The spans of one claim with an attempt: below its `process`, within its time, in the order of time. */
static void expect_claim(const cJSON *log, const char *key, size_t n, const char *outcome)
{
	const cJSON *process = span_log_find(log, "process", key, n);
	const cJSON *wait = span_log_find(log, "wait", key, n);
	const cJSON *deliver = span_log_find(log, "deliver", key, n);
	const cJSON *settle = span_log_find(log, "settle", key, n);

	span_log_expect_within(wait, process);
	span_log_expect_within(deliver, process);
	span_log_expect_within(settle, process);
	assert_true(strcmp(span_log_get(wait, "endTimeUnixNano"),
	                   span_log_get(deliver, "startTimeUnixNano")) <= 0);
	assert_true(strcmp(span_log_get(deliver, "endTimeUnixNano"),
	                   span_log_get(settle, "startTimeUnixNano")) <= 0);
	span_log_expect(process, "kind", "5");
	span_log_expect(wait, "kind", "1");
	span_log_expect(deliver, "kind", "3");
	span_log_expect(settle, "kind", "3");
	span_log_expect(process, "name", "process mail:queue");
	span_log_expect(process, "service", "postrider");
	span_log_expect(process, "messaging.system", "postrider");
	span_log_expect(process, "messaging.destination.name", "mail:queue");
	span_log_expect(process, "messaging.operation.type", "process");
	span_log_expect(settle, "messaging.operation.type", "settle");
	span_log_expect(deliver, "name", "deliver primary");
	span_log_expect(deliver, "postrider.outcome", outcome);
}

/* A mail that its provider puts off once: the second attempt is another worker's. */
static void deliver_by_two(struct fleet *f, const char *key, const char *more)
{
	char to[64], *owner;
	struct process *first;

	/* An hour, so that it is not the same worker's; it is made due by hand. */
	fleet_set(f, "RETRY_BASE_DELAY=3600000");
	fleet_set(f, "RETRY_MAX_DELAY=3600000");
	first = fleet_worker_ready(f, NULL);
	snprintf(to, sizeof(to), "busy-1.%s@example.com", key);
	fleet_push_to(f, key, to, more);
	fleet_wait_status(f, key, "retrying");
	fleet_stop(f, first);
	owner = fleet_field(f, key, "owner");
	redis_server_do(fleet_redis(f), "ZADD {mail:queue}:delayed XX 1 %s",
	                strchr(owner, '#') + 1);
	redis_server_do(fleet_redis(f), "HSET mail:status:%s next_attempt_at 1", key);
	free(owner);
	fleet_worker(f, NULL);
	fleet_wait_status(f, key, "sent");
	span_log_wait(server, "process", key, 2);
}

static void test_producers_trace(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	struct sink *sink = sink_start();
	const cJSON *first, *second;
	char port[16], *key;
	cJSON *log;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	snprintf(port, sizeof(port), "%s", strrchr(sink_dsn(sink, ""), ':') + 1);
	port[strspn(port, "0123456789")] = '\0';
	deliver_by_two(f, "given", PARENT);
	log = span_log_read(server);
	assert_int_equal(cJSON_GetArraySize(log), 8);
	expect_claim(log, "given", 0, "retry");
	expect_claim(log, "given", 1, "sent");
	for (size_t i = 0; i < 2; i++) {
		const cJSON *process = span_log_find(log, "process", "given", i);

		span_log_expect(process, "traceId", TRACE);
		span_log_expect(process, "parentSpanId", SPAN);
	}
	first = span_log_find(log, "deliver", "given", 0);
	second = span_log_find(log, "deliver", "given", 1);
	span_log_expect(first, "postrider.attempt", "1");
	span_log_expect(first, "postrider.code", "451 4.3.0");
	span_log_expect(first, "error.type", "451 4.3.0");
	assert_non_null(cJSON_GetObjectItem(first, "status"));
	span_log_expect(first, "server.address", "127.0.0.1");
	span_log_expect(first, "server.port", port);
	span_log_expect(second, "postrider.attempt", "2");
	span_log_expect(second, "error.type", "");
	assert_null(cJSON_GetObjectItem(second, "status"));
	span_log_expect(span_log_find(log, "process", "given", 0), "postrider.status", "retrying");
	span_log_expect(span_log_find(log, "process", "given", 1), "postrider.status", "sent");
	span_log_expect(span_log_find(log, "settle", "given", 0), "messaging.operation.name",
	                "delay");
	span_log_expect(span_log_find(log, "settle", "given", 1), "messaging.operation.name",
	                "ack");
	key = fleet_field(f, "given", "owner");
	span_log_expect(span_log_find(log, "process", "given", 1), "postrider.job.id",
	                strchr(key, '#') + 1);
	free(key);
	cJSON_Delete(log);
	sink_free(sink);
	fleet_free(f);
}

/* Where nobody has begun one: the worker that retries it, which knows nothing of the first, goes on with its trace. */
static void test_own_trace(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	struct sink *sink = sink_start();
	cJSON *log;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	deliver_by_two(f, "own", "");
	fleet_push(f, "other", "");
	span_log_wait(server, "process", "other", 1);
	log = span_log_read(server);
	assert_int_equal(cJSON_GetArraySize(log), 12);
	expect_claim(log, "own", 0, "retry");
	expect_claim(log, "own", 1, "sent");
	span_log_expect(span_log_find(log, "process", "own", 0), "parentSpanId", "");
	span_log_expect_below(span_log_find(log, "process", "own", 1),
	                      span_log_find(log, "process", "own", 0));
	assert_string_not_equal(span_log_get(span_log_find(log, "process", "other", 0), "traceId"),
	                        span_log_get(span_log_find(log, "process", "own", 0), "traceId"));
	cJSON_Delete(log);
	sink_free(sink);
	fleet_free(f);
}

/* A worker is killed after the point of no return: what the next one makes of it is in the trace. */
static void test_lost_worker(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	struct sink *sink = sink_start();
	const cJSON *lost;
	struct process *w;
	cJSON *log;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	w = fleet_worker(f, NULL);
	fleet_push_to(f, "lost", "silent-dot.it@example.com", PARENT ",\"onUnknown\":\"hold\"");
	fleet_wait_status(f, "lost", "sending");
	process_kill(w);
	fleet_worker(f, NULL);
	fleet_wait_status(f, "lost", "held");
	span_log_wait(server, "process", "lost", 1);
	log = span_log_read(server);
	lost = span_log_find(log, "deliver", "lost", 0);
	span_log_expect_within(lost, span_log_find(log, "process", "lost", 0));
	span_log_expect(lost, "traceId", TRACE);
	span_log_expect(lost, "postrider.outcome", "unknown");
	span_log_expect(lost, "error.type", "worker_lost");
	span_log_expect(span_log_find(log, "process", "lost", 0), "error.type", "worker_lost");
	span_log_expect(span_log_find(log, "settle", "lost", 0), "messaging.operation.name",
	                "bury");
	cJSON_Delete(log);
	sink_free(sink);
	fleet_free(f);
}

/* What ends without an attempt. */
static void test_without_attempt(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	cJSON *log;

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "late", ",\"expiresAt\":1500000000000");
	fleet_push(f, "soon", ",\"delay\":300");
	fleet_push(f, "twice", "");
	fleet_wait_status(f, "twice", "sent");
	fleet_push(f, "twice", "");
	fleet_push_raw(f, FLEET_QUEUE, "{\"to\":7}", 8);
	span_log_wait(server, "process", "late", 1);
	span_log_wait(server, "process", "soon", 2);
	span_log_wait(server, "process", "twice", 2);
	span_log_wait(server, "process", NULL, 6);
	log = span_log_read(server);
	span_log_expect(span_log_find(log, "process", "late", 0), "postrider.status", "failed");
	span_log_expect(span_log_find(log, "process", "late", 0), "error.type", "expired");
	assert_int_equal(span_log_count(log, "deliver", "late"), 0);
	span_log_expect(span_log_find(log, "process", "soon", 0), "postrider.status", "scheduled");
	span_log_expect(span_log_find(log, "process", "soon", 1), "postrider.status", "sent");
	assert_int_equal(span_log_count(log, "deliver", "soon"), 1);
	span_log_expect_below(span_log_find(log, "process", "soon", 1),
	                      span_log_find(log, "process", "soon", 0));
	span_log_expect(span_log_find(log, "process", "twice", 1), "postrider.status", "duplicate");
	assert_int_equal(span_log_count(log, "deliver", "twice"), 1);
	assert_int_equal(span_log_count(log, "deliver", NULL), 2);
	cJSON_Delete(log);
	fleet_free(f);
}

/* Names, attributes: nothing of what is in a mail, or in the providers' words. */
static void test_nothing_of_the_mail(void **state)
{
	static const char *const secrets[] = {"ada", "example.com", "Hush", "acme", "Mail for"};
	struct fleet *f = fleet_traced(NULL);
	struct sink *sink = sink_start();
	char *all;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_to(f, "k1", "refuse.ada@example.com", ",\"tags\":[\"acme\"],\"html\":\"Hush\"");
	fleet_push_to(f, "k2", "ada@example.com", ",\"metadata\":{\"a\":\"acme\"}");
	span_log_wait(server, "process", "k1", 1);
	span_log_wait(server, "process", "k2", 1);
	all = http_server_read(server, "hooks");
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strstr(all, secrets[i]) != NULL)
			fail_msg("%s: %s", secrets[i], all);
	assert_non_null(strstr(all, "550 5.1.1"));
	free(all);
	sink_free(sink);
	fleet_free(f);
}

/* npm's definitions of the protocol take every body whole. */
static void test_verified(void **state)
{
	struct fleet *f;
	char *hooks, *file, *modules, *out;

	(void)state;
	if (verifier == NULL)
		skip();
	f = fleet_traced(NULL);
	fleet_mock(f, "PRIMARY", "success=0.5&fail=retry:1,rejected:1&seed=3");
	fleet_set(f, "OTEL_RESOURCE_ATTRIBUTES=a=b%%20c,d=%%22");
	fleet_set(f, "OTEL_SERVICE_NAME=gr\xc3\xb6\xc3\x9f\x65r");
	fleet_worker(f, NULL);
	fleet_push_many(f, NULL, "m", 20, PARENT);
	fleet_push_many(f, NULL, "n", 20, ",\"tags\":[\"x\"]");
	fleet_wait_settled(f, NULL);
	span_log_wait(server, "process", NULL, 40);
	hooks = http_server_read(server, "hooks");
	file = tmpdir_file("hooks", hooks, strlen(hooks));
	modules = strdup(verifier);
	strstr(modules, "/" TRANSFORMER "/package.json")[0] = '\0';
	assert_int_equal(process_run((const char *const[]){"node", "tests/support/otlp_verify.js",
	                                                   modules, file, NULL},
	                             NULL, NULL, &out, NULL),
	                 0);
	if (strstr(out, "bad ") != NULL || strncmp(out, "ok ", 3) != 0)
		fail_msg("%s", out);
	free(out);
	free(modules);
	free(file);
	free(hooks);
	fleet_free(f);
}

/* ---- which are traced, and logs ----------------------------------------------------------------- */

static void test_sampling(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	struct process *w;
	size_t half;
	cJSON *log;

	(void)state;
	w = fleet_worker(f, (const char *const[]){"OTEL_TRACES_SAMPLER=always_off", NULL});
	fleet_push(f, "off", PARENT);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	/* by default the producer decides */
	w = fleet_worker(f, NULL);
	fleet_push(f, "unsampled", UNSAMPLED);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	assert_int_equal(hook_log_count(server), 0);
	w = fleet_worker(f, (const char *const[]){"OTEL_TRACES_SAMPLER=always_on", NULL});
	fleet_push(f, "anyway", UNSAMPLED);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	w = fleet_worker(f, (const char *const[]){"OTEL_TRACES_SAMPLER=parentbased_traceidratio",
	                                          "OTEL_TRACES_SAMPLER_ARG=0.5", NULL});
	fleet_push(f, "sampled", PARENT);
	fleet_push_many(f, NULL, "half", 64, "");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	log = span_log_read(server);
	(void)span_log_find(log, "process", "anyway", 0);
	(void)span_log_find(log, "process", "sampled", 0);
	half = span_log_count(log, "process", NULL) - 2;
	assert_in_range(half, 10, 54); /* nothing else in 10 million runs */
	assert_int_equal(span_log_count(log, "deliver", NULL), half + 2); /* whole traces */
	cJSON_Delete(log);
	fleet_free(f);
}

/* How many lines about a mail have its trace's id. */
static size_t lines_of_trace(const struct process *w, const char *event)
{
	char *log = process_stderr(w), *rest = log, *line;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		n += strstr(line, event) != NULL &&
		     strstr(line, "\"trace_id\":\"" TRACE "\"") != NULL;
	free(log);
	return n;
}

static void test_logs(void **state)
{
	static const char *const off[] = {"OTEL_SDK_DISABLED=true", NULL};
	struct fleet *f = fleet_traced(NULL);
	struct process *w;
	char text[64], *log;
	cJSON *spans;

	(void)state;
	fleet_mock(f, "PRIMARY", "success=0&fail=rejected:1");
	w = fleet_worker(f, NULL);
	fleet_push(f, "given", PARENT);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	assert_int_equal(lines_of_trace(w, "\"attempt_ended\""), 1);
	assert_int_equal(lines_of_trace(w, "\"mail_buried\""), 1);
	spans = span_log_read(server);
	snprintf(text, sizeof(text), "\"span_id\":\"%s\"",
	         span_log_get(span_log_find(spans, "process", "given", 0), "spanId"));
	assert_int_equal(process_count_lines(w, text), 2);
	cJSON_Delete(spans);
	/* with traces off, a producer's trace can be followed by the logs all the same */
	http_server_clear(server);
	w = fleet_worker(f, off);
	fleet_push(f, "unseen", PARENT);
	fleet_push(f, "plain", "");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	assert_int_equal(lines_of_trace(w, "\"attempt_ended\""), 1);
	assert_int_equal(process_count_lines(w, "\"trace_id\""), 2);
	log = process_stderr(w);
	assert_null(strstr(log, "span_id"));
	free(log);
	assert_int_equal(hook_log_count(server), 0);
	fleet_free(f);
}

/* ---- collectors ----------------------------------------------------------------------------------- */

/* Mail goes its way whatever the collector does; `mails` of them, and the worker ends within its grace. */
static struct process *deliver_beside(struct fleet *f, size_t mails, const char *const *extra)
{
	struct process *w = fleet_worker_ready(f, extra);

	fleet_push_many(f, NULL, "mail", mails, "");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "mail-0", "status", "sent");
	fleet_stop(f, w);
	assert_true(ended(w, "exported") + ended(w, "dropped") + ended(w, "failed") ==
	            (long long)mails * 4);
	return w;
}

static void test_no_collector(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d", port_free());
	fleet_set(f, "OTEL_BSP_MAX_QUEUE_SIZE=100");
	fleet_set(f, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10");
	w = deliver_beside(f, 200, NULL);
	assert_int_equal(ended(w, "exported"), 0);
	assert_true(ended(w, "dropped") >= 700); /* what was beyond the queue */
	assert_true(ended(w, "failed") > 0);
	assert_int_equal(process_count_lines(w, "\"traces_failed\""), 1); /* said once */
	fleet_free(f);
}

static void test_silent_collector(void **state)
{
	struct fleet *f = fleet_traced("silent");
	struct process *w;

	(void)state;
	fleet_set(f, "OTEL_BSP_MAX_QUEUE_SIZE=100");
	fleet_set(f, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10");
	fleet_set(f, "DRAIN_TIMEOUT=1"); /* which is all the time that the last spans have */
	w = deliver_beside(f, 200, NULL);
	assert_int_equal(ended(w, "exported"), 0);
	assert_true(ended(w, "dropped") >= 700);
	fleet_free(f);
}

/* 500 and 404 mean no; 429 and 503 mean later, after Retry-After. */
static void test_unwilling_collectors(void **state)
{
	static const struct {
		const char *behaviour;
		size_t requests; /* of one batch */
		long long exported;
	} cases[] = {
		{"busy", 1, 0},     {"redirect", 1, 0},  {"slow-down-1", 2, 4}, {"away-1", 2, 4},
		{"unwell-1", 2, 4}, {"gateway-1", 2, 4}, {"refuse-one", 1, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet *f = fleet_start(NULL);
		struct process *w;

		http_server_clear(server);
		fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=%s",
		          http_server_url(server, cases[i].behaviour, "hook"));
		fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=200");
		w = fleet_worker_ready(f, NULL);
		fleet_push(f, "mail", "");
		http_server_wait(server, "hooks", cases[i].requests);
		fleet_wait_settled(f, NULL);
		fleet_stop(f, w);
		if (ended(w, "exported") != cases[i].exported)
			fail_msg("%s: %lld exported", cases[i].behaviour, ended(w, "exported"));
		assert_int_equal(ended(w, "failed"), 4 - cases[i].exported);
		assert_int_equal(hook_log_count(server), cases[i].requests);
		if (strcmp(cases[i].behaviour, "away-1") == 0) {
			cJSON *one = hook_log_request(server, 0),
			      *two = hook_log_request(server, 1);

			assert_true(cJSON_GetObjectItem(two, "at")->valuedouble -
			                    cJSON_GetObjectItem(one, "at")->valuedouble >=
			            1.9);
			cJSON_Delete(one);
			cJSON_Delete(two);
		}
		fleet_free(f);
	}
}

/* What is given up for good is given up in time, and what comes later is sent. */
static void test_given_up(void **state)
{
	struct fleet *f = fleet_traced("unwell-2");
	struct process *w;

	(void)state;
	fleet_set(f, "OTEL_BSP_EXPORT_TIMEOUT=100");
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "lost", "");
	http_server_wait(server, "hooks", 1);
	fleet_push(f, "lost2", "");
	http_server_wait(server, "hooks", 2);
	fleet_push(f, "kept", "");
	http_server_wait(server, "hooks", 3);
	fleet_stop(f, w);
	assert_int_equal(ended(w, "exported"), 4);
	assert_int_equal(ended(w, "failed"), 8);
	fleet_free(f);
}

/* Headers, and the last spans of a worker that ends: within its grace. */
static void test_flushed_with_headers(void **state)
{
	struct fleet *f = fleet_traced(NULL);
	struct process *w;
	cJSON *o;

	(void)state;
	fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=600000");
	fleet_set(f, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%%20hush,x-tenant=mail");
	w = deliver_beside(f, 10, NULL);
	assert_int_equal(ended(w, "exported"), 40);
	assert_int_equal(hook_log_count(server), 1);
	o = hook_log_request(server, 0);
	assert_string_equal(hook_log_at(o, "headers.authorization"), "Bearer hush");
	assert_string_equal(hook_log_at(o, "headers.x-tenant"), "mail");
	assert_int_equal(process_count_lines(w, "hush"), 0);
	cJSON_Delete(o);
	fleet_free(f);
}

/* The certificate is looked at: by the roots of OTEL_EXPORTER_OTLP_CERTIFICATE, else by the system's. */
static void test_https(void **state)
{
	const struct secure_cert good = {.names = "IP:127.0.0.1"}, other = {.names = "DNS:x.test"};
	char *cert, *key;
	struct http_server *https;
	struct process *w;
	struct fleet *f;

	(void)state;
	for (int i = 0; i < 3; i++) { /* trusted; not trusted; another's */
		secure_cert_make(i == 2 ? &other : &good, &cert, &key);
		https = http_server_start_tls(cert, key);
		f = fleet_start(NULL);
		fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:%d/hook",
		          http_server_port(https));
		if (i != 1)
			fleet_set(f, "OTEL_EXPORTER_OTLP_CERTIFICATE=%s", secure_ca());
		w = deliver_beside(f, 3, NULL);
		assert_int_equal(ended(w, "exported"), i == 0 ? 12 : 0);
		assert_int_equal(hook_log_count(https), i == 0 ? 1 : 0);
		fleet_free(f);
		http_server_free(https);
		free(cert);
		free(key);
	}
}

/* A setting that is none stops the start, and says which. */
static void test_settings(void **state)
{
	static const char *const bad[][2] = {
		{"OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_HEADERS=hush", "OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_TRACES_SAMPLER=sometimes", "OTEL_TRACES_SAMPLER"},
		{"OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG"},
		{"OTEL_RESOURCE_ATTRIBUTES=a", "OTEL_RESOURCE_ATTRIBUTES"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere", "OTEL_EXPORTER_OTLP"},
	};
	struct fleet *f = fleet_traced(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct process *w = fleet_worker(f, (const char *const[]){bad[i][0], NULL});

		assert_int_equal(process_wait(w, 0), 2);
		assert_true(process_count_lines(w, bad[i][1]) >= 1);
		assert_int_equal(process_count_lines(w, "hush"), 0);
	}
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_producers_trace, clear),
		cmocka_unit_test_setup(test_own_trace, clear),
		cmocka_unit_test_setup(test_lost_worker, clear),
		cmocka_unit_test_setup(test_without_attempt, clear),
		cmocka_unit_test_setup(test_nothing_of_the_mail, clear),
		cmocka_unit_test_setup(test_verified, clear),
		cmocka_unit_test_setup(test_sampling, clear),
		cmocka_unit_test_setup(test_logs, clear),
		cmocka_unit_test_setup(test_no_collector, clear),
		cmocka_unit_test_setup(test_silent_collector, clear),
		cmocka_unit_test_setup(test_unwilling_collectors, clear),
		cmocka_unit_test_setup(test_given_up, clear),
		cmocka_unit_test_setup(test_flushed_with_headers, clear),
		cmocka_unit_test_setup(test_https, clear),
		cmocka_unit_test_setup(test_settings, clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, begin, end);
}

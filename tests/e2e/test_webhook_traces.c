/* Webhooks in the trace of their mail: a span for each attempt, and the headers by which the receiver joins. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/hook_log.h"
#include "support/port.h"
#include "support/span_log.h"

#define QUEUE "mail:webhooks"
#define STATE "congo=1,rojo=2"
#define TRACE(FLAGS) "00-" SPAN_LOG_TRACE "-" SPAN_LOG_SPAN "-" FLAGS
#define MORE(FLAGS) ",\"traceparent\":\"" TRACE(FLAGS) "\",\"tracestate\":\"" STATE "\""

static struct http_server *endpoint;

static int begin(void **state)
{
	endpoint = http_server_start();
	return span_log_begin(state);
}

static int end(void **state)
{
	http_server_free(endpoint);
	return span_log_end(state);
}

static int clear(void **state)
{
	http_server_clear(endpoint);
	return span_log_clear(state);
}

/* The path is what a stranger may not know. */
static struct fleet *fleet_with(const char *behaviour)
{
	struct fleet *f = span_log_fleet(collector, NULL);

	fleet_set(f, "WEBHOOK_URL=%s/hush?token=hush",
	          http_server_url(endpoint, behaviour, "hook"));
	fleet_set(f, "WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	fleet_set(f, "WEBHOOK_ALLOW_PRIVATE=1");
	fleet_set(f, "WEBHOOK_RETRIES=20ms,20ms");
	return f;
}

/* The n-th request that came says that it is in this trace, below this span. */
static void expect_headers(size_t n, const char *parent, const char *state)
{
	cJSON *o = hook_log_request(endpoint, n);

	assert_string_equal(hook_log_at(o, "headers.traceparent"), parent);
	assert_string_equal(hook_log_at(o, "headers.tracestate"), state);
	cJSON_Delete(o);
}

static void expect_joined(size_t n, const cJSON *span, const char *state)
{
	char parent[64];

	snprintf(parent, sizeof(parent), "00-%s-%s-01", span_log_get(span, "traceId"),
	         span_log_get(span, "spanId"));
	expect_headers(n, parent, state);
}

static void test_each_attempt(void **state)
{
	struct fleet *f = fleet_with("unwell-1");
	struct process *w = fleet_worker(f, NULL);
	const cJSON *first, *second, *process;
	char url[64], port[16], *all;
	cJSON *log, *request;

	(void)state;
	fleet_push(f, "told", MORE("01"));
	span_log_wait(collector, "POST", NULL, 2);
	log = span_log_read(collector);
	process = span_log_find(log, "process", "told", 0);
	first = span_log_find(log, "POST", "told", 0);
	second = span_log_find(log, "POST", "told", 1);
	snprintf(port, sizeof(port), "%d", http_server_port(endpoint));
	snprintf(url, sizeof(url), "http://127.0.0.1:%s/REDACTED", port);
	for (const cJSON *s = first; s != NULL; s = s == first ? second : NULL) {
		span_log_expect_below(s, process);
		span_log_expect(s, "name", "POST");
		span_log_expect(s, "kind", "3");
		span_log_expect(s, "traceState", STATE);
		span_log_expect(s, "http.request.method", "POST");
		span_log_expect(s, "server.address", "127.0.0.1");
		span_log_expect(s, "server.port", port);
		span_log_expect(s, "url.full", url);
	}
	span_log_expect(first, "http.response.status_code", "503");
	span_log_expect(first, "error.type", "503");
	assert_non_null(cJSON_GetObjectItem(first, "status"));
	span_log_expect(first, "http.request.resend_count", "");
	span_log_expect(second, "http.response.status_code", "204");
	span_log_expect(second, "error.type", "");
	assert_null(cJSON_GetObjectItem(second, "status"));
	span_log_expect(second, "http.request.resend_count", "1");
	expect_joined(0, first, STATE);
	expect_joined(1, second, STATE);
	request = hook_log_request(endpoint, 1);
	span_log_expect(second, "postrider.webhook.id", hook_log_at(request, "headers.webhook-id"));
	all = http_server_read(collector, "hooks");
	assert_null(strstr(all, "hush"));
	free(all);
	fleet_wait_settled(f, QUEUE);
	assert_int_equal(process_count_lines(w, "\"webhook_ended\""), 2);
	assert_int_equal(process_count_lines(w, "\"trace_id\":\"" SPAN_LOG_TRACE "\""), 3);
	cJSON_Delete(request);
	cJSON_Delete(log);
	fleet_free(f);
}

/* A trace that began here; and one whose endpoint cannot be reached. */
static void test_own_trace(void **state)
{
	struct fleet *f = fleet_with(NULL);
	const cJSON *span;
	cJSON *log;

	(void)state;
	fleet_set(f, "WEBHOOK_ALLOW=localhost");
	fleet_worker(f, NULL);
	fleet_push(f, "own", "");
	span_log_wait(collector, "POST", "own", 1);
	log = span_log_read(collector);
	span = span_log_find(log, "POST", "own", 0);
	expect_joined(0, span, "");
	cJSON_Delete(log);
	{
		char more[128];

		snprintf(more, sizeof(more), ",\"webhookUrl\":\"http://localhost:%d\"",
		         port_free());
		fleet_push(f, "closed", more);
	}
	span_log_wait(collector, "POST", "closed", 3);
	log = span_log_read(collector);
	span = span_log_find(log, "POST", "closed", 2);
	span_log_expect(span, "error.type", "connect");
	span_log_expect(span, "http.response.status_code", "");
	span_log_expect(span, "server.address", "localhost");
	assert_string_equal(strchr(span_log_get(span, "url.full") + 7, '/'), "/");
	cJSON_Delete(log);
	fleet_free(f);
}

/* What is not recorded here the receiver may record all the same: it gets what the producer gave. */
static void test_not_recorded(void **state)
{
	static const char *const off[] = {"OTEL_TRACES_EXPORTER=none", NULL};
	struct fleet *f = fleet_with(NULL);
	struct process *w;
	cJSON *o;

	(void)state;
	w = fleet_worker(f, NULL);
	fleet_push(f, "unsampled", MORE("00"));
	http_server_wait(endpoint, "hooks", 1);
	o = hook_log_request(endpoint, 0);
	assert_memory_equal(hook_log_at(o, "headers.traceparent"), TRACE("00"), 36);
	assert_string_equal(hook_log_at(o, "headers.traceparent") + 52, "-00");
	cJSON_Delete(o);
	fleet_stop(f, w);
	w = fleet_worker(f, off);
	fleet_push(f, "off", MORE("01"));
	http_server_wait(endpoint, "hooks", 2);
	expect_headers(1, TRACE("01"), STATE);
	fleet_push(f, "none", ",\"tracestate\":\"" STATE "\"");
	http_server_wait(endpoint, "hooks", 3);
	expect_headers(2, "", "");
	fleet_stop(f, w);
	assert_int_equal(hook_log_count(collector), 0);
	fleet_free(f);
}

/* A worker that was away for longer than its lease breaks off what another has done meanwhile. */
static void test_broken_off(void **state)
{
	struct fleet *f = fleet_with("silent-1");
	struct process *w;
	cJSON *log;

	(void)state;
	fleet_set(f, "LEASE_MS=2000");
	fleet_set(f, "WEBHOOK_TIMEOUT=120000");
	w = fleet_worker(f, NULL);
	fleet_push(f, "told", "");
	http_server_wait(endpoint, "hooks", 1);
	process_signal(w, SIGSTOP);
	fleet_worker(f, NULL);
	span_log_wait(collector, "POST", NULL, 1);
	process_signal(w, SIGCONT);
	span_log_wait(collector, "POST", "told", 2);
	log = span_log_read(collector);
	span_log_expect(span_log_find(log, "POST", "told", 0), "error.type", "");
	span_log_expect(span_log_find(log, "POST", "told", 1), "error.type", "abandoned");
	cJSON_Delete(log);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_attempt, clear),
		cmocka_unit_test_setup(test_own_trace, clear),
		cmocka_unit_test_setup(test_not_recorded, clear),
		cmocka_unit_test_setup(test_broken_off, clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, begin, end);
}

/* Mail that comes by the API: its request in the client's trace, and its workers' spans below that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/hook_log.h"
#include "support/http_server.h"
#include "support/process.h"
#include "support/span_log.h"
#include "support/wait.h"

#define OTHER_TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT(TRACE_ID, FLAGS) "00-" TRACE_ID "-" SPAN_LOG_SPAN "-" FLAGS
#define BULK "/api/email/bulk-send"
#define BODY "\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"He\\u006clo\\n\""

struct world {
	struct fleet *fleet;
	struct api_process api;
};

/* extra: of the API alone. No worker yet. */
static struct world world(const char *const *extra)
{
	struct world w = {.fleet = span_log_fleet(collector, NULL)};

	fleet_set(w.fleet, "RATE_LIMIT_MAX_REQUESTS=0");
	w.api = api_start(w.fleet, extra);
	return w;
}

static void post(struct world *w, const char *path, const char *body, const char *traceparent,
                 int status)
{
	char header[256];
	struct answer *r;

	snprintf(header, sizeof(header), "traceparent: %s", traceparent ? traceparent : "");
	r = api_post(&w->api, path, body,
	             traceparent != NULL ? (const char *const[]){header, NULL} : NULL);
	answer_status(r, status);
	answer_free(r);
}

/* The traceparent of the payload that was pushed last; a new string (free). */
static char *pushed(struct world *w)
{
	char *payload = redis_server_text(fleet_redis(w->fleet), "LINDEX " FLEET_QUEUE " 0");
	cJSON *job = cJSON_Parse(payload);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(job, "traceparent"));
	char *copy = strdup(text != NULL ? text : "");

	cJSON_Delete(job);
	free(payload);
	return copy;
}

/* client → request → mail → worker. */
static void test_clients_trace(void **state)
{
	struct world w = world(NULL);
	const cJSON *request, *send;
	char *traceparent, want[64];
	cJSON *log;

	(void)state;
	post(&w, API_SEND, "{" BODY ",\"idempotencyKey\":\"one\"}", PARENT(SPAN_LOG_TRACE, "01"),
	     202);
	traceparent = pushed(&w);
	fleet_worker(w.fleet, NULL);
	span_log_wait(collector, "process", "one", 1);
	span_log_wait(collector, "POST", NULL, 1);
	log = span_log_read(collector);
	assert_int_equal(cJSON_GetArraySize(log), 6);
	request = span_log_find(log, "POST", NULL, 0);
	span_log_expect(request, "name", "POST " API_SEND);
	span_log_expect(request, "kind", "2");
	span_log_expect(request, "traceId", SPAN_LOG_TRACE);
	span_log_expect(request, "parentSpanId", SPAN_LOG_SPAN);
	span_log_expect(request, "http.request.method", "POST");
	span_log_expect(request, "http.route", API_SEND);
	span_log_expect(request, "http.response.status_code", "202");
	send = span_log_find(log, "send", "one", 0);
	span_log_expect(send, "kind", "4");
	span_log_expect_within(send, request);
	span_log_expect(send, "messaging.destination.name", FLEET_QUEUE);
	span_log_expect(send, "messaging.operation.type", "send");
	span_log_expect(send, "postrider.result", "taken");
	span_log_expect_below(span_log_find(log, "process", "one", 0), send);
	snprintf(want, sizeof(want), "00-" SPAN_LOG_TRACE "-%s-01", span_log_get(send, "spanId"));
	assert_string_equal(traceparent, want);
	free(traceparent);
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* The tracestate of the payload that was pushed last is this. */
static void expect_state(struct world *w, const char *want)
{
	char *payload = redis_server_text(fleet_redis(w->fleet), "LINDEX " FLEET_QUEUE " 0");
	cJSON *job = cJSON_Parse(payload);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(job, "tracestate"));

	if (strcmp(text != NULL ? text : "", want) != 0)
		fail_msg("tracestate: %s", payload);
	cJSON_Delete(job);
	free(payload);
}

static void post_with(struct world *w, const char *body, const char *const *headers)
{
	struct answer *r = api_post(&w->api, API_SEND, body, headers);

	answer_status(r, 202);
	answer_free(r);
}

/* What the client's vendors say beside goes along to all spans, as it came; what is not valid does not, and its traceparent
 * stays. A job's own are its own. */
static void test_tracestate(void **state)
{
#define STATE "congo=t61rcWkgMzE, rojo@x=\"1\"\\"
#define PARENT_HEADER "traceparent: " PARENT(SPAN_LOG_TRACE, "01")
#define OWN_PARENT ",\"traceparent\":\"" PARENT(OTHER_TRACE, "01") "\""
	static const char *const spans[] = {"send", "process", "wait", "deliver", "settle"};
	struct world w = world(NULL);
	char *traceparent;
	cJSON *log;

	(void)state;
	post_with(&w, API_MAIL("broken"),
	          (const char *const[]){PARENT_HEADER, "tracestate: congo=a=b", NULL});
	expect_state(&w, "");
	traceparent = pushed(&w);
	assert_memory_equal(traceparent, "00-" SPAN_LOG_TRACE, 35);
	free(traceparent);
	post_with(&w, API_MAIL("alone"), (const char *const[]){"tracestate: congo=1", NULL});
	expect_state(&w, "");
	post_with(&w, "{" BODY OWN_PARENT ",\"tracestate\":\"own=1\",\"idempotencyKey\":\"own\"}",
	          (const char *const[]){PARENT_HEADER, "tracestate: congo=1", NULL});
	expect_state(&w, "own=1");
	post_with(&w, "{" BODY OWN_PARENT ",\"idempotencyKey\":\"bare\"}",
	          (const char *const[]){PARENT_HEADER, "tracestate: congo=1", NULL});
	expect_state(&w, "");
	post_with(&w, "{" BODY ",\"tracestate\":\"own=1\",\"idempotencyKey\":\"half\"}",
	          (const char *const[]){PARENT_HEADER, "tracestate: congo=1", NULL});
	expect_state(&w, "own=1");
	post_with(&w, "{" BODY "}", /* an escape in it: it is written anew */
	          (const char *const[]){PARENT_HEADER, "tracestate: congo=t61rcWkgMzE",
	                                "tracestate: rojo@x=\"1\"\\", "Idempotency-Key: given",
	                                NULL});
	expect_state(&w, STATE);
	fleet_worker(w.fleet, NULL);
	span_log_wait(collector, "process", NULL, 6);
	span_log_wait(collector, "POST", NULL, 6);
	log = span_log_read(collector);
	span_log_expect(span_log_find(log, "POST", NULL, 5), "traceState", STATE);
	span_log_expect(span_log_find(log, "POST", NULL, 0), "traceState", "");
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		span_log_expect(span_log_find(log, spans[i], "given", 0), "traceState", STATE);
		span_log_expect(span_log_find(log, spans[i], "broken", 0), "traceState", "");
		span_log_expect(span_log_find(log, spans[i], "own", 0), "traceState", "own=1");
		span_log_expect(span_log_find(log, spans[i], "bare", 0), "traceState", "");
	}
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* Without one it begins here; a repeat is another trace, of which no worker hears. */
static void test_own_trace(void **state)
{
	struct world w = world(NULL);
	cJSON *log;

	(void)state;
	fleet_worker(w.fleet, NULL);
	post(&w, API_SEND, API_MAIL("one"), NULL, 202);
	fleet_wait_status(w.fleet, "one", "sent");
	post(&w, API_SEND, API_MAIL("one"), "00-nonsense", 200);
	post(&w, API_SEND, "{" BODY ",\"idempotencyKey\":\"one\",\"cc\":\"b@example.com\"}", NULL,
	     409);
	post(&w, API_SEND, "{}", NULL, 400);
	span_log_wait(collector, "process", "one", 1);
	span_log_wait(collector, "POST", NULL, 4);
	log = span_log_read(collector);
	span_log_expect(span_log_find(log, "POST", NULL, 0), "parentSpanId", "");
	span_log_expect_below(span_log_find(log, "send", "one", 0),
	                      span_log_find(log, "POST", NULL, 0));
	span_log_expect_below(span_log_find(log, "process", "one", 0),
	                      span_log_find(log, "send", "one", 0));
	span_log_expect(span_log_find(log, "POST", NULL, 1), "parentSpanId", "");
	assert_string_not_equal(span_log_get(span_log_find(log, "POST", NULL, 1), "traceId"),
	                        span_log_get(span_log_find(log, "POST", NULL, 0), "traceId"));
	span_log_expect(span_log_find(log, "send", "one", 1), "postrider.result", "known");
	span_log_expect(span_log_find(log, "send", "one", 1), "error.type", "");
	span_log_expect(span_log_find(log, "send", "one", 2), "error.type", "conflict");
	span_log_expect(span_log_find(log, "POST", NULL, 2), "http.response.status_code", "409");
	span_log_expect(span_log_find(log, "POST", NULL, 3), "http.response.status_code", "400");
	assert_int_equal(span_log_count(log, "process", NULL), 1);
	assert_int_equal(span_log_count(log, "send", NULL), 3);
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* What a job names itself is not touched; its mail's spans are where it says. */
static void test_the_jobs_own(void **state)
{
	static const char named[] = "{" BODY
				    ",\"idempotencyKey\":\"named\",\"traceparent\":\"" PARENT(
					    OTHER_TRACE, "01") "\"}";
	static const char odd[] = "{" BODY ",\"idempotencyKey\":\"odd\",\"traceparent\":null}";
	struct world w = world(NULL);
	char *payload;
	cJSON *log;

	(void)state;
	post(&w, API_SEND, odd, PARENT(SPAN_LOG_TRACE, "01"), 202);
	payload = redis_server_text(fleet_redis(w.fleet), "LINDEX " FLEET_QUEUE " 0");
	assert_string_equal(payload, odd);
	free(payload);
	post(&w, API_SEND, named, PARENT(SPAN_LOG_TRACE, "01"), 202);
	payload = redis_server_text(fleet_redis(w.fleet), "LINDEX " FLEET_QUEUE " 0");
	assert_string_equal(payload, named);
	free(payload);
	fleet_worker(w.fleet, NULL);
	span_log_wait(collector, "process", "named", 1);
	span_log_wait(collector, "process", "odd", 1);
	span_log_wait(collector, "POST", NULL, 2);
	log = span_log_read(collector);
	span_log_expect(span_log_find(log, "POST", NULL, 1), "traceId", SPAN_LOG_TRACE);
	span_log_expect(span_log_find(log, "send", "named", 0), "traceId", OTHER_TRACE);
	span_log_expect(span_log_find(log, "send", "named", 0), "parentSpanId", SPAN_LOG_SPAN);
	span_log_expect(span_log_find(log, "process", "named", 0), "traceId", OTHER_TRACE);
	span_log_expect(span_log_find(log, "process", "named", 0), "parentSpanId", SPAN_LOG_SPAN);
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* The key of the head and the traceparent go into the payload side by side, and the rest stays as it came. */
static void test_the_payload(void **state)
{
	static const struct {
		const char *key, *body, *rest;
	} cases[] = {
		{NULL, " {" BODY ",\"idempotencyKey\":\"a\"}", BODY ",\"idempotencyKey\":\"a\"}"},
		{"b", "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\" } ",
	         "\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\" } "},
		{"c", "{" BODY ",\"idempotencyKey\":null}", NULL},
	};
	struct world w = world(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char header[64], *payload, *traceparent;
		struct answer *r;

		snprintf(header, sizeof(header), "Idempotency-Key: %s",
		         cases[i].key ? cases[i].key : "");
		r = api_post(&w.api, API_SEND, cases[i].body,
		             cases[i].key ? (const char *const[]){header, NULL} : NULL);
		answer_status(r, 202);
		answer_free(r);
		payload = redis_server_text(fleet_redis(w.fleet), "LINDEX " FLEET_QUEUE " 0");
		traceparent = pushed(&w);
		assert_int_equal(strlen(traceparent), 55);
		if (cases[i].rest != NULL &&
		    (strlen(payload) < strlen(cases[i].rest) ||
		     strcmp(payload + strlen(payload) - strlen(cases[i].rest), cases[i].rest) != 0))
			fail_msg("%s", payload);
		free(traceparent);
		free(payload);
	}
	fleet_worker(w.fleet, NULL);
	fleet_wait_status(w.fleet, "a", "sent");
	fleet_wait_status(w.fleet, "b", "sent");
	fleet_wait_status(w.fleet, "c", "sent");
	fleet_wait_settled(w.fleet, NULL);
	fleet_free(w.fleet);
}

/* One request, and a span for each mail; what is resent goes on where the first was. */
static void test_bulk_and_resend(void **state)
{
	struct world w = world(NULL);
	cJSON *log;

	(void)state;
	fleet_mock(w.fleet, "PRIMARY", "success=0&fail=rejected:1");
	fleet_worker(w.fleet, NULL);
	post(&w, BULK,
	     "{\"emails\":[" API_MAIL("a") "," API_MAIL("b") ",{\"to\":7}," API_MAIL("c") "]}",
	     PARENT(SPAN_LOG_TRACE, "01"), 207);
	span_log_wait(collector, "process", NULL, 3);
	fleet_wait_status(w.fleet, "a", "failed");
	fleet_wait_settled(w.fleet, NULL);
	post(&w, "/api/email/resend/a", "", NULL, 202);
	span_log_wait(collector, "POST", NULL, 2);
	span_log_wait(collector, "process", NULL, 4);
	log = span_log_read(collector);
	for (size_t i = 0; i < 3; i++) {
		const char key[] = {(char)('a' + i), '\0'};
		const cJSON *send = span_log_find(log, "send", key, 0);

		span_log_expect_below(send, span_log_find(log, "POST", NULL, 0));
		span_log_expect_below(span_log_find(log, "process", key, 0), send);
	}
	span_log_expect(span_log_find(log, "POST", NULL, 0), "name", "POST " BULK);
	span_log_expect(span_log_find(log, "POST", NULL, 0), "http.response.status_code", "207");
	span_log_expect(span_log_find(log, "POST", NULL, 1), "http.route", "/api/email/resend/*");
	span_log_expect(span_log_find(log, "process", NULL, 3), "traceId", SPAN_LOG_TRACE);
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* Whoever is above decides, also for the workers; and with traces off here the client's trace goes on with them. */
static void test_sampling(void **state)
{
	static const char *const off[] = {"OTEL_TRACES_EXPORTER=none", NULL};
	struct world w = world(NULL);
	char *traceparent;
	cJSON *log;

	(void)state;
	post(&w, API_SEND, API_MAIL("unsampled"), PARENT(SPAN_LOG_TRACE, "00"), 202);
	traceparent = pushed(&w);
	assert_string_equal(traceparent + 52, "-00");
	assert_memory_equal(traceparent, "00-" SPAN_LOG_TRACE, 35);
	free(traceparent);
	w.api = api_start(w.fleet, off);
	post(&w, API_SEND, API_MAIL("handed-on"), PARENT(SPAN_LOG_TRACE, "01"), 202);
	traceparent = pushed(&w);
	assert_string_equal(traceparent, PARENT(SPAN_LOG_TRACE, "01"));
	free(traceparent);
	post(&w, API_SEND, API_MAIL("none"), "00-nonsense", 202);
	traceparent = pushed(&w);
	assert_string_equal(traceparent, "");
	free(traceparent);
	fleet_worker(w.fleet, NULL);
	fleet_wait_status(w.fleet, "unsampled", "sent");
	span_log_wait(collector, "process", "handed-on", 1);
	span_log_wait(collector, "process", "none", 1);
	log = span_log_read(collector);
	assert_int_equal(cJSON_GetArraySize(log), 8);
	span_log_expect(span_log_find(log, "process", "handed-on", 0), "parentSpanId",
	                SPAN_LOG_SPAN);
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

/* Redis is away: the request says so, and its last span leaves when the API ends. And what the pages of metrics count. */
static void test_away_and_counted(void **state)
{
	static const char *const slowly[] = {"OTEL_BSP_SCHEDULE_DELAY=600000", NULL};
	struct world w = world(slowly);
	struct answer *r;
	cJSON *log;

	(void)state;
	redis_server_kill(fleet_redis(w.fleet));
	process_wait_line(w.api.process, "\"redis_away\"", 0);
	post(&w, API_SEND, API_MAIL("away"), PARENT(SPAN_LOG_TRACE, "01"), 503);
	r = api_get(&w.api, "/metrics");
	assert_non_null(strstr(r->body, "postrider_trace_spans_total{result=\"exported\"} 0\n"));
	answer_free(r);
	fleet_stop(w.fleet, w.api.process);
	assert_int_equal(span_log_ended(w.api.process, "exported"), 2);
	log = span_log_read(collector);
	span_log_expect(span_log_find(log, "POST", NULL, 0), "error.type", "503");
	span_log_expect(span_log_find(log, "send", "away", 0), "error.type", "unavailable");
	cJSON_Delete(log);
	fleet_free(w.fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_clients_trace, span_log_clear),
		cmocka_unit_test_setup(test_tracestate, span_log_clear),
		cmocka_unit_test_setup(test_own_trace, span_log_clear),
		cmocka_unit_test_setup(test_the_jobs_own, span_log_clear),
		cmocka_unit_test_setup(test_the_payload, span_log_clear),
		cmocka_unit_test_setup(test_bulk_and_resend, span_log_clear),
		cmocka_unit_test_setup(test_sampling, span_log_clear),
		cmocka_unit_test_setup(test_away_and_counted, span_log_clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, span_log_begin, span_log_end);
}

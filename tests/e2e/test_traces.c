/* Traces: which spans a mail gives, how they hang together, which mails are traced. */
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
#include "support/process.h"
#include "support/sink.h"
#include "support/span_log.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define PARENT ",\"traceparent\":\"00-" SPAN_LOG_TRACE "-" SPAN_LOG_SPAN "-01\""
#define UNSAMPLED ",\"traceparent\":\"00-" SPAN_LOG_TRACE "-" SPAN_LOG_SPAN "-00\""
#define TRANSFORMER "@opentelemetry/otlp-transformer"

static char *verifier; /* NULL: it cannot be had */

static int begin(void **state)
{
	/* before there is a fleet, which takes npm's settings out of the environment */
	verifier = npm_install(TRANSFORMER "@0.203.0", TRANSFORMER "/package.json");
	return span_log_begin(state);
}

static int end(void **state)
{
	free(verifier);
	return span_log_end(state);
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
	span_log_expect(process, "messaging.message.id", key);
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
	char to[64];
	struct process *first;

	/* An hour, so that it is not the same worker's; it is made due by hand. */
	fleet_set(f, "RETRY_BASE_DELAY=3600000");
	fleet_set(f, "RETRY_MAX_DELAY=3600000");
	first = fleet_worker_ready(f, NULL);
	snprintf(to, sizeof(to), "busy-1.%s@example.com", key);
	fleet_push_to(f, key, to, more);
	fleet_wait_status(f, key, "retrying");
	fleet_stop(f, first);
	fleet_make_due(f, key);
	fleet_worker(f, NULL);
	fleet_wait_status(f, key, "sent");
	span_log_wait(collector, "process", key, 2);
}

static void test_producers_trace(void **state)
{
	struct fleet *f = span_log_fleet(collector, NULL);
	struct sink *sink = sink_start();
	const cJSON *first, *second;
	char port[16], *key;
	cJSON *log;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	snprintf(port, sizeof(port), "%s", strrchr(sink_dsn(sink, ""), ':') + 1);
	port[strspn(port, "0123456789")] = '\0';
	deliver_by_two(f, "given", PARENT);
	log = span_log_read(collector);
	assert_int_equal(cJSON_GetArraySize(log), 8);
	expect_claim(log, "given", 0, "retry");
	expect_claim(log, "given", 1, "sent");
	for (size_t i = 0; i < 2; i++) {
		const cJSON *process = span_log_find(log, "process", "given", i);

		span_log_expect(process, "traceId", SPAN_LOG_TRACE);
		span_log_expect(process, "parentSpanId", SPAN_LOG_SPAN);
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
	struct fleet *f = span_log_fleet(collector, NULL);
	struct sink *sink = sink_start();
	cJSON *log;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	deliver_by_two(f, "own", "");
	fleet_push(f, "other", "");
	span_log_wait(collector, "process", "other", 1);
	log = span_log_read(collector);
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
	struct fleet *f = span_log_fleet(collector, NULL);
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
	span_log_wait(collector, "process", "lost", 1);
	log = span_log_read(collector);
	lost = span_log_find(log, "deliver", "lost", 0);
	span_log_expect_within(lost, span_log_find(log, "process", "lost", 0));
	span_log_expect(lost, "traceId", SPAN_LOG_TRACE);
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
	struct fleet *f = span_log_fleet(collector, NULL);
	cJSON *log;

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "late", ",\"expiresAt\":1500000000000");
	fleet_push(f, "soon", ",\"delay\":300");
	fleet_push(f, "twice", "");
	fleet_wait_status(f, "twice", "sent");
	fleet_push(f, "twice", "");
	fleet_push_raw(f, FLEET_QUEUE, "{\"to\":7}", 8);
	span_log_wait(collector, "process", "late", 1);
	span_log_wait(collector, "process", "soon", 2);
	span_log_wait(collector, "process", "twice", 2);
	span_log_wait(collector, "process", NULL, 6);
	log = span_log_read(collector);
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
	static const char *const secrets[] = {"ada",  "example.com", "Hush",
	                                      "acme", "Hello",       "customer"};
	struct fleet *f = span_log_fleet(collector, NULL);
	struct sink *sink = sink_start();
	char *all;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_to(f, "k1", "refuse.ada@example.com", ",\"tags\":[\"acme\"],\"html\":\"Hush\"");
	fleet_push_to(f, "k2", "ada@example.com", ",\"metadata\":{\"a\":\"acme\"}");
	span_log_wait(collector, "process", "k1", 1);
	span_log_wait(collector, "process", "k2", 1);
	all = http_server_read(collector, "hooks");
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
	f = span_log_fleet(collector, NULL);
	fleet_mock(f, "PRIMARY", "success=0.5&fail=retry:1,rejected:1&seed=3");
	fleet_set(f, "OTEL_RESOURCE_ATTRIBUTES=a=b%%20c,d=%%22");
	fleet_set(f, "OTEL_SERVICE_NAME=gr\xc3\xb6\xc3\x9f\x65r");
	fleet_worker(f, NULL);
	fleet_push_many(f, NULL, "m", 20, PARENT ",\"tracestate\":\"a=\\\"1\\\",b=2\"");
	fleet_push_many(f, NULL, "n", 20, ",\"tags\":[\"x\"]");
	fleet_wait_settled(f, NULL);
	span_log_wait(collector, "process", NULL, 40);
	hooks = http_server_read(collector, "hooks");
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
	struct fleet *f = span_log_fleet(collector, NULL);
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
	assert_int_equal(hook_log_count(collector), 0);
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
	log = span_log_read(collector);
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
		     strstr(line, "\"trace_id\":\"" SPAN_LOG_TRACE "\"") != NULL;
	free(log);
	return n;
}

static void test_logs(void **state)
{
	static const char *const off[] = {"OTEL_SDK_DISABLED=true", NULL};
	struct fleet *f = span_log_fleet(collector, NULL);
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
	spans = span_log_read(collector);
	snprintf(text, sizeof(text), "\"span_id\":\"%s\"",
	         span_log_get(span_log_find(spans, "process", "given", 0), "spanId"));
	assert_int_equal(process_count_lines(w, text), 2);
	cJSON_Delete(spans);
	/* with traces off, a producer's trace can be followed by the logs all the same */
	http_server_clear(collector);
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
	assert_int_equal(hook_log_count(collector), 0);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_producers_trace, span_log_clear),
		cmocka_unit_test_setup(test_own_trace, span_log_clear),
		cmocka_unit_test_setup(test_lost_worker, span_log_clear),
		cmocka_unit_test_setup(test_without_attempt, span_log_clear),
		cmocka_unit_test_setup(test_nothing_of_the_mail, span_log_clear),
		cmocka_unit_test_setup(test_verified, span_log_clear),
		cmocka_unit_test_setup(test_sampling, span_log_clear),
		cmocka_unit_test_setup(test_logs, span_log_clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, begin, end);
}

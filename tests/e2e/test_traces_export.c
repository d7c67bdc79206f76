/* The way of spans to the collector, and what one that is slow, away or unwilling does to mail (nothing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/hook_log.h"
#include "support/http_server.h"
#include "support/port.h"
#include "support/process.h"
#include "support/smtp_secure.h"
#include "support/span_log.h"

/* Mail goes its way whatever the collector does; `mails` of them, and the worker ends within its grace. */
static struct process *deliver_beside(struct fleet *f, size_t mails, const char *const *extra)
{
	struct process *w = fleet_worker_ready(f, extra);

	fleet_push_many(f, NULL, "mail", mails, "");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "mail-0", "status", "sent");
	fleet_stop(f, w);
	assert_true(span_log_ended(w, "exported") + span_log_ended(w, "dropped") +
	                    span_log_ended(w, "failed") ==
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
	assert_int_equal(span_log_ended(w, "exported"), 0);
	assert_true(span_log_ended(w, "dropped") >= 700); /* what was beyond the queue */
	assert_true(span_log_ended(w, "failed") > 0);
	assert_int_equal(process_count_lines(w, "\"traces_failed\""), 1); /* said once */
	fleet_free(f);
}

static void test_silent_collector(void **state)
{
	struct fleet *f = span_log_fleet(collector, "silent");
	struct process *w;

	(void)state;
	fleet_set(f, "OTEL_BSP_MAX_QUEUE_SIZE=100");
	fleet_set(f, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10");
	fleet_set(f, "DRAIN_TIMEOUT=1"); /* which is all the time that the last spans have */
	w = deliver_beside(f, 200, NULL);
	assert_int_equal(span_log_ended(w, "exported"), 0);
	assert_true(span_log_ended(w, "dropped") >= 700);
	fleet_free(f);
}

/* However slow the machine is. */
#define ONE_BATCH_A_MAIL(F)                                                                        \
	(fleet_set(F, "OTEL_BSP_SCHEDULE_DELAY=600000"),                                           \
	 fleet_set(F, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4"))

/* 500 and 302 mean no; 429 and 503 mean later, after Retry-After. */
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

		http_server_clear(collector);
		fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=%s",
		          http_server_url(collector, cases[i].behaviour, "hook"));
		ONE_BATCH_A_MAIL(f);
		w = fleet_worker_ready(f, NULL);
		fleet_push(f, "mail", "");
		http_server_wait(collector, "hooks", cases[i].requests);
		fleet_wait_settled(f, NULL);
		fleet_stop(f, w);
		if (span_log_ended(w, "exported") != cases[i].exported)
			fail_msg("%s: %lld exported", cases[i].behaviour,
			         span_log_ended(w, "exported"));
		assert_int_equal(span_log_ended(w, "failed"), 4 - cases[i].exported);
		assert_int_equal(hook_log_count(collector), cases[i].requests);
		if (strcmp(cases[i].behaviour, "away-1") == 0) {
			cJSON *one = hook_log_request(collector, 0),
			      *two = hook_log_request(collector, 1);

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
	struct fleet *f = span_log_fleet(collector,
	                                 "away-2"); /* for longer than a batch is tried */
	struct process *w;

	(void)state;
	ONE_BATCH_A_MAIL(f);
	fleet_set(f, "OTEL_BSP_EXPORT_TIMEOUT=1900");
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "lost", "");
	http_server_wait(collector, "hooks", 1);
	fleet_push(f, "lost2", "");
	http_server_wait(collector, "hooks", 2);
	fleet_push(f, "kept", "");
	http_server_wait(collector, "hooks", 3);
	fleet_stop(f, w);
	assert_int_equal(span_log_ended(w, "exported"), 4);
	assert_int_equal(span_log_ended(w, "failed"), 8);
	fleet_free(f);
}

/* A queue that is smaller than a batch goes when it is full, not when the delay is over. */
static void test_small_queue(void **state)
{
	struct fleet *f = span_log_fleet(collector, NULL);

	(void)state;
	fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=600000");
	fleet_set(f, "OTEL_BSP_MAX_QUEUE_SIZE=4");
	fleet_worker(f, NULL);
	fleet_push(f, "mail", "");
	span_log_wait(collector, "process", "mail", 1);
	fleet_free(f);
}

/* Headers, and the last spans of a worker that ends: within its grace. */
static void test_flushed_with_headers(void **state)
{
	struct fleet *f = span_log_fleet(collector, NULL);
	struct process *w;
	cJSON *o;

	(void)state;
	fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=600000");
	fleet_set(f, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%%20hush,x-tenant=mail");
	w = deliver_beside(f, 10, NULL);
	assert_int_equal(span_log_ended(w, "exported"), 40);
	assert_int_equal(hook_log_count(collector), 1);
	o = hook_log_request(collector, 0);
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
		fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=600000");
		if (i != 1)
			fleet_set(f, "OTEL_EXPORTER_OTLP_CERTIFICATE=%s", secure_ca());
		w = deliver_beside(f, 3, NULL);
		assert_int_equal(span_log_ended(w, "exported"), i == 0 ? 12 : 0);
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
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=/nowhere", "OTLP_TRACES_CERTIFICATE"},
	};
	struct fleet *f = span_log_fleet(collector, NULL);

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
		cmocka_unit_test_setup(test_no_collector, span_log_clear),
		cmocka_unit_test_setup(test_silent_collector, span_log_clear),
		cmocka_unit_test_setup(test_unwilling_collectors, span_log_clear),
		cmocka_unit_test_setup(test_given_up, span_log_clear),
		cmocka_unit_test_setup(test_small_queue, span_log_clear),
		cmocka_unit_test_setup(test_flushed_with_headers, span_log_clear),
		cmocka_unit_test_setup(test_https, span_log_clear),
		cmocka_unit_test_setup(test_settings, span_log_clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, span_log_begin, span_log_end);
}

/* What is counted, and where it is shown: /metrics of the API, /providers/stats. (Of workers: test_worker_page.c) */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/scrape.h"
#include "support/smtp_sink.h"
#include "support/timelines.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define ATTEMPTS(PROVIDER, OUTCOME)                                                                \
	"postrider_attempts_total{provider=\"" PROVIDER "\",outcome=\"" OUTCOME "\"}"
#define CALLS(PROVIDER) "postrider_provider_call_duration_seconds_count{provider=\"" PROVIDER "\"}"
#define WAITS "postrider_queue_wait_seconds_count{" SCRAPE_QUEUE "}"
#define LETTERS(REASON) "postrider_dead_letters_total{" SCRAPE_QUEUE ",reason=\"" REASON "\"}"

struct settled {
	const struct api_process *api;
	double n;
};

/* So many mails are settled, whatever became of them; and no more. */
static bool all_shown(void *arg)
{
	const struct settled *a = arg;
	char *page = scrape(a->api);
	double shown = scrape_sample(page, SCRAPE_MAILS("sent")) +
	               scrape_sample(page, SCRAPE_MAILS("failed")) +
	               scrape_sample(page, SCRAPE_MAILS("held"));

	free(page);
	assert_true(shown <= a->n);
	return shown >= a->n;
}

/* ---- the numbers ----------------------------------------------------------------------------- */

#define FIRST 60
#define SECOND 40

struct truth {
	size_t sent, failed, held, lines[2], sent_lines[2], retries[2], rejects[2], unknowns[2];
};

static void look_at(struct fleet *f, struct truth *t, const char *key)
{
	static const char *const providers[] = {"primary", "secondary"};
	char *status = fleet_field(f, key, "status");

	t->sent += strcmp(status, "sent") == 0;
	t->failed += strcmp(status, "failed") == 0;
	t->held += strcmp(status, "held") == 0;
	free(status);
	for (size_t i = 0; i < 2; i++) {
		t->lines[i] += timelines_lines(f, key, providers[i], NULL);
		t->sent_lines[i] += timelines_lines(f, key, providers[i], "sent");
		t->retries[i] += timelines_lines(f, key, providers[i], "retry");
		t->rejects[i] += timelines_lines(f, key, providers[i], "rejected");
		t->unknowns[i] += timelines_lines(f, key, providers[i], "unknown");
	}
}

static void look_at_all(struct fleet *f, struct truth *t, size_t n)
{
	char key[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "m-%zu", i);
		look_at(f, t, key);
	}
}

/* Each worker tells its attempts for itself, those of a provider apart from those of a queue, and not only of the mails that
 * it has settled. */
static void wait_attempts(const struct api_process *api, const struct truth *t)
{
	scrape_wait(api, CALLS("primary"), (double)t->lines[0]);
	scrape_wait(api, CALLS("secondary"), (double)t->lines[1]);
	scrape_wait(api, WAITS, (double)(t->lines[0] + t->lines[1]));
}

static void push(struct fleet *f, size_t from, size_t to)
{
	char key[32];

	for (size_t i = from; i < to; i++) {
		snprintf(key, sizeof(key), "m-%zu", i);
		fleet_push(f, key, "");
	}
}

/* The counts are what the statuses say, to the last one, though a worker was killed on the way. */
static void test_numbers_are_those_of_the_statuses(void **state)
{
	static const char broken[] = "{\"to\":\"ada@example.com\"}";
	struct fleet *f = fleet_start(NULL);
	struct process *one, *two;
	struct api_process api;
	struct truth first = {0}, t = {0};
	char *page;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0.5&latency=1-20&seed=7&"
	             "fail=retry:6,rejected:1,unknown:1");
	fleet_set(f, "PROVIDER_SECONDARY=mock://?success=0.7&latency=1-20&seed=8");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=2");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=10000");
	api = api_start(f, NULL);
	one = fleet_worker_ready(f, NULL);
	two = fleet_worker_ready(f, NULL);
	push(f, 0, FIRST);
	fleet_wait_settled(f, NULL);
	fleet_push_raw(f, NULL, broken, strlen(broken));
	fleet_push(f, "m-0", "");                    /* known */
	fleet_push(f, "m-1", ",\"html\":\"other\""); /* a conflict */
	fleet_wait_settled(f, NULL);
	/* The two that are no mails of ours are dead letters with a status, too. */
	scrape_wait(&api, "postrider_duplicates_total{" SCRAPE_QUEUE "}", 1);
	scrape_wait(&api, LETTERS("invalid"), 1);
	scrape_wait(&api, LETTERS("conflict"), 1);
	wait_until(all_shown, &((struct settled){&api, FIRST + 2}), 0);
	look_at_all(f, &first, FIRST);
	wait_attempts(&api, &first);
	process_kill(one);
	push(f, FIRST, FIRST + SECOND);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, two); /* tells the rest */

	look_at_all(f, &t, FIRST + SECOND);
	page = scrape(&api);
	assert_int_equal(t.sent + t.failed + t.held, FIRST + SECOND);
	assert_true(t.sent > 0 && t.retries[0] > 0 && t.unknowns[0] > 0 && t.lines[1] > 0);
	scrape_expect(page, SCRAPE_MAILS("sent"), t.sent);
	scrape_expect(page, SCRAPE_MAILS("failed"), t.failed + 2);
	scrape_expect(page, SCRAPE_MAILS("held"), t.held);
	scrape_expect(page, SCRAPE_MAILS("cancelled"), 0);
	scrape_expect(page, ATTEMPTS("primary", "sent"), t.sent_lines[0]);
	scrape_expect(page, ATTEMPTS("primary", "retry"), t.retries[0]);
	scrape_expect(page, ATTEMPTS("primary", "rejected"), t.rejects[0]);
	scrape_expect(page, ATTEMPTS("primary", "unknown"), t.unknowns[0]);
	scrape_expect(page, ATTEMPTS("secondary", "sent"), t.sent_lines[1]);
	scrape_expect(page, ATTEMPTS("secondary", "retry"), t.retries[1]);
	scrape_expect(page, CALLS("primary"), t.lines[0]);
	scrape_expect(page, CALLS("secondary"), t.lines[1]);
	scrape_expect(page, WAITS, t.lines[0] + t.lines[1]);
	scrape_expect(page, "postrider_mail_duration_seconds_count{" SCRAPE_QUEUE "}", t.sent);
	scrape_expect(page, LETTERS("invalid"), 1);
	scrape_expect(page, LETTERS("conflict"), 1);
	scrape_expect(page, "postrider_queue_dead{" SCRAPE_QUEUE "}", fleet_dead_count(f, NULL));
	scrape_expect(page, "postrider_queue_depth{" SCRAPE_QUEUE "}", 0);
	scrape_expect(page, "postrider_queue_in_flight{" SCRAPE_QUEUE "}", 0);
	scrape_expect(page, "postrider_adoptions_total{" SCRAPE_QUEUE "}", 0);
	free(page);
	fleet_free(f);
}

/* A worker dies with a mail at its provider: its successor counts what is known of that. */
static void test_what_a_dead_worker_leaves(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api;
	struct process *w;
	char *page;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=mock://?latency=60000");
	fleet_set(f, "ON_UNKNOWN=hold");
	api = api_start(f, NULL);
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "left", "");
	fleet_wait_status(f, "left", "sending");
	page = scrape(&api);
	scrape_expect(page, "postrider_queue_in_flight{" SCRAPE_QUEUE "}", 1);
	free(page);
	process_kill(w);
	fleet_set(f, "PROVIDER_PRIMARY=mock://");
	w = fleet_worker_ready(f, NULL);
	fleet_wait_status(f, "left", "held");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	page = scrape(&api);
	scrape_expect(page, "postrider_adoptions_total{" SCRAPE_QUEUE "}", 1);
	scrape_expect(page, ATTEMPTS("primary", "unknown"), 1);
	scrape_expect(page, CALLS("primary"), 0);
	scrape_expect(page, SCRAPE_MAILS("held"), 1);
	scrape_expect(page, LETTERS("unknown"), 1);
	scrape_expect(page, "postrider_provider_mails_total{provider=\"primary\",status=\"held\"}",
	              1);
	free(page);
	fleet_free(f);
}

/* The time in the list is known of mails that the API has accepted. */
static void test_the_wait_of_an_accepted_mail(void **state)
{
	static const char mail[] =
		"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
		"\"idempotencyKey\":\"waits\"}";
	struct fleet *f = fleet_start(NULL);
	struct api_process api = api_start(f, NULL);
	struct answer *r = api_post(&api, "/api/email/send", mail, NULL);
	struct process *w;
	int64_t pushed = wait_now_ms(), began;
	char *page;

	(void)state;
	answer_status(r, 202);
	answer_free(r);
	wait_loop_for(NULL, 300); /* it waits in the list meanwhile */
	began = wait_now_ms();
	w = fleet_worker_ready(f, NULL);
	fleet_wait_status(f, "waits", "sent");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	page = scrape(&api);
	assert_true(scrape_sample(page, "postrider_queue_wait_seconds_sum{" SCRAPE_QUEUE "}") *
	                    1000 >=
	            (double)(began - pushed) - 1);
	assert_true(scrape_sample(page, "postrider_mail_duration_seconds_sum{" SCRAPE_QUEUE "}") *
	                    1000 >=
	            (double)(began - pushed) - 1);
	scrape_expect(page, "postrider_queue_wait_seconds_bucket{" SCRAPE_QUEUE ",le=\"0.25\"}", 0);
	scrape_expect(page, "postrider_queue_wait_seconds_bucket{" SCRAPE_QUEUE ",le=\"+Inf\"}", 1);
	free(page);
	fleet_free(f);
}

/* ---- the API's page --------------------------------------------------------------------------- */

static void test_gauges(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api;
	struct process *w;
	char *page;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&fail=provider_down:1");
	fleet_set(f, "PROVIDER_SECONDARY=mock://?success=0&fail=retry:1&rate=1/m&burst=3");
	fleet_set(f, "RETRY_BASE_DELAY=3600000");
	fleet_set(f, "RETRY_MAX_DELAY=86400000");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=3600000");
	api = api_start(f, NULL);
	fleet_push(f, "one", "");
	page = scrape(&api);
	scrape_expect(page, "postrider_queue_depth{" SCRAPE_QUEUE "}", 1);
	scrape_expect(page, "postrider_workers", 0);
	scrape_expect(page, ATTEMPTS("primary", "sent"), 0); /* configured: there from the start */
	free(page);
	w = fleet_worker_ready(f, NULL);
	fleet_wait_status(f, "one", "retrying");
	scrape_wait(&api, "postrider_queue_delayed{" SCRAPE_QUEUE "}", 1);
	scrape_wait(&api, ATTEMPTS("secondary", "retry"), 1);
	redis_server_do(fleet_redis(f), "HSET mail:control pause:queue:mail:queue 1");
	page = scrape(&api);
	scrape_expect(page, "postrider_workers", 1);
	scrape_expect(page, "postrider_queue_depth{" SCRAPE_QUEUE "}", 0);
	scrape_expect(page, "postrider_queue_paused{" SCRAPE_QUEUE "}", 1);
	scrape_expect(page, "postrider_breaker_state{provider=\"primary\",state=\"open\"}", 1);
	scrape_expect(page, "postrider_breaker_state{provider=\"primary\",state=\"closed\"}", 0);
	scrape_expect(page, "postrider_breaker_opened_total{provider=\"primary\"}", 1);
	scrape_expect(page, "postrider_breaker_state{provider=\"secondary\",state=\"closed\"}", 1);
	scrape_expect(page, "postrider_provider_bucket_capacity{provider=\"secondary\"}", 3);
	scrape_expect(page, "postrider_provider_bucket_tokens{provider=\"secondary\"}", 2);
	scrape_expect(page, "postrider_provider_bucket_tokens{provider=\"primary\"}", -1);
	free(page);
	fleet_stop(f, w);
	fleet_free(f);
}

static void test_requests_by_route(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api = api_start(f, NULL);
	char *page;

	(void)state;
	api_expect(&api, 404, "GET", "/api/email/status/a", NULL);
	api_expect(&api, 404, "GET", "/api/email/status/b", NULL);
	api_expect(&api, 404, "GET", "/nothing/here", NULL);
	api_expect(&api, 400, "POST", "/api/email/send", "{");
	page = scrape(&api);
	scrape_expect(page,
	              "postrider_http_requests_total{route=\"/api/email/status/*\",method=\"GET\","
	              "code=\"404\"}",
	              2);
	scrape_expect(page,
	              "postrider_http_requests_total{route=\"/api/email/send\",method=\"POST\","
	              "code=\"400\"}",
	              1);
	scrape_expect(
		page,
		"postrider_http_requests_total{route=\"other\",method=\"other\",code=\"404\"}", 1);
	assert_null(strstr(page, "nothing/here"));
	free(page);
	page = scrape(&api);
	scrape_expect(
		page,
		"postrider_http_requests_total{route=\"/metrics\",method=\"GET\",code=\"200\"}", 1);
	assert_true(scrape_sample(page, "postrider_redis_commands_total") > 0);
	assert_true(scrape_sample(page, "process_resident_memory_bytes") > 1e6);
	assert_true(scrape_sample(page, "process_open_fds") > 3);
	assert_true(scrape_sample(page, "process_cpu_seconds_total") >= 0);
	free(page);
	fleet_free(f);
}

static void test_json(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api = api_start(f, NULL);
	struct answer *r = api_call(&api, "GET", "/metrics", NULL,
	                            (const char *const[]){"Accept: application/json", NULL});
	char *type = answer_header(r, "Content-Type");

	(void)state;
	answer_status(r, 200);
	assert_string_equal(type, "application/json");
	answer_is(r, "postrider_mails_total.type", "counter");
	answer_is(r, "postrider_mails_total.samples.0.labels.status", "sent");
	answer_is(r, "postrider_mails_total.samples.0.value", "0");
	answer_is(r, "postrider_queue_wait_seconds.samples.0.count", "0");
	answer_is(r, "postrider_redis_up.samples.0.value", "1");
	free(type);
	answer_free(r);
	fleet_free(f);
}

static void test_redis_away(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api = api_start(f, NULL);
	char *page;

	(void)state;
	redis_server_kill(fleet_redis(f));
	process_wait_line(api.process, "\"redis_away\"", 0);
	page = scrape(&api);
	scrape_expect(page, "postrider_redis_up", 0);
	assert_true(scrape_sample(page, "process_resident_memory_bytes") > 0);
	assert_null(strstr(page, "postrider_mails_total"));
	free(page);
	api_expect(&api, 503, "GET", "/providers/stats", NULL);
	redis_server_run(fleet_redis(f));
	scrape_wait(&api, "postrider_redis_up", 1);
	fleet_free(f);
}

/* A key of the wrong type is one queue's trouble, and no reason to show nothing. */
static void test_a_stats_key_of_the_wrong_type(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api;
	struct process *w;
	char *page;

	(void)state;
	redis_server_do(fleet_redis(f), "SET {mail:queue}:stats oops");
	redis_server_do(fleet_redis(f), "SET mail:stats oops");
	api = api_start(f, NULL);
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "anyway", "");
	fleet_wait_status(f, "anyway", "sent");
	fleet_wait_settled(f, NULL);
	process_wait_line(w, "stats_not_written", 0);
	page = scrape(&api);
	scrape_expect(page, "postrider_workers", 1);
	scrape_expect(page, "postrider_redis_up", 1);
	free(page);
	fleet_stop(f, w);
	fleet_free(f);
}

static void test_provider_stats(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api;
	struct process *w;
	struct answer *r;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1&latency=30-40&rate=600/m");
	api = api_start(f, NULL);
	r = api_get(&api, "/providers/stats");
	answer_status(r, 200);
	answer_is(r, "providers.0.name", "primary");
	answer_is(r, "providers.0.sent", "0");
	answer_is(r, "providers.0.successRate", "null");
	answer_is(r, "providers.0.latency.p99Ms", "null");
	answer_is(r, "providers.0.bucket", "null"); /* no worker has told its rate */
	answer_free(r);
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "no", "");
	fleet_wait_status(f, "no", "failed");
	fleet_stop(f, w);
	w = fleet_worker_ready(
		f,
		(const char *const[]){"PROVIDER_PRIMARY=mock://?latency=30-40&rate=600/m", NULL});
	fleet_push_many(f, NULL, "yes", 3, "");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	r = api_get(&api, "/providers/stats");
	answer_is(r, "providers.0.sent", "3");
	answer_is(r, "providers.0.failed", "1");
	answer_is(r, "providers.0.successRate", "0.75");
	answer_is(r, "providers.0.failureRate", "0.25");
	answer_is(r, "providers.0.attempts.rejected", "1");
	answer_is(r, "providers.0.mails.sent", "3");
	answer_is(r, "providers.0.latency.count", "4");
	assert_true(answer_at(r, "providers.0.latency.p50Ms")->valuedouble > 25);
	assert_true(answer_at(r, "providers.0.latency.meanMs")->valuedouble >= 30);
	answer_is(r, "providers.0.breaker.state", "CLOSED");
	answer_is(r, "providers.0.bucket.ratePerSecond", "10");
	answer_is(r, "providers.0.bucket.capacity", "1");
	answer_is(r, "providers.0.paused", "false");
	answer_free(r);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_those_of_the_statuses),
		cmocka_unit_test(test_what_a_dead_worker_leaves),
		cmocka_unit_test(test_the_wait_of_an_accepted_mail),
		cmocka_unit_test(test_gauges),
		cmocka_unit_test(test_requests_by_route),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_redis_away),
		cmocka_unit_test(test_a_stats_key_of_the_wrong_type),
		cmocka_unit_test(test_provider_stats),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

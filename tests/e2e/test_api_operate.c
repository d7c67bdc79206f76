/* The HTTP API: cancelling and resending mail, the state of the fleet, and who may not do that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/tally.h"
#include "support/wait.h"

#define RESEND "/api/email/resend/"

static int setup(void **state)
{
	return api_world_setup(state,
	                       (const char *const[]){"PROVIDERS=primary,backup",
	                                             "PROVIDER_BACKUP=mock://?latency=0", NULL});
}

/* The body's `path` as a number. */
static long long number(const struct answer *r, const char *path)
{
	return (long long)answer_at(r, path)->valuedouble;
}

static bool has_problem(const struct answer *r, const char *text)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, answer_at(r, "problems")) if (strstr(one->valuestring, text) !=
	                                                      NULL) return true;
	return false;
}

/* --- cancelling -------------------------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct answer *r;

	api_expect(&w->api, 404, "DELETE", "/api/email/c1", NULL);
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("c1"));
	r = api_call(&w->api, "DELETE", "/api/email/c1", NULL, NULL);
	answer_status(r, 200);
	answer_is(r, "success", "true");
	answer_is(r, "status", "cancelled");
	answer_is(r, "idempotencyKey", "c1");
	answer_free(r);
	api_expect(&w->api, 200, "DELETE", "/api/email/c1", NULL);
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("c2"));
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, "c2", "sent");
	fleet_wait_settled(w->fleet, NULL);
	fleet_expect(w->fleet, "c1", "status", "cancelled");
	fleet_expect(w->fleet, "c1", "attempts", "");
	r = api_call(&w->api, "DELETE", "/api/email/c2", NULL, NULL);
	answer_status(r, 409);
	answer_is(r, "message", "It is too late: the mail is sent");
	answer_free(r);
	fleet_end(w->fleet, worker);
}

/* A scheduled mail, too; and what is no status is an error, not a crash. */
static void test_cancel_scheduled(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker = fleet_worker(w->fleet, NULL);

	api_expect(&w->api, 202, "POST", API_SEND,
	           "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
	           "\"delay\":300000,\"idempotencyKey\":\"later\"}");
	fleet_wait_status(w->fleet, "later", "scheduled");
	api_expect(&w->api, 200, "DELETE", "/api/email/later", NULL);
	fleet_expect(w->fleet, "later", "status", "cancelled");
	redis_server_do(fleet_redis(w->fleet), "SET mail:status:odd text");
	api_expect(&w->api, 500, "DELETE", "/api/email/odd", NULL);
	fleet_end(w->fleet, worker);
}

/* --- resending --------------------------------------------------------------------------------------------- */

static char *resend(const struct api_world *w, const char *key, const char *body)
{
	char path[256];
	struct answer *r;
	char *new_key;

	snprintf(path, sizeof(path), RESEND "%s", key);
	r = api_post(&w->api, path, body, NULL);
	answer_status(r, 202);
	new_key = strdup(answer_at(r, "idempotencyKey")->valuestring);
	assert_int_equal(strncmp(new_key, key, strlen(key)), 0);
	assert_int_equal(strncmp(new_key + strlen(key), "_resend_1", 9), 0);
	answer_free(r);
	return new_key;
}

static void test_resend_what_failed(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	const char *record;
	struct tally *tally;
	char *key;

	/* A delay and an end, which have passed when it is sent again. */
	api_expect(
		&w->api, 202, "POST", API_SEND,
		"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"html\":\"<p>1</p>\","
		"\"delay\":1,\"sendAt\":1700000000000,\"idempotencyKey\":\"f1\",\"tags\":[\"x\"],"
		"\"expiresAt\":4102444800000}");
	worker = fleet_worker(
		w->fleet,
		(const char *const[]){"PROVIDERS=primary",
	                              "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1", NULL});
	fleet_wait_status(w->fleet, "f1", "failed");
	fleet_wait_settled(w->fleet, NULL);
	fleet_end(w->fleet, worker);
	key = resend(w, "f1", NULL);
	record = fleet_mock(w->fleet, "PRIMARY", "latency=0");
	char *payload = redis_server_text(fleet_redis(w->fleet), "LINDEX " FLEET_QUEUE " 0");
	assert_null(strstr(payload, "delay"));
	assert_null(strstr(payload, "sendAt"));
	assert_null(strstr(payload, "expiresAt"));
	assert_non_null(strstr(payload, "<p>1</p>"));
	assert_non_null(strstr(payload, "\"tags\":[\"x\"]"));
	free(payload);
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, key, "sent");
	fleet_expect(w->fleet, "f1", "status", "failed");
	tally = tally_of_record(record);
	assert_int_equal(tally_copies(tally, key), 1);
	tally_free(tally);
	fleet_end(w->fleet, worker);
	free(key);
}

static void test_resend_what_was_sent(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker = fleet_worker(w->fleet,
	                                      (const char *const[]){"KEEP_SENT=100", NULL});
	char *key, *again;

	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("s1"));
	fleet_wait_status(w->fleet, "s1", "sent");
	fleet_wait_settled(w->fleet, NULL);
	api_expect(&w->api, 400, "POST", RESEND "s1", "{}");
	api_expect(&w->api, 400, "POST", RESEND "s1", "{\"force\":false}");
	key = resend(w, "s1", "{\"force\":true}");
	fleet_wait_status(w->fleet, key, "sent");
	/* a resent one can be resent, for keys that we have made may be longer */
	fleet_wait_settled(w->fleet, NULL);
	again = resend(w, key, "{\"force\":true}");
	fleet_wait_status(w->fleet, again, "sent");
	free(key);
	free(again);
	fleet_end(w->fleet, worker);
	/* not kept, which is the default */
	worker = fleet_worker(w->fleet, NULL);
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("s2"));
	fleet_wait_status(w->fleet, "s2", "sent");
	fleet_wait_settled(w->fleet, NULL);
	api_expect(&w->api, 410, "POST", RESEND "s2", "{\"force\":true}");
	fleet_end(w->fleet, worker);
}

/* A key of any length that a producer may have pushed. */
static void test_resend_of_a_long_key(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker = fleet_worker(w->fleet,
	                                      (const char *const[]){"KEEP_SENT=100", NULL});
	char key[257] = "", path[300];
	struct answer *r;

	memset(key, 'k', sizeof(key) - 1);
	fleet_push(w->fleet, key, "");
	fleet_wait_status(w->fleet, key, "sent");
	fleet_wait_settled(w->fleet, NULL);
	snprintf(path, sizeof(path), RESEND "%s", key);
	r = api_post(&w->api, path, "{\"force\":true}", NULL);
	answer_status(r, 202);
	fleet_wait_status(w->fleet, answer_at(r, "idempotencyKey")->valuestring, "sent");
	answer_free(r);
	fleet_end(w->fleet, worker);
}

static void test_resend_refused(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct redis_server *redis = fleet_redis(w->fleet);

	api_expect(&w->api, 404, "POST", RESEND "nobody", "{}");
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("q1"));
	api_expect(&w->api, 409, "POST", RESEND "q1", "{}");
	api_expect(&w->api, 400, "POST", RESEND "q1", "{\"force\":1}");
	api_expect(&w->api, 400, "POST", RESEND "q1", "[]");
	api_expect(&w->api, 400, "POST", RESEND "q1", "{");
	/* only a note that something under this key was not valid; a dead letter that is trimmed */
	redis_server_do(redis, "HSET mail:status:note status failed error x");
	api_expect(&w->api, 410, "POST", RESEND "note", "{}");
	redis_server_do(redis, "HSET mail:status:old status failed owner mail:queue#0123");
	api_expect(&w->api, 410, "POST", RESEND "old", "{}");
	redis_server_do(redis, "HSET mail:status:odd status held owner nonsense");
	api_expect(&w->api, 410, "POST", RESEND "odd", "{}");
	redis_server_do(redis, "HSET {mail:queue}:jobs bad [1]");
	redis_server_do(redis, "HSET mail:status:bad status failed owner mail:queue#bad");
	api_expect(&w->api, 400, "POST", RESEND "bad", "{}");
}

/* --- the state of the fleet -------------------------------------------------------------------------------- */

static void test_queue_status(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;

	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("1"));
	fleet_push(w->fleet, "2", "");
	redis_server_do(fleet_redis(w->fleet), "ZADD {mail:queue}:dead 1000 x");
	r = api_get(&w->api, "/api/email/queue/status");
	answer_status(r, 200);
	answer_is(r, "queues.0.name", "mail:queue");
	answer_is(r, "queues.0.depth", "2");
	answer_is(r, "queues.0.inFlight", "0");
	answer_is(r, "queues.0.delayed", "0");
	answer_is(r, "queues.0.dead", "1");
	answer_is(r, "queues.0.paused", "false");
	answer_is(r, "queues.0.nextDueMs", "null");
	answer_is(r, "workers", "0");
	assert_in_range(number(r, "queues.0.oldestMs"), 0, 600000);
	answer_free(r);
	redis_server_do(fleet_redis(w->fleet), "SET {mail:queue}:dead text");
	r = api_get(&w->api, "/api/email/queue/status");
	answer_status(r, 200);
	assert_non_null(strstr(answer_at(r, "queues.0.error")->valuestring, "WRONGTYPE"));
	answer_free(r);
}

static bool is_healthy(void *arg)
{
	struct answer *r = api_get(arg, "/health");
	bool yes = r->status == 200;

	answer_free(r);
	return yes;
}

/* Well; then a provider whose credentials are refused, which is named with the reason. */
static void test_health(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct answer *r = api_get(&w->api, "/health");

	answer_status(r, 503);
	answer_is(r, "status", "unhealthy");
	assert_true(has_problem(r, "no worker is alive"));
	answer_free(r);
	worker = fleet_worker(
		w->fleet, (const char *const[]){
				  "PROVIDER_PRIMARY=mock://?success=0&fail=provider_down:1", NULL});
	wait_until(is_healthy, &w->api, 0);
	r = api_get(&w->api, "/health");
	answer_is(r, "status", "healthy");
	answer_is(r, "problems", "[]");
	answer_is(r, "providers.0.name", "primary");
	answer_is(r, "providers.0.available", "true");
	answer_is(r, "circuitBreakers.primary.state", "CLOSED");
	answer_is(r, "circuitBreakers.primary.failures", "0");
	assert_true(answer_at(r, "uptime")->valuedouble >= 0);
	answer_free(r);
	fleet_push(w->fleet, "1", "");
	fleet_wait_status(w->fleet, "1", "sent");
	r = api_get(&w->api, "/health");
	answer_status(r, 503);
	answer_is(r, "status", "degraded");
	assert_true(has_problem(r, "provider primary: 535"));
	answer_is(r, "providers.0.available", "false");
	answer_is(r, "providers.1.available", "true");
	answer_is(r, "circuitBreakers.primary.state", "OPEN");
	answer_is(r, "circuitBreakers.backup.state", "CLOSED");
	answer_free(r);
	redis_server_do(fleet_redis(w->fleet), "HSET mail:control pause:provider:backup 1");
	r = api_get(&w->api, "/health/detailed");
	answer_status(r, 503);
	answer_is(r, "status", "unhealthy");
	assert_true(has_problem(r, "no provider can be sent through"));
	answer_is(r, "workers", "1");
	answer_is(r, "queues.0.depth", "0");
	answer_is(r, "rateLimiter.enabled", "false");
	answer_is(r, "redis.connected", "true");
	answer_is(r, "redis.maxMemoryPolicy", "noeviction");
	assert_true(number(r, "redis.usedMemory") > 0);
	answer_free(r);
	fleet_end(w->fleet, worker);
}

/* FAULTS 13: a Redis that may throw mails away is said so. */
static void test_health_tells_of_eviction(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;

	redis_server_do(fleet_redis(w->fleet), "CONFIG SET maxmemory-policy allkeys-lru");
	r = api_get(&w->api, "/health/detailed");
	answer_status(r, 503);
	assert_true(has_problem(r, "noeviction"));
	answer_free(r);
	redis_server_do(fleet_redis(w->fleet), "CONFIG SET maxmemory-policy noeviction");
}

static void test_health_without_redis(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a = api_start(f, NULL);
	struct answer *r;

	(void)state;
	redis_server_kill(fleet_redis(f));
	r = api_get(&a, "/health");
	answer_status(r, 503);
	answer_is(r, "status", "unhealthy");
	assert_true(has_problem(r, "Redis does not answer"));
	answer_free(r);
	r = api_get(&a, "/health/detailed");
	answer_status(r, 503);
	answer_is(r, "redis.connected", "false");
	answer_is(r, "redis.version", "null");
	answer_free(r);
	api_expect(&a, 503, "GET", "/circuit-breakers", NULL);
	api_expect(&a, 503, "GET", "/api/email/queue/status", NULL);
	api_expect(&a, 503, "POST", "/circuit-breakers/reset", "{}");
	api_expect(&a, 503, "POST", RESEND "x", "{}");
	api_expect(&a, 503, "DELETE", "/api/email/x", NULL);
	fleet_free(f);
}

/* --- breakers ---------------------------------------------------------------------------------------------- */

static void expect_reset(const struct api_world *w, const char *body, const char *message)
{
	struct answer *r = api_post(&w->api, "/circuit-breakers/reset", body, NULL);

	answer_status(r, 200);
	answer_is(r, "success", "true");
	answer_is(r, "message", message);
	answer_free(r);
}

static void expect_breaker(const struct api_world *w, const char *provider, const char *state)
{
	struct answer *r = api_get(&w->api, "/circuit-breakers");
	char path[64];

	answer_status(r, 200);
	snprintf(path, sizeof(path), "circuitBreakers.%s.state", provider);
	answer_is(r, path, state);
	answer_free(r);
}

static void test_breakers(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct redis_server *redis = fleet_redis(w->fleet);
	struct answer *r;
	char *generation;

	redis_server_do(redis,
	                "HSET mail:provider:primary state open opened_at 1 open_for 1 opened 3 "
	                "failures 5 reason 451");
	redis_server_do(redis, "HSET mail:provider:backup state half-open generation 7");
	r = api_get(&w->api, "/circuit-breakers");
	answer_status(r, 200);
	answer_is(r, "circuitBreakers.primary.state", "OPEN");
	answer_is(r, "circuitBreakers.primary.failures", "5");
	answer_is(r, "circuitBreakers.primary.opened", "3");
	answer_is(r, "circuitBreakers.primary.reason", "451");
	answer_is(r, "circuitBreakers.primary.probeInMs", "0");
	answer_is(r, "circuitBreakers.backup.state", "HALF_OPEN");
	answer_free(r);
	expect_reset(w, "{\"provider\":\"primary\"}", "Circuit breaker for primary has been reset");
	expect_breaker(w, "primary", "CLOSED");
	expect_breaker(w, "backup", "HALF_OPEN");
	expect_reset(w, NULL, "All circuit breakers have been reset");
	expect_breaker(w, "backup", "CLOSED");
	generation = fleet_provider_field(w->fleet, "backup", "generation");
	assert_string_equal(generation, "8"); /* so that what is under way says nothing any more */
	free(generation);
	api_expect(&w->api, 404, "POST", "/circuit-breakers/reset", "{\"provider\":\"nobody\"}");
	api_expect(&w->api, 400, "POST", "/circuit-breakers/reset", "{\"provider\":7}");
}

/* The only provider's breaker is open for a day: nothing is sent until somebody closes it. */
static void test_workers_hear_of_a_reset(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	redisReply *time = redis_server_cmd(fleet_redis(w->fleet), "TIME");

	redis_server_do(fleet_redis(w->fleet),
	                "HSET mail:provider:primary state open generation 1 open_for 86400000 "
	                "opened_at %s000",
	                time->element[0]->str);
	freeReplyObject(time);
	worker = fleet_worker(w->fleet, (const char *const[]){"PROVIDERS=primary", NULL});
	fleet_push(w->fleet, "waits", "");
	process_wait_line(worker, "\"event\":\"breaker_changed\"", 0);
	expect_reset(w, "{\"provider\":\"primary\"}", "Circuit breaker for primary has been reset");
	fleet_wait_status(w->fleet, "waits", "sent");
	process_wait_line(worker, "\"event\":\"breaker_reset\"", 0);
	fleet_end(w->fleet, worker);
}

/* --- web pages --------------------------------------------------------------------------------------------- */

#define CASE(METHOD, PATH, HEADERS, BODY)                                                          \
	METHOD " " PATH " HTTP/1.1\r\nHost: localhost\r\n" HEADERS "Connection: close\r\n\r\n" BODY

/* What any page's form or script can make a browser send without asking is refused, with a body or
 * without: everything that changes something. */
static void test_no_page_can_post(void **state)
{
	static const char *const refused[] = {
		CASE("POST", "/circuit-breakers/reset", "Content-Length: 0\r\n", ""),
		CASE("POST", "/circuit-breakers/reset", "", ""),
		CASE("POST", "/circuit-breakers/reset",
	             "Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"),
		CASE("POST", "/circuit-breakers/reset",
	             "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n",
	             ""),
		CASE("POST", "/circuit-breakers/reset",
	             "Content-Type: multipart/form-data; boundary=application/json\r\n"
	             "Content-Length: 0\r\n",
	             ""),
		CASE("POST", "/api/email/resend/x", "Content-Length: 0\r\n", ""),
		CASE("POST", "/api/email/send",
	             "Content-Type: text/plain; application/json\r\nContent-Length: 2\r\n", "{}"),
		CASE("POST", "/api/email/bulk-send",
	             "Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"),
	};
	struct api_world *w = api_world_begin(state);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *said = api_raw(&w->api, refused[i]);

		if (strncmp(said, "HTTP/1.1 415 ", 13) != 0)
			fail_msg("%s\nwas answered %s", refused[i], said);
		free(said);
	}
	/* the browser asks first for what it may not send so, and is told nothing that lets it */
	char *said = api_raw(&w->api, CASE("OPTIONS", "/api/email/x",
	                                   "Origin: http://evil.example\r\n"
	                                   "Access-Control-Request-Method: DELETE\r\n",
	                                   ""));
	assert_null(strcasestr(said, "\r\nAccess-Control-"));
	free(said);
}

static int status_for_host(const struct api_world *w, const char *host)
{
	char text[512], *said;
	int status;

	snprintf(text, sizeof(text), "GET /livez HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
	         host);
	said = api_raw(&w->api, text);
	assert_int_equal(strncmp(said, "HTTP/1.1 ", 9), 0);
	status = (int)strtol(said + 9, NULL, 10);
	free(said);
	return status;
}

/* A page whose name its owner lets point to 127.0.0.1. */
static void test_no_page_can_rebind(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;

	assert_int_equal(status_for_host(w, "localhost"), 200);
	assert_int_equal(status_for_host(w, "LOCALHOST:4000"), 200);
	assert_int_equal(status_for_host(w, "127.0.0.1:4000"), 200);
	assert_int_equal(status_for_host(w, "127.9.9.9"), 200);
	assert_int_equal(status_for_host(w, "[::1]:4000"), 200);
	assert_int_equal(status_for_host(w, "evil.example:4000"), 421);
	assert_int_equal(status_for_host(w, "127.0.0.1.evil.example"), 421);
	assert_int_equal(status_for_host(w, "localhost.evil.example"), 421);
	assert_int_equal(status_for_host(w, "192.168.1.1"), 421);
	assert_int_equal(status_for_host(w, "[::1"), 421);
	assert_int_equal(status_for_host(w, "[::2]"), 421);
	assert_int_equal(status_for_host(w, ""), 421);
	r = api_call(&w->api, "GET", "/", NULL, (const char *const[]){"Host: evil.example", NULL});
	answer_status(r, 421);
	answer_is(r, "error", "Misdirected Request");
	answer_free(r);
	/* who must show a key is asked for that, whatever its name */
	struct api_process protected = api_start(
		w->fleet,
		(const char *const[]){"JWT_SECRET=0123456789abcdef0123456789abcdef", NULL});
	r = api_call(&protected, "GET", "/livez", NULL,
	             (const char *const[]){"Host: mail.example", NULL});
	answer_status(r, 200);
	answer_free(r);
	fleet_end(w->fleet, protected.process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_scheduled),
		cmocka_unit_test(test_resend_what_failed),
		cmocka_unit_test(test_resend_what_was_sent),
		cmocka_unit_test(test_resend_of_a_long_key),
		cmocka_unit_test(test_resend_refused),
		cmocka_unit_test(test_queue_status),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_health_tells_of_eviction),
		cmocka_unit_test(test_health_without_redis),
		cmocka_unit_test(test_breakers),
		cmocka_unit_test(test_workers_hear_of_a_reset),
		cmocka_unit_test(test_no_page_can_post),
		cmocka_unit_test(test_no_page_can_rebind),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

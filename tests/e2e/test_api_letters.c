/* The HTTP API: dead letters listed, looked at, tried again and dropped; pauses and weights; the workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/wait.h"
#include "support/wire.h"

#define LETTERS "/api/dead-letters"
#define REJECTS "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1"

static int setup(void **state)
{
	return api_world_setup(state,
	                       (const char *const[]){"QUEUES=mail:queue,mail:queue:low", NULL});
}

static int size(const struct answer *r, const char *path)
{
	return cJSON_GetArraySize(answer_at(r, path));
}

/* n mails that no provider takes, with the keys <stem>-0 …, in the order of their death. */
static void bury(struct api_world *w, const char *queue, const char *stem, int n)
{
	struct process *worker = fleet_worker(w->fleet, (const char *const[]){REJECTS, NULL});
	char key[64];

	for (int i = 0; i < n; i++) {
		char *job;

		snprintf(key, sizeof(key), "%s-%d", stem, i);
		job = fleet_job(key, "");
		fleet_push_raw(w->fleet, queue, job, strlen(job));
		free(job);
		fleet_wait_status(w->fleet, key, "failed");
	}
	fleet_wait_settled(w->fleet, queue);
	fleet_end(w->fleet, worker);
}

static bool four_are_dead(void *world)
{
	const struct api_world *w = world;

	return fleet_dead_count(w->fleet, FLEET_QUEUE) == 4;
}

static struct answer *take(struct api_world *w, const char *how, const char *body)
{
	char path[64];
	struct answer *r;

	snprintf(path, sizeof(path), LETTERS "/%s", how);
	r = api_post(&w->api, path, body, NULL);
	answer_status(r, 200);
	return r;
}

static void test_list_and_filters(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;

	r = api_get(&w->api, LETTERS);
	answer_status(r, 200);
	assert_int_equal(size(r, "letters"), 0);
	answer_is(r, "next", "null");
	answer_free(r);
	bury(w, FLEET_QUEUE, "a", 3);
	bury(w, FLEET_QUEUE ":low", "b", 1);
	fleet_push_raw(w->fleet, FLEET_QUEUE, "{broken", 7);
	struct process *worker = fleet_worker(w->fleet, NULL);
	wait_until(four_are_dead, w, 0);
	fleet_end(w->fleet, worker);

	r = api_get(&w->api, LETTERS);
	assert_int_equal(size(r, "letters"), 5);
	answer_is(r, "letters.0.idempotencyKey", "null"); /* the newest first, queue by queue */
	answer_is(r, "letters.1.idempotencyKey", "a-2");
	answer_is(r, "letters.1.mail.status", "failed");
	answer_is(r, "letters.1.mail.timeline.0.outcome", "rejected");
	answer_is(r, "letters.4.queue", FLEET_QUEUE ":low");
	answer_is(r, "next", "null");
	answer_free(r);
	static const struct {
		const char *query;
		int n;
	} filters[] = {
		{"?queue=mail:queue:low", 1}, {"?error=NEVER%20take", 4},
		{"?error=INVALID", 1},        {"?provider=primary", 4},
		{"?provider=other", 0},       {"?olderThan=1h", 0},
		{"?newerThan=1h", 5},         {"?newerThan=1h&error=never&queue=mail:queue", 3},
	};
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), LETTERS "%s", filters[i].query);
		r = api_get(&w->api, path);
		answer_status(r, 200);
		if (size(r, "letters") != filters[i].n)
			fail_msg("%s: %s", path, r->body);
		answer_free(r);
	}
	api_expect(&w->api, 404, "GET", LETTERS "?queue=other", NULL);
	api_expect(&w->api, 400, "GET", LETTERS "?olderThan=soon", NULL);
	api_expect(&w->api, 400, "GET", LETTERS "?limit=101", NULL);
	api_expect(&w->api, 400, "GET", LETTERS "?after=x", NULL);
	api_expect(&w->api, 400, "GET", LETTERS "?after=0:-2:0", NULL);
}

/* Each letter is on exactly one page, also where many died in the same millisecond and where pages of Redis end. */
static void test_pages(void **state)
{
	struct api_world *w = api_world_begin(state);
	redisContext *c = fleet_client(w->fleet);
	char next[64] = "", path[160];
	enum { LETTERS_N = 2300 };
	static bool seen[LETTERS_N];
	int n = 0, pages = 0;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < LETTERS_N; i++) {
		redisAppendCommand(c, "ZADD {mail:queue%s}:dead %d %04d", i % 10 == 0 ? ":low" : "",
		                   1700000000 + i / 700, i);
		if (i % FLEET_PIPELINE == FLEET_PIPELINE - 1 || i == LETTERS_N - 1)
			for (int k = 0; k <= i % FLEET_PIPELINE; k++)
				freeReplyObject(fleet_answer(c));
	}
	redisFree(c);
	do {
		struct answer *r;
		const cJSON *letter;

		snprintf(path, sizeof(path), LETTERS "?limit=97%s%s",
		         *next != '\0' ? "&after=" : "", next);
		r = api_get(&w->api, path);
		answer_status(r, 200);
		cJSON_ArrayForEach(letter, answer_at(r, "letters"))
		{
			long id = strtol(cJSON_GetObjectItem(letter, "id")->valuestring, NULL, 10);

			assert_false(seen[id]);
			seen[id] = true;
			n++;
		}
		snprintf(next, sizeof(next), "%s",
		         cJSON_IsString(answer_at(r, "next")) ? answer_at(r, "next")->valuestring
		                                              : "");
		answer_free(r);
		pages++;
	} while (*next != '\0');
	assert_int_equal(n, LETTERS_N);
	assert_int_equal(pages, (LETTERS_N + 96) / 97);
	/* a filter that lets nothing through: a request looks at so many, and says where to go on */
	struct answer *r = api_get(&w->api, LETTERS "?error=nothing");

	answer_status(r, 200);
	assert_int_equal(size(r, "letters"), 0);
	assert_true(cJSON_IsString(answer_at(r, "next")));
	assert_true(answer_at(r, "examined")->valuedouble < LETTERS_N);
	answer_free(r);
}

static void test_one(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;
	char path[128], *id;

	bury(w, FLEET_QUEUE, "one", 1);
	r = api_get(&w->api, LETTERS "/one-0");
	answer_status(r, 200);
	answer_is(r, "idempotencyKey", "one-0");
	answer_is(r, "payloadExact", "true");
	assert_non_null(strstr(answer_at(r, "payload")->valuestring, "\"one-0\""));
	id = strdup(answer_at(r, "id")->valuestring);
	answer_free(r);
	snprintf(path, sizeof(path), LETTERS "/%s", id);
	api_expect(&w->api, 200, "GET", path, NULL);
	snprintf(path, sizeof(path), LETTERS "/auto-%s", id);
	api_expect(&w->api, 200, "GET", path, NULL);
	api_expect(&w->api, 404, "GET", LETTERS "/nobody", NULL);
	free(id);
}

static void test_retry(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct answer *r;

	bury(w, FLEET_QUEUE, "r", 3);
	/* said first, and nothing done */
	r = take(w, "retry", "{\"names\":[\"r-0\",\"r-1\",\"nobody\"],\"dryRun\":true}");
	answer_is(r, "dryRun", "true");
	assert_int_equal(size(r, "retried"), 2);
	answer_is(r, "missing.0", "nobody");
	answer_free(r);
	assert_int_equal(fleet_dead_count(w->fleet, NULL), 3);
	/* what cannot be tried again is said, too */
	redis_server_do(fleet_redis(w->fleet), "HSET mail:status:r-2 status sent");
	r = take(w, "retry", "{\"names\":[\"r-2\"],\"dryRun\":true}");
	answer_is(r, "skipped.0.reason", "it was sent meanwhile: drop it");
	answer_free(r);
	r = take(w, "retry", "{\"names\":[\"r-0\",\"r-1\",\"r-2\",\"nobody\"]}");
	assert_int_equal(size(r, "retried"), 2);
	answer_is(r, "skipped.0.idempotencyKey", "r-2");
	answer_is(r, "missing.0", "nobody");
	answer_free(r);
	assert_int_equal(fleet_dead_count(w->fleet, NULL), 1);
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, "r-0", "sent");
	fleet_wait_status(w->fleet, "r-1", "sent");
	fleet_end(w->fleet, worker);
}

static void test_drop(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r;

	bury(w, FLEET_QUEUE, "d", 2);
	r = take(w, "drop", "{\"names\":[\"d-0\"],\"dryRun\":true}");
	assert_int_equal(size(r, "dropped"), 1);
	answer_free(r);
	assert_int_equal(fleet_dead_count(w->fleet, NULL), 2);
	r = take(w, "drop", "{\"names\":[\"d-0\",\"d-0\"]}");
	assert_int_equal(size(r, "dropped"), 1);
	assert_int_equal(size(r, "skipped"), 1);
	answer_free(r);
	assert_int_equal(fleet_dead_count(w->fleet, NULL), 1);
	api_expect(&w->api, 400, "POST", LETTERS "/drop", "{}");
	api_expect(&w->api, 400, "POST", LETTERS "/drop", "{\"names\":[]}");
	api_expect(&w->api, 400, "POST", LETTERS "/drop", "{\"names\":[1]}");
	api_expect(&w->api, 400, "POST", LETTERS "/drop", "{\"names\":[\"d-1\"],\"dryRun\":1}");
	api_expect(&w->api, 405, "DELETE", LETTERS "/d-1", NULL);
}

/* --- switches ------------------------------------------------------------------------------------------------ */

static void test_switches(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct answer *r;

	r = api_post(&w->api, "/api/queues/pause", "{\"queue\":\"mail:queue\"}", NULL);
	answer_status(r, 200);
	answer_is(r, "queue", "mail:queue");
	answer_is(r, "paused", "true");
	answer_is(r, "changed", "true");
	answer_free(r);
	r = api_get(&w->api, "/api/email/queue/status");
	answer_is(r, "queues.0.paused", "true");
	answer_is(r, "queues.1.paused", "false");
	answer_free(r);
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("p1"));
	worker = fleet_worker_ready(w->fleet, NULL);
	r = api_post(&w->api, "/api/queues/resume", "{\"queue\":\"mail:queue\"}", NULL);
	answer_is(r, "changed", "true");
	answer_free(r);
	fleet_wait_status(w->fleet, "p1", "sent");
	r = api_post(&w->api, "/api/providers/pause", "{\"provider\":\"primary\"}", NULL);
	answer_is(r, "paused", "true");
	answer_free(r);
	r = api_get(&w->api, "/providers/stats");
	answer_is(r, "providers.0.paused", "true");
	answer_free(r);
	api_expect(&w->api, 200, "POST", "/api/providers/resume", "{\"provider\":\"primary\"}");
	r = api_post(&w->api, "/api/providers/weight", "{\"provider\":\"primary\",\"weight\":7}",
	             NULL);
	answer_status(r, 200);
	answer_is(r, "weight", "7");
	answer_free(r);
	char *weight = redis_server_text(fleet_redis(w->fleet),
	                                 "HGET mail:control weight:provider:primary");
	assert_string_equal(weight, "7");
	free(weight);
	api_expect(&w->api, 200, "POST", "/api/providers/weight",
	           "{\"provider\":\"primary\",\"weight\":null}");
	assert_int_equal(redis_server_int(fleet_redis(w->fleet), "HLEN mail:control"), 0);
	api_expect(&w->api, 404, "POST", "/api/queues/pause", "{\"queue\":\"mail:other\"}");
	api_expect(&w->api, 404, "POST", "/api/providers/pause", "{\"provider\":\"other\"}");
	api_expect(&w->api, 400, "POST", "/api/queues/pause", "{}");
	api_expect(&w->api, 400, "POST", "/api/providers/weight",
	           "{\"provider\":\"primary\",\"weight\":1.5}");
	api_expect(&w->api, 400, "POST", "/api/providers/weight",
	           "{\"provider\":\"primary\",\"weight\":-1}");
	fleet_end(w->fleet, worker);
}

/* --- workers ------------------------------------------------------------------------------------------------- */

struct crowd {
	struct api_world *w;
	int n;
};

static bool has_workers(void *data)
{
	const struct crowd *c = data;
	struct answer *r = api_get(&c->w->api, "/api/workers");
	bool there = size(r, "workers") == c->n;

	for (int i = 0; there && i < c->n; i++) {
		char path[64];

		snprintf(path, sizeof(path), "workers.%d.version", i);
		there = cJSON_IsString(answer_at(r, path));
	}
	answer_free(r);
	return there;
}

static void test_workers(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct crowd two = {w, 2}, none = {w, 0};
	struct process *a, *b;
	struct answer *r;

	assert_true(has_workers(&none));
	a = fleet_worker(w->fleet, (const char *const[]){"WORKER_NAME=ada", "CONCURRENCY=7", NULL});
	b = fleet_worker(w->fleet, (const char *const[]){"WORKER_NAME=bob", "CONCURRENCY=7", NULL});
	wait_until(has_workers, &two, 0);
	r = api_get(&w->api, "/api/workers");
	answer_is(r, "workers.0.concurrency", "7");
	answer_is(r, "workers.0.inFlight", "0");
	answer_is(r, "workers.0.alive", "true");
	answer_is(r, "total", "2");
	assert_non_null(strstr(r->body, "\"ada\""));
	assert_non_null(strstr(r->body, "\"bob\""));
	assert_true(cJSON_IsString(answer_at(r, "workers.0.startedAt")));
	answer_free(r);
	fleet_stop(w->fleet, a);
	fleet_stop(w->fleet, b);
	wait_until(has_workers, &none, 0);
	assert_int_equal(
		redis_server_int(fleet_redis(w->fleet), "EXISTS mail:worker:ada mail:worker:bob"),
		0);
}

/* The connection to Redis breaks in the middle: the client is answered all the same. */
static void test_connections_break(void **state)
{
	static const struct {
		enum wire_side side;
		const char *at, *method, *path, *body;
	} calls[] = {
		{WIRE_REPLY, "HSET", "POST", "/api/queues/pause", "{\"queue\":\"mail:queue\"}"},
		{WIRE_REQUEST, "HDEL", "POST", "/api/queues/resume", "{\"queue\":\"mail:queue\"}"},
		{WIRE_REPLY, "HMGET", "POST", "/api/providers/pause", "{\"provider\":\"primary\"}"},
		{WIRE_REPLY, "HDEL", "POST", "/api/providers/resume", "{\"provider\":\"primary\"}"},
		{WIRE_REPLY, "HSET", "POST", "/api/providers/weight",
	         "{\"provider\":\"primary\",\"weight\":3}"},
		{WIRE_REPLY, "ZCARD", "GET", "/api/workers", NULL},
		{WIRE_REPLY, "ZRANGE", "GET", LETTERS, NULL},
		{WIRE_REQUEST, "HGETALL", "GET", LETTERS "/k-0", NULL},
		{WIRE_REPLY, "HGETALL", "POST", LETTERS "/retry",
	         "{\"names\":[\"k-0\"],\"dryRun\":true}"},
	};
	struct api_world *w = api_world_begin(state);
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(w->fleet)));
	struct api_process a;
	char url[256];

	bury(w, FLEET_QUEUE, "k", 2);
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(wire));
	a = api_start(w->fleet, (const char *const[]){url, "COMMAND_TIMEOUT=60000", NULL});
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct answer *r;

		wire_cut_at(wire, calls[i].side, calls[i].at, 1);
		r = api_call(&a, calls[i].method, calls[i].path, calls[i].body,
		             (const char *const[]){"Content-Type: application/json", NULL});
		answer_status(r, 200);
		assert_non_null(r->json);
		answer_free(r);
		wire_wait_held(wire);
	}
	assert_int_equal(fleet_dead_count(w->fleet, FLEET_QUEUE), 2);
	fleet_end(w->fleet, a.process);
	wire_free(wire);
}

/* And so are those who take letters out: what is known of some is kept, the others are asked for again. */
static void test_connections_break_while_letters_go(void **state)
{
	enum {
		STRANGERS = 64
	}; /* as many as are asked for at once: the letter comes in a second batch */
	struct api_world *w = api_world_begin(state);
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(w->fleet)));
	char url[256], body[2048];
	struct api_process a;
	struct answer *r;
	size_t n;

	bury(w, FLEET_QUEUE, "k", 2);
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(wire));
	a = api_start(w->fleet, (const char *const[]){url, "COMMAND_TIMEOUT=60000", NULL});
	n = (size_t)snprintf(body, sizeof(body), "{\"names\":[");
	for (int i = 0; i < STRANGERS; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, "\"s-%d\",", i);
	snprintf(body + n, sizeof(body) - n, "\"k-0\"]}");
	wire_cut_at(wire, WIRE_REQUEST, "requeue", 1);
	r = api_post(&a, LETTERS "/retry", body, NULL);
	answer_status(r, 200);
	wire_wait_held(wire);
	assert_int_equal(size(r, "missing"), STRANGERS);
	assert_int_equal(size(r, "retried"), 1);
	answer_is(r, "retried.0.idempotencyKey", "k-0");
	answer_free(r);
	/* it was dropped, and nobody heard of it */
	wire_cut_at(wire, WIRE_REPLY, "requeue", 1);
	r = api_post(&a, LETTERS "/drop", "{\"names\":[\"k-1\"]}", NULL);
	answer_status(r, 200);
	wire_wait_held(wire);
	assert_int_equal(size(r, "dropped"), 0);
	answer_is(r, "missing.0", "k-1");
	answer_free(r);
	assert_int_equal(fleet_dead_count(w->fleet, FLEET_QUEUE), 0);
	fleet_end(w->fleet, a.process);
	wire_free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_and_filters),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_connections_break),
		cmocka_unit_test(test_connections_break_while_letters_go),
	};
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

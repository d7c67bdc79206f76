/* openapi.json against the running server, in both directions: what it answers is documented, and what is
 * documented it answers (support/openapi_check.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/api_keys.h"
#include "support/api_tour.h"
#include "support/api_world.h"
#include "support/npm.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define DOCUMENT "src/web/openapi.json"
#define VALIDATOR "@seriousme/openapi-schema-validator"
#define BULK "/api/email/bulk-send"
#define STATUS "/api/email/status/"
#define RESEND "/api/email/resend/"
#define OTHER(KEY)                                                                                    \
	"{\"to\":\"bob@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\",\"idempotencyKey\":\"" KEY \
	"\"}"

/* --- the document ------------------------------------------------------------------------------------------ */

struct operation {
	char method[8]; /* "GET" */
	char path[128]; /* with "k" for the key */
	bool is_post;
	const char *scope; /* NULL: for everybody */
};

#define MAX_OPERATIONS 64

struct document {
	cJSON *json;
	struct operation operations[MAX_OPERATIONS];
	size_t n;
};

static void read_operation(struct document *d, const char *path, const cJSON *item)
{
	struct operation *o = &d->operations[d->n++];
	const char *key = strchr(path, '{');
	const cJSON *security = cJSON_GetObjectItem(item, "security"), *first;

	assert_true(d->n <= MAX_OPERATIONS);
	snprintf(o->method, sizeof(o->method), "%s", item->string);
	for (char *c = o->method; *c != '\0'; c++)
		*c = (char)(*c - 'a' + 'A');
	snprintf(o->path, sizeof(o->path), "%.*s%s", (int)(key ? key - path : (int)strlen(path)),
	         path, key ? "k" : "");
	if (strcmp(path, "/api/live") == 0) /* which would never end */
		snprintf(o->path, sizeof(o->path), "%s?events=1", path);
	o->is_post = strcmp(o->method, "POST") == 0;
	assert_true(cJSON_IsArray(security));
	first = cJSON_GetArrayItem(security, 0);
	if (first != NULL)
		o->scope = cJSON_GetArrayItem(first->child, 0)->valuestring;
}

static void read_document(struct document *d)
{
	char *text = tmpdir_read(DOCUMENT, NULL);
	const cJSON *path, *item;

	memset(d, 0, sizeof(*d));
	d->json = cJSON_Parse(text);
	assert_non_null(d->json);
	cJSON_ArrayForEach(path, cJSON_GetObjectItem(d->json, "paths"))
	{
		cJSON_ArrayForEach(item, path) read_operation(d, path->string, item);
	}
	assert_true(d->n > 0);
	free(text);
}

static char *validator; /* a program; NULL: it cannot be had */

/* By a validator that we did not write. */
static void test_it_is_valid(void **state)
{
	char *out;
	int code;

	(void)state;
	if (validator == NULL)
		skip();
	code = process_run((const char *const[]){"node", validator, DOCUMENT, NULL}, NULL, NULL,
	                   &out, NULL);
	if (code != 0 || strstr(out, "\"valid\": true") == NULL)
		fail_msg("%s", out);
	free(out);
}

/* What it says of a mail are the members that a job has, and no others. */
static void test_the_fields_of_a_mail(void **state)
{
	char *source = tmpdir_read("src/mail/job_fields.c", NULL),
	     *at = strstr(source, "} fields[]");
	const cJSON *fields;
	struct document d;
	int n = 0;

	(void)state;
	read_document(&d);
	fields = cJSON_GetObjectItem(d.json, "components");
	for (size_t i = 0; i < 3; i++)
		fields = cJSON_GetObjectItem(
			fields, ((const char *const[]){"schemas", "Mail", "properties"})[i]);
	assert_non_null(fields);
	for (; at != NULL && (at = strstr(at, "{\"")) != NULL; n++) {
		at[2 + strcspn(at + 2, "\"")] = '\0';
		if (!cJSON_HasObjectItem(fields, at + 2))
			fail_msg("%s is not documented", at + 2);
		at += strlen(at) + 1;
	}
	assert_int_equal(n, cJSON_GetArraySize(fields));
	cJSON_Delete(d.json);
	free(source);
}

/* --- what every route may answer --------------------------------------------------------------------------- */

static void ask_raw(const struct api_process *a, const struct operation *o, const char *head,
                    const char *body, const char *line)
{
	char *text, *answer;

	assert_true(asprintf(&text, "%s %s HTTP/1.1\r\n%s\r\n\r\n%s", o->method, o->path, head,
	                     body) > 0);
	answer = api_raw(a, text);
	if (strncmp(answer, line, strlen(line)) != 0)
		fail_msg("answered %.300s, not %s, to %.300s", answer, line, text);
	free(text);
	free(answer);
}

/* What is wrong before any route sees it. */
static void ask_badly(const struct api_process *a, const struct operation *o)
{
	static const char *const json[] = {"Content-Type: text/plain", NULL};
	char *filler = calloc(1, 17500);

	ask_raw(a, o, "Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2", "{}",
	        "HTTP/1.1 400 ");
	ask_raw(a, o, "Host: localhost\r\nContent-Length: 999999999", "", "HTTP/1.1 413 ");
	ask_raw(a, o, "Host: evil.example\r\nConnection: close", "", "HTTP/1.1 421 ");
	snprintf(filler, 17500, "Host: localhost\r\nX-Long: %017000d", 0);
	ask_raw(a, o, filler, "", "HTTP/1.1 431 ");
	free(filler);
	if (o->is_post) {
		struct answer *r = api_call(a, o->method, o->path, "{}", json);

		answer_status(r, 415);
		answer_free(r);
	}
}

struct slow {
	const struct api_process *api;
	const struct operation *operation;
};

/* Who is too slow with the head, too, is hung up on without an answer, and tries again. */
static bool is_told_of_its_time(void *data)
{
	const struct slow *s = data;
	char *text, *answer;
	bool told;

	assert_true(asprintf(&text,
	                     "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
	                     "application/json\r\nContent-Length: 10\r\n\r\n{",
	                     s->operation->method, s->operation->path) > 0);
	answer = api_raw(s->api, text);
	told = strncmp(answer, "HTTP/1.1 408 ", 13) == 0;
	if (!told && answer[0] != '\0')
		fail_msg("answered %.300s, not 408, to %.300s", answer, text);
	free(text);
	free(answer);
	return told;
}

static void ask_slowly(const struct api_process *a, const struct operation *o)
{
	wait_until(is_told_of_its_time, (&(struct slow){a, o}), 0);
}

static void ask_what_is_not_there(struct api_world *w)
{
	char *raw;

	api_expect(&w->api, 404, "GET", "/nothing", NULL);
	api_expect(&w->api, 405, "PUT", "/livez", NULL);
	api_expect(&w->api, 405, "GET", API_SEND, NULL);
	api_expect(&w->api, 204, "OPTIONS", API_SEND, NULL);
	api_expect(&w->api, 204, "OPTIONS", "/", NULL);
	api_expect(&w->api, 200, "HEAD", "/providers/stats", NULL);
	raw = api_raw(&w->api, "GET /nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n");
	assert_int_equal(strncmp(raw, "HTTP/1.1 421 ", 13), 0);
	free(raw);
}

static void every_route(struct api_world *w, const struct document *d)
{
	struct api_process slow = api_start(w->fleet,
	                                    (const char *const[]){"API_TIMEOUT=300", NULL});

	for (size_t i = 0; i < d->n; i++) {
		ask_badly(&w->api, &d->operations[i]);
		ask_slowly(&slow, &d->operations[i]);
	}
	fleet_end(w->fleet, slow.process);
	ask_what_is_not_there(w);
}

/* --- who may ----------------------------------------------------------------------------------------------- */

static const struct api_key keys[] = {{"send", "send", "key-send"},
                                      {"read", "read", "key-read"},
                                      {"admin", "admin", "key-admin"}};

static int status_as(const struct api_process *a, const struct operation *o, const char *header)
{
	struct answer *r = api_call(a, o->method, o->path, o->is_post ? "{}" : NULL,
	                            (const char *const[]){"Content-Type: application/json",
	                                                  "X-Postrider: test", header, NULL});
	int status = r->status;

	answer_free(r);
	return status;
}

static bool is_refused(int status)
{
	return status == 401 || status == 403;
}

/* The scope that the document names lets in, and no other but admin. */
static void ask_as(const struct api_process *a, const struct operation *o)
{
	assert_int_equal(status_as(a, o, NULL) == 401, o->scope != NULL);
	for (size_t i = 0; i < 3; i++) {
		bool may = o->scope == NULL || strcmp(o->scope, keys[i].scopes) == 0 || i == 2;
		char key[64], bearer[64];

		snprintf(key, sizeof(key), "X-API-Key: key-%s", keys[i].scopes);
		snprintf(bearer, sizeof(bearer), "Authorization: Bearer key-%s", keys[i].scopes);
		if (is_refused(status_as(a, o, key)) == may)
			fail_msg("%s %s with the scope %s", o->method, o->path, keys[i].scopes);
		assert_int_equal(is_refused(status_as(a, o, bearer)), !may);
	}
}

static void who_may(struct api_world *w, const struct document *d)
{
	char setting[512], *path = api_keys_file(keys, 3);
	struct api_process api;

	snprintf(setting, sizeof(setting), "API_KEYS_FILE=%s", path);
	api = api_start(w->fleet, (const char *const[]){setting, NULL});
	redis_server_do(fleet_redis(w->fleet), "DEL mail:limit:client:sign-in:ip:127.0.0.1");
	for (size_t i = 0; i < d->n; i++)
		ask_as(&api, &d->operations[i]);
	api_tour_sign_in(&api, "key-read");
	fleet_end(w->fleet, api.process);
	free(path);
}

/* --- mails ------------------------------------------------------------------------------------------------- */

static int post_waiting(const struct api_process *a, const char *path, const char *body,
                        const char *prefer)
{
	struct answer *r = api_post(a, path, body, (const char *const[]){prefer, NULL});
	int status = r->status;

	answer_free(r);
	return status;
}

static void take_in(struct api_world *w)
{
	const struct api_process *a = &w->api;

	api_expect(a, 202, "POST", API_SEND, API_MAIL("one"));
	api_expect(a, 200, "POST", API_SEND, API_MAIL("one"));
	assert_int_equal(post_waiting(a, API_SEND, API_MAIL("one"), "Prefer: wait=1"), 202);
	api_expect(a, 409, "POST", API_SEND, OTHER("one"));
	api_expect(a, 400, "POST", API_SEND, "{}");
	api_expect(a, 400, "POST", API_SEND, "{");
	api_expect(a, 200, "POST", BULK, "{\"emails\":[" API_MAIL("two") "]}");
	api_expect(a, 207, "POST", BULK, "{\"emails\":[" API_MAIL("two") "," OTHER("one") ",{}]}");
	api_expect(a, 400, "POST", BULK, "{}");
	api_expect(a, 200, "GET", STATUS "one", NULL);
	api_expect(a, 200, "HEAD", STATUS "one", NULL);
	api_expect(a, 404, "GET", STATUS "nobody", NULL);
	api_expect(a, 200, "GET", "/api/email/queue/status", NULL);
	api_expect(a, 200, "DELETE", "/api/email/two", NULL);
	api_expect(a, 404, "DELETE", "/api/email/nobody", NULL);
	api_expect(a, 409, "POST", RESEND "one", "{}");
	api_expect(a, 404, "POST", RESEND "nobody", "{}");
}

/* One that is sent, one that fails, and both again. */
static void settle(struct api_world *w)
{
	const struct api_process *a = &w->api;
	struct process *worker = fleet_worker_ready(
		w->fleet,
		(const char *const[]){"PROVIDER_SECONDARY=mock://?success=0&fail=rejected:1",
	                              "PROVIDERS=primary,secondary", "KEEP_SENT=100", NULL});
	static const char failing[] =
		"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"H\","
		"\"provider\":\"secondary\",\"idempotencyKey\":\"bad\"}";

	fleet_wait_status(w->fleet, "one", "sent");
	fleet_wait_settled(w->fleet, NULL);
	api_expect(a, 200, "GET", STATUS "one", NULL);
	api_expect(a, 409, "DELETE", "/api/email/one", NULL);
	api_expect(a, 400, "POST", RESEND "one", "{}");
	assert_int_equal(post_waiting(a, API_SEND, API_MAIL("three"), "Prefer: wait=30"), 200);
	assert_int_equal(post_waiting(a, API_SEND, failing, "Prefer: wait=30"), 200);
	fleet_wait_settled(w->fleet, NULL);
	assert_int_equal(post_waiting(a, RESEND "three", "{\"force\":true}", "Prefer: wait=30"),
	                 200);
	fleet_end(w->fleet, worker);
	api_expect(a, 200, "GET", STATUS "bad", NULL);
	assert_int_equal(post_waiting(a, RESEND "bad", "{}", "Prefer: wait=1"), 202);
	redis_server_do(fleet_redis(w->fleet),
	                "HSET mail:status:gone status failed owner nobody#1");
	api_expect(a, 410, "POST", RESEND "gone", "{}");
	/* fields that are there only sometimes */
	redis_server_do(
		fleet_redis(w->fleet),
		"HSET mail:status:odd status retrying next_attempt_at 1800000000000 recipients "
		"x:sent late:1 %s attempt:1 %s",
		"primary late 250 1ms ok", "primary retry");
	api_expect(a, 200, "GET", STATUS "odd", NULL);
}

/* --- the fleet --------------------------------------------------------------------------------------------- */

static void look(struct api_world *w, const struct api_process *a)
{
	char etag[128], *value;
	struct answer *r;

	(void)w;
	for (size_t i = 0; i < 2; i++) {
		static const char *const kinds[] = {"Accept: */*", "Accept: application/json"};

		r = api_call(a, "GET", "/metrics", NULL, (const char *const[]){kinds[i], NULL});
		answer_status(r, 200);
		answer_free(r);
	}
	r = api_get(a, "/openapi.json");
	answer_status(r, 200);
	value = answer_header(r, "ETag");
	snprintf(etag, sizeof(etag), "If-None-Match: %s", value);
	free(value);
	answer_free(r);
	r = api_call(a, "GET", "/openapi.json", NULL, (const char *const[]){etag, NULL});
	answer_status(r, 304);
	answer_free(r);
	api_expect(a, 200, "GET", "/", NULL);
	api_expect(a, 200, "GET", "/livez", NULL);
	api_expect(a, 200, "GET", "/readyz", NULL);
	api_expect(a, 200, "GET", "/providers/stats", NULL);
	api_expect(a, 200, "GET", "/circuit-breakers", NULL);
	api_expect(a, 200, "POST", "/circuit-breakers/reset", "{\"provider\":\"primary\"}");
	api_expect(a, 200, "POST", "/circuit-breakers/reset", "");
	api_expect(a, 404, "POST", "/circuit-breakers/reset", "{\"provider\":\"nobody\"}");
	api_expect(a, 400, "POST", "/circuit-breakers/reset", "{\"provider\":1}");
}

static bool is_healthy(void *data)
{
	struct answer *r = api_get(data, "/health");
	bool healthy = r->status == 200;

	answer_free(r);
	return healthy;
}

static void is_all_well(struct api_world *w)
{
	struct process *worker;

	for (size_t i = 0; i < 2; i++) { /* no worker is alive */
		struct answer *r = api_get(&w->api, i ? "/health/detailed" : "/health");

		answer_status(r, 503);
		answer_is(r, "status", "unhealthy");
		answer_free(r);
	}
	worker = fleet_worker_ready(w->fleet, NULL);
	wait_until(is_healthy, &w->api, 0);
	api_expect(&w->api, 200, "GET", "/health/detailed", NULL);
	fleet_end(w->fleet, worker);
}

static bool has_bucket(void *data)
{
	struct answer *r = api_get(data, "/providers/stats");
	bool has = !cJSON_IsNull(answer_at(r, "providers.0.bucket"));

	answer_free(r);
	return has;
}

/* A provider whose rate a worker has told of. */
static void look_at_bucket(struct api_world *w)
{
	struct process *worker = fleet_worker_ready(
		w->fleet, (const char *const[]){"PROVIDER_PRIMARY=mock://?rate=50/s", NULL});

	fleet_push(w->fleet, "bucket", "");
	wait_until(has_bucket, &w->api, 0);
	fleet_end(w->fleet, worker);
}

/* --- limits, and Redis ------------------------------------------------------------------------------------- */

static void too_many(struct api_world *w)
{
	struct api_process a = api_start(w->fleet,
	                                 (const char *const[]){"RATE_LIMIT_MAX_REQUESTS=12",
	                                                       "RATE_LIMIT_WINDOW=3600000", NULL});
	struct redis_server *redis = fleet_redis(w->fleet);
	struct process *worker;

	redis_server_do(redis, "SET mail:status:wrong x");
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("l1"));
	api_expect(&a, 200, "POST", API_SEND, API_MAIL("l1"));
	api_expect(&a, 409, "POST", API_SEND, OTHER("l1"));
	api_expect(&a, 500, "POST", API_SEND, API_MAIL("wrong"));
	api_expect(&a, 200, "POST", BULK, "{\"emails\":[" API_MAIL("l2") "]}");
	api_expect(&a, 207, "POST", BULK, "{\"emails\":[" OTHER("l1") "]}");
	assert_int_equal(post_waiting(&a, RESEND "three", "{\"force\":true}", ""), 202);
	worker = fleet_worker_ready(w->fleet, NULL);
	assert_int_equal(post_waiting(&a, RESEND "three", "{\"force\":true}", "Prefer: wait=30"),
	                 200);
	fleet_end(w->fleet, worker);
	for (int i = 0; i < 12; i++) {
		struct answer *r = api_post(&a, API_SEND, OTHER("l1"), NULL);

		assert_true(r->status == 409 || r->status == 429);
		answer_free(r);
	}
	api_expect(&a, 429, "POST", API_SEND, API_MAIL("l3"));
	api_expect(&a, 429, "POST", BULK, "{\"emails\":[" API_MAIL("l3") "]}");
	api_expect(&a, 429, "POST", RESEND "three", "{\"force\":true}");
	fleet_end(w->fleet, a.process);
}

/* Keys of a wrong type. */
static void redis_errors(struct api_world *w)
{
	struct redis_server *redis = fleet_redis(w->fleet);
	const struct api_process *a = &w->api;

	redis_server_do(redis, "FLUSHALL");
	redis_server_do(redis, "SET mail:status:wrong x");
	api_expect(a, 500, "POST", API_SEND, API_MAIL("wrong"));
	api_expect(a, 500, "POST", BULK, "{\"emails\":[" API_MAIL("wrong") "]}");
	api_expect(a, 500, "GET", STATUS "wrong", NULL);
	api_expect(a, 500, "DELETE", "/api/email/wrong", NULL);
	api_expect(a, 500, "POST", RESEND "wrong", "{}");
	redis_server_do(redis, "SET mail:queue x");
	api_expect(a, 200, "GET", "/api/email/queue/status", NULL);
	redis_server_do(redis, "SET mail:workers x");
	redis_server_do(redis, "SET mail:provider:primary x");
	api_expect(a, 500, "GET", "/api/email/queue/status", NULL);
	api_expect(a, 500, "GET", "/providers/stats", NULL);
	api_expect(a, 500, "GET", "/circuit-breakers", NULL);
	api_expect(a, 500, "POST", "/circuit-breakers/reset", "{}");
	api_tour_errors(w);
	redis_server_do(redis, "FLUSHALL");
}

/* Redis is away: those that need it say so. */
static void redis_away(const struct document *d)
{
	struct redis_server *redis = redis_server_prepare(false, NULL);
	struct fleet *f = fleet_around(redis);
	struct api_process api;

	fleet_mock(f, "PRIMARY", "latency=0");
	fleet_set(f, "COMMAND_TIMEOUT=100");
	api = api_start_alone(f, NULL);
	for (size_t i = 0; i < d->n; i++) {
		const struct operation *o = &d->operations[i];
		const char *body = strcmp(o->path, API_SEND) == 0 ? API_MAIL("k")
		                   : strcmp(o->path, BULK) == 0 ? "{\"emails\":[" API_MAIL("k") "]}"
		                                                : API_TOUR_BODY;
		struct answer *r = api_call(&api, o->method, o->path, o->is_post ? body : NULL,
		                            (const char *const[]){"Content-Type: application/json",
		                                                  "X-Postrider: test", NULL});

		assert_true(r->status == 503 || r->status == 200 || strcmp(o->path, "/web/k") == 0);
		answer_free(r);
	}
	fleet_free(f);
	redis_server_free(redis);
}

/* The limiter lets it pass, but then there are too few replicas. */
static void no_replicas(struct api_world *w)
{
	struct api_process a = api_start(
		w->fleet, (const char *const[]){"RATE_LIMIT_MAX_REQUESTS=12", "ACK_REPLICAS=1",
	                                        "COMMAND_TIMEOUT=1000", NULL});

	api_expect(&a, 503, "POST", API_SEND, API_MAIL("alone"));
	fleet_end(w->fleet, a.process);
}

/* --- all of it --------------------------------------------------------------------------------------------- */

static void test_answers_are_as_documented(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *record = tmpdir_name("record"), *out, *err;
	struct document d;
	int code;

	read_document(&d);
	api_record(record);
	take_in(w);
	is_all_well(w);
	settle(w);
	look(w, &w->api);
	look_at_bucket(w);
	api_tour(w);
	too_many(w);
	every_route(w, &d);
	who_may(w, &d);
	redis_errors(w);
	no_replicas(w);
	redis_away(&d);
	api_record(NULL);
	code = process_run((const char *const[]){"python3", "tests/support/openapi_check.py",
	                                         DOCUMENT, record, NULL},
	                   NULL, NULL, &out, &err);
	print_message("%s", out);
	if (code != 0)
		fail_msg("the document and the server disagree. %s", err);
	free(out);
	free(err);
	free(record);
	cJSON_Delete(d.json);
}

static int setup(void **state)
{
	/* before the fleet: npm may need what it keeps out of the environment */
	validator = npm_install(VALIDATOR "@2.11.0", VALIDATOR "/bin/validate-api-cli.js");
	return api_world_setup(state, NULL);
}

static int teardown(void **state)
{
	free(validator);
	return api_world_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_valid),
		cmocka_unit_test(test_the_fields_of_a_mail),
		cmocka_unit_test(test_answers_are_as_documented),
	};
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, teardown);
}

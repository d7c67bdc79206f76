/* The HTTP API: taking mail in, telling what became of it. */
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

#define MANY 50
#define BULK "/api/email/bulk-send"
#define KEYLESS "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\"}"

static int setup(void **state)
{
	return api_world_setup(state, NULL);
}

static long long depth(const struct api_world *w)
{
	return redis_server_int(fleet_redis(w->fleet), "LLEN " FLEET_QUEUE);
}

/* --- taking one ---------------------------------------------------------------------------------------------- */

static void test_a_mail_is_taken(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r = api_post(&w->api, API_SEND, API_MAIL("a b/1"), NULL);
	char *payload, *type = answer_header(r, "Content-Type");

	answer_status(r, 202);
	assert_string_equal(type, "application/json");
	answer_is(r, "success", "true");
	answer_is(r, "status", "queued");
	answer_is(r, "jobId", "a b/1");
	answer_is(r, "idempotencyKey", "a b/1");
	answer_is(r, "statusUrl", "/api/email/status/a%20b%2F1");
	assert_true(cJSON_IsString(answer_at(r, "timestamp")));
	/* the very one that receivers will see: MAIL_FROM's domain */
	assert_non_null(strstr(answer_at(r, "messageId")->valuestring, "@example.com>"));
	answer_free(r);
	free(type);
	payload = redis_server_text(fleet_redis(w->fleet), "LINDEX " FLEET_QUEUE " 0");
	assert_string_equal(payload, API_MAIL("a b/1"));
	free(payload);
	fleet_expect(w->fleet, "a-b", "status", "");
	r = api_get(&w->api, "/api/email/status/a%20b%2F1");
	answer_status(r, 200);
	answer_is(r, "found", "true");
	answer_is(r, "status", "queued");
	answer_is(r, "attempts", "0");
	answer_is(r, "provider", "null");
	answer_free(r);
}

static void expect_key(const struct api_world *w, const char *header, const char *body,
                       const char *key)
{
	struct answer *r = api_post(&w->api, API_SEND, body, (const char *const[]){header, NULL});
	char *payload;

	answer_status(r, 202);
	answer_is(r, "idempotencyKey", key);
	answer_free(r);
	payload = redis_server_text(fleet_redis(w->fleet), "LINDEX " FLEET_QUEUE " 0");
	cJSON *json = cJSON_Parse(payload);
	assert_non_null(json);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "idempotencyKey")), key);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "subject")), "Hi");
	cJSON_Delete(json);
	free(payload);
}

static void test_the_key_may_come_in_the_head(void **state)
{
	struct api_world *w = api_world_begin(state);

	expect_key(w, "Idempotency-Key: one", KEYLESS, "one");
	expect_key(w, "Idempotency-Key: \"two\"", KEYLESS, "two");
	expect_key(w, "X-Idempotency-Key: three", KEYLESS, "three");
	expect_key(w, "Idempotency-Key: say \"4\"", KEYLESS, "say \"4\"");
	expect_key(
		w, "Idempotency-Key: five",
		"{\"idempotencyKey\":null,\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"H\"}",
		"five");
	expect_key(w, "Idempotency-Key: six", API_MAIL("six"), "six");
	struct answer *r = api_post(&w->api, API_SEND, API_MAIL("b"),
	                            (const char *const[]){"Idempotency-Key: a", NULL});
	answer_status(r, 400);
	answer_free(r);
}

static void test_priority_chooses_the_queue(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process api = api_start(
		w->fleet,
		(const char *const[]){"QUEUES=mail:queue:high,mail:queue,mail:queue:low", NULL});

	for (int priority = 0; priority <= 10; priority++) {
		char body[256];

		snprintf(body, sizeof(body),
		         "{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\",\"priority\":%d,"
		         "\"idempotencyKey\":\"p%d\"}",
		         priority, priority);
		struct answer *r = api_post(&api, API_SEND, body, NULL);
		answer_status(r, 202);
		answer_free(r);
	}
	assert_int_equal(redis_server_int(fleet_redis(w->fleet), "LLEN mail:queue:high"), 4);
	assert_int_equal(redis_server_int(fleet_redis(w->fleet), "LLEN mail:queue:low"), 4);
	assert_int_equal(depth(w), 3);
	fleet_end(w->fleet, api.process);
}

/* --- validation ------------------------------------------------------------------------------------------------ */

struct fault_case {
	const char *body, *details; /* the latter joined by | */
};

static void expect_details(const struct api_world *w, const struct fault_case *c)
{
	struct answer *r = api_post(&w->api, API_SEND, c->body, NULL);
	const cJSON *one;
	char all[4096] = "";

	answer_status(r, 400);
	answer_is(r, "error", "Validation Error");
	cJSON_ArrayForEach(one, answer_at(r, "details"))
	{
		size_t n = strlen(all);

		snprintf(all + n, sizeof(all) - n, "%s%s", n > 0 ? "|" : "", one->valuestring);
	}
	assert_string_equal(all, c->details);
	answer_free(r);
}

#define WITH(FIELDS)                                                                               \
	"{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"k\"," FIELDS "}"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void test_all_faults_are_told_at_once(void **state)
{
	static const struct fault_case cases[] = {
		{"{}",
	         "Field \"to\" is required|Field \"subject\" is required|Field \"body\" is required|"
	         "Field \"idempotencyKey\" is required"},
		{"{\"to\":\"nobody\",\"subject\":\"s\",\"html\":\"<p>\",\"idempotencyKey\":\"\"}",
	         "Field \"to\" must be a valid email address|"
	         "Field \"idempotencyKey\" must be between 1 and 100 characters"},
		{"{\"to\":\"a@x.org\",\"text\":\"t\",\"subject\":\"" HUNDRED HUNDRED
	         "\",\"idempotencyKey\":\"" HUNDRED "x\"}",
	         "Field \"subject\" must be less than 200 characters|"
	         "Field \"idempotencyKey\" must be between 1 and 100 characters"},
		{WITH("\"priority\":11"), "Field \"priority\" must be a number between 0 and 10"},
		{WITH("\"priority\":\"high\""),
	         "Field \"priority\" must be a number between 0 and 10"},
		{WITH("\"delay\":300001"),
	         "Field \"delay\" must be a number between 0 and 300000 (5 minutes)"},
		{WITH("\"delay\":-1"),
	         "Field \"delay\" must be a number between 0 and 300000 (5 minutes)"},
		{WITH("\"delay\":\"1\""),
	         "Field \"delay\" must be a number between 0 and 300000 (5 minutes)"},
		{"{\"to\":\"a@x.org\\nBcc: b@x.org\",\"subject\":\"a\\r\\nb\",\"body\":\"b\",\"idempotencyKey\":\"k\"}",
	         "Field \"to\" must not contain control characters|"
	         "Field \"subject\" must not contain control characters"},
		{"{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"\",\"idempotencyKey\":\"k\"}",
	         "Field \"body\" is required"},
		{"{\"subject\":\"s\",\"text\":\"\",\"html\":\"\",\"idempotencyKey\":\"k\"}",
	         "Field \"to\" is required|Field \"body\" is required"},
	};
	struct api_world *w = api_world_begin(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_details(w, &cases[i]);
	assert_int_equal(depth(w), 0);
	assert_int_equal(redis_server_int(fleet_redis(w->fleet), "DBSIZE"), 0);
}

/* Where the API knows the providers, it refuses what a mail's own one cannot carry. */
static void test_a_provider_that_cannot_carry_it(void **state)
{
	static const struct fault_case two_tags = {
		WITH("\"provider\":\"mark\",\"tags\":[\"one\",\"two\"]"),
		"Field \"provider\" names mark, which cannot carry this mail: Postmark takes one tag"};
	static const char *const known[] = {"PROVIDERS=mark",
	                                    "PROVIDER_MARK=postmark://TOKEN@default", NULL};
	struct api_world *w = api_world_begin(state), knows = *w;

	knows.api = api_start(w->fleet, known);
	expect_details(&knows, &two_tags);
	api_expect(&knows.api, 202, "POST", API_SEND,
	           WITH("\"provider\":\"mark\",\"tags\":[\"one\"]"));
	fleet_stop(w->fleet, knows.api.process);
	redis_server_do(fleet_redis(w->fleet), "FLUSHALL");
	api_expect(&w->api, 202, "POST", API_SEND, two_tags.body);
}

static void test_the_limits_are_inclusive(void **state)
{
	struct api_world *w = api_world_begin(state);

	api_expect(&w->api, 202, "POST", API_SEND,
	           "{\"to\":\"a@x.org\",\"subject\":\"" HUNDRED "\xc3\xa4" TEN
	           "\",\"body\":\"b\",\"idempotencyKey\":\"" HUNDRED
	           "\",\"delay\":300000,\"priority\":10}");
	api_expect(&w->api, 202, "POST", API_SEND, WITH("\"delay\":0,\"priority\":0"));
}

static void test_broken_json_names_the_position(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r = api_post(&w->api, API_SEND, "{\"to\":\"a@x.org\",}", NULL);

	answer_status(r, 400);
	assert_non_null(strstr(answer_at(r, "message")->valuestring, "at byte 16"));
	answer_free(r);
	api_expect(&w->api, 400, "POST", API_SEND, "");
	api_expect(&w->api, 400, "POST", API_SEND, "[]");
	api_expect(&w->api, 400, "POST", API_SEND, "{\"to\":\"a\",\"to\":\"b\"}");
	api_expect(&w->api, 400, "POST", BULK, "{\"emails\":[{]}");
	assert_int_equal(depth(w), 0);
}

/* --- the same key ---------------------------------------------------------------------------------------------- */

static void test_a_repeat_is_a_replay(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct answer *r;
	char *replayed;
	struct tally *t;

	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("r"));
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, "r", "sent");
	r = api_post(&w->api, API_SEND, API_MAIL("r"), NULL);
	answer_status(r, 200);
	replayed = answer_header(r, "Idempotent-Replayed");
	assert_string_equal(replayed, "true");
	free(replayed);
	answer_is(r, "success", "true");
	answer_is(r, "status", "sent");
	answer_is(r, "provider", "primary");
	answer_is(r, "attempts", "1");
	answer_free(r);
	assert_int_equal(depth(w), 0);
	r = api_post(
		&w->api, API_SEND,
		"{\"to\":\"ada@example.com\",\"subject\":\"Other\",\"body\":\"Hello\",\"idempotencyKey\":\"r\"}",
		NULL);
	answer_status(r, 409);
	answer_is(r, "error", "Conflict");
	answer_free(r);
	r = api_get(&w->api, "/api/email/status/r");
	answer_is(r, "status", "sent");
	answer_is(r, "timeline.0.attempt", "1");
	answer_is(r, "timeline.0.provider", "primary");
	answer_is(r, "timeline.0.outcome", "sent");
	assert_true(cJSON_IsString(answer_at(r, "messageId")));
	answer_free(r);
	t = tally_of_record(w->record);
	assert_int_equal(tally_copies(t, "r"), 1);
	tally_free(t);
	fleet_stop(w->fleet, worker);
	fleet_end(w->fleet, worker);
}

/* What a crash between the two steps leaves: a status, and nothing in the list. */
static void test_a_repeat_pushes_what_was_not_pushed(void **state)
{
	struct api_world *w = api_world_begin(state);

	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("c"));
	redis_server_do(fleet_redis(w->fleet), "DEL " FLEET_QUEUE);
	process_kill(w->api.process);
	fleet_end(w->fleet, w->api.process);
	w->api = api_start(w->fleet, NULL);
	api_expect(&w->api, 200, "POST", API_SEND, API_MAIL("c"));
	assert_int_equal(depth(w), 1);
	/* The push is refused: no 202, and the repeat goes through. */
	redis_server_do(fleet_redis(w->fleet), "DEL " FLEET_QUEUE);
	redis_server_do(fleet_redis(w->fleet), "SET " FLEET_QUEUE " x");
	api_expect(&w->api, 500, "POST", API_SEND, API_MAIL("d"));
	redis_server_do(fleet_redis(w->fleet), "DEL " FLEET_QUEUE);
	api_expect(&w->api, 200, "POST", API_SEND, API_MAIL("d"));
	assert_int_equal(depth(w), 1);
}

/* FAULTS 38, through two processes. */
static void test_fifty_at_once_are_one_mail(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process other = api_start(w->fleet, NULL);
	struct process *worker = fleet_worker_ready(w->fleet, NULL);
	struct answer *answers[MANY];
	char *job = fleet_job("same", "");
	size_t taken = 0;
	struct tally *t;

	api_post_at_once(&w->api, &other, API_SEND, job, MANY, answers);
	for (size_t i = 0; i < MANY; i++) {
		taken += answers[i]->status == 202;
		if (answers[i]->status != 202)
			answer_status(answers[i], 200);
		answer_free(answers[i]);
	}
	assert_int_equal(taken, 1);
	fleet_wait_status(w->fleet, "same", "sent");
	fleet_wait_settled(w->fleet, NULL);
	t = tally_of_record(w->record);
	assert_int_equal(tally_copies(t, "same"), 1);
	tally_free(t);
	free(job);
	fleet_stop(w->fleet, worker);
	fleet_end(w->fleet, worker);
	fleet_end(w->fleet, other.process);
}

/* --- many ------------------------------------------------------------------------------------------------------- */

static void test_bulk(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r = api_post(&w->api, BULK,
	                            "{\"emails\":[" API_MAIL("b1") "," API_MAIL("b2") "]}", NULL);

	answer_status(r, 200);
	answer_is(r, "success", "true");
	answer_is(r, "processed", "2");
	answer_is(r, "failed", "0");
	answer_is(r, "results.1.index", "1");
	answer_is(r, "results.1.idempotencyKey", "b2");
	answer_is(r, "results.1.result.status", "queued");
	answer_is(r, "errors", "[]");
	answer_free(r);
	assert_int_equal(depth(w), 2);
	r = api_post(
		&w->api, BULK,
		"{\"emails\":[" API_MAIL(
			"b3") ",{\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"b4\"},7,"
			      "{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"b1\"}]}",
		NULL);
	answer_status(r, 207);
	answer_is(r, "success", "false");
	answer_is(r, "processed", "1");
	answer_is(r, "failed", "3");
	answer_is(r, "errors.0.index", "1");
	answer_is(r, "errors.0.error", "Field \"to\" is required");
	answer_is(r, "errors.1.index", "2");
	answer_is(r, "errors.2.idempotencyKey", "b1");
	answer_is(r, "errors.2.error", "The idempotency key belongs to another mail");
	answer_free(r);
	assert_int_equal(depth(w), 3);
}

static void test_bulk_has_bounds(void **state)
{
	static const char *const bad[] = {"{}", "{\"emails\":[]}", "{\"emails\":{}}", "[]"};
	struct api_world *w = api_world_begin(state);
	char body[1024] = "{\"emails\":[0";
	struct answer *r;

	for (size_t i = 0; i < 4; i++) {
		r = api_post(&w->api, BULK, bad[i], NULL);
		answer_status(r, 400);
		answer_is(r, "error", "Validation Error");
		answer_is(r, "details.0", "Field \"emails\" must be a non-empty array");
		answer_free(r);
	}
	for (size_t i = 0; i < 100; i++)
		strncat(body, ",0", sizeof(body) - strlen(body) - 1);
	strncat(body, "]}", sizeof(body) - strlen(body) - 1);
	r = api_post(&w->api, BULK, body, NULL);
	answer_status(r, 400);
	answer_is(r, "details.0", "Maximum 100 emails allowed per bulk request");
	answer_free(r);
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

static void test_what_is_not_there(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r = api_get(&w->api, "/api/email/status/nobody");
	char *allow;

	answer_status(r, 404);
	answer_is(r, "error", "Not Found");
	answer_is(r, "message", "Email not found");
	answer_free(r);
	api_expect(&w->api, 404, "GET", "/nothing", NULL);
	api_expect(&w->api, 404, "GET", "/api/email/status/", NULL);
	api_expect(&w->api, 404, "GET", "/api/email/status/a/b", NULL);
	api_expect(&w->api, 404, "GET", "/api/email/status/%00", NULL);
	api_expect(&w->api, 404, "GET", "/api/email/status/%zz", NULL);
	api_expect(&w->api, 404, "GET", "/../../etc/passwd", NULL);
	api_expect(&w->api, 404, "GET", "/api/email/status/../../../readyz", NULL);
	r = api_call(&w->api, "PUT", "/api/email/send", "{}", NULL);
	answer_status(r, 405);
	allow = answer_header(r, "Allow");
	assert_string_equal(allow, "POST, DELETE"); /* of a mail that is called send */
	free(allow);
	answer_free(r);
	r = api_call(&w->api, "POST", API_SEND, "to=a@x.org",
	             (const char *const[]){"Content-Type: text/plain", NULL});
	answer_status(r, 415);
	answer_free(r);
	r = api_call(&w->api, "HEAD", "/livez", NULL, NULL);
	answer_status(r, 200);
	assert_string_equal(r->body, "");
	answer_free(r);
}

static void test_the_front_page(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *r = api_get(&w->api, "/");

	answer_status(r, 200);
	answer_is(r, "service", "postrider");
	answer_is(r, "status", "running");
	answer_is(r, "endpoints.0", "POST /api/email/send");
	answer_free(r);
	api_expect(&w->api, 200, "GET", "/livez", NULL);
	api_expect(&w->api, 200, "GET", "/readyz", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mail_is_taken),
		cmocka_unit_test(test_the_key_may_come_in_the_head),
		cmocka_unit_test(test_priority_chooses_the_queue),
		cmocka_unit_test(test_all_faults_are_told_at_once),
		cmocka_unit_test(test_a_provider_that_cannot_carry_it),
		cmocka_unit_test(test_the_limits_are_inclusive),
		cmocka_unit_test(test_broken_json_names_the_position),
		cmocka_unit_test(test_a_repeat_is_a_replay),
		cmocka_unit_test(test_a_repeat_pushes_what_was_not_pushed),
		cmocka_unit_test(test_fifty_at_once_are_one_mail),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_bulk_has_bounds),
		cmocka_unit_test(test_what_is_not_there),
		cmocka_unit_test(test_the_front_page),
	};
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

/* The HTTP API: answers that wait for what becomes of the mail. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/wait.h"

/* accept, push, their commands, and looks at 50 ms to 400 ms, then each an eighth later */
#define MOST_COMMANDS 38

static int setup(void **state)
{
	return api_world_setup(state, NULL);
}

static struct answer *post(const struct api_process *a, const char *body, const char *prefer)
{
	return api_post(a, API_SEND, body, (const char *const[]){prefer, NULL});
}

static void expect_header(const struct answer *r, const char *name, const char *value)
{
	char *got = answer_header(r, name);

	assert_non_null(got);
	assert_string_equal(got, value);
	free(got);
}

static void test_sent(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker = fleet_worker(w->fleet, NULL);
	struct answer *r = post(&w->api, API_MAIL("w1"), "Prefer: wait=30");

	answer_status(r, 200);
	expect_header(r, "Preference-Applied", "wait=30");
	answer_is(r, "success", "true");
	answer_is(r, "status", "sent");
	answer_is(r, "provider", "primary");
	answer_is(r, "attempts", "1");
	answer_is(r, "idempotencyKey", "w1");
	assert_true(cJSON_IsString(answer_at(r, "messageId")));
	assert_true(cJSON_IsString(answer_at(r, "timestamp")));
	assert_null(answer_header(r, "Idempotent-Replayed"));
	answer_free(r);
	/* known already: at once, and a replay */
	r = post(&w->api, API_MAIL("w1"), "Prefer: respond-async, wait=99");
	answer_status(r, 200);
	expect_header(r, "Preference-Applied", "wait=30");
	expect_header(r, "Idempotent-Replayed", "true");
	answer_is(r, "status", "sent");
	answer_free(r);
	/* several fields are one list; what is not legible is as if it were not there */
	r = api_post(&w->api, API_SEND, API_MAIL("w2"),
	             (const char *const[]){"Prefer: handling=lenient", "Prefer: wait=30", NULL});
	answer_status(r, 200);
	answer_is(r, "status", "sent");
	answer_free(r);
	r = post(&w->api, API_MAIL("w3"), "Prefer: wait=soon");
	answer_status(r, 202);
	assert_null(answer_header(r, "Preference-Applied"));
	answer_free(r);
	fleet_end(w->fleet, worker);
}

static void test_failed(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker = fleet_worker(
		w->fleet,
		(const char *const[]){"PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1", NULL});
	struct answer *r = post(&w->api, API_MAIL("f1"), "Prefer: wait=30");

	answer_status(r, 200);
	answer_is(r, "success", "false");
	answer_is(r, "status", "failed");
	assert_non_null(strstr(answer_at(r, "error")->valuestring, "550"));
	answer_free(r);
	fleet_end(w->fleet, worker);
}

/* Posts a mail and waits in vain; how many commands Redis was given meanwhile. */
static long long wait_in_vain(struct api_world *w, const char *body)
{
	struct redis_server *redis = fleet_redis(w->fleet);
	long long before = redis_server_info(redis, "stats", "total_commands_processed");
	struct answer *r = post(&w->api, body, "Prefer: wait=2");
	long long n = redis_server_info(redis, "stats", "total_commands_processed") - before;

	answer_status(r, 202);
	answer_is(r, "status", "queued");
	answer_is(r, "success", "true");
	answer_free(r);
	return n;
}

/* Nobody delivers: after the time the answer is that of any post, and the waiting has cost Redis little. (The API looks at
 * the fleet now and then; on a slow machine that weighs more, and the least of a few counts.) */
static void test_time_is_over(void **state)
{
	static const char *const mails[] = {API_MAIL("t1"), API_MAIL("t2"), API_MAIL("t3"),
	                                    API_MAIL("t4")};
	struct api_world *w = api_world_begin(state);
	long long least = LLONG_MAX;

	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("before"));
	for (size_t i = 0; i < 4 && least > MOST_COMMANDS; i++) {
		long long n = wait_in_vain(w, mails[i]);

		least = n < least ? n : least;
	}
	assert_in_range(least, 8, MOST_COMMANDS);
}

/* A repeat waits for the mail that is under way. */
static void test_repeat_waits(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct answer *answers[20];
	struct process *worker;

	worker = fleet_worker(w->fleet,
	                      (const char *const[]){"PROVIDER_PRIMARY=mock://?latency=300", NULL});
	api_post_at_once_with(&w->api, NULL, API_SEND, API_MAIL("r1"), "Prefer: wait=30", 20,
	                      answers);
	for (size_t i = 0; i < 20; i++) {
		answer_status(answers[i], 200);
		answer_is(answers[i], "status", "sent");
		answer_is(answers[i], "attempts", "1");
		answer_free(answers[i]);
	}
	fleet_expect(w->fleet, "r1", "attempts", "1");
	fleet_end(w->fleet, worker);
}

static bool is_waiting(void *arg)
{
	return redis_server_int(arg, "EXISTS mail:status:d1") == 1;
}

/* At the end nobody is kept waiting. */
static void test_the_end_waits_for_nobody(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process api = api_start(w->fleet, NULL);
	int fd = api_connect(&api);
	char text[512], *said;

	snprintf(text, sizeof(text),
	         "POST " API_SEND
	         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	         "Prefer: wait=30\r\nContent-Length: %zu\r\n\r\n" API_MAIL("d1"),
	         strlen(API_MAIL("d1")));
	api_write(fd, text);
	wait_until(is_waiting, fleet_redis(w->fleet), 0);
	process_signal(api.process, SIGTERM);
	said = api_read_all(fd);
	assert_int_equal(strncmp(said, "HTTP/1.1 202 ", 13), 0);
	assert_non_null(strstr(said, "\"status\":\"queued\""));
	free(said);
	close(fd);
	assert_int_equal(process_wait(api.process, 0), 0);
	fleet_end(w->fleet, api.process);
}

/* The client has hung up before: nothing but its own answer is lost. */
static void test_client_hangs_up(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	int fd = api_connect(&w->api);
	char text[512];

	snprintf(text, sizeof(text),
	         "POST " API_SEND
	         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	         "Prefer: wait=30\r\nContent-Length: %zu\r\n\r\n" API_MAIL("d1"),
	         strlen(API_MAIL("d1")));
	api_write(fd, text);
	wait_until(is_waiting, fleet_redis(w->fleet), 0);
	close(fd);
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, "d1", "sent");
	api_expect(&w->api, 200, "GET", "/api/email/status/d1", NULL);
	fleet_end(w->fleet, worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_time_is_over),
		cmocka_unit_test(test_repeat_waits),
		cmocka_unit_test(test_the_end_waits_for_nobody),
		cmocka_unit_test(test_client_hangs_up),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

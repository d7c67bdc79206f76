/* Redis forgets its scripts, breaks off, fails over while clients wait: they see nothing of it (FAULTS 11, 15, 18).
 * And the API itself dies in the middle: the client's repeat is one mail. */
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
#include "support/sentinels.h"
#include "support/tally.h"
#include "support/wait.h"
#include "support/wire.h"

#define ROUNDS 30
#define AT_ONCE 20
#define MANY "1000000"
#define RESET "/circuit-breakers/reset"

/* A mail under `<stem>-<i>`; a new string (free). */
static char *mail(const char *stem, int i)
{
	char *body;

	assert_true(asprintf(&body,
	                     "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
	                     "\"idempotencyKey\":\"%s-%d\"}",
	                     stem, i) > 0);
	return body;
}

static void post_one(const struct api_process *a, const char *stem, int i, int status)
{
	char *body = mail(stem, i);
	struct answer *r = api_post(a, API_SEND, body, NULL);

	answer_status(r, status);
	answer_free(r);
	free(body);
}

static long long depth(struct fleet *f)
{
	return redis_server_int(fleet_redis(f), "LLEN " FLEET_QUEUE);
}

/* --- SCRIPT FLUSH ------------------------------------------------------------------------------------------ */

static void test_scripts_are_forgotten(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct redis_server *redis = fleet_redis(f);
	struct api_process a;

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=" MANY);
	a = api_start(f, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		char path[64];

		redis_server_do(redis, "SCRIPT FLUSH");
		post_one(&a, "m", i, 202);
		redis_server_do(redis, "SCRIPT FLUSH");
		snprintf(path, sizeof(path), "/api/email/m-%d", i);
		api_expect(&a, 200, "DELETE", path, NULL);
	}
	assert_int_equal(depth(f), ROUNDS);
	fleet_free(f);
}

/* All the time, while many post at once. */
static void test_scripts_are_forgotten_under_posts(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct answer *answers[AT_ONCE];
	struct process *flusher;
	struct api_process a;
	char loop[512];

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=" MANY);
	fleet_set(f, "COMMAND_TIMEOUT=60000");
	a = api_start(f, NULL);
	snprintf(loop, sizeof(loop), "while redis-cli -s %s SCRIPT FLUSH; do :; done",
	         redis_server_socket(fleet_redis(f)));
	flusher = process_start((const char *const[]){"sh", "-c", loop, NULL}, NULL);
	process_wait_line(flusher, "OK", 0);
	for (int i = 0; i < ROUNDS; i++) {
		char *body = mail("m", i);

		api_post_at_once(&a, NULL, API_SEND, body, AT_ONCE, answers);
		for (size_t n = 0; n < AT_ONCE; n++) {
			if (answers[n]->status != 202)
				answer_status(answers[n], 200);
			answer_free(answers[n]);
		}
		free(body);
	}
	assert_true(process_count_lines(a.process, "redis_scripts_loaded") > 0);
	process_free(flusher);
	fleet_free(f);
}

/* --- a connection that breaks ------------------------------------------------------------------------------- */

/* Where the connection is cut: the command was not executed, or it was and nobody heard. */
static const struct cut {
	enum wire_side side;
	const char *command;
} cuts[] = {
	{WIRE_REQUEST, "limit"}, {WIRE_REPLY, "limit"}, {WIRE_REQUEST, "accept"},
	{WIRE_REPLY, "accept"},  {WIRE_REPLY, "LPUSH"}, {WIRE_REQUEST, "LPUSH"},
};

#define CUTS ((int)(sizeof(cuts) / sizeof(cuts[0])))

static void test_connections_break(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	char url[256];
	struct process *worker;
	struct api_process a;
	struct tally *t;

	(void)state;
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(w));
	a = api_start(f, (const char *const[]){url, "RATE_LIMIT_MAX_REQUESTS=" MANY,
	                                       "COMMAND_TIMEOUT=60000", NULL});
	for (int i = 0; i < CUTS; i++) {
		wire_cut_at(w, cuts[i].side, cuts[i].command, 1);
		post_one(&a, "m", i, 202);
		wire_wait_held(w);
	}
	wire_cut_at(w, WIRE_REPLY, "HGETALL", 1);
	api_expect(&a, 200, "GET", "/api/email/status/m-0", NULL);
	wire_cut_at(w, WIRE_REPLY, "cancel", 1);
	post_one(&a, "cancelled", 0, 202);
	api_expect(&a, 200, "DELETE", "/api/email/cancelled-0", NULL);
	wire_cut_at(w, WIRE_REPLY, "HMGET", 1);
	api_expect(&a, 409, "POST", "/api/email/resend/m-0", "{}");
	wire_cut_at(w, WIRE_REPLY, "HSET", 1);
	api_expect(&a, 200, "POST", RESET, "{}");
	wire_pass(w);
	worker = fleet_worker(f, NULL);
	fleet_wait_empty(f, NULL);
	t = tally_of_record(record);
	for (int i = 0; i < CUTS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "m-%d", i);
		fleet_wait_status(f, key, "sent");
		assert_int_equal(tally_copies(t, key), 1);
	}
	assert_int_equal(tally_keys(t), CUTS);
	tally_free(t);
	fleet_stop(f, worker);
	fleet_free(f);
	wire_free(w);
}

#define TIME_MS 3000

/* Past its time it is 503; and while Redis stays away, nobody waits so long again. */
static void test_time_is_over(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a;
	int quick = 0;
	int64_t began;

	(void)state;
	fleet_set(f, "COMMAND_TIMEOUT=%d", TIME_MS);
	a = api_start(f, NULL);
	redis_server_kill(fleet_redis(f));
	process_wait_line(a.process, "\"event\":\"redis_away\"", 0);
	began = wait_now_ms();
	post_one(&a, "m", 0, 503);
	wait_loop_for(NULL,
	              (int)(began + TIME_MS > wait_now_ms() ? began + TIME_MS - wait_now_ms() : 0));
	for (int i = 0; i < ROUNDS; i++) {
		began = wait_now_ms();
		post_one(&a, "m", i, 503);
		quick += wait_now_ms() - began < TIME_MS;
	}
	assert_true(quick > ROUNDS / 2); /* the machine may stand still at times */
	redis_server_run(fleet_redis(f));
	process_wait_lines(a.process, "\"event\":\"redis_ready\"", 2, 0);
	post_one(&a, "m", 0, 202);
	assert_int_equal(depth(f), 1);
	fleet_free(f);
}

/* The process ends while somebody waits: it is told so. */
static void test_the_end_while_redis_is_away(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a;
	char *answer;
	int fd;

	(void)state;
	fleet_set(f, "COMMAND_TIMEOUT=60000");
	a = api_start(f, NULL);
	redis_server_kill(fleet_redis(f));
	process_wait_line(a.process, "\"event\":\"redis_away\"", 0);
	fd = api_connect(&a);
	api_write(fd, "GET /api/email/status/k HTTP/1.1\r\nHost: localhost\r\n\r\n");
	api_expect(&a, 200, "GET", "/livez", NULL);
	process_signal(a.process, SIGTERM);
	process_wait_line(a.process, "\"event\":\"draining\"", 0);
	process_signal(a.process, SIGTERM);
	answer = api_read_all(fd);
	assert_int_equal(strncmp(answer, "HTTP/1.1 503 ", 13), 0);
	free(answer);
	close(fd);
	assert_int_equal(process_wait(a.process, 0), 0);
	fleet_free(f);
}

/* --- a failover --------------------------------------------------------------------------------------------- */

static void test_a_master_dies(void **state)
{
	struct sentinels *s = sentinels_start();
	struct fleet *f = fleet_around(sentinels_server(s, 0));
	struct answer *answers[AT_ONCE];
	struct api_process a;
	int before, next;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", sentinels_url(s));
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=" MANY);
	fleet_set(f,
	          "COMMAND_TIMEOUT=100000"); /* Sentinels that stand still need more than one go */
	a = api_start(f, NULL);
	for (int i = 0; i < ROUNDS; i++)
		post_one(&a, "before", i, 202);
	sentinels_wait_synced(s);
	before = sentinels_master(s);
	sentinels_hurry(s);
	redis_server_kill(sentinels_server(s, before));
	/* from here on nobody answers, until the Sentinels have decided */
	char *body = mail("during", 0);
	api_post_at_once(&a, NULL, API_SEND, body, AT_ONCE, answers);
	for (size_t n = 0; n < AT_ONCE; n++) {
		if (answers[n]->status != 202)
			answer_status(answers[n], 200);
		answer_free(answers[n]);
	}
	free(body);
	for (int i = 0; i < ROUNDS; i++)
		post_one(&a, "after", i, 202);
	next = sentinels_master(s);
	assert_true(next >= 0 && next != before);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(redis_server_int(sentinels_server(s, next),
		                                  "EXISTS mail:status:before-%d", i),
		                 1);
	assert_true(redis_server_int(sentinels_server(s, next), "LLEN " FLEET_QUEUE) >=
	            2 * ROUNDS + 1);
	fleet_free(f);
	sentinels_free(s);
}

/* --- the API dies -------------------------------------------------------------------------------------------- */

static void test_killed_before_it_answers(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	char url[256];
	struct process *worker;
	struct tally *t;

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=" MANY);
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(w));
	for (int i = 0; i < CUTS; i++) {
		struct api_process a = api_start(f, (const char *const[]){url, NULL});
		char *body = mail("k", i), *request, *answer;
		int fd = api_connect(&a);

		assert_true(
			asprintf(&request,
		                 "POST " API_SEND " HTTP/1.1\r\nHost: localhost\r\n"
		                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		                 strlen(body), body) > 0);
		wire_hold(w, cuts[i].side, cuts[i].command);
		api_write(fd, request);
		wire_wait_held(w);
		process_kill(a.process);
		answer = api_read_all(fd);
		assert_string_equal(answer, "");
		close(fd);
		wire_pass(w);
		fleet_end(f, a.process);
		a = api_start(f, NULL);
		/* 200 where the status was written, whether or not it was pushed */
		post_one(&a, "k", i, i < 3 ? 202 : 200);
		fleet_end(f, a.process);
		free(request);
		free(body);
		free(answer);
	}
	worker = fleet_worker(f, NULL);
	fleet_wait_empty(f, NULL);
	t = tally_of_record(record);
	for (int i = 0; i < CUTS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k-%d", i);
		fleet_wait_status(f, key, "sent");
		assert_int_equal(tally_copies(t, key), 1);
	}
	tally_free(t);
	fleet_stop(f, worker);
	fleet_free(f);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts_are_forgotten),
		cmocka_unit_test(test_scripts_are_forgotten_under_posts),
		cmocka_unit_test(test_connections_break),
		cmocka_unit_test(test_time_is_over),
		cmocka_unit_test(test_the_end_while_redis_is_away),
		cmocka_unit_test(test_a_master_dies),
		cmocka_unit_test(test_killed_before_it_answers),
	};

	signal(SIGPIPE, SIG_IGN); /* Sentinel cuts our connections to whom it promotes */
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

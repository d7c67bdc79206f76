/* The HTTP API under bad input, slow clients, and without Redis (FAULTS 36, 40-42). */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/visitor.h"
#include "support/api_world.h"
#include "support/scrape.h"
#include "support/wait.h"

#define IDLE 9000

static int setup(void **state)
{
	return api_world_setup(state, (const char *const[]){"API_MAX_BODY=100000", NULL});
}

static void expect_raw(const struct api_world *w, const char *request, const char *line)
{
	char *answer = api_raw(&w->api, request);

	if (strncmp(answer, line, strlen(line)) != 0)
		fail_msg("answered %.200s, not %s, to %.200s", answer, line, request);
	free(answer);
}

/* What is between the head's lengths and the end is a valid mail: nothing but the lengths is wrong. */
static void expect_misframed(const struct api_world *w, const char *lengths, bool chunked)
{
	static const char mail[] = API_MAIL("framed");
	char request[1024];

	snprintf(
		request, sizeof(request),
		"POST /api/email/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"%s\r\n",
		lengths);
	if (chunked)
		snprintf(request + strlen(request), sizeof(request) - strlen(request),
		         "%zx\r\n%s\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
		         sizeof(mail) - 1, mail);
	else
		snprintf(request + strlen(request), sizeof(request) - strlen(request), "%s", mail);
	expect_raw(w, request, "HTTP/1.1 400");
}

/* Two lengths: whoever stands before us may have seen another request in it. */
static void test_ambiguous_framing_is_refused(void **state)
{
	const struct api_world *w = *state;
	const size_t n = sizeof(API_MAIL("framed")) - 1;
	char lengths[96];

	expect_misframed(w, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", true);
	snprintf(lengths, sizeof(lengths), "Content-Length: %zu\r\nContent-Length: %zu\r\n", n,
	         n + 1);
	expect_misframed(w, lengths, false);
	expect_misframed(w, "Transfer-Encoding: gzip, chunked\r\n", true);
	expect_raw(w, "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
	           "HTTP/1.1 400");
	assert_int_equal(redis_server_int(fleet_redis(w->fleet), "DBSIZE"), 0);
}

static char *repeat(char c, size_t n)
{
	char *s = malloc(n + 1);

	assert_non_null(s);
	memset(s, c, n);
	s[n] = '\0';
	return s;
}

static void test_what_is_too_large_is_refused(void **state)
{
	struct api_world *w = *state;
	char *filler = repeat('x', 110000), *body = malloc(120000), *chunks = malloc(130000);
	char *head = malloc(40000);
	struct answer *r;

	snprintf(body, 120000,
	         "{\"to\":\"a@x.org\",\"subject\":\"s\",\"idempotencyKey\":\"k\",\"body\":\"%s\"}",
	         filler);
	api_expect(&w->api, 413, "POST", API_SEND, body);
	snprintf(
		chunks, 130000,
		"POST /api/email/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Transfer-Encoding: chunked\r\n\r\n1ADB0\r\n%s\r\n0\r\n\r\n",
		filler);
	expect_raw(w, chunks, "HTTP/1.1 413");
	filler[17000] = '\0';
	snprintf(head, 40000, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n",
	         filler);
	expect_raw(w, head, "HTTP/1.1 431");
	filler[1000] = '\0';
	r = api_post(&w->api, API_SEND, API_MAIL("small"), NULL);
	answer_status(r, 202);
	answer_free(r);
	free(filler);
	free(body);
	free(chunks);
	free(head);
}

static void test_no_header_can_be_split(void **state)
{
	struct api_world *w = *state;
	struct answer *r = api_post(&w->api, API_SEND, API_MAIL("a\\r\\nX-Evil: 1"), NULL);

	answer_status(r, 400);
	answer_free(r);
	r = api_get(&w->api, "/api/email/status/a%0d%0aX-Evil:%201");
	answer_status(r, 404);
	assert_null(strstr(r->head, "X-Evil"));
	answer_free(r);
	r = api_post(&w->api, API_SEND, API_MAIL("{a}"), NULL);
	answer_status(r, 400);
	answer_is(r, "details.0",
	          "Field \"idempotencyKey\" must not contain braces or control characters");
	answer_free(r);
}

static void is_no_page(const struct answer *r, const char *type)
{
	char *is = answer_header(r, "Content-Type"),
	     *policy = answer_header(r, "Content-Security-Policy");
	char *sniff = answer_header(r, "X-Content-Type-Options");

	assert_non_null(strstr(r->body, "<script>"));
	assert_int_equal(strncmp(is, type, strlen(type)), 0);
	assert_int_equal(strncmp(policy, "default-src 'none';", 19), 0);
	assert_string_equal(sniff, "nosniff");
	free(is);
	free(policy);
	free(sniff);
}

/* Markup comes back as JSON or text, and never as a page: in a subject, an error, the name of a queue. */
static void test_markup_stays_inert(void **state)
{
	static const char *const paths[] = {"/metrics", "/api/email/queue/status",
	                                    "/health/detailed"};
	struct api_world *w = *state;
	struct api_process odd;
	struct answer *r = api_post(
		&w->api, API_SEND,
		"{\"to\":\"a@x.org\",\"subject\":\"<script>alert(1)</script>\",\"body\":\"b\",\"idempotencyKey\":\"x\"}",
		NULL);

	answer_status(r, 202);
	answer_free(r);
	redis_server_do(fleet_redis(w->fleet),
	                "HSET mail:status:x error 550:<script>alert(2)</script>");
	r = api_get(&w->api, "/api/email/status/x");
	answer_is(r, "subject", "<script>alert(1)</script>");
	answer_is(r, "error", "550:<script>alert(2)</script>");
	is_no_page(r, "application/json");
	answer_free(r);
	odd = api_start(w->fleet, (const char *const[]){"QUEUES=mail:<script>", NULL});
	for (size_t i = 0; i < 3; i++) {
		r = api_get(&odd, paths[i]);
		is_no_page(r, i == 0 ? "text/plain" : "application/json");
		answer_free(r);
	}
	fleet_end(w->fleet, odd.process);
	redis_server_do(fleet_redis(w->fleet), "DEL mail:status:x mail:queue");
}

/* 32 levels, the mail itself included. */
static void test_deep_nesting_is_refused(void **state)
{
	struct api_world *w = *state;

	for (int levels = 31; levels <= 100; levels += levels == 31 ? 1 : 68) {
		char *open = repeat('[', (size_t)levels), *close = repeat(']', (size_t)levels);
		char body[512];
		struct answer *r;

		snprintf(
			body, sizeof(body),
			"{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"deep\","
			"\"unknown\":%s%s}",
			open, close);
		r = api_post(&w->api, API_SEND, body, NULL);
		answer_status(r, levels == 31 ? 202 : 400);
		if (levels > 31)
			assert_non_null(strstr(answer_at(r, "message")->valuestring, "deep"));
		answer_free(r);
		free(open);
		free(close);
	}
}

static bool is_alive(void *data)
{
	struct answer *r = api_get(data, "/livez");
	bool alive = r->status == 200;

	answer_free(r);
	return alive;
}

/* The body never comes. (Who was too slow itself with its head is hung up on without an answer, and tries again.) */
static bool is_told_of_its_time(void *data)
{
	int fd = api_connect(data);
	char *answer;
	bool told;

	api_write(
		fd,
		"POST /api/email/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Content-Length: 50\r\n\r\n{\"to\":");
	answer = api_read_all(fd);
	told = strncmp(answer, "HTTP/1.1 408 ", 13) == 0;
	if (!told)
		assert_string_equal(answer, "");
	free(answer);
	close(fd);
	return told;
}

/* One that sends its request byte by byte, one that never sends the body, one that sends nothing: they are
 * hung up on, and others are served meanwhile. */
static void test_slow_clients_are_hung_up_on(void **state)
{
	struct api_world *w = *state;
	struct api_process api = api_start(w->fleet,
	                                   (const char *const[]){"API_TIMEOUT=400", NULL});
	int trickle = api_connect(&api), idle = api_connect(&api);
	int64_t began = wait_now_ms();
	char *answer;

	wait_until(is_alive, &api, 0);
	for (int i = 0;; i++) {
		char byte[2] = {i == 0 ? 'G' : 'E', '\0'}, some;

		if (send(trickle, byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
		    recv(trickle, &some, 1, MSG_DONTWAIT) == 0)
			break;
		wait_loop_for(NULL, 5);
		assert_true(wait_now_ms() - began < WAIT_DEFAULT_MS);
	}
	wait_until(is_told_of_its_time, &api, 0);
	answer = api_read_all(idle);
	assert_string_equal(answer, "");
	free(answer);
	wait_until(is_alive, &api, 0);
	close(trickle);
	close(idle);
	fleet_end(w->fleet, api.process);
}

static bool fewer_are_left(void *data)
{
	struct api_world *w = data;
	char *page = scrape(&w->api);
	double n = scrape_sample(page, "postrider_http_connections");

	free(page);
	return n >= 0 && n <= VISITOR_MAX_KEPT + 10;
}

/* Nothing more comes from it, and it is not closed. */
static bool is_open(int fd)
{
	char some[1000];
	ssize_t n;

	do
		n = recv(fd, some, sizeof(some), MSG_DONTWAIT);
	while (n > 0);
	return n < 0 && errno == EAGAIN;
}

/* 9,000 connections that have asked once and are idle, under 100 MB (FAULTS 40): each of them holds libmicrohttpd's
 * whole pool (POOL_BYTES of server.c), so only the newest are kept. */
static void test_idle_connections_are_cheap(void **state)
{
	struct api_world *w = *state;
	struct rlimit limit;
	int fds[IDLE];
	size_t n = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < IDLE + 100) {
		print_message("skipped: only %lu files may be open\n",
		              (unsigned long)limit.rlim_cur);
		skip();
	}
	for (n = 0; n < IDLE; n++) {
		fds[n] = api_connect(&w->api);
		api_write(fds[n], "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	wait_until(fewer_are_left, w, 0);
	api_expect(&w->api, 200, "GET", "/readyz", NULL);
	if (getenv("ASAN_OPTIONS") == NULL || strstr(fleet_binary(), "san-") == NULL)
		assert_in_range(fleet_rss(w->api.process), 1, 100 * 1000 * 1000);
	assert_false(is_open(fds[0]));
	assert_true(is_open(fds[IDLE - 1]));
	while (n > 0)
		close(fds[--n]);
	api_expect(&w->api, 200, "GET", "/livez", NULL);
}

/* --- Redis -------------------------------------------------------------------------------------------------------- */

static void expect_unavailable(const struct api_process *a, const char *method, const char *path,
                               const char *body)
{
	struct answer *r = api_call(a, method, path, body,
	                            (const char *const[]){"Content-Type: application/json", NULL});
	char *after;

	answer_status(r, 503);
	after = answer_header(r, "Retry-After");
	assert_non_null(after);
	assert_in_range(strtol(after, NULL, 10), 1, 60);
	free(after);
	answer_free(r);
}

static bool is_ready(void *data)
{
	const struct api_process *a = data;
	struct answer *r = api_get(a, "/readyz");
	bool ready = r->status == 200;

	answer_free(r);
	return ready;
}

static void test_without_redis(void **state)
{
	struct redis_server *redis = redis_server_prepare(false, NULL);
	struct fleet *f = fleet_around(redis);
	struct api_process api = api_start_alone(f, NULL);

	(void)state;
	expect_unavailable(&api, "POST", API_SEND, API_MAIL("k"));
	expect_unavailable(&api, "POST", "/api/email/bulk-send",
	                   "{\"emails\":[" API_MAIL("k") "]}");
	expect_unavailable(&api, "GET", "/api/email/status/k", NULL);
	expect_unavailable(&api, "GET", "/readyz", NULL);
	api_expect(&api, 200, "GET", "/livez", NULL);
	redis_server_run(redis);
	wait_until(is_ready, &api, 0);
	api_expect(&api, 202, "POST", API_SEND, API_MAIL("k"));
	redis_server_kill(redis);
	expect_unavailable(&api, "POST", API_SEND, API_MAIL("l"));
	redis_server_run(redis);
	wait_until(is_ready, &api, 0);
	api_expect(&api, 202, "POST", API_SEND, API_MAIL("l"));
	fleet_free(f);
	redis_server_free(redis);
}

/* Redis takes the command and says nothing: 503 after COMMAND_TIMEOUT, and the client's repeat is one mail. */
static void test_redis_hangs(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api;

	(void)state;
	fleet_set(f, "COMMAND_TIMEOUT=300");
	api = api_start(f, NULL);
	redis_server_pause(fleet_redis(f));
	expect_unavailable(&api, "POST", API_SEND, API_MAIL("k"));
	redis_server_resume(fleet_redis(f));
	/* It may have been written before, or not. */
	(void)api_post_until_taken(&api, API_SEND, API_MAIL("k"));
	fleet_free(f);
}

static void test_redis_is_full(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api = api_start(f, NULL);

	(void)state;
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 1");
	expect_unavailable(&api, "POST", API_SEND, API_MAIL("k"));
	expect_unavailable(&api, "GET", "/readyz", NULL);
	redis_server_do(fleet_redis(f), "CONFIG SET maxmemory 0");
	assert_int_equal(redis_server_int(fleet_redis(f), "DBSIZE"), 0);
	api_expect(&api, 202, "POST", API_SEND, API_MAIL("k"));
	fleet_free(f);
}

/* --- the end --------------------------------------------------------------------------------------------------------- */

/* What has come is still to be read. */
static bool has_been_answered(void *data)
{
	const int *fd = data;
	char some[64] = "";

	return recv(*fd, some, sizeof(some) - 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
	       strncmp(some, "HTTP/1.1 200 ", 13) == 0;
}

/* SIGTERM: what is under way is finished; /readyz says to whom is connected that the end is near. */
static void test_the_end_is_orderly(void **state)
{
	struct api_world *w = *state;
	struct api_process api = api_start(w->fleet, NULL);
	int half = api_connect(&api), kept = api_connect(&api);
	char *answer;

	api_write(
		half,
		"POST /api/email/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Content-Length: 82\r\n\r\n{\"to\":\"ada@example.com\",");
	api_write(kept, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
	wait_until(has_been_answered, &kept, 0);
	process_signal(api.process, SIGTERM);
	process_wait_line(api.process, "\"event\":\"draining\"", 0);
	assert_true(process_running(api.process));
	api_write(kept, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
	answer = api_read_all(kept);
	assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
	assert_non_null(strstr(answer, "HTTP/1.1 503 "));
	assert_non_null(strstr(answer, "The server is ending"));
	free(answer);
	close(kept);
	api_write(half, "\"subject\":\"Hi\",\"body\":\"Hello\",\"idempotencyKey\":\"order-42\"}");
	answer = api_read_all(half);
	assert_int_equal(strncmp(answer, "HTTP/1.1 202 ", 13), 0);
	assert_non_null(strstr(answer, "Connection: close"));
	free(answer);
	close(half);
	assert_int_equal(process_wait(api.process, 0), 0);
	fleet_end(w->fleet, api.process);
}

static void test_bad_configuration(void **state)
{
	struct api_world *w = *state;
	struct process *p = fleet_run(w->fleet, (const char *const[]){"api", "word", NULL}, NULL);

	assert_int_equal(process_wait(p, 0), 2);
	fleet_end(w->fleet, p);
	p = fleet_run(w->fleet, (const char *const[]){"api", "--port=70000", NULL}, NULL);
	assert_int_equal(process_wait(p, 0), 2);
	fleet_end(w->fleet, p);
	p = fleet_run(w->fleet,
	              (const char *const[]){"api", "--port=0", "--redis-url=nothing://", NULL},
	              NULL);
	assert_int_equal(process_wait(p, 0), 2);
	fleet_end(w->fleet, p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ambiguous_framing_is_refused),
		cmocka_unit_test(test_what_is_too_large_is_refused),
		cmocka_unit_test(test_no_header_can_be_split),
		cmocka_unit_test(test_markup_stays_inert),
		cmocka_unit_test(test_deep_nesting_is_refused),
		cmocka_unit_test(test_slow_clients_are_hung_up_on),
		cmocka_unit_test(test_idle_connections_are_cheap),
		cmocka_unit_test(test_without_redis),
		cmocka_unit_test(test_redis_hangs),
		cmocka_unit_test(test_redis_is_full),
		cmocka_unit_test(test_the_end_is_orderly),
		cmocka_unit_test(test_bad_configuration),
	};
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

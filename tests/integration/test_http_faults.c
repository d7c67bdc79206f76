#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/http_rig.h"
#include "support/wait.h"

/* Servers that are slow, silent, endless or no HTTP at all: everything ends, and is called by its
 * name. */

/* --- replies ----------------------------------------------------------------------------------- */

static void test_reply_is_cut_off(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "huge", "huge", 100);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 400);
	assert_int_equal(x.body_len, HTTP_REPLY_MAX_BODY);
	assert_false(x.complete);
	/* The rest of it does not end up in the next reply. */
	exchange_run(&x, r, NULL, "next", 100);
	assert_int_equal(x.status, 200);
	assert_true(x.complete);
}

static void test_endless_heads(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "huge-head", "head", 100);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_true(x.passed);
	exchange_run(&x, r, "huge-line", "line", 100);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_true(x.passed);
}

static void test_reset_in_the_middle_of_a_reply(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "partial", "body", 100);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
	assert_false(x.complete);
	exchange_run(&x, r, "partial-head", "head", 100);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_true(x.passed);
}

static void test_no_http(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "garbage", "garbage", 100);
	assert_int_equal(x.end, HTTP_END_LOST);
	assert_true(x.passed);
}

static void test_interim_responses(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "continue", "continue", 100);
	assert_int_equal(x.end, HTTP_END_REPLY);
	assert_int_equal(x.status, 200);
	assert_true(x.complete);
}

static void test_redirect_is_not_followed(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	exchange_run(&x, r, "redirect", "here", 100);
	assert_int_equal(x.status, 302);
	exchange_run(&x, r, NULL, "next", 100);
	assert_int_equal(http_rig_count(r, "heads", "elsewhere"), 0);
}

/* --- time -------------------------------------------------------------------------------------- */

static void test_silence(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	r->config.reply_ms = 150;
	http_rig_reopen(r);
	exchange_run(&x, r, "silent", "silent", 100);
	assert_int_equal(x.end, HTTP_END_TIMEOUT);
	assert_true(x.passed);
	assert_int_equal(http_rig_count(r, "wholes", "silent"), 1);
}

/* Each byte is in time, the whole is not. */
static void test_one_byte_at_a_time(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	r->config.reply_ms = 300;
	http_rig_reopen(r);
	exchange_run(&x, r, "drip", "drip", 100);
	assert_int_equal(x.end, HTTP_END_TIMEOUT);
	assert_true(x.passed);
}

static void test_server_takes_it_too_slowly(void **state)
{
	struct http_rig *r = *state;
	struct exchange x;

	r->config.send_ms = 200;
	r->config.connect_ms = 100;
	http_rig_reopen(r);
	exchange_run(&x, r, "slow-read", "slow", 50000000);
	assert_int_equal(x.end, HTTP_END_TIMEOUT);
	assert_false(x.passed);
	assert_int_equal(x.held, 0);
}

/* How long it is held is the caller's affair: no deadline runs. */
static void test_held_for_longer_than_any_deadline(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {.when_held = HELD_WAIT};

	r->config.send_ms = 150;
	r->config.connect_ms = 150;
	http_rig_reopen(r);
	exchange_start(&x, r, NULL, "held", 100);
	exchange_wait_held(&x);
	wait_loop_for(r->loop, 600);
	assert_int_equal(x.ended, 0);
	exchange_release(&x);
	exchange_wait_end(&x);
	assert_int_equal(x.status, 200);
}

/* --- no connection ----------------------------------------------------------------------------- */

/* A socket that listens, and takes no more connections than those that it has. */
static int full_listener(int *port, int fillers[4])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(fillers[i] >= 0);
		(void)connect(fillers[i], (struct sockaddr *)&a, sizeof(a));
	}
	*port = ntohs(a.sin_port);
	return fd;
}

/* libcurl's timer counts in ms: rounded down to whole seconds it would fire at once, again and
 * again, for as long as the second lasts. */
static void test_connecting_takes_too_long(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0};
	int port, fillers[4], fd = full_listener(&port, fillers);
	unsigned turns;
	char url[64];

	r->config.connect_ms = 400;
	http_rig_reopen(r);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", port);
	turns = ev_iteration(r->loop);
	exchange_start_at(&x, r, url, 100);
	exchange_wait_end(&x);
	assert_int_equal(x.end, HTTP_END_TIMEOUT);
	assert_false(x.passed);
	assert_true(ev_iteration(r->loop) - turns < 1000);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(fd);
}

static void test_refused_connection(void **state)
{
	struct http_rig *r = *state;
	struct exchange x = {0};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, but listens not */
	char url[64];

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", ntohs(a.sin_port));
	exchange_start_at(&x, r, url, 100);
	exchange_wait_end(&x);
	assert_int_equal(x.end, HTTP_END_CONNECT);
	assert_false(x.passed);
	close(fd);
}

/* Only what was configured is spoken, whatever the URL says. */
static void test_other_protocols_are_refused(void **state)
{
	static const char *const urls[] = {"https://127.0.0.1:1/", "file:///etc/passwd",
	                                   "ftp://127.0.0.1:1/", "gopher://127.0.0.1:1/"};
	struct http_rig *r = *state;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct exchange x = {0};

		exchange_start_at(&x, r, urls[i], 100);
		exchange_wait_end(&x);
		assert_int_equal(x.end, HTTP_END_CLIENT);
		assert_false(x.passed);
	}
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, http_rig_set_up, http_rig_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_reply_is_cut_off),
		TEST(test_endless_heads),
		TEST(test_reset_in_the_middle_of_a_reply),
		TEST(test_no_http),
		TEST(test_interim_responses),
		TEST(test_redirect_is_not_followed),
		TEST(test_silence),
		TEST(test_one_byte_at_a_time),
		TEST(test_server_takes_it_too_slowly),
		TEST(test_held_for_longer_than_any_deadline),
		TEST(test_connecting_takes_too_long),
		TEST(test_refused_connection),
		TEST(test_other_protocols_are_refused),
	};

	return cmocka_run_group_tests_name("http_faults", tests, http_rig_begin, http_rig_end);
}

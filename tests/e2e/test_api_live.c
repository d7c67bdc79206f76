/* The fleet's figures as server-sent events: what they say, what they cost, and that they end well. */
#include <poll.h>
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

#include "support/api_world.h"
#include "support/wait.h"

#define LIVE "/api/live"
#define BYTES ((size_t)1 << 20)

/* A client that keeps what has come. */
struct viewer {
	int fd;
	char *text;
	size_t n;
	bool ended;
};

static int setup(void **state)
{
	return api_world_setup(state, NULL);
}

static void viewer_open(struct viewer *v, const struct api_process *a)
{
	*v = (struct viewer){.fd = api_connect(a), .text = calloc(1, BYTES)};
	api_write(v->fd, "GET " LIVE " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void viewer_close(struct viewer *v)
{
	close(v->fd);
	free(v->text);
}

static void viewer_read(struct viewer *v)
{
	struct pollfd p = {.fd = v->fd, .events = POLLIN};

	while (!v->ended && poll(&p, 1, 0) > 0) {
		ssize_t n = recv(v->fd, v->text + v->n, BYTES - 1 - v->n, 0);

		v->ended = n <= 0;
		v->n += n > 0 ? (size_t)n : 0;
		assert_true(v->n < BYTES - 1);
	}
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

static int viewer_events(struct viewer *v)
{
	viewer_read(v);
	return count(v->text, "event: fleet\n");
}

/* A viewer, and what it waits for: so many events, or this text in one. */
struct hope {
	struct viewer *viewer;
	int events;
	const char *text;
};

static bool has_come(void *data)
{
	struct hope *h = data;
	int n = viewer_events(h->viewer);

	return h->text != NULL ? strstr(h->viewer->text, h->text) != NULL : n >= h->events;
}

static bool has_ended(void *data)
{
	struct viewer *v = data;

	viewer_read(v);
	return v->ended;
}

static void wait_text(struct viewer *v, const char *text)
{
	struct hope h = {.viewer = v, .text = text};

	wait_until(has_come, &h, 0);
}

static void wait_events(struct viewer *v, int n)
{
	struct hope h = {.viewer = v, .events = n};

	wait_until(has_come, &h, 0);
}

static void test_what_it_says(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct process *worker;
	struct viewer v;

	viewer_open(&v, &w->api);
	wait_text(&v, "Content-Type: text/event-stream");
	wait_text(&v, "event: history\ndata: [");
	wait_text(&v, "no worker is alive");
	api_expect(&w->api, 202, "POST", API_SEND, API_MAIL("live-1"));
	wait_text(&v, "\"depth\":1");
	worker = fleet_worker(w->fleet, NULL);
	wait_text(&v, "\"totals\":{\"sent\":1,\"failed\":0,\"held\":0,\"retried\":0}");
	wait_text(&v, "\"workers\":1");
	assert_null(strstr(v.text, "\"lastError\":{"));
	fleet_end(w->fleet, worker);
	worker = fleet_worker(
		w->fleet,
		(const char *const[]){"PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1", NULL});
	fleet_push(w->fleet, "live-2", "");
	wait_text(&v, "\"lastError\":{\"code\":\"550");
	wait_text(&v, "\"failed\":1,\"held\":0");
	fleet_end(w->fleet, worker);
	viewer_close(&v);
}

/* Redis goes, and comes back: the same stream says so. */
static void test_redis_away(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct viewer v;
	const char *away;
	int before;

	viewer_open(&v, &w->api);
	wait_text(&v, "\"redis\":true");
	redis_server_kill(fleet_redis(w->fleet));
	wait_text(&v, "\"redis\":false");
	redis_server_run(fleet_redis(w->fleet));
	before = viewer_events(&v);
	wait_events(&v, before + 2);
	away = strstr(v.text, "\"redis\":false");
	while (strstr(away, "\"redis\":true") == NULL)
		wait_events(&v, viewer_events(&v) + 1);
	viewer_close(&v);
}

static long long commands(struct api_world *w)
{
	char *info = redis_server_text(fleet_redis(w->fleet), "INFO stats");
	const char *at = strstr(info, "total_commands_processed:");
	long long n;

	assert_non_null(at);
	n = strtoll(strchr(at, ':') + 1, NULL, 10);
	free(info);
	return n;
}

/* Ten look, one survey is made. */
static void test_what_it_costs(void **state)
{
	enum { VIEWERS = 10, BEATS = 5 };
	struct api_world *w = api_world_begin(state);
	struct viewer v[VIEWERS];
	long long asked;
	long cpu;
	int first, beats;

	for (int i = 0; i < VIEWERS; i++)
		viewer_open(&v[i], &w->api);
	for (int i = 0; i < VIEWERS; i++)
		wait_events(&v[i], 1);
	first = viewer_events(&v[0]);
	asked = commands(w);
	cpu = fleet_cpu_ms(w->api.process);
	wait_events(&v[0], first + BEATS);
	asked = commands(w) - asked;
	cpu = fleet_cpu_ms(w->api.process) - cpu;
	beats = viewer_events(&v[0]) - first;
	printf("%d viewers: %lld commands and %ld ms of CPU in %d beats\n", VIEWERS, asked, cpu,
	       beats);
	assert_true(asked / (beats + 1) < 100);
	for (int i = 1; i < VIEWERS; i++)
		wait_events(&v[i], BEATS);
	for (int i = 0; i < VIEWERS; i++)
		viewer_close(&v[i]);
	/* and nobody looks: hardly anything is asked any more */
	asked = commands(w);
	viewer_open(&v[0], &w->api);
	wait_events(&v[0], 2);
	asked = commands(w) - asked;
	beats = viewer_events(&v[0]);
	viewer_close(&v[0]);
	assert_true(asked < 100 * beats);
}

/* The last that a look asks for: the breakers. */
static bool has_counted(void *fleet)
{
	char *info = redis_server_text(fleet_redis(fleet), "INFO commandstats");
	bool so = strstr(info, "cmdstat_hmget:") != NULL;

	free(info);
	return so;
}

/* Who comes sees the last minutes, although nobody looked. */
static void test_history_before_anybody_came(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a = api_start(f, NULL);
	struct viewer v;

	(void)state;
	wait_until(has_counted, f, 0);
	/* Redis answers in order: this look's answer is there before that one's */
	api_expect(&a, 200, "GET", "/api/email/queue/status", NULL);
	viewer_open(&v, &a);
	wait_text(&v, "event: history\ndata: [[");
	viewer_close(&v);
	fleet_free(f);
}

/* A viewer that takes nothing costs the others nothing, and is forgotten when it goes. */
static void test_a_deaf_viewer(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct viewer deaf, v;

	viewer_open(&deaf, &w->api);
	viewer_open(&v, &w->api);
	wait_events(&v, 3);
	viewer_close(&deaf);
	wait_events(&v, 6);
	viewer_close(&v);
	api_expect(&w->api, 200, "GET", "/livez", NULL);
}

/* The process ends although somebody looks. */
static void test_the_end(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process a = api_start(w->fleet, NULL);
	struct viewer v;

	viewer_open(&v, &a);
	wait_events(&v, 1);
	process_signal(a.process, 15);
	wait_until(has_ended, &v, 0);
	assert_int_equal(process_wait(a.process, 0), 0);
	/* to the last chunk: it was ended, and not cut */
	assert_non_null(strstr(v.text + v.n - 5, "0\r\n\r\n"));
	viewer_close(&v);
	fleet_end(w->fleet, a.process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_says),
		cmocka_unit_test(test_redis_away),
		cmocka_unit_test(test_what_it_costs),
		cmocka_unit_test(test_a_deaf_viewer),
		cmocka_unit_test(test_history_before_anybody_came),
		cmocka_unit_test(test_the_end),
	};
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

/* A worker that gets no memory, or whose system calls fail: it ends or goes on, and no mail is lost. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/faults.h"
#include "support/fleet.h"
#include "support/http_server.h"
#include "support/preload.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define STARTS 12 /* of a worker */
#define MAILS 6
#define CALL_MAILS 60
#define AT_ONCE 4 /* victims */
#define A_TIME 48 /* queues of one rescuer: it serves 64 at most */
/* So that all of a message is composed. */
#define RICH                                                                                                              \
	",\"html\":\"<p>Hi</p>\",\"replyTo\":\"Ren\\u00e9 <r@example.com>\",\"tags\":[\"t\"],\"metadata\":{\"a\":\"b\"}," \
	"\"attachments\":[{\"filename\":\"a.txt\",\"contentType\":\"text/plain\",\"content\":\"QQ==\"}]"

static struct fleet *start(struct sink *sink)
{
	struct fleet *f = fleet_start(NULL);

	if (sink)
		fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&concurrency=3&timeout=2s"));
	fleet_set(f, "MAX_RETRY_ATTEMPTS=20");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	return f;
}

/* fault: NULL, or what the preload is to do. */
static struct process *drain(struct fleet *f, const char *queues, const char *fault)
{
	return fleet_run(
		f, (const char *const[]){"worker", "--drain", NULL},
		(const char *const[]){queues, fault, fault ? preload_setting() : NULL, NULL});
}

/* ---- while it starts ---------------------------------------------------------------------------- */

/* A worker gets no memory at some moment of its start: it dies or works, and what it leaves, a healthy one sends. */
static void test_no_memory_at_the_start(void **state)
{
	struct sink *sink;
	struct fleet *f;
	unsigned long all = 0;
	size_t deaths = 0;

	(void)state;
	faults_need_allocations();
	faults_need_preload();
	sink = sink_start_fast(NULL);
	f = start(sink);
	for (size_t i = 0; i <= STARTS; i++) {
		char fault[64], *err, *at;
		struct process *w;
		int ended;

		snprintf(fault, sizeof(fault), "PRELOAD_NO_MEMORY=%lu",
		         i > 0 ? 1 + all * (i - 1) / STARTS : 0);
		if (i > 0)
			fleet_push_many(f, NULL, i == 1 ? "s" : "more", i == 1 ? MAILS : 1, "");
		w = drain(f, "QUEUES=" FLEET_QUEUE, fault);
		ended = process_wait(w, 0);
		err = process_stderr(w);
		if (i == 0) { /* how many there are */
			at = strstr(err, "allocations ");
			assert_non_null(at);
			all = strtoul(at + strlen("allocations "), NULL, 10);
			assert_true(all > STARTS);
		}
		if (ended >= 256 && !faults_is_death(ended))
			fail_msg("%s: signal %d\n%s", fault, ended - 256, err);
		deaths += faults_is_death(ended);
		free(err);
		fleet_end(f, w);
	}
	assert_true(deaths > 0);
	assert_int_equal(process_wait(drain(f, "QUEUES=" FLEET_QUEUE, NULL), 0), 0);
	assert_int_equal(timelines_count(f, "s", MAILS).sent, MAILS);
	fleet_free(f);
	sink_free(sink);
}

/* ---- each, once ---------------------------------------------------------------------------------- */

static void rescue(struct faults *e)
{
	char queues[A_TIME * 24 + 16];

	for (size_t i = 0; i < e->runs;) {
		size_t n = (size_t)snprintf(queues, sizeof(queues), "QUEUES=q:%zu", i++);

		for (size_t k = 1; k < A_TIME && i < e->runs; k++)
			n += (size_t)snprintf(queues + n, sizeof(queues) - n, ",q:%zu", i++);
		assert_int_equal(process_wait(drain(e->fleet, queues, NULL), 0), 0);
	}
}

/* A mail is on its way, each in a worker and a queue of its own. */
static void each(struct faults *e)
{
	bool more = true;

	while (more) {
		struct process *victims[AT_ONCE];

		assert_true(e->runs < FAULTS_MOST);
		for (size_t i = 0; i < AT_ONCE; i++) {
			size_t nth = e->runs + i; /* 0: none fails */
			char key[32], queue[32], queues[48], to[64], *job;

			snprintf(key, sizeof(key), "fault-%zu", nth);
			snprintf(queue, sizeof(queue), "q:%zu", nth);
			snprintf(queues, sizeof(queues), "QUEUES=%s", queue);
			snprintf(to, sizeof(to), "busy-1.%zu@example.com", nth);
			job = fleet_job_to(key, to, RICH);
			fleet_push_raw(e->fleet, queue, job, strlen(job));
			free(job);
			victims[i] = drain(e->fleet, queues, faults_setting(e));
		}
		more = false;
		for (size_t i = AT_ONCE; i-- > 0;)
			more |= faults_note(e, victims[i], e->runs + i);
		e->runs += AT_ONCE;
	}
	rescue(e);
	print_message("%zu faults, %zu deaths\n", e->faults, e->deaths);
}

/* Each mail is sent, and once, but where its timeline admits a second copy. */
static void check_books(struct faults *e, struct tally *taken)
{
	assert_int_equal(timelines_count(e->fleet, "fault", e->runs).sent, e->runs);
	timelines_check_copies(e->fleet, taken, "fault", e->runs);
	tally_free(taken);
	fleet_free(e->fleet);
}

/* To a mail server that says at first that it is busy: so each mail is also put off, claimed and looked up again. */
static void each_to_smtp(const char *class, size_t least)
{
	struct sink *sink;
	struct faults e = {.class = class};

	faults_need_preload();
	sink = sink_start();
	e.fleet = start(sink);
	each(&e);
	assert_true(e.faults >= least);
	check_books(&e, sink_tally(sink));
	sink_free(sink);
}

static void each_to_http(const char *class, size_t least)
{
	struct http_server *server;
	struct faults e = {.class = class};

	faults_need_preload();
	server = http_server_start();
	e.fleet = start(NULL);
	fleet_set(
		e.fleet,
		"PROVIDER_PRIMARY=sendgrid://test-key-123@default?connect_timeout=2s&send_timeout=2s&timeout=2s&endpoint=%s",
		http_server_url(server, NULL, "sendgrid"));
	each(&e);
	assert_true(e.faults >= least);
	check_books(&e, http_server_tally(server));
	http_server_free(server);
}

static void test_each_allocation_to_smtp(void **state)
{
	(void)state;
	faults_need_allocations();
	each_to_smtp("memory", FAULTS_ALLOCATIONS);
}

static void test_each_allocation_to_http(void **state)
{
	(void)state;
	faults_need_allocations();
	each_to_http("memory", FAULTS_ALLOCATIONS);
}

static void test_each_call_to_smtp(void **state)
{
	(void)state;
	each_to_smtp("calls", FAULTS_CALLS);
}

static void test_each_call_to_http(void **state)
{
	(void)state;
	each_to_http("calls", FAULTS_CALLS);
}

/* ---- each, once, of a post ------------------------------------------------------------------------ */

/* A valid mail; true: it was acknowledged. What is not may be the server's fault and no other. */
static bool post(const struct api_process *a, size_t nth)
{
	char body[256];
	struct answer *r;
	bool taken;

	snprintf(
		body, sizeof(body),
		"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\",\"idempotencyKey\":\"fault-%zu\"}",
		nth);
	r = api_post(a, API_SEND, body, NULL);
	taken = r->status == 200 || r->status == 202;
	if (!taken && r->status != 0 && r->status < 500)
		answer_status(r, 202);
	answer_free(r);
	return taken;
}

/* From when the API has read the request the first, the second, the third fails, each in a process of its own. A client that was told
 * nothing or "not now" asks another. */
static void each_of_a_post(const char *class, size_t least)
{
	struct faults e = {.class = class, .fleet = start(NULL)};
	const char *record = fleet_mock(e.fleet, "PRIMARY", "latency=0");
	struct api_process well;
	size_t taken = 0;
	bool more = true;

	fleet_set(e.fleet, "RATE_LIMIT_MAX_REQUESTS=1000000");
	well = api_start(e.fleet, NULL);

	while (more) {
		struct api_process victim = api_start(
			e.fleet,
			(const char *const[]){preload_setting(), faults_setting(&e), NULL});

		assert_true(e.runs < FAULTS_MOST);
		if (post(&victim, e.runs))
			taken++;
		else
			assert_true(post(&well, e.runs));
		process_signal(victim.process, SIGTERM);
		more = faults_note(&e, victim.process, e.runs);
		e.runs++;
	}
	print_message("%zu faults, %zu deaths, %zu acknowledged\n", e.faults, e.deaths, taken);
	assert_true(e.faults >= least && taken > 1 && taken < e.runs);
	assert_int_equal(process_wait(drain(e.fleet, "QUEUES=" FLEET_QUEUE, NULL), 0), 0);
	check_books(&e, tally_of_record(record));
}

static void test_each_allocation_of_a_post(void **state)
{
	(void)state;
	faults_need_allocations();
	faults_need_preload();
	each_of_a_post("memory", FAULTS_ALLOCATIONS);
}

static void test_each_call_of_a_post(void **state)
{
	(void)state;
	faults_need_preload();
	each_of_a_post("calls", FAULTS_CALLS);
}

/* ---- again and again ------------------------------------------------------------------------------ */

/* Every so-manieth call fails, all the time: the worker goes on, and ends its work by itself. */
static void test_calls_fail(void **state)
{
	static const struct {
		const char *call;
		int number, every;
	} rows[] = {
		{"socket", EMFILE, 3},  {"socket", ENOMEM, 2},     {"connect", ENOMEM, 3},
		{"connect", EAGAIN, 2}, {"send", EPIPE, 23},       {"send", ENOBUFS, 17},
		{"write", EPIPE, 19},   {"write", ECONNRESET, 29}, {"read", ECONNRESET, 31},
		{"read", ENOMEM, 37},   {"read", EIO, 41},
	};

	(void)state;
	faults_need_preload();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sink *sink = sink_start_fast(NULL);
		struct fleet *f = start(sink);
		struct timelines t;
		struct tally *taken;
		char fail[64];

		print_message("%s fails with %s\n", rows[i].call, strerror(rows[i].number));
		snprintf(fail, sizeof(fail), "PRELOAD_FAIL=%s %d %d", rows[i].call, rows[i].number,
		         rows[i].every);
		fleet_push_many(f, NULL, "c", CALL_MAILS, "");
		assert_int_equal(
			process_wait(
				fleet_run(f, (const char *const[]){"worker", "--drain", NULL},
		                          (const char *const[]){preload_setting(), fail, NULL}),
				60000),
			0);
		t = timelines_count(f, "c", CALL_MAILS);
		assert_int_equal(t.sent, CALL_MAILS);
		taken = sink_tally(sink);
		timelines_check_copies(f, taken, "c", CALL_MAILS);
		tally_free(taken);
		fleet_free(f);
		sink_free(sink);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_at_the_start),
		cmocka_unit_test(test_each_allocation_to_smtp),
		cmocka_unit_test(test_each_allocation_to_http),
		cmocka_unit_test(test_each_call_to_smtp),
		cmocka_unit_test(test_each_call_to_http),
		cmocka_unit_test(test_each_allocation_of_a_post),
		cmocka_unit_test(test_each_call_of_a_post),
		cmocka_unit_test(test_calls_fail),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

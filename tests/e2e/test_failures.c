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

#include "support/fleet.h"
#include "support/preload.h"
#include "support/sink.h"
#include "support/timelines.h"

#define RUNS 60 /* each with a queue of its own; a worker serves 64 at most */
#define RUNS_IDLE 10
#define MAILS 6
#define CALL_MAILS 60

#ifdef __SANITIZE_ADDRESS__ /* which has an allocator of its own */
#define CAN_FAIL_ALLOCATIONS false
#else
#define CAN_FAIL_ALLOCATIONS true
#endif

static struct fleet *start(struct sink *sink)
{
	struct fleet *f;

	if (!preload_setting()) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		sink_free(sink);
		skip();
	}
	f = fleet_start(NULL);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&concurrency=3"));
	fleet_set(f, "MAX_RETRY_ATTEMPTS=20");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	return f;
}

/* A worker that takes the mails of one queue; returns as process_wait does. */
static int run_without(struct fleet *f, const char *queue, unsigned long nth, char **err)
{
	char queues[64], no_memory[64];
	struct process *w;
	int ended;

	snprintf(queues, sizeof(queues), "QUEUES=%s", queue);
	snprintf(no_memory, sizeof(no_memory), "PRELOAD_NO_MEMORY=%lu", nth);
	w = fleet_run(f, (const char *const[]){"worker", "--drain", NULL},
	              (const char *const[]){queues, preload_setting(), no_memory, NULL});
	ended = process_wait(w, 0);
	*err = process_stderr(w);
	fleet_end(f, w);
	return ended;
}

/* Of a worker's life with so many mails. */
static unsigned long count_allocations(struct fleet *f, size_t mails)
{
	char *err, *at;
	unsigned long n;

	if (mails > 0)
		fleet_push_many(f, "mail:none", "none", mails, "");
	assert_int_equal(run_without(f, "mail:none", 0, &err), 0);
	at = strstr(err, "allocations ");
	assert_non_null(at);
	n = strtoul(at + strlen("allocations "), NULL, 10);
	free(err);
	assert_true(n > RUNS);
	return n;
}

/* Aborted by us, GLib or libev; or by hiredis 0.14, which takes its buffers for granted. */
static bool is_death(int ended)
{
	return ended == 256 + SIGABRT || ended == 256 + SIGTRAP || ended == 256 + SIGSEGV;
}

/* A worker with a few mails gets no memory, at one allocation after another: a few while it starts, most
 * while it works. What it leaves, a healthy worker sends; each mail once, but where its timeline admits
 * a second copy. */
static void test_no_memory(void **state)
{
	struct sink *sink;
	struct fleet *f;
	unsigned long idle, all;
	char queue[32], stem[16], queues[RUNS * 32] = "QUEUES=mail:none", *err;
	size_t deaths = 0, sent = 0;
	struct tally *taken;

	(void)state;
	if (!CAN_FAIL_ALLOCATIONS) {
		print_message("skipped: AddressSanitizer has an allocator of its own\n");
		skip();
	}
	sink = sink_start_fast(NULL);
	f = start(sink);
	idle = count_allocations(f, 0);
	all = count_allocations(f, MAILS);
	assert_true(all > idle);
	for (size_t i = 0; i < RUNS; i++) {
		unsigned long nth = i < RUNS_IDLE ? 1 + idle * i / RUNS_IDLE
		                                  : idle + (all - idle) * (i - RUNS_IDLE) /
		                                                    (RUNS - RUNS_IDLE);
		int ended;

		snprintf(queue, sizeof(queue), "mail:m%zu", i);
		snprintf(stem, sizeof(stem), "m%zu", i);
		snprintf(queues + strlen(queues), sizeof(queues) - strlen(queues), ",%s", queue);
		fleet_push_many(f, queue, stem, MAILS, "");
		ended = run_without(f, queue, nth, &err);
		if (ended >= 256 && !is_death(ended))
			fail_msg("allocation %lu: signal %d\n%s", nth, ended - 256, err);
		deaths += is_death(ended);
		sent += timelines_count(f, stem, MAILS).sent;
		free(err);
	}
	/* Both happens: it goes on, and it dies over its work. */
	assert_true(deaths > RUNS / 4 && sent > 0 && sent < (size_t)RUNS * MAILS);
	assert_int_equal(process_wait(fleet_run(f, (const char *const[]){"worker", "--drain", NULL},
	                                        (const char *const[]){queues, NULL}),
	                              0),
	                 0);
	taken = sink_tally(sink);
	for (size_t i = 0; i < RUNS; i++) {
		snprintf(stem, sizeof(stem), "m%zu", i);
		assert_int_equal(timelines_count(f, stem, MAILS).sent, MAILS);
		timelines_check_copies(f, taken, stem, MAILS);
	}
	tally_free(taken);
	fleet_free(f);
	sink_free(sink);
}

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
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_calls_fail),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

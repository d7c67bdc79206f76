/* An archiver gets no memory, or a system call fails, at each point of its way with an event: it ends or goes on, and in the end
 * the event is archived, once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/archive_world.h"
#include "support/faults.h"
#include "support/preload.h"
#include "support/wait.h"

#define A_TIME 48 /* queues of one archiver */

struct archived {
	struct archive_world *world;
	struct process *archiver; /* NULL: it is waited for all rows */
	size_t n;                 /* which event; else how many */
};

static bool is_archived(void *arg)
{
	const struct archived *a = arg;
	char sql[128];

	if (a->archiver && !process_running(a->archiver))
		return true;
	if (!a->archiver)
		return postgres_server_int(a->world->postgres,
		                           "SELECT count(*) FROM postrider_mails") >=
		       (long long)a->n;
	snprintf(sql, sizeof(sql),
	         "SELECT count(*) FROM postrider_mails WHERE key = 'fault-%zu--0'", a->n);
	return postgres_server_try_int(a->world->postgres, sql) > 0;
}

/* What died with an event in its hands leaves it to others. */
static void archive_the_rest(struct archive_world *w, size_t runs)
{
	char queues[A_TIME * 24 + 16];

	for (size_t i = 0; i < runs;) {
		size_t first = i, n = (size_t)snprintf(queues, sizeof(queues), "QUEUES=q:%zu", i++);
		struct process *p;

		while (i < runs && i < first + A_TIME)
			n += (size_t)snprintf(queues + n, sizeof(queues) - n, ",q:%zu", i++);
		p = archive_world_archiver(w, (const char *const[]){queues, NULL});
		process_wait_line(p, "archive_ready", 0);
		wait_until(is_archived, (&(struct archived){w, NULL, i}), 0);
		archive_world_stop(w, p);
	}
}

/* Each in a queue and an archiver of its own. In the end each event is there, and once. */
static void each_of_an_event(void **state, const char *class, size_t least)
{
	struct archive_world *w = archive_world_begin(state);
	struct faults e = {.class = class};
	struct process *victim;
	bool more = true;

	if (w == NULL)
		skip();
	e.fleet = w->fleet;
	/* the tables, before anything fails */
	victim = archive_world_archiver(w, NULL);
	process_wait_line(victim, "archive_ready", 0);
	archive_world_stop(w, victim);
	for (; more; e.runs++) {
		char stem[32], queue[32], queues[48];

		assert_true(e.runs < FAULTS_MOST);
		snprintf(stem, sizeof(stem), "fault-%zu-", e.runs);
		snprintf(queue, sizeof(queue), "q:%zu", e.runs);
		snprintf(queues, sizeof(queues), "QUEUES=%s", queue);
		archive_world_add(w, queue, stem, 1);
		victim = archive_world_archiver(w, (const char *const[]){queues, faults_setting(&e),
		                                                         preload_setting(), NULL});
		wait_until(is_archived, (&(struct archived){w, victim, e.runs}), 0);
		process_signal(victim, SIGTERM);
		more = faults_note(&e, victim, e.runs);
	}
	print_message("%zu faults, %zu deaths\n", e.faults, e.deaths);
	assert_true(e.faults >= least);
	archive_the_rest(w, e.runs);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(postgres_server_int(
					 w->postgres,
					 "SELECT count(DISTINCT key) * %d + count(*) FROM %s",
					 FAULTS_MOST, i ? "postrider_attempts" : "postrider_mails"),
		                 e.runs * (FAULTS_MOST + 1));
}

static void test_each_allocation_of_an_event(void **state)
{
	faults_need_allocations();
	faults_need_preload();
	each_of_an_event(state, "memory", FAULTS_ALLOCATIONS);
}

static void test_each_call_of_an_event(void **state)
{
	faults_need_preload();
	each_of_an_event(state, "calls", FAULTS_CALLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation_of_an_event),
		cmocka_unit_test(test_each_call_of_an_event),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("archive_failures", tests, archive_world_setup,
	                                   archive_world_teardown);
}

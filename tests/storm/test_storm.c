/* Everything goes wrong at once, and nothing is lost. And the checker itself: on programs that were broken on
 * purpose it must find the loss or the double.
 *
 * MAILS, KILLS, DURATION (seconds), WORKERS, SEED say how large; `make storm` sets them. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storm/storm.h"
#include "support/process.h"

#define MAILS 4000
#define KILLS 40
#define DURATION 25
#define WORKERS 4

static struct storm_options options;
static char self[PATH_MAX], build[PATH_MAX];

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* <build>/tests/storm/test_storm; the program with failpoints is <build>/failpoints/postrider. */
static void find_programs(void)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char path[PATH_MAX + 32];

	if (n <= 0)
		abort();
	self[n] = '\0';
	snprintf(build, sizeof(build), "%s", self);
	for (int up = 0; up < 3; up++)
		*strrchr(build, '/') = '\0';
	snprintf(path, sizeof(path), "%s/failpoints/postrider", build);
	if (getenv("STORM_PROGRAM"))
		snprintf(path, sizeof(path), "%s", getenv("STORM_PROGRAM"));
	if (access(path, X_OK) == 0)
		(void)setenv("POSTRIDER", path, 1);
}

static void read_options(void)
{
	struct plan_numbers *n = &options.numbers;

	n->mails = number("MAILS", MAILS);
	n->seconds = (unsigned)number("DURATION", DURATION);
	n->workers = (unsigned)number("WORKERS", WORKERS);
	n->seed = number("SEED", 1);
	storm_scale(n, number("KILLS", KILLS));
	n->faults[PLAN_STOP] = number("STOPS", n->faults[PLAN_STOP]);
	n->faults[PLAN_REDIS] = number("RESTARTS", n->faults[PLAN_REDIS]);
	n->faults[PLAN_CUT] = number("CUTS", n->faults[PLAN_CUT]);
	n->faults[PLAN_FREEZE] = number("FREEZES", n->faults[PLAN_FREEZE]);
	n->faults[PLAN_OUTAGE] = number("OUTAGES", n->faults[PLAN_OUTAGE]);
	n->faults[PLAN_API] = number("API_KILLS", n->faults[PLAN_API]);
	n->point = getenv("POINT");
	n->away_ms = (int64_t)number("AWAY_MS", 0);
	options.behaved = number("BEHAVED", 0) != 0;
	options.rate = (unsigned)number("RATE", 0);
	options.slow_percent = (unsigned)number("SLOW_PERCENT", 0);
	options.slow_ms = (unsigned)number("SLOW_MS", 0);
	options.patience_ms = (int)number("PATIENCE_MS", 0);
}

/* ---- the checker's own proof -------------------------------------------------------------------------------- */

/* What a program that is broken so (tests/storm/break) must be told for. The faults happen at just the edge that the breach
 * leaves open, and mail hosts behave, so that nothing else can be what is found. */
static const struct breach {
	const char *how;
	const char *row; /* of the table: not 0 */
	const char *env[8];
} breaches[] = {
	/* What a stopped worker has claimed is with a slow provider, through another, when it wakes up. */
	{"fencing",
         "second copies, unexplained",
         {"POINT=claimed", "KILLS=0", "STOPS=12", "AWAY_MS=2800", "SLOW_PERCENT=100",
          "SLOW_MS=4000"}},
	/* Killed when the claim is settled and the status is not written. */
	{"order", "lost", {"POINT=settled", "KILLS=40"}},
	/* Killed when the job is in its hands, and nowhere else. */
	{"lease", "lost", {"POINT=claimed", "KILLS=20"}},
	/* Killed when the provider has answered, and nothing says that it was asked. */
	{"begin", "second copies, unexplained", {"POINT=done", "KILLS=20"}},
	{"rate", "over the limit", {"KILLS=0", "RATE=5"}},
};
#define N_BREACHES (sizeof(breaches) / sizeof(breaches[0]))

/* The number in "| **lost** | 5 | …"; fails the test when there is no such row. */
static unsigned long row_of(const char *table, const char *name)
{
	char start[64];
	const char *at;

	snprintf(start, sizeof(start), "| **%s** | ", name);
	at = strstr(table, start);
	if (!at)
		fail_msg("no row %s in:\n%s", name, table);
	return strtoul(at + strlen(start), NULL, 10);
}

static struct process *start_broken(const struct breach *b)
{
	const char *env[24] = {"TEST=test_storm", "MAILS=600", "DURATION=8", "BEHAVED=1",
	                       "RESTARTS=0",      "CUTS=0",    "FREEZES=0",  "OUTAGES=0",
	                       "API_KILLS=0",     "STOPS=0"};
	const char *const argv[] = {self, NULL};
	char program[PATH_MAX + 64];
	size_t n = 10;

	snprintf(program, sizeof(program), "STORM_PROGRAM=%s/failpoints/broken/%s/postrider", build,
	         b->how);
	if (access(strchr(program, '=') + 1, X_OK) != 0)
		fail_msg("%s is not there: make programs", program);
	env[n++] = program;
	for (size_t i = 0; b->env[i]; i++)
		env[n++] = b->env[i];
	env[n] = NULL;
	return process_start(argv, env);
}

static void test_checker(void **state)
{
	struct process *runs[N_BREACHES];

	(void)state;
	for (size_t i = 0; i < N_BREACHES; i++)
		runs[i] = start_broken(&breaches[i]);
	for (size_t i = 0; i < N_BREACHES; i++) {
		const struct breach *b = &breaches[i];
		int status = process_wait(runs[i], 300000);
		char *table = process_stdout(runs[i]);
		unsigned long found = row_of(table, b->row);

		printf("broken: %s; %s: %lu\n", b->how, b->row, found);
		if (status == 0 || found == 0)
			fail_msg("the checker has not seen what is broken (%s):\n%s", b->how,
			         table);
		free(table);
		process_free(runs[i]);
	}
}

static void test_same_seed(void **state)
{
	struct plan_numbers n = {.seed = 7, .mails = 1000, .seconds = 10, .workers = 4};
	struct plan a, b, c;

	(void)state;
	storm_scale(&n, 40);
	plan_make(&a, &n);
	plan_make(&b, &n);
	n.seed++;
	plan_make(&c, &n);
	assert_int_equal(a.n, 40 + 10 + 2 + 1 + 20 + 2 + 2);
	assert_true(plan_digest(&a) == plan_digest(&b));
	assert_true(plan_digest(&a) != plan_digest(&c));
	plan_free(&a);
	plan_free(&b);
	plan_free(&c);
}

static void test_rate_check(void **state)
{
	int64_t times[200];

	(void)state;
	for (int64_t i = 0; i < 200; i++)
		times[i] = 5 + i * 10000; /* 100 a second */
	assert_int_equal(verdict_over_rate(times, 200, 100, 1, 0), 0);
	assert_true(verdict_over_rate(times, 200, 90, 1, 0) > 10);
	assert_int_equal(verdict_over_rate(times, 200, 90, 1, 1000000), 0);
	/* An idle minute before gives nothing away. */
	times[0] = -60000000;
	assert_true(verdict_over_rate(times, 200, 90, 1, 0) > 10);
}

static void test_storm(void **state)
{
	struct storm_result r = storm_run(&options);

	(void)state;
	storm_print(&r);
	assert_true(storm_good(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed),
		cmocka_unit_test(test_rate_check),
		cmocka_unit_test(test_checker),
		cmocka_unit_test(test_storm),
	};

	find_programs();
	read_options();
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}

/* Wall clocks that are wrong, and that step: what the fleet does goes by Redis' clock and its own
 * monotonic one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/pace.h"
#include "support/preload.h"
#include "support/timelines.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAILS 120
#define HOUR INT64_C(3600)
#define RATE 50
#define BURST 5 /* the default: a tenth of a second's worth */

static void set_clock(const char *path, int64_t seconds)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &seconds, sizeof(seconds), 0), sizeof(seconds));
	close(fd);
}

struct clocks {
	struct fleet *fleet;
	char *files[2];
	size_t taken;
	int steps;
};

static void push_all(void *data)
{
	struct clocks *c = data;

	fleet_push_many(c->fleet, NULL, "c", MAILS, "");
	fleet_push(c->fleet, "later", ",\"delay\":1500");
}

/* With nearly every mail the clocks are exchanged. */
static void on_look(void *data, size_t taken)
{
	struct clocks *c = data;

	if (taken == c->taken)
		return;
	c->taken = taken;
	c->steps++;
	for (int i = 0; i < 2; i++)
		set_clock(c->files[i], (c->steps + i) % 2 ? HOUR : -HOUR);
}

/* One worker is an hour ahead, one an hour behind, and while they work their clocks are exchanged.
 * Every mail goes once, no faster than the rate allows, and no claim is taken from anybody. */
static void test_wall_clock_steps(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct clocks c = {.fleet = f};
	const char *preload = preload_setting(), *record;
	char setting[160];
	struct tally *taken;
	struct timelines t;
	int64_t started = pace_now(f);

	(void)state;
	if (!preload) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		fleet_free(f);
		skip();
	}
	record = fleet_mock(f, "PRIMARY", "rate=50/s&latency=5-30&success=0.8");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=50");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	for (int i = 0; i < 2; i++) {
		c.files[i] = tmpdir_name("clock");
		snprintf(setting, sizeof(setting), "PRELOAD_CLOCK=%s", c.files[i]);
		set_clock(c.files[i], i ? HOUR : -HOUR);
		fleet_worker_ready(f, (const char *const[]){preload, setting, NULL});
	}
	(void)pace_watch(f, record, MAILS + 1, RATE, BURST, push_all, on_look, &c);
	assert_true(c.steps >= 10);
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "c", MAILS);
	assert_int_equal(t.sent, MAILS);
	assert_int_equal(t.lines, t.attempts);
	assert_int_equal(t.unknown, 0);
	assert_true(t.retried > 0);
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), MAILS + 1);
	assert_int_equal(tally_keys(taken), MAILS + 1);
	tally_free(taken);
	/* Statuses speak in Redis' time, too. */
	assert_true(fleet_number(f, "later", "created_at") >= started);
	assert_true(fleet_number(f, "later", "updated_at") >= started + 1500);
	assert_true(fleet_number(f, "later", "updated_at") <= pace_now(f));
	for (int i = 0; i < 2; i++)
		free(c.files[i]);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wall_clock_steps),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Masters that are dethroned while they live: what is lost then was never replicated, and what is sent twice says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/fleet.h"
#include "support/patient.h"
#include "support/sentinels.h"
#include "support/wait.h"

#define MAILS 2400
#define CHUNK 50
#define ROUNDS 2 /* one in either way */
#define WORKERS 2
#define SLACK_MS 1000 /* a latency, and what a busy machine adds */

struct other {
	struct sentinels *sentinels;
	int before;
};

static bool is_another(void *arg)
{
	const struct other *o = arg;
	int now = sentinels_master(o->sentinels);

	return now >= 0 && now != o->before;
}

static bool is_left(void *server)
{
	char *clients = redis_server_text(server, "CLIENT LIST TYPE normal");
	bool yes = strstr(clients, "name=fleet-") == NULL;

	free(clients);
	return yes;
}

/* Two masters at once: from before the Sentinels are told, or see, until no worker is connected to the old one any more.
 * What is written there meanwhile is lost. By the wall clock, ms. */
struct window {
	long long from, to;
};

struct windows {
	struct window of[ROUNDS];
	int n;
	const struct tally *tally;
	size_t outside;
};

static void fail_over(struct sentinels *s, struct windows *w)
{
	int before = sentinels_master(s);
	struct window *window = &w->of[w->n++];

	window->from = clock_wall_ms();
	sentinels_dethrone(s);
	wait_until(is_left, sentinels_server(s, before), 0);
	window->to = clock_wall_ms();
}

/* It is stopped for longer than the Sentinels are patient, and wakes up as a master that is none any more. */
static void stop_for_long(struct sentinels *s, struct windows *w)
{
	struct other o = {s, sentinels_master(s)};
	struct window *window = &w->of[w->n++];

	window->from = clock_wall_ms();
	sentinels_hurry(s);
	redis_server_pause(sentinels_server(s, o.before));
	wait_until(is_another, &o, 0);
	redis_server_resume(sentinels_server(s, o.before));
	wait_until(is_left, sentinels_server(s, o.before), 0);
	window->to = clock_wall_ms();
}

/* Was its first copy sent while there were two masters? It was begun a latency before, and its begin written shortly
 * before that. */
static void check_window(void *data, const char *key)
{
	struct windows *w = data;
	long long at = tally_first_ms(w->tally, key);

	for (int i = 0; i < w->n; i++)
		if (at >= w->of[i].from && at <= w->of[i].to + SLACK_MS)
			return;
	print_error("%s went first at %lld\n", key, at);
	w->outside++;
}

/* Under load. */
static struct census dethrone(int fence, const char *stem)
{
	struct sentinels *s = sentinels_start();
	struct fleet *f = fleet_around(sentinels_server(s, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=20-80");
	struct patient *p = patient_new(sentinels_url(s));
	struct process *workers[WORKERS];
	struct windows w = {.n = 0};
	struct census c;
	struct tally *t;
	long long start, all, in_windows = 0;
	size_t pushed = 0;

	fleet_set(f, "REDIS_URL=%s", sentinels_url(s));
	fleet_set(f, "FENCE_REPLICAS=%d", fence);
	fleet_set(f, "CONCURRENCY=60");
	fleet_set(f, "COMMAND_TIMEOUT=1000");
	for (int i = 0; i < WORKERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "WORKER_NAME=fleet-%d", i);
		workers[i] = fleet_worker(f, (const char *const[]){name, NULL});
	}
	start = clock_wall_ms();
	for (int round = 0; round <= ROUNDS; round++) {
		sentinels_wait_synced(s);
		for (; pushed < MAILS * (size_t)(round + 1) / (ROUNDS + 1); pushed += CHUNK)
			patient_push(p, FLEET_QUEUE, stem, pushed, CHUNK, SENTINELS_N - 1);
		if (round < ROUNDS)
			(round % 2 ? stop_for_long : fail_over)(s, &w);
	}
	sentinels_wait_synced(s);
	patient_wait_empty(p, FLEET_QUEUE);
	all = clock_wall_ms() - start;
	for (int i = 0; i < w.n; i++)
		in_windows += w.of[i].to - w.of[i].from + SLACK_MS;
	w.tally = t = tally_of_record(record);
	c = patient_census_with(p, t, stem, MAILS, check_window, &w);
	print_message(
		"FENCE_REPLICAS=%d: %d sent, %zu lost, %zu doubled, %zu of these without an unknown, all but %zu "
		"of them while there were two masters (%lld of %lld ms)\n",
		fence, MAILS, c.lost, c.doubled, c.doubled - c.unknown, w.outside, in_windows, all);
	assert_int_equal(c.lost, 0);
	assert_int_equal(w.outside, 0);
	tally_free(t);
	for (int i = 0; i < WORKERS; i++)
		fleet_stop(f, workers[i]);
	patient_free(p);
	fleet_free(f);
	sentinels_free(s);
	return c;
}

/* All replicas know before a last byte leaves: whichever is promoted, what goes twice says `unknown`. */
static void test_fenced_by_all(void **state)
{
	struct census c = dethrone(SENTINELS_N - 1, "all");

	(void)state;
	assert_int_equal(c.sent, MAILS);
	assert_int_equal(c.doubled, c.unknown);
}

/* One of two knows, or none has to: the other may be promoted, and then a mail may go twice that says nothing of it;
 * but only one that went while there were two masters. It is still not lost: its push was with all. */
static void test_fenced_by_fewer(void **state)
{
	(void)state;
	(void)dethrone(1, "one");
	(void)dethrone(0, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fenced_by_all),
		cmocka_unit_test(test_fenced_by_fewer),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

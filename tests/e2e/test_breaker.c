/* The breaker of a provider, shared by the fleet: what opens it, and how it is tried out. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"

/* Hundreds are with the primary when its breaker opens, and all fail after: it has opened once. */
static void test_opens_once(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct timelines t;
	char *value;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&latency=50-200");
	fleet_set(f, "PROVIDER_SECONDARY=mock://");
	fleet_set(f, "LEASE_MS=30000"); /* who is only slow loses nothing to the others */
	for (int i = 0; i < 3; i++)
		fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "o", 300, "");
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "o", 300);
	assert_int_equal(t.sent, 300);
	assert_true(t.most <= 3);
	assert_true(t.fell_back > 20); /* else they were not with it */
	value = fleet_provider_field(f, "primary", "opened");
	assert_string_equal(value, "1");
	free(value);
	fleet_free(f);
}

static bool breaker_is_open(void *arg)
{
	char *value = fleet_provider_field(arg, "primary", "state");
	bool open = strcmp(value, "open") == 0;

	free(value);
	return open;
}

static bool more_than_one(void *arg)
{
	return sink_total(arg) > 1;
}

static void push_held(struct fleet *f, int from, int to)
{
	char key[32], address[64];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "h-%d", i);
		snprintf(address, sizeof(address), "hold-dot.h%d@example.com", i);
		fleet_push_to(f, key, address, "");
	}
}

/* The only provider is down and mails wait for it. When it is back, the whole fleet tries it out with
 * as many mails as it is told to, one; when that is taken, the others follow. */
static void test_half_open(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *back = sink_prepare();

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(back, ""));
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=3");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=200");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=100");
	fleet_set(f,
	          "LEASE_MS=30000"); /* the mails wait with the workers, where probes come from */
	for (int i = 0; i < 5; i++)
		fleet_worker_ready(f, NULL);
	push_held(f, 0, 20);
	wait_until(breaker_is_open, f, 0);
	sink_run(back);
	sink_wait_total(back, 1);
	/* It is held there, and five workers would like to go on. */
	assert_false(wait_for(NULL, more_than_one, back, 700));
	sink_go(back);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "h", 20).sent, 20);
	assert_int_equal(sink_total(back), 20);
	assert_int_equal(timelines_count(f, "h", 20).unknown, 0);
	fleet_free(f);
	sink_free(back);
}

struct either {
	struct fleet *fleet;
	struct sink *sink;
	const char *key;
};

static bool taken_or_sent(void *data)
{
	const struct either *e = data;
	char *status = fleet_field(e->fleet, e->key, "status");
	bool sent = strcmp(status, "sent") == 0;

	free(status);
	return sent || sink_total(e->sink) > 0;
}

/* While a probe is out, mail goes to the next provider: also what enters at a moment when the gate seems to flow
 * again, since it may ask again whether the probe is back. */
static void test_probe_out(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *first = sink_prepare();
	int64_t end;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,backup");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(first, ""));
	fleet_set(f, "PROVIDER_BACKUP=mock://");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=200");
	fleet_set(f, "LEASE_MS=30000"); /* a slow worker's probe is not taken for lost */
	fleet_worker_ready(f, NULL);
	fleet_push(f, "opens-it", "");
	fleet_wait_status(f, "opens-it", "sent");
	sink_run(first);
	/* One after another, so that each comes while nothing else is asked; the first that may is the probe. */
	for (int i = 0; sink_total(first) == 0; i++) {
		char key[32];

		snprintf(key, sizeof(key), "probe-%d", i);
		fleet_push_to(f, key, "hold-dot.ada@example.com", "");
		assert_true(wait_for(NULL, taken_or_sent, &(struct either){f, first, key}, 0));
	}
	end = wait_now_ms() + 3000; /* three times as long as the gate waits before it asks again */
	for (int i = 0; wait_now_ms() < end; i++) {
		char key[32];

		snprintf(key, sizeof(key), "other-%d", i);
		fleet_push(f, key, "");
		fleet_wait_status(f, key, "sent");
	}
	assert_int_equal(sink_total(first), 1);
	sink_go(first);
	fleet_wait_settled(f, NULL);
	fleet_free(f);
	sink_free(first);
}

/* For workers that find the mail server away, and then have one probe there. */
static struct fleet *start_probing(struct sink *back, int lease_ms)
{
	struct fleet *f = fleet_start(NULL);

	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(back, ""));
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=200");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=100");
	fleet_set(f, "LEASE_MS=%d", lease_ms);
	return f;
}

#define LONG_LEASE                                                                                 \
	8000 /* renewed at half: who stands still for less than the other half keeps it */

/* Its leases are renewed, and so is the probe: nobody else's arrives, however long it takes. */
static void test_probe_outlives_leases(void **state)
{
	struct sink *back = sink_prepare();
	struct fleet *f = start_probing(back, LONG_LEASE);

	(void)state;
	for (int i = 0; i < 3; i++)
		fleet_worker_ready(f, NULL);
	push_held(f, 0, 12);
	wait_until(breaker_is_open, f, 0);
	sink_run(back);
	sink_wait_total(back, 1);
	assert_false(wait_for(NULL, more_than_one, back, LONG_LEASE + LONG_LEASE / 4));
	sink_go(back);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "h", 12).sent, 12);
	fleet_free(f);
	sink_free(back);
}

/* Its worker dies with it: the next one goes when that worker's leases have run out, and not only after all
 * the time that a delivery may take (minutes). */
static void test_probe_lost(void **state)
{
	struct sink *back = sink_prepare();
	struct fleet *f = start_probing(back, 1000);
	struct process *first = fleet_worker_ready(f, NULL);

	(void)state;
	push_held(f, 0, 1);
	wait_until(breaker_is_open, f, 0);
	sink_run(back);
	sink_wait_total(back, 1);
	fleet_end(f, first);
	sink_go(back);
	fleet_worker_ready(f, NULL);
	push_held(f, 1, 4);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "h", 4).sent, 4);
	fleet_free(f);
	sink_free(back);
}

/* A thousand recipients in a row that do not exist: that is no fault of the provider. */
static void test_bad_recipients(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *fast = sink_start_fast(
		(const char *const[]){"-f", "RCPT", "-B", "550 5.1.1 no such user", NULL});
	struct timelines t;
	char *value;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(fast, ""));
	fleet_mock(f, "SECONDARY", "");
	fleet_worker(f, NULL);
	fleet_push_many(f, NULL, "b", 1000, "");
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "b", 1000);
	assert_int_equal(t.failed, 1000);
	assert_int_equal(t.lines, 1000); /* at once, and no other provider was asked */
	assert_int_equal(t.fell_back, 0);
	assert_int_equal(fleet_dead_count(f, NULL), 1000);
	value = fleet_provider_field(f, "primary", "opened");
	assert_string_equal(value, "");
	free(value);
	value = fleet_provider_field(f, "primary", "state");
	assert_string_equal(value, "");
	free(value);
	fleet_free(f);
	sink_free(fast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_once), cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_probe_out),  cmocka_unit_test(test_probe_outlives_leases),
		cmocka_unit_test(test_probe_lost), cmocka_unit_test(test_bad_recipients),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Providers that fail: retries, fallback, the breaker, limits; shared by the fleet. */
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
#include "support/http_server.h"
#include "support/pace.h"
#include "support/sink.h"
#include "support/smtp_sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define MOCKED 1000

static struct sink *sink; /* aiosmtpd */

static int start_sink(void **state)
{
	(void)state;
	sink = sink_start();
	return 0;
}

static int stop_sink(void **state)
{
	(void)state;
	sink_free(sink);
	return 0;
}

/* Two providers that take 70 % and 90 %: all mails end, with their retries and fallbacks on record. */
static void test_70_90(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *first = fleet_mock(f, "PRIMARY", "success=0.7&latency=0-3");
	const char *second = fleet_mock(f, "SECONDARY", "success=0.9&latency=0-3");
	struct tally *one, *two;
	struct timelines t;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=100"); /* five failures in a row will happen */
	fleet_worker_ready(f, NULL);
	fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "p", MOCKED, "");
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "p", MOCKED);
	assert_int_equal(t.sent + t.failed, MOCKED);
	assert_int_equal(t.failed, fleet_dead_count(f, NULL)); /* 3 in 100,000 */
	assert_int_equal(t.attempts, t.lines);
	assert_true(t.retried > 0);
	assert_true(t.fell_back > 0);
	assert_true(t.most <= 3); /* MAX_RETRY_ATTEMPTS, of each provider */
	assert_int_equal(t.unknown, 0);
	one = tally_of_record(first);
	two = tally_of_record(second);
	assert_int_equal(tally_total(one) + tally_total(two), t.sent);
	assert_int_equal(tally_keys(one) + tally_keys(two), t.sent);
	assert_true(tally_total(two) > 0);
	tally_free(one);
	tally_free(two);
	fleet_free(f);
}

/* Nobody listens at the primary: the breaker opens once for the whole fleet, all goes by the other. */
static void test_primary_dead(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *nobody = sink_prepare();
	const char *second = fleet_mock(f, "SECONDARY", "");
	struct timelines t;
	struct tally *taken;
	char *value;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(nobody, ""));
	fleet_set(f,
	          "RETRY_BASE_DELAY=300"); /* none has spent its tries before the breaker opens */
	fleet_set(f, "RETRY_MAX_DELAY=300");
	for (int i = 0; i < 3; i++)
		fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "d", 300, "");
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "d", 300);
	assert_int_equal(t.sent, 300);
	assert_int_equal(t.attempts, t.lines);
	taken = tally_of_record(second);
	assert_int_equal(tally_total(taken), 300);
	assert_int_equal(tally_keys(taken), 300);
	tally_free(taken);
	value = fleet_provider_field(f, "primary", "opened");
	assert_string_equal(value, "1");
	free(value);
	value = fleet_provider_field(f, "primary", "state");
	assert_string_equal(value, "open");
	free(value);
	/* What comes now goes to the secondary at once. */
	fleet_push(f, "now", "");
	fleet_wait_status(f, "now", "sent");
	fleet_expect(f, "now", "attempts", "1");
	fleet_expect(f, "now", "provider", "secondary");
	fleet_free(f);
	sink_free(nobody);
}

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
	fleet_set(f, "LEASE_MS=3000"); /* the mails wait with the workers, where probes come from */
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

/* Its leases are renewed, and so is the probe: nobody else's arrives, however long it takes. */
static void test_probe_outlives_leases(void **state)
{
	struct sink *back = sink_prepare();
	struct fleet *f = start_probing(back, 3000);

	(void)state;
	for (int i = 0; i < 3; i++)
		fleet_worker_ready(f, NULL);
	push_held(f, 0, 12);
	wait_until(breaker_is_open, f, 0);
	sink_run(back);
	sink_wait_total(back, 1);
	assert_false(wait_for(NULL, more_than_one, back, 7000));
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

/* The connection is lost before the last byte: not taken, and everybody knows. */
static void test_lost_before_last_byte(void **state)
{
	struct fleet *f = fleet_start(NULL);

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_to(f, "lost", "drop-rcpt-2.lost@example.com", "");
	fleet_wait_status(f, "lost", "sent");
	assert_int_equal(timelines_lines(f, "lost", "primary", "retry"), 2);
	assert_int_equal(timelines_lines(f, "lost", NULL, "unknown"), 0);
	assert_int_equal(sink_copies(sink, "lost"), 1);
	fleet_free(f);
}

/* Silence, or the end of the connection, after the last byte: nobody can know. What follows is the
 * mail's policy; another provider is never asked. */
static void test_unknown(void **state)
{
	static const struct {
		const char *key, *to, *more, *status;
		size_t unknown, copies;
	} mails[] = {
		{"silent", "silent-dot-1.a@example.com", "", "sent", 1, 2},
		{"dropped", "drop-dot-1.b@example.com", "", "sent", 1, 2},
		{"gone", "lose-dot-2.c@example.com", "", "sent", 2, 1},
		{"held", "silent-dot.d@example.com", ",\"onUnknown\":\"hold\"", "held", 1, 1},
		{"failed", "drop-dot.e@example.com", ",\"onUnknown\":\"fail\"", "failed", 1, 1},
		{"spent", "drop-dot.f@example.com", "", "held", 3, 3},
	};
	struct fleet *f = fleet_start(NULL);
	const char *second = fleet_mock(f, "SECONDARY", "");
	struct tally *one, *two;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&timeout=300"));
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=100");
	fleet_worker(f, NULL);
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
		fleet_push_to(f, mails[i].key, mails[i].to, mails[i].more);
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
		fleet_wait_status(f, mails[i].key, mails[i].status);
	fleet_wait_settled(f, NULL);
	one = sink_tally(sink);
	two = tally_of_record(second);
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		const char *key = mails[i].key;
		size_t unknown = timelines_lines(f, key, "primary", "unknown");

		if (unknown != mails[i].unknown || tally_copies(one, key) != mails[i].copies ||
		    tally_ids(one, key) != 1) {
			fleet_show_status(f, key);
			fail_msg("%s: %zu unknown, %zu copies with %zu Message-IDs", key, unknown,
			         tally_copies(one, key), tally_ids(one, key));
		}
	}
	assert_int_equal(tally_total(two), 0);
	tally_free(one);
	tally_free(two);
	fleet_free(f);
}

static bool is_throttled(void *arg)
{
	char *until = fleet_provider_field(arg, "primary", "throttled_until");
	bool yes = until[0] != '\0';

	free(until);
	return yes;
}

static bool any_taken(void *arg)
{
	return sink_copies(arg, "next") > 0;
}

/* One reply that asks for less stops the whole fleet for a while; no attempt is charged for it, and
 * nothing more is taken from the list meanwhile. */
static void test_throttled(void **state)
{
	struct fleet *f = fleet_start(NULL);

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "THROTTLE_MAX=2000");
	fleet_worker_ready(f, NULL);
	fleet_push_to(f, "throttled", "throttle-1.a@example.com", "");
	wait_until(is_throttled, f, 0);
	fleet_worker_ready(f, NULL); /* knows of it by Redis alone */
	fleet_push(f, "next", "");
	assert_false(wait_for(NULL, any_taken, sink, 800));
	fleet_expect(f, "throttled", "attempts", "0");
	assert_int_equal(timelines_lines(f, "next", NULL, NULL), 0);
	fleet_wait_status(f, "throttled", "sent");
	fleet_wait_status(f, "next", "sent");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "throttled", "attempts", "1");
	fleet_expect(f, "next", "attempts", "1");
	assert_int_equal(timelines_lines(f, "throttled", NULL, NULL), 1);
	fleet_free(f);
}

/* A greylisted recipient waits; the others do not. */
static void test_greylisted(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *value;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1");
	fleet_set(f, "THROTTLE_MAX=1000");
	fleet_worker(f, NULL);
	fleet_push_to(f, "grey", "grey-1.a@example.com", "");
	fleet_wait_status(f, "grey", "retrying");
	fleet_push(f, "others", "");
	fleet_wait_status(f, "others", "sent");
	fleet_wait_status(f, "grey", "sent");
	value = fleet_provider_field(f, "primary", "opened");
	assert_string_equal(value, "");
	free(value);
	fleet_free(f);
}

/* Refused for good: no other provider, a dead letter at once. Down: the next provider at once. */
static void test_rejected_and_down(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *value;

	(void)state;
	fleet_set(f, "PROVIDERS=broken,primary,spare");
	fleet_set(f, "PROVIDER_BROKEN=mock://?success=0&fail=provider_down");
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&fail=rejected");
	fleet_set(f, "PROVIDER_SPARE=mock://");
	fleet_worker(f, NULL);
	fleet_push(f, "refused", "");
	fleet_wait_status(f, "refused", "failed");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_lines(f, "refused", "broken", "provider_down"), 1);
	assert_int_equal(timelines_lines(f, "refused", "primary", "rejected"), 1);
	assert_int_equal(timelines_lines(f, "refused", NULL, NULL), 2);
	value = fleet_provider_field(f, "broken", "opened");
	assert_string_equal(value, "1");
	free(value);
	/* Pinned to one: no fallback, and a name that is none is said so. */
	fleet_push(f, "pinned", ",\"provider\":\"spare\"");
	fleet_push(f, "nowhere", ",\"provider\":\"elsewhere\"");
	fleet_wait_status(f, "pinned", "sent");
	fleet_expect(f, "pinned", "provider", "spare");
	fleet_expect(f, "pinned", "attempts", "1");
	fleet_wait_status(f, "nowhere", "failed");
	value = fleet_field(f, "nowhere", "error");
	assert_int_equal(strncmp(value, "no_such_provider", 16), 0);
	free(value);
	fleet_free(f);
}

/* A job may say for itself how often it is tried: at each provider. */
static void test_max_attempts(void **state)
{
	struct fleet *f = fleet_start(NULL);

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0");
	fleet_set(f, "PROVIDER_SECONDARY=mock://?success=0");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=100");
	fleet_worker(f, NULL);
	fleet_push(f, "own", ",\"maxAttempts\":2");
	fleet_push(f, "usual", "");
	fleet_wait_status(f, "own", "failed");
	fleet_wait_status(f, "usual", "failed");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_lines(f, "own", "primary", "retry"), 2);
	assert_int_equal(timelines_lines(f, "own", "secondary", "retry"), 2);
	assert_int_equal(timelines_lines(f, "usual", "primary", "retry"), 3);
	assert_int_equal(timelines_lines(f, "usual", "secondary", "retry"), 3);
	fleet_expect(f, "own", "attempts", "4");
	assert_int_equal(fleet_dead_count(f, NULL), 2);
	fleet_free(f);
}

#define LIMITED 125

static void push_limited(void *data)
{
	fleet_push_many(data, NULL, "l", LIMITED, "");
}

/* Two workers, one bucket of 50 a second: 50 a second in sum. */
static void test_rate(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "rate=50/s&burst=5");
	struct process *workers[2];
	struct timelines t;
	int64_t took;

	(void)state;
	for (int i = 0; i < 2; i++)
		workers[i] = fleet_worker_ready(f, NULL);
	took = pace_watch(f, record, LIMITED, 50, 5, push_limited, NULL, f);
	/* 2.4 s at the least; and the limit is made use of, however slow the machine is. */
	if (took > 4 * 2400)
		fail_msg("%d mails at 50/s took %lld ms", LIMITED, (long long)took);
	fleet_wait_settled(f, NULL);
	t = timelines_count(f, "l", LIMITED);
	assert_int_equal(t.sent, LIMITED);
	assert_int_equal(t.lines, LIMITED); /* to wait costs no attempt */
	for (int i = 0; i < 2; i++) {
		assert_true(process_count_lines(workers[i], "\"attempt_ended\"") > 0);
		fleet_stop(f, workers[i]);
	}
	fleet_free(f);
}

/* As many connections as the DSN says, however much there is to do; and they are used again. */
static void test_concurrency(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct http_server *api = http_server_start();
	struct smtp_sink *smtp = smtp_sink_start(NULL, false);
	struct process *w;

	(void)state;
	fleet_set(f, "PROVIDERS=http,smtp");
	fleet_set(f, "PROVIDER_HTTP=resend://test-key-123@default?tier=1&concurrency=3&endpoint=%s",
	          http_server_url(api, NULL, "resend"));
	fleet_set(f, "PROVIDER_SMTP=smtp://127.0.0.1:%d?tier=1&concurrency=3",
	          smtp_sink_port(smtp));
	w = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "c", 200, "");
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "c", 200).sent, 200);
	assert_in_range(http_server_count(api, "connections"), 1, 3);
	fleet_stop(f, w);
	smtp_sink_wait(smtp, 200 - http_server_count(api, "taken"));
	assert_true(smtp_sink_sessions(smtp) <= 1 + 3); /* one was to see whether it listens */
	http_server_free(api);
	smtp_sink_free(smtp);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_70_90),
		cmocka_unit_test(test_primary_dead),
		cmocka_unit_test(test_opens_once),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_probe_out),
		cmocka_unit_test(test_probe_outlives_leases),
		cmocka_unit_test(test_probe_lost),
		cmocka_unit_test(test_bad_recipients),
		cmocka_unit_test(test_lost_before_last_byte),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_throttled),
		cmocka_unit_test(test_greylisted),
		cmocka_unit_test(test_rejected_and_down),
		cmocka_unit_test(test_max_attempts),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_concurrency),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, start_sink, stop_sink);
}

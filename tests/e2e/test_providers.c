/* Providers that fail: retries, fallback, limits; shared by the fleet. (The breaker: test_breaker.c) */
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
#include "support/sink_group.h"
#include "support/smtp_sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define MOCKED 1000

/* Two providers that take 70 % and 90 %: all mails end, with their retries and fallbacks on record. */
static void test_70_90(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *first = fleet_mock(f, "PRIMARY", "success=0.7&latency=0-3");
	const char *second = fleet_mock(f, "SECONDARY", "success=0.9&latency=0-3");
	struct tally *one, *two;
	struct timelines t;

	(void)state;
	fleet_set(f, "LEASE_MS=30000");
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
	fleet_set(f, "LEASE_MS=30000");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=3600000");
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
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&timeout=5s"));
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
	char *until;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "THROTTLE_MAX=8000"); /* time enough to look at it, also for a slow machine */
	fleet_worker_ready(f, NULL);
	fleet_push_to(f, "throttled", "throttle-1.a@example.com", "");
	wait_until(is_throttled, f, 0);
	until = fleet_provider_field(f, "primary", "throttled_until");
	fleet_worker_ready(f, NULL); /* knows of it by Redis alone */
	fleet_push(f, "next", "");
	assert_false(wait_for(NULL, any_taken, sink, 800));
	fleet_expect(f, "throttled", "attempts", "0");
	assert_int_equal(timelines_lines(f, "next", NULL, NULL), 0);
	fleet_wait_status(f, "throttled", "sent");
	fleet_wait_status(f, "next", "sent");
	fleet_wait_settled(f, NULL);
	assert_true(fleet_number(f, "next", "updated_at") >= strtoll(until, NULL, 10));
	free(until);
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
	fleet_set(f, "THROTTLE_MAX=5000"); /* for so long it is left alone, and says so */
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
	fleet_set(f, "LEASE_MS=30000");
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
	return cmocka_run_group_tests(tests, sink_group_begin, sink_group_end);
}

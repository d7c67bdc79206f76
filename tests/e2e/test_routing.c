/* Several providers: tiers, weights that a whole fleet holds, what is spilled, and mails that not every
 * provider can carry. */
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
#include "support/sink.h"
#include "support/smtp_sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define SHARED 1000

static struct fleet *fleet;

static int begin(void **state)
{
	(void)state;
	fleet = fleet_start(NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fleet_free(fleet);
	return 0;
}

static size_t taken(const char *record)
{
	struct tally *t = tally_of_record(record);
	size_t n = tally_total(t);

	tally_free(t);
	return n;
}

static void push_and_wait(const char *stem, size_t n)
{
	fleet_push_many(fleet, NULL, stem, n, "");
	fleet_wait_settled(fleet, NULL);
	assert_int_equal(timelines_count(fleet, stem, n).sent, n);
}

static void set_weight(struct process *const workers[2], const char *weight, size_t changes)
{
	redis_server_do(fleet_redis(fleet), "HSET mail:control weight:provider:a %s", weight);
	for (int i = 0; i < 2; i++)
		process_wait_lines(workers[i], "\"weight_changed\"", changes, 0);
}

/* 3 : 1 over two workers, then moved at run time: to none, back, and by a retry to the last tier. */
static void test_weights(void **state)
{
	const char *a = fleet_mock(fleet, "A", "tier=1&weight=3");
	const char *b = fleet_mock(fleet, "B", "tier=1");
	const char *last = fleet_mock(fleet, "LAST", "tier=2&weight=1000");
	struct process *workers[2];
	size_t before;

	(void)state;
	fleet_set(fleet, "PROVIDERS=last,a,b");
	for (int i = 0; i < 2; i++)
		workers[i] = fleet_worker_ready(fleet, NULL);
	push_and_wait("w", SHARED);
	/* 750 on average; eight standard deviations of 13.7 either way */
	assert_in_range(taken(a), 640, 860);
	assert_int_equal(taken(a) + taken(b), SHARED);
	for (int i = 0; i < 2; i++)
		assert_true(process_count_lines(workers[i], "\"attempt_ended\"") > 0);

	before = taken(a);
	set_weight(workers, "0", 1);
	push_and_wait("x", 100);
	assert_int_equal(taken(a), before);
	set_weight(workers, "1000", 2);
	push_and_wait("y", 100);
	assert_true(taken(a) > before + 80);
	redis_server_do(fleet_redis(fleet), "HSET mail:control weight:provider:a nonsense");
	for (int i = 0; i < 2; i++)
		process_wait_lines(workers[i], "\"to\":3", 1, 0); /* the DSN's */

	/* Drained, and yet better than the next tier. */
	set_weight(workers, "0", 4);
	redis_server_do(fleet_redis(fleet), "HSET mail:control pause:provider:b 1");
	for (int i = 0; i < 2; i++)
		process_wait_line(workers[i], "\"paused\"", 0);
	before = taken(a);
	push_and_wait("z", 20);
	assert_int_equal(taken(a), before + 20);
	assert_int_equal(taken(last), 0);
}

/* A reload forgets no switch, not even until the next look at them. */
static void test_reload_keeps_weights(void **state)
{
	const char *a = fleet_mock(fleet, "A", "tier=1");
	struct process *w;

	(void)state;
	fleet_mock(fleet, "B", "tier=1");
	fleet_set(fleet, "PROVIDERS=a,b");
	redis_server_do(fleet_redis(fleet), "HSET mail:control weight:provider:a 0");
	w = fleet_worker_ready(fleet, NULL);
	process_wait_line(w, "\"weight_changed\"", 0);
	for (size_t i = 1; i <= 5; i++) {
		char stem[8];

		process_signal(w, SIGHUP);
		process_wait_lines(w, "\"reloaded\"", i, 0);
		snprintf(stem, sizeof(stem), "h%zu", i);
		push_and_wait(stem, 20);
	}
	assert_int_equal(taken(a), 0);
	assert_int_equal(process_count_lines(w, "\"weight_changed\""), 1);
}

/* A mail stays with the provider that it drew until its tries are spent, whoever claims it; then the
 * other of the tier is asked, then the next tier. */
static void test_retries_stay(void **state)
{
	struct timelines t;

	(void)state;
	fleet_set(fleet, "PROVIDERS=a,b,last");
	fleet_set(fleet, "PROVIDER_A=mock://?tier=1&success=0");
	fleet_set(fleet, "PROVIDER_B=mock://?tier=1&success=0");
	fleet_set(fleet, "PROVIDER_LAST=mock://?tier=2");
	fleet_set(fleet, "CIRCUIT_BREAKER_THRESHOLD=10000");
	for (int i = 0; i < 2; i++)
		fleet_worker_ready(fleet, NULL);
	push_and_wait("r", 40);
	t = timelines_count(fleet, "r", 40);
	assert_int_equal(t.lines, 40 * 7); /* 3, 3, 1 */
	assert_int_equal(t.fell_back, 40);
	for (int i = 0; i < 40; i++) {
		char key[16], *first, *third, *fourth, *last;

		snprintf(key, sizeof(key), "r-%d", i);
		first = fleet_field(fleet, key, "attempt:1");
		third = fleet_field(fleet, key, "attempt:3");
		fourth = fleet_field(fleet, key, "attempt:4");
		last = fleet_field(fleet, key, "attempt:7");
		assert_int_equal(first[0], third[0]);
		assert_int_not_equal(first[0], fourth[0]);
		assert_int_equal(strncmp(last, "last ", 5), 0);
		free(first);
		free(third);
		free(fourth);
		free(last);
	}
}

/* A bucket that is empty: mails wait for it, or go to the next provider. */
static void test_rate_overflows(void **state)
{
	const char *a = fleet_mock(fleet, "A", "rate=1/h&burst=5&overflow=spill");
	const char *b = fleet_mock(fleet, "B", "rate=20/s&burst=1");
	const char *c = fleet_mock(fleet, "C", "");

	(void)state;
	fleet_set(fleet, "PROVIDERS=a,b,c");
	for (int i = 0; i < 2; i++)
		fleet_worker_ready(fleet, NULL);
	push_and_wait("o", 30);
	assert_int_equal(taken(a), 5);
	assert_int_equal(taken(b), 25); /* whose bucket is waited for: overflow=wait */
	assert_int_equal(taken(c), 0);
	assert_int_equal(timelines_count(fleet, "o", 30).lines, 30);
}

static bool is_throttled(void *arg)
{
	char *until = fleet_provider_field(fleet, arg, "throttled_until");
	bool yes = until[0] != '\0';

	free(until);
	return yes;
}

/* One that asks for less is left alone, and the mails do not wait for it; not even the one that was
 * refused. */
static void test_throttling_spills(void **state)
{
	struct sink *sink = sink_start();
	const char *b = fleet_mock(fleet, "B", "");

	(void)state;
	fleet_set(fleet, "PROVIDERS=a,b");
	fleet_set(fleet, "PROVIDER_A=%s", sink_dsn(sink, "&overflow=spill"));
	fleet_worker_ready(fleet, NULL);
	fleet_push_to(fleet, "first", "throttle-1.a@example.com", "");
	wait_until(is_throttled, (char[]){"a"}, 0);
	push_and_wait("t", 20);
	assert_int_equal(taken(b), 21);
	fleet_wait_status(fleet, "first", "sent");
	assert_int_equal(sink_total(sink), 0);
	sink_free(sink);
}

static void expect_refused(const char *key, const char *words)
{
	char *error;

	fleet_wait_status(fleet, key, "failed");
	error = fleet_field(fleet, key, "error");
	assert_int_equal(strncmp(error, "unsupported: ", 13), 0);
	if (strstr(error, words) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", key, error, words);
	free(error);
	fleet_expect(fleet, key, "attempts", "");
	assert_int_equal(timelines_lines(fleet, key, NULL, NULL), 0);
}

/* What a provider cannot carry goes by one that can; pinned to it, the mail fails with the reason. */
static void test_what_one_cannot_carry(void **state)
{
	struct http_server *server = http_server_start();
	static const char two_tags[] = ",\"tags\":[\"one\",\"two\"]";
	const char *b = fleet_mock(fleet, "B", "");
	size_t large = 10500000;
	char *big = malloc(large + 1), *job;

	(void)state;
	assert_non_null(big);
	fleet_set(fleet, "PROVIDERS=a,b");
	fleet_set(fleet, "PROVIDER_A=postmark://test-key-123@default?endpoint=%s",
	          http_server_url(server, NULL, "postmark"));
	fleet_worker_ready(fleet, NULL);
	fleet_push(fleet, "fits", ",\"provider\":\"a\",\"tags\":[\"one\"]");
	fleet_wait_status(fleet, "fits", "sent");
	fleet_push(fleet, "tags", two_tags);
	fleet_wait_status(fleet, "tags", "sent");
	fleet_expect(fleet, "tags", "provider", "b");
	fleet_expect(fleet, "tags", "attempts", "1");
	fleet_push(fleet, "pinned", ",\"provider\":\"a\",\"tags\":[\"one\",\"two\"]");
	expect_refused("pinned", "Postmark takes one tag");

	memset(big, 'x', large);
	big[large] = '\0';
	for (int i = 0; i < 2; i++) {
		const char *key = i == 0 ? "large" : "large-pinned";
		char *more = NULL;

		assert_true(asprintf(&more, ",\"html\":\"%s\"%s", big,
		                     i == 0 ? "" : ",\"provider\":\"a\"") > 0);
		job = fleet_job(key, more);
		fleet_push_raw(fleet, NULL, job, strlen(job));
		free(job);
		free(more);
	}
	fleet_wait_status(fleet, "large", "sent");
	fleet_expect(fleet, "large", "provider", "b");
	expect_refused("large-pinned", "larger");
	assert_int_equal(taken(b), 2);
	assert_int_equal(http_server_count(server, "taken"), 1);
	http_server_check(server);
	http_server_free(server);
	free(big);
}

/* A relay without SMTPUTF8 is no reason to bury a mail to jürgen@…: another provider may have it. */
static void test_smtp_without_utf8(void **state)
{
	static const char to[] = "j\xc3\xbcrgen@example.com";
	struct sink *old = sink_start_fast((const char *const[]){NULL});
	char *error;

	(void)state;
	fleet_set(fleet, "PROVIDERS=old,b");
	fleet_set(fleet, "PROVIDER_OLD=%s", sink_dsn(old, ""));
	fleet_mock(fleet, "B", "");
	fleet_worker_ready(fleet, NULL);
	fleet_push_to(fleet, "goes", to, "");
	fleet_wait_status(fleet, "goes", "sent");
	fleet_expect(fleet, "goes", "provider", "b");
	assert_int_equal(timelines_lines(fleet, "goes", "old", "retry"), 1);
	fleet_push_to(fleet, "pinned", to, ",\"provider\":\"old\"");
	fleet_wait_status(fleet, "pinned", "failed");
	error = fleet_field(fleet, "pinned", "error");
	assert_int_equal(strncmp(error, "unsupported: ", 13), 0);
	free(error);
	fleet_expect(fleet, "pinned", "attempts", "1"); /* and not three */
	sink_free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_weights, begin, end),
		cmocka_unit_test_setup_teardown(test_reload_keeps_weights, begin, end),
		cmocka_unit_test_setup_teardown(test_retries_stay, begin, end),
		cmocka_unit_test_setup_teardown(test_rate_overflows, begin, end),
		cmocka_unit_test_setup_teardown(test_throttling_spills, begin, end),
		cmocka_unit_test_setup_teardown(test_what_one_cannot_carry, begin, end),
		cmocka_unit_test_setup_teardown(test_smtp_without_utf8, begin, end),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("routing", tests, NULL, NULL);
}

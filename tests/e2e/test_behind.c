/* Mails whose commands go out with the dot of the mail before: a worker with few connections and many
 * mails, against servers that we did not write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/pace.h"
#include "support/postfix.h"
#include "support/redis_server.h"
#include "support/sink.h"
#include "support/smtp_script.h"
#include "support/timelines.h"
#include "support/wait.h"

#define FOLLOWED "\"from\":\"dot\",\"to\":\"RSET\"" /* in the log: the next mail's turn at once */

/* Everything that waits is sent by one worker. How often a mail's commands went with a dot. */
static size_t drain(struct fleet *f)
{
	struct process *w;
	size_t followed;

	fleet_set(f, "LOG_LEVEL=debug");
	fleet_set(f, "LEASE_MS=30000");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	w = fleet_run(f, (const char *const[]){"worker", "--drain", NULL}, NULL);
	assert_int_equal(process_wait(w, 0), 0);
	followed = process_count_lines(w, FOLLOWED);
	fleet_end(f, w);
	print_message("%zu followed a dot\n", followed);
	return followed;
}

#define MAILS 200

/* aiosmtpd refuses one here and there, hangs up on others: what becomes of one mail is no matter of its
 * neighbours'. */
static void test_neighbours_that_fail(void **state)
{
	static const struct {
		const char *behaviour, *status;
		size_t unknown; /* lines in its timeline */
	} ways[] = {
		{"refuse", "failed", 0},   {"bounce", "failed", 0},    {"busy-1", "sent", 0},
		{"defer-1", "sent", 0},    {"drop-rcpt-1", "sent", 0}, {"lose-dot-1", "sent", 1},
		{"drop-dot-1", "sent", 1},
	};
	const size_t n_ways = sizeof(ways) / sizeof(ways[0]);
	struct sink *sink = sink_start_pipelining();
	struct fleet *f = fleet_start(NULL);
	char key[32], to[64];
	struct tally *taken;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&concurrency=2"));
	fleet_set(f, "MAX_RETRY_ATTEMPTS=10");
	for (size_t i = 0; i < MAILS; i++) {
		snprintf(key, sizeof(key), "b-%zu", i);
		/* Every fifth is one of them. */
		snprintf(to, sizeof(to), "%s.x%zu@example.com",
		         i % 5 ? "fine" : ways[i / 5 % n_ways].behaviour, i);
		fleet_push_to(f, key, to, "");
	}
	assert_true(drain(f) > MAILS / 4);
	taken = sink_tally(sink);
	timelines_check_copies(f, taken, "b", MAILS);
	for (size_t i = 0; i < MAILS; i++) {
		size_t w = i / 5 % n_ways;

		snprintf(key, sizeof(key), "b-%zu", i);
		fleet_expect(f, key, "status", i % 5 ? "sent" : ways[w].status);
		assert_int_equal(timelines_lines(f, key, NULL, "unknown"),
		                 i % 5 ? 0 : ways[w].unknown);
		if (i % 5)
			assert_int_equal(tally_copies(taken, key), 1);
	}
	tally_free(taken);
	fleet_free(f);
	sink_free(sink);
}

/* Each arrives once, and with Postfix's own name of it in its status. */
static void test_postfix_takes_it(void **state)
{
	struct postfix *postfix;
	struct fleet *f;
	struct tally *taken;

	(void)state;
	if (!postfix_possible())
		skip();
	postfix = postfix_start(NULL);
	f = fleet_start(NULL);
	fleet_set(f, "PROVIDER_PRIMARY=smtp://127.0.0.1:%d?tls=none&concurrency=1",
	          postfix_port(postfix));
	fleet_push_many(f, NULL, "p", MAILS, "");
	assert_true(drain(f) > 0);
	assert_int_equal(timelines_count(f, "p", MAILS).sent, MAILS);
	assert_int_equal(timelines_count(f, "p", MAILS).lines, MAILS);
	postfix_wait_total(postfix, MAILS);
	taken = postfix_tally(postfix);
	assert_int_equal(tally_total(taken), MAILS);
	assert_int_equal(tally_keys(taken), MAILS);
	tally_free(taken);
	for (int i = 0; i < MAILS; i += MAILS / 4) {
		char key[32], *id, *message, by[64];

		snprintf(key, sizeof(key), "p-%d", i);
		id = fleet_field(f, key, "message_id");
		snprintf(by, sizeof(by), "X-Key: %s", key);
		message = postfix_message(postfix, by);
		snprintf(by, sizeof(by), "id %s", id);
		if (id[0] == '\0' || strstr(message, by) == NULL)
			fail_msg("\"%s\" is not in %s", by, message);
		free(id);
		free(message);
	}
	fleet_free(f);
	postfix_free(postfix);
}

#define PROMPT 5 /* mails that are accepted at once; the next one's dot waits */
#define QUEUED 12

static void serve_some(struct script *c)
{
	char line[512];
	int taken = 0;

	if (!script_hello(c, "PIPELINING"))
		return;
	while (script_line(c, line, sizeof(line))) {
		bool data = strcasecmp(line, "DATA") == 0;

		if (data && (!script_say(c, "354 go") || !script_body(c)))
			return;
		if (data && taken++ == PROMPT)
			script_pause(c);
		if (!script_say(c, "250 2.0.0 ok"))
			return;
	}
}

/* How many went by this provider. */
static size_t sent_by(struct fleet *f, const char *provider)
{
	char key[32];
	size_t n = 0;

	for (int i = 0; i < QUEUED; i++) {
		char *by, *status;

		snprintf(key, sizeof(key), "w-%d", i);
		by = fleet_field(f, key, "provider");
		status = fleet_field(f, key, "status");
		n += strcmp(by, provider) == 0 && strcmp(status, "sent") == 0;
		free(by);
		free(status);
	}
	return n;
}

static bool all_others_are_sent(void *arg)
{
	return sent_by(arg, "secondary") == QUEUED - PROMPT - 1;
}

/* One is at the server, one behind its dot, one in line: when the provider is paused, the two go another
 * way, while nothing is heard of the first. */
static void test_what_waits_leaves_a_shut_gate(void **state)
{
	struct script_server *server = script_server_start(serve_some, NULL);
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "PROVIDERS=primary,secondary");
	fleet_set(
		f,
		"PROVIDER_PRIMARY=smtp://127.0.0.1:%d?tls=none&concurrency=1&command_timeout=300s",
		script_server_port(server));
	fleet_set(f, "PROVIDER_SECONDARY=mock://");
	fleet_set(f, "LEASE_MS=30000");
	fleet_push_many(f, NULL, "w", QUEUED, "");
	w = fleet_worker_ready(f, NULL);
	script_server_wait(server, "<body ", PROMPT + 1);
	redis_server_do(fleet_redis(f), "HSET mail:control pause:provider:primary 1");
	wait_until(all_others_are_sent, f, 0);
	assert_int_equal(script_server_count(server, "<body "), PROMPT + 1);
	script_server_go(server);
	fleet_wait_settled(f, NULL);
	assert_int_equal(sent_by(f, "primary"), PROMPT + 1);
	assert_int_equal(timelines_count(f, "w", QUEUED).lines, QUEUED);
	fleet_stop(f, w);
	fleet_free(f);
	script_server_free(server);
}

/* "primary sent 250 - 12ms": what the provider took for a mail's only attempt. */
static long attempt_ms(struct fleet *f, const char *key)
{
	char *line = fleet_field(f, key, "attempt:1"), *at = strstr(line, "ms");
	long ms;

	assert_non_null(at);
	while (at > line && at[-1] >= '0' && at[-1] <= '9')
		at--;
	ms = strtol(at, NULL, 10);
	free(line);
	return ms;
}

static bool two_are_sending(void *arg)
{
	return process_count_lines(arg, "\"to\":\"sending\"") >= PROMPT + 2;
}

/* Half-open, with one probe at the server and one in line: a gate that is shut for its probes does not take them back
 * only to be given them anew. */
static void test_a_probe_stays_in_line(void **state)
{
	struct script_server *server = script_server_start(serve_some, NULL);
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(
		f,
		"PROVIDER_PRIMARY=smtp://127.0.0.1:%d?tls=none&concurrency=1&command_timeout=300s",
		script_server_port(server));
	fleet_set(f, "LEASE_MS=30000");
	fleet_set(f, "LOG_LEVEL=debug");
	fleet_set(f, "CIRCUIT_BREAKER_PROBES=2");
	fleet_push_many(f, NULL, "w", PROMPT, "");
	w = fleet_worker_ready(f, NULL);
	script_server_wait(server, "<body ", PROMPT);
	fleet_wait_settled(f, NULL);
	redis_server_do(fleet_redis(f), "HSET mail:provider:primary state half-open generation 9");
	fleet_push_many(f, NULL, "probe", 4, "");
	script_server_wait(server, "<body ", PROMPT + 1);
	if (!wait_for(NULL, two_are_sending, w, 2000)) /* the last prompt answer was too long ago */
		print_message("none waits in line here\n");
	script_server_go(server);
	fleet_wait_settled(f, NULL);
	assert_int_equal(process_count_lines(w, "\"from\":\"sending\",\"to\":\"parked\""), 0);
	assert_int_equal(timelines_count(f, "probe", 4).sent, 4);
	fleet_stop(f, w);
	fleet_free(f);
	script_server_free(server);
}

struct moment {
	struct fleet *fleet;
	long long at;
};

static bool has_come(void *arg)
{
	const struct moment *m = arg;

	return pace_now(m->fleet) >= m->at;
}

/* Two wait in line while a dot is not answered: one is too old when its turn comes, and is not sent; of the
 * other the wait is not the provider's time. */
static void test_the_time_in_line(void **state)
{
	struct script_server *server = script_server_start(serve_some, NULL);
	struct fleet *f = fleet_start(NULL);
	struct moment expiry = {.fleet = f};
	struct process *w;
	char more[64];

	(void)state;
	fleet_set(
		f,
		"PROVIDER_PRIMARY=smtp://127.0.0.1:%d?tls=none&concurrency=1&command_timeout=300s",
		script_server_port(server));
	fleet_set(f, "LEASE_MS=30000");
	fleet_push_many(f, NULL, "w", PROMPT + 1, "");
	w = fleet_worker_ready(f, NULL);
	script_server_wait(server, "<body ", PROMPT + 1);
	expiry.at = pace_now(f) + 3000;
	snprintf(more, sizeof(more), ",\"expiresAt\":%lld", expiry.at);
	fleet_push(f, "late", more);
	fleet_push(f, "next", "");
	wait_until(has_come, &expiry, 0);
	script_server_go(server);
	fleet_wait_status(f, "next", "sent");
	fleet_wait_status(f, "late", "failed");
	fleet_expect(f, "late", "error", "expired: expiresAt has passed");
	assert_int_equal(timelines_lines(f, "late", NULL, NULL), 0);
	fleet_expect(f, "late", "provider", "");
	assert_true(attempt_ms(f, "next") * 2 < attempt_ms(f, "w-5"));
	fleet_stop(f, w);
	fleet_free(f);
	script_server_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbours_that_fail),
		cmocka_unit_test(test_postfix_takes_it),
		cmocka_unit_test(test_what_waits_leaves_a_shut_gate),
		cmocka_unit_test(test_a_probe_stays_in_line),
		cmocka_unit_test(test_the_time_in_line),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("behind", tests, NULL, NULL);
}

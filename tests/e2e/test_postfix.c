/* Workers against a real Postfix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/postfix.h"
#include "support/smtp_secure.h"
#include "support/timelines.h"
#include "support/wait.h"
#include "support/wire.h"

#define MAILS 300

static struct fleet *fleet;
static struct postfix *postfix;

static void start(const char *const *settings, const char *parameters)
{
	if (!postfix_possible())
		skip();
	postfix = postfix_start(settings);
	fleet = fleet_start(NULL);
	fleet_set(fleet, "PROVIDER_PRIMARY=smtp://127.0.0.1:%d?tls_ca=%s%s", postfix_port(postfix),
	          secure_ca(), parameters);
}

static int end(void **state)
{
	(void)state;
	fleet_free(fleet);
	postfix_free(postfix);
	fleet = NULL;
	postfix = NULL;
	return 0;
}

/* All arrive, once each, over TLS; the status has Postfix's own name for each. */
static void test_all_arrive(void **state)
{
	struct tally *t;
	char *id, *message, *by;

	(void)state;
	start(NULL, "&tls=require");
	for (int i = 0; i < 2; i++)
		fleet_worker_ready(fleet, NULL);
	fleet_push_many(fleet, NULL, "p", MAILS, "");
	fleet_wait_settled(fleet, NULL);
	assert_int_equal(timelines_count(fleet, "p", MAILS).sent, MAILS);
	assert_int_equal(timelines_count(fleet, "p", MAILS).lines, MAILS);
	postfix_wait_total(postfix, MAILS);
	t = postfix_tally(postfix);
	assert_int_equal(tally_total(t), MAILS);
	assert_int_equal(tally_keys(t), MAILS);
	tally_free(t);
	id = fleet_field(fleet, "p-0", "message_id");
	message = postfix_message(postfix, "X-Key: p-0");
	assert_true(asprintf(&by, "with ESMTPS id %s", id) > 0);
	if (strstr(message, by) == NULL)
		fail_msg("\"%s\" is not in %s", by, message);
	free(by);
	free(message);
	free(id);
}

/* Whatever the text looks like, it is one message, and arrives whole. */
static void test_texts(void **state)
{
	static const struct {
		const char *key, *text, *has;
	} mails[] = {
		{"dots", ".\\n..\\n.\\r\\n.first\\nlast", "\n.\n..\n.\n.first\nlast"},
		{"smuggled",
	         "a\\n.\\nMAIL FROM:<evil@example.com>\\r.\\rRCPT TO:<eve@example.com>\\n\\n.\\n",
	         "MAIL FROM:<evil@example.com>"},
		{"utf8", "Gr\\u00fc\\u00dfe", NULL},
		{"empty", "", NULL},
	};
	size_t n = sizeof(mails) / sizeof(mails[0]);

	(void)state;
	start(NULL, "");
	fleet_worker_ready(fleet, NULL);
	for (size_t i = 0; i < n; i++) {
		char *job;

		assert_true(
			asprintf(&job,
		                 "{\"to\":\"ada@example.com\",\"subject\":\"s\",\"text\":\"%s\","
		                 "\"headers\":{\"X-Key\":\"%s\"},\"idempotencyKey\":\"%s\"}",
		                 mails[i].text, mails[i].key, mails[i].key) > 0);
		fleet_push_raw(fleet, NULL, job, strlen(job));
		free(job);
	}
	fleet_wait_settled(fleet, NULL);
	postfix_wait_total(postfix, n);
	assert_int_equal(postfix_total(postfix), n);
	for (size_t i = 0; i < n; i++) {
		char line[64], *message;

		fleet_expect(fleet, mails[i].key, "status", "sent");
		snprintf(line, sizeof(line), "X-Key: %s", mails[i].key);
		message = postfix_message(postfix, line);
		if (mails[i].has != NULL && strstr(message, mails[i].has) == NULL)
			fail_msg("%s arrives as %s", mails[i].key, message);
		free(message);
	}
}

/* One is taken, one is refused, one put off until its tries are spent: the first gets one copy. */
static void test_recipients(void **state)
{
	static const char job[] =
		"{\"to\":[\"ada@example.com\",\"gone@example.com\",\"full@example.com\"],"
		"\"subject\":\"s\",\"text\":\"t\",\"headers\":{\"X-Key\":\"several\"},"
		"\"idempotencyKey\":\"several\"}";
	char *recipients;

	(void)state;
	start(NULL, "");
	fleet_worker_ready(fleet, NULL);
	fleet_push_raw(fleet, NULL, job, strlen(job));
	fleet_push_to(fleet, "nobody", "gone@example.com", "");
	fleet_wait_settled(fleet, NULL);
	fleet_expect(fleet, "several", "status", "sent");
	fleet_expect(fleet, "nobody", "status", "failed");
	recipients = fleet_field(fleet, "several", "recipients");
	assert_non_null(strstr(recipients, "550 5.1.1"));
	assert_non_null(strstr(recipients, "452 4.2.2"));
	free(recipients);
	postfix_wait_total(postfix, 1);
	assert_int_equal(postfix_total(postfix), 1);
}

/* Too large for it (SIZE): not sent there, but by one that has no such limit. */
static void test_too_large(void **state)
{
	char *more, text[40001];

	(void)state;
	start((const char *const[]){"message_size_limit = 20000", NULL}, "");
	fleet_set(fleet, "PROVIDERS=primary,secondary");
	fleet_mock(fleet, "SECONDARY", "");
	fleet_worker_ready(fleet, NULL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(asprintf(&more, ",\"html\":\"%s\"", text) > 0);
	fleet_push(fleet, "large", more);
	free(more);
	fleet_wait_status(fleet, "large", "sent");
	fleet_expect(fleet, "large", "provider", "secondary");
	assert_int_equal(timelines_lines(fleet, "large", "primary", "rejected"), 1);
	assert_int_equal(postfix_total(postfix), 0);
}

/* Its limit of messages a client and time (anvil): all arrive, and waiting for it charges nothing. */
static void test_throttled(void **state)
{
	struct timelines t;

	(void)state;
	start((const char *const[]){"anvil_rate_time_unit = 2s",
	                            "smtpd_client_message_rate_limit = 10", NULL},
	      "&concurrency=2");
	fleet_set(fleet, "THROTTLE_MAX=1000");
	fleet_worker_ready(fleet, NULL);
	fleet_push_many(fleet, NULL, "t", 25, "");
	fleet_wait_settled(fleet, NULL);
	t = timelines_count(fleet, "t", 25);
	assert_int_equal(t.sent, 25);
	assert_int_equal(t.lines, 25);
	assert_true(postfix_logged(postfix, "too much mail") > 0 ||
	            postfix_logged(postfix, "Message delivery request rate limit exceeded") > 0);
	postfix_wait_total(postfix, 25);
	assert_int_equal(postfix_total(postfix), 25);
}

/* A worker dies with all but the last byte in Postfix's hands: Postfix has nothing of it, and the next
 * worker sends it. */
static void test_killed_while_held(void **state)
{
	struct wire *wire;
	struct process *first;
	struct tally *t;
	char *redis;

	(void)state;
	start(NULL, "");
	wire = wire_start(redis_server_socket(fleet_redis(fleet)));
	assert_true(asprintf(&redis, "REDIS_URL=%s", wire_url(wire)) > 0);
	first = fleet_worker_ready(fleet, (const char *const[]){redis, NULL});
	wire_hold(wire, WIRE_REQUEST, "begin");
	fleet_push(fleet, "held", "");
	wire_wait_held(wire);
	process_kill(first);
	fleet_worker_ready(fleet, NULL);
	fleet_wait_status(fleet, "held", "sent");
	fleet_wait_settled(fleet, NULL);
	postfix_wait_total(postfix, 1);
	t = postfix_tally(postfix);
	assert_int_equal(tally_copies(t, "held"), 1);
	assert_int_equal(timelines_lines(fleet, "held", NULL, "unknown"), 0);
	assert_true(postfix_logged(postfix, "lost connection after DATA") > 0);
	tally_free(t);
	free(redis);
	wire_free(wire);
}

static bool has_logged_quit(void *arg)
{
	return postfix_logged(arg, "ehlo=2 starttls=1 quit=1 commands=4") == 1;
}

/* `check --live` asks, begins no mail, and says goodbye. */
static void test_check(void **state)
{
	struct process *p;

	(void)state;
	start(NULL, "");
	p = fleet_run(fleet, (const char *const[]){"check", "--live", NULL}, NULL);
	assert_int_equal(process_wait(p, 0), 0);
	wait_until(has_logged_quit, postfix, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_all_arrive, end),
		cmocka_unit_test_teardown(test_texts, end),
		cmocka_unit_test_teardown(test_recipients, end),
		cmocka_unit_test_teardown(test_too_large, end),
		cmocka_unit_test_teardown(test_throttled, end),
		cmocka_unit_test_teardown(test_killed_while_held, end),
		cmocka_unit_test_teardown(test_check, end),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("postfix", tests, NULL, NULL);
}

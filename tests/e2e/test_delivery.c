/* The main job: what is pushed to the list is delivered once, and its status says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/sink_group.h"
#include "support/timelines.h"
#include "support/wait.h"

#define MANY 10000

/* 10,000 mails by four workers into a server of Postfix's makers: each arrives exactly once. */
static void test_ten_thousand(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *fast = sink_start_fast(NULL);
	struct process *workers[4];
	struct timelines t;
	struct tally *taken;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(fast, ""));
	fleet_set(f, "LEASE_MS=30000");
	for (int i = 0; i < 4; i++)
		workers[i] = fleet_worker_ready(f, NULL);
	fleet_push_many(f, NULL, "m", MANY, "");
	fleet_wait_settled(f, NULL);

	t = timelines_count(f, "m", MANY);
	assert_int_equal(t.sent, MANY);
	assert_int_equal(t.lines, MANY); /* none was tried twice */
	assert_int_equal(t.attempts, MANY);
	taken = sink_tally(fast);
	assert_int_equal(tally_keys(taken), MANY);
	assert_int_equal(tally_total(taken), MANY);
	tally_free(taken);
	for (int i = 0; i < 4; i++) {
		assert_true(process_count_lines(workers[i], "attempt_ended") > 0);
		fleet_stop(f, workers[i]);
	}
	fleet_free(f);
	sink_free(fast);
}

/* What a user reads of a mail that went well: every field that the contract names. */
static void test_status(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *value;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push(f, "status", "");
	fleet_wait_status(f, "status", "sent");
	fleet_expect(f, "status", "to", "ada@example.com");
	fleet_expect(f, "status", "subject", "Hello");
	fleet_expect(f, "status", "provider", "primary");
	fleet_expect(f, "status", "attempts", "1");
	fleet_expect(f, "status", "error", "");
	value = fleet_field(f, "status", "owner");
	assert_int_equal(strncmp(value, "mail:queue#", 11), 0);
	free(value);
	assert_true(fleet_number(f, "status", "created_at") <=
	            fleet_number(f, "status", "updated_at"));
	assert_int_equal(timelines_lines(f, "status", "primary", "sent"), 1);
	/* A hash of short values stays a listpack: a third of the memory. */
	value = redis_server_text(fleet_redis(f), "OBJECT ENCODING mail:status:status");
	assert_string_equal(value, "listpack");
	free(value);
	fleet_free(f);
}

static const char *event_field(const redisReply *event, const char *name)
{
	const redisReply *fields = event->element[1];

	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (strcmp(fields->element[i]->str, name) == 0)
			return fields->element[i + 1]->str;
	return "";
}

/* Every settled change is an event in the queue's stream, in order. */
static void test_events(void **state)
{
	static const char *const statuses[] = {"retrying", "sent", "failed"};
	struct fleet *f = fleet_start(NULL);
	redisReply *events;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_to(f, "first", "busy-1.events@example.com", ",\"tenant\":\"acme\"");
	fleet_wait_status(f, "first", "sent");
	fleet_push_to(f, "second", "refuse.events@example.com", "");
	fleet_wait_status(f, "second", "failed");
	fleet_wait_settled(f, NULL);
	events = redis_server_cmd(fleet_redis(f), "XRANGE {mail:queue}:events - +");
	assert_int_equal(events->elements, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(event_field(events->element[i], "status"), statuses[i]);
		assert_string_equal(event_field(events->element[i], "key"),
		                    i < 2 ? "first" : "second");
		assert_string_equal(event_field(events->element[i], "provider"), "primary");
		assert_string_equal(event_field(events->element[i], "tenant"), i < 2 ? "acme" : "");
	}
	assert_string_equal(event_field(events->element[1], "attempt"), "2");
	freeReplyObject(events);
	fleet_free(f);
}

/* A job without a key is delivered too, and is to be found under its id. */
static void test_no_key(void **state)
{
	static const char job[] =
		"{\"to\":\"nokey@example.com\",\"subject\":\"Hi\",\"body\":\"x\"}";
	struct fleet *f = fleet_start(NULL);
	redisReply *keys;
	char *status;

	(void)state;
	fleet_mock(f, "PRIMARY", "");
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_push_raw(f, NULL, job, strlen(job)); /* nothing makes it the same mail */
	fleet_push(f, "last", "");
	fleet_wait_status(f, "last", "sent");
	fleet_wait_settled(f, NULL);
	keys = redis_server_cmd(fleet_redis(f), "KEYS mail:status:auto-*");
	assert_int_equal(keys->elements, 2);
	status = redis_server_text(fleet_redis(f), "HGET %s status", keys->element[0]->str);
	assert_string_equal(status, "sent");
	free(status);
	freeReplyObject(keys);
	fleet_free(f);
}

/* Clients that all push the same mails at once, each over its own connection. */
static void push_from_many(struct fleet *f, size_t clients, size_t each, const char *job)
{
	redisContext *c[64];

	for (size_t i = 0; i < clients; i++)
		c[i] = fleet_client(f);
	for (size_t n = 0; n < each; n++)
		for (size_t i = 0; i < clients; i++)
			redisAppendCommand(c[i], "LPUSH " FLEET_QUEUE " %s", job);
	for (size_t i = 0; i < clients; i++) {
		for (size_t n = 0; n < each; n++)
			freeReplyObject(fleet_answer(c[i]));
		redisFree(c[i]);
	}
}

/* The same key and content 100 times from 10 clients: one mail. */
static void test_same_key(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=20-50");
	char *job = fleet_job("same", "");
	struct tally *taken;

	(void)state;
	fleet_set(f, "LEASE_MS=30000");
	for (int i = 0; i < 4; i++)
		fleet_worker_ready(f, NULL);
	push_from_many(f, 10, 10, job);
	fleet_wait_field(f, "same", "duplicates", "99");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "same", "status", "sent");
	fleet_expect(f, "same", "attempts", "1");
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 1);
	tally_free(taken);
	assert_int_equal(fleet_dead_count(f, NULL), 0);

	/* And later, when it is long settled: still the same mail; what is not content does not count. */
	free(job);
	job = fleet_job("same", ",\"traceparent\":"
	                        "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"");
	push_from_many(f, 50, 1, job);
	fleet_wait_field(f, "same", "duplicates", "149");
	fleet_wait_settled(f, NULL);
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 1);
	tally_free(taken);
	free(job);
	fleet_free(f);
}

/* The same key with other content: a dead letter, with its bytes, and a status of its own. */
static void test_conflict(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	char *other = fleet_job_to("taken", "eve@example.com", ""), *bytes, key[64], *error;
	struct tally *copies;
	redisReply *dead;
	size_t n;

	(void)state;
	fleet_worker_ready(f, NULL);
	fleet_push(f, "taken", "");
	fleet_wait_status(f, "taken", "sent");
	fleet_push_raw(f, NULL, other, strlen(other));
	fleet_push(f, "behind", "");
	fleet_wait_status(f, "behind", "sent");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "taken", "status", "sent");
	fleet_expect(f, "taken", "to", "ada@example.com");
	fleet_expect(f, "taken", "duplicates", "");
	assert_int_equal(fleet_dead_count(f, NULL), 1);
	dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	bytes = fleet_dead(f, NULL, dead->element[0]->str, &n);
	assert_string_equal(bytes, other);
	snprintf(key, sizeof(key), "auto-%s", dead->element[0]->str);
	fleet_expect(f, key, "status", "failed");
	error = fleet_field(f, key, "error");
	assert_int_equal(strncmp(error, "conflict: ", 10), 0);
	copies = tally_of_record(record);
	assert_int_equal(tally_total(copies), 2);
	tally_free(copies);
	free(error);
	free(bytes);
	free(other);
	freeReplyObject(dead);
	fleet_free(f);
}

static bool has_line(const char *message, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
	return strstr(message, whole) != NULL;
}

/* The message as the server has it: its header, both bodies, and nobody learns of the bcc. */
static void test_message(void **state)
{
	static const char job[] =
		"{\"to\":[\"Ada <ada@example.com>\"],\"cc\":{\"email\":\"bob@example.com\"},"
		"\"bcc\":\"secret@example.com\",\"subject\":\"Gr\\u00fc\\u00dfe\",\"text\":\"plain words\","
		"\"html\":\"<p>rich words</p>\",\"headers\":{\"X-Key\":\"message\"},"
		"\"idempotencyKey\":\"message\",\"attachments\":[{\"filename\":\"a.txt\","
		"\"contentType\":\"text/plain\",\"content\":\"YXR0YWNoZWQ=\"}]}";
	struct fleet *f = fleet_start(NULL);
	size_t before = sink_total(sink);
	char *message, *envelope;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_wait_status(f, "message", "sent");
	assert_int_equal(sink_total(sink), before + 1);
	envelope = sink_envelope(sink, before + 1);
	assert_non_null(strstr(envelope, " ada@example.com,bob@example.com,secret@example.com "));
	assert_non_null(strstr(envelope, " shop@example.com"));
	message = sink_message(sink, before + 1);
	assert_true(has_line(message, "From: Shop <shop@example.com>"));
	assert_true(has_line(message, "To: Ada <ada@example.com>"));
	assert_true(has_line(message, "Cc: bob@example.com"));
	assert_null(strstr(message, "secret@"));
	assert_non_null(strstr(message, "\r\nSubject: =?"));
	assert_non_null(strstr(message, "plain words"));
	assert_non_null(strstr(message, "<p>rich words</p>"));
	assert_non_null(strstr(message, "YXR0YWNoZWQ="));
	free(message);
	free(envelope);
	fleet_free(f);
}

/* Whatever looks like the end of a message is in it: the server gets exactly one, whole. */
static void test_dots(void **state)
{
	static const char body[] = ".\\n..\\n.\\r\\n\\n.\\r\\r.\\r\\n...three\\n.one\\rbare"
				   "\\r\\n.\\r\\nMAIL FROM:<eve@example.com>\\r\\nend";
	struct fleet *f = fleet_start(NULL);
	size_t before = sink_total(sink);
	char job[4096], *message;
	static char longest[2001];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1); /* over the 998 of a line */
	snprintf(job, sizeof(job),
	         "{\"to\":\"ada@example.com\",\"subject\":\"dots\",\"body\":\"%s%s\","
	         "\"headers\":{\"X-Key\":\"dots\"},\"idempotencyKey\":\"dots\"}",
	         body, longest);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_push(f, "after-dots", ""); /* over the same connection: it must be in step */
	fleet_wait_status(f, "dots", "sent");
	fleet_wait_status(f, "after-dots", "sent");
	assert_int_equal(sink_total(sink), before + 2);
	message = sink_message(sink, before + 1);
	if (!strstr(message, "X-Key: dots")) {
		free(message);
		message = sink_message(sink, before + 2);
	}
	assert_non_null(strstr(message, "X-Key: dots"));
	assert_null(strstr(message, "X-Key: after-dots"));
	for (const char *line = message; (line = strchr(line, '\n')) != NULL; line++) {
		assert_true(line > message && line[-1] == '\r'); /* no bare line feed */
		assert_true(strcspn(line + 1, "\n") <= 1000);
	}
	free(message);
	fleet_free(f);
}

/* The same in a body that needs no encoding: line by line as it was written. */
static void test_plain_dots(void **state)
{
	static const char job[] = "{\"to\":\"ada@example.com\",\"subject\":\"s\","
				  "\"body\":\"first\\n.\\n..\\n.one\\nlast\\n\","
				  "\"idempotencyKey\":\"plain-dots\"}";
	struct fleet *f = fleet_start(NULL);
	size_t before = sink_total(sink);
	char *message;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, sizeof(job) - 1);
	fleet_wait_status(f, "plain-dots", "sent");
	fleet_push(f, "after-plain", "");
	fleet_wait_status(f, "after-plain", "sent");
	assert_int_equal(sink_total(sink), before + 2);
	message = sink_message(sink, before + 1);
	if (!strstr(message, "first\r\n.\r\n..\r\n.one\r\nlast\r\n"))
		fail_msg("the message is:\n%s", message);
	free(message);
	fleet_free(f);
}

/* Some recipients are refused for good, some put off: each has a state, nobody gets it twice. */
static void test_recipients(void **state)
{
	static const char job[] =
		"{\"to\":[\"ok@example.com\",\"refuse.no@example.com\",\"defer-2.later@example.com\"],"
		"\"subject\":\"Hi\",\"body\":\"x\",\"headers\":{\"X-Key\":\"rcpts\"},"
		"\"idempotencyKey\":\"rcpts\"}";
	static const char none[] = "{\"to\":[\"refuse.a@example.com\",\"refuse.b@example.com\"],"
				   "\"subject\":\"Hi\",\"body\":\"x\",\"idempotencyKey\":\"none\"}";
	struct fleet *f = fleet_start(NULL);
	size_t before = sink_total(sink);
	char *states, *envelope;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "MAX_RETRY_ATTEMPTS=5");
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, strlen(job));
	fleet_push_raw(f, NULL, none, strlen(none));
	fleet_wait_status(f, "rcpts", "sent");
	fleet_wait_status(f, "none", "failed");
	fleet_wait_settled(f, NULL);
	states = fleet_field(f, "rcpts", "recipients");
	assert_non_null(strstr(states, "ok@example.com accepted 250"));
	assert_non_null(strstr(states, "refuse.no@example.com refused 550 5.1.1"));
	assert_non_null(strstr(states, "defer-2.later@example.com accepted 250"));
	free(states);
	assert_int_equal(sink_asked(sink, "ok@example.com"), 1);
	assert_int_equal(sink_asked(sink, "refuse.no@example.com"), 1);
	assert_int_equal(sink_asked(sink, "defer-2.later@example.com"), 3);
	assert_int_equal(sink_total(sink), before + 2);
	envelope = sink_envelope(sink, before + 2);
	assert_non_null(strstr(envelope, " defer-2.later@example.com "));
	free(envelope);
	assert_int_equal(timelines_lines(f, "none", NULL, "rejected"), 1);
	assert_int_equal(fleet_dead_count(f, NULL), 1);
	fleet_free(f);
}

/* Two queues full of mail and few slots: the heavier one goes first, the lighter one is not starved. */
static void test_weights(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "latency=5");
	struct tally *taken;
	size_t high = 0;

	(void)state;
	fleet_set(f, "QUEUES=mail:queue:high*6,mail:queue:low");
	fleet_set(f, "CONCURRENCY=7");
	fleet_push_many(f, "mail:queue:low", "low", 140, "");
	fleet_push_many(f, "mail:queue:high", "high", 140, "");
	fleet_worker(f, NULL);
	fleet_wait_settled(f, "mail:queue:high");
	fleet_wait_settled(f, "mail:queue:low");
	taken = tally_of_record(record);
	assert_int_equal(tally_total(taken), 280);
	for (size_t i = 0; i < 70; i++)
		high += strncmp(tally_key_at(taken, i), "high-", 5) == 0;
	if (high < 42 || high == 70)
		fail_msg("%zu of the first 70 mails are of the queue with six times the weight",
		         high);
	tally_free(taken);
	fleet_free(f);
}

/* RPUSH jumps the queue; LPUSH is first in, first out. */
static void test_order(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	char *first = fleet_job("first", "");
	struct tally *taken;
	char key[32];

	(void)state;
	fleet_set(f, "CONCURRENCY=1");
	fleet_push_many(f, NULL, "n", 20, "");
	redis_server_do(fleet_redis(f), "RPUSH mail:queue %s", first);
	fleet_worker(f, NULL);
	fleet_wait_status(f, "n-19", "sent");
	taken = tally_of_record(record);
	assert_string_equal(tally_key_at(taken, 0), "first");
	for (size_t i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "n-%zu", i);
		assert_string_equal(tally_key_at(taken, i + 1), key);
	}
	tally_free(taken);
	free(first);
	fleet_free(f);
}

/* A worker on KEY_PREFIX=other lives beside the first on the same Redis, and touches nothing of it. */
static void test_prefix(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *job = fleet_job("prefixed", ""), *status;

	(void)state;
	fleet_worker(f, (const char *const[]){"KEY_PREFIX=other", NULL});
	fleet_push(f, "not-mine", "");
	fleet_push_raw(f, "other:queue", job, strlen(job));
	while (redis_server_int(fleet_redis(f), "EXISTS other:status:prefixed") == 0 ||
	       redis_server_int(fleet_redis(f), "ZCARD {other:queue}:leases") > 0)
		assert_int_equal(redis_server_int(fleet_redis(f), "LLEN mail:queue"), 1);
	status = redis_server_text(fleet_redis(f), "HGET other:status:prefixed status");
	assert_string_equal(status, "sent");
	assert_int_equal(redis_server_int(fleet_redis(f), "LLEN mail:queue"), 1);
	free(status);
	free(job);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_thousand), cmocka_unit_test(test_status),
		cmocka_unit_test(test_events),       cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_same_key),     cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_message),      cmocka_unit_test(test_dots),
		cmocka_unit_test(test_plain_dots),   cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_weights),      cmocka_unit_test(test_order),
		cmocka_unit_test(test_prefix),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, sink_group_begin, sink_group_end);
}

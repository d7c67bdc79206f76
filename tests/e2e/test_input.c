/* What strangers push: broken jobs become dead letters with their very bytes, and stop nobody. */
#include <setjmp.h>
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

struct payload {
	char *bytes;
	size_t len;
};

static struct payload copy(const void *bytes, size_t len)
{
	struct payload p = {malloc(len + 1), len};

	assert_non_null(p.bytes);
	memcpy(p.bytes, bytes, len);
	p.bytes[len] = '\0';
	return p;
}

/* n times `unit`, between `before` and `after`. */
static struct payload repeat(const char *before, const char *unit, size_t n, const char *after)
{
	size_t unit_len = strlen(unit), len = strlen(before) + n * unit_len + strlen(after);
	struct payload p = {malloc(len + 1), len};
	char *at;

	assert_non_null(p.bytes);
	memcpy(p.bytes, before, strlen(before));
	at = p.bytes + strlen(before);
	for (size_t i = 0; i < n; i++, at += unit_len)
		memcpy(at, unit, unit_len);
	memcpy(at, after, strlen(after) + 1);
	return p;
}

#define WITH(FIELDS) "{\"to\":\"a@example.com\",\"subject\":\"s\",\"body\":\"b\"," FIELDS "}"
#define SUBJECT(S) "{\"to\":\"a@example.com\",\"subject\":\"" S "\",\"body\":\"b\"}"
#define TO(A) "{\"to\":" A ",\"subject\":\"s\",\"body\":\"b\"}"
#define BYTES(S)                                                                                   \
	{                                                                                          \
		(S), sizeof(S) - 1                                                                 \
	}

static const struct {
	const char *bytes;
	size_t len;
} broken[] = {
	/* no JSON, or not quite */
	BYTES(""),
	BYTES(" "),
	BYTES("hello"),
	BYTES("{"),
	BYTES("null"),
	BYTES("42"),
	BYTES("[]"),
	BYTES("\"\""),
	BYTES("\xff\xfe\x00\x01"),
	BYTES("{\"to\":\"a@example.com\",\"subject\":\"s\",\"body\":\"b\"} trailing"),
	BYTES("{\"to\":\"a@example.com\",\"subject\":\"s\",\"body\":\"b\","),
	BYTES("{to:'a@example.com',subject:'s',body:'b'}"),
	BYTES(WITH("\"delay\":1e999")),
	BYTES(WITH("\"delay\":NaN")),
	BYTES(WITH("\"to\":\"b@example.com\"")), /* twice: readers disagree which one counts */
	BYTES(SUBJECT("nul \0 inside")),
	BYTES(SUBJECT("nul \\u0000 escaped")),
	BYTES(SUBJECT("broken \xc3\x28 utf-8")),
	BYTES(SUBJECT("overlong \xc0\xaf")),
	BYTES(SUBJECT("lone \\ud800 surrogate")),
	BYTES(SUBJECT("cut \xe2\x82")),
	/* a job that is none */
	BYTES("{}"),
	BYTES("{\"to\":\"a@example.com\",\"body\":\"b\"}"),
	BYTES("{\"to\":\"a@example.com\",\"subject\":\"s\"}"),
	BYTES(TO("[]")),
	BYTES(TO("42")),
	BYTES(TO("\"not an address\"")),
	BYTES(TO("\"a@example.com\\r\\nBcc: eve@example.com\"")),
	BYTES(TO("{\"email\":\"a@example.com\",\"name\":\"x\\r\\ny\"}")),
	/* lines into the header */
	BYTES(SUBJECT("x\\r\\nBcc: eve@example.com")),
	BYTES(SUBJECT("x\\ny")),
	BYTES(WITH("\"headers\":{\"X-A\":\"x\\r\\ny\"}")),
	BYTES(WITH("\"headers\":{\"X-A\\r\\nX-B\":\"x\"}")),
	BYTES(WITH("\"headers\":{\"Bcc\":\"eve@example.com\"}")),
	BYTES(WITH("\"attachments\":[{\"filename\":\"a\\r\\nb\",\"content\":\"YQ==\"}]")),
	BYTES(WITH("\"attachments\":[{\"filename\":\"a\",\"content\":\"?\"}]")),
	/* keys */
	BYTES(WITH("\"idempotencyKey\":\"\"")),
	BYTES(WITH("\"idempotencyKey\":\"a{b}c\"")),
	BYTES(WITH("\"idempotencyKey\":\"a\\r\\nb\"")),
	BYTES(WITH("\"idempotencyKey\":7")),
	/* times */
	BYTES(WITH("\"sendAt\":\"tomorrow\"")),
	BYTES(WITH("\"sendAt\":1700000000")), /* seconds, not milliseconds */
	BYTES(WITH("\"expiresAt\":\"2026-02-30T00:00:00Z\"")),
	BYTES(WITH("\"delay\":-1")),
	BYTES(WITH("\"onUnknown\":\"perhaps\"")),
	BYTES(WITH("\"maxAttempts\":0")),
};

#define N_BROKEN (sizeof(broken) / sizeof(broken[0]))

/* Takes from `left` the payload that has these bytes. */
static bool strike_out(struct payload *left, size_t n, const redisReply *payload)
{
	for (size_t i = 0; i < n; i++) {
		if (!left[i].bytes || left[i].len != payload->len ||
		    memcmp(left[i].bytes, payload->str, payload->len) != 0)
			continue;
		free(left[i].bytes);
		left[i].bytes = NULL;
		return true;
	}
	return false;
}

/* The dead letters are exactly these payloads, each failed with a reason. Frees them. */
static void check_dead(struct fleet *f, struct payload *payloads, size_t n)
{
	redisReply *dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	char key[64];

	assert_int_equal(dead->elements, n);
	for (size_t i = 0; i < n; i++) {
		const char *id = dead->element[i]->str;
		redisReply *payload = redis_server_cmd(fleet_redis(f), "HGET {mail:queue}:jobs %s",
		                                       id);
		char *error;

		assert_int_equal(payload->type, REDIS_REPLY_STRING);
		if (!strike_out(payloads, n, payload))
			fail_msg("a dead letter has bytes that nobody pushed: %s", payload->str);
		freeReplyObject(payload);
		snprintf(key, sizeof(key), "auto-%s", id);
		fleet_expect(f, key, "status", "failed");
		error = fleet_field(f, key, "error");
		assert_true(strncmp(error, "invalid_job: ", 13) == 0 ||
		            strncmp(error, "job_too_large: ", 15) == 0);
		free(error);
	}
	freeReplyObject(dead);
}

/* Each between two good ones, which are delivered. */
static void test_broken(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	struct payload payloads[N_BROKEN];
	struct process *w;
	struct tally *taken;
	char key[32];

	(void)state;
	for (size_t i = 0; i < N_BROKEN; i++) {
		payloads[i] = copy(broken[i].bytes, broken[i].len);
		fleet_push_raw(f, NULL, broken[i].bytes, broken[i].len);
		snprintf(key, sizeof(key), "good-%zu", i);
		fleet_push(f, key, "");
	}
	w = fleet_worker(f, NULL);
	fleet_wait_settled(f, NULL);
	assert_int_equal(timelines_count(f, "good", N_BROKEN).sent, N_BROKEN);
	taken = tally_of_record(record);
	if (tally_total(taken) != N_BROKEN)
		for (size_t i = 0; i < tally_total(taken); i++)
			if (strncmp(tally_key_at(taken, i), "good-", 5) != 0)
				print_error("was sent: %s\n", tally_key_at(taken, i));
	assert_int_equal(tally_total(taken), N_BROKEN);
	tally_free(taken);
	check_dead(f, payloads, N_BROKEN);
	fleet_stop(f, w);
	fleet_free(f);
}

/* Too deep, too long, too many: refused in time, with their bytes. */
static void test_huge(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct payload payloads[5];
	struct process *w;

	(void)state;
	fleet_set(f, "MAX_JOB_BYTES=1000000");
	payloads[0] = repeat("", "[", 100000, "");
	payloads[1] = repeat("{\"metadata\":", "{\"a\":", 100000, "");
	payloads[2] = repeat("[", "[],", 300000, "[]]"); /* a tree takes 30 times as much */
	payloads[3] = repeat("{\"to\":\"a@example.com\",\"subject\":\"s\",\"body\":\"", "x",
	                     20000000, "\"}");
	payloads[4] = repeat("", "\0x", 0, "1e999");
	for (size_t i = 0; i < 5; i++)
		fleet_push_raw(f, NULL, payloads[i].bytes, payloads[i].len);
	fleet_push(f, "behind", "");
	w = fleet_worker(f, NULL);
	fleet_wait_status(f, "behind", "sent");
	fleet_wait_settled(f, NULL);
	check_dead(f, payloads, 5);
	fleet_stop(f, w);
	fleet_free(f);
}

/* The reason is to be found under the key that the job would have had, while that is nobody's; a valid
 * job takes its place. */
static void test_reason_under_key(void **state)
{
	static const char bad[] = "{\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"order\"}";
	struct fleet *f = fleet_start(NULL);
	char *error;

	(void)state;
	fleet_worker_ready(f, NULL);
	fleet_push_raw(f, NULL, bad, strlen(bad));
	fleet_wait_status(f, "order", "failed");
	error = fleet_field(f, "order", "error");
	assert_non_null(strstr(error, "Field \"to\" is required"));
	free(error);
	fleet_expect(f, "order", "owner", "");
	fleet_push(f, "order", "");
	fleet_wait_status(f, "order", "sent");
	fleet_expect(f, "order", "error", "");
	/* And a bad one after it changes nothing. */
	fleet_push_raw(f, NULL, bad, strlen(bad));
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "order", "status", "sent");
	assert_int_equal(fleet_dead_count(f, NULL), 2);
	fleet_free(f);
}

/* The payload is the same to the byte after many retries, whatever its writer's habits. */
static void test_bytes(void **state)
{
	static const char job[] =
		"\n{ \"to\" : \"ada@example.com\",\t\"subject\":\"\\u0048\\/i \xc3\xa9 \\ud83d\\ude00\","
		"\"body\":\"b\", \"metadata\":{\"z\":\"1\",\"a\":\"2\"}, \"unknown\":[1.0,1e2,0.1e-7,"
		"12345678901234567890,-0.0,{\"b\":null}], \"idempotencyKey\":\"bytes\" , "
		"\"tags\":[ ] }\r\n ";
	struct fleet *f = fleet_start(NULL);
	redisReply *dead;
	char *bytes;
	size_t n;

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=20");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	fleet_worker(f, NULL);
	fleet_worker(f, NULL);
	fleet_push_raw(f, NULL, job, sizeof(job) - 1);
	fleet_wait_status(f, "bytes", "failed");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "bytes", "attempts", "20");
	assert_int_equal(timelines_lines(f, "bytes", "primary", "retry"), 20);
	dead = redis_server_cmd(fleet_redis(f), "ZRANGE {mail:queue}:dead 0 -1");
	bytes = fleet_dead(f, NULL, dead->element[0]->str, &n);
	assert_int_equal(n, sizeof(job) - 1);
	assert_memory_equal(bytes, job, n);
	free(bytes);
	freeReplyObject(dead);
	fleet_free(f);
}

/* Keys as people have them. On a cluster's node, so that a key in the wrong slot would be refused. */
static void test_keys(void **state)
{
	static const struct {
		const char *json, *key;
	} keys[] = {
		{"a b", "a b"},
		{"  ", "  "},
		{"a:b:c", "a:b:c"},
		{"*?[a-z]", "*?[a-z]"},
		{"100%s%n", "100%s%n"},
		{"..\\/..\\/etc", "../../etc"},
		{"quo\\\"te\\\\", "quo\"te\\"},
		{"\\u00fcml\xc3\xa4ut", "\xc3\xbcml\xc3\xa4ut"},
		{"ada@example.com", "ada@example.com"},
		{"<script>alert(1)<\\/script>", "<script>alert(1)</script>"},
		{"auto-0123456789abcdef", "auto-0123456789abcdef"},
	};
	struct redis_server *r = redis_server_start_cluster(NULL);
	struct fleet *f = fleet_around(r);
	char job[512];

	(void)state;
	fleet_set(f, "CONCURRENCY=1"); /* a call for each mail, so that each is in one slot */
	fleet_worker(f, NULL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(job, sizeof(job),
		         "{\"to\":\"a@example.com\",\"subject\":\"s\",\"body\":\"b\","
		         "\"idempotencyKey\":\"%s\"}",
		         keys[i].json);
		for (int twice = 0; twice < 2; twice++)
			fleet_push_raw(f, NULL, job, strlen(job));
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		fleet_wait_field(f, keys[i].key, "duplicates", "1");
		fleet_wait_status(f, keys[i].key, "sent");
		fleet_expect(f, keys[i].key, "attempts", "1");
	}
	fleet_wait_settled(f, NULL);
	assert_int_equal(fleet_dead_count(f, NULL), 0);
	fleet_free(f);
	redis_server_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_reason_under_key),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_keys),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Webhooks: who is told of what, signed how, how often, and what goes on meanwhile. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "support/cli.h"
#include "support/fleet.h"
#include "support/hook_fleet.h"
#include "support/hook_log.h"
#include "support/http_server.h"
#include "support/npm.h"
#include "support/process.h"
#include "support/sink.h"
#include "support/tmpdir.h"
#include "support/wait.h"
#include "support/wire.h"

#define OTHER_SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ALL "WEBHOOK_EVENTS=sent,failed,held,retrying,scheduled,cancelled"

static struct http_server *server;
static char *verifier; /* NULL: it cannot be had */

static int begin(void **state)
{
	(void)state;
	/* before there is a fleet, which takes npm's settings out of the environment */
	verifier = npm_install("standardwebhooks@1.1.1", "standardwebhooks/package.json");
	server = http_server_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	http_server_free(server);
	free(verifier);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	http_server_clear(server);
	return 0;
}

/* ---- what is told ------------------------------------------------------------------------------- */

static void test_what_is_told(void **state)
{
	struct fleet *f = hook_fleet_start(server, NULL, "all");
	struct sink *sink = sink_start();
	char *attempts;
	cJSON *o;

	(void)state;
	fleet_set(f, ALL);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&timeout=5s"));
	fleet_worker(f, NULL);
	fleet_push_to(
		f, "taken", "ada@example.com",
		",\"tenant\":\"acme\",\"tags\":[\"a\",\"b\\\"c\"],\"metadata\":{\"order\":\"42\"}");
	fleet_push_to(f, "again", "busy-1.again@example.com", "");
	fleet_push_to(f, "refused", "refuse.it@example.com", "");
	fleet_push_to(f, "held", "silent-dot.it@example.com", ",\"onUnknown\":\"hold\"");
	fleet_push_to(f, "cancelled", "ada@example.com", ",\"delay\":3600000");
	fleet_push_to(f, "broken", "ada@example.com", ",\"priority\":\"x\"");
	fleet_wait_status(f, "cancelled", "scheduled");
	redis_server_do(fleet_redis(f), "HSET mail:status:cancelled status cancelled");
	hook_log_wait(server, "cancelled", 1);
	fleet_make_due(f, "cancelled");
	hook_log_wait(server, "taken", 1);
	hook_log_wait(server, "again", 2);
	hook_log_wait(server, "refused", 1);
	hook_log_wait(server, "held", 1);
	hook_log_wait(server, "cancelled", 2);
	hook_log_wait(server, "broken", 1);
	fleet_wait_settled(f, NULL);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(hook_log_count(server), 8);
	hook_log_expect(server, "taken", "json.type", "mail.sent");
	attempts = hook_log_told(server, "again", "json.data.attempt");
	/* over two connections, which may overtake each other */
	assert_true(strcmp(attempts, "1 2") == 0 || strcmp(attempts, "2 1") == 0);
	free(attempts);
	hook_log_expect(server, "refused", "json.type", "mail.failed");
	hook_log_expect(server, "refused", "json.data.code", "550 5.1.1");
	hook_log_expect(server, "held", "json.type", "mail.held");
	hook_log_expect(server, "cancelled", "json.type", "mail.scheduled mail.cancelled");
	hook_log_expect(server, "broken", "json.data.code", "invalid_job");
	for (size_t i = 0; i < 8; i++) {
		o = hook_log_request(server, i);
		if (strcmp(hook_log_at(o, "json.data.key"), "taken") == 0) {
			assert_string_equal(hook_log_at(o, "headers.content-type"),
			                    "application/json");
			assert_string_equal(hook_log_at(o, "json.data.provider"), "primary");
			assert_string_equal(hook_log_at(o, "json.data.status"), "sent");
			assert_string_equal(hook_log_at(o, "json.data.queue"), FLEET_QUEUE);
			assert_string_equal(hook_log_at(o, "json.data.tenant"), "acme");
			assert_string_equal(hook_log_at(o, "json.data.metadata.order"), "42");
			assert_int_equal(strlen(hook_log_at(o, "json.data.id")), 16);
			assert_int_equal(strlen(hook_log_at(o, "json.timestamp")), 24);
			assert_memory_equal(hook_log_at(o, "headers.webhook-id"), "msg_", 4);
			assert_string_equal(
				cJSON_GetArrayItem(
					cJSON_GetObjectItem(
						cJSON_GetObjectItem(cJSON_GetObjectItem(o, "json"),
			                                            "data"),
						"tags"),
					1)
					->valuestring,
				"b\"c");
		}
		cJSON_Delete(o);
	}
	/* one that was taken at once leaves nothing behind */
	assert_int_equal(redis_server_int(fleet_redis(f), "EVAL %s 0",
	                                  "return #redis.call('KEYS', 'mail:status:auto-*')"),
	                 1); /* the broken mail's */
	sink_free(sink);
	fleet_free(f);
}

static void test_only_what_is_chosen(void **state)
{
	struct fleet *f = hook_fleet_start(server, NULL, "default");

	(void)state;
	fleet_set(f, "WEBHOOK_EVENTS=failed");
	fleet_mock(f, "PRIMARY", "success=0.3&fail=retry:1,rejected:1");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=100");
	fleet_worker(f, NULL);
	fleet_push_many(f, NULL, "mail", 5, "");
	fleet_wait_settled(f, NULL);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	for (size_t i = 0; i < hook_log_count(server); i++) {
		cJSON *o = hook_log_request(server, i);

		assert_string_equal(hook_log_at(o, "json.type"), "mail.failed");
		cJSON_Delete(o);
	}
	assert_int_equal(hook_log_count(server), fleet_dead_count(f, FLEET_QUEUE));
	fleet_free(f);
}

/* The job's own URL is told instead of the configured one, where WEBHOOK_ALLOW has its host. */
static void test_the_jobs_own_url(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char more[512];
	struct process *w;

	(void)state;
	fleet_set(f, "WEBHOOK_SECRET=%s", HOOK_FLEET_SECRET);
	fleet_set(f, "WEBHOOK_ALLOW_PRIVATE=1");
	fleet_set(f, "WEBHOOK_ALLOW=127.0.0.1");
	w = fleet_worker(f, NULL);
	snprintf(more, sizeof(more), ",\"webhookUrl\":\"%s/own\"",
	         http_server_url(server, NULL, "hook"));
	fleet_push(f, "own", more);
	snprintf(more, sizeof(more), ",\"webhookUrl\":\"http://localhost:%d/hook/foreign\"",
	         http_server_port(server));
	fleet_push(f, "foreign", more);
	fleet_push(f, "none", "");
	hook_log_wait(server, "own", 1);
	fleet_wait_settled(f, NULL);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	fleet_expect(f, "foreign", "status", "sent");
	assert_int_equal(hook_log_count(server), 1);
	hook_log_expect(server, "own", "path", "/hook/own");
	assert_int_equal(process_count_lines(w, "webhook_refused"), 1);
	fleet_free(f);
}

/* Without a secret nobody is told, and mail goes its way. */
static void test_no_secret(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w = fleet_worker(f, NULL);
	char more[512];

	(void)state;
	snprintf(more, sizeof(more), ",\"webhookUrl\":\"%s/own\"",
	         http_server_url(server, NULL, "hook"));
	fleet_push(f, "own", more);
	fleet_push(f, "own2", more);
	fleet_wait_status(f, "own", "sent");
	fleet_wait_status(f, "own2", "sent");
	fleet_wait_settled(f, NULL); /* a status is written before anybody is told */
	assert_int_equal(process_count_lines(w, "webhook_ignored"), 1);
	assert_int_equal(redis_server_int(fleet_redis(f), "EXISTS " HOOK_FLEET_QUEUE), 0);
	fleet_set(f, "WEBHOOK_URL=https://hooks.example.com");
	w = fleet_worker(f, NULL);
	assert_int_equal(process_wait(w, 0), 2);
	assert_int_equal(process_count_lines(w, "WEBHOOK_SECRET"), 1);
	fleet_free(f);
}

/* ---- signatures --------------------------------------------------------------------------------- */

/* What npm's verifier says with this secret of all that has arrived: how many are good. */
static size_t verified(const char *secret)
{
	char *hooks = http_server_read(server, "hooks"), *modules, *out;
	char *file = tmpdir_file("hooks", hooks, strlen(hooks));
	size_t good = 0;
	int code;

	free(hooks);
	modules = strdup(verifier);
	strstr(modules, "/standardwebhooks/")[0] = '\0';
	code = process_run((const char *const[]){"node", "tests/support/webhook_verify.js", modules,
	                                         file, secret, NULL},
	                   NULL, NULL, &out, NULL);
	assert_int_equal(code, 0);
	for (const char *c = out; (c = strstr(c, "ok msg_")) != NULL; c++)
		good++;
	free(out);
	free(modules);
	free(file);
	return good;
}

/* A secret is changed by having both for a while; SIGHUP reads the file again. */
static void test_signed_and_rotated(void **state)
{
	struct fleet *f;
	char *file;
	struct process *w;

	(void)state;
	if (verifier == NULL)
		skip();
	f = hook_fleet_start(server, NULL, "signed");
	file = tmpdir_name("secret");
	tmpdir_write(file, HOOK_FLEET_SECRET "\n");
	fleet_set(f, "WEBHOOK_SECRET=");
	fleet_set(f, "WEBHOOK_SECRET_FILE=%s", file);
	w = fleet_worker_ready(f, NULL);
	fleet_push(f, "first", ",\"tags\":[\"größer\"]");
	hook_log_wait(server, "first", 1);
	assert_int_equal(verified(HOOK_FLEET_SECRET), 1);
	assert_int_equal(verified(OTHER_SECRET), 0);
	tmpdir_write(file, OTHER_SECRET "," HOOK_FLEET_SECRET "\n");
	process_signal(w, SIGHUP);
	process_wait_line(w, "\"reloaded\"", 0);
	http_server_clear(server);
	fleet_push(f, "second", "");
	hook_log_wait(server, "second", 1);
	assert_int_equal(verified(HOOK_FLEET_SECRET), 1);
	assert_int_equal(verified(OTHER_SECRET), 1);
	/* what is no secret does not replace one */
	tmpdir_write(file, "whsec_c2hvcnQ=\n");
	process_signal(w, SIGHUP);
	process_wait_line(w, "\"reload_failed\"", 0);
	fleet_push(f, "third", "");
	hook_log_wait(server, "third", 1);
	assert_int_equal(verified(OTHER_SECRET), 2);
	free(file);
	fleet_free(f);
}

/* ---- when it fails ------------------------------------------------------------------------------- */

/* The same webhook-id and body each time, and a timestamp and signature of its own. */
static void test_retried(void **state)
{
	struct fleet *f = hook_fleet_start(server, "busy-2", "retried");
	char *ids, *times, *id;

	(void)state;
	fleet_set(f, "WEBHOOK_RETRIES=1100ms,20ms");
	fleet_worker(f, NULL);
	fleet_push(f, "mail", "");
	hook_log_wait(server, "mail", 3);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	assert_int_equal(hook_log_count(server), 3);
	ids = hook_log_told(server, "mail", "headers.webhook-id");
	id = strndup(ids, strcspn(ids, " "));
	assert_int_equal(strlen(ids), 3 * strlen(id) + 2);
	assert_non_null(strstr(ids + strlen(id), id));
	times = hook_log_told(server, "mail", "headers.webhook-timestamp");
	assert_true(strtoll(times, NULL, 10) < strtoll(strchr(times, ' '), NULL, 10));
	free(times);
	free(ids);
	free(id);
	fleet_free(f);
}

/* Retry-After puts it off for longer than its own pause. */
static void test_retry_after(void **state)
{
	struct fleet *f = hook_fleet_start(server, "away-1", "later");
	cJSON *one, *two;

	(void)state;
	fleet_worker(f, NULL);
	fleet_push(f, "mail", "");
	hook_log_wait(server, "mail", 2);
	one = hook_log_request(server, 0);
	two = hook_log_request(server, 1);
	assert_true(cJSON_GetObjectItem(two, "at")->valuedouble -
	                    cJSON_GetObjectItem(one, "at")->valuedouble >=
	            1.9);
	cJSON_Delete(one);
	cJSON_Delete(two);
	fleet_free(f);
}

/* ---- where it may not go (FAULTS 43) --------------------------------------------------------------- */

/* ---- crashes, and what is slow ------------------------------------------------------------------------ */

/* The worker dies between the mail's settle and the hook's delivery, and before each of the steps. */
static void test_outlives_its_worker(void **state)
{
	static const struct {
		const char *command;
		enum wire_side side;
		int twice; /* it may be told twice, under the same id */
	} edges[] = {
		{"notify", WIRE_REQUEST, 0}, /* the status is written, nobody was told */
		{"notify", WIRE_REPLY, 1},   /* it is in the queue, the mail is not settled */
		{"ZSCORE", WIRE_REQUEST, 0}, /* claimed, not sent */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct fleet *f = hook_fleet_start(server, NULL, "crash");
		struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
		struct process *victim;
		char url[256], *ids, *id;

		http_server_clear(server);
		snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(w));
		victim = fleet_worker(f, (const char *const[]){url, NULL});
		wire_hold(w, edges[i].side, edges[i].command);
		fleet_push(f, "mail", "");
		wire_wait_held(w);
		process_kill(victim);
		assert_int_equal(hook_log_count(server), 0);
		fleet_expect(f, "mail", "status", "sent");
		fleet_worker(f, NULL);
		hook_log_wait(server, "mail", 1);
		fleet_wait_settled(f, NULL);
		fleet_wait_settled(f, HOOK_FLEET_QUEUE);
		assert_in_range(hook_log_count(server), 1, 1 + edges[i].twice);
		ids = hook_log_told(server, "mail", "headers.webhook-id");
		id = strrchr(ids, ' ') ? strrchr(ids, ' ') + 1 : ids;
		assert_memory_equal(ids, id, strlen(id));
		fleet_free(f);
		wire_free(w);
		free(ids);
	}
}

/* A retry that was written, and whose worker died before it told anybody. */
static void test_a_retry_outlives_its_worker(void **state)
{
	struct fleet *f = hook_fleet_start(server, NULL, "crash");
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *victim;
	char url[256];

	(void)state;
	fleet_mock(f, "PRIMARY", "success=0&fail=retry:1");
	fleet_set(f, "WEBHOOK_EVENTS=retrying");
	fleet_set(f, "RETRY_BASE_DELAY=1");
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(w));
	victim = fleet_worker(f, (const char *const[]){url, NULL});
	wire_hold(w, WIRE_REQUEST, "notify");
	fleet_push(f, "mail", ",\"maxAttempts\":2");
	wire_wait_held(w);
	process_kill(victim);
	fleet_expect(f, "mail", "status", "retrying");
	fleet_set(f, "PROVIDER_PRIMARY=mock://");
	fleet_worker(f, NULL);
	fleet_wait_status(f, "mail", "sent");
	hook_log_wait(server, "mail", 1);
	hook_log_expect(server, "mail", "json.data.attempt", "1");
	fleet_free(f);
	wire_free(w);
}

/* An endpoint that never answers holds its own places, not mail's; and those of other endpoints only
 * until it is known. */
static void test_slow_endpoints_slow_nobody(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char silent[300], well[300];

	(void)state;
	fleet_set(f, "WEBHOOK_SECRET=%s", HOOK_FLEET_SECRET);
	fleet_set(f, "WEBHOOK_ALLOW=*");
	fleet_set(f, "WEBHOOK_ALLOW_PRIVATE=1");
	fleet_set(f, "WEBHOOK_CONCURRENCY=4");
	fleet_set(f, "WEBHOOK_TIMEOUT=4000");
	fleet_set(f, "CONCURRENCY=10");
	fleet_worker(f, NULL);
	snprintf(silent, sizeof(silent), ",\"webhookUrl\":\"http://localhost:%d/do/silent/hook/s\"",
	         http_server_port(server));
	snprintf(well, sizeof(well), ",\"webhookUrl\":\"%s/w\"",
	         http_server_url(server, NULL, "hook"));
	fleet_push_many(f, NULL, "slow", 50, silent);
	fleet_push_many(f, NULL, "mail", 500, "");
	fleet_wait_settled(f, NULL);
	/* all mail is out, and of 50 webhooks at most a few have had their turn: four before it was
	 * known, then one after the other */
	assert_in_range(hook_log_count(server), 0, 16);
	fleet_push(f, "other", well);
	hook_log_wait(server, "other", 1);
	fleet_free(f);
}

/* SIGTERM: what is under way ends, what waits stays in Redis; --drain also delivers. */
static void test_the_end_of_a_worker(void **state)
{
	struct fleet *f = hook_fleet_start(server, NULL, "end");
	struct process *w = fleet_worker_ready(f, NULL);

	(void)state;
	fleet_push_many(f, NULL, "mail", 100, "");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	w = fleet_run(f, (const char *const[]){"worker", "--drain", NULL}, NULL);
	assert_int_equal(process_wait(w, 0), 0);
	assert_int_equal(hook_log_count(server), 100);
	fleet_wait_settled(f, HOOK_FLEET_QUEUE);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_told, clear),
		cmocka_unit_test_setup(test_only_what_is_chosen, clear),
		cmocka_unit_test_setup(test_the_jobs_own_url, clear),
		cmocka_unit_test_setup(test_no_secret, clear),
		cmocka_unit_test_setup(test_signed_and_rotated, clear),
		cmocka_unit_test_setup(test_retried, clear),
		cmocka_unit_test_setup(test_retry_after, clear),
		cmocka_unit_test_setup(test_outlives_its_worker, clear),
		cmocka_unit_test_setup(test_a_retry_outlives_its_worker, clear),
		cmocka_unit_test_setup(test_slow_endpoints_slow_nobody, clear),
		cmocka_unit_test_setup(test_the_end_of_a_worker, clear),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, begin, end);
}

/* The HTTP API: a mail counts as taken when replicas have it, or when it is on the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/tally.h"
#include "support/wait.h"

struct world {
	struct redis_server *master, *replica;
	struct fleet *fleet;
	const char *record;
};

static bool is_in_step(void *arg)
{
	struct redis_server *master = arg;
	char *info = redis_server_text(master, "INFO replication");
	bool yes = strstr(info, "state=online") != NULL;

	free(info);
	return yes;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char port[16];

	w->master = redis_server_start_tcp(
		(const char *const[]){"--repl-diskless-sync-delay", "0", NULL});
	snprintf(port, sizeof(port), "%d", redis_server_port(w->master));
	w->replica = redis_server_start(
		(const char *const[]){"--replicaof", "127.0.0.1", port, NULL});
	wait_until(is_in_step, w->master, 0);
	w->fleet = fleet_around(w->master);
	w->record = fleet_mock(w->fleet, "PRIMARY", "latency=0");
	fleet_set(w->fleet, "RATE_LIMIT_MAX_REQUESTS=0");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fleet_free(w->fleet);
	redis_server_free(w->replica);
	redis_server_free(w->master);
	free(w);
	return 0;
}

static void expect_unavailable(const struct api_process *a, const char *body)
{
	struct answer *r = body != NULL ? api_post(a, API_SEND, body, NULL) : api_get(a, "/readyz");
	char *wait = answer_header(r, "Retry-After");

	answer_status(r, 503);
	assert_non_null(wait);
	free(wait);
	answer_free(r);
}

static bool is_ready(void *data)
{
	struct answer *r = api_get(data, "/readyz");
	bool ready = r->status == 200;

	answer_free(r);
	return ready;
}

/* This server has it now. */
static void expect_queued(struct redis_server *redis, const char *body)
{
	redisReply *at = redis_server_cmd(redis, "LPOS " FLEET_QUEUE " %s", body);

	if (at->type != REDIS_REPLY_INTEGER)
		fail_msg("not there: %s", body);
	freeReplyObject(at);
}

/* What was answered 202 is on the replica then; when the replica hangs nothing is answered 202, and a repeat,
 * once it is back, makes one mail of it. */
static void test_replicas(void **state)
{
	struct world *w = *state;
	struct api_process a = api_start(w->fleet, (const char *const[]){"ACK_REPLICAS=1", NULL});
	struct process *worker;
	struct tally *t;

	for (int i = 1; i <= 20; i++) {
		char body[256];

		snprintf(body, sizeof(body),
		         "{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\","
		         "\"idempotencyKey\":\"k%d\"}",
		         i);
		(void)api_post_until_taken(&a, API_SEND, body);
		expect_queued(w->replica, body);
	}
	wait_until(is_ready, &a, 0);
	redis_server_pause(w->replica);
	expect_unavailable(&a, API_MAIL("again"));
	expect_unavailable(&a, NULL);
	redis_server_resume(w->replica);
	assert_int_equal(api_post_until_taken(&a, API_SEND, API_MAIL("again")), 200);
	expect_queued(w->replica, API_MAIL("again"));
	worker = fleet_worker(w->fleet, NULL);
	fleet_wait_status(w->fleet, "again", "sent");
	fleet_wait_settled(w->fleet, NULL);
	t = tally_of_record(w->record);
	assert_int_equal(tally_total(t), 21);
	assert_int_equal(tally_most(t), 1);
	tally_free(t);
	fleet_end(w->fleet, worker);
	fleet_end(w->fleet, a.process);
}

static void test_too_few_replicas(void **state)
{
	struct world *w = *state;
	struct api_process a = api_start(w->fleet, (const char *const[]){"ACK_REPLICAS=2", NULL});

	expect_unavailable(&a, API_MAIL("few"));
	expect_unavailable(&a, NULL);
	assert_true(process_count_lines(a.process, "\"event\":\"replicas_missing\"") > 0);
	fleet_end(w->fleet, a.process);
}

/* Each post waits for replicas behind the others, for longer in all than a command may take; that is not
 * taken for a broken connection. */
static void test_waits_in_a_row(void **state)
{
	struct world *w = *state;
	struct api_process a = api_start(
		w->fleet, (const char *const[]){"ACK_REPLICAS=2", "COMMAND_TIMEOUT=2200", NULL});
	struct answer *answers[8];

	api_post_at_once(&a, NULL, "/api/email/bulk-send",
	                 "{\"emails\":[" API_MAIL("r1") "," API_MAIL("r2") "]}", 8, answers);
	for (size_t i = 0; i < 8; i++) {
		assert_true(answers[i]->status >= 200);
		answer_free(answers[i]);
	}
	expect_unavailable(&a, NULL);
	assert_int_equal(process_count_lines(a.process, "\"event\":\"redis_down\""), 0);
	fleet_end(w->fleet, a.process);
}

/* On the disk; where the server cannot say so, or has no append-only file, nothing is answered 202. */
static void test_fsync(void **state)
{
	struct redis_server *redis = redis_server_start(
		(const char *const[]){"--appendonly", "yes", "--appendfsync", "everysec", NULL});
	struct fleet *f = fleet_around(redis);
	struct api_process a = api_start(f, (const char *const[]){"ACK_FSYNC=1", NULL});

	(void)state;
	if (redis_server_knows(redis, "WAITAOF")) {
		(void)api_post_until_taken(&a, API_SEND, API_MAIL("disk"));
		wait_until(is_ready, &a, 0);
		/* as if the machine's power had failed */
		redis_server_restart(redis);
		expect_queued(redis, API_MAIL("disk"));
		/* it is not to be unavailable because Redis was away */
		process_wait_lines(a.process, "\"event\":\"redis_up\"", 2, 0);
		redis_server_do(redis, "CONFIG SET appendonly no");
	} else {
		print_message("this Redis has no WAITAOF: that ACK_FSYNC=1 waits is not shown\n");
	}
	expect_unavailable(&a, API_MAIL("nowhere"));
	expect_unavailable(&a, NULL);
	assert_true(process_count_lines(a.process, "\"event\":\"fsync_unknown\"") > 0);
	fleet_free(f);
	redis_server_free(redis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicas),
		cmocka_unit_test(test_too_few_replicas),
		cmocka_unit_test(test_waits_in_a_row),
		cmocka_unit_test(test_fsync),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, teardown);
}

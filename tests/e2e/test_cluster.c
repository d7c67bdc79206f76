/* Redis Cluster: slots move and a master dies while the fleet works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/cluster.h"
#include "support/fleet.h"
#include "support/patient.h"
#include "support/wait.h"

#define MAILS 20000
#define QUEUES 6
#define CHUNK 50
#define WORKERS 3

static const char *const queues[QUEUES] = {"mail:queue", "mail:q1", "mail:q2",
                                           "mail:q3",    "mail:q4", "mail:q5"};

static void push(struct patient *p, size_t *pushed, size_t until, int replicas)
{
	for (; *pushed < until; *pushed += CHUNK)
		patient_push(p, queues[*pushed / CHUNK % QUEUES], "m", *pushed, CHUNK, replicas);
}

struct owned {
	const struct cluster_world *cluster;
	int asked, before;
};

static bool has_another_owner(void *arg)
{
	const struct owned *o = arg;

	return cluster_owner(o->cluster, o->asked, queues[0]) != o->before;
}

/* Its replica takes over. The dead one comes back as a replica of that: without any, FENCE_REPLICAS
 * lets nothing leave. */
static void kill_owner(const struct cluster_world *c)
{
	struct owned o = {c, 0, cluster_owner(c, 0, queues[0])};

	o.asked = o.before == 0 ? 1 : 0;
	cluster_kill(c, o.before);
	wait_until(has_another_owner, &o, 0);
	redis_server_run(cluster_node(c, o.before));
}

static void check(struct patient *p, const char *record, size_t n)
{
	struct tally *t = tally_of_record(record);
	struct census c = patient_census(p, t, "m", n);

	assert_int_equal(c.sent, n);
	assert_int_equal(c.lost, 0);
	assert_int_equal(c.doubled, c.unknown);
	assert_int_equal(tally_keys(t), n);
	tally_free(t);
}

/* 20,000 mails over six queues; the slots of one master move to the other two, then the master of
 * mail:queue is killed. All are sent; what was sent twice has an `unknown`. */
static void test_reshard_and_failover(void **state)
{
	struct cluster_world *c = cluster_start();
	struct fleet *f = fleet_around(cluster_node(c, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-30");
	struct patient *p = patient_new(cluster_url(c));
	struct process *workers[WORKERS];
	size_t pushed = 0;
	int owner = cluster_owner(c, 0, queues[0]);

	(void)state;
	fleet_set(f, "REDIS_URL=%s", cluster_url(c));
	fleet_set(f, "QUEUES=mail:queue,mail:q1,mail:q2,mail:q3,mail:q4,mail:q5");
	fleet_set(f, "FENCE_REPLICAS=1");
	fleet_set(f, "LEASE_MS=3000");
	for (int i = 0; i < WORKERS; i++)
		workers[i] = fleet_worker(f, NULL);
	push(p, &pushed, MAILS / 4, 1);
	for (int to = 0; to < CLUSTER_MASTERS; to++) {
		if (to == owner)
			continue;
		push(p, &pushed, pushed + MAILS / 8, 1);
		struct process *reshard = cluster_reshard(c, owner, to, 1500);
		cluster_reshard_end(reshard);
	}
	push(p, &pushed, MAILS * 3 / 4, 1);
	kill_owner(c);
	push(p, &pushed, MAILS, 0);
	for (int i = 0; i < QUEUES; i++)
		patient_wait_empty(p, queues[i]);
	check(p, record, MAILS);
	for (int i = 0; i < WORKERS; i++) {
		/* neither keys of several slots in one call, nor an error that a user would see */
		assert_int_equal(process_count_lines(workers[i], "CROSSSLOT"), 0);
		fleet_stop(f, workers[i]);
	}
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

static char *run(struct fleet *f, const char *const *arguments)
{
	struct process *p = fleet_run(f, arguments, NULL);

	assert_int_equal(process_wait(p, 0), 0);
	return process_stdout(p);
}

static bool is_healthy(void *api)
{
	struct answer *r = api_get(api, "/health/detailed");
	bool healthy = r->status == 200;

	answer_free(r);
	return healthy;
}

/* While slots move, no client of the API sees anything of it; and the command line finds all keys. */
static void test_api_and_command_line(void **state)
{
	struct cluster_world *c = cluster_start();
	struct fleet *f = fleet_around(cluster_node(c, 0));
	struct patient *p = patient_new(cluster_url(c));
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	int from = cluster_owner(c, 0, queues[0]), to = (from + 1) % CLUSTER_MASTERS, posted = 0;
	struct api_process api;
	struct process *reshard;
	char *said;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", cluster_url(c));
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=1000000");
	fleet_worker(f, NULL);
	api = api_start(f, NULL);
	/* all but the last: a master without any becomes a replica, at which valkey-cli stumbles */
	reshard = cluster_reshard(c, from, to, 5460);
	while (process_running(reshard)) {
		char *job;

		assert_true(
			asprintf(
				&job,
				"{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
				"\"idempotencyKey\":\"m-%d\"}",
				posted) > 0);
		struct answer *r = api_post(&api, "/api/email/send", job, NULL);
		answer_status(r, 202);
		answer_free(r);
		free(job);
		posted++;
	}
	cluster_reshard_end(reshard);
	assert_int_equal(cluster_owner(c, to, queues[0]), to);
	patient_wait_empty(p, queues[0]);
	check(p, record, (size_t)posted);

	wait_until(is_healthy, &api, 0);
	for (int i = 0; i < 2; i++) {
		struct answer *page = api_get(&api, i == 0 ? "/metrics" : "/health/detailed");

		answer_status(page, 200);
		assert_non_null(strstr(page->body, i == 0 ? "postrider_redis" : "\"redis\":"));
		answer_free(page);
	}

	said = run(f, (const char *const[]){"send", "--to", "ada@example.com", "--subject", "Hi",
	                                    "--text", "Hello", "--key", "cli", "--wait", NULL});
	free(said);
	said = run(f, (const char *const[]){"status", "cli", "--json", NULL});
	assert_non_null(strstr(said, "\"sent\""));
	free(said);
	said = run(f, (const char *const[]){"queues", "--json", NULL});
	assert_non_null(strstr(said, "mail:queue"));
	free(said);
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reshard_and_failover),
		cmocka_unit_test(test_api_and_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

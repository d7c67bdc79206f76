/* Redis Cluster: what is wrong with one node is that node's; and what the API waits for is asked of the right one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/cluster.h"
#include "support/fleet.h"
#include "support/patient.h"
#include "support/wait.h"

#define MAILS 60

/* A key of a mail whose status is on that node. */
static char *mail_on(const struct cluster_world *c, int node, const char *stem, int nth)
{
	char key[64], status[96];

	for (int i = 0;; i++) {
		snprintf(key, sizeof(key), "%s-%d", stem, i);
		snprintf(status, sizeof(status), "mail:status:%s", key);
		if (cluster_owner(c, node, status) == node && nth-- == 0)
			return strdup(key);
	}
}

static void push(struct redis_server *home, const char *key)
{
	char *job = fleet_job(key, "");

	redis_server_do(home, "LPUSH " FLEET_QUEUE " %s", job);
	free(job);
}

struct mail {
	struct patient *patient;
	const char *key;
};

static bool is_sent(void *arg)
{
	const struct mail *m = arg;
	redisReply *r = patient_ask(m->patient, "HGET mail:status:%s status", m->key);
	bool yes = r->type == REDIS_REPLY_STRING && strcmp(r->str, "sent") == 0;

	freeReplyObject(r);
	return yes;
}

static void wait_sent(struct patient *p, const char *key)
{
	wait_until(is_sent, (&(struct mail){p, key}), 0);
}

/* One node refuses writes. The mails whose statuses are on the others go by, one after the other; they do not wait
 * each for the pause that this node is given. */
static void test_one_node_refuses(void **state)
{
	struct cluster_world *c = cluster_start();
	int home = cluster_owner(c, 0, FLEET_QUEUE), other = 0;
	struct fleet *f = fleet_around(cluster_node(c, home));
	struct patient *p = patient_new(cluster_url(c));
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	struct process *w;
	struct tally *t;
	char *stuck, *keys[MAILS];

	(void)state;
	while (other == home || other == cluster_owner(c, 0, "mail:provider:primary"))
		other++;
	stuck = mail_on(c, other, "stuck", 0);
	for (int i = 0; i < MAILS; i++)
		keys[i] = mail_on(c, home, "free", i);
	fleet_set(f, "REDIS_URL=%s", cluster_url(c));
	fleet_set(f, "CONCURRENCY=2"); /* one for the mail that is stuck, one for the others */
	fleet_set(f, "LEASE_MS=60000");
	redis_server_do(cluster_node(c, other), "CONFIG SET min-replicas-to-write 5");
	w = fleet_worker_ready(f, NULL);
	push(cluster_node(c, home), stuck);
	process_wait_line(w, "NOREPLICAS", 0);
	for (int i = 0; i < MAILS; i++) {
		push(cluster_node(c, home), keys[i]);
		wait_sent(p, keys[i]);
		free(keys[i]);
	}
	/* Where each had waited for a pause to end, there would be as many. */
	assert_true(process_count_lines(w, "\"status_not_written\"") < MAILS / 2);
	redis_server_do(cluster_node(c, other), "CONFIG SET min-replicas-to-write 0");
	wait_sent(p, stuck);
	patient_wait_empty(p, FLEET_QUEUE);
	t = tally_of_record(record);
	assert_int_equal(tally_total(t), MAILS + 1);
	tally_free(t);
	free(stuck);
	fleet_stop(f, w);
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

static void expect_taken(const struct api_process *a, struct redis_server *home, const char *body)
{
	redisReply *at;

	(void)api_post_until_taken(a, API_SEND, body);
	at = redis_server_cmd(home, "LPOS " FLEET_QUEUE " %s", body);
	assert_int_equal(at->type, REDIS_REPLY_INTEGER);
	freeReplyObject(at);
}

/* ACK_FSYNC and ACK_REPLICAS: the queue's own node must have a mail on its disk, and that node's replica must have it.
 * What the other nodes do does not matter. */
static void test_accepted_is_where_it_must_be(void **state)
{
	struct cluster_world *c = cluster_start_with(
		(const char *const[]){"--appendonly", "yes", "--appendfsync", "everysec", NULL});
	int home = cluster_owner(c, 0, FLEET_QUEUE);
	struct fleet *f = fleet_around(cluster_node(c, home));
	struct api_process a;
	bool disk = redis_server_knows(cluster_node(c, 0), "WAITAOF");

	(void)state;
	fleet_set(f, "REDIS_URL=%s", cluster_url(c));
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=0");
	for (int i = 0; i < CLUSTER_MASTERS; i++)
		if (i != home)
			redis_server_do(cluster_node(c, i), "CONFIG SET appendonly no");
	a = api_start(f, (const char *const[]){"ACK_FSYNC=1", "ACK_REPLICAS=1", NULL});
	process_wait_lines(a.process, "\"event\":\"redis_up\"", CLUSTER_MASTERS, 0);
	if (disk) {
		expect_taken(&a, cluster_node(c, home), API_MAIL("disk-1"));
		expect_taken(&a, cluster_node(c, home), API_MAIL("disk-2"));
		redis_server_do(cluster_node(c, home), "CONFIG SET appendonly no");
	} else {
		print_message("this Redis has no WAITAOF: that it is asked is not shown\n");
	}
	api_expect(&a, 503, "POST", API_SEND, API_MAIL("nowhere"));
	assert_true(process_count_lines(a.process, "\"event\":\"fsync_unknown\"") > 0);
	fleet_end(f, a.process);
	fleet_free(f);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_node_refuses),
		cmocka_unit_test(test_accepted_is_where_it_must_be),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The archive where Redis is several: queues on the nodes of a cluster, statuses on all of them, a master that dies; and a
 * master that Sentinels replace. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cluster.h"
#include "support/fleet.h"
#include "support/patient.h"
#include "support/postgres_server.h"
#include "support/sentinels.h"
#include "support/wait.h"

#define QUEUES 6
#define MAILS 1200
#define CHUNK 50

static const char *const queues[QUEUES] = {"mail:queue", "mail:q1", "mail:q2",
                                           "mail:q3",    "mail:q4", "mail:q5"};

static struct postgres_server *postgres;

static int setup(void **state)
{
	(void)state;
	if (postgres_server_possible())
		postgres = postgres_server_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	postgres_server_free(postgres);
	return 0;
}

static void push(struct patient *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i += CHUNK)
		patient_push(p, queues[i / CHUNK % QUEUES], "m", i, CHUNK, 1);
}

static bool is_archived(void *arg)
{
	(void)arg;
	return postgres_server_try_int(postgres,
	                               "SELECT count(*) FROM postrider_mails WHERE status = "
	                               "'sent' AND details->>'status' = 'sent'") == MAILS;
}

static struct fleet *begin(struct redis_server *node, const char *url)
{
	struct fleet *f;

	postgres_server_empty(postgres);
	f = fleet_around(node);
	(void)fleet_mock(f, "PRIMARY", "latency=0");
	fleet_set(f, "REDIS_URL=%s", url);
	fleet_set(f, "QUEUES=mail:queue,mail:q1,mail:q2,mail:q3,mail:q4,mail:q5");
	fleet_set(f, "DATABASE_URL=%s", postgres_server_url(postgres));
	fleet_set(f, "LEASE_MS=3000");
	return f;
}

static void test_cluster(void **state)
{
	struct cluster_world *c;
	struct fleet *f;
	struct patient *p;
	struct process *archiver;

	(void)state;
	if (postgres == NULL) {
		printf("skipped: PostgreSQL is not installed\n");
		return;
	}
	c = cluster_start();
	f = begin(cluster_node(c, 0), cluster_url(c));
	p = patient_new(cluster_url(c));
	archiver = fleet_run(f, (const char *const[]){"archive", NULL}, NULL);
	(void)fleet_worker(f, NULL);
	push(p, 0, MAILS / 2);
	for (int i = 0; i < QUEUES; i++)
		patient_wait_empty(p, queues[i]);
	/* the events of this queue move to another node with their slot */
	cluster_reshard_end(cluster_reshard(c, cluster_owner(c, 0, queues[0]),
	                                    (cluster_owner(c, 0, queues[0]) + 1) % CLUSTER_MASTERS,
	                                    1500));
	push(p, MAILS / 2, MAILS);
	wait_until(is_archived, NULL, 120000);
	postgres_server_sees(postgres, "6", "SELECT count(DISTINCT queue) FROM postrider_mails");
	fleet_stop(f, archiver);
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

static void test_sentinel(void **state)
{
	struct sentinels *s;
	struct fleet *f;
	struct patient *p;
	struct process *archiver;

	(void)state;
	if (postgres == NULL) {
		printf("skipped: PostgreSQL is not installed\n");
		return;
	}
	s = sentinels_start();
	f = begin(sentinels_server(s, 0), sentinels_url(s));
	p = patient_new(sentinels_url(s));
	archiver = fleet_run(f, (const char *const[]){"archive", NULL}, NULL);
	(void)fleet_worker(f, NULL);
	push(p, 0, MAILS / 2);
	for (int i = 0; i < QUEUES; i++)
		patient_wait_empty(p, queues[i]);
	sentinels_wait_synced(s);
	(void)sentinels_fail_over(s);
	push(p, MAILS / 2, MAILS);
	wait_until(is_archived, NULL, 120000);
	fleet_stop(f, archiver);
	patient_free(p);
	fleet_free(f);
	sentinels_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cluster),
		cmocka_unit_test(test_sentinel),
	};
	return cmocka_run_group_tests_name("archive of a cluster", tests, setup, teardown);
}

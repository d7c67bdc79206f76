/* TLS to all of Redis: behind Sentinel and in a cluster, whose servers speak nothing else. */
#include <setjmp.h>
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
#include "support/sentinels.h"
#include "support/smtp_secure.h"
#include "support/wait.h"

#ifdef REDIS_TLS

#define MAILS 2000
#define CHUNK 50

static char *cert, *key;

static int speak_tls(void **state)
{
	(void)state;
	secure_cert_make(&(struct secure_cert){.names = "IP:127.0.0.1"}, &cert, &key);
	redis_server_speak_tls(cert, key, secure_ca());
	return 0;
}

static int speak_plainly(void **state)
{
	(void)state;
	redis_server_speak_tls(NULL, NULL, NULL);
	free(cert);
	free(key);
	return 0;
}

static void check(struct patient *p, const char *record)
{
	struct tally *t = tally_of_record(record);
	struct census c = patient_census(p, t, "t", MAILS);

	assert_int_equal(c.sent, MAILS);
	assert_int_equal(c.lost, 0);
	assert_int_equal(c.doubled, c.unknown);
	tally_free(t);
}

static void push(struct patient *p, const char *queue, size_t from, size_t to)
{
	for (size_t i = from; i < to; i += CHUNK)
		patient_push(p, queue, "t", i, CHUNK, 1);
}

/* A worker that does not know the authority trusts nobody. */
static void check_distrust(struct fleet *f, const char *url)
{
	char *plain = strdup(url), setting[512];
	struct process *w;

	*strstr(plain, "&tls_ca") = '\0';
	snprintf(setting, sizeof(setting), "REDIS_URL=%s", plain);
	w = fleet_worker(f, (const char *const[]){setting, "LOG_LEVEL=debug", NULL});
	process_wait_line(w, "certificate verify failed", 0);
	assert_int_equal(process_count_lines(w, "\"redis_ready\""), 0);
	fleet_end(f, w);
	free(plain);
}

static void test_sentinel(void **state)
{
	struct sentinels *s = sentinels_start();
	struct fleet *f = fleet_around(sentinels_server(s, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-30");
	struct patient *p = patient_new(sentinels_url(s));

	(void)state;
	check_distrust(f, sentinels_url(s));
	fleet_set(f, "REDIS_URL=%s", sentinels_url(s));
	fleet_set(f, "FENCE_REPLICAS=%d", SENTINELS_N - 1);
	fleet_worker(f, NULL);
	sentinels_wait_synced(s);
	push(p, FLEET_QUEUE, 0, MAILS / 2);
	int dead = sentinels_master(s);
	(void)sentinels_fail_over(s);
	sentinels_revive(s, dead, true);
	sentinels_wait_synced(s);
	push(p, FLEET_QUEUE, MAILS / 2, MAILS);
	patient_wait_empty(p, FLEET_QUEUE);
	check(p, record);
	patient_free(p);
	fleet_free(f);
	sentinels_free(s);
}

static void test_cluster(void **state)
{
	struct cluster_world *c = cluster_start();
	struct fleet *f = fleet_around(cluster_node(c, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-30");
	struct patient *p = patient_new(cluster_url(c));
	int owner = cluster_owner(c, 0, FLEET_QUEUE), to = (owner + 1) % CLUSTER_MASTERS;

	(void)state;
	check_distrust(f, cluster_url(c));
	fleet_set(f, "REDIS_URL=%s", cluster_url(c));
	fleet_set(f, "QUEUES=mail:queue,mail:q1,mail:q2");
	fleet_set(f, "FENCE_REPLICAS=1");
	fleet_worker(f, NULL);
	push(p, FLEET_QUEUE, 0, MAILS / 4);
	push(p, "mail:q1", MAILS / 4, MAILS / 2);
	cluster_reshard_end(cluster_reshard(c, owner, to, 1000));
	push(p, "mail:q2", MAILS / 2, MAILS);
	patient_wait_empty(p, FLEET_QUEUE);
	patient_wait_empty(p, "mail:q1");
	patient_wait_empty(p, "mail:q2");
	check(p, record);
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

#else

static int speak_tls(void **state)
{
	(void)state;
	return 0;
}

static int speak_plainly(void **state)
{
	(void)state;
	return 0;
}

static void test_is_not_in_this_build(void **state)
{
	(void)state;
	print_message("this hiredis has no TLS: Sentinel and cluster over TLS are not shown\n");
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef REDIS_TLS
		cmocka_unit_test(test_sentinel),
		cmocka_unit_test(test_cluster),
#else
		cmocka_unit_test(test_is_not_in_this_build),
#endif
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, speak_tls, speak_plainly);
}

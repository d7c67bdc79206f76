/* Redis behind Sentinel: masters die under load, and the fleet follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/patient.h"
#include "support/sentinels.h"
#include "support/wait.h"

#define MAILS 6000
#define CHUNK 50
#define ROUNDS 3
#define WORKERS 3

static char *read_line(struct fleet *f, const char *const *arguments, int code)
{
	struct process *p = fleet_run(f, arguments, NULL);

	assert_int_equal(process_wait(p, 0), code);
	return code == 0 ? process_stdout(p) : process_stderr(p);
}

/* Has anybody run a script there, since that server was started? */
static long long scripts_run(struct redis_server *s)
{
	char *stats = redis_server_text(s, "INFO commandstats");
	const char *at = strstr(stats, "cmdstat_evalsha:calls=");
	long long n = at ? strtoll(at + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;

	free(stats);
	return n;
}

struct place {
	struct redis_server *server;
	long long before;
};

static bool is_worked_with(void *arg)
{
	const struct place *p = arg;

	return scripts_run(p->server) > p->before;
}

/* A master is killed, and the fleet goes on with its successor. Returns which one was killed. */
static int kill_master(struct sentinels *s)
{
	int dead = sentinels_master(s);
	struct place to[SENTINELS_N], *next;
	int64_t decided;

	for (int i = 0; i < SENTINELS_N; i++)
		to[i] = (struct place){sentinels_server(s, i), scripts_run(sentinels_server(s, i))};
	next = &to[sentinels_fail_over(s)];
	decided = wait_now_ms();
	wait_until(is_worked_with, next, 0);
	print_message("the fleet was there %d ms after Sentinel's decision\n",
	              (int)(wait_now_ms() - decided));
	return dead;
}

/* The dead one comes back as the master that it was, until Sentinel sees it: nobody goes there. */
static void revive_as_master(struct sentinels *s, int dead)
{
	struct redis_server *now = sentinels_server(s, sentinels_master(s));
	struct place more = {now, scripts_run(now) + 20};

	sentinels_revive(s, dead, false);
	wait_until(is_worked_with, &more, 0);
	assert_int_equal(scripts_run(sentinels_server(s, dead)), 0);
	redis_server_do(sentinels_server(s, dead), "REPLICAOF 127.0.0.1 %d",
	                redis_server_port(now));
}

/* What both replicas had when Redis acknowledged it is not lost, whichever of them is promoted; and what
 * was sent twice is so because nobody could know, and its timeline says that. */
static void test_masters_killed_under_load(void **state)
{
	struct sentinels *s = sentinels_start();
	struct fleet *f = fleet_around(sentinels_server(s, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=50-150");
	struct patient *p = patient_new(sentinels_url(s));
	struct process *workers[WORKERS];
	size_t pushed = 0;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", sentinels_url(s));
	fleet_set(f, "FENCE_REPLICAS=%d", SENTINELS_N - 1);
	fleet_set(f, "CONCURRENCY=60");
	for (int i = 0; i < WORKERS; i++)
		workers[i] = fleet_worker(f, NULL);
	for (int round = 1; round <= ROUNDS + 1; round++) {
		sentinels_wait_synced(s);
		for (; pushed < MAILS * (size_t)round / (ROUNDS + 1); pushed += CHUNK)
			patient_push(p, FLEET_QUEUE, "m", pushed, CHUNK, SENTINELS_N - 1);
		if (round > ROUNDS)
			break;
		int dead = kill_master(s);
		if (round == 1)
			revive_as_master(s, dead);
		else
			sentinels_revive(s, dead, true);
	}
	patient_wait_empty(p, FLEET_QUEUE);

	struct tally *t = tally_of_record(record);
	struct census c = patient_census(p, t, "m", MAILS);
	assert_int_equal(c.sent, MAILS);
	assert_int_equal(c.lost, 0);
	assert_int_equal(c.doubled, c.unknown);
	assert_int_equal(tally_keys(t), MAILS);
	tally_free(t);
	for (int i = 0; i < WORKERS; i++)
		fleet_stop(f, workers[i]);
	patient_free(p);
	fleet_free(f);
	sentinels_free(s);
}

/* The command line finds the master, too; and says what is wrong when there is none. */
static void test_command_line(void **state)
{
	struct sentinels *s = sentinels_start();
	struct fleet *f = fleet_around(sentinels_server(s, 0));
	char *said, *wrong;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", sentinels_url(s));
	fleet_worker(f, NULL);
	(void)sentinels_fail_over(s);
	said = read_line(f,
	                 (const char *const[]){"send", "--to", "ada@example.com", "--subject", "Hi",
	                                       "--text", "Hello", "--key", "cli", "--wait", NULL},
	                 0);
	free(said);
	said = read_line(f, (const char *const[]){"status", "cli", "--json", NULL}, 0);
	assert_non_null(strstr(said, "\"sent\""));
	free(said);
	said = read_line(f, (const char *const[]){"queues", "--json", NULL}, 0);
	assert_non_null(strstr(said, "mail:queue"));
	free(said);
	wrong = strdup(sentinels_url(s));
	assert_non_null(wrong);
	*strrchr(wrong, '/') = '\0';
	fleet_set(f, "REDIS_URL=%s/nobody", wrong);
	said = read_line(f, (const char *const[]){"status", "cli", NULL}, 3);
	assert_non_null(strstr(said, "knows no master \"nobody\""));
	free(said);
	free(wrong);
	fleet_free(f);
	sentinels_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masters_killed_under_load),
		cmocka_unit_test(test_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

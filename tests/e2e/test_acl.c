/* The least rights that the README names are enough, and are no more than said (FAULTS 44). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "support/api_world.h"
#include "support/archive_world.h"
#include "support/cluster.h"
#include "support/fleet.h"
#include "support/patient.h"
#include "support/port.h"
#include "support/wait.h"

#define README "README.md" /* tests run in the project's directory */

typedef void line_fn(void *data, const char *line);

/* What of the README is meant to be copied: each line that begins so. */
static int for_each_line(const char *begin, line_fn *fn, void *data)
{
	FILE *readme = fopen(README, "r");
	char line[1024];
	int n = 0;

	assert_non_null(readme);
	while (fgets(line, sizeof(line), readme)) {
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		fn(data, line);
		n++;
	}
	fclose(readme);
	return n;
}

static void set_user(void *redis, const char *line)
{
	/* hiredis splits the format at its spaces; percent signs are the rule's own */
	char *escaped = calloc(2, strlen(line) + 1), *to = escaped;

	assert_null(strchr(line, '"'));
	for (const char *c = line; *c != '\0'; c++) {
		if (*c == '%')
			*to++ = '%';
		*to++ = *c;
	}
	redis_server_do(redis, escaped);
	free(escaped);
}

static void set_users(struct redis_server *redis)
{
	assert_int_equal(for_each_line("ACL SETUSER ", set_user, redis), 5);
}

/* What this user is answered; a new string (free). */
static char *as_user(struct fleet *f, const char *user, const char *format, ...)
{
	redisContext *c = redisConnectUnix(redis_server_socket(fleet_redis(f)));
	redisReply *r;
	va_list args;
	char *text;

	assert_non_null(c);
	r = redisCommand(c, "AUTH %s secret", user);
	assert_non_null(r);
	assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
	freeReplyObject(r);
	va_start(args, format);
	r = redisvCommand(c, format, args);
	va_end(args);
	assert_non_null(r);
	text = strdup(r->str ? r->str : "");
	freeReplyObject(r);
	redisFree(c);
	return text;
}

static void assert_refused(struct fleet *f, const char *user, const char *command)
{
	char *said = as_user(f, user, command);

	if (strncmp(said, "NOPERM", 6) != 0)
		fail_msg("%s may do: %s", user, command);
	free(said);
}

/* Nothing that it did was refused: by Redis, by Redis in a script (7.0 and later say it otherwise), by PostgreSQL. */
static void assert_had_all_rights(const struct process *p)
{
	static const char *const refusals[] = {"NOPERM", "ACL failure",
	                                       "The user executing the script can't",
	                                       "permission denied"};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (process_count_lines(p, refusals[i]) > 0)
			fail_msg("%s: %s", refusals[i], process_stderr(p));
}

static bool is_in_the_list(void *arg)
{
	return redis_server_int(fleet_redis(arg), "ZCARD mail:workers") == 1;
}

/* Everything that the API does in Redis. */
static void use_the_api(struct fleet *f)
{
	char url[300];
	struct api_process a;

	snprintf(url, sizeof(url), "REDIS_URL=unix://api:secret@%s",
	         redis_server_socket(fleet_redis(f)));
	a = api_start(f, (const char *const[]){url, "KEEP_SENT=100", NULL});
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("posted"));
	fleet_wait_status(f, "posted", "sent");
	fleet_wait_settled(f, NULL);
	api_expect(&a, 200, "GET", "/api/email/status/posted", NULL);
	api_expect(&a, 202, "POST", "/api/email/resend/posted", "{\"force\":true}");
	fleet_wait_settled(f, NULL);
	api_expect(&a, 409, "DELETE", "/api/email/posted", NULL);
	api_expect(&a, 200, "GET", "/api/email/queue/status", NULL);
	api_expect(&a, 200, "GET", "/providers/stats", NULL);
	api_expect(&a, 200, "POST", "/circuit-breakers/reset", "{}");
	api_expect(&a, 200, "GET", "/metrics", NULL);
	wait_until(is_in_the_list, f, 0);
	api_expect(&a, 200, "GET", "/health", NULL);
	api_expect(&a, 200, "GET", "/readyz", NULL);
	assert_had_all_rights(a.process);
	fleet_end(f, a.process);
}

static void test_the_least_rights_are_enough(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *job = fleet_job("acl", ""), *said;

	(void)state;
	set_users(fleet_redis(f));
	fleet_set(f, "REDIS_URL=unix://worker:secret@%s", redis_server_socket(fleet_redis(f)));
	fleet_set(f, "PROVIDER_PRIMARY=mock://?latency=0&success=0.5&seed=7");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=50");
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=200"); /* five failures in a row may well be */
	fleet_set(f, "KEEP_SENT=100");
	struct process *w = fleet_worker(f, NULL);
	said = as_user(f, "producer", "LPUSH " FLEET_QUEUE " %s", job);
	free(said);
	fleet_push(f, "acl-broken", ",\"priority\":\"x\"");
	fleet_push(f, "acl-later", ",\"delay\":300");
	fleet_push_many(f, NULL, "acl", 50, "");
	fleet_wait_status(f, "acl", "sent");
	fleet_wait_settled(f, NULL);
	said = as_user(f, "producer", "HGET mail:status:acl status");
	assert_string_equal(said, "sent");
	free(said);
	assert_refused(f, "producer", "RPOP " FLEET_QUEUE);
	assert_refused(f, "producer", "HSET mail:status:acl status failed");
	assert_refused(f, "producer", "GET other");
	assert_refused(f, "producer", "HGETALL {mail:queue}:jobs");
	assert_refused(f, "worker", "SET other x");
	assert_refused(f, "worker", "FLUSHALL");
	assert_refused(f, "worker", "CONFIG GET *");
	assert_refused(f, "api", "SET other x");
	assert_refused(f, "api", "FLUSHALL");
	assert_refused(f, "dashboard", "HSET mail:status:acl status failed");
	assert_refused(f, "dashboard", "LPUSH " FLEET_QUEUE " x");
	assert_refused(f, "dashboard", "GET other");
	said = as_user(f, "dashboard", "HGET mail:status:acl status");
	assert_string_equal(said, "sent");
	free(said);
	use_the_api(f);
	assert_had_all_rights(w);
	fleet_stop(f, w);
	fleet_free(f);
	free(job);
}

/* ---- on a cluster ------------------------------------------------------------------------------ */

#define ON_A_CLUSTER "On a cluster each but the producer also needs `"
#define MAILS 300

/* What the README adds for a cluster: "… needs `<rule>`". */
static void add_rule(void *redis, const char *line)
{
	static const char *const users[] = {"worker", "api", "archiver", "dashboard"};
	char rule[64];

	snprintf(rule, sizeof(rule), "%s", line + strlen(ON_A_CLUSTER));
	rule[strcspn(rule, "`")] = '\0';
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		redis_server_do(redis, "ACL SETUSER %s %s", users[i], rule);
}

/* Each node has users of its own. */
static void set_users_of_all(const struct cluster_world *c)
{
	for (int i = 0; i < CLUSTER_NODES; i++) {
		set_users(cluster_node(c, i));
		assert_int_equal(for_each_line(ON_A_CLUSTER, add_rule, cluster_node(c, i)), 1);
	}
}

/* "REDIS_URL=redis+cluster://<user>:secret@…" */
static void cluster_as(char out[300], const struct cluster_world *c, const char *user)
{
	snprintf(out, 300, "REDIS_URL=redis+cluster://%s:secret@%s", user,
	         strstr(cluster_url(c), "://") + 3);
}

static void use_the_api_of_a_cluster(struct fleet *f, const struct cluster_world *c)
{
	char url[300];
	struct api_process a;

	cluster_as(url, c, "api");
	a = api_start(f, (const char *const[]){url, "KEEP_SENT=100", NULL});
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("posted"));
	api_expect(&a, 200, "GET", "/api/email/status/posted?wait=20", NULL);
	api_expect(&a, 200, "GET", "/api/email/queue/status", NULL);
	api_expect(&a, 200, "GET", "/providers/stats", NULL);
	api_expect(&a, 200, "POST", "/circuit-breakers/reset", "{}");
	api_expect(&a, 200, "GET", "/metrics", NULL);
	api_expect(&a, 200, "GET", "/readyz", NULL);
	assert_had_all_rights(a.process);
	fleet_end(f, a.process);
}

static void look_at_a_cluster(struct fleet *f, const struct cluster_world *c)
{
	char url[300];
	struct process *p;

	cluster_as(url, c, "dashboard");
	p = fleet_run(f, (const char *const[]){"queues", NULL}, (const char *const[]){url, NULL});
	assert_int_equal(process_wait(p, 0), 0);
	assert_had_all_rights(p);
	fleet_end(f, p);
}

/* Also while slots move: a node is asked about keys that it does not have yet. */
static void test_they_are_enough_on_a_cluster(void **state)
{
	struct cluster_world *c = cluster_start();
	struct fleet *f = fleet_around(cluster_node(c, 0));
	const char *record = fleet_mock(f, "PRIMARY", "latency=5-20");
	struct patient *p = patient_new(cluster_url(c));
	int from = cluster_owner(c, 0, FLEET_QUEUE);
	struct process *w, *reshard;
	struct census census;
	struct tally *t;
	char url[300];

	(void)state;
	set_users_of_all(c);
	cluster_as(url, c, "worker");
	fleet_set(f, "%s", url);
	fleet_set(f, "FENCE_REPLICAS=1");
	fleet_set(f, "KEEP_SENT=100");
	w = fleet_worker(f, NULL);
	patient_push(p, FLEET_QUEUE, "m", 0, MAILS / 2, 0);
	reshard = cluster_reshard(c, from, (from + 1) % CLUSTER_MASTERS, 1000);
	patient_push(p, FLEET_QUEUE, "m", MAILS / 2, MAILS / 2, 0);
	cluster_reshard_end(reshard);
	patient_wait_empty(p, FLEET_QUEUE);
	t = tally_of_record(record);
	census = patient_census(p, t, "m", MAILS);
	assert_int_equal(census.sent, MAILS);
	assert_int_equal(census.lost, 0);
	tally_free(t);
	use_the_api_of_a_cluster(f, c);
	look_at_a_cluster(f, c);
	assert_had_all_rights(w);
	fleet_stop(f, w);
	patient_free(p);
	fleet_free(f);
	cluster_free(c);
}

/* ---- the archive ------------------------------------------------------------------------------- */

struct grants {
	struct postgres_server *postgres;
	bool owners; /* those of the owner; else the others */
};

static void grant(void *data, const char *line)
{
	struct grants *g = data;

	if ((strstr(line, "archive_owner") != NULL) == g->owners)
		postgres_server_do(g->postgres, "%s", line);
}

static void grant_all(struct archive_world *w, bool owners)
{
	struct grants g = {w->postgres, owners};

	assert_int_equal(for_each_line("CREATE ROLE ", grant, &g), 3);
	assert_int_equal(for_each_line("CREATE SCHEMA ", grant, &g), 1);
	assert_int_equal(for_each_line("ALTER ROLE ", grant, &g), 3);
	assert_int_equal(for_each_line("GRANT ", grant, &g), 5);
}

static void assert_forbidden(struct archive_world *w, const char *role, const char *sql)
{
	PGconn *c = PQconnectdb(postgres_server_url_as(w->postgres, role));
	PGresult *r = PQexec(c, sql);
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (state == NULL || strcmp(state, "42501") != 0)
		fail_msg("%s may do, or fails otherwise: %s %s", role, sql, PQerrorMessage(c));
	PQclear(r);
	PQfinish(c);
}

static struct process *archiver_as(struct archive_world *w, const char *role, const char *setting)
{
	char database[600], redis[300];

	snprintf(database, sizeof(database), "DATABASE_URL=%s",
	         postgres_server_url_as(w->postgres, role));
	snprintf(redis, sizeof(redis), "REDIS_URL=unix://archiver:secret@%s",
	         redis_server_socket(fleet_redis(w->fleet)));
	return archive_world_archiver(w, (const char *const[]){database, redis, setting, NULL});
}

static void stop_archiver(struct archive_world *w, struct process *archiver)
{
	assert_had_all_rights(archiver);
	archive_world_stop(w, archiver);
}

#define TABLE(NAME) "archive.postrider_" NAME

static bool has_taken_over(void *arg)
{
	struct archive_world *w = arg;

	return postgres_server_int(w->postgres, "SELECT count(*) FROM " TABLE("mails")) == 112;
}

static bool has_cleared(void *arg)
{
	struct archive_world *w = arg;

	return postgres_server_int(w->postgres, "SELECT count(*) FROM " TABLE(
							"mails") " WHERE key = 'k-0'") == 0;
}

/* All that an archiver does in Redis: with its page, and what another has left when it died. */
static void use_the_archiver(struct archive_world *w)
{
	struct redis_server *redis = fleet_redis(w->fleet);
	struct api_process page = {.port = port_free()};
	struct process *archiver;
	char port[32];
	struct answer *r;

	archive_world_add(w, NULL, "new", 12);
	redis_server_do(redis, "XREADGROUP GROUP " ARCHIVE_GROUP
	                       " dead COUNT 5 STREAMS " ARCHIVE_EVENTS " >");
	snprintf(port, sizeof(port), "METRICS_PORT=%d", page.port);
	archiver = archiver_as(w, "archiver", port);
	process_wait_line(archiver, "\"metrics_served\"", 0);
	wait_until(has_taken_over, w, 0);
	r = api_get(&page, "/metrics");
	answer_status(r, 200);
	assert_non_null(strstr(r->body, "postrider_archive_lag_entries{"));
	answer_free(r);
	stop_archiver(w, archiver);
	postgres_server_do(w->postgres,
	                   "UPDATE " TABLE("mails") " SET changed_at = now() -"
	                                            " interval '3 days' WHERE key = 'k-0'");
	archiver = archiver_as(w, "archiver", "ARCHIVE_TTL=1");
	wait_until(has_cleared, w, 0);
	stop_archiver(w, archiver);
}

static void use_the_look_up(struct archive_world *w)
{
	char database[600];
	struct api_process a;

	snprintf(database, sizeof(database), "DATABASE_URL=%s",
	         postgres_server_url_as(w->postgres, "lookup"));
	redis_server_do(fleet_redis(w->fleet), "DEL mail:status:k-3");
	a = api_start(w->fleet, (const char *const[]){database, NULL});
	process_wait_line(a.process, "\"postgres_ready\"", 0);
	api_expect(&a, 200, "GET", "/api/email/status/k-3", NULL);
	fleet_end(w->fleet, a.process);
}

static void test_the_archives_rights_are_enough(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;

	if (w == NULL)
		return;
	set_users(fleet_redis(w->fleet));
	grant_all(w, true);
	archive_world_add(w, NULL, "k", 100);
	archiver = archiver_as(w, "archive_owner", NULL);
	archive_world_wait(w, TABLE("mails"), 100);
	stop_archiver(w, archiver);
	grant_all(w, false);
	use_the_archiver(w);
	use_the_look_up(w);
	assert_forbidden(w, "archiver", "CREATE TABLE archive.other (n int)");
	assert_forbidden(w, "archiver", "DROP TABLE " TABLE("mails"));
	assert_forbidden(w, "archiver", "INSERT INTO " TABLE("schema") " VALUES (99)");
	assert_forbidden(w, "lookup", "DELETE FROM " TABLE("mails"));
	assert_forbidden(w, "lookup", "INSERT INTO " TABLE("schema") " VALUES (99)");
	assert_refused(w->fleet, "archiver", "LPUSH " FLEET_QUEUE " x");
	assert_refused(w->fleet, "archiver", "HSET mail:status:k-1 status failed");
	assert_refused(w->fleet, "archiver", "HDEL {mail:queue}:jobs x");
	assert_refused(w->fleet, "archiver", "XADD {mail:queue}:other * a b");
	assert_refused(w->fleet, "archiver", "EVAL return 0");
	assert_refused(w->fleet, "archiver", "SCRIPT FLUSH");
	assert_refused(w->fleet, "archiver", "GET other");
	assert_refused(w->fleet, "archiver", "KEYS *");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least_rights_are_enough),
		cmocka_unit_test(test_they_are_enough_on_a_cluster),
		cmocka_unit_test(test_the_archives_rights_are_enough),
	};

	return cmocka_run_group_tests(tests, archive_world_setup, archive_world_teardown);
}

#include "support/sentinels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

struct sentinels {
	struct redis_server *servers[SENTINELS_N], *watches[SENTINELS_N];
	char *url;
	int before; /* the master that was killed */
};

static void start_servers(struct sentinels *s)
{
	s->servers[0] = redis_server_start_tcp(
		(const char *const[]){"--repl-diskless-sync-delay", "0", NULL});
	for (int i = 1; i < SENTINELS_N; i++) {
		char master[16];

		snprintf(master, sizeof(master), "%d", redis_server_port(s->servers[0]));
		s->servers[i] = redis_server_start_tcp(
			(const char *const[]){"--repl-diskless-sync-delay", "0", "--replicaof",
		                              "127.0.0.1", master, NULL});
	}
}

static void configure(struct redis_server *watch, int port)
{
	redis_server_do(watch, "SENTINEL MONITOR " SENTINELS_NAME " 127.0.0.1 %d 2", port);
	redis_server_do(watch,
	                "SENTINEL SET " SENTINELS_NAME
	                " down-after-milliseconds 60000 failover-timeout 2000 parallel-syncs 2");
}

static bool knows_all(void *watch)
{
	redisReply *r = redis_server_cmd(watch, "SENTINEL MASTER " SENTINELS_NAME);
	int known = 0;

	for (size_t i = 0; i + 1 < r->elements; i += 2) {
		const char *name = r->element[i]->str, *value = r->element[i + 1]->str;

		known += strcmp(name, "num-slaves") == 0 && strcmp(value, "2") == 0;
		known += strcmp(name, "num-other-sentinels") == 0 && strcmp(value, "2") == 0;
	}
	freeReplyObject(r);
	return known == 2;
}

struct sentinels *sentinels_start(void)
{
	struct sentinels *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	start_servers(s);
	for (int i = 0; i < SENTINELS_N; i++) {
		s->watches[i] = redis_server_start_sentinel();
		configure(s->watches[i], redis_server_port(s->servers[0]));
	}
	assert_true(asprintf(&s->url,
	                     "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/%s%s",
	                     redis_server_port(s->watches[0]), redis_server_port(s->watches[1]),
	                     redis_server_port(s->watches[2]), SENTINELS_NAME,
	                     redis_server_tls_parameters()) > 0);
	for (int i = 0; i < SENTINELS_N; i++)
		wait_until(knows_all, s->watches[i], 0);
	return s;
}

void sentinels_free(struct sentinels *s)
{
	if (!s)
		return;
	for (int i = 0; i < SENTINELS_N; i++) {
		redis_server_free(s->watches[i]);
		redis_server_free(s->servers[i]);
	}
	free(s->url);
	free(s);
}

const char *sentinels_url(const struct sentinels *s)
{
	return s->url;
}

struct redis_server *sentinels_server(const struct sentinels *s, int i)
{
	return s->servers[i];
}

struct redis_server *sentinels_watch(const struct sentinels *s, int i)
{
	return s->watches[i];
}

int sentinels_master(const struct sentinels *s)
{
	redisReply *r = redis_server_cmd(s->watches[0],
	                                 "SENTINEL GET-MASTER-ADDR-BY-NAME " SENTINELS_NAME);
	int port = r->elements == 2 ? (int)strtol(r->element[1]->str, NULL, 10) : 0, found = -1;

	freeReplyObject(r);
	for (int i = 0; i < SENTINELS_N; i++)
		if (redis_server_port(s->servers[i]) == port)
			found = i;
	return found;
}

static bool has_failed_over(void *arg)
{
	const struct sentinels *s = arg;

	return sentinels_master(s) != s->before;
}

void sentinels_hurry(struct sentinels *s)
{
	for (int i = 0; i < SENTINELS_N; i++)
		redis_server_do(s->watches[i],
		                "SENTINEL SET " SENTINELS_NAME " down-after-milliseconds 2000");
}

int sentinels_fail_over(struct sentinels *s)
{
	sentinels_hurry(s);
	s->before = sentinels_master(s);
	redis_server_kill(s->servers[s->before]);
	wait_until(has_failed_over, s, 0);
	return sentinels_master(s);
}

/* They refuse while one is under way, or was a moment ago; and give one up when they know too little of the replicas. */
static bool is_dethroned(void *arg)
{
	const struct sentinels *s = arg;
	int now = sentinels_master(s);

	if (now >= 0 && now != s->before)
		return true;
	freeReplyObject(redis_server_try(s->watches[0], "SENTINEL FAILOVER " SENTINELS_NAME));
	return false;
}

void sentinels_dethrone(struct sentinels *s)
{
	s->before = sentinels_master(s);
	wait_until(is_dethroned, s, 0);
}

void sentinels_revive(struct sentinels *s, int i, bool as_replica)
{
	redis_server_run(s->servers[i]);
	if (as_replica)
		redis_server_do(s->servers[i], "REPLICAOF 127.0.0.1 %d",
		                redis_server_port(s->servers[sentinels_master(s)]));
}

static bool is_synced(void *arg)
{
	const struct sentinels *s = arg;
	int master = sentinels_master(s);

	for (int i = 0; i < SENTINELS_N; i++) {
		char *info = redis_server_text(s->servers[i], "INFO replication");
		bool up = strstr(info, "master_link_status:up") != NULL;

		free(info);
		if (i != master && !up)
			return false;
	}
	redis_server_do(s->servers[master], "SET sentinels:synced 1");
	return redis_server_int(s->servers[master], "WAIT 2 1000") == 2;
}

void sentinels_wait_synced(struct sentinels *s)
{
	wait_until(is_synced, s, 0);
}

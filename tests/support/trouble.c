#include "support/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/port.h"
#include "support/wait.h"

const char *const trouble_args[] = {TROUBLE_SLOW_TO_LOAD("20000"), "--lua-time-limit", "20", NULL};

static struct process *slow_script; /* of BUSY; one at a time */

struct says {
	struct redis_server *server;
	const char *code;
};

static bool answers_so(void *arg)
{
	const struct says *s = arg;
	char *answer = redis_server_ping(s->server);
	bool yes = strncmp(answer, s->code, strlen(s->code)) == 0;

	free(answer);
	return yes;
}

static void wait_answer(struct redis_server *r, const char *code)
{
	wait_until(answers_so, (&(struct says){r, code}), 0);
}

/* ---- a snapshot that cannot be written: in its place is a directory ------------------------------- */

static bool has_saved(void *r)
{
	return redis_server_info(r, "persistence", "rdb_bgsave_in_progress") == 0 &&
	       redis_server_info(r, "persistence", "aof_rewrite_in_progress") == 0;
}

static void cannot_save(struct redis_server *r, bool now)
{
	redisReply *dir = redis_server_cmd(r, "CONFIG GET dir");
	char path[4096], *info;

	snprintf(path, sizeof(path), "%s/dump.rdb", dir->element[1]->str);
	freeReplyObject(dir);
	redis_server_do(r, "CONFIG SET save %s", "3600 1000000");
	if (now)
		(void)unlink(path);
	assert_int_equal(now ? mkdir(path, 0700) : rmdir(path), 0);
	wait_until(has_saved, r, 0);
	redis_server_do(r, "BGSAVE");
	wait_until(has_saved, r, 0);
	info = redis_server_text(r, "INFO persistence");
	assert_non_null(
		strstr(info, now ? "rdb_last_bgsave_status:err" : "rdb_last_bgsave_status:ok"));
	free(info);
	if (!now)
		redis_server_do(r, "CONFIG SET save %s", "");
}

/* ---- a start that takes long ------------------------------------------------------------------------ */

static void loads(struct redis_server *r, bool now)
{
	if (!now) {
		redis_server_do(r, "CONFIG SET key-load-delay 0");
		wait_answer(r, "PONG");
		return;
	}
	redis_server_do(r, "EVAL %s 0",
	                "for i = 1, 3000 do redis.call('SET', 'filler:' .. i, i) end");
	redis_server_do(r, "BGREWRITEAOF");
	wait_until(has_saved, r, 0);
	redis_server_kill(r);
	redis_server_run_unready(r);
	wait_answer(r, "LOADING");
}

/* ---- the others -------------------------------------------------------------------------------------- */

static void is_busy(struct redis_server *r, bool now)
{
	if (!now) {
		redis_server_do(r, "SCRIPT KILL");
		process_free(slow_script);
		wait_answer(r, "PONG");
		return;
	}
	slow_script = process_start((const char *const[]){redis_server_cli(), "-s",
	                                                  redis_server_socket(r), "EVAL",
	                                                  "while true do end", "0", NULL},
	                            NULL);
	wait_answer(r, "BUSY");
}

static void is_a_replica(struct redis_server *r, bool now)
{
	if (now)
		redis_server_do(r, "REPLICAOF 127.0.0.1 %d", port_free());
	else
		redis_server_do(r, "REPLICAOF NO ONE");
}

/* Those that are there already stay logged in: they are thrown out. */
static void wants_a_password(struct redis_server *r, bool now)
{
	redis_server_do(r, "CONFIG SET requirepass %s", now ? "secret" : "");
	if (now)
		redis_server_do(r, "CLIENT KILL TYPE normal");
}

static void set(struct redis_server *r, const char *code, bool now)
{
	if (strcmp(code, "OOM") == 0)
		redis_server_do(r, "CONFIG SET maxmemory %d", now);
	else if (strcmp(code, "NOREPLICAS") == 0)
		redis_server_do(r, "CONFIG SET min-replicas-to-write %d", now);
	else if (strcmp(code, "MISCONF") == 0)
		cannot_save(r, now);
	else if (strcmp(code, "BUSY") == 0)
		is_busy(r, now);
	else if (strcmp(code, "LOADING") == 0)
		loads(r, now);
	else if (strcmp(code, "READONLY") == 0)
		is_a_replica(r, now);
	else if (strcmp(code, "NOSCRIPT") == 0)
		redis_server_do(r, "SCRIPT FLUSH");
	else if (strcmp(code, "NOAUTH") == 0)
		wants_a_password(r, now);
	else if (strcmp(code, "NOPERM") == 0)
		redis_server_do(r, "ACL SETUSER default %slpush", now ? "-" : "+");
	else if (strcmp(code, "WRONGTYPE") == 0)
		redis_server_do(r, now ? "SET mail:queue something" : "DEL mail:queue");
	else
		fail_msg("no trouble is called %s", code);
}

void trouble_begin(struct redis_server *r, const char *code)
{
	set(r, code, true);
}

void trouble_end(struct redis_server *r, const char *code)
{
	set(r, code, false);
}

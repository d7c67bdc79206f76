#include "support/archive_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

int archive_world_setup(void **state)
{
	struct archive_world *w;

	if (!postgres_server_possible())
		return 0;
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->postgres = postgres_server_start();
	w->fleet = fleet_start(
		(const char *const[]){"--appendonly", "yes", "--appendfsync", "no", NULL});
	fleet_set(w->fleet, "DATABASE_URL=%s", postgres_server_url(w->postgres));
	*state = w;
	return 0;
}

int archive_world_teardown(void **state)
{
	struct archive_world *w = *state;

	if (w == NULL)
		return 0;
	fleet_free(w->fleet);
	postgres_server_free(w->postgres);
	free(w);
	return 0;
}

struct archive_world *archive_world_begin(void **state)
{
	struct archive_world *w = *state;

	if (w == NULL) {
		printf("skipped: PostgreSQL is not installed\n");
		return NULL;
	}
	redis_server_do(fleet_redis(w->fleet), "FLUSHALL");
	postgres_server_empty(w->postgres);
	return w;
}

struct process *archive_world_archiver(struct archive_world *w, const char *const *extra)
{
	return fleet_run(w->fleet, (const char *const[]){"archive", NULL}, extra);
}

void archive_world_stop(struct archive_world *w, struct process *archiver)
{
	fleet_stop(w->fleet, archiver);
	assert_int_equal(process_count_lines(archiver, POSTGRES_SERVER_PASSWORD), 0);
	fleet_end(w->fleet, archiver);
}

void archive_world_add(struct archive_world *w, const char *queue, const char *stem, size_t n)
{
	static const char script[] =
		"local at = redis.call('TIME')[1] * 1000 "
		"for i = tonumber(ARGV[3]), tonumber(ARGV[4]) do "
		" local id, key = string.format('%s%08x', ARGV[2], i), ARGV[2] .. '-' .. i "
		" redis.call('HSET', 'mail:status:' .. key, 'owner', ARGV[1] .. '#' .. id, 'fingerprint', 'f', 'status', 'sent', "
		"  'to', 'ada@example.com', 'subject', 'Mail ' .. i, 'provider', 'primary', 'attempts', 1, 'created_at', at, "
		"  'updated_at', at, 'message_id', 'm' .. i, 'attempt:1', 'primary sent 250 2.0.0 12ms queued as m' .. i) "
		" redis.call('XADD', KEYS[1], '*', 'id', id, 'key', key, 'status', 'sent', 'provider', 'primary', "
		"  'attempt', 1, 'code', '250 2.0.0', 'ms', 12, 'tenant', 'acme', 'tags', 'a,b') "
		"end";

	if (queue == NULL)
		queue = FLEET_QUEUE;
	for (size_t from = 0; from < n; from += 2000) {
		size_t to = from + 2000 < n ? from + 2000 : n;

		redis_server_do(fleet_redis(w->fleet), "EVAL %s 1 {%s}:events %s %s %d %d", script,
		                queue, queue, stem, (int)from, (int)to - 1);
	}
}

struct wanted {
	struct archive_world *world;
	const char *table;
	long long rows;
};

/* The value of a field of one of XINFO's answers; NULL where there is none. */
static const redisReply *info_field(const redisReply *info, const char *name)
{
	for (size_t i = 0; i + 1 < info->elements; i += 2)
		if (strcmp(info->element[i]->str, name) == 0)
			return info->element[i + 1];
	return NULL;
}

/* The group has been given all of this stream's events, and has acknowledged them. */
static bool is_read(struct redis_server *redis, const char *events)
{
	redisReply *groups = redis_server_cmd(redis, "XINFO GROUPS %s", events);
	redisReply *stream = redis_server_cmd(redis, "XINFO STREAM %s", events);
	bool done = groups->type == REDIS_REPLY_ARRAY && groups->elements == 1;

	if (done) {
		const redisReply *pending = info_field(groups->element[0], "pending");
		const redisReply *given = info_field(groups->element[0], "last-delivered-id");
		const redisReply *last = info_field(stream, "last-generated-id");

		done = pending != NULL && pending->integer == 0 && given != NULL && last != NULL &&
		       strcmp(given->str, last->str) == 0;
	}
	freeReplyObject(groups);
	freeReplyObject(stream);
	return done;
}

static bool is_all_there(void *arg)
{
	struct wanted *a = arg;
	struct redis_server *redis = fleet_redis(a->world->fleet);
	char sql[128];
	redisReply *streams;
	bool done;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", a->table);
	if (postgres_server_try_int(a->world->postgres, sql) < a->rows)
		return false;
	streams = redis_server_cmd(redis, "KEYS {*}:events");
	done = streams->type == REDIS_REPLY_ARRAY && streams->elements > 0;
	for (size_t i = 0; done && i < streams->elements; i++)
		done = is_read(redis, streams->element[i]->str);
	freeReplyObject(streams);
	return done;
}

void archive_world_wait(struct archive_world *w, const char *table, long long rows)
{
	struct wanted a = {w, table, rows};

	if (!wait_for(NULL, is_all_there, &a, WAIT_DEFAULT_MS))
		print_error("%s has %lld rows, not %lld\n", table,
		            postgres_server_int(w->postgres, "SELECT count(*) FROM %s", table),
		            rows);
	wait_until(is_all_there, &a, 100);
}

long long archive_world_count(struct archive_world *w, const char *field)
{
	redisReply *r = redis_server_cmd(fleet_redis(w->fleet), "HGET {mail:queue}:archive %s",
	                                 field);
	long long n = r->str != NULL ? strtoll(r->str, NULL, 10) : 0;

	freeReplyObject(r);
	return n;
}

#define MAILS "postrider_mails"
#define ATTEMPTS "postrider_attempts"

void archive_world_exact(struct archive_world *w, const char *stem, long long n)
{
	struct postgres_server *p = w->postgres;

	assert_int_equal(postgres_server_int(
				 p, "SELECT count(*) FROM " MAILS " WHERE key LIKE '%s-%%'", stem),
	                 n);
	assert_int_equal(postgres_server_int(
				 p,
				 "SELECT count(*) FROM " MAILS " m JOIN " ATTEMPTS
				 " a USING (key, job, entry_ms, entry_seq) WHERE key LIKE '%s-%%'"
				 " AND m.status = 'sent' AND m.tenant = 'acme' AND m.tags = '{a,b}'"
				 " AND a.code = '250 2.0.0' AND a.ms = 12 AND a.attempt = 1"
				 " AND details->>'subject' = 'Mail ' || split_part(key, '-', 2)"
				 " AND details->>'message_id' = 'm' || split_part(key, '-', 2)",
				 stem),
	                 n);
	assert_int_equal(
		postgres_server_int(p, "SELECT count(*) FROM " ATTEMPTS " WHERE key LIKE '%s-%%'",
	                            stem),
		n);
}

#include "support/fleet.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_SETTINGS 64
#define MAX_PROCESSES 256
#define MAX_WORDS 24 /* of a command */

extern char **environ;

struct fleet {
	struct redis_server *redis;
	bool own_redis;
	char *dir;
	char *settings[MAX_SETTINGS];
	size_t n_settings;
	struct process *processes[MAX_PROCESSES];
	size_t n_processes;
	char *records[8];
	size_t n_records;
};

static char *text(const char *format, ...) PRINTF_LIKE(1, 2);
static char *text(const char *format, ...)
{
	char *s;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&s, format, args);
	va_end(args);
	assert_true(n >= 0);
	return s;
}

/* ---- the environment ------------------------------------------------------------------------- */

const char *fleet_binary(void)
{
	static char path[PATH_MAX];
	const char *given = getenv("POSTRIDER");
	ssize_t n;

	if (path[0] != '\0')
		return path;
	if (given && *given && realpath(given, path))
		return path;
	/* <build>/tests/e2e/test_x → <build>/postrider */
	n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	assert_true(n > 0);
	path[n] = '\0';
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(path, '/');

		assert_non_null(slash);
		*slash = '\0';
	}
	snprintf(path + strlen(path), 32, "/postrider");
	if (access(path, X_OK) != 0)
		fail_msg("%s is not there: run make, or set POSTRIDER", path);
	return path;
}

static bool is_setting_of(const char *setting, const char *name)
{
	size_t n = strcspn(name, "=");

	return strncmp(setting, name, n) == 0 && (setting[n] == '=' || setting[n] == '\0');
}

static void put_setting(struct fleet *f, char *setting)
{
	for (size_t i = 0; i < f->n_settings; i++) {
		if (!is_setting_of(f->settings[i], setting))
			continue;
		free(f->settings[i]);
		f->settings[i] = setting;
		return;
	}
	assert_true(f->n_settings < MAX_SETTINGS);
	f->settings[f->n_settings++] = setting;
}

void fleet_set(struct fleet *f, const char *format, ...)
{
	char *s;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&s, format, args);
	va_end(args);
	assert_true(n > 0);
	put_setting(f, s);
}

/* What the person who runs the tests has set must not reach the workers. */
static void keep_out_environment(void)
{
	static const char *const kept[] = {"PATH",
	                                   "HOME",
	                                   "TMPDIR",
	                                   "LANG",
	                                   "POSTRIDER",
	                                   "REDIS_SERVER",
	                                   "KEEP_TMPDIR",
	                                   "ASAN_OPTIONS",
	                                   "UBSAN_OPTIONS",
	                                   "LSAN_OPTIONS",
	                                   "CC",
	                                   "LD_LIBRARY_PATH",
	                                   "CMOCKA_MESSAGE_OUTPUT"};

	for (char **e = environ; *e;) {
		bool keep = false;
		char name[128];

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			keep = keep || is_setting_of(*e, kept[i]);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		if (keep || strlen(name) == 0 || unsetenv(name) != 0)
			e++;
		else
			e = environ;
	}
}

struct fleet *fleet_around(struct redis_server *redis)
{
	struct fleet *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)fleet_binary();
	keep_out_environment();
	f->redis = redis;
	f->dir = tmpdir_make("fleet");
	fleet_set(f, "REDIS_URL=%s", redis_server_url(redis));
	fleet_set(f, "PROVIDERS=primary");
	fleet_set(f, "PROVIDER_PRIMARY=mock://");
	fleet_set(f, "MAIL_FROM=Shop <shop@example.com>");
	fleet_set(f, "LOG_FORMAT=json");
	fleet_set(f, "LEASE_MS=1000");
	fleet_set(f, "RETRY_BASE_DELAY=5");
	fleet_set(f, "RETRY_MAX_DELAY=50");
	return f;
}

struct fleet *fleet_start(const char *const *redis_args)
{
	struct fleet *f = fleet_around(redis_server_start(redis_args));

	f->own_redis = true;
	return f;
}

void fleet_free(struct fleet *f)
{
	if (!f)
		return;
	while (f->n_processes > 0)
		process_free(f->processes[--f->n_processes]);
	if (f->own_redis)
		redis_server_free(f->redis);
	while (f->n_settings > 0)
		free(f->settings[--f->n_settings]);
	while (f->n_records > 0)
		free(f->records[--f->n_records]);
	tmpdir_remove(f->dir);
	free(f->dir);
	free(f);
}

struct redis_server *fleet_redis(const struct fleet *f)
{
	return f->redis;
}

const char *fleet_mock(struct fleet *f, const char *name, const char *parameters)
{
	assert_true(f->n_records < sizeof(f->records) / sizeof(f->records[0]));
	char *path = f->records[f->n_records++] = tmpdir_name("record");

	fleet_set(f, "PROVIDER_%s=mock://?record=%s%s%s", name, path, *parameters ? "&" : "",
	          parameters);
	return path;
}

/* ---- processes --------------------------------------------------------------------------------- */

struct process *fleet_run_under(struct fleet *f, const char *const *tool,
                                const char *const *arguments, const char *const *extra)
{
	const char *argv[MAX_WORDS + 1], *env[2 * MAX_SETTINGS];
	size_t n_words = 0, n = 0;
	struct process *p;

	for (; tool && *tool && n_words < MAX_WORDS; tool++)
		argv[n_words++] = *tool;
	argv[n_words++] = fleet_binary();
	for (; *arguments && n_words < MAX_WORDS; arguments++)
		argv[n_words++] = *arguments;
	assert_null(*arguments);
	argv[n_words] = NULL;
	for (size_t i = 0; i < f->n_settings; i++)
		env[n++] = f->settings[i];
	for (; extra && *extra; extra++) {
		assert_true(n < 2 * MAX_SETTINGS - 1);
		env[n++] = *extra;
	}
	env[n] = NULL;
	p = process_start_with(argv, env, NULL, 0, f->dir);
	assert_true(f->n_processes < MAX_PROCESSES);
	f->processes[f->n_processes++] = p;
	return p;
}

struct process *fleet_run(struct fleet *f, const char *const *arguments, const char *const *extra)
{
	return fleet_run_under(f, NULL, arguments, extra);
}

struct process *fleet_worker(struct fleet *f, const char *const *extra)
{
	return fleet_run(f, (const char *const[]){"worker", NULL}, extra);
}

struct process *fleet_worker_ready(struct fleet *f, const char *const *extra)
{
	struct process *p = fleet_worker(f, extra);

	process_wait_lines(p, "\"redis_up\"", 2, 0); /* its own connection, and a doorbell's */
	return p;
}

void fleet_stop(struct fleet *f, struct process *worker)
{
	(void)f;
	assert_int_equal(process_stop(worker, 0), 0);
}

void fleet_end(struct fleet *f, struct process *worker)
{
	for (size_t i = 0; i < f->n_processes; i++) {
		if (f->processes[i] != worker)
			continue;
		f->processes[i] = f->processes[--f->n_processes];
		process_free(worker);
		return;
	}
	fail_msg("that process is none of this fleet");
}

/* ---- jobs ------------------------------------------------------------------------------------ */

char *fleet_job_to(const char *key, const char *to, const char *more)
{
	return text("{\"to\":\"%s\",\"subject\":\"Hello\",\"body\":\"Dear customer,\\nhello.\\n\","
	            "\"headers\":{\"X-Key\":\"%s\"},\"idempotencyKey\":\"%s\"%s}",
	            to, key, key, more);
}

char *fleet_job(const char *key, const char *more)
{
	return fleet_job_to(key, "ada@example.com", more);
}

void fleet_push_raw(struct fleet *f, const char *queue, const void *bytes, size_t n)
{
	redis_server_do(f->redis, "LPUSH %s %b", queue ? queue : FLEET_QUEUE, bytes, n);
}

void fleet_push_to(struct fleet *f, const char *key, const char *to, const char *more)
{
	char *job = fleet_job_to(key, to, more);

	fleet_push_raw(f, NULL, job, strlen(job));
	free(job);
}

void fleet_push(struct fleet *f, const char *key, const char *more)
{
	fleet_push_to(f, key, "ada@example.com", more);
}

redisContext *fleet_client(struct fleet *f)
{
	redisContext *c = redisConnectUnix(redis_server_socket(f->redis));

	assert_non_null(c);
	if (c->err != 0)
		fail_msg("no connection to Redis: %s", c->errstr);
	return c;
}

redisReply *fleet_answer(redisContext *c)
{
	void *reply = NULL;

	if (redisGetReply(c, &reply) != REDIS_OK)
		fail_msg("no answer of Redis: %s", c->errstr);
	return reply;
}

void fleet_push_many(struct fleet *f, const char *queue, const char *stem, size_t n,
                     const char *more)
{
	redisContext *c = fleet_client(f);
	size_t sent = 0, answered = 0;
	char key[128];

	while (answered < n) {
		if (sent < n && sent - answered < FLEET_PIPELINE) {
			char *job;

			snprintf(key, sizeof(key), "%s-%zu", stem, sent++);
			job = fleet_job(key, more);
			redisAppendCommand(c, "LPUSH %s %s", queue ? queue : FLEET_QUEUE, job);
			free(job);
			continue;
		}
		redisReply *reply = fleet_answer(c);
		assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
		freeReplyObject(reply);
		answered++;
	}
	redisFree(c);
}

/* ---- statuses -------------------------------------------------------------------------------- */

char *fleet_field(struct fleet *f, const char *key, const char *field)
{
	char *value = redis_server_text(f->redis, "HGET mail:status:%s %s", key, field);

	return value ? value : text("%s", "");
}

long long fleet_number(struct fleet *f, const char *key, const char *field)
{
	char *value = fleet_field(f, key, field);
	long long n = strtoll(value, NULL, 10);

	free(value);
	return n;
}

char *fleet_provider_field(struct fleet *f, const char *provider, const char *field)
{
	char *value = redis_server_text(f->redis, "HGET mail:provider:%s %s", provider, field);

	return value ? value : text("%s", "");
}

/* The whole status, for whoever reads why a test failed. */
void fleet_show_status(struct fleet *f, const char *key)
{
	redisReply *all = redis_server_cmd(f->redis, "HGETALL mail:status:%s", key);

	print_error("--- the status of %s:\n", key);
	for (size_t i = 0; i + 1 < all->elements; i += 2)
		print_error("%s: %s\n", all->element[i]->str, all->element[i + 1]->str);
	print_error("---\n");
	freeReplyObject(all);
}

void fleet_expect_at(const char *file, int line, struct fleet *f, const char *key,
                     const char *field, const char *value)
{
	char *got = fleet_field(f, key, field);
	bool same = strcmp(got, value) == 0;

	if (!same) {
		fleet_show_status(f, key);
		print_error("%s:%d: %s of %s is \"%s\", not \"%s\"\n", file, line, field, key, got,
		            value);
	}
	free(got);
	if (!same)
		fail();
}

struct awaited {
	struct fleet *fleet;
	const char *key, *field, *value;
	long long left; /* of a queue, at the last look */
};

static bool has_value(void *arg)
{
	const struct awaited *a = arg;
	char *got = fleet_field(a->fleet, a->key, a->field);
	bool same = strcmp(got, a->value) == 0;

	free(got);
	return same;
}

void fleet_wait_field_at(const char *file, int line, struct fleet *f, const char *key,
                         const char *field, const char *value)
{
	if (wait_for(NULL, has_value, &((struct awaited){f, key, field, value, 0}), 0))
		return;
	fleet_show_status(f, key);
	fail_msg("%s:%d: waited in vain for %s of %s to be %s", file, line, field, key, value);
}

/* ---- queues ---------------------------------------------------------------------------------- */

static long long size_of(struct fleet *f, const char *command, const char *queue, const char *part)
{
	char key[256];

	if (part)
		snprintf(key, sizeof(key), "{%s}:%s", queue, part);
	else
		snprintf(key, sizeof(key), "%s", queue);
	return redis_server_int(f->redis, "%s %s", command, key);
}

static long long left_in(const struct awaited *a)
{
	const char *q = a->key;

	return redis_server_int(a->fleet->redis,
	                        "EVAL %s 4 %s {%s}:arrivals {%s}:leases {%s}:delayed", FLEET_LEFT,
	                        q, q, q, q);
}

static bool is_less(void *arg)
{
	const struct awaited *a = arg;
	long long left = left_in(a);

	return left == 0 || left < a->left;
}

static void show_queue(struct fleet *f, const char *queue)
{
	print_error(
		"--- %s: %lld in the list, %lld arrivals, %lld leases, %lld delayed, %lld jobs, "
		"%lld dead ---\n",
		queue, size_of(f, "LLEN", queue, NULL), size_of(f, "LLEN", queue, "arrivals"),
		size_of(f, "ZCARD", queue, "leases"), size_of(f, "ZCARD", queue, "delayed"),
		size_of(f, "HLEN", queue, "jobs"), size_of(f, "ZCARD", queue, "dead"));
}

void fleet_wait_empty_at(const char *file, int line, struct fleet *f, const char *queue)
{
	struct awaited a = {f, queue ? queue : FLEET_QUEUE, NULL, NULL, 0};

	do { /* a slow machine has a minute for each mail, not for all of them */
		a.left = left_in(&a);
		if (a.left == 0)
			return;
	} while (wait_for(NULL, is_less, &a, 0));
	show_queue(f, a.key);
	fail_msg("%s:%d: waited in vain for %s to be empty", file, line, a.key);
}

void fleet_wait_settled_at(const char *file, int line, struct fleet *f, const char *queue)
{
	long long jobs, dead, claims;

	if (!queue)
		queue = FLEET_QUEUE;
	fleet_wait_empty_at(file, line, f, queue);
	jobs = size_of(f, "HLEN", queue, "jobs");
	dead = size_of(f, "ZCARD", queue, "dead");
	claims = size_of(f, "HLEN", queue, "claims");
	if (jobs == dead && claims <= dead)
		return;
	show_queue(f, queue);
	fail_msg("%s:%d: %lld payloads and %lld claim counts are left of %lld dead letters", file,
	         line, jobs, claims, dead);
}

void fleet_make_due(struct fleet *f, const char *key)
{
	char *owner = fleet_field(f, key, "owner"), *id = strchr(owner, '#');

	assert_non_null(id);
	*id++ = '\0';
	redis_server_do(f->redis, "HSET mail:status:%s next_attempt_at 1", key);
	redis_server_do(f->redis, "HINCRBY mail:status:%s created_at %d", key, -FLEET_HOUR_MS);
	redis_server_do(f->redis, "ZADD {%s}:delayed XX 1 %s", owner, id);
	free(owner);
}

size_t fleet_dead_count(struct fleet *f, const char *queue)
{
	return (size_t)size_of(f, "ZCARD", queue ? queue : FLEET_QUEUE, "dead");
}

char *fleet_dead(struct fleet *f, const char *queue, const char *id, size_t *n)
{
	char key[256];
	redisReply *reply;
	char *bytes;

	if (!queue)
		queue = FLEET_QUEUE;
	snprintf(key, sizeof(key), "{%s}:dead", queue);
	reply = redis_server_cmd(f->redis, "ZSCORE %s %s", key, id);
	if (reply->type == REDIS_REPLY_NIL)
		fail_msg("%s has no dead letter %s", queue, id);
	freeReplyObject(reply);
	snprintf(key, sizeof(key), "{%s}:jobs", queue);
	reply = redis_server_cmd(f->redis, "HGET %s %s", key, id);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	bytes = malloc(reply->len + 1);
	assert_non_null(bytes);
	memcpy(bytes, reply->str, reply->len);
	bytes[reply->len] = '\0';
	*n = reply->len;
	freeReplyObject(reply);
	return bytes;
}

/* ---- what it costs --------------------------------------------------------------------------- */

long fleet_cpu_ms(const struct process *p)
{
	char *path = text("/proc/%d/stat", (int)process_pid(p)), *stat = tmpdir_read(path, NULL);
	const char *rest = strrchr(stat, ')');
	unsigned long user = 0, system = 0;

	assert_non_null(rest);
	assert_int_equal(sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	                        &user, &system),
	                 2);
	free(stat);
	free(path);
	return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

size_t fleet_rss(const struct process *p)
{
	char *path = text("/proc/%d/statm", (int)process_pid(p)), *statm = tmpdir_read(path, NULL);
	unsigned long pages = 0;

	assert_int_equal(sscanf(statm, "%*u %lu", &pages), 1);
	free(statm);
	free(path);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t fleet_open_files(const struct process *p)
{
	char *path = text("/proc/%d/fd", (int)process_pid(p));
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	free(path);
	return n;
}

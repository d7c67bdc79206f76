/* What a mail costs, in numbers that do not depend on the machine's speed: commands in Redis, round
 * trips, instructions. Each must stay within a tenth of what is written here. What has become
 * cheaper is written down anew; what has become dearer is looked at first (tests/bench/README.md). */
#include <gnu/libc-version.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/preload.h"
#include "support/sink.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define FEW 100 /* what two runs differ by is the mails': FEW of them, and MORE on top */
#define MORE 1000
#define LONE 500
#define TOLERANCE 1.1

/* ---- the figures: per mail -------------------------------------------------------------------- */

/* Commands that Redis runs, those of scripts too, when a thousand mails wait and share calls. */
#define COMMANDS_SHARED 5.2
/* Of mails that go one by one, through either provider: commands, script calls, reads of the server. */
#define COMMANDS_LONE 41
#define CALLS_LONE 6.1
#define READS_LONE 5.2
/* Of a mail that comes to an idle worker: reads (its permit is asked for together with the claim), and bytes
 * that Redis reads, its push included (no more jobs are asked for than may be there). */
#define READS_IDLE 5.1
#define BYTES_IDLE 2050
/* Of mails that go by SMTP over busy connections: the text, then the dot with the next one's commands; the
 * replies, and a look whether the server has hung up before the dot leaves. */
#define SMTP_WRITES 2.05
#define SMTP_READS 2.1

/* Of a settled mail's status: what its fields take, and with its key and what Redis has around them. */
#define BYTES_FIELDS 286
#define BYTES_SETTLED 392

/* Instructions depend on what the libraries are, which go with the C library; and, of Redis, on which
 * one it is. 0: nobody has measured there. */
struct figure {
	const char *version;
	double mock, smtp;
};

static const struct figure worker_figures[] = {
	{"2.36", 62800, 76700}, /* Debian 12 */
	{"2.41", 62700, 76000}, /* Debian 13 */
};
static const struct figure redis_figures[] = {
	{"7.0", 136000, 0},
	{"8.0", 146000, 0},
};

/* ---- how they are taken ------------------------------------------------------------------------ */

static void check(const char *what, double got, double figure)
{
	print_message("%s: %.6g a mail (written: %.6g)\n", what, got, figure);
	if (got > figure * TOLERANCE)
		fail_msg("%s: %.6g a mail, more than a tenth above %.6g", what, got, figure);
	if (got < figure / TOLERANCE)
		print_message("%s has become cheaper: write the new figure into this test\n", what);
}

/* How often this command (NULL: all) was called. */
static double calls(struct fleet *f, const char *name)
{
	char *text = redis_server_text(fleet_redis(f), "INFO commandstats");
	double sum = 0;

	for (char *line = strstr(text, "cmdstat_"); line; line = strstr(line + 1, "cmdstat_")) {
		const char *word = line + strlen("cmdstat_"), *n = strstr(line, "calls=");

		assert_non_null(n);
		if (!name || (strncmp(word, name, strlen(name)) == 0 && word[strlen(name)] == ':'))
			sum += strtod(n + strlen("calls="), NULL);
	}
	free(text);
	return sum;
}

static double stats(struct fleet *f, const char *name)
{
	return (double)redis_server_info(fleet_redis(f), "stats", name);
}

static struct fleet *fleet_with(struct redis_server *redis, const char *provider)
{
	struct fleet *f = redis ? fleet_around(redis) : fleet_start(NULL);

	fleet_set(f, "PROVIDER_PRIMARY=%s", provider);
	fleet_set(f, "CONCURRENCY=1000");
	fleet_set(f, "LEASE_MS=60000"); /* on a slow machine, too, nothing is renewed */
	fleet_set(f, "LOG_LEVEL=error");
	return f;
}

/* extra: as fleet_run_under takes it. What the worker has written to stderr, a new string (free). */
static char *drain_with(struct fleet *f, const char *const *tool, const char *const *extra,
                        size_t n, const char *more)
{
	static const char *const worker[] = {"worker", "--drain", NULL};
	struct process *p;
	char *said;

	fleet_push_many(f, NULL, "k", n, more);
	redis_server_do(fleet_redis(f), "CONFIG RESETSTAT");
	p = fleet_run_under(f, tool, worker, extra);
	assert_int_equal(process_wait(p, 0), 0);
	said = process_stderr(p);
	fleet_end(f, p);
	return said;
}

static void drain(struct fleet *f, const char *const *tool, size_t n, const char *more)
{
	free(drain_with(f, tool, NULL, n, more));
}

static void settled(struct fleet *f, size_t n)
{
	assert_int_equal(redis_server_int(fleet_redis(f), "XLEN {mail:queue}:events"), n);
}

/* ---- commands and round trips --------------------------------------------------------------------- */

static double commands(size_t n)
{
	struct fleet *f = fleet_with(NULL, "mock://");
	double sum;

	drain(f, NULL, n, "");
	sum = calls(f, NULL);
	settled(f, n);
	fleet_free(f);
	return sum;
}

static void test_shared_calls(void **state)
{
	(void)state;
	check("commands, shared", (commands(FEW + MORE) - commands(FEW)) / MORE, COMMANDS_SHARED);
}

#define HTML 3000
#define LARGE 800
#define FIRST 256   /* are claimed before it is known how large they are */
#define PIECE 65536 /* of an answer Redis writes at a time */

/* Or else the worker waits for the rest of an answer, and Redis then for the worker (fleet/queue.h). */
static void test_claims_are_answered_in_one_piece(void **state)
{
	struct fleet *f = fleet_with(NULL, "mock://");
	char more[HTML + 16];
	double claims, least = (LARGE - FIRST) / (double)(PIECE / HTML);

	(void)state;
	snprintf(more, sizeof(more), ",\"html\":\"%0*d\"", HTML, 0);
	drain(f, NULL, LARGE, more);
	settled(f, LARGE);
	claims = calls(f, "llen") / 2; /* of the list and of the arrivals */
	fleet_free(f);
	print_message("%d jobs of %d bytes in %.0f claims (at least %.0f)\n", LARGE, HTML, claims,
	              least);
	assert_true(claims >= least);
	assert_true(claims < 3 * least); /* each costs as much as some jobs do */
}

struct lone {
	double commands, calls, reads;
};

/* Each waits for the one before: nothing shares a call. */
static struct lone lone_run(const char *provider)
{
	struct fleet *f = fleet_with(NULL, provider);
	struct lone l;

	fleet_set(f, "CONCURRENCY=1");
	drain(f, NULL, LONE, "");
	l = (struct lone){calls(f, NULL) / LONE, calls(f, "evalsha") / LONE,
	                  stats(f, "total_reads_processed") / LONE};
	settled(f, LONE);
	fleet_free(f);
	return l;
}

/* What a worker does once a second, whatever it has to do, weighs more on a slow machine: then the least
 * of a few runs counts. */
static void one_by_one(const char *provider)
{
	struct lone least = lone_run(provider);

	for (int i = 0; i < 3 && least.commands > COMMANDS_LONE; i++) {
		struct lone l = lone_run(provider);
		if (l.commands < least.commands)
			least = l;
	}
	check("commands, one by one", least.commands, COMMANDS_LONE);
	check("script calls, one by one", least.calls, CALLS_LONE);
	check("reads of Redis, one by one", least.reads, READS_LONE);
}

static void test_one_by_one(void **state)
{
	(void)state;
	one_by_one("mock://");
}

static void test_one_by_one_by_smtp(void **state)
{
	struct sink *sink = sink_start_fast(NULL);

	(void)state;
	one_by_one(sink_dsn(sink, ""));
	sink_free(sink);
}

#define IDLE 50
#define LOOK "XLEN {mail:queue}:events"
#define LOOK_BYTES 40 /* on the wire */

static bool next_is_settled(void *f)
{
	return redis_server_int(fleet_redis(f), LOOK) > 0;
}

static void test_one_that_comes_to_an_idle_worker(void **state)
{
	struct fleet *f = fleet_with(NULL, "mock://");
	double reads, bytes, looks;
	char key[32];

	(void)state;
	fleet_set(f, "LOG_LEVEL=info");
	(void)!fleet_worker_ready(f, NULL);
	reads = stats(f, "total_reads_processed");
	bytes = stats(f, "total_net_input_bytes");
	looks = calls(f, "xlen");
	for (int i = 0; i < IDLE; i++) {
		snprintf(key, sizeof(key), "k-%d", i);
		fleet_push(f, key, "");
		wait_until(next_is_settled, f, 0);
		redis_server_do(fleet_redis(f), "DEL {mail:queue}:events");
	}
	looks = calls(f, "xlen") - looks;
	reads = stats(f, "total_reads_processed") - reads;
	bytes = stats(f, "total_net_input_bytes") - bytes;
	check("reads of Redis, idle", (reads - looks) / IDLE - 2, READS_IDLE); /* the push, DEL */
	check("bytes, idle", (bytes - LOOK_BYTES * looks) / IDLE, BYTES_IDLE);
	fleet_free(f);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

#define DUMP_FRAME 12 /* what DUMP puts around a listpack: type, length, version, checksum */

static void test_bytes_of_a_settled_mail(void **state)
{
	struct fleet *f = fleet_with(NULL, "mock://");

	(void)state;
	redis_server_do(fleet_redis(f), "CONFIG SET rdbcompression no");
	drain(f, NULL, FEW, "");
	settled(f, FEW);
	fleet_expect(f, "k-7", "status", "sent");
	check("bytes of a status' fields",
	      (double)redis_server_int(fleet_redis(f), "EVAL %s 1 mail:status:k-7",
	                               "return(#redis.call('DUMP',KEYS[1]))") -
	              DUMP_FRAME,
	      BYTES_FIELDS);
	check("bytes of a settled mail",
	      (double)redis_server_int(fleet_redis(f), "MEMORY USAGE mail:status:k-7"),
	      BYTES_SETTLED);
	fleet_free(f);
}

/* ---- calls of a worker ------------------------------------------------------------------------------ */

struct sockets {
	double writes, reads;
};

static struct sockets sockets_run(const char *provider, size_t n)
{
	struct fleet *f = fleet_with(NULL, provider);
	char *said = drain_with(
		f, NULL, (const char *const[]){preload_setting(), "PRELOAD_COUNT=1", NULL}, n, "");
	const char *at = strstr(said, "writes ");
	struct sockets s;

	if (!at || sscanf(at, "writes %lf reads %lf", &s.writes, &s.reads) != 2)
		fail_msg("nothing was counted: %s", said);
	free(said);
	settled(f, n);
	fleet_free(f);
	return s;
}

static struct sockets sockets_of_a_mail(const char *provider)
{
	struct sockets few = sockets_run(provider, FEW), more = sockets_run(provider, FEW + MORE);

	return (struct sockets){(more.writes - few.writes) / MORE, (more.reads - few.reads) / MORE};
}

/* On a machine that is busy elsewhere replies come in pieces, and not promptly: the least of a few runs counts. */
static void test_calls_by_smtp(void **state)
{
	struct sockets least;
	struct sink *sink;

	(void)state;
	if (!preload_setting()) {
		print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
		skip();
	}
	sink = sink_start_fast(NULL);
	least = sockets_of_a_mail(sink_dsn(sink, ""));
	for (int i = 0; i < 5 && (least.writes > SMTP_WRITES || least.reads > SMTP_READS); i++) {
		struct sockets s = sockets_of_a_mail(sink_dsn(sink, ""));
		least.writes = s.writes < least.writes ? s.writes : least.writes;
		least.reads = s.reads < least.reads ? s.reads : least.reads;
	}
	check("writes by SMTP", least.writes, SMTP_WRITES);
	check("reads by SMTP", least.reads, SMTP_READS);
	sink_free(sink);
}

/* ---- instructions ---------------------------------------------------------------------------------- */

/* NULL: nothing to compare with, and why was said. */
static const struct figure *figures_for(const struct figure *list, size_t n, const char *version)
{
	int status = 1;

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
	status = process_run((const char *const[]){"sh", "-c", "command -v valgrind", NULL}, NULL,
	                     NULL, NULL, NULL);
#endif
	if (status != 0) {
		print_message(
			"skipped: no valgrind, or not gcc's code for x86-64 without sanitizers\n");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (strncmp(list[i].version, version, strlen(list[i].version)) == 0 &&
		    list[i].mock > 0)
			return &list[i];
	}
	print_message("skipped: no figures for %s are written in this test\n", version);
	return NULL;
}

/* What valgrind has counted, in the file that it has written. */
static double counted(const char *path)
{
	char *text = tmpdir_read(path, NULL);
	const char *line = strstr(text, "\nsummary: ");
	double n;

	if (!line)
		line = strstr(text, "\ntotals: ");
	if (!line)
		fail_msg("callgrind has counted nothing: %.200s", text);
	n = strtod(strchr(line, ' '), NULL);
	free(text);
	return n;
}

static double worker_instructions(const char *provider, size_t n)
{
	struct fleet *f = fleet_with(NULL, provider);
	char *out = tmpdir_name("callgrind"), file[512];
	double sum;

	snprintf(file, sizeof(file), "--callgrind-out-file=%s", out);
	drain(f, (const char *const[]){"valgrind", "-q", "--tool=callgrind", file, NULL}, n, "");
	settled(f, n);
	fleet_free(f);
	sum = counted(out);
	free(out);
	return sum;
}

static void test_worker_instructions(void **state)
{
	const struct figure *figure = figures_for(
		worker_figures, sizeof(worker_figures) / sizeof(worker_figures[0]),
		gnu_get_libc_version());
	struct sink *sink;
	const char *smtp;

	(void)state;
	if (!figure)
		skip();
	sink = sink_start_fast(NULL);
	smtp = sink_dsn(sink, "");
	check("instructions of a worker, mock",
	      (worker_instructions("mock://", FEW + MORE) - worker_instructions("mock://", FEW)) /
	              MORE,
	      figure->mock);
	check("instructions of a worker, SMTP",
	      (worker_instructions(smtp, FEW + MORE) - worker_instructions(smtp, FEW)) / MORE,
	      figure->smtp);
	sink_free(sink);
}

/* From LPUSH to settled. */
static double redis_instructions(size_t n)
{
	char *out = tmpdir_name("callgrind"), *script, text[1024];
	struct redis_server *redis;
	struct fleet *f;
	double sum;

	snprintf(text, sizeof(text),
	         "#!/bin/sh\nexec valgrind -q --tool=callgrind --callgrind-out-file=%s "
	         "redis-server \"$@\"\n",
	         out);
	script = tmpdir_file("redis-server", text, strlen(text));
	assert_int_equal(chmod(script, 0755), 0);
	setenv("REDIS_SERVER", script, 1);
	redis = redis_server_start(NULL);
	unsetenv("REDIS_SERVER");
	f = fleet_with(redis, "mock://");
	drain(f, NULL, n, "");
	settled(f, n);
	fleet_free(f);
	redis_server_stop(redis);
	redis_server_free(redis);
	sum = counted(out);
	free(script);
	free(out);
	return sum;
}

static void test_redis_instructions(void **state)
{
	struct redis_server *redis = redis_server_start(NULL);
	char *info = redis_server_text(redis, "INFO server");
	const char *version = strstr(info, "redis_version:");
	const struct figure *figure;

	(void)state;
	assert_non_null(version);
	figure = figures_for(redis_figures, sizeof(redis_figures) / sizeof(redis_figures[0]),
	                     version + strlen("redis_version:"));
	free(info);
	redis_server_free(redis);
	if (!figure)
		skip();
	check("instructions of Redis",
	      (redis_instructions(FEW + MORE) - redis_instructions(FEW)) / MORE, figure->mock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_calls),
		cmocka_unit_test(test_claims_are_answered_in_one_piece),
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_one_by_one_by_smtp),
		cmocka_unit_test(test_one_that_comes_to_an_idle_worker),
		cmocka_unit_test(test_bytes_of_a_settled_mail),
		cmocka_unit_test(test_calls_by_smtp),
		cmocka_unit_test(test_worker_instructions),
		cmocka_unit_test(test_redis_instructions),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}

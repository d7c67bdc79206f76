/* `up`: a whole fleet on one machine, started, seen, disturbed and ended; nothing is left behind. */
#include <dirent.h>
#include <errno.h>
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

#include "support/cli.h"
#include "support/fleet.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_CHILDREN 64

/* One `up`, in directories of its own. */
struct up {
	struct process *process;
	struct cli *cli; /* for its Redis */
	char *run, *dir; /* TMPDIR; the working directory */
	char url[64];
	pid_t pids[MAX_CHILDREN];
	size_t n_pids;
};

static void start(struct up *u, const char *const *flags, const char *const *more_env)
{
	const char *argv[32] = {fleet_binary(), "up"};
	const char *env[32] = {"REDIS_URL", "PROVIDERS", "XDG_RUNTIME_DIR",    "LOG_FORMAT",
	                       "QUEUES",    "MAIL_FROM", "RETRY_BASE_DELAY=20"};
	char *tmp = NULL;
	size_t n = 2, n_env = 7;

	memset(u, 0, sizeof(*u));
	for (; flags && *flags; flags++)
		argv[n++] = *flags;
	u->run = tmpdir_make("up");
	u->dir = tmpdir_make("cwd");
	assert_true(asprintf(&tmp, "TMPDIR=%s", u->run) > 0);
	env[n_env++] = tmp;
	for (; more_env && *more_env; more_env++)
		env[n_env++] = *more_env;
	u->process = process_start_with(argv, env, NULL, 0, u->dir);
	free(tmp);
}

/* Reads from its first lines where its Redis is. */
static void find_redis(struct up *u)
{
	static const char mark[] = "Redis      127.0.0.1:";
	char *out, *at;

	process_wait_line(u->process, mark, 0);
	out = process_stdout(u->process);
	at = strstr(out, mark);
	assert_non_null(at);
	snprintf(u->url, sizeof(u->url), "redis://127.0.0.1:%d",
	         (int)strtol(at + strlen(mark), NULL, 10));
	free(out);
	u->cli = cli_new(u->url);
}

static long parent_of(const char *pid)
{
	char path[64], *stat, *after;
	long parent = -1;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	stat = tmpdir_read(path, NULL);
	after = strrchr(stat, ')');
	if (after && strlen(after) > 4)
		parent = strtol(after + 4, NULL, 10);
	free(stat);
	return parent;
}

/* Its children now. */
static void find_children(struct up *u)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	assert_non_null(proc);
	u->n_pids = 0;
	while ((entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    parent_of(entry->d_name) == process_pid(u->process) && u->n_pids < MAX_CHILDREN)
			u->pids[u->n_pids++] = (pid_t)strtol(entry->d_name, NULL, 10);
	closedir(proc);
}

static pid_t find_child(struct up *u, const char *name)
{
	find_children(u);
	for (size_t i = 0; i < u->n_pids; i++) {
		char path[64], *cmdline;
		size_t n;
		bool is;

		snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)u->pids[i]);
		cmdline = tmpdir_read(path, &n);
		is = n > 0 && memmem(cmdline, n, name, strlen(name)) != NULL;
		free(cmdline);
		if (is)
			return u->pids[i];
	}
	return 0;
}

static bool children_gone(void *arg)
{
	const struct up *u = arg;

	for (size_t i = 0; i < u->n_pids; i++)
		if (kill(u->pids[i], 0) == 0 || errno != ESRCH)
			return false;
	return true;
}

static void expect_nothing_left(struct up *u)
{
	struct dirent *entry;
	DIR *run;

	wait_until(children_gone, u, 0);
	run = opendir(u->run);
	assert_non_null(run);
	while ((entry = readdir(run)) != NULL)
		if (strncmp(entry->d_name, "postrider-", 10) == 0)
			fail_msg("%s is left behind", entry->d_name);
	closedir(run);
}

static void end(struct up *u)
{
	process_free(u->process);
	cli_free(u->cli);
	free(u->run);
	free(u->dir);
}

static bool two_workers(void *arg)
{
	struct up *u = arg;

	cli_run(u->cli, NULL, "queues", "--json", NULL);
	return u->cli->code == 0 && strcmp(cli_text(u->cli, "workers"), "2") == 0;
}

/* Sends mail through the fleet as a user does. */
static void expect_delivers(struct up *u, const char *key)
{
	cli_expect(u->cli, 0, NULL, "send", "--to", "ada@example.com", "--subject", "Hi", "--text",
	           "Hello", "--key", key, "--wait", NULL);
}

static void test_serves(void **state)
{
	struct up u;
	char *out;

	(void)state;
	start(&u, NULL, (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	find_redis(&u);
	out = process_stdout(u.process);
	cli_assert_has(out, "Nothing is really delivered");
	free(out);
	wait_until(two_workers, &u, 0);
	expect_delivers(&u, "order-42");
	process_wait_line(u.process, "worker-1 | ", 0);
	process_wait_line(u.process, "worker-2 | ", 0);
	find_children(&u);
	assert_int_equal(u.n_pids, 3);
	assert_int_equal(process_stop(u.process, 0), 0);
	expect_nothing_left(&u);
	end(&u);
}

/* Ctrl-C in a terminal reaches the whole foreground group: its children must not hear it. */
static void test_interrupt(void **state)
{
	struct up u;

	(void)state;
	start(&u, (const char *const[]){"--workers", "3", NULL}, NULL);
	find_redis(&u);
	process_wait_lines(u.process, "worker_started", 3, 0);
	find_children(&u);
	assert_int_equal(u.n_pids, 4);
	for (size_t i = 0; i < u.n_pids; i++)
		assert_int_not_equal(getpgid(u.pids[i]), getpgid(process_pid(u.process)));
	process_signal(u.process, SIGINT);
	assert_int_equal(process_wait(u.process, 0), 0);
	process_wait_lines(u.process, "worker_ended", 3, 0);
	expect_nothing_left(&u);
	end(&u);
}

static void test_worker_dies(void **state)
{
	struct up u;
	pid_t victim;

	(void)state;
	start(&u, (const char *const[]){"--workers=1", NULL},
	      (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	find_redis(&u);
	expect_delivers(&u, "order-1");
	victim = find_child(&u, "worker");
	assert_true(victim > 0);
	assert_int_equal(kill(victim, SIGKILL), 0);
	process_wait_line(u.process, "worker-1 was killed by signal 9", 0);
	expect_delivers(&u, "order-2");
	assert_int_not_equal(find_child(&u, "worker"), victim);
	assert_int_equal(process_stop(u.process, 0), 0);
	end(&u);
}

/* Even when it cannot clean up itself. */
static void test_killed(void **state)
{
	struct up u;

	(void)state;
	start(&u, NULL, NULL);
	find_redis(&u);
	process_wait_lines(u.process, "worker_started", 2, 0);
	find_children(&u);
	assert_int_equal(u.n_pids, 3);
	process_kill(u.process);
	wait_until(children_gone, &u, 0);
	end(&u);
}

static void test_redis_dies(void **state)
{
	struct up u;

	(void)state;
	start(&u, NULL, NULL);
	find_redis(&u);
	process_wait_lines(u.process, "worker_started", 2, 0);
	find_children(&u);
	assert_int_equal(kill(find_child(&u, "redis-server"), SIGKILL), 0);
	assert_int_equal(process_wait(u.process, 0), 3);
	process_wait_line(u.process, "the private redis-server has died", 0);
	expect_nothing_left(&u);
	end(&u);
}

static void test_demo_once(void **state)
{
	struct up u;
	char *out;

	(void)state;
	start(&u, (const char *const[]){"--demo", "--once", NULL}, NULL);
	assert_int_equal(process_wait(u.process, 0), 0);
	out = process_stdout(u.process);
	cli_assert_has(out, "Nothing is really delivered");
	cli_assert_has(out, "scheduled-");
	cli_assert_has(out, "duplicate dropped");
	cli_assert_has(out, "6 sent, 1 failed (as it should");
	cli_assert_lacks(out, "\033");
	free(out);
	expect_nothing_left(&u);
	end(&u);
}

/* It goes on serving, and the line that it prints for the user works. */
static void test_demo_goes_on(void **state)
{
	struct up u;

	(void)state;
	start(&u, (const char *const[]){"--demo", NULL},
	      (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	process_wait_line(u.process, "Serving until Ctrl-C.", 0);
	assert_int_equal(process_count_lines(u.process, "LPUSH mail:queue '{\"to\":"), 1);
	find_redis(&u);
	expect_delivers(&u, "order-42");
	process_wait_line(u.process, "key=order-42", 0);
	cli_expect(u.cli, 0, NULL, "dead", "list", "--json", NULL);
	assert_int_equal(cJSON_GetArraySize(cli_json(u.cli)), 1);
	assert_int_equal(process_stop(u.process, 0), 0);
	end(&u);
}

/* Data that are kept are there the next time; two may not keep them at once. */
static void test_data(void **state)
{
	char *data = tmpdir_make("data");
	const char *const flags[] = {"--data", data, "--workers", "1", NULL};
	const char *const env[] = {"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL};
	struct up first, second;

	(void)state;
	start(&first, flags, env);
	find_redis(&first);
	expect_delivers(&first, "order-42");
	start(&second, flags, env);
	assert_int_equal(process_wait(second.process, 0), 3);
	process_wait_line(second.process, "is in use by another postrider up", 0);
	end(&second);
	assert_int_equal(process_stop(first.process, 0), 0);
	end(&first);
	start(&second, flags, env);
	find_redis(&second);
	cli_expect(second.cli, 0, NULL, "status", "order-42", "--json", NULL);
	assert_string_equal(cli_text(second.cli, "status"), "sent");
	assert_int_equal(process_stop(second.process, 0), 0);
	end(&second);
	free(data);
}

/* With a Redis of the user's: it is used, named, and left running. */
static void test_redis_url(void **state)
{
	struct redis_server *redis = redis_server_start(NULL);
	char url[256];
	struct up u;

	(void)state;
	snprintf(url, sizeof(url), "REDIS_URL=%s", redis_server_url(redis));
	start(&u, (const char *const[]){"--demo", "--once", NULL},
	      (const char *const[]){url, "PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	assert_int_equal(process_wait(u.process, 0), 0);
	process_wait_line(u.process, "Redis      the one of REDIS_URL", 0);
	assert_true(redis_server_int(redis, "DBSIZE") >= 7);
	expect_nothing_left(&u);
	end(&u);
	redis_server_free(redis);
}

/* What is wrong with the workers' configuration ends it at once, with the worker's own words. */
static void test_misconfigured(void **state)
{
	struct up u;

	(void)state;
	start(&u, NULL,
	      (const char *const[]){"PROVIDERS=relay", "PROVIDER_RELAY=gopher://x", NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, "gopher", 0);
	expect_nothing_left(&u);
	end(&u);
}

/* The demo's mails never go to a real relay. */
static void test_demo_with_real_providers(void **state)
{
	struct up u;

	(void)state;
	start(&u, (const char *const[]){"--demo", NULL},
	      (const char *const[]){"PROVIDERS=fake,relay", "PROVIDER_FAKE=mock://",
	                            "PROVIDER_RELAY=smtp://user:sesame@localhost", NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, "names relay, which is real", 0);
	assert_int_equal(process_count_lines(u.process, "sesame"), 0);
	end(&u);
}

static void test_bad_arguments(void **state)
{
	struct cli *c = cli_new(NULL);

	(void)state;
	cli_expect(c, 2, NULL, "up", "now", NULL);
	cli_expect(c, 2, NULL, "up", "--workers", "0", NULL);
	cli_expect(c, 2, NULL, "up", "--workers", "many", NULL);
	cli_expect(c, 2, NULL, "up", "--once", NULL);
	cli_expect(c, 2, NULL, "up", "--redis-url", "unix:///x", "--data", "d", NULL);
	cli_set(c, "PATH", "/nonexistent");
	cli_expect(c, 3, NULL, "up", NULL);
	cli_assert_has(c->err, "install redis-server, or set REDIS_URL");
	cli_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_redis_dies),
		cmocka_unit_test(test_demo_once),
		cmocka_unit_test(test_demo_goes_on),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_redis_url),
		cmocka_unit_test(test_misconfigured),
		cmocka_unit_test(test_demo_with_real_providers),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/up.h"

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

#include <cmocka.h>

#include "support/fleet.h"
#include "support/tmpdir.h"
#include "support/wait.h"

void up_start(struct up *u, const char *const *flags, const char *const *more_env)
{
	const char *argv[32] = {fleet_binary(), "up"};
	const char *env[32] = {
		"REDIS_URL", "PROVIDERS", "XDG_RUNTIME_DIR",    "LOG_FORMAT", "QUEUES",
		"MAIL_FROM", "PORT",      "RETRY_BASE_DELAY=20"};
	char *tmp = NULL;
	size_t n = 2, n_env = 8;

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

void up_find_redis(struct up *u)
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

void up_find_api(struct up *u)
{
	static const char mark[] = "HTTP API   http://127.0.0.1:";
	char *out, *at;

	process_wait_line(u->process, "Serving until Ctrl-C.", 0);
	out = process_stdout(u->process);
	at = strstr(out, mark);
	assert_non_null(at);
	u->api.port = (int)strtol(at + strlen(mark), NULL, 10);
	free(out);
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

void up_find_children(struct up *u)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	assert_non_null(proc);
	u->n_pids = 0;
	while ((entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    parent_of(entry->d_name) == process_pid(u->process) &&
		    u->n_pids < UP_MAX_CHILDREN)
			u->pids[u->n_pids++] = (pid_t)strtol(entry->d_name, NULL, 10);
	closedir(proc);
}

pid_t up_find_child(struct up *u, const char *word)
{
	size_t n_word = strlen(word);
	char argument[64] = "";

	snprintf(argument + 1, sizeof(argument) - 1, "%s", word); /* between NULs */

	up_find_children(u);
	for (size_t i = 0; i < u->n_pids; i++) {
		char path[64], *cmdline;
		size_t n;
		bool is;

		snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)u->pids[i]);
		cmdline = tmpdir_read(path, &n);
		is = (n > n_word && memcmp(cmdline, word, n_word) == 0) ||
		     memmem(cmdline, n, argument, n_word + 2) != NULL;
		free(cmdline);
		if (is)
			return u->pids[i];
	}
	return 0;
}

bool up_children_gone(void *arg)
{
	const struct up *u = arg;

	for (size_t i = 0; i < u->n_pids; i++)
		if (kill(u->pids[i], 0) == 0 || errno != ESRCH)
			return false;
	return true;
}

void up_expect_nothing_left(struct up *u)
{
	struct dirent *entry;
	DIR *run;

	wait_until(up_children_gone, u, 0);
	run = opendir(u->run);
	assert_non_null(run);
	while ((entry = readdir(run)) != NULL)
		if (strncmp(entry->d_name, "postrider-", 10) == 0)
			fail_msg("%s is left behind", entry->d_name);
	closedir(run);
}

void up_end(struct up *u)
{
	process_free(u->process);
	cli_free(u->cli);
	free(u->run);
	free(u->dir);
}

#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "support/wait.h"

#define SHOWN_OF_STDERR 4000

struct process {
	pid_t pid;
	char *name; /* for messages */
	char *in_path, *out_path, *err_path;
	bool ended;
	int status; /* as process_wait returns it, once ended */
	struct process *next;
};

static struct process *all; /* killed at exit, before tmpdir() is removed */

static void kill_all(void)
{
	for (struct process *p = all; p; p = p->next) {
		if (p->ended || p->pid <= 0)
			continue;
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
}

static char *copy(const char *s)
{
	char *c = strdup(s);
	assert_non_null(c);
	return c;
}

/* In the child, between fork and exec. */
static void redirect(const char *path, int flags, int fd)
{
	int file = open(path, flags, 0600);
	if (file < 0 || dup2(file, fd) < 0)
		_exit(126);
	if (file != fd)
		close(file);
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* Our environment with these changes: an array (free) of strings that are ours or the caller's. */
static char **changed_environment(const char *const *changes)
{
	size_t n = 0, n_changes = 0;

	while (environ[n])
		n++;
	while (changes && changes[n_changes])
		n_changes++;
	char **out = calloc(n + n_changes + 1, sizeof(*out));
	assert_non_null(out);
	memcpy(out, environ, n * sizeof(*out));
	for (size_t c = 0; c < n_changes; c++) {
		size_t kept = 0;

		for (size_t i = 0; i < n; i++)
			if (!same_name(out[i], changes[c]))
				out[kept++] = out[i];
		n = kept;
		if (strchr(changes[c], '='))
			out[n++] = (char *)(uintptr_t)changes[c];
	}
	out[n] = NULL;
	return out;
}

/* Allocates nothing: another thread (wire.c) may have been in the allocator when we forked. */
static void become(const struct process *p, const char *const *argv, char **env, const char *dir,
                   pid_t parent, int report)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	redirect(p->in_path ? p->in_path : "/dev/null", O_RDONLY, STDIN_FILENO);
	redirect(p->out_path, O_WRONLY | O_APPEND, STDOUT_FILENO);
	redirect(p->err_path, O_WRONLY | O_APPEND, STDERR_FILENO);
	/* hiredis and others open their sockets without O_CLOEXEC */
	for (int fd = 3; fd < 1024; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	signal(SIGPIPE, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = env;
	if (!dir || chdir(dir) == 0)
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	int why = errno;
	(void)!write(report, &why, sizeof(why));
	_exit(127);
}

struct process *process_start_with(const char *const *argv, const char *const *env,
                                   const void *input, size_t n_input, const char *dir)
{
	static bool registered;
	(void)tmpdir(); /* first, so that its removal at exit comes after ours */
	if (!registered && atexit(kill_all) == 0)
		registered = true;

	struct process *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	const char *slash = strrchr(argv[0], '/');
	p->name = copy(slash ? slash + 1 : argv[0]);
	p->in_path = input ? tmpdir_file("stdin", input, n_input) : NULL;
	p->out_path = tmpdir_file("stdout", "", 0);
	p->err_path = tmpdir_file("stderr", "", 0);

	int report[2];
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t parent = getpid();
	char **changed = changed_environment(env);
	fflush(NULL);
	p->pid = fork();
	if (p->pid == 0)
		become(p, argv, changed, dir, parent, report[1]);
	free(changed);
	close(report[1]);
	int why = p->pid < 0 ? errno : 0;
	if (p->pid > 0) {
		p->next = all;
		all = p;
		while (read(report[0], &why, sizeof(why)) < 0 && errno == EINTR)
			;
	}
	close(report[0]);
	if (why) {
		char *name = p->name;
		p->name = NULL;
		process_free(p);
		fail_msg("cannot run %s: %s", name, strerror(why));
	}
	return p;
}

struct process *process_start(const char *const *argv, const char *const *env)
{
	return process_start_with(argv, env, NULL, 0, NULL);
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

bool process_running(struct process *p)
{
	int status;
	if (p->ended)
		return false;
	pid_t got = waitpid(p->pid, &status, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return true;
	p->ended = true;
	if (got < 0)
		p->status = -1;
	else
		p->status = WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
	return false;
}

void process_signal(struct process *p, int signal)
{
	if (process_running(p))
		kill(p->pid, signal);
}

static bool has_ended(void *p)
{
	return !process_running(p);
}

/* The end of its stderr, on ours, for whoever reads why the test failed. */
static void show_stderr(const struct process *p)
{
	size_t n;
	char *text = tmpdir_read(p->err_path, &n);
	if (n > 0)
		print_error("--- the end of the stderr of %s (pid %d):\n%s\n---\n",
		            p->name ? p->name : "?", (int)p->pid,
		            n > SHOWN_OF_STDERR ? text + n - SHOWN_OF_STDERR : text);
	free(text);
}

int process_wait(struct process *p, int timeout_ms)
{
	if (!wait_for(NULL, has_ended, p, timeout_ms)) {
		process_kill(p);
		show_stderr(p);
		fail_msg("%s (pid %d) did not end", p->name, (int)p->pid);
	}
	return p->status;
}

int process_stop(struct process *p, int timeout_ms)
{
	process_signal(p, SIGTERM);
	return process_wait(p, timeout_ms);
}

void process_kill(struct process *p)
{
	process_signal(p, SIGKILL);
	(void)!wait_for(NULL, has_ended, p, 0);
}

/* What a sanitizer or valgrind has to say about it, or NULL. */
static const char *find_report(const char *text)
{
	static const char *const signs[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
	                                    "runtime error:", "WARNING: ThreadSanitizer",
	                                    "WARNING: MemorySanitizer"};
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(text, signs[i]))
			return signs[i];
	const char *summary = strstr(text, "ERROR SUMMARY: ");
	if (summary && summary[strlen("ERROR SUMMARY: ")] != '0')
		return "valgrind's ERROR SUMMARY";
	return NULL;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	process_kill(p);
	for (struct process **at = &all; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	char *errors = tmpdir_read(p->err_path, NULL);
	const char *found = find_report(errors);
	if (found)
		print_error("%s\n", errors);
	free(errors);
	tmpdir_remove(p->err_path);
	tmpdir_remove(p->out_path);
	if (p->in_path)
		tmpdir_remove(p->in_path);
	free(p->err_path);
	free(p->out_path);
	free(p->in_path);
	free(p->name);
	free(p);
	if (found)
		fail_msg("a child's stderr has a report: %s", found);
}

char *process_stdout(const struct process *p)
{
	return tmpdir_read(p->out_path, NULL);
}

char *process_stderr(const struct process *p)
{
	return tmpdir_read(p->err_path, NULL);
}

static size_t count_lines_of(const char *path, const char *text)
{
	size_t count = 0;
	char *all_lines = tmpdir_read(path, NULL);
	char *line = all_lines;
	for (char *end = strchr(line, '\n'); end; end = strchr(line, '\n')) {
		*end = '\0';
		if (strstr(line, text))
			count++;
		line = end + 1;
	}
	free(all_lines);
	return count;
}

size_t process_count_lines(const struct process *p, const char *text)
{
	return count_lines_of(p->out_path, text) + count_lines_of(p->err_path, text);
}

struct awaited {
	struct process *process;
	const char *text;
	size_t n;
};

static bool has_lines_or_ended(void *arg)
{
	const struct awaited *a = arg;
	bool running = process_running(a->process); /* first: what it wrote before its end counts */
	return process_count_lines(a->process, a->text) >= a->n || !running;
}

void process_wait_lines(struct process *p, const char *text, size_t n, int timeout_ms)
{
	struct awaited a = {p, text, n};
	(void)!wait_for(NULL, has_lines_or_ended, &a, timeout_ms);
	size_t found = process_count_lines(p, text);
	if (found >= n)
		return;
	show_stderr(p);
	fail_msg("%s (pid %d, %s) wrote %zu lines with \"%s\", not %zu", p->name, (int)p->pid,
	         p->ended ? "ended" : "running", found, text, n);
}

void process_wait_line(struct process *p, const char *text, int timeout_ms)
{
	process_wait_lines(p, text, 1, timeout_ms);
}

int process_run(const char *const *argv, const char *const *env, const char *input, char **out,
                char **err)
{
	struct process *p = process_start_with(argv, env, input, input ? strlen(input) : 0, NULL);
	int status = process_wait(p, 0);
	if (out)
		*out = process_stdout(p);
	if (err)
		*err = process_stderr(p);
	process_free(p);
	return status;
}

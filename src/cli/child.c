#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define RAN_OUT 127

/* Between fork and exec: what follows is undone by nobody. */
static void apply_env(const char *const *env)
{
	for (; env != NULL && *env != NULL; env++) {
		const char *equals = strchr(*env, '=');
		char *name;

		if (equals == NULL) {
			unsetenv(*env);
			continue;
		}
		name = mem_strndup(*env, (size_t)(equals - *env));
		setenv(name, equals + 1, 1);
		mem_free(name);
	}
}

static bool redirect(int log_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = log_fd >= 0 ? log_fd : null;

	return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	       dup2(out, STDERR_FILENO) >= 0;
}

/* execvp takes what it does not change as if it did. */
static char **copy_argv(const char *const *argv)
{
	char **copy;
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	copy = mem_array(n + 1, sizeof(*copy));
	memcpy(copy, argv, n * sizeof(*copy));
	return copy;
}

static void become(const struct child_spec *spec, pid_t parent, int log_fd, int report)
{
	sigset_t none;
	int why;

	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, spec->death_signal);
	if (getppid() != parent)
		_exit(RAN_OUT);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	apply_env(spec->env);
	if (redirect(log_fd)) {
		/* hiredis opens its sockets without O_CLOEXEC. */
		for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
			if (fd != report)
				(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		execvp(spec->argv[0], copy_argv(spec->argv));
	}
	why = errno;
	(void)!write(report, &why, sizeof(why));
	_exit(RAN_OUT);
}

/* 0 when it runs, else errno of what kept it. */
static int await_exec(int fd)
{
	ssize_t n;
	int why = 0;

	while ((n = read(fd, &why, sizeof(why))) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof(why) ? why : 0;
}

bool child_start(const struct child_spec *spec, pid_t *pid, int *log_fd, struct error *err)
{
	int report[2], log[2] = {-1, -1}, why;
	pid_t parent = getpid();

	if (pipe2(report, O_CLOEXEC) != 0)
		return error_set(err, "cannot make a pipe: %s", strerror(errno));
	if (spec->log && pipe2(log, O_CLOEXEC) != 0) {
		why = errno;
		close(report[0]);
		close(report[1]);
		return error_set(err, "cannot make a pipe: %s", strerror(why));
	}
	fflush(NULL);
	*pid = fork();
	if (*pid == 0)
		become(spec, parent, log[1], report[1]);
	why = *pid < 0 ? errno : 0;
	close(report[1]);
	if (log[1] >= 0)
		close(log[1]);
	if (*pid > 0 && (why = await_exec(report[0])) != 0)
		(void)waitpid(*pid, NULL, 0);
	close(report[0]);
	if (why != 0) {
		if (log[0] >= 0)
			close(log[0]);
		return error_set(err, "cannot run %s: %s", spec->argv[0], strerror(why));
	}
	if (log[0] >= 0)
		(void)fcntl(log[0], F_SETFL, O_NONBLOCK);
	*log_fd = log[0];
	return true;
}

const char *child_fate(char *out, size_t size, int status)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "ended with code %d", WEXITSTATUS(status));
	return out;
}

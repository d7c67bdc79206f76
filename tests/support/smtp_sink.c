#include "support/smtp_sink.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/port.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_ARGS 32
#define START_TRIES 5 /* a port that was free may be taken before the server binds it */
#define START_MS 10000

struct smtp_sink {
	int port;
	char *dir; /* of the kept messages; NULL: not kept */
	struct process *process;
};

/* Not in everybody's PATH. */
static const char *program(void)
{
	return access("/usr/sbin/smtp-sink", X_OK) == 0 ? "/usr/sbin/smtp-sink" : "smtp-sink";
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                            .sin_port = htons((uint16_t)port)};
}

static bool greets_or_ended(void *arg)
{
	struct smtp_sink *s = arg;
	struct sockaddr_in a = loopback(s->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is = !process_running(s->process) ||
	          connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return is;
}

static void run(struct smtp_sink *s, const char *const *extra)
{
	const char *argv[MAX_ARGS];
	char address[32], template[512];
	size_t n = 0;

	argv[n++] = program();
	argv[n++] = "-c";
	if (geteuid() == 0) { /* it refuses to stay root */
		argv[n++] = "-u";
		argv[n++] = "nobody";
	}
	if (s->dir != NULL) {
		snprintf(template, sizeof(template), "%s/m.", s->dir);
		argv[n++] = "-d";
		argv[n++] = template;
	}
	for (; extra != NULL && *extra != NULL && n < MAX_ARGS - 3; extra++)
		argv[n++] = *extra;
	snprintf(address, sizeof(address), "127.0.0.1:%d", s->port);
	argv[n++] = address;
	argv[n++] = "1000"; /* backlog */
	argv[n] = NULL;
	s->process = process_start(argv, NULL);
	wait_until(greets_or_ended, s, START_MS);
}

static struct smtp_sink *start(int port, const char *const *extra, bool keep)
{
	struct smtp_sink *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	if (keep) {
		s->dir = tmpdir_make("sink");
		assert_int_equal(chmod(s->dir, 0777), 0);
		assert_int_equal(chmod(tmpdir(), 0711), 0);
	}
	for (int tries = 0; tries < START_TRIES; tries++) {
		s->port = port != 0 ? port : port_free();
		run(s, extra);
		if (process_running(s->process))
			return s;
		if (tries < START_TRIES - 1) {
			process_free(s->process);
			s->process = NULL;
		}
	}
	fail_msg("smtp-sink does not start: %s", process_stderr(s->process));
	return NULL;
}

struct smtp_sink *smtp_sink_start(const char *const *extra, bool keep)
{
	return start(0, extra, keep);
}

struct smtp_sink *smtp_sink_start_at(int port, const char *const *extra, bool keep)
{
	return start(port, extra, keep);
}

void smtp_sink_free(struct smtp_sink *s)
{
	if (s == NULL)
		return;
	process_free(s->process);
	if (s->dir != NULL)
		tmpdir_remove(s->dir);
	free(s->dir);
	free(s);
}

int smtp_sink_port(const struct smtp_sink *s)
{
	return s->port;
}

struct process *smtp_sink_process(struct smtp_sink *s)
{
	return s->process;
}

/* The last number after `name` in the line of counters that it writes over and over. */
static size_t counter(const struct smtp_sink *s, const char *name)
{
	char *text = process_stdout(s->process), *last = NULL;
	size_t n;

	for (char *at = text; (at = strstr(at, name)) != NULL; at++)
		last = at;
	n = last != NULL ? strtoul(last + strlen(name), NULL, 10) : 0;
	free(text);
	return n;
}

size_t smtp_sink_count(const struct smtp_sink *s)
{
	return counter(s, "mesg=");
}

size_t smtp_sink_sessions(const struct smtp_sink *s)
{
	return counter(s, "sess=");
}

struct wanted {
	struct smtp_sink *sink;
	size_t n;
};

static bool has_taken(void *arg)
{
	struct wanted *w = arg;

	return smtp_sink_count(w->sink) >= w->n;
}

void smtp_sink_wait(struct smtp_sink *s, size_t n)
{
	struct wanted w = {s, n};

	wait_until(has_taken, &w, 0);
}

char *smtp_sink_messages(const struct smtp_sink *s, size_t *n)
{
	DIR *dir = opendir(s->dir);
	struct buf all;
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	buf_init(&all, (size_t)1 << 30);
	while ((entry = readdir(dir)) != NULL) {
		char path[600], *text;
		size_t len;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", s->dir, entry->d_name);
		text = tmpdir_read(path, &len);
		buf_add(&all, text, len);
		free(text);
		count++;
	}
	closedir(dir);
	if (n != NULL)
		*n = count;
	return buf_take(&all);
}

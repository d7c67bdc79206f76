#include "support/sink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/port.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_OPTIONS 16

struct sink {
	bool fast;          /* smtp-sink, else sink.py */
	const char *offers; /* of sink.py, beyond what aiosmtpd does by itself; NULL: nothing */
	const char *options[MAX_OPTIONS];
	size_t n_options;
	const char *address;
	int port;
	char *dir;
	char dsn[256];
	struct process *process;
};

static char *path_in(const struct sink *s, const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", s->dir, name) > 0);
	return path;
}

struct sink *sink_prepare(void)
{
	struct sink *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->dir = tmpdir_make("sink");
	s->address = "127.0.0.1";
	s->port = port_free();
	return s;
}

/* The one of this system that has aiosmtpd: where packages put it, or the first in PATH. */
static const char *python(void)
{
	static const char system_python[] = "/usr/bin/python3";
	static const char *found;

	if (!found)
		found = access(system_python, X_OK) == 0 &&
		                        process_run((const char *const[]){system_python, "-c",
		                                                          "import aiosmtpd", NULL},
		                                    NULL, NULL, NULL, NULL) == 0
		                ? system_python
		                : "python3";
	return found;
}

static bool accepts(void *arg)
{
	const struct sink *s = arg;
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_port = htons((uint16_t)s->port),
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (!process_running(s->process))
		return true;
	assert_true(fd >= 0);
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

static void run_fast(struct sink *s)
{
	const struct passwd *me = getpwuid(geteuid());
	char *dump = path_in(s, "dump"), where[32];
	const char *argv[MAX_OPTIONS + 8] = {"smtp-sink", "-D", dump};
	size_t n = 3;

	snprintf(where, sizeof(where), "127.0.0.1:%d", s->port);
	if (geteuid() == 0) { /* it wants to be told whom it may be */
		argv[n++] = "-u";
		argv[n++] = me ? me->pw_name : "root";
	}
	for (size_t i = 0; i < s->n_options; i++)
		argv[n++] = s->options[i];
	argv[n++] = where;
	argv[n++] = "1000";
	s->process = process_start(argv, NULL);
	wait_until(accepts, s, 0);
	free(dump);
}

void sink_run(struct sink *s)
{
	char port[16];

	snprintf(port, sizeof(port), "%d", s->port);
	process_free(s->process);
	s->process = NULL;
	if (s->fast) {
		run_fast(s);
		return;
	}
	s->process = process_start((const char *const[]){python(), "tests/support/sink.py", s->dir,
	                                                 port, s->address, s->offers, NULL},
	                           NULL);
	process_wait_line(s->process, "ready ", 0);
}

struct sink *sink_start(void)
{
	struct sink *s = sink_prepare();

	sink_run(s);
	return s;
}

struct sink *sink_start_pipelining(void)
{
	struct sink *s = sink_prepare();

	s->offers = "PIPELINING";
	sink_run(s);
	return s;
}

struct sink *sink_start_at(const char *address)
{
	struct sink *s = sink_prepare();

	s->address = address;
	sink_run(s);
	return s;
}

struct sink *sink_start_fast(const char *const *options)
{
	const char *path = getenv("PATH");
	char *longer;
	struct sink *s = sink_prepare();

	/* Some systems keep it where only root looks. */
	assert_true(asprintf(&longer, "%s:/usr/sbin", path ? path : "/usr/bin:/bin") > 0);
	assert_int_equal(setenv("PATH", longer, 1), 0);
	free(longer);
	s->fast = true;
	for (; options && *options; options++) {
		assert_true(s->n_options < MAX_OPTIONS);
		s->options[s->n_options++] = *options;
	}
	sink_run(s);
	return s;
}

void sink_kill(struct sink *s)
{
	if (s->process)
		process_kill(s->process);
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	process_free(s->process);
	tmpdir_remove(s->dir);
	free(s->dir);
	free(s);
}

const char *sink_dsn(struct sink *s, const char *parameters)
{
	snprintf(s->dsn, sizeof(s->dsn), "smtp://%s:%d?tls=none%s", s->address, s->port,
	         parameters);
	return s->dsn;
}

struct process *sink_process(struct sink *s)
{
	return s->process;
}

const char *sink_directory(const struct sink *s)
{
	return s->dir;
}

void sink_go(struct sink *s)
{
	char *path = path_in(s, "go");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
	free(path);
}

void sink_stay(struct sink *s)
{
	char *path = path_in(s, "go");

	tmpdir_remove(path);
	free(path);
}

struct tally *sink_tally(const struct sink *s)
{
	char *path = path_in(s, s->fast ? "dump" : "taken");
	struct tally *t = s->fast ? tally_of_dump(path) : tally_of_record(path);

	free(path);
	return t;
}

size_t sink_total(const struct sink *s)
{
	struct tally *t = sink_tally(s);
	size_t n = tally_total(t);

	tally_free(t);
	return n;
}

size_t sink_copies(const struct sink *s, const char *key)
{
	struct tally *t = sink_tally(s);
	size_t n = tally_copies(t, key);

	tally_free(t);
	return n;
}

/* How many lines of a file are this one (NULL: any). */
static size_t count_lines(const struct sink *s, const char *name, const char *line)
{
	char *path = path_in(s, name), *text = tmpdir_read(path, NULL), *rest = text, *each;
	size_t n = 0;

	while ((each = strsep(&rest, "\n")) != NULL && rest)
		n += !line || strcmp(each, line) == 0;
	free(text);
	free(path);
	return n;
}

size_t sink_asked(const struct sink *s, const char *address)
{
	return count_lines(s, "asked", address);
}

size_t sink_connections(const struct sink *s)
{
	return count_lines(s, "connections", NULL);
}

char *sink_message(const struct sink *s, size_t n)
{
	char name[32], *path, *text;

	snprintf(name, sizeof(name), "%zu.eml", n);
	path = path_in(s, name);
	text = tmpdir_read(path, NULL);
	free(path);
	return text;
}

char *sink_envelope(const struct sink *s, size_t n)
{
	char *path = path_in(s, "taken"), *text = tmpdir_read(path, NULL), *rest = text, *line;
	char *found = NULL;

	while ((line = strsep(&rest, "\n")) != NULL && rest)
		if (--n == 0)
			found = strdup(line);
	free(text);
	free(path);
	assert_non_null(found);
	return found;
}

struct awaited {
	const struct sink *sink;
	const char *address;
	size_t n;
};

static bool has_kept(void *arg)
{
	const struct awaited *a = arg;

	return sink_total(a->sink) >= a->n;
}

static bool was_asked(void *arg)
{
	const struct awaited *a = arg;

	return sink_asked(a->sink, a->address) >= a->n;
}

void sink_wait_total(const struct sink *s, size_t n)
{
	wait_until(has_kept, &((struct awaited){s, NULL, n}), 0);
}

void sink_wait_asked(const struct sink *s, const char *address, size_t n)
{
	wait_until(was_asked, &((struct awaited){s, address, n}), 0);
}

#include "cli/private_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/port.h"
#include "cli/child.h"
#include "redis/sync.h"

#define SERVER "redis-server"
#define LOOPBACK "127.0.0.1"
#define USUAL_PORT 6379
#define START_TRIES 5     /* a port that was free may be taken before the server binds it */
#define START_US 20000000 /* loading what was kept may take its time */
#define STOP_US 30000000
#define POLL_MS 10
#define LOG_TAIL 400

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* --- directories ---------------------------------------------------------------------------------------- */

static bool make_dir(struct private_redis *r, struct error *err)
{
	const char *const bases[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		struct sockaddr_un a;

		/* The socket's path must fit. */
		if (bases[i] == NULL || *bases[i] != '/' ||
		    strlen(bases[i]) + sizeof("/postrider-XXXXXX/sock") > sizeof(a.sun_path))
			continue;
		r->dir = mem_printf("%s/postrider-XXXXXX", bases[i]);
		if (mkdtemp(r->dir) != NULL) {
			r->socket = mem_printf("%s/sock", r->dir);
			r->log = mem_printf("%s/redis.log", r->dir);
			r->url = mem_printf("unix://%s", r->socket);
			return true;
		}
		mem_free(r->dir);
		r->dir = NULL;
	}
	return error_set(err, "cannot make a directory in TMPDIR or /tmp: %s", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	(void)remove(path);
	return 0;
}

/* Two servers on one append-only file would destroy it. */
static bool lock_data(struct private_redis *r, const char *data, struct error *err)
{
	char *path;

	if (mkdir(data, 0700) != 0 && errno != EEXIST)
		return error_set(err, "cannot make %s: %s", data, strerror(errno));
	path = mem_printf("%s/postrider.lock", data);
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	mem_free(path);
	if (r->lock < 0)
		return error_set(err, "cannot write in %s: %s", data, strerror(errno));
	if (flock(r->lock, LOCK_EX | LOCK_NB) != 0)
		return error_set(err, "%s is in use by another postrider up", data);
	return true;
}

/* --- the server -------------------------------------------------------------------------------------------- */

static bool run_server(struct private_redis *r, const char *data, struct error *err)
{
	char port[16];
	const char *const argv[] = {SERVER,
	                            "--port",
	                            port,
	                            "--bind",
	                            LOOPBACK,
	                            "--unixsocket",
	                            r->socket,
	                            "--unixsocketperm",
	                            "700",
	                            "--dir",
	                            data != NULL ? data : r->dir,
	                            "--appendonly",
	                            data != NULL ? "yes" : "no",
	                            "--save",
	                            "",
	                            "--maxmemory-policy",
	                            "noeviction",
	                            "--daemonize",
	                            "no",
	                            "--logfile",
	                            r->log,
	                            NULL};
	struct child_spec spec = {.argv = argv, .death_signal = SIGTERM};
	int no_log;

	snprintf(port, sizeof(port), "%d", r->port);
	if (child_start(&spec, &r->pid, &no_log, err))
		return true;
	r->pid = 0;
	return error_prefix(err, "no Redis to work with (install redis-server, or set REDIS_URL)");
}

static bool answers(const struct private_redis *r)
{
	struct topology_config config;
	struct sync *s = NULL;
	struct error err;

	if (topology_config_parse(&config, r->url, &err)) {
		s = sync_open(&config, &err);
		topology_config_free(&config);
	}
	sync_close(s);
	return s != NULL;
}

/* Its own last words. */
static bool set_died(const struct private_redis *r, struct error *err)
{
	char tail[LOG_TAIL + 1];
	FILE *f = fopen(r->log, "re");
	size_t n = 0;

	if (f != NULL) {
		(void)fseek(f, 0, SEEK_END);
		long size = ftell(f);
		(void)fseek(f, size > LOG_TAIL ? size - LOG_TAIL : 0, SEEK_SET);
		n = fread(tail, 1, LOG_TAIL, f);
		fclose(f);
	}
	while (n > 0 && tail[n - 1] == '\n')
		n--;
	tail[n] = '\0';
	char *line = strrchr(tail, '\n');
	return error_set(err, "the private redis-server does not start: %s",
	                 n == 0         ? "it says nothing"
	                 : line != NULL ? line + 1
	                                : tail);
}

/* *died: it ended by itself, as when the port is taken. */
static bool await_server(struct private_redis *r, bool *died, struct error *err)
{
	int64_t until = clock_mono_us() + START_US;

	*died = false;
	while (!answers(r)) {
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
			r->pid = 0;
			*died = true;
			return set_died(r, err);
		}
		if (clock_mono_us() > until)
			return error_set(err, "the private redis-server does not answer");
		sleep_ms(POLL_MS);
	}
	return true;
}

/* 0: there is none. */
static int free_port(bool usual)
{
	int port = usual ? USUAL_PORT : 0, fd;
	struct error err;

	fd = port_listen(LOOPBACK, &port, false, &err);
	if (fd < 0 && usual) {
		port = 0;
		fd = port_listen(LOOPBACK, &port, false, &err);
	}
	if (fd < 0)
		return 0;
	close(fd);
	return port;
}

static bool start_somewhere(struct private_redis *r, const char *data, int port, struct error *err)
{
	bool died = true;

	for (int i = 0; i < START_TRIES && died; i++) {
		r->port = port > 0 ? port : free_port(i == 0);
		r->moved = r->port != USUAL_PORT;
		if (!run_server(r, data, err))
			return false;
		if (await_server(r, &died, err))
			return true;
		if (port > 0)
			return false;
	}
	return false;
}

bool private_redis_start(struct private_redis *r, const char *data, int port, struct error *err)
{
	char *absolute = NULL;
	bool ok;

	memset(r, 0, sizeof(*r));
	r->lock = -1;
	ok = make_dir(r, err) && (data == NULL || lock_data(r, data, err));
	if (ok && data != NULL && (absolute = realpath(data, NULL)) == NULL)
		ok = error_set(err, "%s: %s", data, strerror(errno));
	ok = ok && start_somewhere(r, absolute, port, err);
	free(absolute); /* realpath's own */
	if (!ok)
		private_redis_stop(r);
	return ok;
}

static void end_server(struct private_redis *r)
{
	int64_t until = clock_mono_us() + STOP_US;

	kill(r->pid, SIGTERM);
	while (waitpid(r->pid, NULL, WNOHANG) == 0) {
		if (clock_mono_us() > until)
			kill(r->pid, SIGKILL);
		sleep_ms(POLL_MS);
	}
	r->pid = 0;
}

void private_redis_stop(struct private_redis *r)
{
	if (r->pid > 0)
		end_server(r);
	if (r->dir != NULL)
		(void)nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (r->lock >= 0)
		close(r->lock);
	mem_free(r->dir);
	mem_free(r->socket);
	mem_free(r->log);
	mem_free(r->url);
	memset(r, 0, sizeof(*r));
	r->lock = -1;
}

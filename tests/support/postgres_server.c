#include "support/postgres_server.h"

#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
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

#include "base/buf.h"
#include "support/port.h"
#include "support/process.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define USER "postrider"
#define DATABASE "mail"
#define MAX_TEXT ((size_t)64 << 20)

struct postgres_server {
	char *dir, *url, *url_as;
	int port; /* of TLS; 0: it listens on its socket only */
	struct process *process;
	PGconn *conn; /* NULL until it is asked for */
};

/* Debian keeps them out of PATH, one directory a version; a new string (free), or NULL. */
static char *find_program(const char *name)
{
	char pattern[128], *path = NULL;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
	if (glob(pattern, 0, NULL, &found) == 0) {
		path = strdup(found.gl_pathv[found.gl_pathc - 1]);
		globfree(&found);
		return path;
	}
	for (const char *at = getenv("PATH"); at != NULL && *at != '\0'; at += *at == ':') {
		size_t n = strcspn(at, ":");

		if (asprintf(&path, "%.*s/%s", (int)n, at, name) > 0 && access(path, X_OK) == 0)
			return path;
		free(path);
		path = NULL;
		at += n;
	}
	return NULL;
}

static const struct passwd *find_user(void)
{
	const struct passwd *user = getpwnam("postgres");

	return user != NULL ? user : getpwnam("nobody");
}

bool postgres_server_possible(void)
{
	char *program = find_program("initdb");

	if (program == NULL)
		printf("skipped: PostgreSQL is not installed\n");
	free(program);
	return program != NULL;
}

/* argv for a program of PostgreSQL's; `pid` NULL: runs to its end, which must be good. */
static struct process *run_as(const char *program, const char *const *arguments, bool to_the_end)
{
	const struct passwd *user = find_user();
	char *path = find_program(program), uid[32], gid[32], *err;
	const char *argv[32] = {"setpriv", uid, gid, "--clear-groups", "--pdeathsig", "KILL"};
	size_t n = 6;

	assert_non_null(path);
	assert_non_null(user);
	if (geteuid() != 0)
		n = 0;
	snprintf(uid, sizeof(uid), "--reuid=%u", (unsigned)user->pw_uid);
	snprintf(gid, sizeof(gid), "--regid=%u", (unsigned)user->pw_gid);
	argv[n++] = path;
	while (*arguments != NULL)
		argv[n++] = *arguments++;
	argv[n] = NULL;
	struct process *p = process_start(argv, (const char *const[]){"LC_ALL=C", NULL});
	free(path);
	if (!to_the_end)
		return p;
	if (process_wait(p, 0) != 0) {
		err = process_stderr(p);
		fail_msg("%s: %s", program, err);
	}
	process_free(p);
	return NULL;
}

static PGconn *try_connect(const struct postgres_server *p)
{
	PGconn *c = PQconnectdb(p->url);

	if (PQstatus(c) == CONNECTION_OK)
		return c;
	PQfinish(c);
	return NULL;
}

static void be_quiet(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static PGconn *connection(struct postgres_server *p)
{
	if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
		return p->conn;
	PQfinish(p->conn);
	p->conn = try_connect(p);
	if (p->conn != NULL)
		(void)PQsetNoticeProcessor(p->conn, be_quiet, NULL);
	return p->conn;
}

static void start(struct postgres_server *p)
{
	char data[512], pid[600], port[32];

	snprintf(data, sizeof(data), "%s/data", p->dir);
	snprintf(pid, sizeof(pid), "%s/postmaster.pid", data);
	snprintf(port, sizeof(port), "port=%d", p->port > 0 ? p->port : 5432);
	(void)unlink(pid); /* whoever was killed has left it */
	p->process = run_as("postgres",
	                    (const char *const[]){"-D", data, "-k", p->dir, "-c", port, "-c",
	                                          "fsync=off", "-c", "max_connections=30", "-c",
	                                          p->port > 0 ? "listen_addresses=127.0.0.1"
	                                                      : "listen_addresses=",
	                                          "-c", p->port > 0 ? "ssl=on" : "ssl=off", NULL},
	                    false);
}

/* The children of one that was killed may still have its memory. */
static bool came_too_early(struct postgres_server *p)
{
	char *err = process_stderr(p->process);
	bool early = strstr(err, "pre-existing shared memory block") != NULL;

	free(err);
	return early;
}

static bool is_up_or_ended(void *arg)
{
	struct postgres_server *p = arg;

	if (connection(p) != NULL)
		return true;
	if (process_running(p->process))
		return false;
	if (!came_too_early(p))
		return true;
	process_free(p->process);
	start(p);
	return false;
}

void postgres_server_run(struct postgres_server *p)
{
	start(p);
	wait_until(is_up_or_ended, p, 0);
	if (p->conn == NULL) {
		char *err = process_stderr(p->process);
		fail_msg("PostgreSQL does not start: %s", err);
	}
}

struct postgres_server *postgres_server_start(void)
{
	struct postgres_server *p = calloc(1, sizeof(*p));
	const struct passwd *user = find_user();
	char data[512], url[700];

	assert_non_null(p);
	assert_non_null(user);
	p->dir = tmpdir_make("pg");
	if (geteuid() == 0) {
		assert_int_equal(chmod(tmpdir(), 0711), 0);
		assert_int_equal(chown(p->dir, user->pw_uid, user->pw_gid), 0);
	}
	snprintf(data, sizeof(data), "%s/data", p->dir);
	(void)run_as("initdb",
	             (const char *const[]){"-D", data, "-U", USER, "-A", "trust", "-N", "-E",
	                                   "UTF8", "--locale=C", NULL},
	             true);
	snprintf(url, sizeof(url),
	         "postgresql://" USER ":" POSTGRES_SERVER_PASSWORD "@/template1?host=%s", p->dir);
	p->url = url;
	postgres_server_run(p);
	postgres_server_do(p, "CREATE DATABASE " DATABASE);
	PQfinish(p->conn);
	p->conn = NULL;
	p->url = strdup(postgres_server_url_as(p, USER));
	assert_non_null(connection(p));
	return p;
}

void postgres_server_kill(struct postgres_server *p)
{
	PQfinish(p->conn);
	p->conn = NULL;
	/* Its children see that it is gone, and end. */
	process_kill(p->process);
	process_free(p->process);
	p->process = NULL;
}

void postgres_server_free(struct postgres_server *p)
{
	if (p == NULL)
		return;
	if (p->process != NULL)
		postgres_server_kill(p);
	tmpdir_remove(p->dir);
	free(p->dir);
	free(p->url);
	free(p->url_as);
	free(p);
}

const char *postgres_server_url(const struct postgres_server *p)
{
	return p->url;
}

const char *postgres_server_url_as(struct postgres_server *p, const char *role)
{
	free(p->url_as);
	assert_true(asprintf(&p->url_as,
	                     "postgresql://%s:" POSTGRES_SERVER_PASSWORD "@/" DATABASE
	                     "?host=%s&port=%d",
	                     role, p->dir, p->port > 0 ? p->port : 5432) > 0);
	return p->url_as;
}

/* Into its data directory, and its own, as it wants its key to be. */
static void give_file(const struct postgres_server *p, const char *name, const void *bytes,
                      size_t n)
{
	const struct passwd *user = find_user();
	char path[600];
	FILE *f;

	snprintf(path, sizeof(path), "%s/data/%s", p->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, user->pw_uid, user->pw_gid), 0);
}

int postgres_server_speak_tls(struct postgres_server *p, const char *cert, const char *key)
{
	static const char hba[] = "local all all trust\n"
				  "hostssl all all 127.0.0.1/32 scram-sha-256\n";
	const char *const files[][2] = {{"server.crt", cert}, {"server.key", key}};

	postgres_server_do(p, "ALTER ROLE " USER " PASSWORD '" POSTGRES_SERVER_PASSWORD "'");
	for (size_t i = 0; i < 2; i++) {
		size_t n;
		char *bytes = tmpdir_read(files[i][1], &n);

		give_file(p, files[i][0], bytes, n);
		free(bytes);
	}
	give_file(p, "pg_hba.conf", hba, sizeof(hba) - 1);
	p->port = port_free();
	free(p->url);
	p->url = strdup(postgres_server_url_as(p, USER));
	return p->port;
}

void postgres_server_pause(struct postgres_server *p, bool paused)
{
	process_signal(p->process, paused ? SIGSTOP : SIGCONT);
}

void postgres_server_empty(struct postgres_server *p)
{
	postgres_server_do(p, "DROP SCHEMA public CASCADE");
	postgres_server_do(p, "CREATE SCHEMA public");
}

/* ---- asking ---------------------------------------------------------------------------------- */

static PGresult *run(struct postgres_server *p, const char *sql, int n, const char *const *values)
{
	PGconn *c = connection(p);
	PGresult *r;

	assert_non_null(c);
	r = n < 0 ? PQexec(c, sql) : PQexecParams(c, sql, n, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK) {
		char *why = strdup(PQresultErrorMessage(r));
		PQclear(r);
		fail_msg("%.300s: %s", sql, why);
	}
	return r;
}

static PGresult *run_format(struct postgres_server *p, const char *format, va_list args)
{
	char *sql;
	PGresult *r;

	assert_true(vasprintf(&sql, format, args) >= 0);
	r = run(p, sql, -1, NULL);
	free(sql);
	return r;
}

void postgres_server_do(struct postgres_server *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	PQclear(run_format(p, format, args));
	va_end(args);
}

void postgres_server_exec(struct postgres_server *p, const char *sql, const char *const *values)
{
	int n = 0;

	while (values[n] != NULL)
		n++;
	PQclear(run(p, sql, n, values));
}

void postgres_server_file(struct postgres_server *p, const char *path)
{
	char *sql = tmpdir_read(path, NULL);

	assert_true(*sql != '\0');
	PQclear(run(p, sql, -1, NULL));
	free(sql);
}

long long postgres_server_int(struct postgres_server *p, const char *format, ...)
{
	va_list args;
	PGresult *r;
	long long n;

	va_start(args, format);
	r = run_format(p, format, args);
	va_end(args);
	assert_int_equal(PQntuples(r), 1);
	n = PQgetisnull(r, 0, 0) ? -1 : strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return n;
}

long long postgres_server_try_int(struct postgres_server *p, const char *sql)
{
	PGconn *c = connection(p);
	PGresult *r = c != NULL ? PQexec(c, sql) : NULL;
	long long n = -1;

	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
		n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return n;
}

static char *text_of(PGresult *r)
{
	struct buf out;
	char *text;

	buf_init(&out, MAX_TEXT);
	for (int i = 0; i < PQntuples(r); i++) {
		for (int c = 0; c < PQnfields(r); c++)
			buf_addf(&out, "%s%s",
			         c > 0   ? "|"
			         : i > 0 ? "\n"
			                 : "",
			         PQgetvalue(r, i, c));
	}
	assert_true(buf_ok(&out));
	text = strdup(buf_str(&out));
	buf_free(&out);
	PQclear(r);
	return text;
}

char *postgres_server_text(struct postgres_server *p, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_of(run_format(p, format, args));
	va_end(args);
	return text;
}

void postgres_server_sees_at(const char *file, int line, struct postgres_server *p,
                             const char *want, const char *format, ...)
{
	va_list args;
	char *got;

	va_start(args, format);
	got = text_of(run_format(p, format, args));
	va_end(args);
	if (strcmp(got, want) != 0) {
		print_error("%s is\n%s\nand not\n%s\n", format, got, want);
		_fail(file, line);
	}
	free(got);
}

#include "support/redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
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

#define MAX_ARGS 64
#define START_TRIES 5 /* a port that was free may be taken before the server binds it */
#define COMMAND_TIMEOUT_S 60

struct redis_server {
	char *dir, *socket, *url, *tcp_url;
	char *password;
	int port;
	bool cluster, sentinel, tls;
	char **extra; /* NULL-terminated */
	struct process *process;
	redisContext *client;
};

/* redis_server_speak_tls */
static struct {
	const char *cert, *key, *ca;
	char parameters[256];
	const char *cli[4];
} tls;

static char *format_new(const char *format, ...) PRINTF_LIKE(1, 2);
static char *format_new(const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	assert_true(n >= 0);
	return text;
}

/* A port that nobody listens on now. Cluster nodes also use port + 10000. */
static int free_port(bool cluster)
{
	for (int tries = 0; tries < 1000; tries++) {
		int port = port_free();

		if (!cluster || port < 55000)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

static void choose_port(struct redis_server *s)
{
	s->port = free_port(s->cluster);
	free(s->tcp_url);
	s->tcp_url = format_new("redis://127.0.0.1:%d", s->port);
}

static struct redis_server *prepare(bool tcp, bool cluster, const char *const *extra_args)
{
	struct redis_server *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->cluster = cluster;
	s->tls = tcp && tls.cert;
	s->dir = tmpdir_make("redis");
	s->socket = format_new("%s/sock", s->dir);
	s->url = format_new("unix://%s", s->socket);
	if (tcp)
		choose_port(s);
	size_t n = 0;
	while (extra_args && extra_args[n])
		n++;
	assert_true(n < MAX_ARGS / 2);
	s->extra = calloc(n + 1, sizeof(*s->extra));
	assert_non_null(s->extra);
	for (size_t i = 0; i < n; i++)
		s->extra[i] = format_new("%s", extra_args[i]);
	return s;
}

struct redis_server *redis_server_prepare(bool tcp, const char *const *extra_args)
{
	return prepare(tcp, false, extra_args);
}

static void forget_client(struct redis_server *s)
{
	if (s->client)
		redisFree(s->client);
	s->client = NULL;
}

static void forget_process(struct redis_server *s)
{
	struct process *p = s->process;
	forget_client(s);
	s->process = NULL;
	process_free(p);
}

void redis_server_free(struct redis_server *s)
{
	if (!s)
		return;
	forget_process(s);
	tmpdir_remove(s->dir);
	for (char **arg = s->extra; *arg; arg++)
		free(*arg);
	free(s->extra);
	free(s->dir);
	free(s->socket);
	free(s->url);
	free(s->tcp_url);
	free(s->password);
	free(s);
}

static const char *binary(void)
{
	const char *given = getenv("REDIS_SERVER");
	return given && *given ? given : "redis-server";
}

const char *redis_server_cli(void)
{
	const char *given = getenv("REDIS_CLI");
	return given && *given ? given : "redis-cli";
}

/* A Sentinel wants a file that it can write to. */
static void run_sentinel(struct redis_server *s)
{
	char *path = format_new("%s/sentinel.conf", s->dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	if (s->tls)
		fprintf(f,
		        "port 0\ntls-port %d\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\n"
		        "tls-auth-clients no\ntls-replication yes\n",
		        s->port, tls.cert, tls.key, tls.ca);
	else
		fprintf(f, "port %d\n", s->port);
	fprintf(f, "bind 127.0.0.1\nunixsocket %s\ndir %s\n", s->socket, s->dir);
	assert_int_equal(fclose(f), 0);
	s->process = process_start((const char *const[]){binary(), path, "--sentinel", NULL}, NULL);
	free(path);
}

static size_t add_tls(const char **argv, size_t n, const char *port)
{
	const char *const arguments[] = {
		"--tls-port",         port,    "--tls-cert-file",    tls.cert,
		"--tls-key-file",     tls.key, "--tls-ca-cert-file", tls.ca,
		"--tls-auth-clients", "no",    "--tls-replication",  "yes",
		"--tls-cluster",      "yes"};

	memcpy(argv + n, arguments, sizeof(arguments));
	return n + sizeof(arguments) / sizeof(arguments[0]);
}

void redis_server_run_unready(struct redis_server *s)
{
	char port[16];
	if (s->sentinel) {
		forget_process(s);
		unlink(s->socket);
		run_sentinel(s);
		return;
	}
	snprintf(port, sizeof(port), "%d", s->port);
	const char *argv[MAX_ARGS] = {
		binary(),
		"--port",
		s->tls ? "0" : port,
		"--bind",
		"127.0.0.1",
		"--unixsocket",
		s->socket,
		"--dir",
		s->dir,
		"--save",
		"",
		"--appendonly",
		"no",
		"--daemonize",
		"no",
	};
	size_t n = 0;
	while (argv[n])
		n++;
	if (s->cluster) {
		argv[n++] = "--cluster-enabled";
		argv[n++] = "yes";
	}
	if (s->tls)
		n = add_tls(argv, n, port);
	for (char **arg = s->extra; *arg; arg++)
		argv[n++] = *arg;
	assert_true(n < MAX_ARGS);
	forget_process(s);
	unlink(s->socket);
	s->process = process_start(argv, NULL);
}

/* A connection of our own, or NULL when nobody answers. */
static redisContext *connect_client(const struct redis_server *s)
{
	struct timeval limit = {.tv_sec = COMMAND_TIMEOUT_S};
	redisContext *c = redisConnectUnixWithTimeout(s->socket, limit);
	assert_non_null(c);
	if (c->err || redisSetTimeout(c, limit) != REDIS_OK) {
		redisFree(c);
		return NULL;
	}
	if (s->password)
		freeReplyObject(redisCommand(c, "AUTH %s", s->password));
	return c;
}

char *redis_server_ping(struct redis_server *s)
{
	redisContext *c = connect_client(s);
	redisReply *reply = c ? redisCommand(c, "PING") : NULL;
	char *text = format_new("%s", reply && reply->str ? reply->str : "");
	freeReplyObject(reply);
	if (c)
		redisFree(c);
	return text;
}

/* NOAUTH is an answer too: the test will say the password. */
static bool answers_or_ended(void *arg)
{
	struct redis_server *s = arg;
	if (!process_running(s->process))
		return true;
	char *answer = redis_server_ping(s);
	bool ready = *answer && strncmp(answer, "LOADING", 7) != 0;
	free(answer);
	return ready;
}

static bool slots_served(void *arg)
{
	char *info = redis_server_text(arg, "CLUSTER INFO");
	bool ok = strstr(info, "cluster_state:ok") != NULL;
	free(info);
	return ok;
}

static bool run_once(struct redis_server *s)
{
	redis_server_run_unready(s);
	wait_until(answers_or_ended, s, 0);
	return process_running(s->process);
}

static void show_output(struct redis_server *s)
{
	char *out = process_stdout(s->process);
	char *err = process_stderr(s->process);
	print_error("--- redis-server wrote:\n%s%s\n---\n", out, err);
	free(out);
	free(err);
}

void redis_server_run(struct redis_server *s)
{
	if (run_once(s))
		return;
	show_output(s);
	fail_msg("redis-server did not start");
}

static void first_run(struct redis_server *s, bool tcp)
{
	bool runs = run_once(s);
	for (int tries = 1; !runs && tcp && tries < START_TRIES; tries++) {
		choose_port(s);
		runs = run_once(s);
	}
	if (!runs) {
		show_output(s);
		fail_msg("redis-server did not start");
	}
}

static struct redis_server *start(bool tcp, bool cluster, const char *const *extra_args)
{
	struct redis_server *s = prepare(tcp, cluster, extra_args);

	first_run(s, tcp);
	if (cluster) {
		redis_server_do(s, "CLUSTER ADDSLOTSRANGE 0 16383");
		wait_until(slots_served, s, 0);
	}
	return s;
}

struct redis_server *redis_server_start(const char *const *extra_args)
{
	return start(false, false, extra_args);
}

struct redis_server *redis_server_start_tcp(const char *const *extra_args)
{
	return start(true, false, extra_args);
}

struct redis_server *redis_server_start_cluster(const char *const *extra_args)
{
	return start(true, true, extra_args);
}

struct redis_server *redis_server_start_sentinel(void)
{
	struct redis_server *s = prepare(true, false, NULL);

	s->sentinel = true;
	first_run(s, true);
	return s;
}

struct redis_server *redis_server_start_node(const char *const *extra_args)
{
	struct redis_server *s = prepare(true, true, extra_args);

	first_run(s, true);
	return s;
}

const char *redis_server_url(const struct redis_server *s)
{
	return s->url;
}

const char *redis_server_tcp_url(const struct redis_server *s)
{
	return s->tcp_url;
}

const char *redis_server_socket(const struct redis_server *s)
{
	return s->socket;
}

int redis_server_port(const struct redis_server *s)
{
	return s->port;
}

struct process *redis_server_process(struct redis_server *s)
{
	return s->process;
}

void redis_server_stop(struct redis_server *s)
{
	if (s->process)
		process_stop(s->process, 0);
	forget_process(s);
}

void redis_server_kill(struct redis_server *s)
{
	if (s->process)
		process_kill(s->process);
	forget_process(s);
}

void redis_server_restart(struct redis_server *s)
{
	redis_server_kill(s);
	redis_server_run(s);
}

void redis_server_pause(struct redis_server *s)
{
	assert_non_null(s->process);
	process_signal(s->process, SIGSTOP);
}

void redis_server_resume(struct redis_server *s)
{
	assert_non_null(s->process);
	process_signal(s->process, SIGCONT);
}

void redis_server_set_password(struct redis_server *s, const char *password)
{
	forget_client(s);
	free(s->password);
	s->password = password ? format_new("%s", password) : NULL;
}

static redisReply *try_run(struct redis_server *s, const char *format, va_list args)
{
	if (s->client && s->client->err)
		forget_client(s);
	if (!s->client)
		s->client = connect_client(s);
	if (!s->client)
		fail_msg("no connection to the test's redis-server for: %s", format);
	return redisvCommand(s->client, format, args);
}

/* The reply, never NULL: a lost connection fails the test. (Lost twice: a Sentinel ends all
 * connections of a server whose role it changes.) */
static redisReply *vrun(struct redis_server *s, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	redisReply *reply = try_run(s, format, args);
	if (!reply && s->process && process_running(s->process))
		reply = try_run(s, format, again);
	va_end(again);
	if (!reply)
		fail_msg("no answer of the test's redis-server to: %s (%s)", format,
		         s->client->errstr);
	return reply;
}

static redisReply *vcmd(struct redis_server *s, const char *format, va_list args)
{
	redisReply *reply = vrun(s, format, args);
	if (reply->type == REDIS_REPLY_ERROR) {
		char text[512];
		snprintf(text, sizeof(text), "%s", reply->str);
		freeReplyObject(reply);
		fail_msg("redis-server answered %s with: %s", format, text);
	}
	return reply;
}

redisReply *redis_server_cmd(struct redis_server *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	redisReply *reply = vcmd(s, format, args);
	va_end(args);
	return reply;
}

redisReply *redis_server_try(struct redis_server *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	redisReply *reply = vrun(s, format, args);
	va_end(args);
	return reply;
}

void redis_server_do(struct redis_server *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	freeReplyObject(vcmd(s, format, args));
	va_end(args);
}

long long redis_server_int(struct redis_server *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	redisReply *reply = vcmd(s, format, args);
	va_end(args);
	if (reply->type != REDIS_REPLY_INTEGER)
		fail_msg("not an integer (type %d): the answer to %s", reply->type, format);
	long long n = reply->integer;
	freeReplyObject(reply);
	return n;
}

char *redis_server_text(struct redis_server *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	redisReply *reply = vcmd(s, format, args);
	va_end(args);
	char *text = NULL;
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) {
		text = malloc(reply->len + 1);
		assert_non_null(text);
		memcpy(text, reply->str, reply->len);
		text[reply->len] = '\0';
	} else if (reply->type != REDIS_REPLY_NIL) {
		fail_msg("not a string (type %d): the answer to %s", reply->type, format);
	}
	freeReplyObject(reply);
	return text;
}

long long redis_server_info(struct redis_server *s, const char *section, const char *field)
{
	char *info = redis_server_text(s, "INFO %s", section);
	char *name = format_new("\n%s:", field);
	char *at = strstr(info, name);
	if (!at)
		fail_msg("INFO %s has no %s", section, field);
	long long n = strtoll(at + strlen(name), NULL, 10);
	free(name);
	free(info);
	return n;
}

bool redis_server_knows(struct redis_server *s, const char *command)
{
	redisReply *r = redis_server_cmd(s, "COMMAND INFO %s", command);
	bool yes = r->elements == 1 && r->element[0]->type == REDIS_REPLY_ARRAY;

	freeReplyObject(r);
	return yes;
}

void redis_server_speak_tls(const char *cert, const char *key, const char *ca)
{
	tls.cert = cert;
	tls.key = key;
	tls.ca = ca;
	tls.parameters[0] = '\0';
	tls.cli[0] = NULL;
	if (!cert)
		return;
	snprintf(tls.parameters, sizeof(tls.parameters), "?tls=1&tls_ca=%s", ca);
	tls.cli[0] = "--tls";
	tls.cli[1] = "--cacert";
	tls.cli[2] = ca;
}

const char *redis_server_tls_parameters(void)
{
	return tls.parameters;
}

const char *const *redis_server_cli_tls(void)
{
	return tls.cli;
}

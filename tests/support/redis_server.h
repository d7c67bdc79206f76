/* redis_server.h - a real redis-server of the test's own.
 *
 * In a directory of its own under tmpdir(), on a unix socket, with nothing persisted unless asked
 * for; REDIS_SERVER in the environment names another binary than `redis-server`, REDIS_CLI another than
 * `redis-cli`. It answers PING
 * when start returns, and dies with the test program. What cannot be done fails the running test.
 *
 *     struct redis_server *r = redis_server_start(NULL);
 *     redis_server_do(r, "LPUSH %s %b", "mail:queue", job, job_len);
 *     assert_int_equal(redis_server_int(r, "LLEN mail:queue"), 1);
 *     redis_server_free(r);
 */
#ifndef SUPPORT_REDIS_SERVER_H
#define SUPPORT_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/process.h"

struct redis_server;

/* extra_args: NULL, or NULL-terminated, as on redis-server's command line:
 * {"--appendonly", "yes", "--maxmemory", "2mb", NULL}. */
struct redis_server *redis_server_start(const char *const *extra_args) MUST_CHECK;
/* The same, and also on a free TCP port of 127.0.0.1. */
struct redis_server *redis_server_start_tcp(const char *const *extra_args) MUST_CHECK;
/* One node of Redis Cluster that serves all 16384 slots; state ok when this returns. (It has a TCP
 * port too, and needs Redis 7.) */
struct redis_server *redis_server_start_cluster(const char *const *extra_args) MUST_CHECK;
/* A Sentinel that watches nobody yet (SENTINEL MONITOR). */
struct redis_server *redis_server_start_sentinel(void) MUST_CHECK;
/* One node of Redis Cluster that knows nobody and serves no slot yet. */
struct redis_server *redis_server_start_node(const char *const *extra_args) MUST_CHECK;
/* Only reserves its directory, socket (and TCP port, when tcp): nothing listens until
 * redis_server_run. For tests that begin without a server. */
struct redis_server *redis_server_prepare(bool tcp, const char *const *extra_args) MUST_CHECK;
void redis_server_free(struct redis_server *s); /* kills it, removes its directory; NULL is fine */

/* Servers that are started from now on speak nothing but TLS at their TCP ports (and among themselves; their unix sockets
 * stay as they are). Paths of PEM files, which outlive them; cert NULL: no more. */
void redis_server_speak_tls(const char *cert, const char *key, const char *ca);
/* What goes behind the URL of such servers: "?tls=1&tls_ca=…"; "" when they speak none. */
const char *redis_server_tls_parameters(void);
/* What goes in front of the arguments of redis_server_cli: "--tls", "--cacert", its file; NULL-terminated, at most 3. */
const char *const *redis_server_cli_tls(void);

const char *redis_server_url(const struct redis_server *s); /* unix:///… */
const char *redis_server_tcp_url(
	const struct redis_server *s); /* redis://127.0.0.1:…; NULL without a port */
const char *redis_server_socket(const struct redis_server *s); /* the path, for redis-cli -s */
int redis_server_port(const struct redis_server *s);           /* 0 without one */
struct process *redis_server_process(struct redis_server *s);  /* NULL while it does not run */

/* Has it this command? (Older ones have no WAITAOF.) */
bool redis_server_knows(struct redis_server *s, const char *command);
/* The name of its command line. */
const char *redis_server_cli(void);

/* Life and death. The data that it persists (as the arguments say) outlives stop and kill. */
void redis_server_stop(struct redis_server *s); /* SIGTERM: saves if it persists at all */
void redis_server_kill(struct redis_server *s); /* SIGKILL */
void redis_server_run(struct redis_server *s);  /* again, at the same address, with the same data */
void redis_server_restart(struct redis_server *s);     /* kill and run */
void redis_server_run_unready(struct redis_server *s); /* run without waiting for an answer */
void redis_server_pause(struct redis_server *s);       /* SIGSTOP: connects, but says nothing */
void redis_server_resume(struct redis_server *s);      /* SIGCONT */

/* Commands over a connection of the test's own (as the default user, made again after a restart),
 * in hiredis' format: %s a string, %b bytes and their size_t, %d %lld …; a space separates arguments. */
redisReply *redis_server_cmd(struct redis_server *s, const char *format,
                             ...) MUST_CHECK; /* an error fails the test */
redisReply *redis_server_try(struct redis_server *s, const char *format,
                             ...) MUST_CHECK; /* error replies are returned */
void redis_server_do(struct redis_server *s, const char *format, ...);
long long redis_server_int(struct redis_server *s, const char *format, ...);
/* A string, bulk or status; a new string (free); NULL for a nil. */
char *redis_server_text(struct redis_server *s, const char *format, ...) MUST_CHECK;
/* What it answers to PING over a connection of its own, error or not; "" when nobody answers. A new
 * string (free). */
char *redis_server_ping(struct redis_server *s) MUST_CHECK;
/* The password of that connection, where the arguments set one (--requirepass). Copied. */
void redis_server_set_password(struct redis_server *s, const char *password);

/* A number out of INFO, e.g. ("stats", "total_commands_processed"); fails the test when it is not there. */
long long redis_server_info(struct redis_server *s, const char *section, const char *field);

#endif

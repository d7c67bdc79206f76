/* postgres_server.h - a real PostgreSQL of the test's own.
 *
 * In a directory of its own under tmpdir(), on a unix socket, with an empty database; it answers when start returns, and dies
 * with the test program. It refuses to be root: when the test is, it runs as `postgres` or `nobody`. What cannot be
 * done fails the running test.
 *
 *     struct postgres_server *p = postgres_server_start();
 *     postgres_server_do(p, "CREATE TABLE t (n int)");
 *     assert_int_equal(postgres_server_int(p, "SELECT count(*) FROM t"), 0);
 *     postgres_server_free(p);
 */
#ifndef SUPPORT_POSTGRES_SERVER_H
#define SUPPORT_POSTGRES_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct postgres_server;

/* False: prints why not, for a test that skips. */
bool postgres_server_possible(void) MUST_CHECK;

struct postgres_server *postgres_server_start(void) MUST_CHECK;
void postgres_server_free(struct postgres_server *p); /* kills it; NULL is fine */
/* postgresql://… with a password in it that no log may show. */
const char *postgres_server_url(const struct postgres_server *p);
/* The same as another role's; valid until the next call. */
const char *postgres_server_url_as(struct postgres_server *p, const char *role);
#define POSTGRES_SERVER_PASSWORD "pg-s3cr3t-word"

/* From its next start on it speaks TLS with this certificate at 127.0.0.1, where it asks for the password. The port. */
int postgres_server_speak_tls(struct postgres_server *p, const char *cert, const char *key) MUST_CHECK;

void postgres_server_kill(struct postgres_server *p); /* SIGKILL to all of it */
void postgres_server_run(struct postgres_server *p);  /* again, with the same data */
void postgres_server_pause(struct postgres_server *p, bool paused); /* new connections get no answer */
void postgres_server_empty(struct postgres_server *p); /* drops every table */

/* Over a connection of the test's own. printf formats; an error fails the test. */
void postgres_server_do(struct postgres_server *p, const char *format, ...) PRINTF_LIKE(2, 3);
long long postgres_server_int(struct postgres_server *p, const char *format, ...)
	PRINTF_LIKE(2, 3) MUST_CHECK; /* of one row; NULL is -1 */
/* All rows: columns with | between, rows with a newline; a new string (free). */
char *postgres_server_text(struct postgres_server *p, const char *format, ...)
	PRINTF_LIKE(2, 3) MUST_CHECK;
#define postgres_server_sees(P, WANT, ...)                                                         \
	postgres_server_sees_at(__FILE__, __LINE__, (P), (WANT), __VA_ARGS__)
void postgres_server_sees_at(const char *file, int line, struct postgres_server *p, const char *want,
                             const char *format, ...) PRINTF_LIKE(5, 6);
/* One statement with parameters as texts (NULL-terminated). */
void postgres_server_exec(struct postgres_server *p, const char *sql, const char *const *values);
/* Whether such a table, or number, is there yet: does not fail where the query does; -1 then. */
long long postgres_server_try_int(struct postgres_server *p, const char *sql) MUST_CHECK;
void postgres_server_file(struct postgres_server *p, const char *path); /* runs the SQL in it */

#endif

/* fleet.h - a whole fleet under test: a real Redis, and workers that are the real binary.
 *
 *     struct fleet *f = fleet_start(NULL);
 *     fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
 *     struct process *w = fleet_worker(f, NULL);
 *     fleet_push(f, "order-1", "");
 *     fleet_wait_status(f, "order-1", "sent");
 *     fleet_free(f);
 *
 * The binary is $POSTRIDER, else the `postrider` of the build directory that this test is in.
 * Workers run in a directory of their own, with an environment that holds nothing of ours but what is
 * set here. They start with: one provider `primary` that is mock://, a lease of a second, retries
 * after milliseconds, MAIL_FROM, logs as JSON. */
#ifndef SUPPORT_FLEET_H
#define SUPPORT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "support/process.h"
#include "support/redis_server.h"

#define FLEET_QUEUE "mail:queue"

struct fleet;

/* redis_args: as redis_server_start takes them. */
struct fleet *fleet_start(const char *const *redis_args) MUST_CHECK;
/* Around a server that is there already (it stays the caller's). */
struct fleet *fleet_around(struct redis_server *redis) MUST_CHECK;
void fleet_free(struct fleet *f); /* kills and scans what runs; NULL is fine */

struct redis_server *fleet_redis(const struct fleet *f);
const char *fleet_binary(void);

/* "NAME=value" for the processes started from now on; "NAME=" unsets. */
void fleet_set(struct fleet *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* A file to which the mock provider `name` (in upper case) appends what it takes; sets
 * PROVIDER_<name> to mock://?<parameters>&record=…. Its path stays the fleet's. */
const char *fleet_mock(struct fleet *f, const char *name, const char *parameters);

/* Starts `postrider worker`; extra: NULL, or NULL-terminated "NAME=value" for this one alone. The
 * process is the fleet's, which frees it (fleet_end does so earlier). */
struct process *fleet_worker(struct fleet *f, const char *const *extra);
/* The same with arguments (NULL-terminated) after the program's name, e.g. {"worker", "--drain", NULL}. */
struct process *fleet_run(struct fleet *f, const char *const *arguments, const char *const *extra);
/* The same by way of another program, e.g. {"valgrind", "--tool=callgrind", NULL}. */
struct process *fleet_run_under(struct fleet *f, const char *const *tool,
                                const char *const *arguments, const char *const *extra);
/* One that is connected to Redis when this returns (at LOG_LEVEL=info or debug). */
struct process *fleet_worker_ready(struct fleet *f, const char *const *extra);
/* SIGTERM; it must end with 0. */
void fleet_stop(struct fleet *f, struct process *worker);
/* Kills it, scans its stderr, forgets it. */
void fleet_end(struct fleet *f, struct process *worker);

/* ---- jobs */

/* A valid job: to, subject, text, header X-Key and idempotencyKey of this key; `more` is put before
 * the closing brace (",\"delay\":500"; later members of the same name are refused, so give `to`
 * by fleet_job_to). A new string (free). */
char *fleet_job(const char *key, const char *more) MUST_CHECK;
char *fleet_job_to(const char *key, const char *to, const char *more) MUST_CHECK;

void fleet_push(struct fleet *f, const char *key, const char *more); /* LPUSH mail:queue */
void fleet_push_to(struct fleet *f, const char *key, const char *to, const char *more);
void fleet_push_raw(struct fleet *f, const char *queue, const void *bytes, size_t n);
/* n jobs with the keys <stem>-0 …, pipelined; `queue` NULL is mail:queue. */
void fleet_push_many(struct fleet *f, const char *queue, const char *stem, size_t n,
                     const char *more);

/* For pipelining by hand: a connection (redisFree), and its next answer, never NULL. */
#define FLEET_PIPELINE 500
redisContext *fleet_client(struct fleet *f) MUST_CHECK;
redisReply *fleet_answer(redisContext *c) MUST_CHECK;

/* ---- what became of them */

/* One field of a mail's status, a new string (free); "" when there is none. */
char *fleet_field(struct fleet *f, const char *key, const char *field) MUST_CHECK;
long long fleet_number(struct fleet *f, const char *key, const char *field);
#define fleet_expect(F, KEY, FIELD, VALUE)                                                         \
	fleet_expect_at(__FILE__, __LINE__, (F), (KEY), (FIELD), (VALUE))
void fleet_expect_at(const char *file, int line, struct fleet *f, const char *key,
                     const char *field, const char *value);
void fleet_show_status(struct fleet *f, const char *key); /* all of it, on stderr */
/* A field of the provider's shared hash. */
char *fleet_provider_field(struct fleet *f, const char *provider, const char *field) MUST_CHECK;

#define fleet_wait_field(F, KEY, FIELD, VALUE)                                                     \
	fleet_wait_field_at(__FILE__, __LINE__, (F), (KEY), (FIELD), (VALUE))
#define fleet_wait_status(F, KEY, STATUS) fleet_wait_field(F, KEY, "status", STATUS)
void fleet_wait_field_at(const char *file, int line, struct fleet *f, const char *key,
                         const char *field, const char *value);
/* How many jobs are queued, moved, in flight or delayed, for EVAL: at one moment, since a retry goes from one of these
 * keys to another and back. KEYS: the list, its arrivals, leases, delayed. */
#define FLEET_LEFT                                                                                 \
	"return redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2])"                         \
	" + redis.call('ZCARD', KEYS[3]) + redis.call('ZCARD', KEYS[4])"
/* Nothing is queued, moved, in flight or delayed any more, in this queue (NULL: mail:queue). */
#define fleet_wait_empty(F, QUEUE) fleet_wait_empty_at(__FILE__, __LINE__, (F), (QUEUE))
void fleet_wait_empty_at(const char *file, int line, struct fleet *f, const char *queue);
/* fleet_wait_empty, and: all that is left in the queue's family are the payloads of dead letters. */
#define fleet_wait_settled(F, QUEUE) fleet_wait_settled_at(__FILE__, __LINE__, (F), (QUEUE))
void fleet_wait_settled_at(const char *file, int line, struct fleet *f, const char *queue);

/* The payload of the only dead letter of this key's mail; a new string (free). */
char *fleet_dead(struct fleet *f, const char *queue, const char *id, size_t *n) MUST_CHECK;
/* The mail's time has come: what waits for a retry, or has a delay of an hour at most, is due now. Nobody is told: a worker
 * sees it at its next look, a third of a lease later at the most. */
#define FLEET_HOUR_MS 3600000
void fleet_make_due(struct fleet *f, const char *key);
/* How many dead letters. */
size_t fleet_dead_count(struct fleet *f, const char *queue);

/* CPU time that the process has used, ms; its resident memory, bytes; how many files and sockets it
 * has open. */
long fleet_cpu_ms(const struct process *p);
size_t fleet_rss(const struct process *p);
size_t fleet_open_files(const struct process *p);

#endif

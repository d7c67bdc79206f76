/* rig.h - a Redis on which Lua scripts are called as a worker calls them, and watched.
 *
 * A group of tests runs twice: on a standalone server, and on one node of a cluster.
 *
 *     static void test_ack(void **state)
 *     {
 *             struct rig *r = rig_begin(state);
 *             …
 *             rig_expect_twice(r, "ok", "gone", SCRIPT_SETTLE, SETTLE_KEYS, "0  a 1 ack 0 0");
 *     }
 *
 * Keys, arguments and answers are lines of words (words.h); arguments are a printf format (how those are
 * written that a script takes packed: packing.h). Every
 * call is watched by MONITOR: the test fails when a script touches a key that was not declared, so
 * that each test also shows that. Time passes by rig_age: what is stored in Redis becomes older,
 * nobody waits. */
#ifndef SUPPORT_RIG_H
#define SUPPORT_RIG_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "redis/script.h"
#include "support/redis_server.h"

#define QUEUE "mail:queue"
#define ARRIVALS "{mail:queue}:arrivals"
#define JOBS "{mail:queue}:jobs"
#define LEASES "{mail:queue}:leases"
#define DELAYED "{mail:queue}:delayed"
#define CLAIMS "{mail:queue}:claims"
#define DEAD "{mail:queue}:dead"
#define EVENTS "{mail:queue}:events"
#define CLOCK "{mail:queue}:clock"

struct rig;

/* For cmocka_run_group_tests. */
int rig_setup_standalone(void **state);
int rig_setup_cluster(void **state);
int rig_teardown(void **state);

/* At the beginning of each test: an empty server with as much memory as it likes. */
struct rig *rig_begin(void **state) MUST_CHECK;
struct redis_server *rig_server(const struct rig *r);
void rig_fill_memory(struct rig *r,
                     bool full); /* every write that takes memory is refused with OOM */
int64_t rig_now(struct rig *r);  /* Redis's clock, ms */

/* One call. An error reply fails the test, except in rig_call and rig_expect, where it is the answer "error …". */
redisReply *rig_reply(struct rig *r, enum script s, const char *keys, const char *format, ...)
	PRINTF_LIKE(4, 5) MUST_CHECK;
char *rig_call(struct rig *r, enum script s, const char *keys, const char *format, ...)
	PRINTF_LIKE(4, 5) MUST_CHECK; /* a new string (free) */
/* The answer is exactly this line. */
#define rig_expect(R, WANT, ...) rig_expect_at(__FILE__, __LINE__, (R), (WANT), NULL, __VA_ARGS__)
/* The same call again, as after a lost reply, gets the second line, and changes nothing (but updated_at). */
#define rig_expect_twice(R, WANT, AGAIN, ...)                                                      \
	rig_expect_at(__FILE__, __LINE__, (R), (WANT), (AGAIN), __VA_ARGS__)
void rig_expect_at(const char *file, int line, struct rig *r, const char *want, const char *again,
                   enum script s, const char *keys, const char *format, ...) PRINTF_LIKE(8, 9);

/* What the last call ran inside Redis; with a name: only commands of that name. */
size_t rig_commands(const struct rig *r, const char *name);
/* Switches the watching off, for payloads of many megabytes. */
void rig_watch(struct rig *r, bool on);

/* Everything that is stored, as text: a new string (free). updated_at is left out. */
char *rig_state(struct rig *r) MUST_CHECK;

/* Makes a hash of fields and values: "owner=q#a 'subject=A long one'". */
void rig_store(struct rig *r, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
/* The hash has exactly these values: "status=sent 'error=550: no' !provider" (the last is absent). */
#define rig_hash(R, KEY, ...) rig_hash_at(__FILE__, __LINE__, (R), (KEY), __VA_ARGS__)
void rig_hash_at(const char *file, int line, struct rig *r, const char *key, const char *format,
                 ...) PRINTF_LIKE(5, 6);
/* The answer to any other command is this line. */
#define rig_sees(R, WANT, ...) rig_sees_at(__FILE__, __LINE__, (R), (WANT), __VA_ARGS__)
void rig_sees_at(const char *file, int line, struct rig *r, const char *want, const char *format,
                 ...) PRINTF_LIKE(5, 6);

/* So many ms pass (or, negative: Redis's clock steps back by as much): all deadlines and due times
 * of the queue, and its clock; or the times in one provider's hash. */
void rig_age_queue(struct rig *r, int64_t ms);
void rig_age_provider(struct rig *r, const char *key, int64_t ms);

/* Fails the running test at that line unless a is b. */
void rig_same(const char *file, int line, const char *what, const char *got, const char *want);

#endif

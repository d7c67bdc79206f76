/* keys.h - the one place that knows the names of Redis keys (lua/README.md: the keys).
 *
 * Keys are built once per queue or provider, and once per mail for its status. */
#ifndef REDIS_KEYS_H
#define REDIS_KEYS_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"

#define KEYS_MAX_NAME 256  /* bytes of an idempotency key (job.h checks it) */
#define KEYS_MAX_QUEUE 128 /* bytes of a queue's name */

/* The family of one queue; all in the slot of `list`, whose name is their hash tag. */
struct queue_keys {
	char *list;     /* mail:queue               list   what users push to */
	char *arrivals; /* {mail:queue}:arrivals    list   what a doorbell moved */
	char *jobs;     /* {mail:queue}:jobs        hash   id → payload */
	char *leases;   /* {mail:queue}:leases      zset   id → deadline, ms */
	char *delayed;  /* {mail:queue}:delayed     zset   id → due, ms */
	char *claims;   /* {mail:queue}:claims      hash   id → "claims" or "claims:adoptions" */
	char *dead;     /* {mail:queue}:dead        zset   id → when, ms */
	char *events;   /* {mail:queue}:events      stream */
	char *clock;    /* {mail:queue}:clock       hash   when the queue was last claimed from */
	char *stats;    /* {mail:queue}:stats       hash   what became of its mails, counted */
	char *archive;  /* {mail:queue}:archive     hash   how far the archivers have read the events */
};

/* name: 1 to KEYS_MAX_QUEUE printable characters, no braces, no spaces, no commas, no asterisk. */
bool queue_keys_make(struct queue_keys *k, const char *name, struct error *err) MUST_CHECK;
void queue_keys_free(struct queue_keys *k);

/* {mail:queue}:sent:<id>   string   a sent job's payload, kept for KEEP_SENT; a new string (mem_free) */
char *queue_keys_sent(const struct queue_keys *k, const char *id) MUST_CHECK;

/* Names under the prefix; new strings (mem_free). */
char *keys_status(const char *prefix, const char *key) MUST_CHECK;      /* mail:status:<key> */
char *keys_provider(const char *prefix, const char *name) MUST_CHECK;   /* mail:provider:<name> */
char *keys_workers(const char *prefix) MUST_CHECK;                      /* mail:workers */
char *keys_worker(const char *prefix, const char *name) MUST_CHECK;     /* mail:worker:<name> */
char *keys_queues(const char *prefix) MUST_CHECK;                       /* mail:queues */
char *keys_control(const char *prefix) MUST_CHECK;                      /* mail:control */
char *keys_client(const char *prefix, const char *client) MUST_CHECK;   /* mail:limit:client:<client> */
char *keys_webhooks(const char *prefix) MUST_CHECK;                     /* mail:webhooks: their queue's name */
char *keys_webhooks_disabled(const char *prefix) MUST_CHECK;            /* {mail:webhooks}:disabled */
char *keys_ready(const char *prefix) MUST_CHECK;                        /* mail:ready */
char *keys_stats(const char *prefix) MUST_CHECK;                        /* mail:stats */

/* The fields of mail:control are one of these, a colon, and the name of the queue or provider. */
#define KEYS_PAUSE_QUEUE "pause:queue"
#define KEYS_PAUSE_PROVIDER "pause:provider"
#define KEYS_WEIGHT_PROVIDER "weight:provider"
#define KEYS_RESET_PROVIDER "reset:provider"

/* Redis Cluster's slot of a key: CRC16-XMODEM of the hash tag, or of the whole key, mod 16384
 * (the Redis Cluster specification, "Hash tags"). */
unsigned keys_slot(const char *key, unsigned long len);

#endif

/* sync.h - a blocking connection for one-shot commands (send, status, dead, queues), over the same
 * configuration. Fails at once, with one clear line, when Redis cannot be reached: those commands
 * exit 3. Workers and the API never use it. */
#ifndef REDIS_SYNC_H
#define REDIS_SYNC_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/command.h"
#include "redis/topology_config.h"
#include "redis/script.h"

struct sync;
/* NULL: err says which server and why. Authenticated, and the database selected. */
struct sync *sync_open(const struct topology_config *config, struct error *err) MUST_CHECK;
void sync_close(struct sync *s); /* NULL is fine */

/* Runs the command and returns its reply (freeReplyObject), or NULL with err filled for a lost
 * connection and for an error reply alike (err has the error's text, and what a person can do). A script that the server
 * does not know is loaded and the command repeated; nothing else is. */
redisReply *sync_run(struct sync *s, struct command *c, struct error *err) MUST_CHECK;

/* The same for n commands at once, without waiting for one's reply before the next is sent:
 * replies[i] is that of commands[i], also when it is an error (REDIS_REPLY_ERROR; the others were still
 * run); all are the caller's. False: there are no replies; err says why, as of sync_run. */
bool sync_run_all(struct sync *s, struct command *commands, size_t n, redisReply **replies,
                  struct error *err) MUST_CHECK;

/* Whether the connection is lost: the last sync_run failed for that (exit 3), not by an error
 * reply, and all that follow will. */
bool sync_lost(const struct sync *s) MUST_CHECK;

#endif

/* link.h - one asynchronous connection to one Redis server, on libev.
 *
 * Keeps itself connected: TCP or a unix socket, AUTH, SELECT, CLIENT SETNAME, a check that the
 * server is a master, and SCRIPT LOAD of every script; then on_change(up) is told. When the
 * connection breaks, or a command has had no answer within its deadline, every command in flight is
 * answered LINK_LOST, on_change(down) is told, and it connects again after a backoff with full
 * jitter (50 ms doubling to 5 s; where the configuration is refused, as by a wrong password, always
 * 5 s). The log says so once per outage, not per try.
 *
 * When the server answers, but not as it should (LINK_AGAIN), the link goes down and keeps the
 * connection: what is in flight still gets its own answers, and it asks again, with the same
 * backoff, until the server is well.
 *
 * Each command is answered exactly once, in order, also when the link is closed (LINK_LOST). A
 * command is never repeated here: whoever sent it holds what it needs to send it again. When an
 * answer is LINK_LOST or LINK_AGAIN the link is down already, so that sending from within that call
 * is refused; on_change(down) comes after these answers.
 *
 * What is sent in one turn of the loop leaves in one write at its end: by an ev_prepare watcher of
 * the lowest priority, so that others may still send from theirs.
 *
 * hiredis frees its context by itself after a disconnect and after a failed connect; this module
 * never touches one after that. hiredis 0.14 has no timeouts for async commands: they are ours. */
#ifndef REDIS_LINK_H
#define REDIS_LINK_H

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/command.h"

/* What an answer means for the one who asked. */
enum link_result {
	LINK_OK,      /* `reply` is the answer */
	LINK_AGAIN,   /* not executed; ask again when the link is up (LOADING, BUSY, NOSCRIPT,
	               * READONLY, MASTERDOWN, CLUSTERDOWN, TRYAGAIN …): the link goes down until the
	               * server answers as it should; for NOSCRIPT the scripts are loaded again first */
	LINK_LOST,    /* nobody knows whether it was executed: EOF, reset, deadline */
	LINK_NOMEM,   /* OOM: not executed; what frees memory still works */
	LINK_REFUSED, /* NOREPLICAS, MISCONF: nothing can be written now */
	LINK_CONFIG,  /* NOAUTH, NOPERM, WRONGPASS, CROSSSLOT: somebody must change something */
	LINK_ERROR,   /* any other error reply, e.g. WRONGTYPE of one command, an error in a script */
};

/* reply: valid only during the call; NULL for LINK_LOST. Error texts are in reply->str. */
typedef void link_fn(void *data, enum link_result result, const redisReply *reply);

struct link_config {
	char *host; /* NULL when `path` is set, or when link_aim will say it */
	int port;
	char *path;     /* of a unix socket */
	char *user;     /* "" none */
	char *password; /* "" none */
	int database;
	int timeout_ms; /* to connect, and for each command's answer; 5000 until it is set */
	char *name;     /* CLIENT SETNAME; "" none; mem_free'd by link_config_free */
	struct ssl_ctx_st *tls; /* NULL: none (secure.h) */
	bool bare;      /* any server will do, also a replica or a Sentinel: no ROLE, no scripts */
	bool quiet;     /* what becomes of the connection is logged at debug only */
	bool cluster;   /* a node of a cluster: what it says of a slot (MOVED, ASK, TRYAGAIN, CLUSTERDOWN)
	                 * is LINK_AGAIN for the one who asked, and the link stays up */
};

/* All strings are copied, tls is shared; `to` is overwritten. */
void link_config_copy(struct link_config *to, const struct link_config *from);
void link_config_free(struct link_config *c);
char *link_config_where(const struct link_config *c) MUST_CHECK; /* for people: host:port, or the path; a new string */

/* on_change: told of each change, from the loop, never from within link_open or link_close. */
struct link;
struct link *link_open(struct ev_loop *loop, const struct link_config *config,
                       void (*on_change)(void *data, bool up),
                       void *data) MUST_CHECK; /* config is copied; never NULL; connects by itself */
/* Answers LINK_LOST to what is in flight, then frees. May be called from within a link_fn and from
 * on_change. */
void link_close(struct link *l);
bool link_up(const struct link *l);

/* From now on the server is there. Does nothing when that is known already; otherwise the connection
 * is given up (what is in flight is answered LINK_LOST, soon) and a new one is made at once. */
void link_aim(struct link *l, const char *host, int port);

/* Sends a command. False: the link is down, nothing was sent and fn will not be called.
 * deadline_ms 0: the link's own; a blocking command gives its own, and what is sent behind it has
 * its time from when that is answered. Aborts on a command past COMMAND_MAX_BYTES:
 * batches are bounded by who makes them. */
bool link_send(struct link *l, struct command *c, int deadline_ms, link_fn *fn, void *data) MUST_CHECK;

/* Counters since the start. */
struct link_stats {
	uint64_t commands;   /* sent by link_send */
	uint64_t errors;     /* of these, answered with an error */
	uint64_t reconnects; /* how often it came up again after the first time */
	size_t in_flight;
};
void link_stats(const struct link *l, struct link_stats *out);

/* The class of an error reply's text. Redis 6.2 wraps the error of a script's redis.call into a
 * longer text, so the whole text of a script's error is searched. Also for errors that a script
 * caught and returned singly. */
enum link_result link_classify(const char *error, size_t len);

#endif

/* session.h - one connection to an SMTP server: a state machine on the loop.
 *
 * Life: opened for an envelope; resolves (the pool does that), connects, greets, TLS, AUTH
 * (handshake.c); then one envelope after the other (transaction.c), idle between them; closed.
 * Whatever ends an envelope is recorded (smtp_session_over), and acted upon in one place, when the
 * loop next comes by: that is what keeps callbacks out of begin, release and abandon.
 *
 * With an envelope's dot the next one's commands go out in the same write, if there is one that
 * waits (`behind`): RFC 2920 3.1 lets the end of a message begin a group. Their replies are only
 * looked at after the dot's, when the envelope behind has become the session's own. Until then
 * nothing has been asked of the server that it could act on (no text, no dot), so whatever happens
 * to the connection, the envelope behind is moved to another one, and nobody is told.
 *
 * The pool owns sessions and is told by smtp_client's functions. A session frees itself after the
 * on_end in which it is SMTP_CLOSED. */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "smtp/caps.h"
#include "smtp/config.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"
#include "smtp/resolver.h"
#include "smtp/stuffing.h"
#include "smtp/tls.h"
#include "smtp/transport.h"

#define SMTP_IN_SIZE (2 * REPLY_MAX_LINE)

struct smtp_session;

/* What the sessions of one pool share. All calls come from the loop. */
struct smtp_client {
	struct ev_loop *loop;
	const struct smtp_config *config;
	struct smtp_tls *tls; /* NULL when the mode is NONE */
	struct buf scratch;   /* for building command lines */
	void (*on_rcpt)(struct smtp_session *s, size_t i, const struct smtp_reply *reply);
	void (*on_held)(struct smtp_session *s);
	/* The envelope is over (e not NULL), or the session has become idle or closed without one;
	 * s->phase is SMTP_IDLE or SMTP_CLOSED; or SMTP_RSET, when it goes on with the one behind. */
	void (*on_end)(struct smtp_session *s, struct smtp_envelope *e, struct smtp_result *r);
	/* An envelope that may go behind this one's dot; NULL: none. It is the session's from here. */
	struct smtp_envelope *(*next)(struct smtp_session *s);
	/* The envelope behind was taken off again; it can be sent by any other session. */
	void (*on_back)(struct smtp_session *s, struct smtp_envelope *e);
	void *data;
};

struct smtp_session {
	struct smtp_client *client;
	struct smtp_transport transport;
	enum smtp_phase phase;
	ev_timer timer;   /* the phase's deadline */
	int64_t limit_us; /* the deadline of several phases together (CLOCK_MONOTONIC); 0 none */

	struct smtp_addresses addresses;
	size_t address; /* the one that is being tried, or was connected to */
	bool connected;
	struct smtp_caps caps;
	enum smtp_mechanism mechanism;
	unsigned challenges; /* answered in this AUTH */

	char in[SMTP_IN_SIZE]; /* what has come in and is not a whole reply yet */
	size_t in_len;
	bool unread;             /* there may be more to be read at once */
	struct smtp_reply reply; /* the one that is being read */

	/* the envelope */
	struct smtp_envelope *envelope; /* NULL: none */
	struct smtp_stuffing stuffing;
	size_t rcpt;     /* whose reply comes next */
	size_t accepted; /* recipients */
	bool answered;   /* something but 421 was answered to this envelope */
	bool reused;     /* it is not the connection's first */
	bool decided;    /* `result` is final, but replies to what was pipelined are still to come */
	bool followed;   /* its commands went out with the dot of the one before */
	int64_t held_us; /* since when */

	struct smtp_envelope *behind; /* its commands have gone out with the dot; NULL: none */
	int64_t released_us;          /* when the dot left */

	bool over;                 /* `result` says how it ended; to be acted upon */
	struct smtp_result result; /* of the envelope, or of the connection */

	bool need_rset;   /* the server may still have a transaction open */
	bool out_of_step; /* a command sent now would be taken for something else: no QUIT, no reuse */
	unsigned served;  /* envelopes so far */
	unsigned errors;  /* 4xx and 5xx replies so far */
	bool busy;        /* in its event handler: not to be freed */

	/* the pool's */
	struct smtp_session *next, *prev;
	bool idle;       /* which of its lists it is in */
	int64_t idle_us; /* since when */
};

/* For the pool. */

/* A new session in SMTP_RESOLVE; e is its first envelope, NULL: it has none (a probe). */
struct smtp_session *smtp_session_open(struct smtp_client *c, struct smtp_envelope *e) MUST_CHECK;
/* The answer to SMTP_RESOLVE. */
void smtp_session_connect(struct smtp_session *s, const struct smtp_addresses *found);
void smtp_session_unresolved(struct smtp_session *s, const char *why);
/* Starts an envelope on an idle session. */
void smtp_session_begin(struct smtp_session *s, struct smtp_envelope *e);
/* The dot leaves, unless something has come in meanwhile (then on_end tells). */
void smtp_session_release(struct smtp_session *s);
/* The envelope is taken away. True: the connection was closed for it, and s is no more. */
bool smtp_session_abandon(struct smtp_session *s) MUST_CHECK;
/* The envelope behind is taken away: the session ends with the one that it has. */
void smtp_session_forget(struct smtp_session *s);
/* Closes an idle session, with a QUIT that is not waited for; s is no more. */
void smtp_session_quit(struct smtp_session *s);

/* For handshake.c and transaction.c. */

/* The one place where the phase changes. ms: its deadline, 0 none. */
void smtp_session_enter(struct smtp_session *s, enum smtp_phase phase, long ms);
/* The same phase has so long from now: something has moved. */
void smtp_session_extend(struct smtp_session *s, long ms);
/* From now on phases have so long in all; 0: no such limit. */
void smtp_session_limit(struct smtp_session *s, long ms);
/* Sends what is in the shared scratch buffer, and clears it. */
void smtp_session_send(struct smtp_session *s);
/* Records how it ended, unless that was decided before. why may be NULL. */
void smtp_session_over(struct smtp_session *s, enum smtp_end end, const char *why);
/* What was recorded stays, though the replies to what was pipelined are not in yet. */
void smtp_session_decided(struct smtp_session *s);
/* Records that this reply to the present phase ended it. */
void smtp_session_refused(struct smtp_session *s, const struct smtp_reply *reply);
void smtp_session_lost(struct smtp_session *s);
/* The handshake is through: the waiting envelope starts, or the session is idle. */
void smtp_session_ready(struct smtp_session *s);

#endif

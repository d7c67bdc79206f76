/* envelope.h - one message on its way to one server, and how that ended.
 *
 * The caller fills it and keeps it until its on_end (or until it was abandoned); it may then be
 * filled and sent again. Nothing here knows of jobs, providers or outcomes: those are the caller's
 * (src/provider/smtp.c). */
#ifndef SMTP_ENVELOPE_H
#define SMTP_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "smtp/caps.h"
#include "smtp/reply.h"

struct smtp_session;

/* Where a connection is. The order is that of a dialogue; BODY and later belong to a message. */
enum smtp_phase {
	SMTP_RESOLVE,
	SMTP_CONNECT,
	SMTP_HANDSHAKE, /* TLS, implicit or after STARTTLS */
	SMTP_GREETING,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_IDLE,
	SMTP_RSET,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BODY,     /* everything but the final dot is being sent */
	SMTP_HELD,     /* all of that has left; waiting to be released */
	SMTP_FINAL,    /* the dot has been sent: the point of no return */
	SMTP_LONE_DOT, /* DATA was answered 354 although no recipient was accepted */
	SMTP_CLOSED,
	SMTP_PHASE_N
};

const char *smtp_phase_name(enum smtp_phase phase);

enum smtp_end {
	SMTP_END_REPLY,      /* `reply` to `phase` decided: 2xx to the dot is success, else a refusal */
	SMTP_END_RCPTS,      /* no recipient was accepted; on_rcpt has told of each */
	SMTP_END_DNS,        /* the host's name could not be resolved */
	SMTP_END_CONNECT,    /* no address could be connected to */
	SMTP_END_LOST,       /* the connection broke */
	SMTP_END_TIMEOUT,    /* no reply in time */
	SMTP_END_PROTOCOL,   /* what came is no SMTP, or no answer to what was asked */
	SMTP_END_TLS,        /* TLS is not offered, failed, or the certificate is not the host's */
	SMTP_END_AUTH,       /* no mechanism in common, or credentials would go in clear text */
	SMTP_END_TOO_LARGE,  /* over the SIZE that the server announced: not tried */
	SMTP_END_NO_UTF8,    /* needs SMTPUTF8, which is not offered: not tried */
	SMTP_END_NO_8BIT,    /* needs 8BITMIME, which is not offered: not tried */
	SMTP_END_BAD_ADDRESS /* an address would break the command line: not tried */
};

#define SMTP_MAX_WHY 128

struct smtp_result {
	enum smtp_end end;
	enum smtp_phase phase;   /* where it ended */
	bool last_byte_left;     /* some byte of the final dot may have left, and no reply has come */
	bool held_long;          /* the caller held it so long that the server had cause to give up */
	unsigned busy;           /* how many connections in a row were greeted with 421 */
	struct smtp_reply reply; /* zeroed unless end is SMTP_END_REPLY */
	char why[SMTP_MAX_WHY];  /* one sentence where there is no reply; "" otherwise */
};

struct smtp_envelope {
	/* the caller's */
	const char *from; /* "" for the null sender */
	const char **to;  /* n_to addresses, in UTF-8 */
	size_t n_to;
	bool utf8;          /* an address is not ASCII */
	struct buf message; /* lines end in CRLF, not dot-stuffed; emptied once it has left */
	void *data;

	/* the client's */
	struct smtp_session *session; /* NULL: not on its way, or waiting for a connection */
	struct smtp_envelope *next;   /* of those that wait */
	bool eightbit;                /* smtp_envelope_8bit */
	bool restarted;               /* has been moved to a fresh connection once */
	int64_t taken_us;             /* CLOCK_MONOTONIC: when its turn came, after the line and the dot before; a
	                               * connection that is opened for it is part of its time */
};

/* The calls are made from the loop only, never from within smtp_pool_send, _release or _abandon. */
struct smtp_events {
	/* The reply to recipient i. Never called once everything has been told by on_end. */
	void (*on_rcpt)(struct smtp_envelope *e, size_t i, const struct smtp_reply *reply);
	/* All but the final dot has left. */
	void (*on_held)(struct smtp_envelope *e);
	/* Over. The envelope is the caller's again; it may be sent again from here. */
	void (*on_end)(struct smtp_envelope *e, const struct smtp_result *r);
};

/* Can these addresses stand in MAIL and RCPT? The mail module has checked them where they came in;
 * here is the last door, so that none can smuggle a command. */
bool smtp_envelope_valid(const struct smtp_envelope *e) MUST_CHECK;

/* Is there a byte above 127 in the message? */
bool smtp_envelope_8bit(const struct smtp_envelope *e);

/* Append the command lines, with their CRLF. */
void smtp_envelope_mail(struct buf *out, const struct smtp_envelope *e, const struct smtp_caps *caps,
                        bool eightbit);
void smtp_envelope_rcpt(struct buf *out, const struct smtp_envelope *e, size_t i);

#endif

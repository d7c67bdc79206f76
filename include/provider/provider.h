/* provider.h - what delivers: the one interface that every provider implements.
 *
 * A delivery is handed to a provider, which connects and sends everything but the last byte of the
 * message, then calls on_ready and holds. The worker asks Redis to `begin` and answers with
 * provider_release (the last byte leaves: the point of no return) or provider_abandon (it never
 * will). No server acts on a message before its last byte (lua/README.md: the life of a job), so a worker that dies while
 * holding has harmed nothing.
 *
 *    provider_send ──▶ on_ready ──▶ provider_release ──▶ on_done
 *         │                └──────▶ provider_abandon          (no on_done)
 *         └──▶ on_done   (before on_ready: never OUTCOME_SENT and never OUTCOME_UNKNOWN)
 *    after on_ready and before release, on_done may come too (the connection broke): likewise.
 *
 * Callbacks are always made from the event loop, never from inside provider_send, _release or
 * _abandon; from within a callback all three may be called. Everything runs in one thread on one
 * libev loop. */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "base/uri.h"
#include "mail/job.h"
#include "mail/outcome.h"

struct provider;

#define PROVIDER_MAX_TIER 1000
#define PROVIDER_MAX_WEIGHT 1000
#define PROVIDER_NO_TIER (-1)

/* One attempt. The worker owns it and keeps it alive until on_done or provider_abandon. */
struct delivery {
	const struct job *job;
	const char *message_id; /* with its angle brackets */
	const char *key; /* the mail's status key: what a provider's own idempotency goes by */
	int64_t date_ms; /* for the Date header */
	/* job->n_rcpts of them; only RCPT_PENDING and RCPT_DEFERRED are to be sent to; the provider
	 * writes the new states before on_done. They count only when that says SENT, RETRY,
	 * THROTTLED or REJECTED. Some accepted: SENT. None accepted, some deferred: RETRY. All
	 * refused: REJECTED. */
	struct rcpt_result *rcpts;
	void (*on_ready)(struct delivery *d);
	void (*on_done)(struct delivery *d, const struct outcome *o);
	/* CLOCK_MONOTONIC, us: since when the provider has been at it. provider_send sets it; a type in which deliveries
	 * wait sets it again, before on_ready and on_done, to when this one's turn came. */
	int64_t since_us;
	void *data; /* the worker's */
	void *impl; /* the provider's, NULL outside of a delivery */
};

/* A harmless question to a provider: are the credentials good, is it there? (postrider check) */
struct provider_check {
	/* From the loop, once. OUTCOME_SENT: all is well, and the text says what it answered. */
	void (*on_done)(struct provider_check *c, const struct outcome *o);
	void *data; /* the caller's */
};

struct provider_type {
	const char *scheme;        /* "smtp" */
	const char *const *params; /* of the DSN, besides the common ones; NULL-terminated */
	long concurrency;          /* where the DSN says nothing */
	long timeout_ms;           /* likewise */
	/* Reads its parameters from the DSN (uri_param) and returns its state, or NULL with err. */
	void *(*open)(struct provider *p, struct uri *dsn, struct error *err);
	void (*send)(struct provider *p, struct delivery *d);
	void (*release)(struct provider *p, struct delivery *d);
	void (*abandon)(struct provider *p, struct delivery *d);
	/* Closes idle connections and frees; only called when nothing is in delivery. */
	void (*close)(struct provider *p);
	size_t max_bytes; /* of a message; 0: not known beforehand */
	/* Why it cannot carry this mail whole, as in "Postmark takes one tag": a static text; NULL: it
	 * can. Optional; asked by provider_refuses. What only shows while sending (a server without
	 * SMTPUTF8) ends as CODE_UNSUPPORTED. */
	const char *(*refuses)(const struct provider *p, const struct job *job);
	/* How many deliveries it takes beyond its concurrency: they wait within it, so that a place that
	 * becomes free is not idle while the next permit is asked for. Optional. */
	size_t (*ahead)(const struct provider *p);
	/* Is this one of those that wait? Then to abandon it costs nothing. Together with `ahead`. */
	bool (*waits)(const struct delivery *d);
	/* Asks; on_done follows within connect and reply timeouts. Not a delivery: it takes no place.
	 * The provider is not closed before. Optional. */
	void (*check)(struct provider *p, struct provider_check *c);
};

struct provider {
	char *name;
	char *server; /* the host that it talks to, set by the type's open; "" none, or not known */
	int port;
	const struct provider_type *type;
	void *state; /* what open returned */
	struct ev_loop *loop;
	const struct options *options;
	/* common parameters of the DSN */
	int64_t interval_us; /* one mail per so many µs; 0: no limit */
	int64_t burst;       /* mails that may go at once; default a tenth of a second's worth */
	long concurrency;    /* deliveries at once; default 20 for smtp, 100 for http, 10000 for mock */
	long timeout_ms;     /* for the reply after the last byte; default 60000 (smtp: 600000, RFC
	                      * 5321 4.5.3.2.6) */
	long tier;           /* the lower ones first; one of its own where the DSN names none (registry.h) */
	long weight;         /* its share of the tier's mails; default 1, 0: only what the others cannot take */
	bool spills;         /* overflow=spill: what its rate or a throttling reply holds back may go elsewhere */

	long setup_ms; /* the longest before the last byte: set by the type's open */
	size_t in_use; /* deliveries now: kept here, not by the types */
};

/* Opens one provider from its DSN. NULL: err says what is wrong, without the secret. */
struct provider *provider_open(struct ev_loop *loop, const struct options *o, const char *name,
                               const char *dsn, struct error *err) MUST_CHECK;
void provider_close(struct provider *p); /* nothing may be in delivery */

/* Why it cannot carry this mail, from what is known beforehand (also its size); NULL: it can. */
const char *provider_refuses(const struct provider *p, const struct job *job);

void provider_send(struct provider *p, struct delivery *d);
void provider_release(struct provider *p, struct delivery *d);
void provider_abandon(struct provider *p, struct delivery *d);
size_t provider_room(const struct provider *p); /* how many deliveries it can take now */
/* It was sent, but has only to wait yet: abandoned, it leaves no trace. */
bool provider_waits(const struct provider *p, const struct delivery *d) MUST_CHECK;
/* The longest that a delivery can take, ms. */
long provider_longest_ms(const struct provider *p);

/* For the types: ends a delivery (in_use, impl) and calls on_done. */
void provider_done(struct provider *p, struct delivery *d, const struct outcome *o);

/* For the types: which server it talks to (for traces). */
void provider_talks_to(struct provider *p, const char *host, int port);

/* "50/s", "1000/m", "10000/h", "5/d" → µs between two mails. */
bool provider_parse_rate(const char *text, int64_t *interval_us, struct error *err) MUST_CHECK;

extern const struct provider_type provider_mock, provider_smtp, provider_smtps;
extern const struct provider_type provider_sendgrid, provider_mailgun, provider_ses, provider_postmark,
	provider_resend;

#endif

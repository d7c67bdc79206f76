/* task.h - one claimed job in the hands of this worker, from claim to settle.
 *
 * A claim makes at most one attempt: whatever comes of it is written to the mail's status (finish) and
 * settles the claim; a retry is a new claim, by any worker. All that must survive is in Redis; a
 * task is only what this claim needs.
 *
 * A task is in exactly one place at a time: an outbox that waits for the end of the loop's turn, a
 * batch on its way to Redis, a gate's line, or a provider's hands. Each outside wait ends in one
 * event; task_advance is the only function that acts on events, and task_set_state the only one
 * that changes the state. */
#ifndef FLEET_TASK_H
#define FLEET_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "fleet/history.h"
#include "fleet/policy.h"
#include "mail/job.h"
#include "mail/outcome.h"
#include "provider/provider.h"

struct gate;
struct queue;
struct trace;
struct webhook;
struct worker;

#define TASK_ID_LEN 16 /* hex digits: 64 random bits */
#define TASK_SOON_MS 5 /* what is due in less is due now */

/* Each state's line names what holds the job in Redis meanwhile: {queue}:leases and {queue}:jobs
 * throughout; and what the mail's status says. */
enum task_state {
	TASK_CLAIMED,   /* just arrived; status: whatever it was, or none */
	TASK_PEEKING,   /* asks what earlier claims left (peek.lua) */
	TASK_ASKING,    /* asks whether the job that owns the key still exists */
	TASK_PARKED,    /* in a gate's line for a permit; status: queued, scheduled, retrying or none */
	TASK_SENDING,   /* the provider sends all but the last byte; status as before */
	TASK_BEGINNING, /* held before the last byte, asks for ownership (begin.lua) */
	TASK_RELEASED,  /* the last byte may have left; status: sending, under this token */
	TASK_FINISHING, /* writes what became of it (finish.lua) */
	TASK_NOTIFYING, /* puts a webhook into its queue (notify.lua); status: written */
	TASK_SETTLING,  /* ends the claim (settle.lua); status: written */
	TASK_STATES
};

enum task_event {
	TASK_ON_CLAIMED,
	TASK_ON_PEEKED,   /* verdict, history … are filled */
	TASK_ON_ASKED,    /* whether the rival's job is there is known: `rival` */
	TASK_ON_PERMIT,   /* the gate has a permit and a place for it */
	TASK_ON_READY,    /* the provider holds the last byte */
	TASK_ON_BEGUN,    /* verdict is filled */
	TASK_ON_DONE,     /* outcome is filled */
	TASK_ON_FINISHED, /* verdict is filled */
	TASK_ON_NOTIFIED,
	TASK_ON_SETTLED,
	TASK_ON_LOST,     /* a renewal was refused: another worker has it */
	TASK_ON_OVERDUE,  /* the provider has held the last byte for too long (Redis is away) */
	TASK_ON_REROUTE,  /* its gate has shut, or another has opened, or the worker ends: if it only waits yet */
};

/* The answers of the scripts that look at a status (lua/status.lib.lua). */
enum task_verdict {
	VERDICT_NONE,
	VERDICT_OK, /* mine, ok */
	VERDICT_UNKNOWN,
	VERDICT_STALE,
	VERDICT_FINAL,
	VERDICT_DUPLICATE,
	VERDICT_RIVAL,
	VERDICT_CONFLICT,
	VERDICT_LATE,
	VERDICT_FOREIGN,
	VERDICT_WHOLE, /* asked again, with the mail's identity: no task sees it */
	VERDICT_ERROR,
};

/* What kind of claim it is (claim.lua). */
enum task_kind { TASK_NEW, TASK_AGAIN, TASK_BIG, TASK_POISON };

struct task {
	TAILQ_ENTRY(task) place; /* the one place it is in, when that is a list */
	TAILQ_ENTRY(task) lease; /* its queue's tasks, the oldest lease first */
	struct worker *worker;
	struct queue *queue;
	enum task_state state;
	enum task_kind kind;
	char id[TASK_ID_LEN + 1];
	int64_t token;
	int64_t lease_until; /* boot clock, µs: until then nobody else can have it */
	int64_t renew_asked; /* boot clock, µs, of the renewal on its way; 0 none */
	int64_t state_since; /* boot clock, µs; only of TASK_BEGINNING, and where there is a trace */
	int64_t claimed_at;  /* boot clock, µs */
	bool adopted;        /* its last worker died with it in its hands, or was away */
	bool suspect;        /* that was not the first one: it may be what kills them */
	bool lost;           /* a renewal was refused: it belongs to another now */

	struct webhook *webhook; /* of a webhook's job, which has no mail: webhook.h; else NULL */
	struct trace *trace;     /* its place in a trace: trace.h; NULL none */
	struct job *job; /* NULL when it is not valid */
	char *status_key;  /* mail:status:<key>, or …:auto-<id> */
	const char *key;   /* points into status_key; of a webhook, whose status is another: its mail's */
	size_t key_at;     /* where */
	char *owner;       /* "<queue>#<id>" */
	char *rival;       /* owner to ask about, then "alive" or the owner that is gone; "" none */

	enum task_verdict verdict;
	char verdict_text[64]; /* the status that goes with it */
	struct history history;
	int64_t created_at; /* Redis's clock, ms; 0: the status is not written yet */
	int64_t due_at;     /* next_attempt_at as stored; 0 none */
	char *recipients;   /* as stored, NULL none */
	char last_error[POLICY_MAX_ERROR]; /* as stored: "code: text"; "" none */

	struct gate *gate;
	int64_t generation; /* of the breaker when the permit was given */
	bool begun;         /* begin was asked for: the status may say sending */
	bool delivering;    /* the provider has it */
	bool unconfirmed;    /* begun, but too few replicas know of it (FENCE_REPLICAS) */
	bool released;      /* the last byte may have left */
	bool whole;         /* its status may not know it any more: finish tells its identity again */
	int unwritten;      /* how often too few replicas knew what became of it */
	bool over;          /* outcome is filled; only begin's answer is awaited */
	struct delivery delivery;
	int64_t took_us; /* from delivery.since_us to the provider's answer */
	struct outcome outcome;

	/* what finish and settle write */
	struct decision decision;
	bool notified;      /* its webhook is in the queue */
	bool telling;       /* of what an adopted job's last worker did; then it goes on */
	bool settle_lost;   /* settle's answer was lost: `gone` may be our own doing */
	char *note_key;     /* of a job that is not read: the status under its own key, where its reason is noted, too; NULL none or done */
	bool noting;        /* that is being written */
};

TAILQ_HEAD(task_list, task);

const char *task_state_name(enum task_state s);
void task_set_state(struct task *t, enum task_state s);

/* The task belongs to the queue until it is settled. */
struct task *task_new(struct worker *w, struct queue *q, const char *id, int64_t token, enum task_kind kind) MUST_CHECK;
void task_free(struct task *t);

void task_advance(struct task *t, enum task_event event);

/* Since when could its mail have been sent (accepted, first claimed, sendAt)? Redis's clock, ms. */
int64_t task_since(const struct task *t);

/* What mails and webhooks have in common. */
void task_name_auto(struct task *t); /* its status is mail:status:auto-<id> */
void task_drop(struct task *t, const char *event);    /* this worker has nothing more to do with it; logs why */

/* Parses the payload of a new task; then TASK_ON_CLAIMED may be raised. */
void task_parse(struct task *t, const char *payload, size_t len);

#endif

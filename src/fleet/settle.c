#include "fleet/settle.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/timeline.h"
#include "redis/script.h"

static const char *const action_names[] = {
	[SETTLE_ACK] = "ack",
	[SETTLE_KEEP] = "keep",
	[SETTLE_DELAY] = "delay",
	[SETTLE_BURY] = "bury",
};

void settle_add(struct queue *q, struct task *t)
{
	TAILQ_INSERT_TAIL(&q->settling, t, place);
	q->n_settling++;
}

/* What this worker has put off is taken up in time, whoever else may be asleep. at: Redis's clock, ms. */
static void wake_by(struct queue *q, int64_t at)
{
	int64_t boot = redis_clock_to_boot(&q->clock, at);

	if (q->wake_at == 0 || boot < q->wake_at)
		q->wake_at = boot;
}

struct settle_batch {
	struct queue *queue;
	size_t n;
	struct task *tasks[];
};

static enum task_verdict verdict_read(const redisReply *r, bool lost)
{
	if (r->type == REDIS_REPLY_STRING && strcmp(r->str, "stale") == 0)
		return VERDICT_STALE;
	if (r->type == REDIS_REPLY_STRING && strcmp(r->str, "gone") == 0 && !lost)
		return VERDICT_LATE; /* another has settled it */
	return VERDICT_OK;
}

static void on_settled(void *data, enum link_result result, const redisReply *reply)
{
	struct settle_batch *b = data;
	struct queue *q = b->queue;

	q->settles_in_flight -= b->n;
	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != b->n) {
		for (size_t i = b->n; i-- > 0;) {
			b->tasks[i]->settle_lost = b->tasks[i]->settle_lost || result == LINK_LOST;
			TAILQ_INSERT_HEAD(&q->settling, b->tasks[i], place);
			q->n_settling++;
		}
		if (result != LINK_LOST && result != LINK_AGAIN) {
			q->hold_until = clock_boot_us() + QUEUE_HOLD_US;
			log_warn("not_settled", LOG_STR("queue", q->keys.list),
			         LOG_INT("mails", (int64_t)b->n),
			         LOG_STR("error", reply ? reply->str : NULL));
		}
		mem_free(b);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		const redisReply *r = reply->element[i];
		if (b->tasks[i]->decision.settle == SETTLE_DELAY)
			wake_by(q, b->tasks[i]->decision.at);
		b->tasks[i]->verdict = verdict_read(r, b->tasks[i]->settle_lost);
		task_advance(b->tasks[i], TASK_ON_SETTLED);
	}
	mem_free(b);
}

/* The head of a call for the first n: its keys. */
static void add_keys(struct queue *q, size_t n)
{
	struct command *c = &q->command;
	size_t kept = 0, i = 0;
	const struct task *t;

	for (t = TAILQ_FIRST(&q->settling); t && i < n; t = TAILQ_NEXT(t, place), i++)
		kept += t->decision.settle == SETTLE_KEEP;
	script_command(c, SCRIPT_SETTLE, 6 + kept);
	command_str(c, q->keys.jobs);
	command_str(c, q->keys.leases);
	command_str(c, q->keys.delayed);
	command_str(c, q->keys.claims);
	command_str(c, q->keys.dead);
	command_str(c, q->keys.events);
	i = 0;
	for (t = TAILQ_FIRST(&q->settling); t && i < n; t = TAILQ_NEXT(t, place), i++) {
		char *name;

		if (t->decision.settle != SETTLE_KEEP)
			continue;
		name = queue_keys_sent(&q->keys, t->id);
		command_str(c, name);
		mem_free(name);
	}
}

/* What goes with a settle: when it is due, when it died, how long it is kept; ms. */
static int64_t time_of(const struct queue *q, const struct decision *d)
{
	if (d->settle == SETTLE_DELAY)
		return d->at;
	if (d->settle == SETTLE_KEEP)
		return q->options->keep_sent * 1000;
	return redis_clock_now(&q->clock);
}

/* Was the job claimed once, and is it done with? */
static bool is_plain(const struct task *t)
{
	return t->token == 1 && t->decision.settle == SETTLE_ACK;
}

/* What settle.lua gets of them, packed: their ids, those that are not plain, the events. */
static void add_jobs(struct queue *q, const struct settle_batch *b)
{
	struct command *c = &q->command;
	size_t others = 0;

	command_pack_number(c, b->n);
	for (size_t i = 0; i < b->n; i++) {
		command_arg(c, b->tasks[i]->id, TASK_ID_LEN);
		others += !is_plain(b->tasks[i]);
	}
	command_pack_number(c, others);
	for (size_t i = 0; i < b->n && others > 0; i++) {
		const struct task *t = b->tasks[i];

		if (is_plain(t))
			continue;
		command_pack_number(c, i + 1);
		command_int(c, t->token);
		command_str(c, action_names[t->decision.settle]);
		command_int(c, time_of(q, &t->decision));
	}
	for (size_t i = 0; i < b->n; i++)
		timeline_add_event(c, b->tasks[i]);
}

bool settle_flush(struct queue *q)
{
	size_t n = q->n_settling < QUEUE_MAX_BATCH ? q->n_settling : QUEUE_MAX_BATCH;
	struct settle_batch *b = mem_alloc(sizeof(*b) + n * sizeof(b->tasks[0]));
	struct command *c = &q->command;

	add_keys(q, n);
	command_int(c, q->options->events_max);
	b->queue = q;
	b->n = n;
	for (size_t i = 0; i < n; i++) {
		b->tasks[i] = TAILQ_FIRST(&q->settling);
		TAILQ_REMOVE(&q->settling, b->tasks[i], place);
	}
	command_pack(c);
	add_jobs(q, b);
	command_pack_end(c);
	q->n_settling -= n;
	if (!topology_send(q->redis, c, 0, on_settled, b)) {
		q->settles_in_flight += n;
		on_settled(b, LINK_LOST, NULL);
		return false;
	}
	q->settles_in_flight += n;
	return true;
}

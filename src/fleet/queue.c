#include "fleet/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/settle.h"
#include "fleet/trial.h"
#include "fleet/worker.h"
#include "redis/script.h"

#define QUEUE_BROKEN_US 5000000
#define QUEUE_SWEEP_IDS 100
#define QUEUE_JOB_BYTES 50     /* of the answer to a claim, beside a job's payload */
#define QUEUE_END_TICK_US 1000 /* --drain: the first pause, doubled up to the second */
#define QUEUE_END_MAX_TICK_US 100000

static int64_t lease_us(const struct queue *q)
{
	return q->options->lease_ms * 1000;
}

/* ---- the life of a queue ------------------------------------------------------------------ */

/* The loop turns, and with it the queue is flushed: that is all there is to do. */
static void queue_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

struct queue *queue_new(struct worker *w, struct ev_loop *loop, const char *name, long weight,
                        const struct options *o, struct topology *redis, struct error *err)
{
	struct queue *q = mem_zalloc(sizeof(*q));

	if (!queue_keys_make(&q->keys, name, err)) {
		mem_free(q);
		return NULL;
	}
	q->worker = w;
	q->loop = loop;
	q->weight = weight;
	q->options = o;
	q->redis = redis;
	q->tick_us = lease_us(q) / 3;
	q->appetite = QUEUE_MAX_BATCH;
	q->paused = true; /* until mail:control was read */
	TAILQ_INIT(&q->tasks);
	TAILQ_INIT(&q->settling);
	command_init(&q->command);
	ev_init(&q->timer, queue_on_timer);
	doorbell_open(&q->doorbell, redis, &q->keys, o);
	return q;
}

void queue_free(struct queue *q)
{
	struct task *t;

	if (!q)
		return;
	doorbell_close(&q->doorbell);
	while ((t = TAILQ_FIRST(&q->tasks)) != NULL)
		queue_remove(q, t);
	ev_timer_stop(q->loop, &q->timer);
	queue_keys_free(&q->keys);
	command_free(&q->command);
	mem_free(q);
}

void queue_remove(struct queue *q, struct task *t)
{
	TAILQ_REMOVE(&q->tasks, t, lease);
	q->n_tasks--;
	q->n_suspects -= t->suspect;
	task_free(t);
	if (q->watches_end && q->n_tasks == 0)
		queue_watch_end(q);
}

void queue_watch_end(struct queue *q)
{
	q->watches_end = true;
	q->tick_us = QUEUE_END_TICK_US;
	q->tick_at = 0;
}

void queue_drain(struct queue *q)
{
	q->draining = true;
	doorbell_close(&q->doorbell);
}

static void queue_reconnected(struct queue *q)
{
	struct task *t;

	TAILQ_FOREACH(t, &q->tasks, lease)
	t->lease_until = 0;
	q->tick_at = 0;
	q->dry = false;
}

void queue_command_exists(struct command *c, const char *owner)
{
	const char *hash = strrchr(owner, '#');
	struct queue_keys k;
	struct error err;
	char name[KEYS_MAX_QUEUE + 1];

	command_clear(c);
	command_str(c, "HEXISTS");
	if (hash && (size_t)(hash - owner) < sizeof(name)) {
		memcpy(name, owner, (size_t)(hash - owner));
		name[hash - owner] = '\0';
		if (queue_keys_make(&k, name, &err)) {
			command_str(c, k.jobs);
			command_str(c, hash + 1);
			queue_keys_free(&k);
			return;
		}
	}
	/* Not an owner of ours: nobody's job. */
	command_str(c, "{}:jobs");
	command_str(c, "");
}

/* ---- claims -------------------------------------------------------------------------------- */

static enum task_kind kind_read(const char *word)
{
	switch (word[0]) {
	case 'n':
		return TASK_NEW;
	case 'b':
		return TASK_BIG;
	case 'p':
		return TASK_POISON;
	default:
		return TASK_AGAIN;
	}
}

static bool reply_is_claim(const redisReply *r)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 7)
		return false;
	for (int i = 0; i < 4; i++) {
		if (r->element[i]->type != REDIS_REPLY_INTEGER)
			return false;
	}
	return r->element[4]->type == REDIS_REPLY_ARRAY &&
	       r->element[5]->type == REDIS_REPLY_ARRAY && r->element[5]->elements % 5 == 0 &&
	       r->element[6]->type == REDIS_REPLY_STRING;
}

/* As add_ids makes them. An owner is written as "<queue>#<id>" and read back. */
static bool is_id(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING && r->len == TASK_ID_LEN &&
	       strspn(r->str, "0123456789abcdef") == TASK_ID_LEN;
}

/* id, token, adoptions, kind, payload */
static bool reply_is_job(redisReply *const *f)
{
	return is_id(f[0]) && f[1]->type == REDIS_REPLY_INTEGER &&
	       f[2]->type == REDIS_REPLY_INTEGER && f[3]->type == REDIS_REPLY_STRING &&
	       f[4]->type == REDIS_REPLY_STRING;
}

static void queue_take(struct queue *q, redisReply *const *f, bool poison)
{
	struct task *t = task_new(q->worker, q, f[0]->str, f[1]->integer,
	                          poison ? TASK_POISON : kind_read(f[3]->str));

	t->lease_until = q->asked_at + lease_us(q);
	t->adopted = f[2]->integer > 0;
	t->suspect = f[2]->integer > 1 && f[2]->integer <= QUEUE_POISON_AFTER;
	q->n_suspects += t->suspect;
	if (t->adopted)
		stats_add(q->stats, STATS_ADOPTED, 0);
	TAILQ_INSERT_TAIL(&q->tasks, t, lease);
	q->n_tasks++;
	task_parse(t, f[4]->str, f[4]->len);
	task_advance(t, TASK_ON_CLAIMED);
}

/* Jobs of dead workers are tried out in a child first: the one that killed its worker is among them. */
static void queue_try_out(struct queue *q, redisReply *const *f, size_t n, bool *poison)
{
	struct trial_payload payloads[QUEUE_MAX_BATCH];
	size_t at[QUEUE_MAX_BATCH], tried = 0, done = 0;

	for (size_t i = 0; i < n; i++) {
		redisReply *const *job = &f[i * 5];
		if (!reply_is_job(job) || job[2]->integer == 0 ||
		    kind_read(job[3]->str) != TASK_AGAIN)
			continue;
		at[tried] = i;
		payloads[tried++] = (struct trial_payload){job[4]->str, job[4]->len};
	}
	while (done < tried) {
		done += trial_run(payloads + done, tried - done, q->options);
		if (done < tried)
			poison[at[done++]] = true;
	}
}

static void queue_take_all(struct queue *q, redisReply *const *f, size_t n)
{
	bool poison[QUEUE_MAX_BATCH];

	if (n > QUEUE_MAX_BATCH)
		n = QUEUE_MAX_BATCH;
	memset(poison, 0, sizeof(poison));
	if (q != q->worker->webhooks.queue)
		queue_try_out(q, f, n, poison);
	for (size_t i = 0; i < n; i++) {
		if (reply_is_job(&f[i * 5]))
			queue_take(q, &f[i * 5], poison[i]);
		else
			log_error("claim_unreadable", LOG_STR("queue", q->keys.list));
	}
}

/* The renewals of the last claim are answered: who is not among the lost has a new lease. */
static void queue_renewed(struct queue *q, const redisReply *lost)
{
	struct task *t, *next;

	for (t = TAILQ_FIRST(&q->tasks); t && q->renewing > 0; t = next) {
		next = TAILQ_NEXT(t, lease);
		if (t->renew_asked == 0)
			continue;
		for (size_t i = 0; i < lost->elements; i++)
			t->lost = t->lost || strcmp(lost->element[i]->str, t->id) == 0;
		if (!t->lost)
			t->lease_until = t->renew_asked + lease_us(q);
		t->renew_asked = 0;
		q->renewing--;
		TAILQ_REMOVE(&q->tasks, t, lease);
		TAILQ_INSERT_TAIL(&q->tasks, t, lease);
		if (t->lost)
			task_advance(t, TASK_ON_LOST);
	}
	q->renewing = 0;
}

static void queue_broken(struct queue *q)
{
	int64_t quarter = lease_us(q) / 4; /* its leases are renewed by the same call */

	q->broken_until = clock_boot_us() + (quarter < QUEUE_BROKEN_US ? quarter : QUEUE_BROKEN_US);
}

static void queue_failed(struct queue *q, enum link_result result, const redisReply *reply)
{
	struct task *t;

	TAILQ_FOREACH(t, &q->tasks, lease)
	t->renew_asked = 0;
	q->renewing = 0;
	if (result == LINK_LOST || result == LINK_AGAIN)
		return;
	queue_broken(q);
	log_error(
		"claim_failed", LOG_STR("queue", q->keys.list),
		LOG_STR("error", reply && reply->str ? reply->str : "an answer that is no claim"));
}

/* Of jobs like these: how many are answered in one piece? */
static size_t queue_piece(const redisReply *jobs)
{
	size_t n = jobs->elements / 5, bytes = n * QUEUE_JOB_BYTES, piece;

	for (size_t i = 0; i < n; i++)
		bytes += jobs->element[i * 5 + 4]->len;
	piece = n == 0 ? QUEUE_MAX_BATCH : QUEUE_CLAIM_BYTES * n / bytes;
	return piece < QUEUE_MIN_CLAIM ? QUEUE_MIN_CLAIM : piece;
}

/* Each job that is asked for costs its fresh id, whether it comes or not: an idle queue is asked for few, a
 * full one soon for as many as there are places. */
static void queue_learn(struct queue *q, const redisReply *jobs)
{
	size_t n = jobs->elements / 5, most = queue_piece(jobs);

	if (q->asked == 0)
		return;
	q->dry = n < q->asked;
	if (q->dry)
		q->appetite = 2 * n;
	else if (q->appetite < 4 * q->asked)
		q->appetite = 4 * q->asked;
	if (most > QUEUE_MAX_BATCH)
		most = QUEUE_MAX_BATCH;
	if (q->appetite < QUEUE_MIN_APPETITE)
		q->appetite = QUEUE_MIN_APPETITE;
	else if (q->appetite > most)
		q->appetite = most;
}

static void queue_on_claimed(void *data, enum link_result result, const redisReply *reply)
{
	struct queue *q = data;
	size_t n;

	q->claiming = false;
	if (result != LINK_OK || !reply_is_claim(reply)) {
		queue_failed(q, result, reply);
		return;
	}
	redis_clock_heard(&q->clock, reply->element[0]->integer);
	redis_clock_heard(&q->worker->clock, reply->element[0]->integer);
	queue_renewed(q, reply->element[4]);
	n = reply->element[5]->elements / 5;
	q->wake_at = reply->element[1]->integer == 0
	                     ? 0
	                     : redis_clock_to_boot(&q->clock, reply->element[1]->integer);
	q->waiting = (size_t)reply->element[2]->integer;
	q->waiting_known = true;
	queue_learn(q, reply->element[5]);
	if (reply->element[3]->integer == 1) {
		log_warn("redis_full", LOG_STR("queue", q->keys.list),
		         LOG_STR("error",
		                 "maxmemory is reached: nothing is claimed until memory is freed"));
		q->hold_until = clock_boot_us() + QUEUE_HOLD_US;
	}
	if (reply->element[6]->str[0] != '\0') {
		log_error("queue_unreadable", LOG_STR("queue", q->keys.list),
		          LOG_STR("error", reply->element[6]->str));
		queue_broken(q);
	}
	queue_take_all(q, reply->element[5]->element, n);
}

static bool renewal_due(const struct queue *q, const struct task *t, int64_t now)
{
	return !t->lost && t->lease_until - now <= lease_us(q) / 2;
}

static size_t queue_renewals_due(const struct queue *q, int64_t now)
{
	const struct task *t;
	size_t n = 0;

	TAILQ_FOREACH(t, &q->tasks, lease)
	{
		if (n == QUEUE_MAX_BATCH || (!t->lost && !renewal_due(q, t, now)))
			break;
		n += !t->lost;
	}
	return n;
}

static void add_renewals(struct queue *q, struct command *c, size_t n, int64_t now)
{
	struct task *t;

	q->renewing = n;
	TAILQ_FOREACH(t, &q->tasks, lease)
	{
		if (n == 0)
			break;
		if (t->lost)
			continue;
		t->renew_asked = now;
		command_str(c, t->id);
		command_int(c, t->token);
		n--;
	}
}

static void add_ids(struct command *c, size_t n)
{
	char id[TASK_ID_LEN + 1];

	for (size_t i = 0; i < n; i++) {
		struct line l = line_begin(id, sizeof(id));
		line_add_hex(&l, random_u64());
		command_arg(c, id, TASK_ID_LEN);
	}
}

static void queue_claim(struct queue *q, size_t slots, size_t renewals, int64_t now)
{
	struct command *c = &q->command;

	script_command(c, SCRIPT_CLAIM, 7);
	command_str(c, q->keys.list);
	command_str(c, q->keys.arrivals);
	command_str(c, q->keys.jobs);
	command_str(c, q->keys.leases);
	command_str(c, q->keys.delayed);
	command_str(c, q->keys.claims);
	command_str(c, q->keys.clock);
	command_int(c, q->options->lease_ms);
	command_int(c, (int64_t)slots);
	command_int(c, QUEUE_MAX_CLAIM_BYTES);
	command_int(c, q->options->max_job_bytes);
	command_int(c, QUEUE_POISON_AFTER);
	command_int(c, q->n_suspects == 0 ? 1 : 0);
	command_int(c, (int64_t)renewals);
	add_renewals(q, c, renewals, now);
	add_ids(c, slots);
	if (!topology_send(q->redis, c, 0, queue_on_claimed, q)) {
		queue_failed(q, LINK_LOST, NULL);
		return;
	}
	q->claiming = true;
	q->asked = slots;
	q->asked_at = now;
	if (slots > 0) {
		q->worker->gates.expecting |= q->doorbell.rang && q->places == 0;
		q->doorbell.rang = false;
	}
	q->tick_at = now + q->tick_us;
	if (q->watches_end)
		q->tick_us = q->tick_us < QUEUE_END_MAX_TICK_US / 2 ? q->tick_us * 2
		                                                    : QUEUE_END_MAX_TICK_US;
}

static bool queue_due(const struct queue *q, int64_t now)
{
	return q->doorbell.rang || !q->dry || (q->wake_at != 0 && now >= q->wake_at);
}

bool queue_hungry(const struct queue *q)
{
	int64_t now = clock_boot_us();

	return topology_serves(q->redis, q->keys.list) && !q->paused && !q->draining &&
	       !q->claiming && now >= q->broken_until && now >= q->hold_until &&
	       (queue_due(q, now) || now >= q->tick_at);
}

/* ---- the turn of the loop ---------------------------------------------------------------------- */

static void queue_on_swept(void *data, enum link_result result, const redisReply *reply)
{
	struct queue *q = data;

	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return;
	if (reply->element[0]->integer > 0) {
		log_warn("orphans_adopted", LOG_STR("queue", q->keys.list),
		         LOG_INT("jobs", reply->element[0]->integer));
		q->tick_at = 0;
	}
}

static void queue_sweep(struct queue *q, int64_t now)
{
	struct command *c = &q->command;

	/* All workers do it, each at its own moment. */
	q->sweep_at = now + lease_us(q) / 2 + (int64_t)random_below((uint64_t)lease_us(q));
	script_command(c, SCRIPT_SWEEP, 5);
	command_str(c, q->keys.jobs);
	command_str(c, q->keys.leases);
	command_str(c, q->keys.delayed);
	command_str(c, q->keys.claims);
	command_str(c, q->keys.dead);
	command_int(c, q->options->dead_ttl * 1000);
	command_int(c, q->options->lease_ms);
	command_int(c, QUEUE_SWEEP_IDS);
	if (!topology_send(q->redis, c, 0, queue_on_swept, q))
		q->sweep_at = 0;
}

static void queue_arm(struct queue *q, int64_t now)
{
	const struct task *first = TAILQ_FIRST(&q->tasks);
	int64_t at = now + q->tick_us;
	const int64_t times[] = {
		q->tick_at,
		q->draining ? 0 : q->wake_at,
		q->broken_until,
		q->hold_until,
		q->doorbell.mute_until,
		first ? first->lease_until - lease_us(q) / 2 : 0,
	};

	/* What is past was acted upon just now, or waits for an answer or a free slot. */
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i] > now && times[i] < at)
			at = times[i];
	}
	ev_timer_stop(q->loop, &q->timer);
	ev_timer_set(&q->timer, (double)(at - now + 200) / 1e6, 0.);
	ev_timer_start(q->loop, &q->timer);
}

void queue_flush(struct queue *q, size_t slots)
{
	int64_t now = clock_boot_us();
	unsigned life = topology_life(q->redis, q->keys.list);
	size_t renewals;

	if (!topology_serves(q->redis, q->keys.list))
		return;
	if (q->life != life)
		queue_reconnected(q);
	q->life = life;
	if (slots > q->appetite)
		slots = q->appetite;
	if (!queue_hungry(q))
		slots = 0;
	renewals = q->claiming || now < q->broken_until ? 0 : queue_renewals_due(q, now);
	if (!q->claiming &&
	    (slots > 0 || renewals > 0 || (now >= q->tick_at && now >= q->broken_until)))
		queue_claim(q, slots, renewals, now);
	if (!q->claiming && q->draining)
		q->tick_at = now + q->tick_us;
	while (now >= q->hold_until && (q->n_settling >= QUEUE_MAX_BATCH ||
	                                (q->n_settling > 0 && q->settles_in_flight == 0))) {
		if (!settle_flush(q))
			break;
	}
	if (q->sweep_at == 0)
		q->sweep_at = now + (int64_t)random_below((uint64_t)lease_us(q) / 2);
	else if (now >= q->sweep_at && !q->draining)
		queue_sweep(q, now);
	if (q->dry && !q->paused && !q->draining && now >= q->broken_until && now >= q->hold_until)
		doorbell_wait(&q->doorbell);
	queue_arm(q, now);
}

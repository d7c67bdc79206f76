#include "fleet/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/gate.h"
#include "fleet/queue.h"
#include "fleet/timeline.h"
#include "redis/script.h"

#define STATUS_HOLD_US 1000000 /* how long to leave a Redis alone that refuses writes */
#define PEEKED_FIELDS 11       /* verdict, status, and what peek.lua tells of the mail */
#define STATUS_MAX_ATTEMPTS 1000000
#define STATUS_FENCE_MS 500 /* for the replicas; nothing else passes on that connection meanwhile */
#define STATUS_CONFIRM_TRIES 10
#define STATUS_IDENTITY 3   /* values: add_identity */
#define STATUS_MAX_FIELD 60 /* `to` and `subject` in the status are cut: timeline.h */

static const enum script step_scripts[] = {
	[STATUS_PEEK] = SCRIPT_PEEK,
	[STATUS_BEGIN] = SCRIPT_BEGIN,
	[STATUS_FINISH] = SCRIPT_FINISH,
};
static const enum task_event step_events[] = {
	[STATUS_PEEK] = TASK_ON_PEEKED,
	[STATUS_ASK] = TASK_ON_ASKED,
	[STATUS_BEGIN] = TASK_ON_BEGUN,
	[STATUS_FINISH] = TASK_ON_FINISHED,
};

/* Tasks on their way to Redis, in the order of the call's keys. */
struct batch {
	struct status *status;
	enum status_step step;
	bool waits;    /* for replicas, after the answer */
	unsigned life; /* of the server that has its first mail */
	size_t n;      /* 0: they went back to the outbox */
	struct task *tasks[];
};

void status_init(struct status *s, const struct options *o)
{
	*s = (struct status){.options = o};
	for (int i = 0; i < STATUS_STEPS; i++)
		TAILQ_INIT(&s->outbox[i]);
	command_init(&s->command);
}

void status_free(struct status *s)
{
	command_free(&s->command);
}

void status_ask(struct status *s, enum status_step step, struct task *t)
{
	TAILQ_INSERT_TAIL(&s->outbox[step], t, place);
	s->n[step]++;
}

void status_leave(struct status *s, enum status_step step, struct task *t)
{
	TAILQ_REMOVE(&s->outbox[step], t, place);
	s->n[step]--;
}

/* ---- servers that refuse ----------------------------------------------------------------------- */

static void hold_begin(struct status *s, enum status_step step, unsigned life)
{
	struct status_hold *holds = s->holds[step], *h = &holds[0];

	for (size_t i = 0; i < STATUS_MAX_HOLDS; i++) {
		if (holds[i].life == life) {
			h = &holds[i];
			break;
		}
		if (holds[i].until < h->until)
			h = &holds[i];
	}
	*h = (struct status_hold){life, clock_boot_us() + STATUS_HOLD_US};
}

/* Of the server that has the key. */
static bool is_held(const struct status *s, enum status_step step, const struct topology *redis,
                    const char *key)
{
	int64_t now = clock_boot_us();

	for (size_t i = 0; i < STATUS_MAX_HOLDS; i++) {
		const struct status_hold *h = &s->holds[step][i];

		if (h->until > now && h->life == topology_life(redis, key))
			return true;
	}
	return false;
}

/* ---- answers ------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum task_verdict verdict;
} verdicts[] = {
	{"ok", VERDICT_OK},           {"mine", VERDICT_OK},
	{"unknown", VERDICT_UNKNOWN}, {"stale", VERDICT_STALE},
	{"final", VERDICT_FINAL},     {"duplicate", VERDICT_DUPLICATE},
	{"rival", VERDICT_RIVAL},     {"conflict", VERDICT_CONFLICT},
	{"late", VERDICT_LATE},       {"foreign", VERDICT_FOREIGN},
	{"whole", VERDICT_WHOLE},     {"ended", VERDICT_OK},
};

/* "final sent": the verdict, and the status or owner that goes with it. */
static void verdict_read(struct task *t, const char *text, const char *rest)
{
	size_t len = strcspn(text, " ");

	t->verdict = VERDICT_ERROR;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		const char *word = verdicts[i].word;

		if (strncmp(text, word, len) != 0 || word[len] != '\0')
			continue;
		t->verdict = verdicts[i].verdict;
		break;
	}
	if (!rest)
		rest = text[len] == ' ' ? text + len + 1 : "";
	line_copy(t->verdict_text, sizeof(t->verdict_text), rest);
	if (t->verdict == VERDICT_RIVAL) {
		mem_free(t->rival);
		t->rival = mem_strdup(rest);
	}
}

static bool is_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
}

/* A number that a status holds; what is out of reach was not written by us. */
static int64_t number_read(const char *text, int64_t max)
{
	int64_t n = strtoll(text, NULL, 10);

	return n < 0 ? 0 : n < max ? n : max;
}

static void peeked_read(struct task *t, const redisReply *r)
{
	const char *f[PEEKED_FIELDS];

	if (r->type != REDIS_REPLY_ARRAY || (r->elements != 2 && r->elements != PEEKED_FIELDS)) {
		t->verdict = VERDICT_ERROR;
		return;
	}
	for (size_t i = 0; i < r->elements; i++) {
		f[i] = is_text(r->element[i]) ? r->element[i]->str : "";
	}
	verdict_read(t, f[0], f[1]);
	if (r->elements != PEEKED_FIELDS)
		return;
	/* attempts, provider, tries, pinned, next_attempt_at, created_at, recipients, message_id, error */
	t->history.attempts = number_read(f[2], STATUS_MAX_ATTEMPTS);
	snprintf(t->history.provider, sizeof(t->history.provider), "%s", f[3]);
	history_read_tries(&t->history, f[4], strlen(f[4]));
	snprintf(t->history.pinned, sizeof(t->history.pinned), "%s", f[5]);
	t->due_at = number_read(f[6], REDIS_CLOCK_MAX);
	t->created_at = number_read(f[7], REDIS_CLOCK_MAX);
	mem_free(t->recipients);
	t->recipients = f[8][0] != '\0' ? mem_strndup(f[8], r->element[8]->len) : NULL;
	snprintf(t->last_error, sizeof(t->last_error), "%s", f[10]);
}

static void answer_read(struct task *t, enum status_step step, const redisReply *r)
{
	if (step == STATUS_ASK) {
		/* HEXISTS of the rival's job: it lives, or its owner's name says who is gone. */
		if (r->type == REDIS_REPLY_INTEGER && r->integer == 1) {
			mem_free(t->rival);
			t->rival = mem_strdup("alive");
		}
		t->verdict = VERDICT_OK;
	} else if (step == STATUS_PEEK) {
		peeked_read(t, r);
	} else if (is_text(r)) {
		verdict_read(t, r->str, NULL);
		t->whole = t->whole || t->verdict == VERDICT_WHOLE;
		if (step == STATUS_BEGIN && t->verdict == VERDICT_OK && t->verdict_text[0] != '\0')
			t->created_at = number_read(t->verdict_text, REDIS_CLOCK_MAX);
	} else {
		t->verdict = VERDICT_ERROR;
	}
}

static void batch_back(struct batch *b)
{
	struct status *s = b->status;

	for (size_t i = b->n; i-- > 0;) {
		TAILQ_INSERT_HEAD(&s->outbox[b->step], b->tasks[i], place);
		s->n[b->step]++;
	}
}

static void batch_end(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->tasks[i]->verdict == VERDICT_WHOLE)
			status_ask(b->status, b->step, b->tasks[i]);
		else
			task_advance(b->tasks[i], step_events[b->step]);
	}
	mem_free(b);
}

static void status_on_reply(void *data, enum link_result result, const redisReply *reply)
{
	struct batch *b = data;
	struct status *s = b->status;
	bool single = b->step == STATUS_ASK;

	s->in_flight[b->step]--;
	if (result == LINK_OK && !single &&
	    (reply->type != REDIS_REPLY_ARRAY || reply->elements != b->n))
		result = LINK_ERROR;
	if (result != LINK_OK) {
		if (result != LINK_LOST && result != LINK_AGAIN) {
			hold_begin(s, b->step, b->life);
			log_warn("status_not_written", LOG_INT("mails", (int64_t)b->n),
			         LOG_STR("key", b->tasks[0]->status_key),
			         LOG_STR("error", reply ? reply->str : NULL));
		}
		batch_back(b);
		b->n = 0;
	}
	for (size_t i = 0; i < b->n; i++)
		answer_read(b->tasks[i], b->step, single ? reply : reply->element[i]);
	if (!b->waits)
		batch_end(b);
}

/* ---- replicas ------------------------------------------------------------------------------- */

int64_t status_fenced_until(const struct status *s)
{
	return s->fence_ms > 0 ? s->fence_until : 0;
}

void status_fence_probe(struct status *s)
{
	s->fence_until = clock_boot_us() + s->fence_ms * 1000;
	s->fence_probing = true;
}

static void fence_heard(struct status *s, bool confirmed)
{
	int64_t now = clock_boot_us();

	if (confirmed) {
		s->fence_ms = 0;
	} else if (s->fence_ms == 0) {
		s->fence_ms = STATUS_FENCE_HOLD_MS;
		s->fence_until = now + s->fence_ms * 1000;
	} else if (s->fence_probing) {
		s->fence_ms = s->fence_ms < STATUS_FENCE_HOLD_MAX_MS / 2 ? s->fence_ms * 2
		                                                         : STATUS_FENCE_HOLD_MAX_MS;
		s->fence_until = now + s->fence_ms * 1000;
	}
	s->fence_probing = false;
}

/* What has begun goes on only when so many replicas know it. */
static void begin_waited(struct batch *b, bool confirmed)
{
	if (b->n > 0)
		fence_heard(b->status, confirmed);
	for (size_t i = 0; i < b->n; i++)
		b->tasks[i]->unconfirmed = !confirmed;
}

/* An outcome that a failover might lose is written again, to whoever is the master then: the job is not settled
 * before. (When the replicas stay away it is, after a while.) Those that need not wait are left in the batch. */
static void finish_waited(struct batch *b, bool answered)
{
	struct status *s = b->status;
	size_t left = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct task *t = b->tasks[i];

		t->unwritten += answered;
		if (t->released && t->unwritten < STATUS_CONFIRM_TRIES)
			status_ask(s, STATUS_FINISH, t);
		else
			b->tasks[left++] = t;
	}
	b->n = left;
	if (answered)
		hold_begin(s, STATUS_FINISH, b->life);
}

/* Of what is not known it is taken that the replicas do not have it. */
static void status_on_waited(void *data, enum link_result result, const redisReply *reply)
{
	struct batch *b = data;
	int64_t wanted = b->status->options->fence_replicas;
	bool confirmed = waiting_has_replicas(result, reply, wanted);

	if (!confirmed && b->n > 0)
		log_warn("replicas_missing", LOG_INT("wanted", wanted),
		         LOG_INT("got", result == LINK_OK ? reply->integer : -1),
		         LOG_INT("mails", (int64_t)b->n));
	if (b->step == STATUS_BEGIN)
		begin_waited(b, confirmed);
	else if (!confirmed)
		finish_waited(b, reply != NULL);
	batch_end(b);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* What a status tells of its mail. */
static void add_identity(struct command *c, const struct task *t)
{
	const struct job *j = t->job;
	const char *to = j && j->n_rcpts > 0 ? j->rcpts[0].address.email : "";
	const char *subject = j ? j->subject : "";

	command_str(c, t->noting ? "" : j ? j->fingerprint : "-");
	command_arg(c, to, timeline_cut(to, STATUS_MAX_FIELD));
	command_arg(c, subject, timeline_cut(subject, STATUS_MAX_FIELD));
}

static void add_task(struct status *s, struct command *c, enum status_step step, struct task *t)
{
	/* What begin has written is not told again. */
	bool identity = step != STATUS_FINISH || !t->begun || t->whole || t->noting;

	command_str(c, t->owner);
	command_int(c, t->token);
	if (step == STATUS_FINISH)
		timeline_add_finish(c, t, s->options, redis_clock_now(&t->queue->clock),
		                    identity ? STATUS_IDENTITY : 0);
	if (identity)
		add_identity(c, t);
	if (step == STATUS_PEEK) {
		command_str(c, t->rival ? t->rival : "");
	} else if (step == STATUS_BEGIN) {
		command_str(c, t->gate->provider->name);
		command_int(c, t->history.attempts + 1);
	}
}

static struct batch *batch_new(struct status *s, enum status_step step, size_t n)
{
	struct batch *b = mem_zalloc(sizeof(*b) + n * sizeof(b->tasks[0]));

	b->status = s;
	b->step = step;
	b->n = n;
	return b;
}

/* The first n of the outbox. */
static struct batch *batch_take(struct status *s, enum status_step step, size_t n)
{
	struct batch *b = batch_new(s, step, n);

	for (size_t i = 0; i < n; i++) {
		b->tasks[i] = TAILQ_FIRST(&s->outbox[step]);
		status_leave(s, step, b->tasks[i]);
	}
	return b;
}

/* Is it to survive a failover: that a mail is being sent, and what became of it? */
static bool batch_matters(const struct batch *b)
{
	bool released = false;

	for (size_t i = 0; i < b->n && b->step == STATUS_FINISH; i++)
		released = released || b->tasks[i]->released;
	return b->step == STATUS_BEGIN || released;
}

/* How long the statuses live. */
static void add_times(struct command *c, enum status_step step, const struct options *o)
{
	if (step == STATUS_PEEK) {
		command_int(c, o->max_queue_time * 1000);
	} else if (step == STATUS_BEGIN) {
		command_int(c, timeline_begun_ttl(o));
	} else {
		command_int(c, timeline_settled_ttl(o));
		command_int(c, timeline_spare(o));
	}
}

static bool batch_send(struct batch *b, struct topology *redis)
{
	struct status *s = b->status;
	struct command *c = &s->command;

	if (b->step == STATUS_ASK) {
		queue_command_exists(c, b->tasks[0]->rival);
	} else {
		script_command(c, step_scripts[b->step], b->n);
		for (size_t i = 0; i < b->n; i++)
			command_str(c, b->tasks[i]->status_key);
		add_times(c, b->step, s->options);
		if (b->step != STATUS_PEEK)
			command_pack(c);
		for (size_t i = 0; i < b->n; i++)
			add_task(s, c, b->step, b->tasks[i]);
		if (b->step != STATUS_PEEK)
			command_pack_end(c);
	}
	b->life = topology_life(redis, b->tasks[0]->status_key);
	b->waits = s->options->fence_replicas > 0 && batch_matters(b);
	struct waiting w = {.replicas = s->options->fence_replicas,
	                    .replicas_ms = STATUS_FENCE_MS,
	                    .on_replicas = status_on_waited};
	bool sent = b->waits ? topology_send_waiting(redis, c, &w, status_on_reply, b)
	                     : topology_send(redis, c, 0, status_on_reply, b);
	if (!sent) {
		batch_back(b);
		mem_free(b);
		return false;
	}
	s->in_flight[b->step]++;
	return true;
}

static void flush_step(struct status *s, enum status_step step, struct topology *redis)
{
	size_t most = step == STATUS_ASK ? 1 : STATUS_MAX_BATCH;

	if (s->n[step] > 0 && is_held(s, step, redis, TAILQ_FIRST(&s->outbox[step])->status_key))
		return;
	while (s->n[step] >= most || (s->n[step] > 0 && s->in_flight[step] == 0)) {
		size_t n = s->n[step] < most ? s->n[step] : most;
		if (!batch_send(batch_take(s, step, n), redis))
			return;
	}
}

/* ---- on a cluster ------------------------------------------------------------------------------ */

struct placed {
	unsigned slot;
	struct task *task;
};

static int by_slot(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Takes out of the outbox what can be sent now, sorted by slot; returns how many. */
static size_t take_placed(struct status *s, enum status_step step, const struct topology *redis,
                          struct placed *out)
{
	struct task *t, *next;
	size_t n = 0;

	for (t = TAILQ_FIRST(&s->outbox[step]); t; t = next) {
		next = TAILQ_NEXT(t, place);
		/* (a rival's queue is found when it is asked) */
		if (step != STATUS_ASK && !topology_serves(redis, t->status_key))
			continue;
		if (is_held(s, step, redis, t->status_key))
			continue;
		status_leave(s, step, t);
		out[n++] = (struct placed){topology_slot(redis, t->status_key), t};
	}
	qsort(out, n, sizeof(*out), by_slot);
	return n;
}

static void flush_step_by_slot(struct status *s, enum status_step step, struct topology *redis)
{
	size_t most = step == STATUS_ASK ? 1 : STATUS_MAX_BATCH, n, i, end;
	struct placed *placed;

	if (s->n[step] == 0)
		return;
	placed = mem_array(s->n[step], sizeof(*placed));
	n = take_placed(s, step, redis, placed);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && end - i < most && placed[end].slot == placed[i].slot;)
			end++;
		struct batch *b = batch_new(s, step, end - i);
		for (size_t j = i; j < end; j++)
			b->tasks[j - i] = placed[j].task;
		(void)!batch_send(b, redis);
	}
	mem_free(placed);
}

void status_flush(struct status *s, struct topology *redis)
{
	for (int step = 0; step < STATUS_STEPS; step++) {
		if (topology_has_slots(redis))
			flush_step_by_slot(s, (enum status_step)step, redis);
		else
			flush_step(s, (enum status_step)step, redis);
	}
}

#include "api/accept.h"

#include <stdlib.h>
#include <string.h>

#include "api/ack.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "redis/script.h"
#include "redis/value.h"

/* Mails that go together: through accept.lua, or in one LPUSH. */
struct batch {
	struct accept *accept;
	struct topology *redis;
	struct post_list posts;
	size_t n;
};

static struct batch *batch_new(struct accept *a, struct topology *redis)
{
	struct batch *b = mem_zalloc(sizeof(*b));

	b->accept = a;
	b->redis = redis;
	TAILQ_INIT(&b->posts);
	return b;
}

static void done(struct post *p, enum post_outcome outcome, enum link_result result)
{
	p->outcome = outcome;
	p->result = result;
	p->on_done(p);
}

/* Frees the batch. */
static void batch_end(struct batch *b, enum link_result result)
{
	struct post *p;

	while ((p = TAILQ_FIRST(&b->posts)) != NULL) {
		TAILQ_REMOVE(&b->posts, p, entry);
		if (result != LINK_OK)
			done(p, POST_UNAVAILABLE, result);
		else
			done(p, p->known ? POST_KNOWN : POST_TAKEN, result);
	}
	mem_free(b);
}

static int64_t since_of(const struct batch *b)
{
	return TAILQ_FIRST(&b->posts)->since;
}

/* --- the push --------------------------------------------------------------------------------------------- */

static void push(struct batch *b);

static void push_again(void *data, enum link_result result)
{
	if (result == LINK_OK)
		push(data);
	else
		batch_end(data, result);
}

/* What may have been pushed is pushed again: a worker drops doubles. */
static void on_pushed(void *data, enum link_result result)
{
	struct batch *b = data;

	if (result == LINK_OK)
		batch_end(b, result);
	else
		again_later(b->accept->again, since_of(b), result, push_again, b);
}

static void push(struct batch *b)
{
	const char *list = TAILQ_FIRST(&b->posts)->queue->list;
	struct command *c = &b->accept->command;
	struct post *p;

	command_clear(c);
	command_str(c, "LPUSH");
	command_str(c, list);
	TAILQ_FOREACH(p, &b->posts, entry)
	{
		command_arg(c, p->payload, p->len);
	}
	if (!ack_send(b->redis, b->accept->options, c, list, on_pushed, b))
		on_pushed(b, LINK_LOST);
}

/* What is to be pushed, queue by queue. */
static void push_all(struct accept *a, struct topology *redis, struct post_list *posts)
{
	while (!TAILQ_EMPTY(posts)) {
		struct batch *b = batch_new(a, redis);
		const struct queue_keys *queue = TAILQ_FIRST(posts)->queue;
		struct post *p, *next;
		size_t bytes = 0;

		for (p = TAILQ_FIRST(posts); p != NULL && bytes < ACCEPT_MAX_BYTES; p = next) {
			next = TAILQ_NEXT(p, entry);
			if (p->queue != queue)
				continue;
			TAILQ_REMOVE(posts, p, entry);
			TAILQ_INSERT_TAIL(&b->posts, p, entry);
			bytes += p->len;
		}
		push(b);
	}
}

/* --- the status ------------------------------------------------------------------------------------------- */

static void read_known(struct post *p, const redisReply *list)
{
	p->known = true;
	post_read_status(p, list, 1);
}

/* Its answer; true: it is to be pushed. */
static bool read_verdict(struct post *p, const redisReply *list)
{
	const char *verdict = value_text_at(list, 0);

	if (verdict == NULL)
		verdict = "";
	if (strcmp(verdict, "new") == 0)
		return true;
	if (strcmp(verdict, "again") == 0) {
		if (!p->lost) /* else it may well be we who wrote it, and its client was told nothing */
			read_known(p, list);
		return true;
	}
	if (strcmp(verdict, "known") == 0) {
		read_known(p, list);
		done(p, POST_KNOWN, LINK_OK);
	} else if (strcmp(verdict, "conflict") == 0) {
		done(p, POST_CONFLICT, LINK_OK);
	} else {
		log_error(
			"accept_failed", LOG_STR("key", p->key), LOG_STR("error", verdict),
			LOG_STR("trace_id", *p->trace.trace_id != '\0' ? p->trace.trace_id : NULL));
		done(p, POST_UNAVAILABLE, LINK_ERROR);
	}
	return false;
}

/* They go with whatever waits by now. */
static void accept_again(void *data, enum link_result result)
{
	struct batch *b = data;
	struct accept *a = b->accept;

	if (result != LINK_OK) {
		batch_end(b, result);
		return;
	}
	TAILQ_CONCAT(&b->posts, &a->waiting, entry);
	TAILQ_CONCAT(&a->waiting, &b->posts, entry);
	a->n_waiting += b->n;
	mem_free(b);
}

static void batch_failed(struct batch *b, enum link_result result)
{
	struct post *p;

	TAILQ_FOREACH(p, &b->posts, entry)
	{
		p->lost = p->lost || result == LINK_LOST;
	}
	again_later(b->accept->again, since_of(b), result, accept_again, b);
}

static void on_accepted(void *data, enum link_result result, const redisReply *reply)
{
	struct batch *b = data;
	struct accept *a = b->accept;
	struct post_list pushing;
	struct post *p;

	a->asking = false;
	if (result == LINK_ERROR)
		log_error("accept_failed", LOG_STR("error", reply->str));
	if (result == LINK_OK && (reply->type != REDIS_REPLY_ARRAY || reply->elements != b->n))
		result = LINK_ERROR;
	if (result != LINK_OK) {
		batch_failed(b, result);
		return;
	}
	TAILQ_INIT(&pushing);
	for (size_t i = 0; (p = TAILQ_FIRST(&b->posts)) != NULL; i++) {
		TAILQ_REMOVE(&b->posts, p, entry);
		if (read_verdict(p, reply->element[i]))
			TAILQ_INSERT_TAIL(&pushing, p, entry);
	}
	FAILPOINT("accepted");
	push_all(a, b->redis, &pushing);
	mem_free(b);
}

/* What waits longest, and what can go with it. */
static void take_of_one_slot(struct batch *b)
{
	struct accept *a = b->accept;
	struct post *p = TAILQ_FIRST(&a->waiting), *next;
	unsigned slot = p->slot;

	for (; p != NULL && b->n < ACCEPT_MAX_BATCH; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (p->slot != slot)
			continue;
		TAILQ_REMOVE(&a->waiting, p, entry);
		TAILQ_INSERT_TAIL(&b->posts, p, entry);
		a->n_waiting--;
		b->n++;
	}
}

static void ask(struct accept *a, struct topology *redis)
{
	struct batch *b = batch_new(a, redis);
	struct command *c = &a->command;
	struct post *p;

	take_of_one_slot(b);
	script_command(c, SCRIPT_ACCEPT, b->n);
	TAILQ_FOREACH(p, &b->posts, entry)
	{
		command_str(c, p->status_key);
	}
	command_int(c, a->options->max_queue_time * 1000);
	TAILQ_FOREACH(p, &b->posts, entry)
	{
		command_str(c, p->fingerprint);
		command_str(c, p->to);
		command_str(c, p->subject);
		command_int(c, p->send_at);
		command_int(c, p->delay);
	}
	a->asking = topology_send(redis, c, 0, on_accepted, b);
	if (!a->asking)
		again_later(a->again, since_of(b), LINK_AGAIN, accept_again, b);
}

void accept_init(struct accept *a, const struct options *o, struct again *again)
{
	memset(a, 0, sizeof(*a));
	a->options = o;
	a->again = again;
	TAILQ_INIT(&a->waiting);
	command_init(&a->command);
}

static void refuse_all(struct accept *a)
{
	struct post *p;

	while ((p = TAILQ_FIRST(&a->waiting)) != NULL) {
		TAILQ_REMOVE(&a->waiting, p, entry);
		a->n_waiting--;
		done(p, POST_UNAVAILABLE, LINK_LOST);
	}
}

void accept_free(struct accept *a)
{
	refuse_all(a);
	command_free(&a->command);
}

void accept_add(struct accept *a, const struct topology *redis, struct post *p)
{
	p->status_key = keys_status(a->options->key_prefix, p->key);
	p->slot = topology_slot(redis, p->status_key);
	TAILQ_INSERT_TAIL(&a->waiting, p, entry);
	a->n_waiting++;
}

void accept_flush(struct accept *a, struct topology *redis)
{
	while (a->n_waiting > 0 && (!a->asking || topology_has_slots(redis)))
		ask(a, redis);
}

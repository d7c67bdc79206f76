#include "redis/inquiry.h"

#include <string.h>

#include "base/mem.h"

void inquiry_init(struct inquiry *q, void (*ask)(struct inquiry *q),
                  void (*take)(struct inquiry *q, size_t i, const redisReply *reply))
{
	*q = (struct inquiry){.ask = ask, .take = take};
}

void inquiry_free(struct inquiry *q)
{
	for (size_t i = 0; i < q->room; i++)
		command_free(&q->commands[i]);
	mem_free(q->commands);
	memset(q, 0, sizeof(*q));
}

struct command *inquiry_add(struct inquiry *q)
{
	if (q->n == q->room) {
		size_t room = q->room > 0 ? 2 * q->room : 16;

		q->commands = mem_realloc(q->commands, room * sizeof(*q->commands));
		while (q->room < room)
			command_init(&q->commands[q->room++]);
	}
	command_clear(&q->commands[q->n]);
	return &q->commands[q->n++];
}

static void next_round(struct inquiry *q)
{
	q->n = 0;
	q->ask(q);
}

/* --- waiting ----------------------------------------------------------------------------------------------- */

static bool round_sync(struct inquiry *q, struct sync *s, struct error *err)
{
	redisReply **replies = mem_array(q->n, sizeof(redisReply *));
	bool ok = sync_run_all(s, q->commands, q->n, replies, err), sent = ok;

	for (size_t i = 0; sent && i < q->n; i++) {
		if (replies[i]->type != REDIS_REPLY_ERROR)
			q->take(q, i, replies[i]);
		else if (ok)
			ok = error_set(err, "%s", replies[i]->str);
		freeReplyObject(replies[i]);
	}
	mem_free(replies);
	return ok;
}

bool inquiry_run_sync(struct inquiry *q, struct sync *s, struct error *err)
{
	for (next_round(q); q->n > 0; next_round(q))
		if (!round_sync(q, s, err))
			return false;
	return true;
}

/* --- on the loop ------------------------------------------------------------------------------------------- */

struct question {
	struct inquiry *inquiry;
	size_t i;
};

/* One answer less is awaited. True: all are there, and there is another round. */
static bool one_less(struct inquiry *q)
{
	if (--q->pending > 0)
		return false;
	if (q->result == LINK_OK)
		next_round(q);
	if (q->result == LINK_OK && q->n > 0)
		return true;
	q->done(q->data, q->result);
	return false;
}

static void send_round(struct inquiry *q);

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct question *one = data;
	struct inquiry *q = one->inquiry;

	if (result == LINK_OK)
		q->take(q, one->i, reply);
	else
		q->result = result;
	mem_free(one);
	while (one_less(q))
		send_round(q);
}

static void send_round(struct inquiry *q)
{
	size_t n = q->n;

	/* One more than there are, so that it does not end before all are asked. */
	q->pending = 1;
	for (size_t i = 0; i < n; i++) {
		struct question *one = mem_alloc(sizeof(*one));

		*one = (struct question){q, i};
		q->pending++;
		if (topology_send(q->redis, &q->commands[i], 0, on_answer, one))
			continue;
		mem_free(one);
		q->pending--;
		q->result = LINK_LOST;
	}
}

void inquiry_run(struct inquiry *q, struct topology *redis,
                 void (*done)(void *data, enum link_result result), void *data)
{
	q->redis = redis;
	q->done = done;
	q->data = data;
	q->result = LINK_OK;
	q->pending = 1;
	while (one_less(q))
		send_round(q);
}

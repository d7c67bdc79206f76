#include "redis/waiting.h"

#include "base/mem.h"

enum question { REPLICAS, DISK, QUESTIONS };

struct call {
	link_fn *fn, *told[QUESTIONS];
	void *data;
	bool asked[QUESTIONS]; /* its answer is still to come */
};

static void call_end(struct call *call)
{
	if (!call->asked[REPLICAS] && !call->asked[DISK])
		mem_free(call);
}

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct call *call = data;

	call->fn(call->data, result, reply);
	for (int q = 0; q < QUESTIONS; q++)
		if (call->told[q] && !call->asked[q])
			call->told[q](call->data, LINK_LOST, NULL);
	call_end(call);
}

static void on_told(struct call *call, enum question q, enum link_result result,
                    const redisReply *reply)
{
	call->asked[q] = false;
	call->told[q](call->data, result, reply);
	call_end(call);
}

static void on_replicas(void *data, enum link_result result, const redisReply *reply)
{
	on_told(data, REPLICAS, result, reply);
}

static void on_disk(void *data, enum link_result result, const redisReply *reply)
{
	on_told(data, DISK, result, reply);
}

/* Where this fails the link is lost, and on_answer will be told so. (What is behind a question has its time
 * from when that was answered.) */
static bool ask_replicas(struct link *l, int timeout_ms, const struct waiting *w, struct call *call)
{
	struct command c;

	command_init(&c);
	command_str(&c, "WAIT");
	command_int(&c, w->replicas);
	command_int(&c, w->replicas_ms);
	bool sent = link_send(l, &c, timeout_ms + w->replicas_ms, on_replicas, call);
	command_free(&c);
	return sent;
}

static bool ask_disk(struct link *l, int timeout_ms, const struct waiting *w, struct call *call)
{
	struct command c;

	command_init(&c);
	command_str(&c, "WAITAOF");
	command_int(&c, 1);
	command_int(&c, 0);
	command_int(&c, w->disk_ms);
	bool sent = link_send(l, &c, timeout_ms + w->disk_ms, on_disk, call);
	command_free(&c);
	return sent;
}

bool waiting_send(struct link *l, struct command *c, int deadline_ms, int timeout_ms,
                  const struct waiting *w, link_fn *fn, void *data)
{
	struct call *call = mem_alloc(sizeof(*call));

	*call = (struct call){fn, {w->on_replicas, w->on_disk}, data, {false, false}};
	if (!link_send(l, c, deadline_ms, on_answer, call)) {
		mem_free(call);
		return false;
	}
	call->asked[REPLICAS] = w->on_replicas && ask_replicas(l, timeout_ms, w, call);
	call->asked[DISK] = w->on_disk && ask_disk(l, timeout_ms, w, call);
	return true;
}

bool waiting_has_replicas(enum link_result result, const redisReply *reply, int64_t replicas)
{
	return result == LINK_OK && reply->type == REDIS_REPLY_INTEGER &&
	       reply->integer >= replicas;
}

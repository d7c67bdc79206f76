/* redis.h - Redis as an input says it: takes the place of src/redis/topology.c (all of it) in the target that
 * includes this. One server, no slots.
 *
 * What is sent waits in one line, in the order in which it was sent. fuzz_redis_turn answers the first: with
 * what the target's fuzz_canned says, or with the input's next reply. An error that takes a real link
 * down takes this one down too: everything that waits is lost, and the next turn brings it up again. */
#ifndef FUZZ_REDIS_H
#define FUZZ_REDIS_H

#include <sys/queue.h>

#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "fuzz/resp.h"
#include "redis/script.h"
#include "redis/topology.h"

/* Also a line: then on_change is NULL. */
struct topology {
	TAILQ_ENTRY(topology) all;
	void (*on_change)(void *data, bool up);
	void *data;
	bool up;
	unsigned life;
};

struct fuzz_call {
	TAILQ_ENTRY(fuzz_call) line;
	struct topology *link;
	redisReply *args; /* of the command: an array of strings */
	link_fn *fn;
	void *data;
};

static TAILQ_HEAD(, topology) fuzz_links = TAILQ_HEAD_INITIALIZER(fuzz_links);
static TAILQ_HEAD(, fuzz_call) fuzz_line_of_calls = TAILQ_HEAD_INITIALIZER(fuzz_line_of_calls);

/* The target's: what to answer without asking the input, as RESP; NULL: ask it. "": not at all. */
static const char *fuzz_canned(const struct fuzz_call *call);
/* Told of each answer before its receiver is. */
static void fuzz_answered(const struct fuzz_call *call, enum link_result result, const redisReply *reply);

static inline const char *fuzz_arg(const struct fuzz_call *call, size_t i)
{
	return i < call->args->elements ? call->args->element[i]->str : "";
}

/* Is it an EVALSHA of this script? */
static inline bool fuzz_is_script(const struct fuzz_call *call, enum script s)
{
	return strcmp(fuzz_arg(call, 0), "EVALSHA") == 0 && strcmp(fuzz_arg(call, 1), script_get(s)->sha1) == 0;
}

static inline struct topology *fuzz_link_new(void (*on_change)(void *data, bool up), void *data)
{
	struct topology *l = mem_zalloc(sizeof(*l));

	l->on_change = on_change;
	l->data = data;
	TAILQ_INSERT_TAIL(&fuzz_links, l, all);
	return l;
}

static inline bool fuzz_send(struct topology *l, struct command *c, link_fn *fn, void *data)
{
	struct fuzz_call *call;
	size_t n, used;
	const char *bytes = command_wire(c, &n);

	FUZZ_REQUIRE(bytes != NULL);
	if (!l->up)
		return false;
	call = mem_zalloc(sizeof(*call));
	*call = (struct fuzz_call){.link = l, .fn = fn, .data = data};
	call->args = resp_read((const uint8_t *)bytes, n, &used);
	FUZZ_REQUIRE(call->args != NULL && used == n); /* one command, and nothing but that */
	TAILQ_INSERT_TAIL(&fuzz_line_of_calls, call, line);
	return true;
}

static inline void fuzz_answer(struct fuzz_call *call, enum link_result result, const redisReply *reply)
{
	TAILQ_REMOVE(&fuzz_line_of_calls, call, line);
	fuzz_answered(call, result, reply);
	call->fn(call->data, result, reply);
	freeReplyObject(call->args);
	mem_free(call);
}

/* All of its calls are lost; they may send no more meanwhile. */
static inline void fuzz_link_lose(struct topology *l)
{
	struct fuzz_call *call, *next;

	l->up = false;
	for (call = TAILQ_FIRST(&fuzz_line_of_calls); call != NULL; call = next) {
		next = TAILQ_NEXT(call, line);
		if (call->link == l)
			fuzz_answer(call, LINK_LOST, NULL);
	}
}

static inline void fuzz_link_close(struct topology *l)
{
	fuzz_link_lose(l);
	TAILQ_REMOVE(&fuzz_links, l, all);
	mem_free(l);
}

static inline void fuzz_link_change(struct topology *l, bool up)
{
	l->up = up;
	l->life += up;
	if (l->on_change != NULL)
		l->on_change(l->data, up);
}

static inline void fuzz_answer_with(struct fuzz_call *call, const redisReply *reply)
{
	enum link_result result = LINK_OK;
	struct topology *l = call->link;

	if (reply->type == REDIS_REPLY_ERROR)
		result = link_classify(reply->str, reply->len);
	if (result == LINK_AGAIN || result == LINK_LOST)
		l->up = false;
	fuzz_answer(call, result, reply);
	if (!l->up) {
		fuzz_link_lose(l);
		fuzz_link_change(l, false);
	}
}

static inline struct fuzz_call *fuzz_first_call(void)
{
	struct fuzz_call *call;

	TAILQ_FOREACH(call, &fuzz_line_of_calls, line)
	{
		const char *canned = fuzz_canned(call);

		if (canned == NULL || *canned != '\0')
			return call;
	}
	return NULL;
}

/* Answers one call, or brings the links up. False: the input is at its end, or nothing waits. */
static inline bool fuzz_redis_turn(struct fuzz_bytes *in)
{
	struct fuzz_call *call;
	struct fuzz_bytes canned;
	redisReply *reply;
	struct topology *l;

	TAILQ_FOREACH(l, &fuzz_links, all)
	{
		if (!l->up) {
			fuzz_link_change(l, true);
			return true;
		}
	}
	call = fuzz_first_call();
	if (call == NULL)
		return false;
	if (fuzz_canned(call) != NULL) {
		canned = (struct fuzz_bytes){(const uint8_t *)fuzz_canned(call), strlen(fuzz_canned(call))};
		in = &canned;
	}
	reply = resp_next(in);
	if (reply == NULL)
		return false;
	fuzz_answer_with(call, reply);
	freeReplyObject(reply);
	return true;
}

/* ---- topology.h -------------------------------------------------------------------------------- */

struct topology *topology_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_change)(void *data, bool up), void *data)
{
	(void)loop;
	(void)config;
	return fuzz_link_new(on_change, data);
}

void topology_close(struct topology *t)
{
	fuzz_link_close(t);
}

bool topology_up(const struct topology *t)
{
	return t->up;
}

bool topology_serves(const struct topology *t, const char *key)
{
	(void)key;
	return t->up;
}

unsigned topology_life(const struct topology *t, const char *key)
{
	(void)key;
	return t->life;
}

unsigned topology_lives(const struct topology *t)
{
	return t->life;
}

unsigned topology_slot(const struct topology *t, const char *key)
{
	(void)t;
	(void)key;
	return 0;
}

bool topology_has_slots(const struct topology *t)
{
	(void)t;
	return false;
}

bool topology_send(struct topology *t, struct command *c, int deadline_ms, link_fn *fn, void *data)
{
	(void)deadline_ms;
	return fuzz_send(t, c, fn, data);
}

bool topology_send_waiting(struct topology *t, struct command *c, const struct waiting *w,
                           link_fn *fn, void *data)
{
	static const char *const names[] = {"WAIT", "WAITAOF"};
	link_fn *const told[] = {w->on_replicas, w->on_disk};
	bool sent = fuzz_send(t, c, fn, data);

	for (int i = 0; sent && i < 2; i++) {
		struct command question;

		if (!told[i])
			continue;
		command_init(&question);
		command_str(&question, names[i]);
		FUZZ_REQUIRE(fuzz_send(t, &question, told[i], data));
		command_free(&question);
	}
	return sent;
}

bool waiting_has_replicas(enum link_result result, const redisReply *reply, int64_t replicas)
{
	return result == LINK_OK && reply->type == REDIS_REPLY_INTEGER &&
	       reply->integer >= replicas;
}

void topology_send_everywhere(struct topology *t, struct command *c, link_fn *fn, void *data)
{
	(void)fuzz_send(t, c, fn, data);
}

void topology_stats(const struct topology *t, struct link_stats *out)
{
	(void)t;
	*out = (struct link_stats){0};
}

struct topology_line *topology_line_open(struct topology *t, const char *key)
{
	(void)t;
	(void)key;
	return (struct topology_line *)fuzz_link_new(NULL, NULL);
}

void topology_line_close(struct topology_line *l)
{
	fuzz_link_close((struct topology *)l);
}

bool topology_line_up(const struct topology_line *l)
{
	return ((const struct topology *)l)->up;
}

bool topology_line_send(struct topology_line *l, struct command *c, int deadline_ms, link_fn *fn, void *data)
{
	(void)deadline_ms;
	return fuzz_send((struct topology *)l, c, fn, data);
}

#endif

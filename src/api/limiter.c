#include "api/limiter.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "redis/keys.h"
#include "redis/script.h"

#define NAME "client"

struct limiter_ask {
	TAILQ_ENTRY(limiter_ask) entry;
	struct request *request;
	size_t cost;
	limiter_fn *fn;
	void *data;
};

/* What goes in one call: of one client. */
struct asked {
	struct limiter *limiter;
	struct limiter_list list;
	size_t n;
};

void limiter_init(struct limiter *l, const char *key_prefix, int64_t max, int64_t window_ms,
                  struct again *again)
{
	memset(l, 0, sizeof(*l));
	l->key_prefix = key_prefix;
	l->max = max;
	l->window_ms = window_ms;
	l->again = again;
	if (max > 0)
		l->interval_us = window_ms * 1000 / max;
	if (l->interval_us < 1)
		l->interval_us = 1;
	TAILQ_INIT(&l->waiting);
	command_init(&l->command);
}

static void settle(struct limiter_ask *a, bool go)
{
	a->fn(a->data, go);
	mem_free(a);
}

static void refuse(struct limiter_list *list, enum link_result result)
{
	struct limiter_ask *a;

	while ((a = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, a, entry);
		request_refused(a->request, result);
		settle(a, false);
	}
}

void limiter_free(struct limiter *l)
{
	refuse(&l->waiting, LINK_LOST);
	command_free(&l->command);
}

static int64_t seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

static void tell(struct limiter *l, struct limiter_ask *a, int64_t left, int64_t more, int64_t wait)
{
	struct request *r = a->request;

	/* RateLimit's time must not be after Retry-After's. */
	request_add(r, "RateLimit-Policy", "\"" NAME "\";q=%" PRId64 ";w=%" PRId64, l->max,
	            seconds(l->window_ms));
	request_add(r, "RateLimit", "\"" NAME "\";r=%" PRId64 ";t=%" PRId64, left, seconds(more));
	if (wait == 0) {
		settle(a, true);
		return;
	}
	if (wait < 0) {
		request_add(r, "Retry-After", "%" PRId64, seconds(l->window_ms));
		request_problem(r, 429, NULL,
		                "The request has more mails than may be sent in one go");
	} else {
		request_add(r, "Retry-After", "%" PRId64, seconds(wait));
		request_problem(r, 429, NULL, "Too many requests, please try again later");
	}
	settle(a, false);
}

/* What was asked for and may have been given is asked for once more: rather a token too many. */
static void ask_again(void *data, enum link_result result)
{
	struct asked *asked = data;
	struct limiter *l = asked->limiter;

	if (result != LINK_OK)
		refuse(&asked->list, result);
	TAILQ_CONCAT(&asked->list, &l->waiting, entry);
	TAILQ_CONCAT(&l->waiting, &asked->list, entry);
	mem_free(asked);
}

static void asked_failed(struct asked *asked, enum link_result result)
{
	int64_t since = TAILQ_FIRST(&asked->list)->request->asked_at;

	again_later(asked->limiter->again, since, result, ask_again, asked);
}

static void on_asked(void *data, enum link_result result, const redisReply *reply)
{
	struct asked *asked = data;
	struct limiter_ask *a;

	if (result == LINK_OK &&
	    (reply->type != REDIS_REPLY_ARRAY || reply->elements != asked->n + 2))
		result = LINK_ERROR;
	if (result != LINK_OK) {
		asked_failed(asked, result);
		return;
	}
	for (size_t i = 2; (a = TAILQ_FIRST(&asked->list)) != NULL; i++) {
		TAILQ_REMOVE(&asked->list, a, entry);
		tell(asked->limiter, a, reply->element[0]->integer, reply->element[1]->integer,
		     reply->element[i]->integer);
	}
	mem_free(asked);
}

static void ask(struct limiter *l, struct topology *redis)
{
	struct asked *asked = mem_zalloc(sizeof(*asked));
	const char *client = TAILQ_FIRST(&l->waiting)->request->client;
	char *key = keys_client(l->key_prefix, client);
	struct limiter_ask *a, *next;

	asked->limiter = l;
	TAILQ_INIT(&asked->list);
	script_command(&l->command, SCRIPT_LIMIT, 1);
	command_str(&l->command, key);
	command_int(&l->command, l->interval_us);
	command_int(&l->command, l->max);
	for (a = TAILQ_FIRST(&l->waiting); a != NULL && asked->n < LIMITER_MAX_BATCH; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (strcmp(a->request->client, client) != 0)
			continue;
		command_int(&l->command, (int64_t)a->cost);
		TAILQ_REMOVE(&l->waiting, a, entry);
		TAILQ_INSERT_TAIL(&asked->list, a, entry);
		asked->n++;
	}
	mem_free(key);
	if (!topology_send(redis, &l->command, 0, on_asked, asked))
		asked_failed(asked, LINK_LOST);
}

void limiter_add(struct limiter *l, struct request *r, size_t cost, limiter_fn *fn, void *data)
{
	struct limiter_ask *a;

	if (l->max == 0) {
		fn(data, true);
		return;
	}
	a = mem_zalloc(sizeof(*a));
	*a = (struct limiter_ask){.request = r, .cost = cost, .fn = fn, .data = data};
	TAILQ_INSERT_TAIL(&l->waiting, a, entry);
}

void limiter_flush(struct limiter *l, struct topology *redis)
{
	while (!TAILQ_EMPTY(&l->waiting))
		ask(l, redis);
}

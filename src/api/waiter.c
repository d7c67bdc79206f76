#include "api/waiter.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "redis/value.h"

#define TICK_US 50000
#define SHARE 8 /* of the time that has gone by is waited until the next look */

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	struct waiters *all; /* NULL: answered, and only Redis's reply is awaited */
	struct request *request;
	struct post *post;
	waiter_fn *fn;
	int64_t since, look_at, until; /* mono clock, µs */
	bool asking;
};

/* Tells of it; it goes when Redis owes it nothing. */
static void waiter_end(struct waiters *all, struct waiter *w)
{
	TAILQ_REMOVE(&all->list, w, entry);
	if (--all->n == 0)
		ev_timer_stop(all->api->loop, &all->tick);
	w->all = NULL;
	w->fn(w->request, w->post);
	if (!w->asking)
		mem_free(w);
}

static void on_looked(void *data, enum link_result result, const redisReply *reply)
{
	struct waiter *w = data;

	w->asking = false;
	if (w->all == NULL) {
		mem_free(w);
		return;
	}
	/* Redis may be away for a while: the mail is taken all the same. */
	if (result == LINK_OK && value_text_at(reply, 0) != NULL)
		post_read_status(w->post, reply, 0);
	if (post_is_settled(w->post))
		waiter_end(w->all, w);
}

static void waiter_look(struct waiter *w, int64_t now)
{
	struct api *api = w->all->api;
	struct command *c = &api->command;

	command_clear(c);
	command_str(c, "HMGET");
	command_str(c, w->post->status_key);
	for (size_t i = 0; i < POST_STATUS_FIELDS; i++)
		command_str(c, post_status_fields[i]);
	w->asking = topology_send(api->redis, c, 0, on_looked, w);
	w->look_at = now + (now - w->since) / SHARE;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct waiters *all = timer->data;
	int64_t now = clock_mono_us();
	struct waiter *w, *next;

	(void)loop;
	(void)events;
	for (w = TAILQ_FIRST(&all->list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (now >= w->until)
			waiter_end(all, w);
		else if (now >= w->look_at && !w->asking)
			waiter_look(w, now);
	}
}

void waiters_init(struct waiters *w, struct api *api)
{
	*w = (struct waiters){.api = api};
	TAILQ_INIT(&w->list);
	ev_timer_init(&w->tick, on_tick, TICK_US / 1e6, TICK_US / 1e6);
	w->tick.data = w;
}

void waiters_add(struct waiters *all, struct request *r, struct post *p, int64_t seconds,
                 waiter_fn *fn)
{
	int64_t now = clock_mono_us();
	struct waiter *w;

	if (all->closed) {
		fn(r, p);
		return;
	}
	w = mem_zalloc(sizeof(*w));
	*w = (struct waiter){
		.all = all,
		.request = r,
		.post = p,
		.fn = fn,
		.since = now,
		.until = now + seconds * 1000000,
	};
	TAILQ_INSERT_TAIL(&all->list, w, entry);
	if (all->n++ == 0)
		ev_timer_again(all->api->loop, &all->tick);
}

void waiters_close(struct waiters *all)
{
	all->closed = true;
	while (!TAILQ_EMPTY(&all->list))
		waiter_end(all, TAILQ_FIRST(&all->list));
}

#include "api/again.h"

#include "base/clock.h"
#include "base/mem.h"

#define TICK_S 0.02 /* in a cluster one server may be away while others are not */

struct again_entry {
	TAILQ_ENTRY(again_entry) entry;
	int64_t since;
	enum link_result result;
	again_fn *fn;
	void *data;
};

static bool may_be_asked_again(enum link_result result)
{
	return result == LINK_AGAIN || result == LINK_LOST;
}

static bool is_over(const struct again *a, int64_t since, int64_t now)
{
	if (a->away_since != 0 && a->away_since < since)
		since = a->away_since;
	return a->closed || now - since >= a->patience_us;
}

/* Those that are handed in meanwhile wait for the next turn. */
static void again_run(struct again *a)
{
	struct again_list list = TAILQ_HEAD_INITIALIZER(list);
	int64_t now = clock_mono_us();
	struct again_entry *e;

	TAILQ_CONCAT(&list, &a->list, entry);
	while ((e = TAILQ_FIRST(&list)) != NULL) {
		bool over = is_over(a, e->since, now);

		TAILQ_REMOVE(&list, e, entry);
		if (!over && a->away_since != 0) {
			TAILQ_INSERT_TAIL(&a->list, e, entry);
			continue;
		}
		e->fn(e->data, over ? e->result : LINK_OK);
		mem_free(e);
	}
	if (TAILQ_EMPTY(&a->list))
		ev_timer_stop(a->loop, &a->tick);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	again_run(timer->data);
}

void again_init(struct again *a, struct ev_loop *loop, int64_t patience_ms)
{
	*a = (struct again){
		.loop = loop,
		.patience_us = patience_ms * 1000,
		.away_since = clock_mono_us(),
	};
	TAILQ_INIT(&a->list);
	ev_timer_init(&a->tick, on_tick, TICK_S, TICK_S);
	a->tick.data = a;
}

void again_on_redis(struct again *a, bool up)
{
	a->away_since = up ? 0 : clock_mono_us();
	if (up)
		again_run(a);
}

void again_later(struct again *a, int64_t since, enum link_result result, again_fn *fn, void *data)
{
	struct again_entry *e;

	if (!may_be_asked_again(result) || is_over(a, since, clock_mono_us())) {
		fn(data, result);
		return;
	}
	e = mem_alloc(sizeof(*e));
	*e = (struct again_entry){.since = since, .result = result, .fn = fn, .data = data};
	TAILQ_INSERT_TAIL(&a->list, e, entry);
	if (!ev_is_active(&a->tick))
		ev_timer_again(a->loop, &a->tick);
}

void again_close(struct again *a)
{
	a->closed = true;
	again_run(a);
}

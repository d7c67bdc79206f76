/* waiter.h - requests that wait for what becomes of their mail (Prefer: wait).
 *
 * Each is suspended; one timer for all looks their mails up while there are any. A mail is looked at 50 ms
 * after it was taken, and then again whenever an eighth more of its time has gone by: so the answer comes at
 * most that late, and a wait of 30 s costs Redis some fifty HMGETs and not six hundred. What is due in one
 * tick goes out in one write. */
#ifndef API_WAITER_H
#define API_WAITER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/post.h"
#include "api/request.h"

struct waiter;
TAILQ_HEAD(waiter_list, waiter);

/* p's outcome is known, or the time is over: its status … tell. The post is the callee's again. */
typedef void waiter_fn(struct request *r, struct post *p);

struct waiters {
	struct api *api;
	struct waiter_list list;
	size_t n;
	bool closed;
	ev_timer tick;
};

void waiters_init(struct waiters *w, struct api *api);
/* Takes the request and the post over until fn is called, from the loop. */
void waiters_add(struct waiters *w, struct request *r, struct post *p, int64_t seconds, waiter_fn *fn);
/* Nobody waits any more: all are told what is known now. What is added later is told at once. */
void waiters_close(struct waiters *w);

#endif

#include "support/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/tally.h"
#include "support/wait.h"

struct pace {
	struct fleet *fleet;
	const char *record;
	size_t n;
	int64_t rate, burst, started;
	void (*on_look)(void *data, size_t taken);
	void *data;
	size_t taken; /* at the last look */
	int64_t passed;
	bool exceeded;
};

int64_t pace_now(struct fleet *f)
{
	redisReply *time = redis_server_cmd(fleet_redis(f), "TIME");
	int64_t ms = strtoll(time->element[0]->str, NULL, 10) * 1000 +
	             strtoll(time->element[1]->str, NULL, 10) / 1000;

	freeReplyObject(time);
	return ms;
}

static bool all_taken_or_too_many(void *arg)
{
	struct pace *p = arg;
	struct tally *t = tally_of_record(p->record);

	/* First the mails, then the clock: so no mail counts that came after. One more ms, because
	 * the start was cut to whole ones. */
	p->taken = tally_total(t);
	p->passed = pace_now(p->fleet) - p->started + 1;
	tally_free(t);
	p->exceeded = (int64_t)p->taken * 1000 > p->rate * p->passed + p->burst * 1000;
	if (p->on_look)
		p->on_look(p->data, p->taken);
	return p->exceeded || p->taken >= p->n;
}

int64_t pace_watch(struct fleet *f, const char *record, size_t n, int rate, int burst,
                   void (*push)(void *data), void (*on_look)(void *data, size_t taken), void *data)
{
	struct pace p = {.fleet = f,
	                 .record = record,
	                 .n = n,
	                 .rate = rate,
	                 .burst = burst,
	                 .started = pace_now(f),
	                 .on_look = on_look,
	                 .data = data};

	push(data);
	wait_until(all_taken_or_too_many, &p, 0);
	if (p.exceeded)
		fail_msg("%zu mails in the first %lld ms", p.taken, (long long)p.passed);
	return p.passed;
}

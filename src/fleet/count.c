#include "fleet/count.h"

#include "base/clock.h"
#include "fleet/gate.h"
#include "fleet/queue.h"
#include "fleet/worker.h"

void count_wait(const struct task *t)
{
	int64_t since = task_since(t), now = redis_clock_now(&t->queue->clock);
	int64_t with_provider = clock_mono_us() - t->delivery.since_us;

	if (t->due_at > since)
		since = t->due_at;
	stats_time(t->queue->stats, STATS_WAIT, (now - since) * 1000 - with_provider);
}

void count_attempt(const struct task *t, const char *provider)
{
	struct stats_row *r = stats_provider(&t->worker->stats, provider);

	stats_add(r, STATS_ATTEMPTS, t->outcome.kind);
	if (t->gate)
		stats_time(r, STATS_CALL, t->took_us);
}

void count_mail(const struct task *t)
{
	const struct decision *d = &t->decision;
	const char *provider = t->gate ? t->gate->provider->name : t->history.provider;
	enum stats_status status;

	if (t->verdict != VERDICT_OK || d->settle == SETTLE_DELAY || !d->status)
		return;
	status = stats_status(d->status);
	stats_add(t->queue->stats, STATS_MAILS, status);
	if (t->history.attempts > 0)
		stats_add(stats_provider(&t->worker->stats, provider), STATS_PROVIDER_MAILS,
		          status);
	if (d->settle == SETTLE_BURY)
		stats_add(t->queue->stats, STATS_DEAD, stats_reason(&t->outcome));
	else if (d->attempt && status == STATS_SENT)
		stats_time(t->queue->stats, STATS_TOTAL,
		           (redis_clock_now(&t->queue->clock) - task_since(t)) * 1000);
}

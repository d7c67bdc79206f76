#include "fleet/ending.h"

#include <stdio.h>
#include <string.h>

#include "fleet/attempt.h"
#include "fleet/queue.h"
#include "fleet/settle.h"
#include "fleet/status.h"
#include "fleet/worker.h"

bool ending_notify(struct task *t)
{
	struct notify *n = &t->worker->webhooks.notify;

	if (!notify_wants(n, t))
		return false;
	task_set_state(t, TASK_NOTIFYING);
	notify_mail(n, t);
	return true;
}

void ending_settle(struct task *t)
{
	struct decision *d = &t->decision;

	if (ending_notify(t))
		return;

	if (!t->webhook && d->settle == SETTLE_ACK && d->status && strcmp(d->status, "sent") == 0 &&
	    t->worker->options->keep_sent > 0)
		d->settle = SETTLE_KEEP;
	task_set_state(t, TASK_SETTLING);
	settle_add(t->queue, t);
}

void ending_finish(struct task *t)
{
	task_set_state(t, TASK_FINISHING);
	status_ask(&t->worker->status, STATUS_FINISH, t);
}

void ending_settle_only(struct task *t, enum settle_action action, int64_t at)
{
	t->decision = (struct decision){.settle = action, .at = at};
	ending_settle(t);
}

void ending_decide_written(struct task *t, enum settle_action action, int64_t at)
{
	size_t n = strcspn(t->last_error, ":");

	t->decision = (struct decision){.status = t->verdict_text, .settle = action, .at = at};
	t->decision.attempt = strcmp(t->verdict_text, "cancelled") != 0 &&
	                      t->history.provider[0] != '\0';
	snprintf(t->decision.error, sizeof(t->decision.error), "%s", t->last_error);
	snprintf(t->outcome.code, sizeof(t->outcome.code), "%.*s", (int)n, t->last_error);
}

static void settle_written(struct task *t, enum settle_action action, int64_t at)
{
	ending_decide_written(t, action, at);
	ending_settle(t);
}

/* A status says so. */
static bool is_put_off(const struct task *t)
{
	return (strcmp(t->verdict_text, "scheduled") == 0 ||
	        strcmp(t->verdict_text, "retrying") == 0) &&
	       t->due_at > redis_clock_now(&t->queue->clock) + TASK_SOON_MS;
}

bool ending_written(struct task *t)
{
	bool dead = strcmp(t->verdict_text, "failed") == 0 || strcmp(t->verdict_text, "held") == 0;

	if (t->verdict == VERDICT_STALE)
		task_drop(t, "claim_stale");
	else if (t->verdict == VERDICT_FINAL)
		settle_written(t, dead ? SETTLE_BURY : SETTLE_ACK, 0); /* or it was cancelled */
	else if (t->verdict == VERDICT_OK && is_put_off(t))
		settle_written(t, SETTLE_DELAY, t->due_at);
	else
		return false;
	return true;
}

void ending_decide_failed(struct task *t, const char *code, const char *text)
{
	t->decision = (struct decision){.status = "failed", .settle = SETTLE_BURY};
	outcome_set(&t->outcome, OUTCOME_REJECTED, code, text);
	snprintf(t->decision.error, sizeof(t->decision.error), "%s: %s", code, text);
}

void ending_fail(struct task *t, const char *code, const char *text)
{
	ending_decide_failed(t, code, text);
	ending_finish(t);
}

void ending_give_up(struct task *t, const char *code, const char *text)
{
	ending_decide_failed(t, code, text);
	if (t->history.pinned[0] != '\0')
		t->decision.status = "held";
	else
		attempt_failed(t);
	ending_finish(t);
}

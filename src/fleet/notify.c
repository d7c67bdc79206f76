#include "fleet/notify.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/queue.h"
#include "fleet/webhook_job.h"
#include "redis/script.h"

#define NOTIFY_MAX_BATCH 64
#define NOTIFY_HOLD_US 1000000

struct notify_batch {
	struct notify *notify;
	size_t n;
	struct task *tasks[];
};

void notify_init(struct notify *n, const struct webhook_rules *rules, struct queue *queue,
                 const char *disabled_key)
{
	*n = (struct notify){.rules = rules, .queue = queue};
	n->disabled_key = mem_strdup(disabled_key);
	TAILQ_INIT(&n->outbox);
	command_init(&n->command);
}

void notify_free(struct notify *n)
{
	mem_free(n->disabled_key);
	command_free(&n->command);
}

static const char *notify_url(const struct notify *n, const struct task *t)
{
	return t->job && t->job->webhook_url[0] != '\0' ? t->job->webhook_url
	                                                : n->rules->options->webhook_url;
}

bool notify_wants(struct notify *n, const struct task *t)
{
	struct webhook_target target;
	const char *url = notify_url(n, t), *why;

	if (*url == '\0' || t->webhook || t->notified || !t->decision.status ||
	    !webhook_rules_tell(n->rules, t->decision.status))
		return false;
	if (!n->queue) {
		if (!n->warned)
			log_warn("webhook_ignored", LOG_STR("id", t->id), LOG_STR("key", t->key),
			         LOG_STR("error", "a job has a webhookUrl, but WEBHOOK_SECRET, "
			                          "which would sign it, is not set"));
		n->warned = true;
		return false;
	}
	if (webhook_rules_allow(n->rules, url, &target, &why))
		return true;
	log_warn("webhook_refused", LOG_STR("id", t->id), LOG_STR("key", t->key),
	         LOG_STR("host", target.host), LOG_STR("error", why));
	return false;
}

void notify_mail(struct notify *n, struct task *t)
{
	TAILQ_INSERT_TAIL(&n->outbox, t, place);
	n->n++;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void notify_back(struct notify_batch *b)
{
	struct notify *n = b->notify;

	for (size_t i = b->n; i-- > 0;) {
		TAILQ_INSERT_HEAD(&n->outbox, b->tasks[i], place);
		n->n++;
	}
	mem_free(b);
}

static void notify_on_reply(void *data, enum link_result result, const redisReply *reply)
{
	struct notify_batch *b = data;
	struct notify *n = b->notify;

	n->in_flight--;
	if (result == LINK_LOST || result == LINK_AGAIN || result == LINK_NOMEM ||
	    result == LINK_REFUSED) {
		if (reply && (result == LINK_NOMEM || result == LINK_REFUSED))
			n->hold_until = clock_boot_us() + NOTIFY_HOLD_US;
		notify_back(b);
		return;
	}
	/* Their queue is not one, or we may not: that must not keep mails from being settled. */
	if (result != LINK_OK)
		log_error("webhooks_lost", LOG_STR("queue", n->queue->keys.list),
		          LOG_INT("webhooks", (int64_t)b->n),
		          LOG_STR("error", reply ? reply->str : NULL));
	n->queue->dry = false;
	for (size_t i = 0; i < b->n; i++)
		task_advance(b->tasks[i], TASK_ON_NOTIFIED);
	mem_free(b);
}

static bool notify_send(struct notify *n, struct topology *redis)
{
	size_t count = n->n < NOTIFY_MAX_BATCH ? n->n : NOTIFY_MAX_BATCH;
	struct notify_batch *b = mem_alloc(sizeof(*b) + count * sizeof(b->tasks[0]));
	struct command *c = &n->command;
	struct buf payload;

	b->notify = n;
	b->n = count;
	script_command(c, SCRIPT_NOTIFY, 3);
	command_str(c, n->queue->keys.list);
	command_str(c, n->queue->keys.jobs);
	command_str(c, n->disabled_key);
	for (size_t i = 0; i < count; i++) {
		struct task *t = TAILQ_FIRST(&n->outbox);

		TAILQ_REMOVE(&n->outbox, t, place);
		n->n--;
		b->tasks[i] = t;
		buf_init(&payload, WEBHOOK_JOB_MAX);
		webhook_job_write(&payload, t, notify_url(n, t), redis_clock_now(&t->queue->clock));
		command_str(c, notify_url(n, t));
		command_arg(c, payload.data, payload.len);
		buf_free(&payload);
	}
	if (!topology_send(redis, c, 0, notify_on_reply, b)) {
		notify_back(b);
		return false;
	}
	n->in_flight++;
	return true;
}

void notify_flush(struct notify *n, struct topology *redis)
{
	if (!n->queue || n->hold_until > clock_boot_us())
		return;
	while (n->n >= NOTIFY_MAX_BATCH || (n->n > 0 && n->in_flight == 0)) {
		if (!notify_send(n, redis))
			return;
	}
}

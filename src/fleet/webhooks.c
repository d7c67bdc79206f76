#include "fleet/webhooks.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "fleet/queue.h"
#include "fleet/webhook.h"
#include "fleet/worker.h"
#include "provider/webhook_call.h"
#include "redis/keys.h"

#define CONNECT_MS 10000
#define IDLE_MS 30000

bool webhooks_init(struct webhooks *w, const struct options *o, struct error *err)
{
	memset(w, 0, sizeof(*w));
	w->options = o;
	w->disabled_key = keys_webhooks_disabled(o->key_prefix);
	TAILQ_INIT(&w->asking);
	command_init(&w->command);
	notify_init(&w->notify, &w->rules, NULL, w->disabled_key);
	return webhook_rules_read(&w->rules, o, err);
}

static struct http_client *open_client(const struct webhooks *w, struct ev_loop *loop,
                                       bool clear_text, struct error *err)
{
	const struct options *o = w->options;
	struct http_config config = {
		.ca_file = "",
		.clear_text = clear_text,
		.max_body = WEBHOOK_MAX_BODY,
		.connections = (long)o->webhook_concurrency,
		.connect_ms = o->webhook_timeout < CONNECT_MS ? (long)o->webhook_timeout
	                                                      : CONNECT_MS,
		.send_ms = (long)o->webhook_timeout,
		.reply_ms = (long)o->webhook_timeout,
		.idle_ms = IDLE_MS,
		.direct = true,
		.public_only = !o->webhook_allow_private,
	};

	return http_client_open(loop, &config, err);
}

bool webhooks_open(struct webhooks *w, struct ev_loop *loop, struct queue *queue,
                   struct topology *redis, struct error *err)
{
	w->redis = redis;
	if (!queue)
		return true;
	w->https = open_client(w, loop, false, err);
	if (w->https && w->options->webhook_allow_private)
		w->http = open_client(w, loop, true, err);
	if (!w->https || (w->options->webhook_allow_private && !w->http))
		return error_prefix(err, "webhooks");
	w->queue = w->notify.queue = queue;
	return true;
}

void webhooks_free(struct webhooks *w)
{
	http_client_close(w->https);
	http_client_close(w->http);
	notify_free(&w->notify);
	webhook_rules_wipe(&w->rules);
	command_free(&w->command);
	mem_free(w->disabled_key);
}

void webhooks_reload(struct webhooks *w)
{
	char *text = NULL;
	struct error err;
	bool ok;

	if (!w->queue)
		return;
	ok = options_text("WEBHOOK_SECRET", &text, &err);
	if (ok && *text == '\0')
		ok = error_set(&err, "WEBHOOK_SECRET is gone; the last one goes on to sign");
	if (!ok || !webhook_rules_set_secrets(&w->rules, text, &err))
		log_error("reload_failed", LOG_STR("error", err.text));
	if (text)
		mem_wipe(text, strlen(text));
	mem_free(text);
}

/* ---- disabled endpoints ------------------------------------------------------------------------- */

void webhooks_ask(struct webhooks *w, struct task *t)
{
	TAILQ_INSERT_TAIL(&w->asking, t, place);
}

static void webhooks_on_asked(void *data, enum link_result result, const redisReply *reply)
{
	struct task *t = data;
	struct webhooks *w = &t->worker->webhooks;

	if (result == LINK_LOST || result == LINK_AGAIN) {
		webhooks_ask(w, t);
		return;
	}
	if (result != LINK_OK)
		log_warn("disabled_endpoints_unreadable", LOG_STR("key", w->disabled_key),
		         LOG_STR("error", reply->str));
	webhook_set_disabled(t->webhook, result == LINK_OK && reply->type == REDIS_REPLY_STRING);
	task_advance(t, TASK_ON_ASKED);
}

void webhooks_flush(struct webhooks *w)
{
	struct command *c = &w->command;
	struct task *t;

	notify_flush(&w->notify, w->redis);
	while ((t = TAILQ_FIRST(&w->asking)) != NULL) {
		command_clear(c);
		command_str(c, "ZSCORE");
		command_str(c, w->disabled_key);
		command_str(c, webhook_url(t->webhook));
		if (!topology_send(w->redis, c, 0, webhooks_on_asked, t))
			return;
		TAILQ_REMOVE(&w->asking, t, place);
	}
}

/* When it is lost, the endpoint's next answer says the same again. */
static void webhooks_on_ignored(void *data, enum link_result result, const redisReply *reply)
{
	const struct webhooks *w = data;

	if (result != LINK_OK && reply)
		log_warn("disabled_endpoints_unwritable", LOG_STR("key", w->disabled_key),
		         LOG_STR("error", reply->str));
}

static void webhooks_send(struct webhooks *w)
{
	if (!topology_send(w->redis, &w->command, 0, webhooks_on_ignored, w))
		log_debug("disabled_endpoints_skipped", LOG_STR("key", w->disabled_key));
}

void webhooks_disable(struct webhooks *w, const char *url)
{
	struct command *c = &w->command;

	command_clear(c);
	command_str(c, "ZADD");
	command_str(c, w->disabled_key);
	command_int(c, redis_clock_now(&w->queue->clock));
	command_str(c, url);
	webhooks_send(w);
	command_clear(c);
	command_str(c, "ZREMRANGEBYRANK");
	command_str(c, w->disabled_key);
	command_str(c, "0");
	command_int(c, -WEBHOOKS_MAX_DISABLED - 1);
	webhooks_send(w);
}

void webhooks_enable(struct webhooks *w, const char *url)
{
	struct command *c = &w->command;

	command_clear(c);
	command_str(c, "ZREM");
	command_str(c, w->disabled_key);
	command_str(c, url);
	webhooks_send(w);
}

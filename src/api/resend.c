#include "api/resend.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/post.h"
#include "api/send.h"
#include "api/send_trace.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mail/json.h"
#include "redis/keys.h"
#include "redis/value.h"

#define MARK "_resend_"
#define MARK_MAX 28 /* bytes, with a time in ms */

static void ask_status(struct request *r);

static void gone(struct request *r)
{
	request_problem(r, 410, NULL, "The content of this mail is no longer kept");
}

/* --- the content, under a new key -------------------------------------------------------------------------- */

/* <key>_resend_<ms>; of one that is too long for that, the beginning. */
static char *make_key(const char *key)
{
	size_t n = strlen(key);

	if (n > KEYS_MAX_NAME - MARK_MAX)
		n = KEYS_MAX_NAME - MARK_MAX;
	while (n > 0 && ((unsigned char)key[n] & 0xc0) == 0x80)
		n--; /* not within a character */
	return mem_printf("%.*s" MARK "%" PRId64, (int)n, key, clock_wall_ms());
}

static struct post *make_post(struct request *r, const char *text, size_t len)
{
	static const char *const dropped[] = {"idempotencyKey", "sendAt", "delay", "expiresAt"};
	char *key = make_key(r->param), *payload = NULL;
	struct post *p = NULL;
	struct error err;
	cJSON *job = json_parse(text, len, &err);

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(job, dropped[i]);
	if (cJSON_IsObject(job) && cJSON_AddStringToObject(job, "idempotencyKey", key) != NULL)
		payload = cJSON_PrintUnformatted(job);
	cJSON_Delete(job);
	mem_free(key);
	if (payload != NULL)
		p = post_new_trusted(payload, strlen(payload), send_trace_next(r), r->api->options,
		                     r->api->queues);
	mem_free(payload);
	return p;
}

static void on_content(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;
	struct post *p;

	if (result != LINK_OK) {
		request_again(r, result, ask_status);
		return;
	}
	if (reply->type != REDIS_REPLY_STRING) {
		gone(r);
		return;
	}
	send_trace_begin(r);
	p = make_post(r, reply->str, reply->len);
	if (p != NULL)
		send_post(r, p);
	else
		request_problem(r, 400, NULL,
		                "What failed was no JSON object: there is no mail in it");
}

/* owner: `<queue>#<id>` of the job. */
static void ask_content(struct request *r, const char *owner, bool sent)
{
	const char *id = strrchr(owner, '#');
	char *queue = id != NULL ? mem_strndup(owner, (size_t)(id - owner)) : NULL, *name;
	struct command *c = &r->api->command;
	struct queue_keys keys;
	struct error err;
	bool ok = queue != NULL && queue_keys_make(&keys, queue, &err);

	mem_free(queue);
	if (!ok) {
		gone(r);
		return;
	}
	command_clear(c);
	command_str(c, sent ? "GET" : "HGET");
	if (sent) {
		name = queue_keys_sent(&keys, id + 1);
		command_str(c, name);
		mem_free(name);
	} else {
		command_str(c, keys.jobs);
		command_str(c, id + 1);
	}
	queue_keys_free(&keys);
	if (!topology_send(r->api->redis, c, 0, on_content, r))
		request_again(r, LINK_LOST, ask_status);
}

/* --- may it be sent again? --------------------------------------------------------------------------------- */

static void on_status(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;
	const char *status = result == LINK_OK ? value_text_at(reply, 0) : NULL;
	const char *owner = result == LINK_OK ? value_text_at(reply, 1) : NULL;
	bool force = r->data != NULL, sent = status != NULL && strcmp(status, "sent") == 0;
	char text[128];

	if (result != LINK_OK) {
		request_again(r, result, ask_status);
	} else if (status == NULL) {
		request_problem(r, 404, NULL, "Email not found");
	} else if (sent && !force) {
		request_problem(r, 400, NULL, "The mail was sent; {\"force\":true} sends it again");
	} else if (!sent && strcmp(status, "failed") != 0 && strcmp(status, "held") != 0) {
		snprintf(text, sizeof(text), "The mail is %s", status);
		request_problem(r, 409, NULL, text);
	} else if (owner == NULL) {
		gone(r); /* only a note why a job under this key was not valid */
	} else {
		ask_content(r, owner, sent);
	}
}

/* r->data: not NULL when it is forced. */
static void ask_status(struct request *r)
{
	struct command *c = &r->api->command;
	char *name = keys_status(r->api->options->key_prefix, r->param);

	command_clear(c);
	command_str(c, "HMGET");
	command_str(c, name);
	command_str(c, "status");
	command_str(c, "owner");
	mem_free(name);
	if (!topology_send(r->api->redis, c, 0, on_status, r))
		request_again(r, LINK_LOST, ask_status);
}

void resend_run(struct request *r)
{
	const cJSON *force;
	cJSON *body;

	if (!request_read(r, &body))
		return;
	force = cJSON_GetObjectItemCaseSensitive(body, "force");
	if (cJSON_IsTrue(force))
		r->data = mem_strdup("force");
	if (force != NULL && !cJSON_IsBool(force))
		request_invalid(r, "The request is not valid",
		                "Field \"force\" must be true or false");
	else
		ask_status(r);
	cJSON_Delete(body);
}

#include "api/operate.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/look.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "fleet/control.h"
#include "fleet/permit.h"
#include "redis/keys.h"
#include "redis/script.h"
#include "redis/value.h"

/* --- cancel ------------------------------------------------------------------------------------------------ */

static void on_cancelled(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;
	const char *answer = result == LINK_OK ? value_text_at(reply, 0) : NULL;
	char text[128];

	if (result == LINK_OK && (answer == NULL || strncmp(answer, "error", 5) == 0))
		result = LINK_ERROR;
	if (result != LINK_OK) {
		request_again(r, result, operate_cancel);
	} else if (strcmp(answer, "none") == 0) {
		request_problem(r, 404, NULL, "Email not found");
	} else if (strcmp(answer, "cancelled") != 0) {
		snprintf(text, sizeof(text), "It is too late: the mail is %s", answer);
		request_problem(r, 409, NULL, text);
	} else {
		jsonw_open(&r->out, '{');
		jsonw_pair_bool(&r->out, "success", true);
		jsonw_pair(&r->out, "status", "cancelled");
		jsonw_pair(&r->out, "idempotencyKey", r->param);
		jsonw_pair_now(&r->out, "timestamp");
		jsonw_close(&r->out, '}');
		request_answer(r, 200);
	}
}

void operate_cancel(struct request *r)
{
	struct command *c = &r->api->command;
	char *name = keys_status(r->api->options->key_prefix, r->param);

	script_command(c, SCRIPT_CANCEL, 1);
	command_str(c, name);
	command_int(c, r->api->options->max_queue_time * 1000);
	mem_free(name);
	if (!topology_send(r->api->redis, c, 0, on_cancelled, r))
		request_again(r, LINK_LOST, operate_cancel);
}

/* --- reset ------------------------------------------------------------------------------------------------- */

static void reset_look(struct request *r);

struct reset {
	struct request *request;
	size_t pending;
	enum link_result result;
};

static void reset_step(struct reset *s)
{
	struct request *r = s->request;
	const char *provider = r->data;
	char text[256] = "All circuit breakers have been reset";

	if (--s->pending > 0)
		return;
	if (s->result != LINK_OK) {
		request_again(r, s->result, reset_look);
	} else {
		if (provider != NULL)
			snprintf(text, sizeof(text), "Circuit breaker for %s has been reset",
			         provider);
		jsonw_open(&r->out, '{');
		jsonw_pair_bool(&r->out, "success", true);
		jsonw_pair(&r->out, "message", text);
		jsonw_close(&r->out, '}');
		request_answer(r, 200);
	}
	mem_free(s);
}

static void on_reset(void *data, enum link_result result, const redisReply *reply)
{
	struct reset *s = data;

	(void)reply;
	if (result != LINK_OK)
		s->result = result;
	reset_step(s);
}

static void reset_send(struct reset *s)
{
	struct api *api = s->request->api;

	s->pending++;
	if (topology_send(api->redis, &api->command, 0, on_reset, s))
		return;
	s->pending--;
	s->result = LINK_LOST;
}

/* The breaker first; then the note that makes workers ask again. */
static void reset_one(struct reset *s, const char *provider, int64_t now)
{
	struct api *api = s->request->api;
	struct command *c = &api->command;
	char *key = keys_provider(api->options->key_prefix, provider);

	permit_command(c, key, api->options, 0, 0, 0);
	permit_report(c, 0, "reset", 1, 0, "");
	reset_send(s);
	control_reset(c, api->options->key_prefix, provider, now);
	reset_send(s);
	mem_free(key);
}

static void on_looked(struct request *r, enum link_result result, const struct survey *survey)
{
	const char *provider = r->data;
	struct reset *s;
	size_t n = 0;

	if (result != LINK_OK) {
		request_again(r, result, reset_look);
		return;
	}
	s = mem_zalloc(sizeof(*s));
	*s = (struct reset){.request = r, .pending = 1, .result = LINK_OK};
	for (size_t i = 0; i < survey->n_providers; i++) {
		const char *name = survey->providers[i].name;

		if (provider != NULL && strcmp(provider, name) != 0)
			continue;
		n++;
		reset_one(s, name, survey->now);
	}
	if (provider != NULL && n == 0) {
		mem_free(s);
		request_problem(r, 404, NULL, "There is no such provider");
		return;
	}
	reset_step(s);
}

/* r->data: the one that is meant; NULL all. */
static void reset_look(struct request *r)
{
	look_run(r, 0, on_looked);
}

void operate_reset(struct request *r)
{
	cJSON *body;
	const cJSON *provider;

	if (!request_read(r, &body))
		return;
	provider = cJSON_GetObjectItemCaseSensitive(body, "provider");
	if (provider != NULL && !cJSON_IsNull(provider) && !cJSON_IsString(provider)) {
		request_invalid(r, "The request is not valid",
		                "Field \"provider\" must be a string");
	} else {
		if (provider != NULL && cJSON_IsString(provider))
			r->data = mem_strdup(provider->valuestring);
		reset_look(r);
	}
	cJSON_Delete(body);
}

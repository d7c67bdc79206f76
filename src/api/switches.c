#include "api/switches.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/look.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "fleet/control.h"
#include "provider/provider.h"
#include "redis/value.h"

/* One request: r->data. */
struct change {
	enum control_kind kind;
	bool weighs, pause;
	int64_t weight;
	char name[KEYS_MAX_QUEUE + 1];
};

static void change(struct request *r);

/* Asked again, a pause that was there already is no change: `changed` is of the last time. */
static void on_changed(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;
	const struct change *c = r->data;

	if (result != LINK_OK) {
		request_again(r, result, change);
		return;
	}
	jsonw_open(&r->out, '{');
	jsonw_pair_bool(&r->out, "success", true);
	jsonw_pair(&r->out, control_kind_name(c->kind), c->name);
	if (c->weighs) {
		jsonw_pair_int_or_null(&r->out, "weight", c->weight);
	} else {
		jsonw_pair_bool(&r->out, "paused", c->pause);
		jsonw_pair_bool(&r->out, "changed", value_int(reply) > 0);
	}
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

static void change(struct request *r)
{
	const struct change *c = r->data;
	struct command *command = &r->api->command;
	const char *prefix = r->api->options->key_prefix;

	if (c->weighs)
		control_weight(command, prefix, c->name, c->weight);
	else
		control_pause(command, prefix, c->kind, c->name, c->pause);
	if (!topology_send(r->api->redis, command, 0, on_changed, r))
		request_again(r, LINK_LOST, change);
}

static void look_for_provider(struct request *r);

static void on_looked(struct request *r, enum link_result result, const struct survey *s)
{
	const struct change *c = r->data;

	if (result != LINK_OK) {
		request_again(r, result, look_for_provider);
		return;
	}
	for (size_t i = 0; i < s->n_providers; i++) {
		if (strcmp(s->providers[i].name, c->name) == 0) {
			change(r);
			return;
		}
	}
	request_problem(r, 404, NULL, "There is no such provider");
}

static void look_for_provider(struct request *r)
{
	look_run(r, 0, on_looked);
}

static bool refuse(struct request *r, const char *message)
{
	request_invalid(r, message, message);
	return false;
}

static bool read_weight(struct request *r, const cJSON *body, struct change *c)
{
	const cJSON *weight = cJSON_GetObjectItemCaseSensitive(body, "weight");
	char message[96];

	c->weight = -1;
	if (cJSON_IsNull(weight))
		return true;
	if (cJSON_IsNumber(weight) && weight->valuedouble >= 0 &&
	    weight->valuedouble <= PROVIDER_MAX_WEIGHT)
		c->weight = (int64_t)weight->valuedouble;
	if (c->weight >= 0 && (double)c->weight == weight->valuedouble)
		return true;
	snprintf(message, sizeof(message),
	         "Field \"weight\" must be a whole number from 0 to %d, or null",
	         PROVIDER_MAX_WEIGHT);
	return refuse(r, message);
}

static bool read_change(struct request *r, struct change *c)
{
	const cJSON *name;
	cJSON *body;
	char message[96];
	bool ok = true;

	if (!request_read(r, &body))
		return false;
	name = cJSON_GetObjectItemCaseSensitive(body, control_kind_name(c->kind));
	if (!cJSON_IsString(name) || strlen(name->valuestring) >= sizeof(c->name)) {
		snprintf(message, sizeof(message), "Field \"%s\" must be a name",
		         control_kind_name(c->kind));
		ok = refuse(r, message);
	} else {
		snprintf(c->name, sizeof(c->name), "%s", name->valuestring);
	}
	ok = ok && (!c->weighs || read_weight(r, body, c));
	cJSON_Delete(body);
	return ok;
}

static void run(struct request *r, struct change wanted)
{
	struct change *c = mem_alloc(sizeof(*c));

	*c = wanted;
	r->data = c;
	if (!read_change(r, c))
		return;
	if (c->kind == CONTROL_PROVIDER)
		look_for_provider(r);
	else if (queue_set_find(r->api->queues, c->name) != NULL)
		change(r);
	else
		request_problem(r, 404, NULL, "There is no such queue");
}

void switches_pause_queue(struct request *r)
{
	run(r, (struct change){.kind = CONTROL_QUEUE, .pause = true});
}

void switches_resume_queue(struct request *r)
{
	run(r, (struct change){.kind = CONTROL_QUEUE});
}

void switches_pause_provider(struct request *r)
{
	run(r, (struct change){.kind = CONTROL_PROVIDER, .pause = true});
}

void switches_resume_provider(struct request *r)
{
	run(r, (struct change){.kind = CONTROL_PROVIDER});
}

void switches_weight(struct request *r)
{
	run(r, (struct change){.kind = CONTROL_PROVIDER, .weighs = true});
}

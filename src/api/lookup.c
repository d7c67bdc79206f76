#include "api/lookup.h"

#include <string.h>

#include "api/api.h"
#include "archive/finder.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "redis/keys.h"

/* --- the status --------------------------------------------------------------------------------------------- */

static void write_timeline(struct buf *out, const struct mail_view *v)
{
	jsonw_key(out, "timeline");
	jsonw_open(out, '[');
	for (size_t i = 0; i < v->n_timeline; i++) {
		const struct mail_view_attempt *a = &v->timeline[i];

		jsonw_open(out, '{');
		jsonw_pair_int(out, a->late ? "lateToken" : "attempt", a->n);
		jsonw_pair(out, "provider", a->provider);
		jsonw_pair(out, "outcome", a->outcome);
		jsonw_pair(out, "code", a->code);
		if (a->ms >= 0) { /* else the line was cut before it */
			jsonw_pair_int(out, "ms", a->ms);
			jsonw_pair(out, "text", a->text);
		}
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

void lookup_write(struct buf *out, const struct mail_view *v)
{
	jsonw_open(out, '{');
	jsonw_pair_bool(out, "found", true);
	jsonw_pair(out, "idempotencyKey", v->key);
	jsonw_pair_or_null(out, "status", v->status);
	jsonw_pair_or_null(out, "to", v->to);
	jsonw_pair_or_null(out, "subject", v->subject);
	jsonw_pair_or_null(out, "provider", v->provider);
	jsonw_pair_int(out, "attempts", v->attempts);
	jsonw_pair_or_null(out, "messageId", v->message_id);
	jsonw_pair_time(out, "createdAt", v->created_at);
	jsonw_pair_time(out, "updatedAt", v->updated_at);
	if (v->next_attempt_at > 0)
		jsonw_pair_time(out, "nextAttemptAt", v->next_attempt_at);
	jsonw_pair_if(out, "error", v->error);
	jsonw_pair_if(out, "recipients", v->recipients);
	jsonw_pair_int(out, "duplicates", v->duplicates);
	if (v->archived)
		jsonw_pair_bool(out, "archived", true);
	write_timeline(out, v);
	jsonw_close(out, '}');
}

/* --- the route ---------------------------------------------------------------------------------------------- */

/* False: there is none. */
static bool answer(struct request *r, const redisReply *pairs, bool archived)
{
	struct mail_view v;
	bool found;

	mail_view_read(&v, r->param, pairs);
	v.archived = archived;
	found = v.found;
	if (found) {
		lookup_write(&r->out, &v);
		request_answer(r, 200);
	}
	mail_view_free(&v);
	return found;
}

/* What nobody can know is no 404. */
static void on_found(void *data, enum finder_result result, const redisReply *pairs,
                     const char *error)
{
	struct request *r = data;

	(void)error;
	if (result == FINDER_AWAY)
		request_unavailable(r, "Redis does not know it, and the archive does not answer");
	else if (result == FINDER_UNKNOWN || !answer(r, pairs, true))
		request_problem(r, 404, NULL, "Email not found");
}

static void on_read(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;

	if (result != LINK_OK)
		request_again(r, result, lookup_run);
	else if (answer(r, reply, false))
		return;
	else if (r->api->finder != NULL)
		finder_find(r->api->finder, r->param, on_found, r);
	else
		request_problem(r, 404, NULL, "Email not found");
}

void lookup_run(struct request *r)
{
	struct command *c = &r->api->command;
	char *name = keys_status(r->api->options->key_prefix, r->param);

	command_clear(c);
	command_str(c, "HGETALL");
	command_str(c, name);
	mem_free(name);
	if (!topology_send(r->api->redis, c, 0, on_read, r))
		request_again(r, LINK_LOST, lookup_run);
}

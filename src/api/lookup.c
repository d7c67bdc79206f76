#include "api/lookup.h"

#include "api/api.h"
#include "archive/finder.h"
#include "base/mem.h"
#include "fleet/view_json.h"
#include "redis/keys.h"

/* False: there is none. */
static bool answer(struct request *r, const redisReply *pairs, bool archived)
{
	struct mail_view v;
	bool found;

	mail_view_read(&v, r->param, pairs);
	v.archived = archived;
	found = v.found;
	if (found) {
		view_json_mail(&r->out, &v);
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

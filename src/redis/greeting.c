#include "redis/greeting.h"

#include <string.h>

#include "base/log.h"

void greeting_init(struct greeting *g)
{
	memset(g, 0, sizeof(*g));
}

bool greeting_ok(const struct greeting *g)
{
	return !g->refused && g->remedy == LINK_REMEDY_NONE;
}

bool greeting_command(struct command *c, const struct link_config *config, int step)
{
	if (step >= GREETING_ROLE && config->bare)
		return false;
	if (step >= GREETING_LOAD) {
		const struct script_source *source = script_get(
			(enum script)(step - GREETING_LOAD));
		command_str(c, "SCRIPT");
		command_str(c, "LOAD");
		command_arg(c, source->text, source->len);
		return true;
	}
	switch ((enum greeting_step)step) {
	case GREETING_AUTH:
		if (!*config->password)
			return false;
		command_str(c, "AUTH");
		if (*config->user)
			command_str(c, config->user);
		command_str(c, config->password);
		return true;
	case GREETING_SELECT:
		if (config->database == 0)
			return false;
		command_str(c, "SELECT");
		command_int(c, config->database);
		return true;
	case GREETING_SETNAME:
		if (!*config->name)
			return false;
		command_str(c, "CLIENT");
		command_str(c, "SETNAME");
		command_str(c, config->name);
		return true;
	default:
		command_str(c, "ROLE");
		return true;
	}
}

static void note_error(struct greeting *g, int step, const redisReply *reply)
{
	static const char *const names[] = {
		[GREETING_AUTH] = "AUTH",
		[GREETING_SELECT] = "SELECT",
		[GREETING_SETNAME] = "CLIENT SETNAME",
		[GREETING_ROLE] = "ROLE",
		[GREETING_LOAD] = "SCRIPT LOAD",
	};
	const char *name = names[step < GREETING_LOAD ? step : GREETING_LOAD];
	const struct link_error *e = link_error_find(reply->str, reply->len);
	bool optional = step == GREETING_SETNAME || step == GREETING_ROLE;

	/* Good to have, but some hosted servers and some ACLs do not let us. */
	if (optional && e->remedy == LINK_REMEDY_NONE) {
		log_debug("redis_greeting", LOG_STR("command", name), LOG_STR("error", reply->str));
		return;
	}
	error_set(&g->reason, "%s: %s%s%s", name, reply->str, *e->advice ? ": " : "", e->advice);
	if (e->result == LINK_AGAIN)
		g->remedy = e->remedy;
	else if (e->result == LINK_NOMEM || e->result == LINK_REFUSED)
		g->remedy = LINK_REMEDY_WAIT;
	else
		g->refused = true;
}

static void note_role(struct greeting *g, const redisReply *reply)
{
	const char *role = "an unknown role";
	if (reply->elements > 0 && reply->element[0]->type == REDIS_REPLY_STRING)
		role = reply->element[0]->str;
	if (strcmp(role, "master") == 0)
		return;
	if (strcmp(role, "slave") == 0) {
		g->remedy = LINK_REMEDY_RECONNECT;
		error_set(&g->reason,
		          "it is a replica, not a master: nothing can be written there");
		return;
	}
	g->refused = true;
	error_set(&g->reason, "it is no Redis master but %s", role);
}

void greeting_note(struct greeting *g, int step, const redisReply *reply)
{
	if (!greeting_ok(g))
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		note_error(g, step, reply);
	} else if (step == GREETING_ROLE) {
		note_role(g, reply);
	} else if (step >= GREETING_LOAD) {
		const struct script_source *source = script_get(
			(enum script)(step - GREETING_LOAD));
		if (reply->type == REDIS_REPLY_STRING && strcmp(reply->str, source->sha1) == 0)
			return;
		g->refused = true;
		error_set(&g->reason, "SCRIPT LOAD of %s answered another SHA-1", source->name);
	}
}

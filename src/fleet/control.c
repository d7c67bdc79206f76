#include "fleet/control.h"

#include "base/mem.h"
#include "redis/keys.h"

const char *control_kind_name(enum control_kind kind)
{
	return kind == CONTROL_QUEUE ? "queue" : "provider";
}

static void begin(struct command *c, const char *how, const char *key_prefix, char *field)
{
	char *key = keys_control(key_prefix);

	command_clear(c);
	command_str(c, how);
	command_str(c, key);
	command_str(c, field);
	mem_free(field);
	mem_free(key);
}

void control_pause(struct command *c, const char *key_prefix, enum control_kind kind,
                   const char *name, bool pause)
{
	begin(c, pause ? "HSET" : "HDEL", key_prefix,
	      mem_printf("%s:%s", kind == CONTROL_QUEUE ? KEYS_PAUSE_QUEUE : KEYS_PAUSE_PROVIDER,
	                 name));
	if (pause)
		command_str(c, "1");
}

void control_weight(struct command *c, const char *key_prefix, const char *provider, int64_t weight)
{
	begin(c, weight >= 0 ? "HSET" : "HDEL", key_prefix,
	      mem_printf(KEYS_WEIGHT_PROVIDER ":%s", provider));
	if (weight >= 0)
		command_int(c, weight);
}

void control_reset(struct command *c, const char *key_prefix, const char *provider, int64_t now)
{
	begin(c, "HSET", key_prefix, mem_printf(KEYS_RESET_PROVIDER ":%s", provider));
	command_int(c, now);
}

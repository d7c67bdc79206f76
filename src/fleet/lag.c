#include "fleet/lag.h"

#include <string.h>

#include "redis/script.h"
#include "redis/value.h"

void lag_ask(struct command *c, const struct queue_keys *keys)
{
	script_command(c, SCRIPT_LAG, 2);
	command_str(c, keys->events);
	command_str(c, keys->archive);
	command_str(c, LAG_GROUP);
}

void lag_take(struct lag *lag, const redisReply *reply)
{
	memset(lag, 0, sizeof(*lag));
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 7)
		return;
	lag->known = true;
	lag->waiting = value_int_at(reply, 0);
	lag->pending = value_int_at(reply, 1);
	lag->oldest_at = value_int_at(reply, 2);
	lag->archived = value_int_at(reply, 3);
	lag->skipped = value_int_at(reply, 4);
	lag->lost = value_int_at(reply, 5);
	lag->archivers = value_int_at(reply, 6);
}

int64_t lag_ms(const struct lag *lag, int64_t now)
{
	return lag->oldest_at > 0 && lag->oldest_at < now ? now - lag->oldest_at : 0;
}

#include "fleet/doorbell.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#define DOORBELL_MUTE_US 5000000
#define DOORBELL_MOVING_US 50000

void doorbell_open(struct doorbell *d, struct topology *redis, const struct queue_keys *keys,
                   const struct options *o)
{
	*d = (struct doorbell){.keys = keys, .options = o};
	command_init(&d->command);
	d->line = topology_line_open(redis, keys->list);
}

void doorbell_close(struct doorbell *d)
{
	struct topology_line *line = d->line;

	d->line = NULL;
	if (!line)
		return;
	topology_line_close(line);
	command_free(&d->command);
}

static void doorbell_on_rung(void *data, enum link_result result, const redisReply *reply)
{
	struct doorbell *d = data;

	d->ringing = false;
	if (result == LINK_OK) {
		d->rang = d->rang || reply->type == REDIS_REPLY_STRING;
		if (d->rang)
			FAILPOINT("rung");
	} else if (result == LINK_AGAIN && topology_line_up(d->line)) {
		d->mute_until = clock_boot_us() + DOORBELL_MOVING_US; /* its slot moves */
	} else if (result != LINK_LOST && result != LINK_AGAIN) {
		log_error("doorbell_failed", LOG_STR("queue", d->keys->list),
		          LOG_STR("error", reply->str));
		d->mute_until = clock_boot_us() + DOORBELL_MUTE_US;
	}
}

void doorbell_wait(struct doorbell *d)
{
	struct command *c = &d->command;
	int64_t block_ms = d->options->lease_ms / 3;
	char seconds[32];

	/* While it has rung and nobody claims, one job in arrivals is enough. */
	if (!d->line || d->ringing || d->rang || !topology_line_up(d->line) ||
	    clock_boot_us() < d->mute_until)
		return;
	snprintf(seconds, sizeof(seconds), "%lld.%03lld", (long long)block_ms / 1000,
	         (long long)block_ms % 1000);
	command_clear(c);
	command_str(c, "BLMOVE");
	command_str(c, d->keys->list);
	command_str(c, d->keys->arrivals);
	command_str(c, "RIGHT");
	command_str(c, "LEFT");
	command_str(c, seconds);
	d->ringing = topology_line_send(d->line, c, (int)(block_ms + d->options->command_timeout),
	                                doorbell_on_rung, d);
}

/* greeting.h - what is said to a Redis server before anything else, and what its answers mean.
 *
 * The steps are commands that are sent in one go; the first that is refused decides. Pure: the link
 * and sync do the sending. */
#ifndef REDIS_GREETING_H
#define REDIS_GREETING_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/command.h"
#include "redis/link.h"
#include "redis/link_error.h"
#include "redis/script.h"

enum greeting_step {
	GREETING_AUTH,
	GREETING_SELECT,
	GREETING_SETNAME,
	GREETING_ROLE, /* it must be a master */
	GREETING_LOAD, /* of the first script; the others follow */
	GREETING_END = GREETING_LOAD + SCRIPT_N
};

struct greeting {
	bool refused;            /* the configuration is wrong, here or there: `reason` */
	enum link_remedy remedy; /* not NONE: not now, or not this server: `reason` */
	struct error reason;
};

void greeting_init(struct greeting *g);
bool greeting_ok(const struct greeting *g) MUST_CHECK;

/* Builds the step's command in a cleared one. False: this step is not needed. */
bool greeting_command(struct command *c, const struct link_config *config, int step) MUST_CHECK;
/* Takes in the step's answer. */
void greeting_note(struct greeting *g, int step, const redisReply *reply);

#endif

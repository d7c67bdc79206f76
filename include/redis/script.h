/* script.h - the Lua scripts, embedded in the binary from lua/ (the build cannot drift from them).
 *
 * A script's C name is its file's stem. Its SHA-1 is computed at start; links load all scripts
 * when they connect. */
#ifndef REDIS_SCRIPT_H
#define REDIS_SCRIPT_H

#include <stddef.h>

#include "redis/command.h"

enum script {
	SCRIPT_CLAIM,
	SCRIPT_PEEK,
	SCRIPT_PERMIT,
	SCRIPT_BEGIN,
	SCRIPT_FINISH,
	SCRIPT_SETTLE,
	SCRIPT_REQUEUE,
	SCRIPT_SWEEP,
	SCRIPT_REOPEN,
	SCRIPT_ACCEPT,
	SCRIPT_CANCEL,
	SCRIPT_LIMIT,
	SCRIPT_NOTIFY,
	SCRIPT_GATHER,
	SCRIPT_LAG,
	SCRIPT_N
};

struct script_source {
	const char *name;   /* "claim" */
	const char *text;   /* NUL-terminated */
	size_t len;
	char sha1[41];      /* lower-case hex */
};

const struct script_source *script_get(enum script s); /* never NULL */

/* Clears the command and starts `EVALSHA <sha> <n_keys>` in it; the caller adds keys and arguments. */
void script_command(struct command *c, enum script s, size_t n_keys);

#endif

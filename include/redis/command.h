/* command.h - builds one Redis command in its wire form (RESP), without a copy per argument.
 *
 * The number of arguments need not be known in advance: room for the head, "*<n>\r\n", is kept in
 * front of the arguments, and command_wire writes it there. A command is built once, handed to
 * link_send or sync_run, and may then be cleared and used again (it keeps its memory). */
#ifndef REDIS_COMMAND_H
#define REDIS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define COMMAND_MAX_BYTES ((size_t)1 << 30)

struct command {
	struct buf body; /* room for the head, then the arguments */
	size_t n_args;
};

void command_init(struct command *c);
void command_clear(struct command *c);
void command_free(struct command *c);
void command_arg(struct command *c, const void *bytes, size_t n);
void command_str(struct command *c, const char *s);
void command_int(struct command *c, int64_t n);

/* The whole command's bytes, valid until the command is changed; NULL when it has no arguments or
 * grew past COMMAND_MAX_BYTES. */
const char *command_wire(struct command *c, size_t *len) MUST_CHECK;

#endif

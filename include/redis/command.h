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
	size_t pack_at; /* where the packed argument's bytes begin in `body`; 0: none is begun */
};

void command_init(struct command *c);
void command_clear(struct command *c);
void command_free(struct command *c);
void command_arg(struct command *c, const void *bytes, size_t n);
void command_str(struct command *c, const char *s);
void command_int(struct command *c, int64_t n);

/* What is added between the first and the last of these is one argument, packed: MessagePack strings, one after
 * the other (lua/packed.lib.lua reads them, and says why). Not nested. */
void command_pack(struct command *c);
void command_pack_number(struct command *c, size_t n); /* for a script to count with: at most 65535 */
void command_pack_end(struct command *c);

/* The whole command's bytes, valid until the command is changed; NULL when it has no arguments or
 * grew past COMMAND_MAX_BYTES. */
const char *command_wire(struct command *c, size_t *len) MUST_CHECK;

/* The i-th argument, from 0; it stays the command's. False: there are not so many. */
bool command_arg_at(const struct command *c, size_t i, const char **bytes, size_t *n) MUST_CHECK;
/* The first key that the command names: of EVALSHA what follows the number of keys, else the first
 * argument. False: it has none, as TIME and INFO. */
bool command_key(const struct command *c, const char **key, size_t *n) MUST_CHECK;

void command_copy(struct command *to, const struct command *from); /* `to` is overwritten */

#endif

/* relay.h - what stands between everybody and Redis, and cuts or freezes their connections.
 *
 * One thread passes bytes on between unix sockets, one for each lane (a worker, the API, the producer), and the
 * server's. Not command by command, as wire.h does: a cut falls wherever it falls, in the middle of a command
 * or of an answer. A frozen lane accepts connections and passes nothing on: as if packets were dropped. */
#ifndef STORM_RELAY_H
#define STORM_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct relay;

struct relay *relay_start(const char *server_socket, unsigned lanes) MUST_CHECK;
void relay_free(struct relay *r); /* NULL is fine */

const char *relay_socket(const struct relay *r, unsigned lane); /* a path */
const char *relay_url(const struct relay *r, unsigned lane);

/* The lane's connection that carries the next `bytes` + 1 bytes in that direction (enum plan_side) is cut
 * after so many. Arming it again moves the cut. */
void relay_cut(struct relay *r, unsigned lane, unsigned side, unsigned bytes);
/* In the direction, or both, for so long. */
void relay_freeze(struct relay *r, unsigned lane, unsigned side, int64_t ms);
/* Lets everything pass again, and disarms cuts. */
void relay_calm(struct relay *r);

size_t relay_cuts(const struct relay *r); /* connections cut so far */

#endif

/* wire.h - a wire between workers and Redis that a test can hold, cut and count.
 *
 * A thread of the test passes everything on, command by command and answer by answer, between a
 * unix socket of its own and the server. Told to hold at the next `begin`, say, it lets all that comes
 * before through and stops there, so that a worker can be killed or stopped at exactly that point:
 *
 *     struct wire *w = wire_start(redis_server_socket(redis));
 *     wire_hold(w, WIRE_REQUEST, "begin");      the script's stem, or a command such as "BLMOVE"
 *     …
 *     wire_wait_held(w);                        a worker has asked, and Redis has not heard of it
 *     process_kill(worker);                     with it what it had asked is gone
 *
 * What is held when its client closes is dropped. WIRE_REPLY: the command was executed, its answer
 * is held. Only the connection that met the point is held; the others go on. */
#ifndef SUPPORT_WIRE_H
#define SUPPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

enum wire_side { WIRE_REQUEST, WIRE_REPLY };

struct wire;

struct wire *wire_start(const char *server_socket) MUST_CHECK;
/* The same at a free port of 127.0.0.1; its URL is only host:port. */
struct wire *wire_start_tcp(const char *server_socket) MUST_CHECK;
void wire_free(struct wire *w);             /* NULL is fine */
const char *wire_url(const struct wire *w); /* unix:///… */

/* Arms it, once: the next such command, or the answer to it, is held. */
void wire_hold(struct wire *w, enum wire_side side, const char *command);
/* The same, but instead of being held the connection is cut there, each time for the next n. */
void wire_cut_at(struct wire *w, enum wire_side side, const char *command, unsigned n);
void wire_wait_held(struct wire *w); /* until something is held, or was cut there */
void wire_pass(struct wire *w);      /* disarms; what is held goes on */
void wire_cut(struct wire *w);       /* closes all connections; new ones are accepted */
/* Nothing passes any more, and nobody is told: as if packets were dropped. */
void wire_freeze(struct wire *w, bool frozen);

/* How many commands came from the workers so far; of one name (NULL: all). Scripts by their stems. */
size_t wire_count(struct wire *w, const char *command);

#endif

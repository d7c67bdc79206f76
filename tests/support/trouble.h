/* trouble.h - what makes a real redis-server say each of its errors, and what ends that.
 *
 *     struct redis_server *r = redis_server_start(trouble_args);
 *     trouble_begin(r, "OOM");      from when this returns, who writes is answered so
 *     …
 *     trouble_end(r, "OOM");        … and from here on no more
 *
 * The codes: OOM, NOREPLICAS, MISCONF, BUSY, LOADING, READONLY, NOSCRIPT, NOAUTH, NOPERM, WRONGTYPE (of mail:queue). */
#ifndef SUPPORT_TROUBLE_H
#define SUPPORT_TROUBLE_H

#include "support/redis_server.h"

/* A server that takes so many µs over each key that it loads, and looks at its clients meanwhile. */
#define TROUBLE_SLOW_TO_LOAD(US)                                                                   \
	"--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "yes",         \
		"--loading-process-events-interval-bytes", "1024", "--key-load-delay", US

/* With what the server must have been started. */
extern const char *const trouble_args[];

void trouble_begin(struct redis_server *r, const char *code);
void trouble_end(struct redis_server *r, const char *code);

#endif

/* private_redis.h - the redis-server that `up` starts when it is told of none.
 *
 * It listens on a unix socket in a directory of ours, for the workers, and on 127.0.0.1, for the
 * user's redis-cli: on 6379 when nobody is there, else on a free port. It keeps nothing, unless it is given a
 * directory to keep it in. It dies with us. */
#ifndef CLI_PRIVATE_REDIS_H
#define CLI_PRIVATE_REDIS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

struct private_redis {
	pid_t pid;     /* 0: it does not run */
	int port;
	bool moved;    /* not 6379, where everybody looks for it */
	char *dir;     /* of the socket and the log, removed at the end; others may put files there */
	char *socket, *log;
	char *url;     /* unix://…, for the workers */
	int lock;      /* keeps others out of the data; -1 none */
};

/* data: the directory to keep the data in, made when it is not there; NULL: none. port 0: see above.
 * Returns when it answers. False: err; nothing is left behind. */
bool private_redis_start(struct private_redis *r, const char *data, int port, struct error *err) MUST_CHECK;
/* Ends it (saving what it keeps) and removes the directory. Also when it has died by itself. */
void private_redis_stop(struct private_redis *r);

#endif

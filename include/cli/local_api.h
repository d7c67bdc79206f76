/* local_api.h - where the HTTP API that `up` starts listens: one port, the same over all its restarts.
 *
 * PORT, which must be free then; when it is not set 4000, or any free one when that is taken. The port is
 * held (port.h) for as long as `up` runs. */
#ifndef CLI_LOCAL_API_H
#define CLI_LOCAL_API_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"

struct local_api {
	int held;       /* what keeps the port; -1 none */
	int port;
	bool moved;     /* 4000 was taken */
	bool protected; /* it asks for a key or a token */
	char url[320];  /* how this machine reaches it: http://127.0.0.1:4000 */
	char flag[16];  /* --port=4000, for its command line */
};

/* port_set: PORT was given. False: err. */
bool local_api_choose(struct local_api *a, const struct options *o, bool port_set,
                      struct error *err) MUST_CHECK;
void local_api_release(struct local_api *a); /* also one that holds nothing */

#endif

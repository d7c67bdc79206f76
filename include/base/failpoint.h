/* failpoint.h - named points at which a test makes a process die or stop.
 *
 * Only in a build that was made with `make FAILPOINTS=1` (it has a directory of its own); in any other
 * FAILPOINT() is nothing at all. Then the environment's FAILPOINT_FILE names a file that holds one
 * struct failpoint_page, which the test has mapped, too: it writes a name and a signal, and the process
 * sends itself that signal when it next passes the point. Each arming works once.
 *
 * The points lie on the edges of a mail's way (lua/README.md, "the worker dies after"):
 *
 *     rung       a doorbell has moved a job to :arrivals, and nobody has claimed it
 *     claimed    the job is leased to this worker
 *     peeked     what earlier claims have left is known
 *     permitted  the provider may have it
 *     ready      the provider has all but the last byte
 *     begun      the status says `sending`; the last byte has not left
 *     released   the last byte has left
 *     done       the provider has answered; Redis knows nothing of it
 *     finished   the status is written; the claim is not settled
 *     settled    the claim is settled; this worker still holds its memory of it
 *     accepted   the API has written the status and not yet pushed the job */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include <stdatomic.h>
#include <stdint.h>

#define FAILPOINT_MAX_NAME 16

struct failpoint_page {
	_Atomic int32_t signal; /* armed with this one; 0: not armed. Written after the name */
	_Atomic uint32_t met;   /* how often an armed point was passed */
	_Atomic uint32_t open;  /* 1 when the process has looked at this page */
	char name[FAILPOINT_MAX_NAME];
};

#ifdef FAILPOINTS
#define FAILPOINT(NAME) failpoint_pass(NAME)
void failpoint_pass(const char *name);
#else
#define FAILPOINT(NAME) ((void)0)
#endif

#endif

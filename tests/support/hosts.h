/* hosts.h - hosts of a test's own, and cables between them that it can cut: Linux network namespaces.
 *
 *     if (!hosts_begin())                    the privilege is missing, and the reason is printed
 *             skip();
 *     struct host *a = host_make(), *b = host_make();
 *     struct cable *c = cable_lay(a, "10.77.1.2", b, "10.77.1.1");
 *     host_enter(a);                         what is started now, and sockets made now, are on host a
 *     worker = process_start(…);
 *     host_enter(NULL);                      back: the test program itself is on a host of its own
 *     cable_drop(c, CABLE_TO_B);             frames from a to b are lost, those from b to a arrive
 *     cable_mend(c);
 *
 * Each end of a cable is a veth pair whose other end lies with the test program, where a thread passes
 * the frames on, late or not at all. So what is lost are packets, and both kernels' TCP sees just that: no
 * reset, no error, silence. (That is done here, and not by netem and a packet filter, because kernels come without them.)
 *
 * Namespaces, and with them interfaces and addresses, vanish with the test program. */
#ifndef SUPPORT_HOSTS_H
#define SUPPORT_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct host;
struct cable;

/* Which direction; both: CABLE_TO_A | CABLE_TO_B. */
enum cable_way { CABLE_TO_A = 1, CABLE_TO_B = 2 };

/* Moves the test program to a new network of its own (again for each test: what a failed one has left is elsewhere).
 * False, with the reason on stdout: it may not. */
bool hosts_begin(void) MUST_CHECK;
struct host *host_make(void) MUST_CHECK;
void host_enter(struct host *h); /* NULL: back to where the test program is */
/* This address is reached over that one. */
void host_route(struct host *h, const char *address, const char *over);
void host_free(struct host *h); /* NULL is fine */

/* Each host gets an address, of a network /24 of theirs. NULL in the place of a host is the test program's own. */
struct cable *cable_lay(struct host *a, const char *address_a, struct host *b,
                        const char *address_b) MUST_CHECK;
void cable_drop(struct cable *c, int ways);          /* of these; the other way passes */
void cable_delay(struct cable *c, int ways, int ms); /* each frame of these, from now on */
void cable_mend(struct cable *c);                    /* drops nothing, delays nothing */
size_t cable_lost(const struct cable *c);            /* frames dropped so far */
void cable_free(struct cable *c);                    /* NULL is fine */

#endif

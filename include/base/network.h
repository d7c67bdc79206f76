/* network.h - IP addresses, and lists of networks that they may be in.
 *
 * An address of either family is 16 bytes: an IPv4 one is mapped into IPv6 (RFC 4291, 2.5.5.2), so that it is the
 * same however it was written. A list is text, as in "127.0.0.1, 10.0.0.0/8, 2001:db8::/32". Pure. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/attr.h"

#define NETWORK_BYTES 16

struct network {
	unsigned char bytes[NETWORK_BYTES];
	unsigned bits; /* the first so many count */
};

/* a: as many bytes as the bits of n are in. */
bool network_has(const struct network *n, const unsigned char *a);

/* Of n characters, all of which must be the address. */
bool network_address(unsigned char out[NETWORK_BYTES], const char *text, size_t n) MUST_CHECK;
/* False: it is of another family. */
bool network_peer(unsigned char out[NETWORK_BYTES], const struct sockaddr *peer) MUST_CHECK;

bool network_list_valid(const char *list); /* an empty one is */
bool network_list_has(const char *list, const unsigned char a[NETWORK_BYTES]);

#endif

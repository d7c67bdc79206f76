/* client.h - the address by which who shows no key is limited, and which the log has.
 *
 * It is that of the connection. Where that is a proxy of API_TRUSTED_PROXIES, X-Forwarded-For tells: each proxy has
 * added the address that it was asked from, so that the right-most one that is no such proxy is the client's; what stands
 * before that may be anybody's invention. An address may have a port and brackets. What is malformed is not believed. */
#ifndef API_CLIENT_H
#define API_CLIENT_H

#include <stddef.h>

#include "api/request.h"
#include "base/network.h"

/* Without its port; of an IPv6 address the network (64 bits), for one client has all of that. */
void client_address(const struct request *r, char *out, size_t size);

/* who: the connection's address, and then the client's. forwarded: all fields of X-Forwarded-For, in their order, with
 * commas between. Pure. */
void client_behind(unsigned char who[NETWORK_BYTES], const char *trusted, const char *forwarded);

#endif

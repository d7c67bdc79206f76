/* public_address.h - is this an address of the public Internet?
 *
 * For connections that strangers may aim (webhook URLs): what is not public is the host itself, its
 * network, or a cloud's metadata service. By the IANA IPv4 and IPv6 Special-Purpose Address
 * Registries (RFC 6890): everything that is not globally reachable there is refused, and of IPv6
 * everything outside of 2000::/3. An IPv6 address that holds an IPv4 address (mapped, NAT64, 6to4)
 * is as public as that. Pure. */
#ifndef PROVIDER_PUBLIC_ADDRESS_H
#define PROVIDER_PUBLIC_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for families other than IPv4 and IPv6, too. */
bool public_address(const struct sockaddr *a);

#endif

#include "provider/public_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/network.h"

/* clang-format off */
static const struct network not_public_4[] = {
	{{0}, 8},                 /* this network, RFC 791 */
	{{10}, 8},                /* private, RFC 1918 */
	{{100, 64}, 10},          /* carriers' NAT, RFC 6598; a cloud's metadata */
	{{127}, 8},               /* loopback, RFC 1122 */
	{{168, 63, 129, 16}, 32}, /* Azure's metadata, though the address is an ordinary one */
	{{169, 254}, 16},         /* link-local, RFC 3927; metadata */
	{{172, 16}, 12},          /* private */
	{{192, 0, 0}, 24},        /* IETF protocol assignments, RFC 6890; metadata */
	{{192, 0, 2}, 24},        /* documentation, RFC 5737 */
	{{192, 88, 99}, 24},      /* 6to4 relays, RFC 7526 */
	{{192, 168}, 16},         /* private */
	{{198, 18}, 15},          /* benchmarks, RFC 2544 */
	{{198, 51, 100}, 24},     /* documentation */
	{{203, 0, 113}, 24},      /* documentation */
	{{224}, 3},               /* multicast, reserved, broadcast */
};

/* Within 2000::/3. */
static const struct network not_public_6[] = {
	{{0x20, 0x01}, 23},             /* IETF protocol assignments, RFC 2928; Teredo is one */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
	{{0x3f, 0xff}, 20},             /* documentation, RFC 9637 */
};

/* Those that hold an IPv4 address, and at which byte. */
static const struct {
	struct network block;
	size_t at;
} holds_4[] = {
	{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12}, /* mapped, RFC 4291 */
	{{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},                   /* NAT64, RFC 6052 */
	{{{0x20, 0x02}, 16}, 2},                                /* 6to4, RFC 3056 */
};
/* clang-format on */

static const struct network global_6 = {{0x20}, 3};

static bool is_in_any(const unsigned char *a, const struct network *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (network_has(&list[i], a))
			return true;
	return false;
}

static bool is_public_4(const unsigned char a[4])
{
	return !is_in_any(a, not_public_4, sizeof(not_public_4) / sizeof(not_public_4[0]));
}

static bool is_public_6(const unsigned char a[16])
{
	for (size_t i = 0; i < sizeof(holds_4) / sizeof(holds_4[0]); i++)
		if (network_has(&holds_4[i].block, a))
			return is_public_4(a + holds_4[i].at);
	return network_has(&global_6, a) &&
	       !is_in_any(a, not_public_6, sizeof(not_public_6) / sizeof(not_public_6[0]));
}

bool public_address(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, a, sizeof(in));
		return is_public_4((const unsigned char *)&in.sin_addr);
	}
	if (a->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, a, sizeof(in6));
		return is_public_6(in6.sin6_addr.s6_addr);
	}
	return false;
}

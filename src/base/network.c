#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"

#define IPV4_AT 12 /* in a mapped address */

static const unsigned char mapped[IPV4_AT] = {[10] = 0xff, [11] = 0xff};

bool network_has(const struct network *n, const unsigned char *a)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (memcmp(a, n->bytes, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ n->bytes[whole]) >> (8 - rest) == 0;
}

bool network_address(unsigned char out[NETWORK_BYTES], const char *text, size_t n)
{
	char copy[INET6_ADDRSTRLEN];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (strlen(copy) == n && inet_pton(AF_INET, copy, out + IPV4_AT) == 1) {
		memcpy(out, mapped, sizeof(mapped));
		return true;
	}
	return strlen(copy) == n && inet_pton(AF_INET6, copy, out) == 1;
}

bool network_peer(unsigned char out[NETWORK_BYTES], const struct sockaddr *peer)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (peer->sa_family == AF_INET) {
		memcpy(&v4, peer, sizeof(v4));
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + IPV4_AT, &v4.sin_addr, sizeof(v4.sin_addr));
		return true;
	}
	if (peer->sa_family != AF_INET6)
		return false;
	memcpy(&v6, peer, sizeof(v6));
	memcpy(out, &v6.sin6_addr, NETWORK_BYTES);
	return true;
}

/* "10.0.0.0/8", or an address, which is a network of one. */
static bool parse(struct network *out, const char *text, size_t n)
{
	const char *slash = memchr(text, '/', n);
	size_t len = slash != NULL ? (size_t)(slash - text) : n, digits = n - len;
	unsigned most = 8 * NETWORK_BYTES, before;
	char bits[5] = "";
	int64_t value;

	if (!network_address(out->bytes, text, len))
		return false;
	before = memchr(text, ':', len) == NULL ? 8 * IPV4_AT : 0;
	out->bits = most;
	if (slash == NULL)
		return true;
	if (digits >= sizeof(bits))
		return false;
	memcpy(bits, slash + 1, digits - 1);
	if (!number_int(bits, &value) || value < 0 || value > most - before)
		return false;
	out->bits = before + (unsigned)value;
	return true;
}

/* The next of a list, or false at its end. */
static bool next_of(const char **list, const char **text, size_t *n)
{
	*list += strspn(*list, ", ");
	*text = *list;
	*n = strcspn(*list, ", ");
	*list += *n;
	return *n > 0;
}

bool network_list_valid(const char *list)
{
	struct network network;
	const char *text;
	size_t n;

	while (next_of(&list, &text, &n))
		if (!parse(&network, text, n))
			return false;
	return true;
}

bool network_list_has(const char *list, const unsigned char a[NETWORK_BYTES])
{
	struct network network;
	const char *text;
	size_t n;

	while (next_of(&list, &text, &n))
		if (parse(&network, text, n) && network_has(&network, a))
			return true;
	return false;
}

#include "api/client.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"

static bool is_port(const char *text, const char *end)
{
	size_t digits = *text == ':' ? strspn(text + 1, "0123456789") : 0;

	return digits >= 1 && digits <= 5 && text + 1 + digits == end;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80" */
static bool read_address(unsigned char out[NETWORK_BYTES], const char *text, const char *end)
{
	const char *stop = end, *rest = end, *colon;

	if (text < end && *text == '[') {
		text++;
		stop = memchr(text, ']', (size_t)(end - text));
		if (stop == NULL)
			return false;
		rest = stop + 1;
	} else {
		colon = memchr(text, ':', (size_t)(end - text));
		if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL)
			stop = rest = colon;
	}
	return (rest == end || is_port(rest, end)) &&
	       network_address(out, text, (size_t)(stop - text));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void client_behind(unsigned char who[NETWORK_BYTES], const char *trusted, const char *forwarded)
{
	const char *end = forwarded + strlen(forwarded), *begin, *before;
	unsigned char last[NETWORK_BYTES];

	memcpy(last, who, sizeof(last));
	while (network_list_has(trusted, last)) {
		for (begin = end; begin > forwarded && begin[-1] != ',';)
			begin--;
		before = begin;
		while (begin < end && is_blank(*begin))
			begin++;
		while (end > begin && is_blank(end[-1]))
			end--;
		if (!read_address(last, begin, end))
			return;
		if (before == forwarded)
			break;
		end = before - 1;
	}
	memcpy(who, last, sizeof(last));
}

static void write_address(unsigned char who[NETWORK_BYTES], char *out, size_t size)
{
	struct in6_addr v6;

	memcpy(&v6, who, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		inet_ntop(AF_INET, who + 12, out, (socklen_t)size);
		return;
	}
	memset(&v6.s6_addr[8], 0, 8);
	inet_ntop(AF_INET6, &v6, out, (socklen_t)size);
}

void client_address(const struct request *r, char *out, size_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char *trusted = r->api->options->api_trusted_proxies;
	unsigned char who[NETWORK_BYTES];
	char *forwarded;

	snprintf(out, size, "unknown");
	if (info == NULL || info->client_addr == NULL || !network_peer(who, info->client_addr))
		return;
	forwarded = *trusted != '\0' ? request_get_all(r, "X-Forwarded-For") : NULL;
	if (forwarded != NULL)
		client_behind(who, trusted, forwarded);
	mem_free(forwarded);
	write_address(who, out, size);
}

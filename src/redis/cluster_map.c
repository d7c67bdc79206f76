#include "redis/cluster_map.h"

#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "base/port.h"

static bool begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

bool cluster_redirect_read(struct cluster_redirect *r, const char *text, size_t len)
{
	char copy[CLUSTER_MAX_HOST + 64], *slot, *where, *colon;
	int64_t n, port;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	r->ask = begins(copy, "ASK ");
	if (!r->ask && !begins(copy, "MOVED "))
		return false;
	slot = strchr(copy, ' ') + 1;
	where = strchr(slot, ' ');
	colon = where ? strrchr(where, ':') : NULL;
	if (!colon || colon - where > CLUSTER_MAX_HOST)
		return false;
	*where++ = '\0';
	*colon++ = '\0';
	if (!number_int(slot, &n) || n < 0 || n >= CLUSTER_SLOTS || !number_int(colon, &port) ||
	    port < 1 || port > PORT_MAX)
		return false;
	r->slot = (unsigned)n;
	r->port = (int)port;
	/* "?": it does not know the name of that one, which is of no use */
	memcpy(r->host, where, strlen(where) + 1);
	return strcmp(where, "?") != 0;
}

static bool is_range(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements >= 3 &&
	       r->element[0]->type == REDIS_REPLY_INTEGER &&
	       r->element[1]->type == REDIS_REPLY_INTEGER && r->element[0]->integer >= 0 &&
	       r->element[0]->integer <= r->element[1]->integer &&
	       r->element[1]->integer < CLUSTER_SLOTS;
}

/* [host, port, …] */
static bool read_server(const redisReply *r, const char **host, int *port)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements < 2 ||
	    r->element[1]->type != REDIS_REPLY_INTEGER || r->element[1]->integer < 1 ||
	    r->element[1]->integer > PORT_MAX)
		return false;
	*host = r->element[0]->type == REDIS_REPLY_STRING ? r->element[0]->str : "";
	*port = (int)r->element[1]->integer;
	return strcmp(*host, "?") != 0 && strlen(*host) < CLUSTER_MAX_HOST;
}

bool cluster_map_read(const redisReply *reply, cluster_range_fn *fn, void *data)
{
	bool any = false;

	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		const redisReply *range = reply->element[i];
		const char *host;
		int port;

		if (!is_range(range))
			continue;
		for (size_t j = 2; j < range->elements; j++) {
			if (!read_server(range->element[j], &host, &port))
				continue;
			any = true;
			fn(data, (unsigned)range->element[0]->integer,
			   (unsigned)range->element[1]->integer, host, port, j == 2);
		}
	}
	return any;
}

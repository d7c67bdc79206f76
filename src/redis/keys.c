#include "redis/keys.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define CLUSTER_SLOTS 16384

/* NULL, or what is wrong with a queue's name. */
static const char *name_fault(const char *name)
{
	size_t n = strlen(name);
	if (n == 0)
		return "is empty";
	if (n > KEYS_MAX_QUEUE)
		return "is longer than 128 bytes";
	for (const char *p = name; *p; p++) {
		if (*p == '{' || *p == '}')
			return "has a brace in it";
		if (*p == ' ' || *p == ',' || *p == '*')
			return "has a space, a comma or an asterisk in it";
		if (*p < '!' || *p > '~')
			return "has a character in it that is not printable ASCII";
	}
	return NULL;
}

bool queue_keys_make(struct queue_keys *k, const char *name, struct error *err)
{
	const char *fault = name_fault(name);
	memset(k, 0, sizeof(*k));
	if (fault)
		return error_set(err, "the queue name \"%.128s\" %s", name, fault);
	k->list = mem_strdup(name);
	k->arrivals = mem_printf("{%s}:arrivals", name);
	k->jobs = mem_printf("{%s}:jobs", name);
	k->leases = mem_printf("{%s}:leases", name);
	k->delayed = mem_printf("{%s}:delayed", name);
	k->claims = mem_printf("{%s}:claims", name);
	k->dead = mem_printf("{%s}:dead", name);
	k->events = mem_printf("{%s}:events", name);
	k->clock = mem_printf("{%s}:clock", name);
	k->stats = mem_printf("{%s}:stats", name);
	k->archive = mem_printf("{%s}:archive", name);
	return true;
}

void queue_keys_free(struct queue_keys *k)
{
	mem_free(k->list);
	mem_free(k->arrivals);
	mem_free(k->jobs);
	mem_free(k->leases);
	mem_free(k->delayed);
	mem_free(k->claims);
	mem_free(k->dead);
	mem_free(k->events);
	mem_free(k->clock);
	mem_free(k->stats);
	mem_free(k->archive);
	memset(k, 0, sizeof(*k));
}

char *queue_keys_sent(const struct queue_keys *k, const char *id)
{
	return mem_printf("{%s}:sent:%s", k->list, id);
}

char *keys_status(const char *prefix, const char *key)
{
	return mem_concat(prefix, ":status:", key, NULL);
}

char *keys_provider(const char *prefix, const char *name)
{
	return mem_printf("%s:provider:%s", prefix, name);
}

char *keys_workers(const char *prefix)
{
	return mem_printf("%s:workers", prefix);
}

char *keys_worker(const char *prefix, const char *name)
{
	return mem_printf("%s:worker:%s", prefix, name);
}

char *keys_queues(const char *prefix)
{
	return mem_printf("%s:queues", prefix);
}

char *keys_control(const char *prefix)
{
	return mem_printf("%s:control", prefix);
}

char *keys_client(const char *prefix, const char *client)
{
	return mem_printf("%s:limit:client:%s", prefix, client);
}

char *keys_webhooks(const char *prefix)
{
	return mem_printf("%s:webhooks", prefix);
}

char *keys_webhooks_disabled(const char *prefix)
{
	return mem_printf("{%s:webhooks}:disabled", prefix);
}

char *keys_ready(const char *prefix)
{
	return mem_printf("%s:ready", prefix);
}

char *keys_stats(const char *prefix)
{
	return mem_printf("%s:stats", prefix);
}

/* CRC-16/XMODEM (polynomial 0x1021, initially 0, not reflected), four bits at a time. */
static unsigned crc16(const char *bytes, unsigned long len)
{
	static const uint16_t table[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	};
	unsigned crc = 0;
	for (unsigned long i = 0; i < len; i++) {
		unsigned byte = (unsigned char)bytes[i];
		crc = (crc << 4 ^ table[(crc >> 12 ^ byte >> 4) & 15]) & 0xffff;
		crc = (crc << 4 ^ table[(crc >> 12 ^ byte) & 15]) & 0xffff;
	}
	return crc;
}

/* The tag stands between the first '{' and the first '}' after it; an empty one does not count. */
unsigned keys_slot(const char *key, unsigned long len)
{
	const char *open = len > 0 ? memchr(key, '{', len) : NULL;
	if (open) {
		unsigned long rest = len - (unsigned long)(open + 1 - key);
		const char *close = rest > 0 ? memchr(open + 1, '}', rest) : NULL;
		if (close && close > open + 1)
			return crc16(open + 1, (unsigned long)(close - open - 1)) % CLUSTER_SLOTS;
	}
	return crc16(key, len) % CLUSTER_SLOTS;
}

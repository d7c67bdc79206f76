/* resp.h - Redis's answers out of an input, read by hiredis as the link does. */
#ifndef FUZZ_RESP_H
#define FUZZ_RESP_H

#include <hiredis/hiredis.h>

#include "fuzz/fuzz.h"

/* An array of a million elements: hiredis makes room for as many as are announced. Redis is no stranger. */
static inline bool resp_is_vast(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + 6 < n; i++) {
		size_t digits = 0;

		while (bytes[i] == '*' && i + 1 + digits < n && bytes[i + 1 + digits] >= '0' &&
		       bytes[i + 1 + digits] <= '9')
			digits++;
		if (digits > 5)
			return true;
	}
	return false;
}

/* One value, and how many bytes it takes (freeReplyObject); NULL: that is no whole one. */
static inline redisReply *resp_read(const uint8_t *bytes, size_t n, size_t *used)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	if (redisReaderFeed(reader, (const char *)bytes, n) != REDIS_OK ||
	    redisReaderGetReply(reader, &reply) != REDIS_OK)
		reply = NULL;
	*used = n - (reader->len - reader->pos);
	redisReaderFree(reader);
	return reply;
}

/* The next reply of an input, of 64 KB at most; NULL: there is no more, or what comes is no RESP. */
static inline redisReply *resp_next(struct fuzz_bytes *in)
{
	size_t n = in->left < 65536 ? in->left : 65536, used = in->left;
	redisReply *reply = n > 0 && !resp_is_vast(in->at, n) ? resp_read(in->at, n, &used) : NULL;

	in->at += used;
	in->left -= used;
	return reply;
}

#endif

#include "redis/value.h"

#include <string.h>

#include "base/number.h"

const char *value_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS ? r->str : NULL;
}

int64_t value_int(const redisReply *r)
{
	const char *text = value_text(r);
	int64_t n = 0;

	if (r->type == REDIS_REPLY_INTEGER)
		return r->integer;
	if (text == NULL || !number_int(text, &n))
		return 0;
	return n;
}

const char *value_text_at(const redisReply *list, size_t i)
{
	if (list->type != REDIS_REPLY_ARRAY || i >= list->elements)
		return NULL;
	return value_text(list->element[i]);
}

int64_t value_int_at(const redisReply *list, size_t i)
{
	if (list->type != REDIS_REPLY_ARRAY || i >= list->elements)
		return 0;
	return value_int(list->element[i]);
}

const char *value_find(const redisReply *pairs, const char *name)
{
	for (size_t i = 0; pairs->type == REDIS_REPLY_ARRAY && i + 1 < pairs->elements; i += 2) {
		const char *each = value_text(pairs->element[i]);

		if (each != NULL && strcmp(each, name) == 0)
			return value_text(pairs->element[i + 1]);
	}
	return NULL;
}

/* value.h - the plain values in Redis's replies. */
#ifndef REDIS_VALUE_H
#define REDIS_VALUE_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

/* The reply's text, valid as long as the reply; NULL when it is not one. */
const char *value_text(const redisReply *r);
/* An integer, or a text that is one; nil and any other text is 0. */
int64_t value_int(const redisReply *r);

/* The value of a name in a list [name, value, …], as HGETALL gives it; NULL when it is not there, or no text. */
const char *value_find(const redisReply *pairs, const char *name);

/* The same of the i-th element; NULL and 0 where there is none. */
const char *value_text_at(const redisReply *list, size_t i);
int64_t value_int_at(const redisReply *list, size_t i);

#endif

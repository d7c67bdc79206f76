#include "cli/query.h"

#include <stdarg.h>
#include <string.h>

#include "redis/value.h"

static redisReply *run(struct sync *s, struct error *err, va_list args)
{
	struct command c;
	const char *arg;
	redisReply *r;

	command_init(&c);
	while ((arg = va_arg(args, const char *)) != NULL)
		command_str(&c, arg);
	r = sync_run(s, &c, err);
	command_free(&c);
	return r;
}

redisReply *query(struct sync *s, struct error *err, ...)
{
	va_list args;
	redisReply *r;

	va_start(args, err);
	r = run(s, err, args);
	va_end(args);
	return r;
}

bool query_int(struct sync *s, struct error *err, int64_t *out, ...)
{
	va_list args;
	redisReply *r;

	va_start(args, out);
	r = run(s, err, args);
	va_end(args);
	if (r == NULL)
		return false;
	*out = value_int(r);
	freeReplyObject(r);
	return true;
}

bool query_now(struct sync *s, struct error *err, int64_t *ms)
{
	redisReply *r = query(s, err, "TIME", NULL);
	bool ok;

	if (r == NULL)
		return false;
	ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2;
	if (ok)
		*ms = value_int(r->element[0]) * 1000 + value_int(r->element[1]) / 1000;
	else
		(void)error_set(err, "Redis answered TIME with something else");
	freeReplyObject(r);
	return ok;
}

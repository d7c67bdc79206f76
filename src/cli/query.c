#include "cli/query.h"

#include <stdarg.h>
#include <string.h>

#include "base/number.h"

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

const char *query_reply_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS ? r->str : NULL;
}

int64_t query_reply_int(const redisReply *r)
{
	const char *text = query_reply_text(r);
	int64_t n = 0;

	if (r->type == REDIS_REPLY_INTEGER)
		return r->integer;
	if (text == NULL || !number_int(text, &n))
		return 0;
	return n;
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
	*out = query_reply_int(r);
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
		*ms = query_reply_int(r->element[0]) * 1000 + query_reply_int(r->element[1]) / 1000;
	else
		(void)error_set(err, "Redis answered TIME with something else");
	freeReplyObject(r);
	return ok;
}

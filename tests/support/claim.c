#include "support/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/words.h"

#define MAX_TEXT ((size_t)16 << 20)
#define SHOWN 40                  /* bytes of a payload */
#define TOKENS_FROM 1700000000000 /* ms: they are times */

static long fresh; /* ids handed out */

struct rig *claim_begin(void **state)
{
	fresh = 0;
	return rig_begin(state);
}

static size_t count_words(const char *line)
{
	struct words w;
	words_split(&w, line);
	size_t n = w.n;
	words_free(&w);
	return n;
}

static char *text_of(struct buf *b)
{
	char *text = strdup(buf_str(b));
	assert_non_null(text);
	buf_free(b);
	return text;
}

static char *jobs_text(const redisReply *jobs)
{
	struct buf b, one;
	buf_init(&b, MAX_TEXT);
	buf_init(&one, MAX_TEXT);
	assert_int_equal(jobs->elements % 5, 0);
	for (size_t i = 0; i < jobs->elements; i += 5) {
		redisReply *const *f = &jobs->element[i];
		buf_clear(&one);
		buf_addf(&one, "%s:%s:%lld:%s:", f[0]->str, f[1]->integer == 1 ? "1" : "N",
		         f[2]->integer, f[3]->str);
		assert_true(f[1]->integer == 1 || f[1]->integer > TOKENS_FROM);
		buf_add(&one, f[4]->str, f[4]->len < SHOWN ? f[4]->len : SHOWN);
		words_add(&b, one.data, one.len);
	}
	buf_free(&one);
	return text_of(&b);
}

struct claim claim_make(struct rig *r, struct claim_limits limits)
{
	struct claim c;
	struct buf args, lost;

	buf_init(&args, MAX_TEXT);
	buf_addf(&args, "%d %d %d %d %d %d", CLAIM_LEASE, limits.max,
	         limits.max_bytes ? limits.max_bytes : CLAIM_MAX_BYTES,
	         limits.max_job ? limits.max_job : CLAIM_MAX_JOB, CLAIM_POISON_AFTER,
	         limits.has_suspect ? 0 : 1);
	buf_addf(&args, " %zu %s", limits.renewals ? count_words(limits.renewals) / 2 : 0,
	         limits.renewals ? limits.renewals : "");
	if (limits.ids)
		buf_addf(&args, " %s", limits.ids);
	for (int i = 0; !limits.ids && i < limits.max; i++)
		buf_addf(&args, " new%ld", ++fresh);
	c.reply = rig_reply(r, SCRIPT_CLAIM, CLAIM_KEYS, "%s", args.data);
	buf_free(&args);
	assert_int_equal(c.reply->elements, 7);
	c.now = c.reply->element[0]->integer;
	c.wake = c.reply->element[1]->integer;
	c.waiting = c.reply->element[2]->integer;
	c.oom = c.reply->element[3]->integer;
	buf_init(&lost, MAX_TEXT);
	words_of_reply(&lost, c.reply->element[4]);
	c.lost = text_of(&lost);
	c.jobs = jobs_text(c.reply->element[5]);
	c.n = c.reply->element[5]->elements / 5;
	c.fault = c.reply->element[6]->str;
	return c;
}

void claim_free(struct claim *c)
{
	free(c->lost);
	free(c->jobs);
	freeReplyObject(c->reply);
}

void claim_expect_at(const char *file, int line, struct rig *r, int max, const char *want)
{
	struct claim c = claim_make(r, (struct claim_limits){.max = max});
	rig_same(file, line, "claimed", c.jobs, want);
	claim_free(&c);
}

void claim_push(struct rig *r, const char *payloads)
{
	struct words w;
	words_split(&w, payloads);
	for (size_t i = 0; i < w.n; i++)
		redis_server_do(rig_server(r), "LPUSH " QUEUE " %s", w.word[i]);
	words_free(&w);
}

void claim_known(struct rig *r, const char *zset, const char *id, const char *count, int64_t ms)
{
	redis_server_do(rig_server(r), "HSET " JOBS " %s payload-of-%s", id, id);
	redis_server_do(rig_server(r), "ZADD %s %lld %s", zset, (long long)(rig_now(r) + ms), id);
	if (count)
		redis_server_do(rig_server(r), "HSET " CLAIMS " %s %s", id, count);
}

long long claim_token(struct rig *r, const char *id)
{
	char *count = redis_server_text(rig_server(r), "HGET " CLAIMS " %s", id);
	long long token = count ? strtoll(count, NULL, 10) : 1;

	free(count);
	return token;
}

void claim_alive(struct rig *r)
{
	redis_server_do(rig_server(r), "HSET " CLOCK " last %lld hold 0", (long long)rig_now(r));
}

void claim_outlive(struct rig *r)
{
	rig_age_queue(r, CLAIM_LEASE + 1);
	claim_alive(r);
}

#include "storm/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storm/plan.h"

#define LETTER_SALT 0x6c657474
#define CANCEL_DELAY_MS 10000
#define BIG_BODY 20000
#define BODY 160

void letter_read(struct letter *l, uint64_t seed, size_t n)
{
	uint64_t h = plan_hash(seed, n, LETTER_SALT);
	unsigned pin = (unsigned)(h >> 8 & 0xff) % 64, policy = (unsigned)(h >> 16 & 0xff) % 16;

	*l = (struct letter){
		.n = n,
		.by_api = (h & 0xff) % 16 == 0,
		.twice = (h >> 24 & 0xff) % 32 == 0,
		.n_rcpts = (h >> 32 & 0xff) % 10 == 0 ? LETTER_MAX_RCPTS : 1,
		.provider = pin == 0   ? "c"
	                    : pin <= 2 ? "b"
	                               : NULL,
		.on_unknown = policy == 0   ? "hold"
	                      : policy == 1 ? "fail"
	                                    : NULL,
		.body_bytes = (h >> 40 & 0xff) % 40 == 0 ? BIG_BODY : BODY,
	};
	if (l->by_api && (h >> 48 & 0xff) % 8 == 0) {
		l->cancel = true;
		l->delay_ms = CANCEL_DELAY_MS;
	} else if ((h >> 48 & 0xff) % 16 == 1) {
		l->delay_ms = 1 + (unsigned)(h >> 56) * 8;
	}
	if (l->by_api)
		l->n_rcpts = 1;
}

static void write_body(FILE *out, size_t bytes)
{
	static const char line[] = "Whatever breaks, this is said once, and it is said.\\n";

	for (size_t n = 0; n < bytes; n += sizeof(line) - 1)
		fputs(line, out);
}

char *letter_json(const struct letter *l)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fprintf(out, "{\"to\":");
	if (l->n_rcpts > 1)
		fputc('[', out);
	for (unsigned i = 0; i < l->n_rcpts; i++)
		fprintf(out, "%s\"k%zu.%u@example.com\"", i > 0 ? "," : "", l->n, i);
	if (l->n_rcpts > 1)
		fputc(']', out);
	fprintf(out, ",\"subject\":\"Letter %zu\",\"body\":\"", l->n);
	write_body(out, l->body_bytes);
	fprintf(out, "\",\"headers\":{\"X-Key\":\"k%zu\"},\"idempotencyKey\":\"k%zu\"", l->n, l->n);
	if (l->provider)
		fprintf(out, ",\"provider\":\"%s\"", l->provider);
	if (l->on_unknown)
		fprintf(out, ",\"onUnknown\":\"%s\"", l->on_unknown);
	if (l->delay_ms > 0)
		fprintf(out, ",\"delay\":%u", l->delay_ms);
	fputc('}', out);
	assert_int_equal(fclose(out), 0);
	return text;
}

bool letter_number(const char *key, size_t *n, const char **rest)
{
	char *end;

	if (key[0] != 'k')
		return false;
	*n = strtoull(key + 1, &end, 10);
	if (end == key + 1)
		return false;
	if (rest)
		*rest = end;
	return true;
}

static void more(uint8_t *count)
{
	if (*count < UINT8_MAX)
		(*count)++;
}

void letter_taken(struct letter_record *r, unsigned rcpt, const char *message_id, size_t len)
{
	uint64_t id = 14695981039346656037ULL; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		id = (id ^ (unsigned char)message_id[i]) * 1099511628211ULL;
	if (r->id == 0)
		r->id = id;
	else if (r->id != id)
		r->ids_differ = true;
	more(&r->copies[rcpt]);
}

void letter_harmed(struct letter_record *r, bool unknown)
{
	more(&r->charges);
	if (unknown)
		more(&r->unknowns);
}

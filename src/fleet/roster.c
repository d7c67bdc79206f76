#include "fleet/roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "redis/keys.h"
#include "redis/value.h"

/* --- one worker ---------------------------------------------------------------------------------------------- */

void roster_say(struct command *c, const char *key_prefix, const char *name,
                const struct roster_note *n, int64_t life_ms)
{
	char *key = keys_worker(key_prefix, name), text[ROSTER_SIZE + 80];

	snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64 " %" PRId64, n->version,
	         n->concurrency, n->started_at, n->in_flight);
	command_clear(c);
	command_str(c, "SET");
	command_str(c, key);
	command_str(c, text);
	command_str(c, "PX");
	command_int(c, life_ms);
	mem_free(key);
}

void roster_unsay(struct command *c, const char *key_prefix, const char *name)
{
	char *key = keys_worker(key_prefix, name);

	command_clear(c);
	command_str(c, "DEL");
	command_str(c, key);
	mem_free(key);
}

/* The next word of the text; false: there is none, or it does not fit. */
static bool take_word(const char **at, char out[ROSTER_SIZE])
{
	size_t n = strcspn(*at, " ");

	if (n == 0 || n >= ROSTER_SIZE)
		return false;
	memcpy(out, *at, n);
	out[n] = '\0';
	*at += n + ((*at)[n] == ' ');
	return true;
}

static void read_note(struct roster_note *n, const char *text)
{
	int64_t *const numbers[] = {&n->concurrency, &n->started_at, &n->in_flight};
	char word[ROSTER_SIZE];

	if (!take_word(&text, n->version))
		return;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!take_word(&text, word) || !number_int(word, numbers[i]))
			*numbers[i] = 0;
}

/* --- all of them --------------------------------------------------------------------------------------------- */

static void ask_list(struct roster *r)
{
	char *key = keys_workers(r->key_prefix);
	struct command *c;

	command_str(inquiry_add(&r->inquiry), "TIME");
	c = inquiry_add(&r->inquiry);
	command_str(c, "ZCARD");
	command_str(c, key);
	c = inquiry_add(&r->inquiry);
	command_str(c, "ZRANGE");
	command_str(c, key);
	command_int(c, 0);
	command_int(c, ROSTER_MAX - 1);
	command_str(c, "REV");
	command_str(c, "WITHSCORES");
	mem_free(key);
}

static void ask_notes(struct roster *r)
{
	for (size_t i = 0; i < r->n; i++) {
		char *key = keys_worker(r->key_prefix, r->workers[i].name);
		struct command *c = inquiry_add(&r->inquiry);

		command_str(c, "GET");
		command_str(c, key);
		mem_free(key);
	}
}

static void roster_ask(struct inquiry *q)
{
	struct roster *r = (struct roster *)q;

	r->round++;
	if (r->round == 1)
		ask_list(r);
	else if (r->round == 2)
		ask_notes(r);
}

static void take_list(struct roster *r, const redisReply *list)
{
	if (list->type != REDIS_REPLY_ARRAY)
		return;
	r->workers = mem_array(list->elements / 2 + 1, sizeof(*r->workers));
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const char *name = value_text_at(list, i);

		if (name == NULL)
			continue;
		r->workers[r->n].name = mem_strdup(name);
		r->workers[r->n++].beat_at = value_int_at(list, i + 1);
	}
}

static void roster_take(struct inquiry *q, size_t i, const redisReply *reply)
{
	struct roster *r = (struct roster *)q;

	if (r->round == 2) {
		if (value_text(reply) != NULL)
			read_note(&r->workers[i].note, value_text(reply));
	} else if (i == 0) {
		r->now = value_int_at(reply, 0) * 1000 + value_int_at(reply, 1) / 1000;
	} else if (i == 1) {
		r->total = (size_t)value_int(reply);
	} else {
		take_list(r, reply);
	}
}

void roster_init(struct roster *r, const char *key_prefix)
{
	memset(r, 0, sizeof(*r));
	inquiry_init(&r->inquiry, roster_ask, roster_take);
	r->key_prefix = key_prefix;
}

void roster_free(struct roster *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->workers[i].name);
	mem_free(r->workers);
	inquiry_free(&r->inquiry);
	memset(r, 0, sizeof(*r));
}

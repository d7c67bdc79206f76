#include "support/packing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What stands at `at`, and on to the next. */
static const char *word(const struct words *a, size_t *at)
{
	if (*at >= a->n)
		fail_msg("the line of arguments ends too early");
	return a->word[(*at)++];
}

static void add_words(struct command *c, const struct words *a, size_t *at, size_t n)
{
	while (n-- > 0)
		command_str(c, word(a, at));
}

static void add_finish(struct command *c, const struct words *a, size_t *at)
{
	size_t identity, n, first, deletes = 0;

	add_words(c, a, at, 2);
	identity = *at;
	*at += 3;
	add_words(c, a, at, 3);
	n = strtoul(word(a, at), NULL, 10);
	first = *at;
	*at += 2 * n;
	if (*at > a->n)
		fail_msg("the line of arguments has no %zu fields", n);
	for (size_t i = 0; i < n; i++)
		deletes += a->word[first + 2 * i + 1][0] == '\0';
	command_pack_number(c, deletes);
	command_pack_number(c, n - deletes);
	command_pack_number(c, strcmp(a->word[identity], "-") == 0 ? 0 : 3);
	for (size_t i = 0; i < n; i++) {
		if (a->word[first + 2 * i + 1][0] == '\0')
			command_str(c, a->word[first + 2 * i]);
	}
	for (size_t i = 0; i < n; i++) {
		size_t field = first + 2 * i;
		if (a->word[field + 1][0] != '\0')
			add_words(c, a, &field, 2);
	}
	if (strcmp(a->word[identity], "-") != 0)
		add_words(c, a, &identity, 3);
}

struct settled {
	size_t id, event; /* where in the line; event: 0 none */
	bool plain;
};

static size_t read_settled(const struct words *a, size_t at, struct settled *list)
{
	size_t n = 0;

	while (at < a->n) {
		struct settled *s = &list[n++];

		s->id = at++;
		s->plain = strcmp(word(a, &at), "1") == 0;
		s->plain = strcmp(word(a, &at), "ack") == 0 && s->plain;
		(void)word(a, &at);
		s->event = strcmp(word(a, &at), "1") == 0 ? at : 0;
		at += s->event > 0 ? 8 : 0;
	}
	return n;
}

static void add_event(struct command *c, const struct words *a, size_t at)
{
	bool tenant = at > 0 && a->word[at + 6][0] != '\0',
	     tags = at > 0 && a->word[at + 7][0] != '\0';

	for (size_t i = 0; i < 6; i++)
		command_str(c, at > 0 ? a->word[at + i] : "");
	command_pack_number(c, 2 * (size_t)tenant + 2 * (size_t)tags);
	if (tenant) {
		command_str(c, "tenant");
		command_str(c, a->word[at + 6]);
	}
	if (tags) {
		command_str(c, "tags");
		command_str(c, a->word[at + 7]);
	}
}

static void add_settle(struct command *c, const struct words *a, size_t at)
{
	struct settled *list = calloc(a->n + 1, sizeof(*list));
	size_t n, others = 0;

	assert_non_null(list);
	n = read_settled(a, at, list);
	command_pack_number(c, n);
	for (size_t i = 0; i < n; i++) {
		command_str(c, a->word[list[i].id]);
		others += !list[i].plain;
	}
	command_pack_number(c, others);
	for (size_t i = 0; i < n; i++) {
		if (list[i].plain)
			continue;
		command_pack_number(c, i + 1);
		at = list[i].id + 1;
		add_words(c, a, &at, 3);
	}
	for (size_t i = 0; i < n; i++)
		add_event(c, a, list[i].event);
	free(list);
}

void packing_add(struct command *c, enum script s, const struct words *a)
{
	size_t at = 0;

	if (s == SCRIPT_FINISH && (a->n == 0 || strspn(a->word[0], "0123456789") == 0)) {
		command_str(c, PACKING_USUAL);
		command_str(c, "-1");
	} else if (s == SCRIPT_FINISH) {
		add_words(c, a, &at, 2);
	} else if (s == SCRIPT_BEGIN || s == SCRIPT_SETTLE) {
		add_words(c, a, &at, 1);
	} else {
		add_words(c, a, &at, a->n);
		return;
	}
	command_pack(c);
	if (s == SCRIPT_BEGIN)
		add_words(c, a, &at, a->n - at);
	while (s == SCRIPT_FINISH && at < a->n)
		add_finish(c, a, &at);
	if (s == SCRIPT_SETTLE)
		add_settle(c, a, at);
	command_pack_end(c);
}

#include "fleet/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int history_find(const struct history *h, const char *provider)
{
	for (size_t i = 0; i < h->n_tries; i++) {
		if (strcmp(h->tries[i].name, provider) == 0)
			return (int)i;
	}
	return -1;
}

int64_t history_tries(const struct history *h, const char *provider)
{
	int at = history_find(h, provider);

	return at < 0 ? 0 : h->tries[at].n;
}

void history_charge(struct history *h, const char *provider, int64_t n)
{
	int at = history_find(h, provider);

	if (at < 0) {
		if (h->n_tries == HISTORY_MAX || strlen(provider) >= HISTORY_MAX_NAME)
			return;
		at = (int)h->n_tries++;
		snprintf(h->tries[at].name, sizeof(h->tries[at].name), "%s", provider);
		h->tries[at].n = 0;
	}
	if (n > HISTORY_USELESS - h->tries[at].n)
		h->tries[at].n = HISTORY_USELESS;
	else if (n > 0)
		h->tries[at].n += n;
}

void history_read_tries(struct history *h, const char *text, size_t len)
{
	const char *end = text + len;

	h->n_tries = 0;
	while (text < end && h->n_tries < HISTORY_MAX) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;
		const char *colon = memchr(text, ':', (size_t)(stop - text));
		char name[HISTORY_MAX_NAME], number[24];

		if (colon && colon > text && colon - text < HISTORY_MAX_NAME && stop - colon < 24) {
			memcpy(name, text, (size_t)(colon - text));
			name[colon - text] = '\0';
			memcpy(number, colon + 1, (size_t)(stop - colon - 1));
			number[stop - colon - 1] = '\0';
			history_charge(h, name,
			               number[0] == 'x' ? HISTORY_USELESS
			                                : strtoll(number, NULL, 10));
		}
		text = comma ? comma + 1 : end;
	}
}

void history_write_tries(const struct history *h, struct buf *out)
{
	for (size_t i = 0; i < h->n_tries; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_str(out, h->tries[i].name);
		buf_add_char(out, ':');
		if (h->tries[i].n >= HISTORY_USELESS)
			buf_add_char(out, 'x');
		else
			buf_add_int(out, h->tries[i].n);
	}
}

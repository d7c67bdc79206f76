#include "base/suggest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance with swaps of neighbours, of which only the last three rows are kept. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t rows[3][SUGGEST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= n_b; j++)
		last[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]),
			               least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[n_b];
}

struct suggest suggest_for(const char *wanted)
{
	return (struct suggest){.wanted = wanted, .distance = SIZE_MAX};
}

void suggest_try(struct suggest *s, const char *candidate)
{
	size_t n_wanted = strlen(s->wanted), n_candidate = strlen(candidate), d;

	if (n_wanted > SUGGEST_MAX || n_candidate > SUGGEST_MAX)
		return;
	d = distance(s->wanted, n_wanted, candidate, n_candidate);
	if (d < s->distance) {
		s->distance = d;
		memcpy(s->best, candidate, n_candidate + 1);
	}
}

const char *suggest_best(const struct suggest *s)
{
	/* A third of the letters wrong is another word. */
	return s->distance <= strlen(s->wanted) / 3 ? s->best : NULL;
}

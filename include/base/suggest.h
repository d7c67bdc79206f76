/* suggest.h - "did you mean": the known name that is nearest to a misspelled one.
 *
 *     struct suggest s = suggest_for("CONCURENCY");
 *     suggest_try(&s, "CONCURRENCY");
 *     if (suggest_best(&s) != NULL) … */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stddef.h>

#define SUGGEST_MAX 64 /* longer names are not compared */

struct suggest {
	const char *wanted;
	char best[SUGGEST_MAX + 1]; /* "" when there is none yet */
	size_t distance; /* of the best one: letters to add, drop or change, or neighbours to swap */
};

struct suggest suggest_for(const char *wanted);
void suggest_try(struct suggest *s, const char *candidate);
const char *suggest_best(const struct suggest *s); /* NULL when none is near */

#endif

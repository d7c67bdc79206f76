/* history.h - what a mail's status knows of its earlier attempts.
 *
 * `tries` is kept in the status as "primary:2,secondary:1": how many tries each provider was charged. A
 * provider that is of no use for this mail (its sender is refused there, it is too large) is
 * "primary:x". */
#ifndef FLEET_HISTORY_H
#define FLEET_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define HISTORY_MAX 32       /* providers */
#define HISTORY_MAX_NAME 64  /* bytes of a provider's name, with its NUL */
#define HISTORY_USELESS 1000000

struct history {
	int64_t attempts; /* made so far: the number of the last line of the timeline */
	struct {
		char name[HISTORY_MAX_NAME];
		int64_t n;
	} tries[HISTORY_MAX];
	size_t n_tries;
	char provider[HISTORY_MAX_NAME]; /* of the last attempt; "" none */
	char pinned[HISTORY_MAX_NAME];   /* an unknown attempt was with it: never another; "" none */
};

void history_read_tries(struct history *h, const char *text, size_t len);
void history_write_tries(const struct history *h, struct buf *out);
int64_t history_tries(const struct history *h, const char *provider);
void history_charge(struct history *h, const char *provider, int64_t n); /* adds n */

#endif

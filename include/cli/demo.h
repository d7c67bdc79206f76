/* demo.h - what `up --demo` shows: a handful of mails, and a table of what becomes of them. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "cli/term.h"
#include "fleet/mail_view.h"
#include "redis/sync.h"

#define DEMO_MAX 16

struct demo_mail {
	char *key;
	struct mail_view view;
	int64_t seen; /* what was last printed of it, where there is no terminal */
};

struct demo {
	const struct options *options;
	struct term term;
	struct demo_mail mails[DEMO_MAX];
	size_t n;
	int64_t pushed_at; /* mono clock, µs */
	int64_t now;       /* Redis's clock, ms, at the last look */
};

/* All providers are mocks: the demo's mails must not leave by a real relay. False: err. */
bool demo_check(const struct options *o, struct error *err) MUST_CHECK;

/* Pushes the mails to the queue. Their keys are new each time, so that the demo can be seen again
 * with the same Redis. */
bool demo_push(struct demo *d, struct sync *s, const struct options *o, const char *queue, struct error *err) MUST_CHECK;

/* Looks what has become of them, and shows it: on a terminal in the place of what was shown before (with `notice`
 * below, "" none), else what has changed, one line each. *settled: nothing more will happen. */
bool demo_look(struct demo *d, struct sync *s, const char *notice, bool *settled, struct error *err) MUST_CHECK;

/* "6 sent, 1 failed", what that means, and one key to look at. */
void demo_sum_up(const struct demo *d);
const char *demo_failed_key(const struct demo *d); /* NULL: none has failed */

void demo_free(struct demo *d);

#endif

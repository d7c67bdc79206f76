/* last_errors.h - the last error of each provider, as the queues' events tell it (lua/README.md).
 *
 * Looks at the last events of each queue only: where none of a provider's has failed lately, nothing is found. Run its
 * inquiry; what was found before stays until there is something newer. */
#ifndef FLEET_LAST_ERRORS_H
#define FLEET_LAST_ERRORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "fleet/queue_set.h"
#include "redis/inquiry.h"

#define LAST_ERRORS_MAX 64   /* providers */
#define LAST_ERRORS_NAME 65
#define LAST_ERRORS_CODE 96
#define LAST_ERRORS_LOOK 100 /* events of a queue */

struct last_error {
	char provider[LAST_ERRORS_NAME], code[LAST_ERRORS_CODE];
	int64_t at; /* Redis's clock, ms */
};

struct last_errors {
	struct inquiry inquiry;
	const struct queue_set *queues;
	int asked;
	struct last_error list[LAST_ERRORS_MAX];
	size_t n;
};

void last_errors_init(struct last_errors *l, const struct queue_set *queues);
void last_errors_free(struct last_errors *l);
void last_errors_again(struct last_errors *l); /* before the inquiry is run once more */
const struct last_error *last_errors_of(const struct last_errors *l, const char *provider) MUST_CHECK; /* or NULL */

#endif

/* link_error.h - what Redis's error replies mean, and what the link does about each: one table.
 *
 * Used by the link itself; others ask link_classify (link.h). */
#ifndef REDIS_LINK_ERROR_H
#define REDIS_LINK_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "redis/link.h"

/* What makes the server answer as it should. */
enum link_remedy {
	LINK_REMEDY_NONE,      /* nothing that a link could do: it stays up */
	LINK_REMEDY_WAIT,      /* keep the connection, ask again after a while */
	LINK_REMEDY_GREET,     /* log in and load the scripts again, on this connection */
	LINK_REMEDY_RECONNECT, /* this server is the wrong one: connect anew */
};

struct link_error {
	const char *code;
	enum link_result result;
	enum link_remedy remedy;
	bool of_slot; /* in a cluster it is said of one slot, not of the server */
	const char *advice; /* what a person can do about it; "" nothing to be said */
};

/* text: an error reply without its leading '-'; need not be NUL-terminated. Never NULL. */
const struct link_error *link_error_find(const char *text, size_t len);
/* The text, and the advice behind it, into err. */
void link_error_say(const char *text, size_t len, struct error *err);

#endif

/* words.h - the small language of the script tests: words on one line.
 *
 * Words are separated by white space; 'what is in quotes' is one word, '' an empty one. There are no
 * escapes: bytes that a line cannot hold are pushed with redis_server_do instead. */
#ifndef SUPPORT_WORDS_H
#define SUPPORT_WORDS_H

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

struct words {
	char *text; /* what the words point into */
	char **word;
	size_t n;
};

void words_split(struct words *w, const char *line);
void words_free(struct words *w);

/* An answer as such a line: numbers, words, (lists in brackets); nil is "nil", an error "error <text>",
 * a byte that is not printable \xHH. The outermost list has no brackets. */
void words_of_reply(struct buf *out, const redisReply *reply);
/* One word, quoted where it must be. */
void words_add(struct buf *out, const char *bytes, size_t n);

#endif

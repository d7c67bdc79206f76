/* jsonw.h - writes JSON straight into a buffer: no tree, each byte once.
 *
 *     jsonw_open(b, '{');
 *     jsonw_key(b, "to"); jsonw_open(b, '['); jsonw_str(b, "ada@x.org"); jsonw_close(b, ']');
 *     jsonw_pair(b, "subject", "Hi");
 *     jsonw_close(b, '}');
 *
 * Commas come by themselves: what stands before tells whether one is due. */
#ifndef PROVIDER_JSONW_H
#define PROVIDER_JSONW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

void jsonw_open(struct buf *b, char bracket); /* { or [ */
void jsonw_close(struct buf *b, char bracket);
void jsonw_key(struct buf *b, const char *name);
void jsonw_str(struct buf *b, const char *s);
void jsonw_strn(struct buf *b, const char *s, size_t n);
void jsonw_bool(struct buf *b, bool yes);
void jsonw_base64(struct buf *b, const void *bytes, size_t n); /* as a string, in one line */

void jsonw_pair(struct buf *b, const char *name, const char *value); /* key and string */
/* The same, but nothing at all when the value is "" or NULL. */
void jsonw_pair_if(struct buf *b, const char *name, const char *value);

/* Bare base64 with padding, in one line, for what is no JSON. */
void jsonw_add_base64(struct buf *b, const void *bytes, size_t n);

#endif

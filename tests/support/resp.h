/* resp.h - as much of Redis' protocol as it takes to tell where a command or an answer ends. */
#ifndef SUPPORT_RESP_H
#define SUPPORT_RESP_H

#include <stddef.h>

/* How long the first command or answer in these bytes is; 0: it is not all there yet. */
size_t resp_length(const char *bytes, size_t n);

/* The i-th word (from 0) of a command, cut to size; "" when there is none. */
void resp_word(const char *command, size_t n, size_t i, char *out, size_t size);

#endif

/* script_embedded.h - what the build makes of lua/ (src/redis/embed.awk). For script.c only. */
#ifndef REDIS_SCRIPT_EMBEDDED_H
#define REDIS_SCRIPT_EMBEDDED_H

#include <stddef.h>

struct script_embedded {
	const char *name; /* the file's stem */
	const char *text; /* NUL-terminated, its includes replaced */
	size_t len;
};

extern const struct script_embedded script_embedded[]; /* sorted by name */
extern const size_t script_embedded_n;

#endif

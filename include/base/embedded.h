/* embedded.h - files in the binary, as the build has put them there (src/base/embed.awk). */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* its path below the folder */
	const char *bytes; /* any; a NUL follows */
	size_t len;
};

/* The folders lua/ (without its libraries; for redis/script.c only) and src/web/ (for api/assets.c only), each
 * sorted by name. */
extern const struct embedded embedded_lua[], embedded_web[];
extern const size_t embedded_lua_n, embedded_web_n;

#endif

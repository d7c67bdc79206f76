/* api_keys.h - files of keys for the API (API_KEYS_FILE). */
#ifndef SUPPORT_API_KEYS_H
#define SUPPORT_API_KEYS_H

#include <stddef.h>

#include "base/attr.h"

struct api_key {
	const char *name, *scopes, *key;
};

/* The SHA-256 in hexadecimal; a new string (free). */
char *api_keys_digest(const char *key) MUST_CHECK;
/* The path of a new file with a line for each, at most 1 KB; a new string (free). */
char *api_keys_file(const struct api_key *keys, size_t n) MUST_CHECK;

#endif

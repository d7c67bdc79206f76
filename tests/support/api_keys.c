#include "support/api_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/digest.h"
#include "support/tmpdir.h"

char *api_keys_digest(const char *key)
{
	unsigned char digest[DIGEST_SIZE];
	char *hex = malloc(2 * DIGEST_SIZE + 1);

	assert_non_null(hex);
	digest_begin();
	digest_add(key, strlen(key));
	digest_end(digest);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return hex;
}

char *api_keys_file(const struct api_key *keys, size_t n)
{
	char text[1024];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char *digest = api_keys_digest(keys[i].key);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s:%s:%s\n", keys[i].name,
		                        keys[i].scopes, digest);
		assert_true(len < sizeof(text));
		free(digest);
	}
	return tmpdir_file("keys", text, len);
}

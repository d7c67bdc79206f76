/* digest.h - one SHA-256 at a time.
 *
 * The algorithm is fetched and the context made once for the whole program (fetching costs more
 * than digesting a mail) and live until it ends. Not for several threads. What OpenSSL refuses (a
 * build without SHA-256) aborts: nothing could be identified without. */
#ifndef MAIL_DIGEST_H
#define MAIL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define DIGEST_SIZE 32

void digest_begin(void);
void digest_add(const void *bytes, size_t n);
void digest_add_count(size_t n); /* as eight bytes, big end first */
/* Its length as digest_add_count does, then the string: so that no two lists of strings look
 * alike. */
void digest_add_field(const void *bytes, size_t n);
void digest_end(unsigned char out[DIGEST_SIZE]);

/* HMAC-SHA256 (RFC 2104) of a text; out may be the key. */
void digest_hmac(unsigned char out[DIGEST_SIZE], const void *key, size_t key_len, const void *text, size_t n);

/* n bytes as text without padding, NUL-terminated: base64url takes (n * 8 + 5) / 6 characters,
 * base32 (lower case) (n * 8 + 4) / 5. */
void digest_base64url(char *out, const unsigned char *bytes, size_t n);
/* The reverse; false: it is not the text of n bytes. */
bool digest_from_base64url(unsigned char *bytes, size_t n, const char *text) MUST_CHECK;
void digest_base32(char *out, const unsigned char *bytes, size_t n);

#endif

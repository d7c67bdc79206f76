#include "mail/digest.h"

#include <glib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* Short pieces are gathered: a call into OpenSSL costs more than digesting them. */
static struct {
	EVP_MD *algorithm;
	EVP_MD_CTX *ctx;
	unsigned char gathered[512];
	size_t n;
} digest;

static void require(int ok)
{
	if (ok)
		return;
	(void)fputs("postrider: OpenSSL refuses SHA-256\n", stderr);
	abort();
}

void digest_begin(void)
{
	if (digest.ctx == NULL) {
		digest.algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
		digest.ctx = EVP_MD_CTX_new();
		require(digest.algorithm != NULL && digest.ctx != NULL);
	}
	require(EVP_DigestInit_ex2(digest.ctx, digest.algorithm, NULL));
	digest.n = 0;
}

static void flush(void)
{
	require(EVP_DigestUpdate(digest.ctx, digest.gathered, digest.n));
	digest.n = 0;
}

void digest_add(const void *bytes, size_t n)
{
	if (n > sizeof(digest.gathered) - digest.n)
		flush();
	if (n > sizeof(digest.gathered)) {
		require(EVP_DigestUpdate(digest.ctx, bytes, n));
		return;
	}
	if (n > 0)
		memcpy(digest.gathered + digest.n, bytes, n);
	digest.n += n;
}

void digest_add_count(size_t n)
{
	uint64_t big_endian = GUINT64_TO_BE((uint64_t)n);

	digest_add(&big_endian, sizeof(big_endian));
}

void digest_add_field(const void *bytes, size_t n)
{
	digest_add_count(n);
	digest_add(bytes, n);
}

void digest_end(unsigned char out[DIGEST_SIZE])
{
	flush();
	require(EVP_DigestFinal_ex(digest.ctx, out, NULL));
}

void digest_hmac(unsigned char out[DIGEST_SIZE], const void *key, size_t key_len, const void *text,
                 size_t n)
{
	unsigned char result[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	require(HMAC(EVP_sha256(), key, (int)key_len, text, n, result, &len) != NULL);
	memcpy(out, result, DIGEST_SIZE);
	mem_wipe(result, sizeof(result));
}

/* Groups of `width` bits, the first bits first, each as a letter of the alphabet. */
static void encode_bits(char *out, const unsigned char *bytes, size_t n, const char *alphabet,
                        unsigned width)
{
	unsigned bits = 0, held = 0;

	for (size_t i = 0; i < n; i++) {
		held = (held << 8) | bytes[i];
		bits += 8;
		while (bits >= width) {
			bits -= width;
			*out++ = alphabet[(held >> bits) & ((1U << width) - 1)];
		}
		held &= (1U << bits) - 1;
	}
	if (bits > 0)
		*out++ = alphabet[(held << (width - bits)) & ((1U << width) - 1)];
	*out = '\0';
}

void digest_base64url(char *out, const unsigned char *bytes, size_t n)
{
	encode_bits(out, bytes, n, BASE64URL, 6);
}

void digest_base32(char *out, const unsigned char *bytes, size_t n)
{
	encode_bits(out, bytes, n, "abcdefghijklmnopqrstuvwxyz234567", 5);
}

bool digest_from_base64url(unsigned char *bytes, size_t n, const char *text)
{
	const char *digits = BASE64URL;
	unsigned bits = 0, held = 0;
	size_t got = 0;

	for (; *text != '\0'; text++) {
		const char *at = strchr(digits, *text);

		if (at == NULL)
			return false;
		bits = (bits << 6 | (unsigned)(at - digits)) & 0xffff;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (got == n)
			return false;
		bytes[got++] = (unsigned char)(bits >> held);
	}
	return got == n;
}

/* fuzz.h - what the fuzz targets share.
 *
 * A target is one file, fuzz_<name>.c, with one function, LLVMFuzzerTestOneInput: it feeds the bytes to
 * one door of ours and asserts what must hold of whatever comes out. `make fuzz` links it with libFuzzer;
 * `make test` links it with replay.c, which feeds it the files of tests/fuzz/corpus/<name>: small inputs
 * to begin with, and every input that once broke something.
 *
 * The same bytes must always do the same. No input may make a target wait, or write to the disk. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: the input may be kept. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                                                        \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                 \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* What is left of an input. */
struct fuzz_bytes {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 when there is none. */
static inline uint8_t fuzz_byte(struct fuzz_bytes *b)
{
	if (b->left == 0)
		return 0;
	b->left--;
	return *b->at++;
}

/* One line, without its '\n': a new string (free), up to the first NUL; NULL when there is no more. */
static inline char *fuzz_line(struct fuzz_bytes *b)
{
	const uint8_t *end;
	size_t n;
	char *line;

	if (b->left == 0)
		return NULL;
	end = memchr(b->at, '\n', b->left);
	n = end != NULL ? (size_t)(end - b->at) : b->left;
	line = strndup((const char *)b->at, n);
	n += end != NULL;
	b->at += n;
	b->left -= n;
	return line;
}

/* One line, and no control character in it. */
static inline bool fuzz_printable(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

#endif

/* word8.h - eight bytes of text looked at as one word, for the long plain runs in bodies. */
#ifndef MAIL_WORD8_H
#define MAIL_WORD8_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD8_ONES UINT64_C(0x0101010101010101)

static inline uint64_t word8_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline bool word8_has_zero(uint64_t word)
{
	return ((word - WORD8_ONES) & ~word & (WORD8_ONES * 0x80)) != 0;
}

static inline bool word8_has(uint64_t word, unsigned char byte)
{
	return word8_has_zero(word ^ (WORD8_ONES * byte));
}

/* A byte above 127. */
static inline bool word8_has_high(uint64_t word)
{
	return (word & (WORD8_ONES * 0x80)) != 0;
}

/* A byte below 0x20; only to be asked when there is none above 127. */
static inline bool word8_has_low(uint64_t word)
{
	return word8_has_zero(word & (WORD8_ONES * 0x60));
}

#endif

/* word8.h - eight bytes of text looked at as one word, for the long plain runs in bodies. */
#ifndef MAIL_WORD8_H
#define MAIL_WORD8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD8_ONES UINT64_C(0x0101010101010101)

static inline uint64_t word8_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* In these a byte's top bit says that it is one of those that were asked for. Behind the first of them, in the order
 * of memory of a little-endian machine, others may be marked, too. */

static inline uint64_t word8_zeros(uint64_t word)
{
	return (word - WORD8_ONES) & ~word & (WORD8_ONES * 0x80);
}

static inline uint64_t word8_bytes(uint64_t word, unsigned char byte)
{
	return word8_zeros(word ^ (WORD8_ONES * byte));
}

/* Control characters below 0x20, and what is above 127. */
static inline uint64_t word8_not_text(uint64_t word)
{
	return word8_zeros(word & (WORD8_ONES * 0x60)) | (word & (WORD8_ONES * 0x80));
}

/* How many bytes stand before the first marked one: 8 when there is none. (0 to say that it is not known.) */
static inline size_t word8_before(uint64_t marks)
{
	if (marks == 0)
		return sizeof(marks);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (size_t)__builtin_ctzll(marks) / 8 : 0;
}

#endif

/* mem.h - allocation that does not fail; cJSON's too (main.c).
 *
 * Out of memory aborts with one line on stderr: a worker that dies loses nothing (its leases run
 * out and others go on). Sizes that come from outside are bounded by the caller first, or asked for
 * with mem_try. Everything is freed with mem_free, and with nothing else: an empty string may be one that all
 * who have one share. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

void *mem_alloc(size_t size) MUST_CHECK;                /* not zeroed */
void *mem_zalloc(size_t size) MUST_CHECK;               /* zeroed */
void *mem_array(size_t n, size_t size) MUST_CHECK;      /* zeroed; aborts on overflow */
void *mem_realloc(void *p, size_t size) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;             /* s may be NULL: then NULL */
char *mem_strndup(const char *s, size_t n) MUST_CHECK;  /* copies exactly n bytes and adds a NUL */
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2) MUST_CHECK;
char *mem_concat(const char *first, ...) SENTINEL MUST_CHECK; /* all up to a NULL, one after the other */
void *mem_try(size_t size) MUST_CHECK;                  /* NULL when there is none */
void mem_free(void *p);                                 /* NULL is fine */
void mem_wipe(void *p, size_t size);                    /* overwrites a secret; not optimised away */
void mem_free_secret(char *s);                          /* wiped first; NULL is fine */

/* Every allocation above goes through this; a test replaces it to make allocations fail.
 * Behaves as realloc(3). */
extern void *(*mem_hook)(void *p, size_t size);

#endif

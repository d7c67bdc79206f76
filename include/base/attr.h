/* attr.h - the compiler attributes that the headers use, by readable names. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* printf-like: argument F is the format, A the first argument (1-based). */
#define PRINTF_LIKE(F, A) __attribute__((format(printf, F, A)))
/* The arguments end with a NULL. */
#define SENTINEL __attribute__((sentinel))
#define NO_RETURN __attribute__((noreturn))

#endif

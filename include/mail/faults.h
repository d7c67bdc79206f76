/* faults.h - what is wrong with a job: one sentence per fault, all of them at once.
 *
 * Sentences are separated by "; " and hold none themselves. They are printable, name the field, and
 * never quote a value: they go to status hashes, logs and HTTP answers. After FAULTS_MAX of them
 * the rest is only counted. */
#ifndef MAIL_FAULTS_H
#define MAIL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

#define FAULTS_MAX 20

struct faults {
	struct buf *out; /* the caller's */
	size_t n;
};

void faults_init(struct faults *f, struct buf *out);
void faults_add(struct faults *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* `Field "to" must …`, or `Field "to[3]" must …` when index is not negative. */
void faults_field(struct faults *f, const char *field, long index, const char *what);

/* Writes "and N more" when some were only counted. True: there was no fault. */
bool faults_end(struct faults *f) MUST_CHECK;

#endif

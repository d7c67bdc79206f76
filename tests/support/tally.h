/* tally.h - how often each mail was taken: copies by key, as a mail server or a mock kept count.
 *
 * A line is "<key> <Message-ID> …"; a key may have blanks in it. The first "<" after a blank begins
 * the Message-ID. */
#ifndef SUPPORT_TALLY_H
#define SUPPORT_TALLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct tally;

/* Of the lines in a file (mock://?record=, or a sink's `taken`); none when it is not there. */
struct tally *tally_of_record(const char *path) MUST_CHECK;
/* Of the messages in a dump of smtp-sink, by their X-Key and Message-ID. */
struct tally *tally_of_dump(const char *path) MUST_CHECK;
void tally_free(struct tally *t);

/* Until there are at least n lines in the file. */
void tally_wait(const char *path, size_t n);

size_t tally_copies(const struct tally *t, const char *key); /* of one mail */
/* When the first was taken, by the wall clock: of a mock's record. */
long long tally_first_ms(const struct tally *t, const char *key);
size_t tally_ids(const struct tally *t, const char *key);    /* how many different Message-IDs */
size_t tally_keys(const struct tally *t);                    /* different keys */
size_t tally_total(const struct tally *t);                   /* all copies */
size_t tally_most(const struct tally *t); /* the largest number of copies of one key */
/* The key of the i-th line, in the order in which they were taken; NULL past the end. */
const char *tally_key_at(const struct tally *t, size_t i);

#endif

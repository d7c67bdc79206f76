/* human.h - times, durations and strangers' text, as people read and write them. */
#ifndef CLI_HUMAN_H
#define CLI_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define HUMAN_SIZE 32 /* room for any of these */

/* "0s", "45s", "3m 20s", "2h 5m", "3d 4h"; under ten seconds with a tenth: "1.2s". Negative: "0s". */
const char *human_duration(char out[HUMAN_SIZE], int64_t ms);
/* The reverse: "500ms", "30s", "10m", "2h", "7d", whole numbers only, at most ten years. */
bool human_parse_duration(const char *text, int64_t *ms) MUST_CHECK;
/* Local time, "2026-11-24 10:00:00". */
const char *human_time(char out[HUMAN_SIZE], int64_t epoch_ms);
/* UTC, "2026-11-24T10:00:00.123Z". */
const char *human_iso(char out[HUMAN_SIZE], int64_t epoch_ms);

/* Text that came from outside, harmless on a terminal: control characters and what is no UTF-8
 * become U+FFFD; so do the characters that turn the direction of writing. */
void human_text(struct buf *out, const char *s, size_t n);

#endif

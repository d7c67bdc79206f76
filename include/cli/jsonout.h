/* jsonout.h - what --json prints: trees of cJSON whose texts are always valid UTF-8. */
#ifndef CLI_JSONOUT_H
#define CLI_JSONOUT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

cJSON *jsonout_object(void); /* never NULL */
cJSON *jsonout_array(void);
/* NULL and "" become null. */
void jsonout_text(cJSON *object, const char *name, const char *s);
/* Any bytes: what is no UTF-8 (or is NUL) becomes U+FFFD. */
void jsonout_bytes(cJSON *object, const char *name, const char *s, size_t n);
void jsonout_int(cJSON *object, const char *name, int64_t n);
void jsonout_int_or_null(cJSON *object, const char *name, int64_t n); /* negative: null */
void jsonout_bool(cJSON *object, const char *name, int yes);
/* RFC 3339, UTC, with milliseconds; 0 becomes null. */
void jsonout_time(cJSON *object, const char *name, int64_t epoch_ms);
void jsonout_add(cJSON *object, const char *name, cJSON *child);
void jsonout_append(cJSON *array, cJSON *child);
void jsonout_append_text(cJSON *array, const char *s);

/* Prints and frees: on one line, or laid out when stdout is a terminal. */
void jsonout_print(cJSON *value);

#endif

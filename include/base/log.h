/* log.h - the one logger: one record a line on stderr.
 *
 * A record is an event name (snake_case, past tense where something happened) and typed fields:
 *
 *     log_info("mail_sent", LOG_STR("id", id), LOG_STR("key", key), LOG_INT("ms", ms));
 *
 * As JSON: {"ts":"2026-11-24T10:00:00.123Z","level":"info","event":"mail_sent","id":…}
 * As text: 10:00:00.123 info  mail_sent id=… key=… ms=12        (LOG_FORMAT=text)
 * Field names used everywhere: id (job id), key, queue, provider, attempt, outcome, code, ms, error.
 * Never log bodies or secrets; addresses only by LOG_ADDR, which masks them (a***@x.org) unless
 * LOG_ADDRESSES=full. Values are escaped and cut at 512 bytes. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_MAX_FIELDS 16

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

struct log_field {
	const char *name; /* NULL ends the list, which has at most LOG_MAX_FIELDS */
	enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_ADDR } type;
	const char *str; /* NULL is left out of the record */
	int64_t num;
};

#define LOG_STR(NAME, VALUE) {.name = (NAME), .type = LOG_FIELD_STR, .str = (VALUE)}
#define LOG_INT(NAME, VALUE) {.name = (NAME), .type = LOG_FIELD_INT, .num = (VALUE)}
#define LOG_ADDR(NAME, VALUE) {.name = (NAME), .type = LOG_FIELD_ADDR, .str = (VALUE)}

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
/* The fields are not evaluated below the level. Those that are not given are empty, and the first
 * empty one ends the list. */
#define log_at(LEVEL, EVENT, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(LEVEL))                                                            \
			log_write(LEVEL, EVENT,                                                    \
			          (const struct log_field[LOG_MAX_FIELDS]){__VA_ARGS__});          \
	} while (0)

void log_setup(enum log_level level, enum log_format format, bool full_addresses);
void log_set_name(const char *name); /* field "worker" on every record; NULL: none. Copied. */
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* Writes address (or "Name <address>") masked into out: the first character of the local part,
 * then ***, then the domain. Returns out. */
const char *log_mask_address(const char *address, char *out, unsigned size);

#endif

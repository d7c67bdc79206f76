#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#define LOG_VALUE_MAX 512
#define LOG_RECORD_MAX 65536
#define LOG_ADDRESS_MAX 400 /* an address has at most 320 characters */

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

/* Set once at start (and again on SIGHUP), read everywhere. */
static struct {
	enum log_level level;
	enum log_format format;
	bool full_addresses;
	char name[128];
} settings = {.level = LOG_LEVEL_INFO};

void log_setup(enum log_level level, enum log_format format, bool full_addresses)
{
	settings.level = level;
	settings.format = format;
	settings.full_addresses = full_addresses;
}

void log_set_name(const char *name)
{
	snprintf(settings.name, sizeof(settings.name), "%s", name != NULL ? name : "");
}

bool log_enabled(enum log_level level)
{
	return level >= settings.level;
}

const char *log_mask_address(const char *address, char *out, unsigned size)
{
	const char *begin = strrchr(address, '<');
	const char *end, *at;
	size_t first;

	begin = begin != NULL ? begin + 1 : address;
	end = begin + strcspn(begin, ">");
	at = memrchr(begin, '@', (size_t)(end - begin));
	if (*begin == '"')
		begin++;
	if (at == NULL) { /* no address at all: nothing of it is known to be harmless */
		snprintf(out, size, "***");
		return out;
	}
	first = at > begin ? utf8_width(begin, (size_t)(at - begin)) : 0;
	snprintf(out, size, "%.*s***%.*s", (int)first, begin, (int)(end - at), at);
	return out;
}

/* Text stays readable as it is unless that would be ambiguous; then it is written as in JSON. */
static bool needs_quotes(const char *s, size_t n)
{
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || strchr("\"=\\\x7f", s[i]) != NULL)
			return true;
	return !utf8_valid(s, n);
}

static void add_name(struct buf *b, const char *name)
{
	if (settings.format == LOG_FORMAT_TEXT) {
		buf_add_char(b, ' ');
		buf_add_str(b, name);
		buf_add_char(b, '=');
	} else {
		jsonw_key(b, name);
	}
}

static void add_str(struct buf *b, const char *name, const char *value)
{
	size_t n = utf8_cut(value, strlen(value), LOG_VALUE_MAX);

	add_name(b, name);
	if (settings.format == LOG_FORMAT_TEXT && !needs_quotes(value, n))
		buf_add(b, value, n);
	else
		buf_add_json(b, value, n);
}

static void add_field(struct buf *b, const struct log_field *f)
{
	char masked[LOG_ADDRESS_MAX];

	if (f->type == LOG_FIELD_INT) {
		add_name(b, f->name);
		buf_add_int(b, f->num);
	} else if (f->str == NULL) {
		return;
	} else if (f->type == LOG_FIELD_ADDR && !settings.full_addresses) {
		add_str(b, f->name, log_mask_address(f->str, masked, sizeof(masked)));
	} else {
		add_str(b, f->name, f->str);
	}
}

static void add_head(struct buf *b, enum log_level level, const char *event)
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char when[TIMESTAMP_RFC3339_SIZE];

	if (settings.format == LOG_FORMAT_TEXT) {
		localtime_r(&seconds, &tm);
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
		buf_addf(b, "%s.%03d %-5s %s", when, (int)(now % 1000), level_names[level], event);
	} else {
		timestamp_rfc3339(when, now);
		jsonw_open(b, '{');
		jsonw_pair(b, "ts", when);
		jsonw_pair(b, "level", level_names[level]);
		jsonw_pair(b, "event", event);
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf b;

	buf_init(&b, LOG_RECORD_MAX);
	add_head(&b, level, event);
	if (settings.name[0] != '\0')
		add_str(&b, "worker", settings.name);
	for (size_t i = 0; i < LOG_MAX_FIELDS && fields[i].name != NULL; i++)
		add_field(&b, &fields[i]);
	buf_add_str(&b, settings.format == LOG_FORMAT_TEXT ? "\n" : "}\n");
	/* One write a record, so that those of several processes do not mix. What a full or
	 * closed stderr does not take is lost: logging must never stop the mail. */
	if (write(STDERR_FILENO, buf_str(&b), b.len) < 0) {
		/* Nobody is left to be told. */
	}
	buf_free(&b);
}

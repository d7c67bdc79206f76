#include "api/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "provider/jsonw.h"

#define ATTEMPT "attempt:"
#define LATE "late:"
#define MAX_LINES 128

/* --- the timeline ------------------------------------------------------------------------------------------- */

struct line {
	int64_t n;
	bool late;
	const char *text;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return (int)x->late - (int)y->late;
}

/* "12ms"; -1: something else */
static int64_t read_ms(const char *word, size_t n)
{
	char digits[20];
	int64_t ms;

	if (n < 3 || n - 2 >= sizeof(digits) || memcmp(word + n - 2, "ms", 2) != 0)
		return -1;
	memcpy(digits, word, n - 2);
	digits[n - 2] = '\0';
	return number_int(digits, &ms) ? ms : -1;
}

static const char *write_word(struct buf *out, const char *name, const char *at)
{
	size_t n = strcspn(at, " ");

	jsonw_key(out, name);
	jsonw_strn(out, at, n);
	return at + n + (at[n] == ' ');
}

/* "primary retry 451 4.3.0 12ms try again later" (fleet/timeline.h): the code ends where a duration
 * stands; a line may have been cut before it. */
static void write_line(struct buf *out, const struct line *l)
{
	const char *code, *at;

	jsonw_open(out, '{');
	json_int(out, l->late ? "lateToken" : "attempt", l->n);
	code = write_word(out, "outcome", write_word(out, "provider", l->text));
	for (at = code; *at != '\0';) {
		size_t n = strcspn(at, " ");
		int64_t ms = read_ms(at, n);

		if (ms >= 0) {
			jsonw_key(out, "code");
			jsonw_strn(out, code, at > code ? (size_t)(at - code) - 1 : 0);
			json_int(out, "ms", ms);
			jsonw_pair(out, "text", at + n + (at[n] == ' '));
			break;
		}
		at += n + (at[n] == ' ');
	}
	if (*at == '\0')
		jsonw_pair(out, "code", code);
	jsonw_close(out, '}');
}

static void write_timeline(struct buf *out, struct line *lines, size_t n)
{
	qsort(lines, n, sizeof(*lines), compare_lines);
	jsonw_key(out, "timeline");
	jsonw_open(out, '[');
	for (size_t i = 0; i < n; i++)
		write_line(out, &lines[i]);
	jsonw_close(out, ']');
}

/* --- the status --------------------------------------------------------------------------------------------- */

enum kind { TEXT, TEXT_IF, NUMBER, TIME, TIME_IF };

static const struct {
	const char *field, *name;
	enum kind kind;
} fields[] = {
	{"status", "status", TEXT},
	{"to", "to", TEXT},
	{"subject", "subject", TEXT},
	{"provider", "provider", TEXT},
	{"attempts", "attempts", NUMBER},
	{"message_id", "messageId", TEXT},
	{"created_at", "createdAt", TIME},
	{"updated_at", "updatedAt", TIME},
	{"next_attempt_at", "nextAttemptAt", TIME_IF},
	{"error", "error", TEXT_IF},
	{"recipients", "recipients", TEXT_IF},
	{"duplicates", "duplicates", NUMBER},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static void write_field(struct buf *out, size_t i, const char *value)
{
	int64_t n = 0;

	if (fields[i].kind >= NUMBER && (value == NULL || !number_int(value, &n)))
		n = 0;
	switch (fields[i].kind) {
	case TEXT:
		json_text_or_null(out, fields[i].name, value);
		break;
	case TEXT_IF:
		jsonw_pair_if(out, fields[i].name, value);
		break;
	case NUMBER:
		json_int(out, fields[i].name, n);
		break;
	case TIME:
		json_time(out, fields[i].name, n);
		break;
	case TIME_IF:
		if (n > 0)
			json_time(out, fields[i].name, n);
		break;
	}
}

static bool is_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING;
}

bool lookup_write(struct buf *out, const char *key, const redisReply *pairs)
{
	const char *values[N_FIELDS] = {NULL};
	struct line lines[MAX_LINES];
	size_t n = 0;

	for (size_t i = 0; pairs->type == REDIS_REPLY_ARRAY && i + 1 < pairs->elements; i += 2) {
		const redisReply *name = pairs->element[i], *value = pairs->element[i + 1];

		if (!is_text(name) || !is_text(value))
			continue;
		for (size_t f = 0; f < N_FIELDS; f++)
			if (strcmp(fields[f].field, name->str) == 0)
				values[f] = value->str;
		if (n < MAX_LINES && (strncmp(name->str, ATTEMPT, strlen(ATTEMPT)) == 0 ||
		                      strncmp(name->str, LATE, strlen(LATE)) == 0)) {
			lines[n] = (struct line){.late = name->str[0] == 'l', .text = value->str};
			n += number_int(strchr(name->str, ':') + 1, &lines[n].n);
		}
	}
	if (values[0] == NULL)
		return false;
	jsonw_open(out, '{');
	json_bool(out, "found", true);
	jsonw_pair(out, "idempotencyKey", key);
	for (size_t f = 0; f < N_FIELDS; f++)
		write_field(out, f, values[f]);
	write_timeline(out, lines, n);
	jsonw_close(out, '}');
	return true;
}

/* --- the route ---------------------------------------------------------------------------------------------- */

static void on_read(void *data, enum link_result result, const redisReply *reply)
{
	struct request *r = data;

	if (result != LINK_OK)
		request_refused(r, result);
	else if (lookup_write(&r->out, r->param, reply))
		request_answer(r, 200);
	else
		request_problem(r, 404, NULL, "Email not found");
}

void lookup_run(struct request *r)
{
	struct command *c = &r->api->command;
	char *name = keys_status(r->api->options->key_prefix, r->param);

	command_clear(c);
	command_str(c, "HGETALL");
	command_str(c, name);
	mem_free(name);
	if (!topology_send(r->api->redis, c, 0, on_read, r))
		request_refused(r, LINK_LOST);
}

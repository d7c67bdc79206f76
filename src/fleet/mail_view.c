#include "fleet/mail_view.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "redis/keys.h"
#include "redis/value.h"

#define ATTEMPT_FIELD "attempt:"
#define LATE_FIELD "late:"
#define AT(FIELD) offsetof(struct mail_view, FIELD)

static const struct {
	const char *name;
	size_t offset;
	bool is_number;
} fields[] = {
	{"owner", AT(owner), false},
	{"fingerprint", AT(fingerprint), false},
	{"status", AT(status), false},
	{"to", AT(to), false},
	{"subject", AT(subject), false},
	{"provider", AT(provider), false},
	{"error", AT(error), false},
	{"message_id", AT(message_id), false},
	{"recipients", AT(recipients), false},
	{"pinned", AT(pinned), false},
	{"attempts", AT(attempts), true},
	{"duplicates", AT(duplicates), true},
	{"created_at", AT(created_at), true},
	{"updated_at", AT(updated_at), true},
	{"next_attempt_at", AT(next_attempt_at), true},
};

/* --- reading --------------------------------------------------------------------------------------- */

/* "12ms" */
static bool read_ms(const char *word, size_t n, int64_t *ms)
{
	char number[24];

	if (n < 3 || n - 2 >= sizeof(number) || memcmp(word + n - 2, "ms", 2) != 0)
		return false;
	memcpy(number, word, n - 2);
	number[n - 2] = '\0';
	return number_int(number, ms);
}

static char *take_word(const char **at)
{
	size_t n = strcspn(*at, " ");
	char *word = mem_strndup(*at, n);

	*at += n + ((*at)[n] == ' ');
	return word;
}

/* The code may have blanks ("451 4.3.0"): it ends where a duration stands. */
static void read_line(struct mail_view_attempt *a, const char *line)
{
	const char *rest;

	a->provider = take_word(&line);
	a->outcome = take_word(&line);
	a->ms = -1;
	for (rest = line; *rest != '\0';) {
		size_t n = strcspn(rest, " ");

		if (read_ms(rest, n, &a->ms)) {
			size_t code = (size_t)(rest - line);

			a->code = mem_strndup(line, code > 0 ? code - 1 : 0);
			rest += n + (rest[n] == ' ');
			a->text = mem_strdup(rest);
			return;
		}
		rest += n + (rest[n] == ' ');
	}
	a->code = mem_strdup(line); /* the line was cut before its duration */
	a->text = mem_strdup("");
}

static void add_line(struct mail_view *v, const char *field, const char *line)
{
	struct mail_view_attempt a = {0};

	a.late = strncmp(field, LATE_FIELD, strlen(LATE_FIELD)) == 0;
	if (!number_int(strchr(field, ':') + 1, &a.n))
		return;
	read_line(&a, line);
	v->timeline = mem_realloc(v->timeline, (v->n_timeline + 1) * sizeof(*v->timeline));
	v->timeline[v->n_timeline++] = a;
}

static int compare_attempts(const void *a, const void *b)
{
	const struct mail_view_attempt *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return (int)x->late - (int)y->late;
}

static void read_field(struct mail_view *v, const char *name, const redisReply *value)
{
	const char *text = value_text(value);

	if (text == NULL)
		return;
	if (strncmp(name, ATTEMPT_FIELD, strlen(ATTEMPT_FIELD)) == 0 ||
	    strncmp(name, LATE_FIELD, strlen(LATE_FIELD)) == 0) {
		add_line(v, name, text);
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char *at = (char *)v + fields[i].offset;

		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (fields[i].is_number) {
			*(int64_t *)at = value_int(value);
		} else {
			mem_free(*(char **)at);
			*(char **)at = mem_strdup(text);
		}
	}
}

void mail_view_read(struct mail_view *v, const char *key, const redisReply *pairs)
{
	memset(v, 0, sizeof(*v));
	v->key = mem_strdup(key);
	if (pairs->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		const char *name = value_text(pairs->element[i]);

		if (name != NULL)
			read_field(v, name, pairs->element[i + 1]);
	}
	v->found = v->status != NULL;
	if (v->n_timeline > 1)
		qsort(v->timeline, v->n_timeline, sizeof(*v->timeline), compare_attempts);
}

bool mail_view_load(struct mail_view *v, struct sync *s, const char *prefix, const char *key,
                    struct error *err)
{
	char *name = keys_status(prefix, key);
	struct command c;
	redisReply *r;

	command_init(&c);
	command_str(&c, "HGETALL");
	command_str(&c, name);
	r = sync_run(s, &c, err);
	command_free(&c);
	mem_free(name);
	if (r == NULL)
		return false;
	mail_view_read(v, key, r);
	freeReplyObject(r);
	return true;
}

void mail_view_free(struct mail_view *v)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!fields[i].is_number)
			mem_free(*(char **)((char *)v + fields[i].offset));
	for (size_t i = 0; i < v->n_timeline; i++) {
		mem_free(v->timeline[i].provider);
		mem_free(v->timeline[i].outcome);
		mem_free(v->timeline[i].code);
		mem_free(v->timeline[i].text);
	}
	mem_free(v->timeline);
	mem_free(v->key);
	memset(v, 0, sizeof(*v));
}

bool mail_view_is(const struct mail_view *v, const char *status)
{
	return v->status != NULL && strcmp(v->status, status) == 0;
}

bool mail_view_settled(const struct mail_view *v)
{
	return mail_view_is(v, "sent") || mail_view_is(v, "failed") || mail_view_is(v, "held") ||
	       mail_view_is(v, "cancelled");
}

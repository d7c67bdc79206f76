#include "cli/mail_print.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "cli/human.h"
#include "cli/table.h"

#define LABEL_WIDTH 11

static void write_label(const struct term *term, struct buf *out, const char *label)
{
	size_t n = strlen(label);

	buf_add_str(out, "  ");
	term_paint(term, out, PAINT_DIM, label);
	while (n++ < LABEL_WIDTH)
		buf_add_char(out, ' ');
}

/* A value of its own line, cut so that the line does not wrap. */
static void write_value(const struct term *term, struct buf *out, const char *label,
                        enum paint paint, const char *value)
{
	size_t width = term_width(term), n;
	struct buf clean;

	if (value == NULL || *value == '\0')
		return;
	buf_init(&clean, 3 * strlen(value) + 1);
	human_text(&clean, value, strlen(value));
	n = width > 0 ? term_cut(buf_str(&clean), width - LABEL_WIDTH - 3) : clean.len;
	clean.data[n] = '\0';
	write_label(term, out, label);
	term_paint(term, out, paint, buf_str(&clean));
	buf_add_char(out, '\n');
	buf_free(&clean);
}

static void write_time(const struct term *term, struct buf *out, const char *label, int64_t at,
                       int64_t now)
{
	char when[HUMAN_SIZE], age[HUMAN_SIZE], text[3 * HUMAN_SIZE];

	if (at <= 0)
		return;
	human_time(when, at);
	if (at > now)
		snprintf(text, sizeof(text), "%s  (in %s)", when, human_duration(age, at - now));
	else
		snprintf(text, sizeof(text), "%s  (%s ago)", when, human_duration(age, now - at));
	write_value(term, out, label, PAINT_NONE, text);
}

/* "ada@x.org accepted 250; bob@x.org refused 550 5.1.1": one line each. */
static void write_recipients(const struct term *term, struct buf *out, const char *recipients)
{
	const char *label = "recipients";

	for (const char *at = recipients; at != NULL && *at != '\0'; label = "") {
		const char *end = strstr(at, "; ");
		char *one = mem_strndup(at, end != NULL ? (size_t)(end - at) : strlen(at));

		write_value(term, out, label, PAINT_NONE, one);
		mem_free(one);
		at = end != NULL ? end + 2 : NULL;
	}
}

static void write_timeline(const struct mail_view *v, const struct term *term, struct buf *out)
{
	static const struct table_column columns[] = {
		{"    #", true, false, 0},    {"PROVIDER", false, true, 0},
		{"OUTCOME", false, false, 0}, {"CODE", false, true, 0},
		{"TOOK", true, false, 0},     {"TEXT", false, true, 0},
	};
	struct table t;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < v->n_timeline; i++) {
		const struct mail_view_attempt *a = &v->timeline[i];
		bool sent = strcmp(a->outcome, "sent") == 0;

		if (a->late)
			table_add(&t, PAINT_NONE, NULL);
		else
			table_addf(&t, PAINT_NONE, "%" PRId64, a->n);
		table_add(&t, PAINT_NONE, a->provider);
		table_addf(&t, sent ? PAINT_GREEN : PAINT_YELLOW, "%s%s", a->outcome,
		           a->late ? " (late)" : "");
		table_add(&t, PAINT_NONE, a->code);
		if (a->ms >= 0)
			table_addf(&t, PAINT_NONE, "%" PRId64 " ms", a->ms);
		else
			table_add(&t, PAINT_NONE, NULL);
		table_add(&t, PAINT_NONE, a->text);
	}
	buf_add_char(out, '\n');
	table_write(&t, term, out);
	table_free(&t);
}

void mail_print(const struct mail_view *v, const struct term *term, int64_t now, struct buf *out)
{
	char attempts[HUMAN_SIZE];

	write_value(term, out, "key", PAINT_BOLD, v->key);
	if (!v->found) {
		write_value(term, out, "status", PAINT_DIM, "not known (yet)");
		return;
	}
	snprintf(attempts, sizeof(attempts), "%" PRId64, v->attempts);
	write_value(term, out, "status", term_status_paint(v->status), v->status);
	write_value(term, out, "error", PAINT_RED, v->error);
	write_value(term, out, "to", PAINT_NONE, v->to);
	write_value(term, out, "subject", PAINT_NONE, v->subject);
	write_value(term, out, "provider", PAINT_NONE, v->provider);
	write_value(term, out, "message id", PAINT_NONE, v->message_id);
	write_value(term, out, "attempts", PAINT_NONE, attempts);
	write_time(term, out, "created", v->created_at, now);
	write_time(term, out, "updated", v->updated_at, now);
	write_time(term, out, "next", v->next_attempt_at, now);
	write_recipients(term, out, v->recipients);
	if (v->duplicates > 0) {
		snprintf(attempts, sizeof(attempts), "%" PRId64 " dropped", v->duplicates);
		write_value(term, out, "duplicates", PAINT_NONE, attempts);
	}
	if (v->archived)
		write_value(term, out, "archived", PAINT_DIM, "Redis does not know it any more");
	if (v->n_timeline > 0)
		write_timeline(v, term, out);
}

#include "fleet/timeline.h"

#include <stdio.h>
#include <string.h>

#include "base/line.h"
#include "fleet/gate.h"

#define TIMELINE_MAX_FIELDS 16
#define TIMELINE_MAX_NAME 32
#define TIMELINE_DAY_MS ((int64_t)86400000)

size_t timeline_cut(const char *text, size_t most)
{
	size_t n = strlen(text);

	if (n <= most)
		return n;
	n = most;
	while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static const char *task_provider(const struct task *t)
{
	return t->gate ? t->gate->provider->name : t->history.provider;
}

void timeline_line(char out[TIMELINE_MAX_LINE + 1], const struct task *t)
{
	char whole[2 * TIMELINE_MAX_LINE + OUTCOME_MAX_TEXT + OUTCOME_MAX_CODE];
	struct line l = line_begin(whole, sizeof(whole));
	size_t n;

	line_add(&l, task_provider(t));
	line_add(&l, " ");
	line_add(&l, outcome_name(t->outcome.kind));
	line_add(&l, " ");
	line_add(&l, t->outcome.code);
	line_add(&l, " ");
	line_add_int(&l, t->took_us / 1000);
	line_add(&l, t->outcome.text[0] != '\0' ? "ms " : "ms");
	line_add(&l, t->outcome.text);
	n = timeline_cut(whole, TIMELINE_MAX_LINE);
	memcpy(out, whole, n);
	out[n] = '\0';
}

int64_t timeline_settled_ttl(const struct options *o)
{
	return o->status_ttl * 1000;
}

static int64_t most_spare(const struct options *o)
{
	int64_t spare = timeline_settled_ttl(o) / 100;

	return spare < TIMELINE_MAX_SPARE_MS ? spare : TIMELINE_MAX_SPARE_MS;
}

int64_t timeline_begun_ttl(const struct options *o)
{
	int64_t longest = o->max_queue_time * 1000, ttl = timeline_settled_ttl(o) + most_spare(o);

	return longest > ttl ? longest : ttl;
}

int64_t timeline_spare(const struct options *o)
{
	int64_t spare = timeline_begun_ttl(o) - timeline_settled_ttl(o);

	return spare <= most_spare(o) ? spare : -1;
}

int64_t timeline_ttl(const struct decision *d, const struct options *o, int64_t now)
{
	int64_t keep = timeline_settled_ttl(o), dead = o->dead_ttl * 1000;

	/* for as long as it may take until a worker trims it */
	dead += dead < TIMELINE_DAY_MS ? dead : TIMELINE_DAY_MS;
	if (d->settle == SETTLE_DELAY)
		return (d->at > now ? d->at - now : 0) + o->max_queue_time * 1000;
	if (d->settle == SETTLE_BURY && dead > keep)
		return dead; /* the status outlives the dead letter */
	return keep;
}

/* Fields with their values, "" to delete; written after they are counted. */
struct fields {
	size_t n;
	char new_line[TIMELINE_MAX_NAME], old_line[TIMELINE_MAX_NAME]; /* names of attempts */
	struct {
		const char *name;
		const char *value;
		size_t len;
		int64_t num;
		bool is_num;
	} list[TIMELINE_MAX_FIELDS];
};

static void field_text(struct fields *f, const char *name, const char *value, size_t len)
{
	f->list[f->n].name = name;
	f->list[f->n].value = value;
	f->list[f->n].len = len;
	f->list[f->n].is_num = false;
	f->n++;
}

static void field_int(struct fields *f, const char *name, int64_t value)
{
	f->list[f->n].name = name;
	f->list[f->n].num = value;
	f->list[f->n].is_num = true;
	f->n++;
}

/* name: room for it, which lives as long as f. */
static void field_attempt(struct fields *f, char name[TIMELINE_MAX_NAME], int64_t n,
                          const char *line)
{
	struct line l = line_begin(name, TIMELINE_MAX_NAME);

	line_add(&l, "attempt:");
	line_add_int(&l, n);
	field_text(f, name, line, strlen(line));
}

static void fields_attempt(struct fields *f, const struct task *t, const char *line)
{
	int64_t n = t->history.attempts;

	field_attempt(f, f->new_line, n, line);
	if (n > TIMELINE_MAX_LINES)
		field_attempt(f, f->old_line, n - TIMELINE_MAX_LINES, "");
}

/* What a mail's decision writes. line: of its attempt. */
static void fields_fill(struct fields *f, const struct task *t, const char *line, struct buf *tries)
{
	const struct decision *d = &t->decision;
	const struct history *h = &t->history;

	if (d->attempt)
		fields_attempt(f, t, line);
	/* begin wrote the number of this attempt; one that does not count is taken back. */
	if ((t->begun && !d->attempt) || (!t->begun && h->attempts > 0))
		field_int(f, "attempts", h->attempts);
	if (!t->begun && d->attempt)
		field_text(f, "provider", task_provider(t), strlen(task_provider(t)));
	if (d->error[0] != '\0' || h->attempts > 1)
		field_text(f, "error", d->error, timeline_cut(d->error, POLICY_MAX_ERROR));
	if (h->n_tries > 0) {
		history_write_tries(h, tries);
		field_text(f, "tries", buf_str(tries), tries->len);
	}
	if (h->pinned[0] != '\0')
		field_text(f, "pinned", h->pinned, strlen(h->pinned));
	if (d->settle == SETTLE_DELAY)
		field_int(f, "next_attempt_at", d->at);
	else if (t->due_at > 0)
		field_text(f, "next_attempt_at", "", 0);
	if (t->outcome.message_id[0] != '\0')
		field_text(f, "message_id", t->outcome.message_id, strlen(t->outcome.message_id));
	if (t->recipients)
		field_text(f, "recipients", t->recipients, strlen(t->recipients));
}

static bool is_deleted(const struct fields *f, size_t i)
{
	return !f->list[i].is_num && f->list[i].len == 0;
}

static void add_fields(struct command *c, const struct fields *f, size_t deleted, size_t identity)
{
	command_pack_number(c, deleted);
	command_pack_number(c, f->n - deleted);
	command_pack_number(c, identity);
	for (size_t i = 0; i < f->n; i++) {
		if (is_deleted(f, i))
			command_str(c, f->list[i].name);
	}
	for (size_t i = 0; i < f->n; i++) {
		if (is_deleted(f, i))
			continue;
		command_str(c, f->list[i].name);
		if (f->list[i].is_num)
			command_int(c, f->list[i].num);
		else
			command_arg(c, f->list[i].value, f->list[i].len);
	}
}

void timeline_add_finish(struct command *c, const struct task *t, const struct options *o,
                         int64_t now, size_t identity)
{
	int64_t ttl = timeline_ttl(&t->decision, o, now);
	struct fields f;
	struct buf tries;
	char line[TIMELINE_MAX_LINE + 1];
	size_t deleted = 0;

	f.n = 0;
	buf_init(&tries, 4096);
	timeline_line(line, t);
	fields_fill(&f, t, line, &tries);
	for (size_t i = 0; i < f.n; i++)
		deleted += is_deleted(&f, i);
	command_str(c, t->decision.status);
	if (ttl == timeline_settled_ttl(o))
		command_str(c, "");
	else
		command_int(c, ttl);
	/* Nothing leaves before begin. */
	command_str(c, !t->begun ? "" : t->decision.attempt ? "=" : line);
	add_fields(c, &f, deleted, identity);
	buf_free(&tries);
}

static void add_tags(struct command *c, const struct job *j)
{
	struct buf tags;

	buf_init(&tags, 8192);
	for (size_t i = 0; i < j->n_tags; i++) {
		if (i > 0)
			buf_add_char(&tags, ',');
		buf_add_str(&tags, j->tags[i]);
	}
	command_str(c, "tags");
	command_arg(c, tags.data, tags.len);
	buf_free(&tags);
}

const char *timeline_provider(const struct task *t)
{
	bool tried = t->decision.attempt || t->outcome.kind == OUTCOME_THROTTLED;

	return tried ? task_provider(t) : "";
}

void timeline_add_event(struct command *c, const struct task *t)
{
	const struct job *j = t->job;
	bool told = t->decision.status != NULL;
	bool tenant = told && j && j->tenant && j->tenant[0] != '\0',
	     tags = told && j && j->n_tags > 0;

	command_str(c, told ? t->key : "");
	command_str(c, told ? t->decision.status : "");
	command_str(c, told ? timeline_provider(t) : "");
	command_int(c, t->history.attempts);
	command_str(c, t->outcome.code);
	command_int(c, t->took_us / 1000);
	command_pack_number(c, 2 * (size_t)tenant + 2 * (size_t)tags);
	if (tenant) {
		command_str(c, "tenant");
		command_str(c, j->tenant);
	}
	if (tags)
		add_tags(c, j);
}

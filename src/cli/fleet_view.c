#include "cli/fleet_view.h"

#include <inttypes.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "cli/human.h"
#include "cli/table.h"
#include "fleet/view_json.h"
#include "redis/link_error.h"

/* --- reading ----------------------------------------------------------------------------------------- */

static bool ask(struct survey *v, struct sync *s, int round, struct error *err)
{
	size_t n = survey_questions(v, round), m = 0;
	struct command *commands = mem_array(n, sizeof(*commands));
	redisReply **replies = mem_array(n, sizeof(*replies));
	size_t *asked = mem_array(n, sizeof(*asked));
	bool ok, sent;

	for (size_t i = 0; i < n; i++) {
		command_init(&commands[m]);
		if (survey_ask(v, round, i, &commands[m]))
			asked[m++] = i;
		else
			command_free(&commands[m]);
	}
	sent = ok = sync_run_all(s, commands, m, replies, err);
	for (size_t i = 0; i < m; i++) {
		command_free(&commands[i]);
		if (!sent)
			continue;
		if (ok && replies[i]->type == REDIS_REPLY_ERROR) {
			ok = survey_fail(v, round, asked[i], replies[i]->str);
			if (!ok)
				link_error_say(replies[i]->str, replies[i]->len, err);
		} else if (ok) {
			survey_take(v, round, asked[i], replies[i]);
		}
		freeReplyObject(replies[i]);
	}
	mem_free(asked);
	mem_free(replies);
	mem_free(commands);
	return ok;
}

bool fleet_view_load(struct survey *v, struct sync *s, const struct options *o,
                     const struct queue_set *queues, struct error *err)
{
	survey_init(v, o, queues);
	survey_age(v);
	for (int round = 0; round < SURVEY_ROUNDS; round++) {
		if (ask(v, s, round, err))
			continue;
		survey_free(v);
		return false;
	}
	survey_end(v);
	return true;
}

/* --- for programs -------------------------------------------------------------------------------------- */

static void write_provider_json(struct buf *out, const struct survey_provider *p)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "name", p->name);
	jsonw_pair(out, "breaker", p->state);
	jsonw_pair_int(out, "failures", p->failures);
	jsonw_pair_int(out, "opened", p->opened);
	jsonw_pair_or_null(out, "reason", p->reason);
	jsonw_pair_int_or_null(out, "probeInMs", p->probe_ms);
	jsonw_pair_int_or_null(out, "throttledMs", p->pause_ms);
	jsonw_pair_bool(out, "paused", p->paused);
	jsonw_pair_int_or_null(out, "weight", p->weight);
	jsonw_close(out, '}');
}

void fleet_view_json(const struct survey *v, struct buf *out)
{
	jsonw_open(out, '{');
	jsonw_key(out, "queues");
	view_json_queues(out, v);
	jsonw_key(out, "providers");
	jsonw_open(out, '[');
	for (size_t i = 0; i < v->n_providers; i++)
		write_provider_json(out, &v->providers[i]);
	jsonw_close(out, ']');
	jsonw_pair_int(out, "workers", (int64_t)v->n_workers);
	jsonw_pair_time(out, "at", v->now);
	jsonw_close(out, '}');
}

/* --- for people ------------------------------------------------------------------------------------------ */

static void add_age(struct table *t, int64_t ms)
{
	char text[HUMAN_SIZE];

	table_add(t, PAINT_NONE, ms >= 0 ? human_duration(text, ms) : NULL);
}

static void add_count(struct table *t, int64_t n, enum paint paint)
{
	table_addf(t, n > 0 ? paint : PAINT_DIM, "%" PRId64, n);
}

static void write_queues(const struct survey *v, const struct term *term, struct buf *out)
{
	static const struct table_column columns[] = {
		{"QUEUE", false, true, 0},     {"WAITING", true, false, 0},
		{"IN FLIGHT", true, false, 0}, {"DELAYED", true, false, 0},
		{"DEAD", true, false, 0},      {"OLDEST", true, false, 0},
		{"NEXT DUE", true, false, 0},  {"LAST CLAIM", true, false, 0},
		{"STATE", false, false, 0},
	};
	struct table t;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < v->n_queues; i++) {
		const struct survey_queue *q = &v->queues[i];

		table_add(&t, PAINT_BOLD, q->keys->list);
		add_count(&t, q->depth, PAINT_NONE);
		add_count(&t, q->in_flight, PAINT_CYAN);
		add_count(&t, q->delayed, PAINT_YELLOW);
		add_count(&t, q->dead, PAINT_RED);
		add_age(&t, q->error == NULL ? q->oldest_ms : -1);
		add_age(&t, q->error == NULL ? q->next_due_ms : -1);
		add_age(&t, q->error == NULL ? q->last_claim_ms : -1);
		if (q->error != NULL)
			table_add(&t, PAINT_RED, q->error);
		else
			table_add(&t, q->paused ? PAINT_YELLOW : PAINT_GREEN,
			          q->paused ? "paused" : "open");
	}
	table_write(&t, term, out);
	table_free(&t);
}

static void add_provider_state(struct table *t, const struct survey_provider *p)
{
	char ms[HUMAN_SIZE];

	if (p->paused)
		table_add(t, PAINT_YELLOW, "paused");
	else if (p->pause_ms >= 0)
		table_addf(t, PAINT_YELLOW, "throttled for %s", human_duration(ms, p->pause_ms));
	else if (p->probe_ms > 0)
		table_addf(t, PAINT_RED, "probe in %s", human_duration(ms, p->probe_ms));
	else if (p->probe_ms == 0)
		table_add(t, PAINT_YELLOW, "probe due");
	else
		table_add(t, PAINT_GREEN, "open");
}

static void write_providers(const struct survey *v, const struct term *term, struct buf *out)
{
	static const struct table_column columns[] = {
		{"PROVIDER", false, true, 0},
		{"BREAKER", false, false, 0},
		{"FAILURES IN A ROW", true, false, 0},
		{"STATE", false, false, 0},
		{"WEIGHT", true, false, 0},
		{"LAST OPENED BY", false, true, 0},
	};
	struct table t;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < v->n_providers; i++) {
		const struct survey_provider *p = &v->providers[i];
		bool closed = survey_provider_closed(p);

		table_add(&t, PAINT_BOLD, p->name);
		table_add(&t, closed ? PAINT_GREEN : PAINT_RED, p->state);
		add_count(&t, p->failures, PAINT_YELLOW);
		add_provider_state(&t, p);
		if (p->weight >= 0)
			table_addf(&t, PAINT_NONE, "%" PRId64, p->weight);
		else
			table_add(&t, PAINT_NONE, NULL);
		table_add(&t, PAINT_DIM, p->reason);
	}
	table_write(&t, term, out);
	table_free(&t);
}

void fleet_view_write(const struct survey *v, const struct term *term, struct buf *out)
{
	write_queues(v, term, out);
	if (v->n_providers > 0) {
		buf_add_char(out, '\n');
		write_providers(v, term, out);
	}
	buf_add_str(out, "\n");
	if (v->n_workers > 0)
		buf_addf(out, "%zu worker%s alive\n", v->n_workers, v->n_workers == 1 ? "" : "s");
	else
		term_paint(term, out, PAINT_YELLOW, "no worker alive\n");
}

#include <inttypes.h>
#include <stdio.h>

#include "api/metrics_server.h"
#include "archive/archive.h"
#include "base/jsonw.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/human.h"
#include "cli/jsonout.h"
#include "cli/query.h"
#include "cli/table.h"
#include "fleet/lag.h"
#include "fleet/queue_set.h"

/* ---- how far it is --------------------------------------------------------------------------- */

static bool load(struct sync *s, const struct queue_keys *keys, struct lag *lag, struct error *err)
{
	struct command c;
	redisReply *reply;

	command_init(&c);
	lag_ask(&c, keys);
	reply = sync_run(s, &c, err);
	command_free(&c);
	if (reply == NULL)
		return false;
	lag_take(lag, reply);
	freeReplyObject(reply);
	return true;
}

static void write_lag_json(struct buf *out, const char *queue, const struct lag *lag, int64_t now)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "queue", queue);
	jsonw_pair_bool(out, "archived", lag->known);
	if (lag->known) {
		jsonw_pair_int(out, "entries", lag->waiting + lag->pending);
		jsonw_pair_int(out, "pending", lag->pending);
		jsonw_pair_int(out, "behindMs", lag_ms(lag, now));
		jsonw_pair_int(out, "total", lag->archived);
		jsonw_pair_int(out, "skipped", lag->skipped);
		jsonw_pair_int(out, "lost", lag->lost);
		jsonw_pair_int(out, "archivers", lag->archivers);
	}
	jsonw_close(out, '}');
}

static const struct table_column columns[] = {
	{"queue", false, true, 0},     {"behind", true, false, 0},  {"entries", true, false, 0},
	{"archived", true, false, 0},  {"skipped", true, false, 0}, {"lost", true, false, 0},
	{"archivers", true, false, 0},
};

static void add_row(struct table *t, const char *queue, const struct lag *lag, int64_t now)
{
	char behind[HUMAN_SIZE];

	table_add(t, PAINT_BOLD, queue);
	if (!lag->known) {
		for (size_t i = 1; i < sizeof(columns) / sizeof(columns[0]); i++)
			table_add(t, PAINT_NONE, NULL);
		return;
	}
	table_add(t, PAINT_NONE, human_duration(behind, lag_ms(lag, now)));
	table_addf(t, PAINT_NONE, "%" PRId64, lag->waiting + lag->pending);
	table_addf(t, PAINT_NONE, "%" PRId64, lag->archived);
	table_addf(t, lag->skipped > 0 ? PAINT_YELLOW : PAINT_NONE, "%" PRId64, lag->skipped);
	table_addf(t, lag->lost > 0 ? PAINT_RED : PAINT_NONE, "%" PRId64, lag->lost);
	table_addf(t, lag->archivers == 0 ? PAINT_RED : PAINT_NONE, "%" PRId64, lag->archivers);
}

static int show(struct args *a, struct sync *s, const struct queue_set *queues)
{
	bool any = false, as_json = args_has(a, "json");
	struct table t;
	struct term term;
	struct lag lag;
	struct error err;
	struct buf out;
	int64_t now;
	int code = CMD_OK;

	if (!query_now(s, &err, &now))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	buf_init(&out, JSONOUT_MAX);
	if (as_json)
		jsonw_open(&out, '[');
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < queues->n && code == CMD_OK; i++) {
		if (!load(s, &queues->keys[i], &lag, &err)) {
			code = cmd_fail(CMD_REDIS, "%s", err.text);
			break;
		}
		any = any || lag.known;
		if (as_json)
			write_lag_json(&out, queues->keys[i].list, &lag, now);
		else
			add_row(&t, queues->keys[i].list, &lag, now);
	}
	if (code == CMD_OK && as_json) {
		jsonw_close(&out, ']');
		jsonout_print(&out);
	} else if (code == CMD_OK) {
		term_init(&term, stdout);
		table_write(&t, &term, &out);
		fputs(buf_str(&out), stdout);
	}
	buf_free(&out);
	table_free(&t);
	if (code == CMD_OK && !any)
		code = cmd_fail(CMD_NO, "no archiver has ever read these queues' events");
	return code;
}

static int status(struct args *a, const struct queue_set *queues)
{
	struct sync *s = NULL;
	int code;

	if (!cmd_connect(&a->options, &s, &code))
		return code;
	code = show(a, s, queues);
	sync_close(s);
	return code;
}

/* ---- the archiver ---------------------------------------------------------------------------- */

static int archive(struct args *a, const struct queue_set *queues)
{
	struct metrics_server *page = NULL;
	struct worker_guest guest;
	struct error err;
	int code = CMD_OK;

	if (a->options.metrics_port > 0) {
		page = metrics_server_new(&a->options, queues);
		guest = metrics_server_guest(page);
	}
	if (!archive_run(&a->options, queues, page ? &guest : NULL, &err))
		code = cmd_fail(CMD_USAGE, "%s", err.text);
	metrics_server_free(page);
	return code;
}

static int run(struct args *a)
{
	struct queue_set queues;
	struct error err;
	int code;

	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "archive takes no arguments, only flags");
	if (args_has(a, "json") && !args_has(a, "status"))
		return cmd_fail(CMD_USAGE, "--json goes with --status");
	if (!queue_set_load(&queues, &a->options, NULL, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	code = args_has(a, "status") ? status(a, &queues) : archive(a, &queues);
	queue_set_free(&queues);
	return code;
}

static const char *const flags[] = {"status", "json", NULL};

static const char help[] =
	"usage: postrider archive [--status [--json]] [OPTION…]\n"
	"\n"
	"Keeps what became of mails in PostgreSQL (DATABASE_URL), for as long as you like: reads the events\n"
	"of all queues, looks the mails' statuses up, and writes both into tables that it makes itself.\n"
	"Start as many as you like, on as many hosts as you like: they share the work. What is in Redis is\n"
	"acknowledged only when PostgreSQL has it.\n"
	"\n"
	"  --status   shows how far the archivers of the configured queues are, and ends\n"
	"  --json     as a list: [{queue, archived, entries, pending, behindMs, total, skipped, lost,\n"
	"             archivers}]\n"
	"\n"
	"The columns of --status: how long ago the oldest event was written that is not in PostgreSQL yet, and\n"
	"how many such there are; how many are; how many could not be read; how many Redis had trimmed\n"
	"(EVENTS_MAX) before they were read; archivers alive.\n"
	"\n"
	"SIGTERM or Ctrl-C: finishes what it has in hand (DRAIN_TIMEOUT) and ends; a second one ends at\n"
	"once. Without Redis or PostgreSQL it waits and tries again.\n"
	"\n"
	"Examples\n"
	"  DATABASE_URL=postgresql://postrider:secret@db.example/mail postrider archive\n"
	"  postrider archive --status\n"
	"\n"
	"Exit codes: 0 told to end; 1 (--status) there never was an archiver; 2 the configuration is wrong, or\n"
	"the database belongs to a newer program; 3 (--status) Redis cannot be reached.\n";

const struct cmd cmd_archive = {
	.name = "archive",
	.summary = "keep what became of mails in PostgreSQL",
	.help = help,
	.flags = flags,
	.run = run,
	.shows_options = true,
};

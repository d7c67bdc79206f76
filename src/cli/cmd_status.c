#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archive/finder.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/jsonout.h"
#include "cli/mail_print.h"
#include "cli/query.h"
#include "cli/term.h"
#include "fleet/view_json.h"
#include "mail/job.h"

#define FRAME_BYTES (1 << 20)
#define POLL_MS 250

static int load(struct args *a, struct sync *s, struct mail_view *v)
{
	struct error err;

	if (!mail_view_load(v, s, a->options.key_prefix, a->words[0], &err))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	return CMD_OK;
}

/* Redis does not know it. */
static int load_archived(struct args *a, struct mail_view *v)
{
	struct error err;
	bool found;

	mail_view_free(v);
	if (!finder_ask(&a->options, a->words[0], v, &found, &err))
		return cmd_fail(CMD_REDIS, "Redis does not know \"%s\", and %s", a->words[0],
		                err.text);
	v->archived = found;
	return CMD_OK;
}

static int paint(struct sync *s, const struct mail_view *v, struct term *term)
{
	struct buf frame;
	struct error err;
	int64_t now;

	if (!query_now(s, &err, &now))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	buf_init(&frame, FRAME_BYTES);
	if (!term->tty && term->n_lines > 0)
		buf_add_char(&frame, '\n');
	mail_print(v, term, now, &frame);
	term_frame(term, &frame);
	buf_free(&frame);
	return CMD_OK;
}

static void print_json(const struct mail_view *v)
{
	struct buf out;

	buf_init(&out, JSONOUT_MAX);
	view_json_mail(&out, v);
	jsonout_print(&out);
}

static int show(struct args *a, struct sync *s)
{
	struct mail_view v;
	struct term term;
	int code = load(a, s, &v);

	if (code == CMD_OK && !v.found && a->options.database_url[0] != '\0')
		code = load_archived(a, &v);
	if (code != CMD_OK)
		return code;
	term_init(&term, stdout);
	if (args_has(a, "json"))
		print_json(&v);
	else if (v.found)
		code = paint(s, &v, &term);
	else
		(void)cmd_fail(
			CMD_NO,
			"nothing is known of \"%s\": it was never pushed, waits untouched in "
			"its queue, or was settled longer than STATUS_TTL ago",
			v.key);
	if (code == CMD_OK && !v.found)
		code = CMD_NO;
	mail_view_free(&v);
	return code;
}

/* Without a terminal, or as JSON, only what has changed is printed. */
static bool is_news(const struct mail_view *v, int64_t *seen)
{
	int64_t state = v->found ? v->updated_at + v->attempts + v->duplicates + 1 : 0;
	bool news = state != *seen;

	*seen = state;
	return news;
}

/* -1: not settled yet. */
static int watch_once(struct args *a, struct sync *s, struct term *term, int64_t *seen)
{
	struct mail_view v;
	int code = load(a, s, &v);
	bool news;

	if (code != CMD_OK)
		return code;
	news = is_news(&v, seen);
	if (args_has(a, "json")) {
		if (news)
			print_json(&v);
	} else if (news || term->tty) {
		code = paint(s, &v, term);
	}
	if (code == CMD_OK && mail_view_settled(&v))
		code = mail_view_is(&v, "sent") ? CMD_OK : CMD_NO;
	else if (code == CMD_OK)
		code = -1;
	mail_view_free(&v);
	return code;
}

static int watch(struct args *a, struct sync *s)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	int64_t timeout = -1, started = clock_mono_us(), seen = -1;
	struct term term;
	int code;

	if (!args_duration(a, "timeout", &timeout))
		return CMD_USAGE;
	term_init(&term, stdout);
	while ((code = watch_once(a, s, &term, &seen)) < 0) {
		if (timeout >= 0 && clock_mono_us() - started >= timeout * 1000)
			return cmd_fail(CMD_NO, "\"%s\" is not settled yet", a->words[0]);
		if (ferror(stdout))
			return CMD_NO;
		nanosleep(&pause, NULL);
	}
	return code;
}

static int run(struct args *a)
{
	struct sync *s = NULL;
	int code;

	if (a->n_words != 1)
		return cmd_fail(CMD_USAGE, "status needs one key (see postrider status --help)");
	if (!job_key_valid(a->words[0], strlen(a->words[0])))
		return cmd_fail(CMD_USAGE,
		                "\"%s\" cannot be a key: 1 to 256 printable characters, "
		                "no braces",
		                a->words[0]);
	if (args_value(a, "timeout") != NULL && !args_has(a, "watch"))
		return cmd_fail(CMD_USAGE, "--timeout goes with --watch");
	if (!cmd_connect(&a->options, &s, &code))
		return code;
	code = args_has(a, "watch") ? watch(a, s) : show(a, s);
	sync_close(s);
	return code;
}

static const char *const flags[] = {"json", "watch", "timeout=", NULL};

static const char help[] =
	"usage: postrider status KEY [--watch [--timeout DURATION]] [--json]\n"
	"\n"
	"Shows what has become of one mail, with one line for each attempt to deliver it. KEY is its\n"
	"idempotencyKey; a mail that was pushed without one is known as auto-ID, by the id in logs and\n"
	"in the list of dead letters.\n"
	"\n"
	"  --watch           follow it until it is sent, failed, held or cancelled; if it is not known\n"
	"                    yet, wait for it\n"
	"  --timeout 30s     stop following after that long\n"
	"  --json            one object: {found, idempotencyKey, status, provider, attempts, messageId,\n"
	"                    createdAt, updatedAt, error, timeline: […]}; with --watch one for each change\n"
	"\n"
	"Examples\n"
	"  postrider status order-42\n"
	"  postrider status order-42 --watch && echo delivered\n"
	"  postrider status order-42 --json | jq -r .status\n"
	"\n"
	"Exit codes: 0 it is known (with --watch: it was sent); 1 it is not (with --watch: it failed, is\n"
	"held or cancelled, or time is up); 2 the command line or the configuration is wrong; 3 Redis\n"
	"cannot be reached, or, when it has forgotten the mail, the archive (DATABASE_URL).\n";

const struct cmd cmd_status = {
	.name = "status",
	.summary = "what has become of a mail",
	.help = help,
	.flags = flags,
	.run = run,
};

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/timestamp.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/event_feed.h"
#include "cli/human.h"
#include "cli/jsonout.h"
#include "cli/query.h"
#include "cli/term.h"
#include "fleet/queue_set.h"

#define POLL_MS 250
#define LINE_BYTES (1 << 17)

/* Those that are there and wanted; *shown: how many. */
static int print_all(struct args *a, struct event_feed *feed, const struct term *term,
                     size_t *shown)
{
	const char *key = args_value(a, "key");
	struct event e;
	struct error err;
	struct buf line;
	bool there;

	while (!ferror(stdout)) {
		if (!event_feed_next(feed, &e, &there, &err))
			return cmd_fail(CMD_REDIS, "%s", err.text);
		if (!there)
			break;
		if (key != NULL && strcmp(event_field(&e, "key"), key) != 0)
			continue;
		++*shown;
		if (args_has(a, "json")) {
			buf_init(&line, JSONOUT_MAX);
			event_json(&e, &line);
			jsonout_print(&line);
			continue;
		}
		buf_init(&line, LINE_BYTES);
		event_write(&e, term, &line);
		fputs(buf_str(&line), stdout);
		buf_free(&line);
	}
	fflush(stdout);
	return CMD_OK;
}

static int print(struct args *a, struct event_feed *feed)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	struct term term;
	size_t shown = 0;
	int code;

	term_init(&term, stdout);
	code = print_all(a, feed, &term, &shown);
	while (code == CMD_OK && args_has(a, "follow") && !ferror(stdout)) {
		nanosleep(&pause, NULL);
		event_feed_again(feed);
		code = print_all(a, feed, &term, &shown);
	}
	if (code == CMD_OK && shown == 0)
		code = cmd_fail(CMD_NO, "no such events%s",
		                a->options.events_max == 0 ? ": EVENTS_MAX is 0" : "");
	return code;
}

/* Where to begin, by Redis's clock: "10m" ago, or a point in time. False: said on stderr. */
static bool read_since(struct args *a, int64_t now, int64_t *since)
{
	const char *text = args_value(a, "since");
	int64_t ago;

	*since = args_has(a, "follow") ? now : 0;
	if (text == NULL)
		return true;
	if (human_parse_duration(text, &ago)) {
		*since = ago < now ? now - ago : 0;
		return true;
	}
	if (timestamp_parse(text, since) && *since >= 0)
		return true;
	(void)cmd_fail(CMD_USAGE,
	               "--since must be a duration such as 10m, or a time such as "
	               "2026-11-24T10:00:00Z, not \"%s\"",
	               text);
	return false;
}

static int run(struct args *a)
{
	struct queue_set queues;
	struct event_feed feed;
	struct sync *s = NULL;
	struct error err;
	int64_t now = 0, since;
	int code = CMD_USAGE;

	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "events takes no arguments, only flags");
	if (!read_since(a, now, &since))
		return CMD_USAGE;
	if (!queue_set_load(&queues, &a->options, args_value(a, "queue"), &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (cmd_connect(&a->options, &s, &code)) {
		if (!query_now(s, &err, &now)) {
			code = cmd_fail(CMD_REDIS, "%s", err.text);
		} else if (read_since(a, now, &since)) {
			event_feed_open(&feed, s, &queues, since);
			code = print(a, &feed);
			event_feed_close(&feed);
		}
	}
	sync_close(s);
	queue_set_free(&queues);
	return code;
}

static const char *const flags[] = {"follow", "key=", "queue=", "since=", "json", NULL};

static const char help[] =
	"usage: postrider events [--follow] [--key KEY] [--queue NAME] [--since WHEN] [--json]\n"
	"\n"
	"Shows what became of mails, change by change: the events of all queues (those in QUEUES), in\n"
	"the order of their time. Redis keeps about EVENTS_MAX of each queue.\n"
	"\n"
	"  --follow         go on with what comes, from now unless --since says otherwise\n"
	"  --key KEY        only those of the mail with this idempotencyKey (or auto-ID)\n"
	"  --queue NAME     only of this queue, whether it is configured or not\n"
	"  --since WHEN     from then on: 10m (ago), or 2026-11-24T10:00:00Z\n"
	"  --json           one object for each: {time, entry, queue, id, idempotencyKey, status, provider,\n"
	"                   attempt, code, ms, tenant, tags: […]}\n"
	"\n"
	"The columns: when, the status that the mail has now, its key, the provider, the number of the\n"
	"attempt, the provider's code or the reason, how long the attempt took.\n"
	"\n"
	"Examples\n"
	"  postrider events --follow\n"
	"  postrider events --key order-42\n"
	"  postrider events --since 1h --json | jq 'select(.status == \"failed\")'\n"
	"\n"
	"Exit codes: 0 done; 1 there are none; 2 the command line or the configuration is wrong; 3 Redis\n"
	"cannot be reached.\n";

const struct cmd cmd_events = {
	.name = "events",
	.summary = "what became of mails, change by change, as it happens",
	.help = help,
	.flags = flags,
	.run = run,
};

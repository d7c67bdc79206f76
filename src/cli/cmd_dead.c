#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/human.h"
#include "cli/jsonout.h"
#include "cli/mail_print.h"
#include "cli/query.h"
#include "cli/table.h"
#include "cli/term.h"
#include "fleet/dead_walk.h"
#include "fleet/queue_set.h"
#include "fleet/view_json.h"
#include "mail/job.h"

#define LIST_LIMIT 50
#define MAX_LIMIT 1000000000
#define OUT_BYTES ((size_t)1 << 28)

/* One run of the command. */
struct dead {
	struct args *args;
	struct sync *sync;
	struct queue_set *queues;
	struct dead_filter filter;
	bool json, dry_run;
	int64_t now;
	struct term term;
	/* what comes out */
	struct table table;       /* list */
	struct buf done, skipped; /* list, retry, drop as JSON: arrays, not yet closed */
	size_t n_done, n_skipped, n_missing;
	bool dropping, no_such; /* the last name that was looked for is nobody's */
};

typedef void dead_fn(struct dead_letter *l, const char *why, void *data);

static bool names_or_filters(const struct dead *d)
{
	return d->args->n_words > 1 || d->filter.error != NULL || d->filter.provider != NULL ||
	       d->filter.older_ms >= 0 || d->filter.newer_ms >= 0;
}

static void note_missing(const char *name, void *data)
{
	struct dead *d = data;

	(void)name;
	d->no_such = true;
}

/* All that the filter lets through, or the one that has this name. */
static bool walk(struct dead *d, const struct dead_filter *f, const char *name,
                 enum dead_action action, dead_fn *fn, struct error *err)
{
	struct dead_walk w;
	bool ok;

	dead_walk_init(&w, &d->args->options, d->queues);
	w.filter = *f;
	w.names = name != NULL ? &name : NULL;
	w.n_names = name != NULL;
	w.action = action;
	w.dry = d->dry_run;
	w.fn = fn;
	w.missing = note_missing;
	w.data = d;
	ok = inquiry_run_sync(&w.inquiry, d->sync, err);
	dead_walk_free(&w);
	return ok;
}

/* *found: there is one of this name. */
static bool walk_to(struct dead *d, const char *name, enum dead_action action, dead_fn *fn,
                    bool *found, struct error *err)
{
	size_t before = d->n_done + d->n_skipped;
	struct dead_filter by_key = dead_filter_any;

	d->no_such = false;
	if (!walk(d, &dead_filter_any, name, action, fn, err))
		return false;
	*found = !d->no_such;
	if (*found || !job_key_valid(name, strlen(name)))
		return true;
	/* A job that is not valid owns nothing: all have to be looked through. */
	by_key.key = name;
	by_key.limit = 1;
	by_key.newest_first = true;
	if (!walk(d, &by_key, NULL, action, fn, err))
		return false;
	*found = d->n_done + d->n_skipped > before;
	return true;
}

/* --- list ---------------------------------------------------------------------------------------------------- */

static void list_one(struct dead_letter *l, const char *why, void *data)
{
	const struct mail_view *v = &l->mail;
	struct dead *d = data;
	char age[HUMAN_SIZE];

	(void)why;
	d->n_done++;
	if (d->json) {
		view_json_letter(&d->done, l, false);
		return;
	}
	table_add(&d->table, PAINT_BOLD, l->id);
	table_add(&d->table, PAINT_NONE, human_duration(age, d->now - l->dead_at));
	table_add(&d->table, PAINT_NONE, l->key);
	table_add(&d->table, term_status_paint(v->status != NULL ? v->status : ""), v->status);
	table_addf(&d->table, PAINT_NONE, "%" PRId64, v->attempts);
	table_add(&d->table, PAINT_NONE, v->provider);
	table_add(&d->table, PAINT_NONE, v->error != NULL ? v->error : "its status has run out");
}

static int list(struct dead *d)
{
	static const struct table_column columns[] = {
		{"ID", false, false, 0},   {"DEAD FOR", true, false, 0},
		{"KEY", false, true, 40},  {"STATUS", false, false, 0},
		{"TRIES", true, false, 0}, {"PROVIDER", false, true, 0},
		{"ERROR", false, true, 0},
	};
	struct error err;
	struct buf out;

	d->filter.newest_first = true;
	if (d->args->n_words > 1)
		return cmd_fail(CMD_USAGE,
		                "dead list takes no names; postrider dead show %s shows one",
		                d->args->words[1]);
	table_init(&d->table, columns, sizeof(columns) / sizeof(columns[0]));
	if (!walk(d, &d->filter, NULL, DEAD_WALK_LOOK, list_one, &err)) {
		table_free(&d->table);
		return cmd_fail(CMD_REDIS, "%s", err.text);
	}
	if (d->json) {
		jsonw_close(&d->done, ']');
		jsonout_print(&d->done);
	} else if (d->n_done == 0) {
		puts("no dead letters");
	} else {
		buf_init(&out, OUT_BYTES);
		table_write(&d->table, &d->term, &out);
		term_frame(&d->term, &out);
		buf_free(&out);
	}
	if (!d->json && d->filter.limit > 0 && d->n_done == d->filter.limit)
		printf("the first %zu; --limit N shows more, --limit 0 all\n", d->n_done);
	table_free(&d->table);
	return CMD_OK;
}

/* --- show ---------------------------------------------------------------------------------------------------- */

static void show_for_people(const struct dead *d, const struct dead_letter *l)
{
	char age[HUMAN_SIZE], when[HUMAN_SIZE];
	struct buf out;

	buf_init(&out, OUT_BYTES);
	buf_addf(&out, "  id         %s\n  queue      %s\n  dead       %s  (%s ago)\n", l->id,
	         l->queue->list, human_time(when, l->dead_at),
	         human_duration(age, d->now - l->dead_at));
	if (l->key != NULL && (l->mail.key == NULL || strcmp(l->key, l->mail.key) != 0)) {
		buf_add_str(&out, "  pushed as  ");
		human_text(&out, l->key, strlen(l->key));
		buf_add_char(&out, '\n');
	}
	mail_print(&l->mail, &d->term, d->now, &out);
	buf_addf(&out, "\n  payload    %zu bytes", l->payload_len);
	if (l->payload == NULL)
		buf_add_str(&out, l->payload_len > 0 ? ", more than MAX_JOB_BYTES" : ": gone");
	buf_add_char(&out, '\n');
	if (l->payload != NULL) {
		human_text(&out, l->payload, l->payload_len);
		buf_add_char(&out, '\n');
	}
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
}

static void show_one(struct dead_letter *l, const char *why, void *data)
{
	struct dead *d = data;
	struct buf out;

	(void)why;
	d->n_done++;
	if (args_has(d->args, "payload")) {
		if (l->payload != NULL)
			fwrite(l->payload, 1, l->payload_len, stdout);
		else
			d->n_missing++;
	} else if (d->json) {
		buf_init(&out, JSONOUT_MAX);
		view_json_letter(&out, l, true);
		jsonout_print(&out);
	} else {
		show_for_people(d, l);
	}
}

static int show(struct dead *d)
{
	struct error err;
	bool found;

	if (d->args->n_words != 2)
		return cmd_fail(CMD_USAGE, "dead show needs one id or key");
	if (!walk_to(d, d->args->words[1], DEAD_WALK_LOOK, show_one, &found, &err))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	if (!found)
		return cmd_fail(CMD_NO, "there is no dead letter %s", d->args->words[1]);
	if (d->n_missing > 0)
		return cmd_fail(CMD_NO, "its content is gone, or is larger than MAX_JOB_BYTES");
	return CMD_OK;
}

/* --- retry, drop ----------------------------------------------------------------------------------------------- */

static void tell(struct dead *d, const struct dead_letter *l, const char *why)
{
	const char *verb = d->dropping ? "dropped" : "retried";
	struct buf line, *out;

	if (d->json) {
		out = why != NULL ? &d->skipped : &d->done;
		jsonw_open(out, '{');
		jsonw_pair(out, "id", l->id);
		jsonw_pair(out, "queue", l->queue->list);
		jsonw_pair_or_null(out, "idempotencyKey", l->key);
		jsonw_pair_or_null(out, "error", l->mail.error);
		jsonw_pair_if(out, "reason", why);
		jsonw_close(out, '}');
		return;
	}
	buf_init(&line, 16384);
	buf_addf(&line, "%s%s %s", d->dry_run && why == NULL ? "would be " : "",
	         why != NULL ? "left alone" : verb, l->id);
	if (l->key != NULL) {
		buf_add_str(&line, "  ");
		human_text(&line, l->key, strlen(l->key));
	}
	if (why != NULL)
		buf_addf(&line, ": %s", why);
	puts(buf_str(&line));
	buf_free(&line);
}

static void take_one(struct dead_letter *l, const char *why, void *data)
{
	struct dead *d = data;

	if (why != NULL)
		d->n_skipped++;
	else
		d->n_done++;
	tell(d, l, why);
}

static bool take_named(struct dead *d, enum dead_action action, struct error *err)
{
	for (size_t i = 1; i < d->args->n_words; i++) {
		bool found;

		if (!walk_to(d, d->args->words[i], action, take_one, &found, err))
			return false;
		if (!found) {
			(void)cmd_fail(CMD_NO, "there is no dead letter %s", d->args->words[i]);
			d->n_missing++;
		}
	}
	return true;
}

static void print_taken(struct dead *d)
{
	struct buf out;

	if (!d->json) {
		printf("%zu %s%s\n", d->n_done, d->dry_run ? "would be " : "",
		       d->dropping ? "dropped" : "retried");
		return;
	}
	jsonw_close(&d->done, ']');
	jsonw_close(&d->skipped, ']');
	buf_init(&out, JSONOUT_MAX);
	jsonw_open(&out, '{');
	jsonw_pair_bool(&out, "dryRun", d->dry_run);
	jsonw_key(&out, d->dropping ? "dropped" : "retried");
	jsonw_raw(&out, &d->done);
	jsonw_key(&out, "skipped");
	jsonw_raw(&out, &d->skipped);
	jsonw_close(&out, '}');
	jsonout_print(&out);
}

static int take(struct dead *d)
{
	const char *verb = d->args->words[0];
	bool named = d->args->n_words > 1, ok;
	enum dead_action action = DEAD_WALK_RETRY;
	struct error err;

	d->dropping = strcmp(verb, "drop") == 0;
	if (d->dropping)
		action = DEAD_WALK_DROP;
	if (!names_or_filters(d) && !args_has(d->args, "all"))
		return cmd_fail(CMD_USAGE, "dead %s: which? Give ids or keys, filters, or --all",
		                verb);
	if (named &&
	    (d->filter.error != NULL || d->filter.provider != NULL || d->filter.older_ms >= 0 ||
	     d->filter.newer_ms >= 0 || args_has(d->args, "all")))
		return cmd_fail(CMD_USAGE, "dead %s: either names, or filters", verb);
	ok = named ? take_named(d, action, &err)
	           : walk(d, &d->filter, NULL, action, take_one, &err);
	if (ok || d->n_done > 0)
		print_taken(d);
	if (!ok)
		return cmd_fail(CMD_REDIS, "%s", err.text);
	return d->n_skipped > 0 || d->n_missing > 0 ? CMD_NO : CMD_OK;
}

/* --- the command ------------------------------------------------------------------------------------------------ */

static const struct verb {
	const char *name;
	int (*run)(struct dead *d);
	int64_t limit;
} verbs[] = {
	{"list", list, LIST_LIMIT},
	{"show", show, 0},
	{"retry", take, 0},
	{"drop", take, 0},
};

static const struct verb *find_verb(const struct args *a)
{
	for (size_t i = 0; a->n_words > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, a->words[0]) == 0)
			return &verbs[i];
	return NULL;
}

static bool read_filter(struct dead *d, int64_t limit)
{
	struct args *a = d->args;

	d->filter = dead_filter_any;
	d->filter.error = args_value(a, "error");
	d->filter.provider = args_value(a, "provider");
	if (!args_duration(a, "older-than", &d->filter.older_ms) ||
	    !args_duration(a, "newer-than", &d->filter.newer_ms) ||
	    !args_int(a, "limit", 0, MAX_LIMIT, &limit))
		return false;
	d->filter.limit = (size_t)limit;
	return true;
}

static int run_verb(struct dead *d, const struct verb *verb)
{
	struct error err;
	int code;

	if (!read_filter(d, verb->limit))
		return CMD_USAGE;
	if (!cmd_connect(&d->args->options, &d->sync, &code))
		return code;
	if (query_now(d->sync, &err, &d->now))
		code = verb->run(d);
	else
		code = cmd_fail(CMD_REDIS, "%s", err.text);
	sync_close(d->sync);
	return code;
}

static int run(struct args *a)
{
	struct dead d = {.args = a, .json = args_has(a, "json"), .dry_run = args_has(a, "dry-run")};
	const struct verb *verb = find_verb(a);
	struct queue_set queues;
	struct error err;
	int code;

	if (verb == NULL)
		return cmd_fail(CMD_USAGE,
		                "dead knows list, show, retry and drop, not \"%s\" (see postrider "
		                "dead --help)",
		                a->n_words > 0 ? a->words[0] : "");
	if (!queue_set_load(&queues, &a->options, args_value(a, "queue"), &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	term_init(&d.term, stdout);
	d.queues = &queues;
	buf_init(&d.done, JSONOUT_MAX);
	buf_init(&d.skipped, JSONOUT_MAX);
	jsonw_open(&d.done, '[');
	jsonw_open(&d.skipped, '[');
	code = run_verb(&d, verb);
	buf_free(&d.done);
	buf_free(&d.skipped);
	queue_set_free(&queues);
	return code;
}

static const char *const flags[] = {"json",        "dry-run",     "all",       "payload",
                                    "queue=",      "error=",      "provider=", "limit=",
                                    "older-than=", "newer-than=", NULL};

static const char help[] =
	"usage: postrider dead list  [FILTER…] [--limit N] [--json]\n"
	"       postrider dead show  ID|KEY [--payload] [--json]\n"
	"       postrider dead retry ID|KEY… | FILTER… | --all  [--dry-run] [--json]\n"
	"       postrider dead drop  ID|KEY… | FILTER… | --all  [--dry-run] [--json]\n"
	"\n"
	"Mail that could not be delivered (failed), or of which nobody knows whether it was (held),\n"
	"is kept with the reason, byte for byte as it was pushed, for DEAD_TTL.\n"
	"\n"
	"  list    the newest first\n"
	"  show    all that is known of one, and its payload\n"
	"  retry   try again from the beginning; the timeline goes on. Of a held mail a second copy may\n"
	"          leave, with the same Message-ID\n"
	"  drop    throw the content away; the status stays, so the key is not sent again\n"
	"\n"
	"Filters (a letter must pass all of them)\n"
	"  --error TEXT         its error has this text in it\n"
	"  --provider NAME      it was tried with this provider\n"
	"  --older-than 2h      it has been dead for at least that long\n"
	"  --newer-than 1d      it has been dead for at most that long\n"
	"  --queue NAME         only this queue; else all those in QUEUES\n"
	"  --limit N            no more than so many (list: 50; 0 is all)\n"
	"\n"
	"  --dry-run            say what would be done, and do nothing\n"
	"  --payload            show: only the payload, its very bytes\n"
	"  --json               list: an array; show: an object; retry, drop: {dryRun, retried or dropped:\n"
	"                       […], skipped: […]}\n"
	"\n"
	"Examples\n"
	"  postrider dead list --error 'mailbox full' --newer-than 1d\n"
	"  postrider dead show order-42\n"
	"  postrider dead show order-42 --payload | jq .\n"
	"  postrider dead retry --provider primary --older-than 10m --dry-run\n"
	"  postrider dead drop 9f86d081884c7d65\n"
	"\n"
	"Exit codes: 0 done; 1 there is no such letter, or some were left alone; 2 the command line or the\n"
	"configuration is wrong; 3 Redis cannot be reached.\n";

const struct cmd cmd_dead = {
	.name = "dead",
	.summary = "list, show, retry and drop mail that could not be delivered",
	.help = help,
	.flags = flags,
	.run = run,
};

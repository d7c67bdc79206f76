#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/draft.h"
#include "cli/human.h"
#include "cli/intake.h"
#include "cli/jsonout.h"
#include "cli/outgoing.h"
#include "cli/slurp.h"
#include "fleet/queue_set.h"

#define MAX_INPUT ((size_t)2 << 30)
#define POLL_MIN_MS 20
#define POLL_MAX_MS 500
#define SHOWN_FAULTS 100

/* One run of the command. */
struct send {
	struct args *args;
	struct queue_set queues;
	struct outgoing_list mails;
	struct buf input; /* what the mails' texts point into */
	bool json, no_key;
	int64_t timeout; /* ms; -1 none */
};

static void print_json(const struct send *m)
{
	struct buf out;

	buf_init(&out, JSONOUT_MAX);
	outgoing_json(&m->mails, &out);
	jsonout_print(&out);
}

/* --- gathering ------------------------------------------------------------------------------------------ */

static void add_all(struct send *m)
{
	struct intake in;
	struct intake_mail mail;
	enum intake_kind kind;

	intake_init(&in, buf_str(&m->input), m->input.len);
	while ((kind = intake_next(&in, &mail)) != INTAKE_END) {
		if (kind == INTAKE_FAULT)
			outgoing_add_fault(&m->mails, mail.line, mail.why);
		else
			outgoing_add(&m->mails, mail.text, mail.len, mail.line, &m->args->options,
			             &m->queues, m->no_key);
	}
}

static bool gather(struct send *m, struct error *err)
{
	const struct args *a = m->args;

	buf_init(&m->input, MAX_INPUT);
	if (draft_wanted(a)) {
		if (a->n_words > 0)
			return error_set(err,
			                 "a mail is given by flags, or by a file; not by both");
		if (!draft_write(a, &m->input, err))
			return false;
		outgoing_add(&m->mails, buf_str(&m->input), m->input.len, 0, &a->options,
		             &m->queues, m->no_key);
		return true;
	}
	if (a->n_words > 1)
		return error_set(err, "send takes one file (a job has its recipients in \"to\", or "
		                      "--to)");
	if (a->n_words == 0 && isatty(STDIN_FILENO))
		return error_set(err,
		                 "nothing to send: give --to, --subject and --text, or JSON on "
		                 "the standard input (see postrider send --help)");
	if (!slurp(a->n_words > 0 ? a->words[0] : "-", &m->input, err))
		return false;
	add_all(m);
	return m->mails.n > 0 || error_set(err, "there is no mail in the input");
}

/* --- telling ---------------------------------------------------------------------------------------------- */

static const char *name_of(const struct send *m, const struct outgoing *one, char out[64])
{
	size_t index = (size_t)(one - m->mails.mails);

	if (one->line == 0 || (m->mails.n == 1 && one->line == 1))
		return "";
	snprintf(out, 64, "mail %zu, line %zu: ", index + 1, one->line);
	return out;
}

static void tell_faults(const struct send *m, const struct outgoing *one)
{
	char name[64];

	for (const char *at = one->faults; at != NULL && *at != '\0';) {
		const char *end = strstr(at, "; ");
		int n = (int)(end != NULL ? (size_t)(end - at) : strlen(at));

		(void)cmd_fail(CMD_NO, "%s%.*s", name_of(m, one, name), n, at);
		at = end != NULL ? end + 2 : NULL;
	}
}

/* Refused mails, conflicts and repeats, on stderr. */
static void tell_problems(const struct send *m)
{
	size_t told = 0, n = 0;
	char name[64];

	for (size_t i = 0; i < m->mails.n; i++) {
		const struct outgoing *one = &m->mails.mails[i];

		if (one->state != OUTGOING_REFUSED && one->state != OUTGOING_CONFLICT &&
		    one->state != OUTGOING_KNOWN)
			continue;
		n++;
		if (told++ >= SHOWN_FAULTS)
			continue;
		if (one->state == OUTGOING_REFUSED)
			tell_faults(m, one);
		else if (one->state == OUTGOING_CONFLICT)
			(void)cmd_fail(CMD_NO, "%sthe key %s belongs to another mail: not sent",
			               name_of(m, one, name), one->key);
		else
			(void)cmd_fail(CMD_OK, "%s%s is %s already: not sent again",
			               name_of(m, one, name), one->key, one->status);
	}
	if (n > SHOWN_FAULTS)
		(void)cmd_fail(CMD_NO, "and %zu more mails that were not sent", n - SHOWN_FAULTS);
}

static void print_key(const struct outgoing *one)
{
	struct buf line;

	if (one->key == NULL)
		return;
	buf_init(&line, 4096);
	human_text(&line, one->key, strlen(one->key));
	puts(buf_str(&line));
	buf_free(&line);
}

static void print_settled(const struct outgoing *one)
{
	struct buf line;

	buf_init(&line, 16384);
	human_text(&line, one->key, strlen(one->key));
	buf_addf(&line, "  %s", one->state == OUTGOING_CONFLICT ? "conflict" : one->status);
	if (one->error != NULL && *one->error != '\0' && one->state == OUTGOING_SETTLED) {
		buf_add_str(&line, "  ");
		human_text(&line, one->error, strlen(one->error));
	}
	puts(buf_str(&line));
	fflush(stdout);
	buf_free(&line);
}

static void print_nothing(const struct outgoing *one)
{
	(void)one;
}

/* --- doing ------------------------------------------------------------------------------------------------- */

/* Every mail is sent, or (without --wait) on its way. */
static int verdict(const struct send *m, bool waited)
{
	for (size_t i = 0; i < m->mails.n; i++) {
		const struct outgoing *one = &m->mails.mails[i];
		bool sent = one->status != NULL && strcmp(one->status, "sent") == 0;

		switch (one->state) {
		case OUTGOING_QUEUED:
			if (waited)
				return CMD_NO;
			break;
		case OUTGOING_KNOWN:
		case OUTGOING_SETTLED:
			if (!sent)
				return CMD_NO;
			break;
		case OUTGOING_READY:
		case OUTGOING_REFUSED:
		case OUTGOING_CONFLICT:
			return CMD_NO;
		}
	}
	return CMD_OK;
}

static int wait_for_all(struct send *m, struct sync *s)
{
	int64_t started = clock_mono_us();
	long pause_ms = POLL_MIN_MS;
	struct error err;

	for (;;) {
		struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
		size_t left;

		if (!outgoing_poll(&m->mails, s, m->args->options.key_prefix,
		                   m->json ? print_nothing : print_settled, &err))
			return cmd_fail(CMD_REDIS, "%s", err.text);
		left = outgoing_count(&m->mails, OUTGOING_QUEUED);
		if (left == 0)
			return CMD_OK;
		if (m->timeout >= 0 && clock_mono_us() - started >= m->timeout * 1000)
			return cmd_fail(CMD_NO, "%zu of %zu not settled yet", left, m->mails.n);
		nanosleep(&pause, NULL);
		pause_ms = pause_ms * 3 / 2 < POLL_MAX_MS ? pause_ms * 3 / 2 : POLL_MAX_MS;
	}
}

static void print_keys(const struct send *m)
{
	for (size_t i = 0; i < m->mails.n; i++)
		if (m->mails.mails[i].state == OUTGOING_QUEUED ||
		    m->mails.mails[i].state == OUTGOING_KNOWN)
			print_key(&m->mails.mails[i]);
	fflush(stdout);
}

static int push(struct send *m, struct sync *s)
{
	bool wait = args_has(m->args, "wait");
	struct error err;
	int code = CMD_OK;

	if (!outgoing_look_up(&m->mails, s, m->args->options.key_prefix, &err))
		return cmd_fail(CMD_REDIS, "%s; nothing was sent", err.text);
	if (!outgoing_push(&m->mails, s, &m->queues, &err))
		code = cmd_fail(CMD_REDIS,
		                "%s; %zu of %zu are queued for certain (a repeat with the same "
		                "keys sends nothing twice)",
		                err.text, outgoing_count(&m->mails, OUTGOING_QUEUED), m->mails.n);
	if (!m->json)
		tell_problems(m);
	if (!m->json && (!wait || code != CMD_OK))
		print_keys(m);
	if (code == CMD_OK && wait)
		code = wait_for_all(m, s);
	if (m->json)
		print_json(m);
	return code != CMD_OK ? code : verdict(m, wait);
}

/* What is not valid stops all, unless it is to be skipped: a part that was sent is hard to tell from the
 * rest afterwards. */
static bool may_go_on(struct send *m)
{
	size_t refused = outgoing_count(&m->mails, OUTGOING_REFUSED);

	if (refused == 0 || (args_has(m->args, "skip-invalid") && refused < m->mails.n))
		return true;
	if (m->json) {
		print_json(m);
		return false;
	}
	tell_problems(m);
	if (m->mails.n > 1)
		(void)cmd_fail(CMD_NO,
		               "%zu of %zu mails not valid: nothing was sent (--skip-invalid sends "
		               "the others)",
		               refused, m->mails.n);
	return false;
}

static int send_all(struct send *m)
{
	struct sync *s;
	int code;

	if (!may_go_on(m))
		return CMD_NO;
	if (args_has(m->args, "dry-run")) {
		if (m->json)
			print_json(m);
		else
			printf("%zu valid, nothing was sent\n",
			       outgoing_count(&m->mails, OUTGOING_READY));
		return outgoing_count(&m->mails, OUTGOING_REFUSED) > 0 ? CMD_NO : CMD_OK;
	}
	if (!cmd_connect(&m->args->options, &s, &code))
		return code;
	code = push(m, s);
	sync_close(s);
	return code;
}

static int run(struct args *a)
{
	struct send m = {.args = a,
	                 .json = args_has(a, "json"),
	                 .no_key = args_has(a, "no-key"),
	                 .timeout = -1};
	struct error err;
	int code;

	if (args_has(a, "wait") && m.no_key)
		return cmd_fail(CMD_USAGE,
		                "--wait needs keys: without one a mail cannot be looked up");
	if (args_value(a, "timeout") != NULL && !args_has(a, "wait"))
		return cmd_fail(CMD_USAGE, "--timeout goes with --wait");
	if (!args_duration(a, "timeout", &m.timeout))
		return CMD_USAGE;
	if (!queue_set_load(&m.queues, &a->options, args_value(a, "queue"), &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (gather(&m, &err))
		code = send_all(&m);
	else
		code = cmd_fail(CMD_USAGE, "%s", err.text);
	outgoing_free(&m.mails);
	buf_free(&m.input);
	queue_set_free(&m.queues);
	return code;
}

static const char *const flags[] = {DRAFT_FLAGS,    "queue=",  "no-key", "wait", "timeout=",
                                    "skip-invalid", "dry-run", "json",   NULL};

static const char help[] =
	"usage: postrider send --to ADDRESS --subject TEXT --text TEXT [FLAG…]\n"
	"       postrider send [FILE] [FLAG…] < mails.jsonl\n"
	"\n"
	"Checks one mail, or many, and pushes them to the queue. A mail is given by flags, or as JSON\n"
	"in a file or on the standard input: one object, an array of them, or one after the other\n"
	"(JSON lines). Prints the key of each, by which postrider status finds it.\n"
	"\n"
	"The mail\n"
	"  --to, --cc, --bcc ADDRESS   \"ada@example.com\" or \"Ada <ada@example.com>\"; may be repeated\n"
	"  --from, --reply-to ADDRESS  from: where it is not given, the workers' MAIL_FROM\n"
	"  --subject TEXT\n"
	"  --text TEXT, --text-file FILE, --html TEXT, --html-file FILE       (- is the standard input)\n"
	"  --attach FILE               may be repeated\n"
	"  --inline ID=FILE            an image for the HTML: <img src=\"cid:ID\">\n"
	"  --header 'Name: value'      may be repeated\n"
	"  --key KEY                   idempotency key: the same key and content is sent once\n"
	"  --send-at TIME, --expires-at TIME   RFC 3339, or epoch milliseconds\n"
	"  --delay 10m                 not before that long from now\n"
	"  --priority 0-10             7 and more: the first of QUEUES whose name ends in \":high\"; 3 and\n"
	"                              less: \":low\"; else the first one that ends in neither\n"
	"  --provider NAME             only by this one, no fallback\n"
	"  --max-attempts N, --on-unknown retry|hold|fail, --tenant NAME, --tag TAG, --meta NAME=VALUE,\n"
	"  --webhook-url URL           as the job's fields\n"
	"\n"
	"What to do with it\n"
	"  --queue NAME      this queue, whatever the priority\n"
	"  --wait            wait until each is settled, and say what became of it\n"
	"  --timeout 30s     of --wait\n"
	"  --no-key          push a mail that has no key without one: it cannot be looked up, and is not\n"
	"                    protected against being pushed twice\n"
	"  --skip-invalid    send the valid ones of many; else one that is not valid stops all\n"
	"  --dry-run         only check\n"
	"  --json            {accepted, refused, mails: [{index, idempotencyKey, queue, result, …}]}\n"
	"\n"
	"Examples\n"
	"  postrider send --to ada@example.com --subject Hi --text Hello --key order-42\n"
	"  postrider send --to ada@example.com --subject Report --html-file r.html --attach r.pdf --wait\n"
	"  echo '{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\"}' | postrider send\n"
	"  postrider send newsletter.jsonl --queue mail:queue:low --json\n"
	"\n"
	"Exit codes: 0 queued (with --wait: sent); 1 something is not valid, or its key belongs to another\n"
	"mail or to one that failed (with --wait: not sent); 2 the command line or the configuration is\n"
	"wrong; 3 Redis cannot be reached.\n";

const struct cmd cmd_send = {
	.name = "send",
	.summary = "push mail, from flags or JSON",
	.help = help,
	.flags = flags,
	.run = run,
};

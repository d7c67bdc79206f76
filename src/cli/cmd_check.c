#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/jsonout.h"
#include "cli/table.h"
#include "cli/term.h"
#include "fleet/queue_set.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "provider/provider.h"
#include "provider/registry.h"
#include "redis/topology_config.h"

#define MAX_ERRORS 8
#define OUTPUT_BYTES (1 << 20)

/* One configured provider, and what is to be said of it. */
struct row {
	char *name;
	struct registry registry; /* of this one alone; empty when it cannot be opened */
	struct error err;         /* why not */
	struct provider_check check;
	bool asked, answered;
	struct outcome answer;
	struct report *report;
};

struct report {
	struct ev_loop *loop;
	struct row rows[REGISTRY_MAX];
	size_t n_rows;
	struct error errors[MAX_ERRORS]; /* of the configuration, apart from single providers */
	size_t n_errors;
	size_t waiting; /* for answers */
};

static struct provider *provider_of(const struct row *row)
{
	return row->registry.n > 0 ? row->registry.list[0] : NULL;
}

/* --- the configuration -------------------------------------------------------------------------- */

static void add_error(struct report *r, const struct error *err)
{
	if (r->n_errors < MAX_ERRORS)
		r->errors[r->n_errors++] = *err;
}

static void check_redis(struct report *r, const struct options *o)
{
	struct topology_config config;
	struct error err;

	if (topology_config_parse(&config, o->redis_url, &err))
		topology_config_free(&config);
	else
		add_error(r, &err);
}

static void check_queues(struct report *r, const struct options *o)
{
	struct queue_set *queues = mem_zalloc(sizeof(*queues));
	struct error err;

	if (queue_set_load(queues, o, NULL, &err))
		queue_set_free(queues);
	else
		add_error(r, &err);
	mem_free(queues);
}

static void check_sender(struct report *r, const struct options *o)
{
	struct address a;
	struct error err;
	const char *why;

	if (o->mail_from[0] == '\0')
		return;
	if (!address_parse(&a, o->mail_from, strlen(o->mail_from), &why)) {
		(void)error_set(&err, "MAIL_FROM %s", why);
		add_error(r, &err);
	}
	address_free(&a);
}

/* The row says whose it is. */
static void drop_prefix(struct error *err, const char *name)
{
	char prefix[128];
	size_t n;

	snprintf(prefix, sizeof(prefix), "provider \"%s\": ", name);
	n = strlen(prefix);
	if (strncmp(err->text, prefix, n) == 0)
		memmove(err->text, err->text + n, strlen(err->text + n) + 1);
}

/* Each by itself, so that one that is wrong does not hide the next. */
static void open_provider(struct report *r, const struct options *o, const char *name)
{
	struct options one = *o;
	struct row *row;

	if (r->n_rows == REGISTRY_MAX)
		return;
	row = &r->rows[r->n_rows++];
	row->name = mem_strdup(name);
	row->report = r;
	one.providers = row->name;
	if (!registry_open(&row->registry, r->loop, &one, false, &row->err)) {
		row->registry.n = 0;
		drop_prefix(&row->err, name);
	}
}

static bool any_row_failed(const struct report *r)
{
	for (size_t i = 0; i < r->n_rows; i++)
		if (provider_of(&r->rows[i]) == NULL)
			return true;
	return false;
}

static void check_providers(struct report *r, const struct options *o)
{
	char *names = mem_strdup(o->providers), *rest = names, *name;
	struct registry all;
	struct error err;

	while (o->providers[0] != '\0' && (name = strsep(&rest, ",")) != NULL) {
		size_t len;

		name += strspn(name, " \t");
		len = strcspn(name, " \t");
		name[len] = '\0';
		if (len > 0)
			open_provider(r, o, name);
	}
	mem_free(names);
	/* What is wrong with the list as a whole: nothing in it, a name twice. */
	if (any_row_failed(r))
		return;
	if (registry_open(&all, r->loop, o, false, &err))
		registry_close(&all);
	else
		add_error(r, &err);
}

/* --- the harmless questions --------------------------------------------------------------------- */

static void on_answer(struct provider_check *c, const struct outcome *o)
{
	struct row *row = c->data;

	row->answered = true;
	row->answer = *o;
	if (--row->report->waiting == 0)
		ev_break(row->report->loop, EVBREAK_ONE);
}

static void ask_all(struct report *r)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		struct row *row = &r->rows[i];
		struct provider *p = provider_of(row);

		if (p == NULL || p->type->check == NULL)
			continue;
		row->check = (struct provider_check){.on_done = on_answer, .data = row};
		row->asked = true;
		r->waiting++;
		p->type->check(p, &row->check);
	}
	if (r->waiting > 0)
		ev_run(r->loop, 0);
}

/* --- what is said ------------------------------------------------------------------------------- */

static bool row_is_well(const struct row *row)
{
	return provider_of(row) != NULL && (!row->asked || row->answer.kind == OUTCOME_SENT);
}

static int exit_code(const struct report *r)
{
	int code = CMD_OK;

	if (r->n_errors > 0 || any_row_failed(r))
		return CMD_USAGE;
	for (size_t i = 0; i < r->n_rows; i++)
		if (!row_is_well(&r->rows[i]))
			code = CMD_NO;
	return code;
}

static void write_row(struct table *t, const struct row *row)
{
	const struct provider *p = provider_of(row);
	const struct outcome *o = &row->answer;

	table_add(t, PAINT_BOLD, row->name);
	table_add(t, PAINT_NONE, p != NULL ? p->type->scheme : NULL);
	if (p == NULL) {
		table_add(t, PAINT_RED, "wrong");
		table_add(t, PAINT_NONE, row->err.text);
	} else if (!row->asked) {
		table_add(t, PAINT_GREEN, "ok");
		table_add(t, PAINT_DIM, "");
	} else if (o->kind == OUTCOME_SENT) {
		table_add(t, PAINT_GREEN, "ok");
		table_add(t, PAINT_NONE, o->text);
	} else {
		table_add(t, PAINT_RED, outcome_name(o->kind));
		table_addf(t, PAINT_NONE, "%s: %s", o->code, o->text);
	}
}

static void show_table(const struct report *r)
{
	static const struct table_column columns[] = {{.title = "PROVIDER"},
	                                              {.title = "KIND"},
	                                              {.title = "STATE"},
	                                              {.title = "DETAILS", .flexible = true}};
	struct table t;
	struct term term;
	struct buf out;

	for (size_t i = 0; i < r->n_errors; i++)
		(void)cmd_fail(CMD_USAGE, "%s", r->errors[i].text);
	if (r->n_rows == 0)
		return;
	term_init(&term, stdout);
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < r->n_rows; i++)
		write_row(&t, &r->rows[i]);
	buf_init(&out, OUTPUT_BYTES);
	table_write(&t, &term, &out);
	fputs(buf_str(&out), stdout);
	buf_free(&out);
	table_free(&t);
}

static void write_live_json(struct buf *out, const struct outcome *answer)
{
	bool ok = answer->kind == OUTCOME_SENT;

	jsonw_key(out, "live");
	jsonw_open(out, '{');
	jsonw_pair_bool(out, "ok", ok);
	jsonw_pair(out, "outcome", ok ? "ok" : outcome_name(answer->kind));
	jsonw_pair_or_null(out, "code", answer->code);
	jsonw_pair_or_null(out, "text", answer->text);
	jsonw_close(out, '}');
}

static void write_row_json(struct buf *out, const struct row *row)
{
	const struct provider *p = provider_of(row);

	jsonw_open(out, '{');
	jsonw_pair(out, "name", row->name);
	jsonw_pair_or_null(out, "kind", p != NULL ? p->type->scheme : NULL);
	jsonw_pair_bool(out, "ok", row_is_well(row));
	jsonw_pair_or_null(out, "error", p != NULL ? NULL : row->err.text);
	if (row->asked)
		write_live_json(out, &row->answer);
	jsonw_close(out, '}');
}

static void show_json(const struct report *r)
{
	struct buf out;

	buf_init(&out, JSONOUT_MAX);
	jsonw_open(&out, '{');
	jsonw_pair_bool(&out, "ok", exit_code(r) == CMD_OK);
	jsonw_key(&out, "errors");
	jsonw_open(&out, '[');
	for (size_t i = 0; i < r->n_errors; i++)
		jsonw_str(&out, r->errors[i].text);
	jsonw_close(&out, ']');
	jsonw_key(&out, "providers");
	jsonw_open(&out, '[');
	for (size_t i = 0; i < r->n_rows; i++)
		write_row_json(&out, &r->rows[i]);
	jsonw_close(&out, ']');
	jsonw_close(&out, '}');
	jsonout_print(&out);
}

static void report_free(struct report *r)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		registry_close(&r->rows[i].registry);
		mem_free(r->rows[i].name);
	}
	ev_loop_destroy(r->loop);
	mem_free(r);
}

static int run(struct args *a)
{
	struct report *r;
	int code;

	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "check takes no arguments, only flags");
	r = mem_zalloc(sizeof(*r));
	r->loop = ev_loop_new(EVFLAG_AUTO);
	if (r->loop == NULL) {
		mem_free(r);
		return cmd_fail(CMD_NO, "libev finds no way to wait for events");
	}
	check_redis(r, &a->options);
	check_queues(r, &a->options);
	check_sender(r, &a->options);
	check_providers(r, &a->options);
	if (args_has(a, "live"))
		ask_all(r);
	if (args_has(a, "json"))
		show_json(r);
	else
		show_table(r);
	code = exit_code(r);
	report_free(r);
	return code;
}

static const char *const flags[] = {"live", "json", NULL};

static const char help[] =
	"usage: postrider check [--live] [--json] [OPTION…]\n"
	"\n"
	"Reads the configuration as a worker would, and says what is wrong with it, for each provider.\n"
	"Nothing is sent and Redis is not asked.\n"
	"\n"
	"  --live    also ask each provider a harmless question: is it there, are the credentials good?\n"
	"            (SMTP: EHLO, STARTTLS, AUTH, QUIT; the others: who am I?)\n"
	"  --json    for programs\n"
	"\n"
	"Examples\n"
	"  postrider check\n"
	"  postrider check --live --providers=main --provider-main=sendgrid://KEY@default\n"
	"\n"
	"Exit codes: 0 all is well; 1 a provider says no, or nothing; 2 the configuration is wrong.\n";

const struct cmd cmd_check = {
	.name = "check",
	.summary = "look at the configuration, and ask the providers (--live)",
	.help = help,
	.flags = flags,
	.run = run,
	.shows_options = true,
};

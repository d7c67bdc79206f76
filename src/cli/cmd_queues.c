#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "base/number.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/fleet_view.h"
#include "cli/jsonout.h"
#include "cli/term.h"
#include "fleet/control.h"
#include "fleet/queue_set.h"
#include "provider/provider.h"
#include "redis/keys.h"
#include "redis/value.h"

static int show_once(struct args *a, struct sync *s, const struct queue_set *queues,
                     struct term *term)
{
	struct survey view;
	struct error err;
	struct buf frame;

	if (!fleet_view_load(&view, s, &a->options, queues, &err))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	buf_init(&frame, JSONOUT_MAX);
	if (args_has(a, "json")) {
		fleet_view_json(&view, &frame);
		jsonout_print(&frame);
	} else {
		if (!term->tty && term->n_lines > 0)
			buf_add_char(&frame, '\n');
		fleet_view_write(&view, term, &frame);
		term_frame(term, &frame);
		buf_free(&frame);
	}
	survey_free(&view);
	return CMD_OK;
}

static int show(struct args *a, struct sync *s, const struct queue_set *queues)
{
	struct term term;
	int code;

	term_init(&term, stdout);
	code = show_once(a, s, queues, &term);
	while (code == CMD_OK && args_has(a, "watch") && !ferror(stdout)) {
		sleep(1);
		code = show_once(a, s, queues, &term);
	}
	return code;
}

/* What Redis answers to one of control.h's commands. */
static bool throw_switch(struct sync *s, struct command *c, int64_t *n, struct error *err)
{
	redisReply *r = sync_run(s, c, err);

	command_free(c);
	if (r == NULL)
		return false;
	*n = value_int(r);
	freeReplyObject(r);
	return true;
}

static int switch_one(struct args *a, struct sync *s, enum control_kind kind, const char *name,
                      bool pause, struct buf *list)
{
	struct command c;
	struct error err;
	int64_t changed;

	command_init(&c);
	control_pause(&c, a->options.key_prefix, kind, name, pause);
	if (!throw_switch(s, &c, &changed, &err))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	if (list == NULL) {
		printf("%s %s %s%s\n", control_kind_name(kind), name,
		       changed > 0 ? "" : "was already ", pause ? "paused" : "resumed");
		return CMD_OK;
	}
	jsonw_open(list, '{');
	jsonw_pair(list, control_kind_name(kind), name);
	jsonw_pair_bool(list, "paused", pause);
	jsonw_pair_bool(list, "changed", changed > 0);
	jsonw_close(list, '}');
	return CMD_OK;
}

static int switch_all(struct args *a, struct sync *s, bool pause)
{
	struct buf json, *list;
	const char *provider;
	int code = CMD_OK;
	size_t at = 0;

	buf_init(&json, JSONOUT_MAX);
	list = args_has(a, "json") ? &json : NULL;
	jsonw_open(&json, '[');
	for (size_t i = 1; i < a->n_words && code == CMD_OK; i++)
		code = switch_one(a, s, CONTROL_QUEUE, a->words[i], pause, list);
	while (code == CMD_OK && (provider = args_next(a, "provider", &at)) != NULL)
		code = switch_one(a, s, CONTROL_PROVIDER, provider, pause, list);
	jsonw_close(&json, ']');
	if (list != NULL && code == CMD_OK)
		jsonout_print(list);
	buf_free(&json);
	return code;
}

/* --- weights ------------------------------------------------------------------------------------------ */

/* "default": the DSN's own again. */
static bool read_weight(const char *text, int64_t *weight)
{
	*weight = -1;
	return strcmp(text, "default") == 0 ||
	       (number_int(text, weight) && *weight >= 0 && *weight <= PROVIDER_MAX_WEIGHT);
}

static bool set_weight(struct args *a, struct sync *s, const char *name, int64_t weight,
                       struct error *err)
{
	struct command c;
	int64_t n;

	command_init(&c);
	control_weight(&c, a->options.key_prefix, name, weight);
	return throw_switch(s, &c, &n, err);
}

/* A typing error would move nothing, and nobody would notice. Known are those of PROVIDERS, where it is set. */
static bool check_provider(struct args *a, const char *name)
{
	const char *list = a->options.providers;

	for (const char *at = list; *at != '\0';) {
		size_t n = strcspn(at, ", ");

		if (n == strlen(name) && memcmp(at, name, n) == 0)
			return true;
		at += n;
		at += strspn(at, ", ");
	}
	if (*list == '\0' || args_has(a, "force"))
		return true;
	(void)cmd_fail(
		CMD_USAGE,
		"%s is none of the configured providers (PROVIDERS); --force says that it is "
		"meant so",
		name);
	return false;
}

static int weigh(struct args *a)
{
	const char *name = args_value(a, "provider");
	struct sync *s = NULL;
	struct error err;
	int64_t weight;
	struct buf json;
	int code = CMD_USAGE;

	if (name == NULL || a->n_words != 2)
		return cmd_fail(CMD_USAGE, "it is: postrider queues weight --provider NAME N");
	if (!read_weight(a->words[1], &weight))
		return cmd_fail(CMD_USAGE, "a weight is a number from 0 to %d, or default",
		                PROVIDER_MAX_WEIGHT);
	if (!check_provider(a, name) || !cmd_connect(&a->options, &s, &code))
		return code;
	code = CMD_OK;
	if (!set_weight(a, s, name, weight, &err)) {
		code = cmd_fail(CMD_REDIS, "%s", err.text);
	} else if (args_has(a, "json")) {
		buf_init(&json, JSONOUT_MAX);
		jsonw_open(&json, '{');
		jsonw_pair(&json, "provider", name);
		jsonw_pair_int_or_null(&json, "weight", weight);
		jsonw_close(&json, '}');
		jsonout_print(&json);
	} else {
		printf("provider %s has the weight %s\n", name,
		       weight < 0 ? "that its DSN gives it" : a->words[1]);
	}
	sync_close(s);
	return code;
}

/* --- the command ---------------------------------------------------------------------------------------- */

/* A typing error would pause nothing, and nobody would notice. */
static bool check_names(struct args *a, const struct queue_set *queues)
{
	for (size_t i = 1; i < a->n_words; i++) {
		struct queue_keys k;
		struct error err;

		if (!queue_keys_make(&k, a->words[i], &err)) {
			(void)cmd_fail(CMD_USAGE, "%s", err.text);
			return false;
		}
		queue_keys_free(&k);
		if (queue_set_find(queues, a->words[i]) == NULL && !args_has(a, "force")) {
			(void)cmd_fail(CMD_USAGE,
			               "%s is none of the configured queues (QUEUES); --force says "
			               "that it is meant so",
			               a->words[i]);
			return false;
		}
	}
	return true;
}

static int run(struct args *a)
{
	const char *verb = a->n_words > 0 ? a->words[0] : "show";
	bool pause = strcmp(verb, "pause") == 0;
	bool switching = pause || strcmp(verb, "resume") == 0;
	struct queue_set queues;
	struct sync *s = NULL;
	const char *provider;
	struct error err;
	int code = CMD_USAGE;
	bool known = true;
	size_t at = 0;

	if (strcmp(verb, "weight") == 0)
		return weigh(a);
	if (!switching && (strcmp(verb, "show") != 0 || a->n_words > 1))
		return cmd_fail(
			CMD_USAGE,
			"queues knows pause, resume and weight, not \"%s\" (see postrider queues --help)",
			a->words[a->n_words > 1 && strcmp(verb, "show") == 0]);
	if (switching && a->n_words == 1 && args_value(a, "provider") == NULL)
		return cmd_fail(CMD_USAGE,
		                "queues %s needs the name of a queue, or --provider NAME", verb);
	if (!queue_set_load(&queues, &a->options, args_value(a, "queue"), &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	while (switching && (provider = args_next(a, "provider", &at)) != NULL)
		known = check_provider(a, provider) && known;
	if (known && (!switching || check_names(a, &queues)) && cmd_connect(&a->options, &s, &code))
		code = switching ? switch_all(a, s, pause) : show(a, s, &queues);
	sync_close(s);
	queue_set_free(&queues);
	return code;
}

static const char *const flags[] = {"json", "watch", "queue=", "provider=", "force", NULL};

static const char help[] =
	"usage: postrider queues [--watch] [--queue NAME] [--json]\n"
	"       postrider queues pause  [QUEUE…] [--provider NAME]…\n"
	"       postrider queues resume [QUEUE…] [--provider NAME]…\n"
	"       postrider queues weight --provider NAME N|default\n"
	"\n"
	"Shows the queues (those in QUEUES), the providers' breakers, and how many workers are alive;\n"
	"or pauses and resumes queues and providers at run time, for the whole fleet. What is in\n"
	"flight when a queue is paused is finished; mail pushed to it waits. Mail for a paused\n"
	"provider goes by the others, or waits. A weight is the provider's share of its tier's mails, in\n"
	"place of the weight= of its DSN: 0 leaves to it only what the others of its tier cannot take.\n"
	"\n"
	"  --watch          show again every second\n"
	"  --queue NAME     only this queue, whether it is configured or not\n"
	"  --provider NAME  pause or resume this provider; may be repeated. Or the one to be weighed\n"
	"  --force          pause a queue that is not in QUEUES here\n"
	"  --json           {queues: […], providers: […], workers, at}; ages are in ms, null is unknown\n"
	"\n"
	"The columns\n"
	"  WAITING     pushed, and not yet taken by a worker\n"
	"  IN FLIGHT   in the hands of a worker\n"
	"  DELAYED     waits for a retry or for its time\n"
	"  DEAD        failed and held mail that is kept: postrider dead list\n"
	"  OLDEST      how long the oldest waiting mail has waited; a plain push carries no time, so it\n"
	"              is known only of mail that was accepted by the HTTP API\n"
	"  NEXT DUE    until the first delayed mail is due\n"
	"  LAST CLAIM  since a worker last asked for mail: much more than a minute, while mail waits,\n"
	"              means that nobody serves the queue\n"
	"\n"
	"Examples\n"
	"  postrider queues --watch\n"
	"  postrider queues --json | jq '.queues[] | select(.depth > 1000) | .name'\n"
	"  postrider queues pause mail:queue:low\n"
	"  postrider queues pause --provider primary\n"
	"  postrider queues weight --provider secondary 10\n"
	"\n"
	"Exit codes: 0 done; 2 the command line or the configuration is wrong; 3 Redis cannot be reached.\n";

const struct cmd cmd_queues = {
	.name = "queues",
	.summary = "depth and state of queues and providers; pause, resume, weight",
	.help = help,
	.flags = flags,
	.run = run,
};

#include "cli/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "cli/cmd.h"
#include "cli/human.h"

/* Where the lone "--" stands; argc when there is none. */
static int find_end_of_flags(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return argc;
}

/* `--text -h` gives the text "-h". */
static bool takes_value(const struct cmd *cmd, const char *arg)
{
	size_t n = strlen(arg);

	if (strncmp(arg, "--", 2) != 0)
		return false;
	for (const char *const *own = cmd->flags; own != NULL && *own != NULL; own++)
		if (strncmp(*own, arg + 2, n - 2) == 0 && strcmp(*own + n - 2, "=") == 0)
			return true;
	return false;
}

/* Before anything is checked: --help must help also when the configuration is broken. */
static bool wants_help(const struct cmd *cmd, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    (strcmp(argv[i], "-h") == 0 && !takes_value(cmd, argv[i - 1])))
			return true;
	return false;
}

static void print_help(const struct cmd *cmd)
{
	fputs(cmd->help, stdout);
	if (!cmd->shows_options)
		return;
	fputs("\nConfiguration\n\n", stdout);
	options_help(stdout);
}

static void sort_out(struct args *a, int n_rest, int n_flagged, int argc, char **argv)
{
	size_t room = (size_t)argc + 1;

	a->flags = mem_array(room, sizeof(*a->flags));
	a->words = mem_array(room, sizeof(*a->words));
	a->config = mem_array(room, sizeof(*a->config));
	for (int i = 1; i <= n_rest; i++) {
		if (strncmp(argv[i], "--", 2) == 0)
			a->flags[a->n_flags++] = argv[i] + 2;
		else
			a->words[a->n_words++] = argv[i];
	}
	for (int i = n_rest + 1; i < n_flagged && argv[i] != NULL; i++)
		a->config[a->n_config++] = argv[i];
	for (int i = n_flagged + 1; i < argc; i++)
		a->words[a->n_words++] = argv[i];
}

static void tell_misspelt(const char *name, const char *meant)
{
	log_warn("variable_unknown", LOG_STR("name", name), LOG_STR("did_you_mean", meant));
}

bool args_load(struct args *a, const struct cmd *cmd, int argc, char **argv, int *code)
{
	int n_flagged = find_end_of_flags(argc, argv), n_rest;
	struct error err;

	memset(a, 0, sizeof(*a));
	if (wants_help(cmd, n_flagged, argv)) {
		print_help(cmd);
		*code = CMD_OK;
		return false;
	}
	if (!options_load(&a->options, n_flagged, argv, cmd->flags, &n_rest, &err)) {
		*code = cmd_fail(CMD_USAGE, "%s (see postrider %s --help)", err.text, cmd->name);
		return false;
	}
	sort_out(a, n_rest, n_flagged, argc, argv);
	log_setup((enum log_level)a->options.log_level, (enum log_format)a->options.log_format,
	          a->options.log_full_addresses);
	options_misspelt(tell_misspelt);
	return true;
}

void args_free(struct args *a)
{
	options_free(&a->options);
	mem_free(a->flags);
	mem_free(a->words);
	mem_free(a->config);
	memset(a, 0, sizeof(*a));
}

bool args_has(const struct args *a, const char *flag)
{
	for (size_t i = 0; i < a->n_flags; i++)
		if (strcmp(a->flags[i], flag) == 0)
			return true;
	return false;
}

const char *args_next(const struct args *a, const char *flag, size_t *at)
{
	size_t n = strlen(flag);

	while (*at < a->n_flags) {
		const char *each = a->flags[(*at)++];

		if (strncmp(each, flag, n) == 0 && each[n] == '=')
			return each + n + 1;
	}
	return NULL;
}

const char *args_value(const struct args *a, const char *flag)
{
	const char *last = NULL, *each;
	size_t at = 0;

	while ((each = args_next(a, flag, &at)) != NULL)
		last = each;
	return last;
}

bool args_int(const struct args *a, const char *flag, int64_t min, int64_t max, int64_t *out)
{
	const char *value = args_value(a, flag);
	int64_t n;

	if (value == NULL)
		return true;
	if (!number_int(value, &n) || n < min || n > max) {
		(void)cmd_fail(CMD_USAGE,
		               "--%s must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"",
		               flag, min, max, value);
		return false;
	}
	*out = n;
	return true;
}

bool args_duration(const struct args *a, const char *flag, int64_t *ms)
{
	const char *value = args_value(a, flag);

	if (value == NULL || human_parse_duration(value, ms))
		return true;
	(void)cmd_fail(CMD_USAGE,
	               "--%s must be a duration such as 500ms, 30s, 10m, 2h or 7d, not \"%s\"",
	               flag, value);
	return false;
}

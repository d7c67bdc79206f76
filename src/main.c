/* main.c - the table of subcommands. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"
#include "cli/args.h"
#include "cli/cmd.h"

static const struct cmd *const commands[] = {
	&cmd_up,   &cmd_worker, &cmd_api,   &cmd_send,    &cmd_status,  &cmd_events,
	&cmd_dead, &cmd_queues, &cmd_check, &cmd_archive, &cmd_version, &cmd_options,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fputs("Postrider delivers e-mail: jobs pushed to a Redis list go out through several providers,\n"
	      "with retries, fallback, rate limits, circuit breakers and idempotency.\n\n"
	      "usage: postrider COMMAND [ARGUMENT…]\n\n",
	      out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i]->summary != NULL)
			fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help      explain a command: postrider help COMMAND\n\n"
	      "To see it work:      postrider up --demo\n"
	      "All configuration:   postrider help worker\n",
	      out);
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	struct suggest s = suggest_for(name);

	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i]->summary != NULL)
			suggest_try(&s, commands[i]->name);
	if (suggest_best(&s) != NULL)
		return cmd_fail(CMD_USAGE, "there is no command \"%s\"; did you mean %s?", name,
		                suggest_best(&s));
	return cmd_fail(CMD_USAGE, "there is no command \"%s\"; postrider help lists them", name);
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	struct args args;
	int code;

	if (args_load(&args, cmd, argc, argv, &code))
		code = cmd->run(&args);
	args_free(&args);
	/* A full disk must not pass for success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CMD_OK)
		code = cmd_fail(CMD_NO, "cannot write the output");
	return code;
}

static int help(int argc, char **argv)
{
	static char flag[] = "--help";

	if (argc < 3 || strcmp(argv[2], "help") == 0) {
		print_usage(stdout);
		return CMD_OK;
	}
	if (find(argv[2]) == NULL)
		return unknown(argv[2]);
	return run(find(argv[2]), 2, (char *[]){argv[2], flag, NULL});
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	cJSON_Hooks memory = {mem_alloc, mem_free};

	/* A tree that could not be built would look like a job that is not valid. */
	cJSON_InitHooks(&memory);

	if (*name == '\0') {
		print_usage(stderr);
		return CMD_USAGE;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(argc, argv);
	if (strcmp(name, "--version") == 0)
		name = "version";
	if (find(name) == NULL)
		return unknown(name);
	return run(find(name), argc - 1, argv + 1);
}

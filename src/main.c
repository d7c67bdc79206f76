/* main.c - the table of subcommands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.0.0"
#endif

enum { EXIT_USAGE = 2 };

struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit code */
	const char *help;
};

static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);

static const struct subcommand subcommands[] = {
	{"version", run_version, "print the version"},
	{"help", run_help, "print this"},
};

static void print_usage(FILE *out)
{
	fputs("usage: postrider COMMAND [OPTION…]\n\n", out);
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
		fprintf(out, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
}

static int run_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("postrider " POSTRIDER_VERSION);
	return EXIT_SUCCESS;
}

static int run_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print_usage(stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0)
		name = "version";
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
		if (strcmp(name, subcommands[i].name) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	print_usage(stderr);
	return EXIT_USAGE;
}

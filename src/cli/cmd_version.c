#include <stdio.h>

#include "base/jsonw.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/jsonout.h"

#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.0.0"
#endif

static int run(struct args *a)
{
	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "version takes no arguments");
	if (args_has(a, "json")) {
		struct buf json;

		buf_init(&json, JSONOUT_MAX);
		jsonw_open(&json, '{');
		jsonw_pair(&json, "version", POSTRIDER_VERSION);
		jsonw_close(&json, '}');
		jsonout_print(&json);
	} else {
		puts("postrider " POSTRIDER_VERSION);
	}
	return CMD_OK;
}

static const char *const flags[] = {"json", NULL};

const struct cmd cmd_version = {
	.name = "version",
	.summary = "print the version",
	.help = "usage: postrider version [--json]\n",
	.flags = flags,
	.run = run,
};

/* For those who write the README: the table of options in Markdown. Not listed in the help. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/cmd.h"

static int run(struct args *a)
{
	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "options takes no arguments");
	options_markdown(stdout);
	return CMD_OK;
}

const struct cmd cmd_options = {
	.name = "options",
	.help = "usage: postrider options\n\nPrints all options as a table in Markdown.\n",
	.run = run,
};

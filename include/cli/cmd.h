/* cmd.h - the subcommands: what each is called, what it says of itself, and what it returns.
 *
 * One file per subcommand, src/cli/cmd_<name>.c, defines one `struct cmd`; src/main.c has the
 * table of them. A command gets its arguments parsed (args.h) and returns an exit code. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <stdbool.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/options.h"
#include "redis/sync.h"

enum cmd_exit {
	CMD_OK = 0,
	CMD_NO = 1,    /* the answer is no: not found, not sent, not valid */
	CMD_USAGE = 2, /* the command line or the configuration */
	CMD_REDIS = 3, /* Redis cannot be reached, or will not do it */
};

struct args;

struct cmd {
	const char *name;
	const char *summary;      /* one line in the list of commands; NULL: not listed */
	const char *help;         /* all of --help, from "usage: …" on */
	const char *const *flags; /* its own, as options_load wants them; NULL: none. --help need not be there */
	int (*run)(struct args *a);
	bool shows_options;       /* --help goes on with the table of options */
};

extern const struct cmd cmd_worker, cmd_send, cmd_status, cmd_dead, cmd_queues, cmd_up, cmd_version, cmd_options, cmd_api, cmd_check, cmd_events, cmd_archive;

/* Says on stderr what went wrong, "postrider: …", and returns the code. */
int cmd_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/* Connects to REDIS_URL. False: *code is what to exit with, and stderr says why. */
bool cmd_connect(const struct options *o, struct sync **s, int *code) MUST_CHECK;

#endif

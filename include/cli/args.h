/* args.h - a subcommand's command line, taken apart.
 *
 * Flags of the configuration go to `options` (options.h); the command's own flags and the other
 * words are kept here. After a lone "--" everything is a word. Strings belong to argv. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"

struct cmd;

struct args {
	struct options options;
	const char **flags; /* own flags without their dashes: "watch", "workers=2", in the order given */
	size_t n_flags;
	const char **words;
	size_t n_words;
	char **config;      /* the flags of the configuration, as a worker's command line can repeat them */
	size_t n_config;
};

/* argv[0] is the command's name. Also sets up the log. False: help was asked for, or something is
 * wrong and was said; *code is what to exit with. */
bool args_load(struct args *a, const struct cmd *cmd, int argc, char **argv, int *code) MUST_CHECK;
void args_free(struct args *a);

bool args_has(const struct args *a, const char *flag);
const char *args_value(const struct args *a, const char *flag); /* the last one given, or NULL */
/* All values of a flag in turn: *at begins at 0. NULL: no more. */
const char *args_next(const struct args *a, const char *flag, size_t *at);

/* *out stays as it is when the flag was not given. False: said on stderr; exit CMD_USAGE. */
bool args_int(const struct args *a, const char *flag, int64_t min, int64_t max, int64_t *out) MUST_CHECK;
/* "500ms", "30s", "10m", "2h", "7d": the unit must be there. */
bool args_duration(const struct args *a, const char *flag, int64_t *ms) MUST_CHECK;

#endif

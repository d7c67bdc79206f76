/* flags.h - splits argv into the flags of the configuration and the rest. options.c is the only
 * user; its header says what the flags look like. */
#ifndef BASE_FLAGS_H
#define BASE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

struct flag_name {
	const char *name; /* the option's: CONCURRENCY, for --concurrency */
	bool is_switch;   /* --name and --no-name instead of --name VALUE */
	bool is_secret;   /* its value is blotted out where the kernel shows it (ps, /proc/<pid>/cmdline) */
};

struct flags_spec {
	const struct flag_name *names;
	size_t n_names;
	const char *prefix;     /* every flag whose option name begins so takes a value, a secret one */
	const char *const *own; /* as in options_load; NULL: none */
};

struct flags {
	struct flag {
		char *name;        /* CONCURRENCY */
		const char *value; /* argv's; of a switch "1", "0" or what stands after the = */
	} *list;
	size_t n;
};

/* Moves the rest to argv[1 … *n_rest]; the flags follow, then NULLs in the place of what was joined
 * to a neighbour: parsing the same argv again gives the same result (but for what stood behind a
 * lone "--", which is not kept). The strings that joining makes live until exit, as argv's do, and so
 * do the copies that argv has of secret values after.
 * False: err says which flag and why. */
bool flags_parse(struct flags *f, const struct flags_spec *spec, int argc, char **argv, int *n_rest,
                 struct error *err) MUST_CHECK;
const char *flags_get(const struct flags *f, const char *name); /* the last one given, or NULL */
void flags_free(struct flags *f);

/* Writes the flag of an option: CONCURRENCY → --concurrency. */
void flags_spell(const char *name, char *out, size_t size);

#endif

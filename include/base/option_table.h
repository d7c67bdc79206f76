/* option_table.h - the table of options: what each is called, may be, and is when not set.
 *
 * A new option is a row in src/base/option_table.c, a field in struct options (options.h) and a line in
 * README.md (made by `postrider options`). options.c is the only reader. */
#ifndef BASE_OPTION_TABLE_H
#define BASE_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_TEXT,       /* char *; min and max are its length in bytes */
	OPTION_INT,        /* int64_t */
	OPTION_RATIO,      /* double; min and max are whole */
	OPTION_SWITCH,     /* bool */
	OPTION_CHOICE,     /* int64_t: the index of the word in `choices` */
	OPTION_CHOICE_BOOL /* the same of two words, in a bool */
};

/* Rows name what they need; what is left out is zero. */
struct option {
	const char *name;
	enum option_type type;
	size_t offset;       /* in struct options */
	const char *def;     /* as the user would write it; "" is not set */
	int64_t min, max;    /* both inclusive */
	const char *unit;    /* of a number, for people */
	const char *choices; /* with a blank between */
	bool (*check)(const char *value);
	const char *rule; /* completes "NAME must be …" when check says no */
	bool secret;      /* may come from systemd's credentials; not shown among the arguments */
	const char *section; /* the heading before this row */
	const char *help;    /* one line */
};

extern const struct option option_table[];
extern const size_t option_table_n;

#endif

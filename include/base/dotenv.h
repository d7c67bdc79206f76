/* dotenv.h - the file .env: a default for the environment.
 *
 * A line is NAME=VALUE, perhaps after "export "; empty lines and lines that begin with # are
 * skipped. An unquoted value ends at " #" and loses the blanks around it. In 'single quotes' all is
 * literal; in "double quotes" \n \t \" \\ and \$ are what they look like. Nothing is expanded. Of a
 * name that occurs twice the last counts. */
#ifndef BASE_DOTENV_H
#define BASE_DOTENV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

struct dotenv {
	struct dotenv_entry {
		char *name, *value;
	} *entries;
	size_t n;
};

/* False: err says which line and why. Nothing is to be freed then. */
bool dotenv_parse(struct dotenv *d, const char *text, struct error *err) MUST_CHECK;
/* The same of a file. There being no such file is fine: it has no entries. */
bool dotenv_load(struct dotenv *d, const char *path, struct error *err) MUST_CHECK;
const char *dotenv_get(const struct dotenv *d, const char *name); /* NULL when it is not there */
void dotenv_free(struct dotenv *d);                               /* wipes the values */

#endif

/* setting.h - where one configured value comes from, apart from flags.
 *
 * First match wins: the environment's NAME, its NAME_FILE (a file that holds the value; one
 * trailing newline is dropped), $CREDENTIALS_DIRECTORY/NAME when the value is a secret, then NAME
 * and NAME_FILE of `.env` in the working directory. An empty value counts as not set. NAME and
 * NAME_FILE both set in the same place is an error.
 *
 * `.env` is read once and kept until setting_forget. options.c is the only user. */
#ifndef BASE_SETTING_H
#define BASE_SETTING_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/dotenv.h"
#include "base/error.h"

/* *value is a new string (mem_free; mem_wipe it first when it is a secret), NULL when not set. */
bool setting_get(const char *name, bool secret, char **value, struct error *err) MUST_CHECK;

/* `.env` as it was read; borrowed. */
bool setting_dotenv(const struct dotenv **d, struct error *err) MUST_CHECK;

void setting_forget(void);

#endif

/* file.h - reads a whole small file: a secret, .env. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

/* The text of the file, as a new string (mem_free; wipe it first when it is a secret).
 * False: err says why it could not be read, that it is larger than max bytes, or that it has a NUL
 * byte. errno is then ENOENT exactly when there is no such file. */
bool file_read(const char *path, size_t max, char **text, struct error *err) MUST_CHECK;

#endif

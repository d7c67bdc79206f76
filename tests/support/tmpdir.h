/* tmpdir.h - the test program's own directory, made at first use and removed at exit.
 *
 * Its path is short, so that unix sockets fit (sun_path holds 107 bytes). Nothing here returns an
 * error: what cannot be made stops the test program. */
#ifndef SUPPORT_TMPDIR_H
#define SUPPORT_TMPDIR_H

#include <stddef.h>

#include "base/attr.h"

const char *tmpdir(void); /* without a trailing slash */

/* A name in it that was not used before, "<dir>/<stem>-<n>"; a new string (free). The file is not made. */
char *tmpdir_name(const char *stem) MUST_CHECK;
/* A new directory in it; a new string (free). */
char *tmpdir_make(const char *stem) MUST_CHECK;
/* A new file in it with these bytes; its path, a new string (free). */
char *tmpdir_file(const char *stem, const void *bytes, size_t n) MUST_CHECK;

/* A file at this path with this text, in place of what was there. */
void tmpdir_write(const char *path, const char *text);

/* A whole file, NUL-terminated; a new string (free). n may be NULL. "" when it is not there. */
char *tmpdir_read(const char *path, size_t *n) MUST_CHECK;
/* A file or a directory with all that is in it; what is not there is fine. */
void tmpdir_remove(const char *path);

#endif

/* slurp.h - reads a whole file or stream, whatever bytes it has. */
#ifndef CLI_SLURP_H
#define CLI_SLURP_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

/* Appends what `path` holds ("-": stdin) to out, which declares the maximum. */
bool slurp(const char *path, struct buf *out, struct error *err) MUST_CHECK;

#endif

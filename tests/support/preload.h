/* preload.h - tests/e2e/preload.c, compiled and ready to be loaded into workers.
 *
 *     fleet_worker(f, (const char *const[]){preload_setting(), "PRELOAD_KILLER=boom", NULL});
 *
 * It is compiled by $CC, else cc, once per test program; where that cannot be done, preload_setting
 * returns NULL and preload_why says why: the test is skipped. */
#ifndef SUPPORT_PRELOAD_H
#define SUPPORT_PRELOAD_H

#include "base/attr.h"

const char *preload_setting(void) MUST_CHECK; /* "LD_PRELOAD=…" */
const char *preload_why(void);

#endif

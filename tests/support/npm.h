/* npm.h - packages of npm that tests check us with: programs and verifiers that we did not write.
 *
 * They are installed into <build>/npm/<package> the first time that a test needs them, and stay there. */
#ifndef SUPPORT_NPM_H
#define SUPPORT_NPM_H

#include "base/attr.h"

/* package: "name@version". file: something of it that must be there then, below node_modules. A new
 * string (free): the file's path; NULL when it cannot be had, and why is printed: skip what needs it. */
char *npm_install(const char *package, const char *file) MUST_CHECK;

#endif

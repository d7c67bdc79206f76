/* up.h - one `postrider up`, in directories of its own.
 *
 *     struct up u;
 *     up_start(&u, (const char *const[]){"--workers=1", NULL}, NULL);
 *     up_find_redis(&u);
 *     …
 *     assert_int_equal(process_stop(u.process, 0), 0);
 *     up_expect_nothing_left(&u);
 *     up_end(&u);
 */
#ifndef SUPPORT_UP_H
#define SUPPORT_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "support/api.h"
#include "support/cli.h"
#include "support/process.h"

#define UP_MAX_CHILDREN 64

struct up {
	struct process *process;
	struct cli *cli; /* for its Redis */
	char *run, *dir; /* TMPDIR; the working directory */
	char url[64];
	struct api_process api; /* its HTTP API */
	pid_t pids[UP_MAX_CHILDREN];
	size_t n_pids;
};

/* flags, more_env: NULL, or NULL-terminated. Of the options that the user of the tests may have set none holds. */
void up_start(struct up *u, const char *const *flags, const char *const *more_env);
void up_end(struct up *u); /* kills what runs */

/* Reads from its first lines where its Redis is, and makes u->cli. */
void up_find_redis(struct up *u);
/* Reads from its first lines where its API is, and waits until it says that it serves. */
void up_find_api(struct up *u);

void up_find_children(struct up *u); /* those that it has now */
/* The one whose command line begins with this word, or has it as an argument; 0 none. */
pid_t up_find_child(struct up *u, const char *word) MUST_CHECK;
/* For wait_until: those that up_find_children has found have ended. */
bool up_children_gone(void *up);
/* Neither processes nor files. */
void up_expect_nothing_left(struct up *u);

#endif

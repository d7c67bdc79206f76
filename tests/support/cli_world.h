/* cli_world.h - what most tests of the one-shot commands begin with: a Redis, and the command line on it.
 * One of each for the whole program; setup and teardown are for cmocka's groups, empty for each test. */
#ifndef SUPPORT_CLI_WORLD_H
#define SUPPORT_CLI_WORLD_H

#include "support/cli.h"
#include "support/redis_server.h"

extern struct redis_server *redis;
extern struct cli *cli;

int cli_world_setup(void **state);
int cli_world_teardown(void **state);
int cli_world_empty(void **state);      /* nothing in Redis */
long long cli_world_now(void);          /* Redis's clock, ms, cut to seconds */

#endif

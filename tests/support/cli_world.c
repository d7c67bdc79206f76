#include "support/cli_world.h"

#include <stdlib.h>

struct redis_server *redis;
struct cli *cli;

int cli_world_setup(void **state)
{
	(void)state;
	redis = redis_server_start(NULL);
	cli = cli_new(redis_server_url(redis));
	return 0;
}

int cli_world_teardown(void **state)
{
	(void)state;
	cli_free(cli);
	redis_server_free(redis);
	return 0;
}

int cli_world_empty(void **state)
{
	(void)state;
	redis_server_do(redis, "FLUSHALL");
	return 0;
}

long long cli_world_now(void)
{
	redisReply *r = redis_server_cmd(redis, "TIME");
	long long now = strtoll(r->element[0]->str, NULL, 10) * 1000;

	freeReplyObject(r);
	return now;
}

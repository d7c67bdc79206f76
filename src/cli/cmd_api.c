#include <stdio.h>

#include "api/api.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "fleet/queue_set.h"

static int run(struct args *a)
{
	struct queue_set set;
	struct error err;
	int code = CMD_OK;

	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "api takes no arguments, only flags");
	if (!queue_set_load(&set, &a->options, NULL, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (!api_run(&a->options, &set, &err))
		code = cmd_fail(CMD_USAGE, "%s", err.text);
	queue_set_free(&set);
	return code;
}

static const char help[] =
	"usage: postrider api [OPTION…]\n"
	"\n"
	"Serves HTTP: takes mail in, tells what became of it, shows and operates the fleet. Start as many\n"
	"as you like, also on one port: all they know is in Redis. Without API keys or JWT it listens on\n"
	"127.0.0.1 only.\n"
	"\n"
	"SIGTERM or Ctrl-C: /readyz turns 503, no new connections, requests under way are finished\n"
	"(DRAIN_TIMEOUT); a second one ends at once. Without Redis it answers 503 and tries again.\n"
	"\n"
	"Examples\n"
	"  postrider api --port=4000\n"
	"  curl -d '{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\",\"idempotencyKey\":\"order-42\"}' \\\n"
	"       -H 'Content-Type: application/json' http://127.0.0.1:4000/api/email/send\n"
	"  curl http://127.0.0.1:4000/api/email/status/order-42\n"
	"\n"
	"Exit codes: 0 told to end; 2 the configuration is wrong, or the port is taken.\n";

const struct cmd cmd_api = {
	.name = "api",
	.summary = "serve the HTTP API",
	.help = help,
	.run = run,
	.shows_options = true,
};

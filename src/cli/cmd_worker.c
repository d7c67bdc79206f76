#include <stdio.h>

#include "api/metrics_server.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "fleet/queue_set.h"
#include "fleet/worker.h"

static int run(struct args *a)
{
	const struct options *o = &a->options;
	struct metrics_server *page = NULL;
	struct worker_guest guest;
	struct queue_set set;
	struct error err;
	int code = CMD_OK;

	if (a->n_words > 0)
		return cmd_fail(CMD_USAGE, "worker takes no arguments, only flags");
	if (!queue_set_load(&set, o, NULL, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (o->metrics_port > 0) {
		page = metrics_server_new(o, &set);
		guest = metrics_server_guest(page);
	}
	if (!worker_run(o, args_has(a, "drain"), false, page ? &guest : NULL, &err))
		code = cmd_fail(CMD_USAGE, "%s", err.text);
	metrics_server_free(page);
	queue_set_free(&set);
	return code;
}

static const char *const flags[] = {"drain", NULL};

static const char help[] =
	"usage: postrider worker [--drain] [OPTION…]\n"
	"\n"
	"Takes mails from the queues and delivers them through the configured providers. Start as\n"
	"many as you like, on as many hosts as you like: they share their work, limits and breakers\n"
	"through Redis.\n"
	"\n"
	"  --drain    end, with exit code 0, once nothing is queued, delayed or in flight\n"
	"\n"
	"SIGTERM or Ctrl-C: claims nothing more, finishes what is in flight (DRAIN_TIMEOUT) and ends;\n"
	"a second one ends at once. SIGHUP: reads secrets and providers anew. Without Redis it waits\n"
	"and tries again.\n"
	"\n"
	"Examples\n"
	"  PROVIDERS=relay PROVIDER_RELAY=smtp://user:password@relay.example:587 postrider worker\n"
	"  postrider worker --providers=a,b --provider-a=smtp://one --provider-b=smtps://two\n"
	"  postrider worker --queues='mail:queue:high*6,mail:queue*3,mail:queue:low' --concurrency=500\n"
	"  postrider worker --drain\n"
	"\n"
	"Exit codes: 0 told to end, or drained; 2 the configuration is wrong.\n";

const struct cmd cmd_worker = {
	.name = "worker",
	.summary = "deliver what is in the queues",
	.help = help,
	.flags = flags,
	.run = run,
	.shows_options = true,
};

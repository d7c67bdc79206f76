#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/port.h"
#include "base/sigpipe.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/crew.h"
#include "cli/demo.h"
#include "cli/local_api.h"
#include "cli/private_redis.h"
#include "cli/term.h"
#include "fleet/queue_set.h"

#define DEFAULT_WORKERS 2
#define LOOK_S 0.1
#define RETRY_S 1.0
#define KNOCK_S 0.02
#define MAX_KNOCKS 500
#define MAX_ENV 8
#define MAX_FLAGS 64
#define MAX_WORKERS (CREW_MAX - 1)
#define EXE "/proc/self/exe"
#define MOCK "mock://"
#define MOCK_LATENCY "20-200"
#define MOCK_FROM "Postrider <postrider@example.com>"

/* What a member of the crew is run with. */
struct command_line {
	const char *argv[MAX_FLAGS + 4];
	size_t n;
};

/* One run of the command. */
struct up {
	struct args *args;
	struct ev_loop *loop;
	bool own_redis, mocks, demo_on, once, plain_logs, api_on, port_set;
	int64_t n_workers, port;
	struct private_redis redis;
	struct options
		options; /* args' own, with our Redis in the place of none; owns redis_url only */
	struct queue_set queues;
	struct crew crew;
	struct local_api api;
	struct sync *sync; /* the demo's; NULL: to be opened */
	struct demo demo;
	bool demo_running; /* the workers' logs go to a file meanwhile */
	FILE *log;
	char notice[512];
	struct term term; /* stderr */
	int code;
	ev_signal on_term, on_int, on_hup;
	ev_child on_redis;
	ev_timer look, knock;
	int knocks;
	char *exe;
	struct command_line worker_line, api_line;
	char *env[MAX_ENV + 1];
	size_t n_env;
};

/* --- what the user sees -------------------------------------------------------------------------------- */

/* Not into the middle of the table. */
static void say(struct up *u, const char *text)
{
	if (u->demo_running && u->demo.term.tty)
		snprintf(u->notice, sizeof(u->notice), "%s", text);
	else
		fprintf(stderr, "%s\n", text);
}

static void on_notice(void *data, const char *text)
{
	say(data, text);
}

static void on_line(void *data, const char *name, const char *line)
{
	struct up *u = data;
	struct buf prefix;

	if (u->demo_running) {
		if (u->log != NULL)
			fprintf(u->log, "%s | %s\n", name, line);
		return;
	}
	buf_init(&prefix, 256);
	if (u->plain_logs) {
		term_paint(&u->term, &prefix, PAINT_DIM, name);
		buf_add_str(&prefix, " | ");
	}
	fprintf(stderr, "%s%s\n", buf_str(&prefix), line);
	buf_free(&prefix);
}

/* How the user's own redis-cli and postrider reach the same Redis. Nothing secret is shown. */
static void print_client(const struct up *u, const char *tool, bool cli)
{
	const char *url = u->args->options.redis_url;

	if (u->own_redis && cli)
		printf("  redis-cli -p %d ", u->redis.port);
	else if (cli)
		printf("  redis-cli -u \"$REDIS_URL\" ");
	else if (u->own_redis && u->redis.moved)
		printf("  REDIS_URL=redis://127.0.0.1:%d %s ", u->redis.port, tool);
	else if (u->own_redis || strchr(url, '@') != NULL)
		printf("  %s ", tool);
	else
		printf("  REDIS_URL=%s %s ", url, tool);
}

static void print_curl(const struct up *u)
{
	const char *key = u->api.protected ? "-H \"X-API-Key: $API_KEY\" " : "";

	printf("  curl %s-H 'Content-Type: application/json' %s/api/email/send \\\n"
	       "       -d '{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
	       "\"idempotencyKey\":\"order-43\"}'\n"
	       "  curl %s%s/api/email/status/order-43\n",
	       key, u->api.url, key, u->api.url);
}

static void print_invitation(const struct up *u)
{
	const char *prefix = u->options.key_prefix, *tool = program_invocation_name;
	const char *queue = queue_set_choose(&u->queues, -1)->list;
	const char *failed = u->demo_on ? demo_failed_key(&u->demo) : NULL;

	printf("\nTry it from another terminal:\n\n");
	print_client(u, tool, true);
	printf("LPUSH %s '{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
	       "\"idempotencyKey\":\"order-42\"}'\n",
	       queue);
	print_client(u, tool, true);
	printf("HGETALL %s:status:order-42\n", prefix);
	print_client(u, tool, false);
	printf("status order-42 --watch\n");
	if (u->api_on)
		print_curl(u);
	if (failed != NULL) {
		print_client(u, tool, false);
		printf("dead show %s\n", failed);
	}
	print_client(u, tool, false);
	printf("queues --watch\n\nServing until Ctrl-C.\n");
	fflush(stdout);
}

static void print_providers(const struct up *u)
{
	const struct options *o = &u->args->options;

	if (!u->mocks) {
		printf("  Providers  %s\n", o->providers);
		return;
	}
	printf("  Providers  primary (a mock that takes %g %% of the mails), secondary (%g %%)\n",
	       o->primary_success * 100, o->secondary_success * 100);
	puts("             Nothing is really delivered: PROVIDERS is not set.");
}

static void print_banner(const struct up *u)
{
	puts("Postrider: a fleet on this machine.\n");
	if (!u->own_redis)
		puts("  Redis      the one of REDIS_URL");
	else
		printf("  Redis      127.0.0.1:%d%s, private: %s%s\n", u->redis.port,
		       u->redis.moved && u->port == 0 ? " (6379 is taken)" : "",
		       args_value(u->args, "data") != NULL ? "its data are kept in "
		                                           : "gone when this ends",
		       args_value(u->args, "data") != NULL ? args_value(u->args, "data") : "");
	if (u->api_on)
		printf("  HTTP API   %s%s\n", u->api.url, u->api.moved ? " (4000 is taken)" : "");
	printf("  Workers    %d", (int)u->n_workers);
	if (u->log != NULL)
		printf(", logging to %s/workers.log meanwhile", u->redis.dir);
	putchar('\n');
	print_providers(u);
	putchar('\n');
	fflush(stdout);
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void stop(struct up *u)
{
	ev_timer_stop(u->loop, &u->look);
	if (u->demo_running)
		term_keep(&u->demo.term);
	u->demo_running = false;
	crew_stop(&u->crew);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct up *u = signal->data;

	(void)loop;
	(void)events;
	if (!u->crew.stopping)
		fprintf(stderr, "\nWhat is in flight is finished first; once more ends at once.\n");
	stop(u);
}

static void on_crew_end(void *data, const char *refusal)
{
	struct up *u = data;

	if (refusal != NULL) {
		u->demo_running = false;
		/* A worker says "postrider: …" as we do. */
		fprintf(stderr, "%s\n", refusal);
		u->code = CMD_USAGE;
	}
	ev_break(u->loop, EVBREAK_ALL);
}

static void on_redis_end(struct ev_loop *loop, ev_child *child, int events)
{
	struct up *u = child->data;

	(void)events;
	ev_child_stop(loop, child);
	u->redis.pid = 0;
	u->demo_running = false;
	u->code = cmd_fail(CMD_REDIS, "the private redis-server has died");
	ev_break(u->loop, EVBREAK_ALL);
}

/* --- the demo -------------------------------------------------------------------------------------------- */

static bool look_connect(struct up *u, struct error *err)
{
	struct topology_config config;
	const char *queue = queue_set_choose(&u->queues, -1)->list;

	if (u->sync != NULL)
		return true;
	if (!topology_config_parse(&config, u->options.redis_url, err))
		return false;
	config.link.timeout_ms = (int)u->args->options.command_timeout;
	u->sync = sync_open(&config, err);
	topology_config_free(&config);
	if (u->sync == NULL)
		return false;
	return u->demo.n > 0 || demo_push(&u->demo, u->sync, &u->options, queue, err);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct up *u = timer->data;
	bool settled = false;
	struct error err;

	(void)events;
	if (!look_connect(u, &err) || !demo_look(&u->demo, u->sync, u->notice, &settled, &err)) {
		sync_close(u->sync);
		u->sync = NULL;
		snprintf(u->notice, sizeof(u->notice), "%s", err.text);
		if (u->demo.n == 0 || !u->demo.term.tty)
			fprintf(stderr, "postrider: %s; trying again\n", err.text);
		timer->repeat = RETRY_S;
		ev_timer_again(loop, timer);
		return;
	}
	timer->repeat = LOOK_S;
	ev_timer_again(loop, timer);
	if (!settled)
		return;
	ev_timer_stop(loop, timer);
	u->demo_running = false;
	demo_sum_up(&u->demo);
	if (u->once)
		stop(u);
	else
		print_invitation(u);
}

/* --- the start -------------------------------------------------------------------------------------------- */

static bool configure(struct up *u, struct error *err)
{
	struct args *a = u->args;
	bool set;

	u->demo_on = args_has(a, "demo");
	u->once = args_has(a, "once");
	u->api_on = !args_has(a, "no-api");
	u->n_workers = DEFAULT_WORKERS;
	if (a->n_words > 0)
		return error_set(err, "up takes no arguments, only flags");
	if (u->once && !u->demo_on)
		return error_set(err, "--once goes with --demo");
	if (!options_given("REDIS_URL", &set, err))
		return false;
	u->own_redis = !set;
	if (set && (args_value(a, "data") != NULL || args_value(a, "redis-port") != NULL))
		return error_set(err,
		                 "--data and --redis-port are for the private redis-server, and "
		                 "REDIS_URL names another");
	if (!options_given("LOG_FORMAT", &set, err) || !options_given("PORT", &u->port_set, err))
		return false;
	u->plain_logs = !set;
	u->mocks = a->options.providers[0] == '\0';
	if (u->demo_on && !demo_check(&a->options, err))
		return false;
	return queue_set_load(&u->queues, &a->options, NULL, err);
}

static void add_env(struct up *u, char *entry)
{
	u->env[u->n_env++] = entry;
}

static void begin_line(const struct up *u, struct command_line *l, const char *command)
{
	const struct args *a = u->args;

	l->argv[l->n++] = u->exe;
	l->argv[l->n++] = command;
	for (size_t i = 0; i < a->n_config; i++)
		l->argv[l->n++] = a->config[i];
}

/* What workers and API are started with: the flags that we were given, and what we have made up. */
static bool prepare_crew(struct up *u, struct error *err)
{
	const struct options *o = &u->args->options;

	u->exe = realpath(EXE, NULL);
	if (u->exe == NULL || u->args->n_config > MAX_FLAGS)
		return error_set(err, "cannot find the way to this program in " EXE);
	begin_line(u, &u->worker_line, "worker");
	begin_line(u, &u->api_line, "api");
	u->api_line.argv[u->api_line.n++] = u->api.flag; /* the last one counts */
	if (u->own_redis)
		add_env(u, mem_printf("REDIS_URL=%s", u->redis.url));
	if (u->plain_logs)
		add_env(u, mem_strdup("LOG_FORMAT=text"));
	if (!u->mocks)
		return true;
	add_env(u, mem_strdup("PROVIDERS=primary,secondary"));
	add_env(u, mem_printf("PROVIDER_PRIMARY=" MOCK "?success=%g&latency=" MOCK_LATENCY,
	                      o->primary_success));
	add_env(u, mem_printf("PROVIDER_SECONDARY=" MOCK "?success=%g&latency=" MOCK_LATENCY,
	                      o->secondary_success));
	if (o->mail_from[0] == '\0')
		add_env(u, mem_strdup("MAIL_FROM=" MOCK_FROM));
	return true;
}

/* The API can be posted to, or will not be for a while: then nobody waits for it. */
static void on_knock(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct up *u = timer->data;

	(void)events;
	if (u->crew.stopping || (!port_answers(u->api.held) && ++u->knocks < MAX_KNOCKS))
		return;
	ev_timer_stop(loop, timer);
	ev_break(loop, EVBREAK_ALL);
}

static void watch(struct up *u)
{
	ev_signal_init(&u->on_term, on_signal, SIGTERM);
	ev_signal_init(&u->on_int, on_signal, SIGINT);
	ev_signal_init(&u->on_hup, on_signal, SIGHUP);
	ev_timer_init(&u->look, on_look, 0., LOOK_S);
	ev_timer_init(&u->knock, on_knock, 0., KNOCK_S);
	u->on_term.data = u->on_int.data = u->on_hup.data = u->look.data = u->knock.data = u;
	ev_signal_start(u->loop, &u->on_term);
	ev_signal_start(u->loop, &u->on_int);
	ev_signal_start(u->loop, &u->on_hup);
	ev_init(&u->on_redis, on_redis_end);
	u->on_redis.data = u;
}

static bool start_redis(struct up *u, struct error *err)
{
	u->options = u->args->options;
	u->options.redis_url = NULL;
	if (u->own_redis) {
		if (!private_redis_start(&u->redis, args_value(u->args, "data"), (int)u->port, err))
			return false;
		ev_child_set(&u->on_redis, u->redis.pid, 0);
		ev_child_start(u->loop, &u->on_redis);
		u->options.redis_url = mem_strdup(u->redis.url);
		if (u->demo_on) {
			char *path = mem_printf("%s/workers.log", u->redis.dir);

			u->log = fopen(path, "we");
			mem_free(path);
		}
	} else {
		u->options.redis_url = mem_strdup(u->args->options.redis_url);
	}
	return true;
}

/* Unique among all the workers of a Redis that we share with others. */
static char *worker_stem(const struct up *u)
{
	char host[64] = "";

	if (u->own_redis)
		return mem_strdup("worker");
	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "host");
	return mem_printf("%s-%d-worker", host, (int)getpid());
}

/* Returns when it answers, or all has ended. */
static bool start_api(struct up *u, struct error *err)
{
	if (!u->api_on)
		return true;
	if (!crew_add(&u->crew, "api", u->api_line.argv, true, err))
		return false;
	ev_timer_start(u->loop, &u->knock);
	ev_run(u->loop, 0);
	ev_timer_stop(u->loop, &u->knock);
	return true;
}

static bool start_workers(struct up *u, struct error *err)
{
	char *stem = worker_stem(u);
	bool ok = true;

	for (int i = 0; i < u->n_workers && ok; i++) {
		char *name = mem_printf("%s-%d", stem, i + 1);

		ok = crew_add(&u->crew, name, u->worker_line.argv, false, err);
		mem_free(name);
	}
	mem_free(stem);
	return ok;
}

static void prepare_to_lead(struct up *u)
{
	u->crew.loop = u->loop;
	u->crew.env = (const char *const *)u->env;
	/* With our Redis gone there is nothing that a worker could still do in order. */
	u->crew.death_signal = u->own_redis ? SIGKILL : SIGTERM;
	u->crew.on_line = on_line;
	u->crew.on_notice = on_notice;
	u->crew.on_end = on_crew_end;
	u->crew.data = u;
}

static bool serve(struct up *u, struct error *err)
{
	print_banner(u);
	u->demo_running = u->demo_on;
	prepare_to_lead(u);
	if (!start_api(u, err))
		return false;
	if (u->crew.stopping || u->code != CMD_OK)
		return true;
	if (!start_workers(u, err))
		return false;
	if (u->demo_on)
		ev_timer_start(u->loop, &u->look);
	else
		print_invitation(u);
	ev_run(u->loop, 0);
	return true;
}

static void clean_up(struct up *u)
{
	crew_free(&u->crew);
	demo_free(&u->demo);
	sync_close(u->sync);
	if (u->log != NULL)
		fclose(u->log);
	ev_child_stop(u->loop, &u->on_redis);
	private_redis_stop(&u->redis);
	local_api_release(&u->api);
	queue_set_free(&u->queues);
	mem_free(u->options.redis_url);
	for (size_t i = 0; i < u->n_env; i++)
		mem_free(u->env[i]);
	free(u->exe); /* realpath's own */
}

static int run_fleet(struct up *u)
{
	struct error err;

	if (!configure(u, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (!args_int(u->args, "workers", 1, MAX_WORKERS, &u->n_workers) ||
	    !args_int(u->args, "redis-port", 1, PORT_MAX, &u->port))
		return CMD_USAGE;
	if (u->api_on && !local_api_choose(&u->api, &u->args->options, u->port_set, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (!start_redis(u, &err))
		return cmd_fail(CMD_REDIS, "%s", err.text);
	if (!prepare_crew(u, &err) || !serve(u, &err))
		return cmd_fail(CMD_USAGE, "%s", err.text);
	if (u->code == CMD_OK)
		puts(u->own_redis ? "All workers have ended; Redis ends, too."
		                  : "All workers have ended.");
	return u->code;
}

static int run(struct args *a)
{
	struct up *u = mem_zalloc(sizeof(*u));
	int code;

	u->args = a;
	u->redis.lock = u->api.held = -1;
	u->loop = ev_default_loop(EVFLAG_AUTO);
	sigpipe_ignore();
	term_init(&u->term, stderr);
	watch(u);
	code = run_fleet(u);
	clean_up(u);
	mem_free(u);
	return code;
}

static const char *const flags[] = {"workers=", "data=", "redis-port=", "no-api",
                                    "demo",     "once",  NULL};

static const char help[] =
	"usage: postrider up [--workers N] [--no-api] [--demo [--once]] [OPTION…]\n"
	"\n"
	"Runs a whole fleet on this machine, in the foreground: a private redis-server, unless\n"
	"REDIS_URL names one, the HTTP API and several workers, which are started again when they die.\n"
	"Ctrl-C or SIGTERM drains first the API, then the workers, and ends Redis last; nothing is left\n"
	"behind.\n"
	"\n"
	"Without PROVIDERS there are two mocks, which lose some mails on purpose and deliver none.\n"
	"\n"
	"  --workers N       2 unless given\n"
	"  --data DIR        keep the private Redis's data there (append-only file); else they are gone\n"
	"                    when it ends\n"
	"  --redis-port N    of the private Redis; else 6379, or any free one when that is taken\n"
	"  --no-api          without the HTTP API. It listens on PORT, which must be free; when PORT is not\n"
	"                    set on 4000, or any free one when that is taken\n"
	"  --demo            send a handful of mails through mocks, show what becomes of them, and go on\n"
	"                    serving\n"
	"  --once            end when the demo's mails are settled\n"
	"\n"
	"All other options are passed on to the workers and the API.\n"
	"\n"
	"Examples\n"
	"  postrider up --demo\n"
	"  postrider up --workers 4 --data ./data --providers relay --provider-relay smtp://localhost:25\n"
	"\n"
	"Exit codes: 0 told to end, or --once and all settled; 2 the command line or the configuration is\n"
	"wrong; 3 there is no Redis.\n";

const struct cmd cmd_up = {
	.name = "up",
	.summary = "a whole fleet on this machine: Redis, API, workers; --demo shows it at work",
	.help = help,
	.flags = flags,
	.run = run,
	.shows_options = true,
};

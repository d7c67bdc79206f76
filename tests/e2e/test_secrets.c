/* Where credentials may turn up, they do not: logs at every level, all that is in Redis, what commands
 * print, the arguments that the kernel shows. The servers quote the credentials that they refuse. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/http_server.h"
#include "support/smtp_secure.h"

#define REDIS_PASSWORD "s3cr3t-redis"
#define JWT_SECRET "s3cr3t-jwt-that-is-long-enough-for-it"

static const char *const secrets[] = {
	"test-key-123",
	"YXBpOnRlc3Qta2V5LTEyMw==", /* api:test-key-123 */
	"wr0ng-key-456",
	"YXBpOndyMG5nLWtleS00NTY=", /* api:wr0ng-key-456 */
	"secret/+123",
	"secret%2F%2B123",
	"t0ken-789",
	"s3cr3t-smtp",
	"czNjcjN0LXNtdHA=",     /* s3cr3t-smtp */
	"AHUAczNjcjN0LXNtdHA=", /* \0u\0s3cr3t-smtp */
	"s3cr3t-flag",
	REDIS_PASSWORD,
	JWT_SECRET,
};

/* One that quotes, one that is refused, for each API. */
static const struct {
	const char *name, *api, *good, *bad;
} apis[] = {
	{"SG", "sendgrid", "sendgrid://test-key-123@default?", "sendgrid://wr0ng-key-456@default?"},
	{"MG", "mailgun", "mailgun://test-key-123:mg.example.org@default?",
         "mailgun://wr0ng-key-456:mg.example.org@default?"},
	{"SES", "ses",
         "ses://AKIDEXAMPLE:secret%2F%2B123@default?region=eu-west-1&session_token=t0ken-789&",
         "ses://AKIDEXAMPLE:wr0ng-key-456@default?region=eu-west-1&"},
	{"PM", "postmark", "postmark://test-key-123@default?", "postmark://wr0ng-key-456@default?"},
	{"RS", "resend", "resend://test-key-123@default?", "resend://wr0ng-key-456@default?"},
};

#define N_APIS (sizeof(apis) / sizeof(apis[0]))

/* Everything in Redis, as one text. */
static const char dump[] =
	"local out = {} "
	"for _, k in ipairs(redis.call('KEYS', '*')) do "
	"  local t = redis.call('TYPE', k).ok "
	"  local v = t == 'hash' and redis.call('HGETALL', k) or t == 'list' and redis.call('LRANGE', k, 0, -1) "
	"    or t == 'zset' and redis.call('ZRANGE', k, 0, -1) or t == 'stream' and redis.call('XRANGE', k, '-', '+') "
	"    or {redis.call('GET', k)} "
	"  out[#out + 1] = k .. ' ' .. cjson.encode(v) "
	"end "
	"return table.concat(out, '\\n')";

static void assert_tells_nothing(const char *what, const char *text)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		const char *found = strstr(text, secrets[i]);

		if (found != NULL)
			fail_msg("%s tells \"%s\": …%.300s", what, secrets[i],
			         found - (found - text > 150 ? 150 : found - text));
	}
}

static void assert_output_tells_nothing(const char *what, struct process *p)
{
	char *out = process_stdout(p), *err = process_stderr(p);

	assert_tells_nothing(what, out);
	assert_tells_nothing(what, err);
	free(out);
	free(err);
}

static void assert_arguments_tell_nothing(const struct process *p)
{
	char path[64], line[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)process_pid(p));
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		line[i] = line[i] == '\0' ? ' ' : line[i];
	line[n] = '\0';
	assert_non_null(strstr(line, "provider-flagged")); /* it is the right one */
	assert_tells_nothing("the command line", line);
}

/* Runs a command to its end; its output, which tells nothing. */
static void look(struct fleet *f, const char *const *arguments, const char *has)
{
	struct process *p = fleet_run(f, arguments, NULL);
	char *out;

	(void)process_wait(p, 0);
	assert_output_tells_nothing(arguments[0], p);
	out = process_stdout(p);
	if (strstr(out, has) == NULL)
		fail_msg("%s does not say \"%s\": %s", arguments[0], has, out);
	free(out);
	fleet_end(f, p);
}

#define LOOK(F, HAS, ...) look((F), (const char *const[]){__VA_ARGS__, NULL}, (HAS))

static void configure(struct fleet *f, struct http_server *server, const struct smtp_secure *smtp)
{
	char names[256] = "flagged,smtp";

	for (size_t i = 0; i < N_APIS; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, ",%s,%s-bad", apis[i].name, apis[i].name);
		fleet_set(f, "PROVIDER_%s=%sendpoint=%s", apis[i].name, apis[i].good,
		          http_server_url(server, "echo", apis[i].api));
		fleet_set(f, "PROVIDER_%s_BAD=%sendpoint=%s", apis[i].name, apis[i].bad,
		          http_server_url(server, "echo", apis[i].api));
	}
	fleet_set(f, "PROVIDERS=%s", names);
	fleet_set(f, "PROVIDER_SMTP=smtp://u:s3cr3t-smtp@127.0.0.1:%d?tls=none&auth_insecure=1",
	          smtp_secure_port(smtp));
	fleet_set(f, "REDIS_URL=unix://:" REDIS_PASSWORD "@%s",
	          redis_server_socket(fleet_redis(f)));
	fleet_set(f, "JWT_SECRET=" JWT_SECRET);
	fleet_set(f, "LOG_LEVEL=debug");
	fleet_set(f, "RETRY_BASE_DELAY=1");
}

static void push_to(struct fleet *f, const char *provider)
{
	char more[64];

	snprintf(more, sizeof(more), ",\"provider\":\"%s\"", provider);
	fleet_push(f, provider, more);
}

static void test_credentials_are_nowhere(void **state)
{
	static const char *const flagged[] = {
		"worker", "--provider-flagged",
		"sendgrid://s3cr3t-flag@default?endpoint=http://127.0.0.1:1", NULL};
	struct fleet *f = fleet_start((const char *const[]){"--requirepass", REDIS_PASSWORD, NULL});
	struct http_server *server = http_server_start();
	struct smtp_secure *smtp = smtp_secure_start(
		NULL, (const char *const[]){"user=u:other", "echo", NULL});
	struct process *worker, *api;
	char *all;

	(void)state;
	redis_server_set_password(fleet_redis(f), REDIS_PASSWORD);
	configure(f, server, smtp);
	worker = fleet_run(f, flagged, NULL);
	for (size_t i = 0; i < N_APIS; i++) {
		char bad[16];

		push_to(f, apis[i].name);
		fleet_wait_status(f, apis[i].name, "failed");
		snprintf(bad, sizeof(bad), "%s-bad", apis[i].name);
		push_to(f, bad); /* waits for its provider, which is down */
		fleet_wait_status(f, bad, "retrying");
	}
	push_to(f, "smtp");
	fleet_wait_status(f, "smtp", "retrying");
	push_to(f, "flagged");
	fleet_wait_status(f, "flagged", "failed");

	all = redis_server_text(fleet_redis(f), "EVAL %s 0", dump);
	assert_non_null(strstr(all, "***")); /* they were quoted */
	assert_non_null(strstr(all, "535 5.7.8: no *** *** ***"));
	assert_tells_nothing("Redis", all);
	free(all);
	assert_arguments_tell_nothing(worker);

	fleet_set(f, "PROVIDER_FLAGGED=sendgrid://s3cr3t-flag@default?endpoint=http://127.0.0.1:1");
	LOOK(f, "provider_down", "check", "--live");
	LOOK(f, "\"live\"", "check", "--live", "--json");
	LOOK(f, "***", "status", "SG");
	LOOK(f, "***", "dead", "show", "MG");
	LOOK(f, "***", "dead", "list");
	LOOK(f, "open", "queues");
	LOOK(f, "REDIS_URL", "worker", "--help");
	LOOK(f, "REDIS_URL", "options");
	fleet_set(f, "PORT=0");
	api = fleet_run(f, (const char *const[]){"api", NULL}, NULL);
	process_wait_line(api, "\"api_started\"", 0);
	fleet_stop(f, api);
	assert_output_tells_nothing("api", api);
	process_signal(worker, SIGHUP);
	process_wait_line(worker, "\"reloaded\"", 0);
	fleet_stop(f, worker);
	assert_true(process_count_lines(worker, "\"attempt_ended\"") >= 2 * N_APIS + 2);
	assert_output_tells_nothing("worker", worker);
	http_server_free(server);
	smtp_secure_free(smtp);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials_are_nowhere),
	};

	return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}

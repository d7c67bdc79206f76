/* The least rights that the README names are enough, and are no more than said (FAULTS 44). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/fleet.h"
#include "support/wait.h"

#define README "README.md" /* tests run in the project's directory */

/* Runs the README's lines "ACL SETUSER <user> …", which are meant to be copied. */
static void set_users(struct fleet *f)
{
	FILE *readme = fopen(README, "r");
	char line[1024];
	int users = 0;

	assert_non_null(readme);
	while (fgets(line, sizeof(line), readme)) {
		if (strncmp(line, "ACL SETUSER ", 12) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		assert_null(strchr(line, '"'));
		/* hiredis splits the format at its spaces; percent signs are the rule's own */
		char *escaped = calloc(2, sizeof(line));
		char *to = escaped;
		for (const char *c = line; *c != '\0'; c++) {
			if (*c == '%')
				*to++ = '%';
			*to++ = *c;
		}
		redis_server_do(fleet_redis(f), escaped);
		free(escaped);
		users++;
	}
	fclose(readme);
	assert_int_equal(users, 4);
}

/* What this user is answered; a new string (free). */
static char *as_user(struct fleet *f, const char *user, const char *format, ...)
{
	redisContext *c = redisConnectUnix(redis_server_socket(fleet_redis(f)));
	redisReply *r;
	va_list args;
	char *text;

	assert_non_null(c);
	r = redisCommand(c, "AUTH %s secret", user);
	assert_non_null(r);
	assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
	freeReplyObject(r);
	va_start(args, format);
	r = redisvCommand(c, format, args);
	va_end(args);
	assert_non_null(r);
	text = strdup(r->str ? r->str : "");
	freeReplyObject(r);
	redisFree(c);
	return text;
}

static void assert_refused(struct fleet *f, const char *user, const char *command)
{
	char *said = as_user(f, user, command);

	if (strncmp(said, "NOPERM", 6) != 0)
		fail_msg("%s may do: %s", user, command);
	free(said);
}

static bool is_in_the_list(void *arg)
{
	return redis_server_int(fleet_redis(arg), "ZCARD mail:workers") == 1;
}

/* Everything that the API does in Redis. */
static void use_the_api(struct fleet *f)
{
	char url[300];
	struct api_process a;

	snprintf(url, sizeof(url), "REDIS_URL=unix://api:secret@%s",
	         redis_server_socket(fleet_redis(f)));
	a = api_start(f, (const char *const[]){url, "KEEP_SENT=100", NULL});
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("posted"));
	fleet_wait_status(f, "posted", "sent");
	fleet_wait_settled(f, NULL);
	api_expect(&a, 200, "GET", "/api/email/status/posted", NULL);
	api_expect(&a, 202, "POST", "/api/email/resend/posted", "{\"force\":true}");
	fleet_wait_settled(f, NULL);
	api_expect(&a, 409, "DELETE", "/api/email/posted", NULL);
	api_expect(&a, 200, "GET", "/api/email/queue/status", NULL);
	api_expect(&a, 200, "GET", "/providers/stats", NULL);
	api_expect(&a, 200, "POST", "/circuit-breakers/reset", "{}");
	api_expect(&a, 200, "GET", "/metrics", NULL);
	wait_until(is_in_the_list, f, 0);
	api_expect(&a, 200, "GET", "/health", NULL);
	api_expect(&a, 200, "GET", "/readyz", NULL);
	assert_int_equal(process_count_lines(a.process, "NOPERM"), 0);
	assert_int_equal(process_count_lines(a.process, "ACL failure"), 0);
	fleet_end(f, a.process);
}

static void test_the_least_rights_are_enough(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *job = fleet_job("acl", ""), *said;

	(void)state;
	set_users(f);
	fleet_set(f, "REDIS_URL=unix://worker:secret@%s", redis_server_socket(fleet_redis(f)));
	fleet_set(f, "PROVIDER_PRIMARY=mock://?latency=0&success=0.5&seed=7");
	fleet_set(f, "MAX_RETRY_ATTEMPTS=50");
	fleet_set(f, "KEEP_SENT=100");
	struct process *w = fleet_worker(f, NULL);
	said = as_user(f, "producer", "LPUSH " FLEET_QUEUE " %s", job);
	free(said);
	fleet_push(f, "acl-broken", ",\"priority\":\"x\"");
	fleet_push(f, "acl-later", ",\"delay\":300");
	fleet_push_many(f, NULL, "acl", 50, "");
	fleet_wait_status(f, "acl", "sent");
	fleet_wait_settled(f, NULL);
	said = as_user(f, "producer", "HGET mail:status:acl status");
	assert_string_equal(said, "sent");
	free(said);
	assert_refused(f, "producer", "RPOP " FLEET_QUEUE);
	assert_refused(f, "producer", "HSET mail:status:acl status failed");
	assert_refused(f, "producer", "GET other");
	assert_refused(f, "producer", "HGETALL {mail:queue}:jobs");
	assert_refused(f, "worker", "SET other x");
	assert_refused(f, "worker", "FLUSHALL");
	assert_refused(f, "worker", "CONFIG GET *");
	assert_refused(f, "api", "SET other x");
	assert_refused(f, "api", "FLUSHALL");
	assert_refused(f, "dashboard", "HSET mail:status:acl status failed");
	assert_refused(f, "dashboard", "LPUSH " FLEET_QUEUE " x");
	assert_refused(f, "dashboard", "GET other");
	said = as_user(f, "dashboard", "HGET mail:status:acl status");
	assert_string_equal(said, "sent");
	free(said);
	use_the_api(f);
	/* nothing that a worker does was refused */
	assert_int_equal(process_count_lines(w, "NOPERM"), 0);
	fleet_stop(f, w);
	fleet_free(f);
	free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least_rights_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

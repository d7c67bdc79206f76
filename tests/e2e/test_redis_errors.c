/* Each error that Redis has for us, said by a real one: what the API's clients and the command line are told, and that
 * nothing is called taken that is not. What workers do about each is in test_redis. */
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
#include "support/tally.h"
#include "support/trouble.h"
#include "support/wait.h"

static const struct {
	const char *code;
	int status;         /* what the API answers meanwhile */
	const char *advice; /* what the command line says; NULL: it succeeds */
	bool retry_after;
} cases[] = {
	{"WRONGTYPE", 500, "something else lies under a key of ours",
         false}, /* (ends with an empty list) */
	{"OOM", 503, "raise its maxmemory", true},
	{"NOREPLICAS", 503, "bring them back", true},
	{"MISCONF", 503, "it cannot save to its disk", true},
	{"BUSY", 503, "somebody's script keeps it busy", true},
	{"READONLY", 503, "name the master in REDIS_URL", true},
	{"NOSCRIPT", 202, NULL, false},
	{"NOAUTH", 503, "it asks for a password", true},
	{"NOPERM", 503, "the least rights", true},
	{"LOADING", 503, "it reads its data from the disk", true},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* A mail under this key; a new string (free). */
static char *mail(const char *key)
{
	char *body;

	assert_true(asprintf(&body,
	                     "{\"to\":\"ada@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\","
	                     "\"idempotencyKey\":\"%s\"}",
	                     key) > 0);
	return body;
}

static void check_api(const struct api_process *a, size_t i)
{
	char *body = mail(cases[i].code);
	struct answer *r = api_post(a, API_SEND, body, NULL);
	char *wait = answer_header(r, "Retry-After");

	answer_status(r, cases[i].status);
	if ((wait != NULL) != cases[i].retry_after)
		fail_msg("%s: Retry-After is %s", cases[i].code, wait ? wait : "not there");
	free(wait);
	free(body);
	answer_free(r);
}

/* `send` ends with 1 or 3, and says what to do. */
static void check_command_line(struct fleet *f, size_t i)
{
	char key[32];
	struct process *p;
	char *said;
	int code;

	snprintf(key, sizeof(key), "cli-%s", cases[i].code);
	p = fleet_run(f,
	              (const char *const[]){"send", "--to", "ada@example.com", "--subject", "Hi",
	                                    "--text", "Hello", "--key", key, NULL},
	              NULL);
	code = process_wait(p, 0);
	said = process_stderr(p);
	if (cases[i].advice == NULL) {
		assert_int_equal(code, 0);
	} else {
		assert_true(code == 1 || code == 3);
		if (strstr(said, cases[i].code) == NULL || strstr(said, cases[i].advice) == NULL)
			fail_msg("%s: the command line said: %s", cases[i].code, said);
	}
	free(said);
	fleet_end(f, p);
}

static void test_each_error(void **state)
{
	struct fleet *f = fleet_start(trouble_args);
	struct redis_server *redis = fleet_redis(f);
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	struct api_process a;
	struct tally *t;
	char *body;

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=0");
	a = api_start(f, NULL);
	for (size_t i = 0; i < CASES; i++) {
		long long before = redis_server_int(redis, "LLEN " FLEET_QUEUE);

		trouble_begin(redis, cases[i].code);
		check_api(&a, i);
		check_command_line(f, i);
		if (cases[i].retry_after && strcmp(cases[i].code, "NOPERM") != 0)
			api_expect(&a, 503, "GET", "/readyz", NULL);
		trouble_end(redis, cases[i].code);
		if (cases[i].status != 202)
			assert_int_equal(redis_server_int(redis, "LLEN " FLEET_QUEUE), before);
		/* it finds its way back */
		body = mail(cases[i].code);
		(void)api_post_until_taken(&a, API_SEND, body);
		free(body);
		print_message("%s: well\n", cases[i].code);
	}
	/* each once, whatever was said on the way */
	fleet_worker(f, NULL);
	for (size_t i = 0; i < CASES; i++)
		fleet_wait_status(f, cases[i].code, "sent");
	fleet_wait_settled(f, NULL);
	t = tally_of_record(record);
	assert_int_equal(tally_most(t), 1);
	tally_free(t);
	fleet_free(f);
}

/* A breaker that could not be closed is not said to be. */
static void test_a_reset_that_is_not_written(void **state)
{
	struct fleet *f = fleet_start(trouble_args);
	struct redis_server *redis = fleet_redis(f);
	struct api_process a;
	char *breaker;

	(void)state;
	a = api_start(f, NULL);
	redis_server_do(redis, "HSET mail:provider:primary state open generation 4 failures 5");
	trouble_begin(redis, "NOREPLICAS");
	api_expect(&a, 503, "POST", "/circuit-breakers/reset", "{}");
	trouble_end(redis, "NOREPLICAS");
	breaker = fleet_provider_field(f, "primary", "state");
	assert_string_equal(breaker, "open");
	free(breaker);
	api_expect(&a, 200, "POST", "/circuit-breakers/reset", "{}");
	breaker = fleet_provider_field(f, "primary", "state");
	assert_string_equal(breaker, "closed");
	free(breaker);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_error),
		cmocka_unit_test(test_a_reset_that_is_not_written),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

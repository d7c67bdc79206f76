/* The dashboard in a real Chromium: each test starts a fleet, and a scenario of tests/e2e/dashboard that looks at it and
 * says when something is to happen ("step: …"). Screenshots stay in <build>/screenshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/api_keys.h"
#include "support/npm.h"
#include "support/port.h"
#include "support/process.h"
#include "support/tmpdir.h"

#define SCENARIO_MS 300000 /* for a browser on a busy machine */
#define GOOD "PROVIDER_PRIMARY=mock://?latency=0"
#define SLOW "PROVIDER_PRIMARY=mock://?latency=5-20&rate=20/s"
#define REJECTS "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1"
#define FAILS "PROVIDER_PRIMARY=mock://?success=0&fail=retry:1"
#define EVIL "<img src=x onerror=window.hit=1>"

/* What all scenarios need; a NULL chromium: they are skipped. */
static struct {
	char *playwright, *axe, *chromium, *shots;
} tools;

static char *find_chromium(void)
{
	char *out;
	int code = process_run(
		(const char *const[]){"sh", "-c",
	                              "command -v chromium || command -v chromium-browser", NULL},
		NULL, NULL, &out, NULL);

	out[strcspn(out, "\n")] = '\0';
	if (code == 0 && *out != '\0')
		return out;
	free(out);
	printf("skipped: there is no chromium\n");
	return NULL;
}

/* <build>/screenshots: this program is <build>/tests/e2e/test_dashboard. */
static char *shots_directory(void)
{
	char self[2048], *dir;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	assert_true(asprintf(&dir, "%s/screenshots", self) > 0);
	(void)mkdir(dir, 0777);
	return dir;
}

static int setup(void **state)
{
	(void)state;
	tools.chromium = find_chromium();
	if (tools.chromium == NULL)
		return 0;
	tools.playwright = npm_install("playwright-core@1.65.1", "playwright-core/index.js");
	tools.axe = npm_install("axe-core@4.14.1", "axe-core/axe.min.js");
	tools.shots = shots_directory();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(tools.playwright);
	free(tools.axe);
	free(tools.chromium);
	free(tools.shots);
	return 0;
}

static struct fleet *begin(void)
{
	if (tools.chromium == NULL || tools.playwright == NULL || tools.axe == NULL)
		skip();
	return fleet_start(NULL);
}

/* --- a scenario ---------------------------------------------------------------------------------------------- */

/* more: NULL, or "NAME=value", NULL-terminated, at most four. */
static struct process *scenario(const char *name, const struct api_process *a,
                                const char *const *more)
{
	const char *env[12] = {NULL};
	char *script, *values[5];
	struct process *p;
	size_t n = 0;

	assert_true(asprintf(&script, "tests/e2e/dashboard/%s.js", name) > 0);
	assert_true(asprintf(&values[0], "URL=http://localhost:%d", a->port) > 0);
	assert_true(asprintf(&values[1], "PLAYWRIGHT=%s", tools.playwright) > 0);
	assert_true(asprintf(&values[2], "AXE=%s", tools.axe) > 0);
	assert_true(asprintf(&values[3], "CHROMIUM=%s", tools.chromium) > 0);
	assert_true(asprintf(&values[4], "SHOTS=%s", tools.shots) > 0);
	for (size_t i = 0; i < 5; i++)
		env[n++] = values[i];
	for (size_t i = 0; more != NULL && more[i] != NULL; i++)
		env[n++] = more[i];
	p = process_start((const char *const[]){"node", script, NULL}, env);
	for (size_t i = 0; i < 5; i++)
		free(values[i]);
	free(script);
	return p;
}

static void wait_step(struct process *p, const char *what)
{
	char line[64];

	snprintf(line, sizeof(line), "step: %s", what);
	process_wait_line(p, line, SCENARIO_MS);
}

static void finish(struct process *p)
{
	int code = process_wait(p, SCENARIO_MS);

	if (code != 0) {
		char *err = process_stderr(p);

		fail_msg("it ended with %d: %s", code, err);
	}
	process_free(p);
}

static struct process *worker(struct fleet *f, const char *provider)
{
	return fleet_worker_ready(f, (const char *const[]){provider, NULL});
}

/* n mails that no provider takes: <stem>-0 … */
static void bury(struct fleet *f, const char *stem, int n)
{
	struct process *w = worker(f, REJECTS);
	char key[64];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%s-%d", stem, i);
		fleet_push(f, key, "");
		fleet_wait_status(f, key, "failed");
	}
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
}

/* --- the tests ----------------------------------------------------------------------------------------------- */

static void test_pages(void **state)
{
	struct fleet *f = begin();
	struct api_process a = api_start(f, NULL);
	struct process *p, *w;

	(void)state;
	p = scenario("pages", &a, NULL);
	wait_step(p, "send");
	bury(f, "page", 3);
	w = worker(f, REJECTS);
	fleet_push(f, "page-bad", "");
	fleet_wait_status(f, "page-bad", "failed");
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	redis_server_do(fleet_redis(f), "DEL mail:status:page-1");
	(void)worker(f, SLOW);
	fleet_push(f, "page-1", "");
	fleet_push_many(f, NULL, "flow", 400, "");
	finish(p);
	fleet_free(f);
}

static void test_send(void **state)
{
	struct fleet *f = begin();
	struct api_process a;
	struct process *p;

	(void)state;
	fleet_set(f, "KEEP_SENT=600");
	a = api_start(f, (const char *const[]){"RATE_LIMIT_MAX_REQUESTS=0", NULL});
	(void)worker(f, GOOD);
	p = scenario("send", &a, NULL);
	finish(p);
	fleet_free(f);
}

static void test_breaker_and_two_windows(void **state)
{
	struct fleet *f = begin();
	struct process *p, *w;
	struct api_process a;

	(void)state;
	fleet_set(f, "CIRCUIT_BREAKER_TIMEOUT=600000");
	a = api_start(f, NULL);
	w = worker(f, GOOD);
	fleet_push(f, "first", "");
	fleet_wait_status(f, "first", "sent");
	p = scenario("breaker", &a, NULL);
	wait_step(p, "open the breaker");
	fleet_stop(f, w);
	w = worker(f, FAILS);
	fleet_push_many(f, NULL, "storm", 30, ",\"maxAttempts\":20");
	wait_step(p, "mend the provider");
	fleet_stop(f, w);
	(void)worker(f, GOOD);
	finish(p);
	fleet_free(f);
}

static void test_dead_letters(void **state)
{
	struct fleet *f = begin();
	struct api_process a = api_start(f, NULL);
	struct process *p, *w;

	(void)state;
	bury(f, "dead", 4);
	w = worker(f, GOOD);
	fleet_push_raw(f, FLEET_QUEUE, "{broken", 7);
	fleet_wait_settled(f, NULL);
	fleet_stop(f, w);
	assert_int_equal(fleet_dead_count(f, NULL), 5);
	redis_server_do(fleet_redis(f), "HSET mail:status:dead-1 status sent");
	p = scenario("dead", &a, NULL);
	wait_step(p, "mend the provider");
	(void)worker(f, GOOD);
	finish(p);
	assert_int_equal(fleet_dead_count(f, NULL), 0);
	fleet_free(f);
}

static void test_outages(void **state)
{
	struct fleet *f = begin();
	char port[32];
	const char *const extra[] = {port, NULL};
	struct api_process a;
	struct process *p;

	(void)state;
	snprintf(port, sizeof(port), "PORT=%d", port_free());
	a = api_start(f, extra);
	(void)worker(f, GOOD);
	p = scenario("outage", &a, NULL);
	wait_step(p, "redis away");
	redis_server_kill(fleet_redis(f));
	wait_step(p, "redis back");
	redis_server_run(fleet_redis(f));
	wait_step(p, "api away");
	fleet_end(f, a.process);
	wait_step(p, "api back");
	a = api_start(f, extra);
	finish(p);
	fleet_free(f);
}

static void test_hostile_text(void **state)
{
	struct fleet *f = begin();
	struct redis_server *redis = fleet_redis(f);
	struct api_process a;
	struct process *p;

	(void)state;
	a = api_start(f, (const char *const[]){
				 "QUEUES=mail:queue,mail:<script>window.hit=1</script>", NULL});
	bury(f, "evil", 1);
	redis_server_do(redis, "HSET mail:status:evil-0 error %s", EVIL " error");
	redis_server_do(redis, "HSET mail:status:evil status failed to %s subject %s attempt:1 %s",
	                EVIL, EVIL " subject", "primary rejected 550 1ms " EVIL " text");
	redis_server_do(redis,
	                "HSET mail:provider:primary state open opened_at 9999999999999 open_for 1 "
	                "reason %s",
	                EVIL " reason");
	redis_server_do(redis, "XADD {mail:queue}:events * provider primary status failed code %s",
	                EVIL);
	redis_server_do(redis, "ZADD mail:workers 9999999999999 %s", EVIL);
	redis_server_do(redis, "SET mail:worker:%s %s", EVIL, "0.1.0");
	fleet_push(f, "evil-payload", ",\"tags\":[\"" EVIL "\"]");
	redis_server_do(redis, "HSET {mail:queue}:jobs 00 %s", "{\"x\":\"" EVIL "\"}");
	redis_server_do(redis, "ZADD {mail:queue}:dead 9999999999999 00");
	p = scenario("hostile", &a, NULL);
	finish(p);
	fleet_free(f);
}

static void test_keyboard(void **state)
{
	struct fleet *f = begin();
	struct api_process a = api_start(f, NULL);
	struct process *p;

	(void)state;
	bury(f, "dead", 2);
	(void)worker(f, GOOD);
	fleet_push(f, "kept", "");
	fleet_wait_status(f, "kept", "sent");
	p = scenario("keyboard", &a, NULL);
	finish(p);
	fleet_free(f);
}

static const struct api_key people[] = {{"reader", "read", "key-reader"},
                                        {"sender", "send", "key-sender"},
                                        {"admin", "admin", "key-admin"}};

static void test_sign_in(void **state)
{
	struct fleet *f = begin();
	char *keys = api_keys_file(people, 3), setting[512], other[64];
	struct api_process a, b;
	struct process *p;

	(void)state;
	snprintf(setting, sizeof(setting), "API_KEYS_FILE=%s", keys);
	a = api_start(f, (const char *const[]){setting, NULL});
	b = api_start(f, NULL);
	snprintf(other, sizeof(other), "URL2=http://localhost:%d", b.port);
	bury(f, "dead", 1);
	(void)worker(f, GOOD);
	fleet_push(f, "first", "");
	fleet_wait_status(f, "first", "sent");
	p = scenario(
		"login", &a,
		(const char *const[]){"KEYS=reader=key-reader,sender=key-sender,admin=key-admin",
	                              other, NULL});
	finish(p);
	free(keys);
	fleet_free(f);
}

/* Written as workers would have left it. */
static void fill_the_fleet(struct redis_server *redis)
{
	static const char script[] =
		"local now, long = redis.call('TIME')[1] * 1000, string.rep('k', 250) "
		"for i = 0, 999 do "
		" local id, key = string.format('%016x', i), long .. string.format('%03d', i) "
		" redis.call('HSET', 'mail:status:' .. key, 'owner', 'mail:queue#' .. id, 'fingerprint', 'f', "
		"  'status', 'failed', 'to', string.rep('a', 60) .. '@' .. string.rep('example', 20) .. '.com', "
		"  'subject', string.rep('Donaudampfschiffahrtsgesellschaft', 5), 'provider', string.rep('p', 63), "
		"  'attempts', 9, 'created_at', now, 'updated_at', now, "
		"  'error', '550 5.1.1: ' .. string.rep('unbreakable', 30)) "
		" for n = 1, 9 do redis.call('HSET', 'mail:status:' .. key, 'attempt:' .. n, "
		"  string.rep('p', 63) .. ' retry 451 12345ms ' .. string.rep('unbreakable', 30)) end "
		" redis.call('HSET', '{mail:queue}:jobs', id, cjson.encode({idempotencyKey = key, subject = long, to = 'a@x.org'})) "
		" redis.call('ZADD', '{mail:queue}:dead', now - i, id) "
		"end "
		"for i = 1, 60 do "
		" local name = string.format('%02d-', i) .. string.rep('worker', 20) "
		" redis.call('ZADD', 'mail:workers', now + 600000, name) "
		" redis.call('SET', 'mail:worker:' .. name, '0.1.0 100000 ' .. now .. ' 12345') "
		"end "
		"for i = 1, 49 do redis.call('LPUSH', 'mail:q' .. i, '{}') end "
		"for i = 1, 11 do redis.call('HSET', 'mail:provider:p' .. i, 'state', 'open', 'opened_at', now, "
		" 'reason', string.rep('unbreakable', 20)) end";

	redis_server_do(redis, "EVAL %s 0", script);
}

static void test_a_crowd(void **state)
{
	struct fleet *f = begin();
	char queues[2048] = "QUEUES=mail:queue", providers[256] = "PROVIDERS=";
	const char *settings[16] = {queues, providers, NULL};
	char dsns[12][128], longest[64];
	struct api_process a;

	(void)state;
	for (int i = 1; i < 50; i++)
		snprintf(
			queues + strlen(queues), sizeof(queues) - strlen(queues), ",mail:q%d%s", i,
			i == 48 ? ":a-queue-whose-name-says-everything-about-what-is-in-it-and-more"
				: "");
	for (int i = 1; i < 12; i++) {
		snprintf(providers + strlen(providers), sizeof(providers) - strlen(providers),
		         "p%d,", i);
		snprintf(dsns[i], sizeof(dsns[i]), "PROVIDER_P%d=mock://?rate=1000000/s", i);
		settings[1 + i] = dsns[i];
	}
	memset(longest, 'p', 63);
	longest[63] = '\0';
	snprintf(providers + strlen(providers), sizeof(providers) - strlen(providers), "%s",
	         longest);
	for (int i = 0; i < 63; i++)
		longest[i] = 'P';
	snprintf(dsns[0], sizeof(dsns[0]), "PROVIDER_%s=mock://", longest);
	settings[13] = dsns[0];
	fill_the_fleet(fleet_redis(f));
	a = api_start(f, settings);
	finish(scenario("crowd", &a, NULL));
	assert_int_equal(fleet_dead_count(f, NULL), 0);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_breaker_and_two_windows),
		cmocka_unit_test(test_dead_letters),
		cmocka_unit_test(test_outages),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_keyboard),
		cmocka_unit_test(test_sign_in),
		cmocka_unit_test(test_a_crowd),
	};
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, teardown);
}

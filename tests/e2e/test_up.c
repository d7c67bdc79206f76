/* `up`: a whole fleet on one machine, started, seen, disturbed and ended; nothing is left behind. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/cli.h"
#include "support/fleet.h"
#include "support/port.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/tmpdir.h"
#include "support/up.h"
#include "support/wait.h"

#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static bool two_workers(void *arg)
{
	struct up *u = arg;

	cli_run(u->cli, NULL, "queues", "--json", NULL);
	return u->cli->code == 0 && strcmp(cli_text(u->cli, "workers"), "2") == 0;
}

/* Sends mail through the fleet as a user does. */
static void expect_delivers(struct up *u, const char *key)
{
	cli_expect(u->cli, 0, NULL, "send", "--to", "ada@example.com", "--subject", "Hi", "--text",
	           "Hello", "--key", key, "--wait", NULL);
}

static void test_serves(void **state)
{
	struct up u;
	char *out;

	(void)state;
	up_start(&u, NULL, (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	up_find_redis(&u);
	out = process_stdout(u.process);
	cli_assert_has(out, "Nothing is really delivered");
	free(out);
	wait_until(two_workers, &u, 0);
	expect_delivers(&u, "order-42");
	process_wait_line(u.process, "worker-1 | ", 0);
	process_wait_line(u.process, "worker-2 | ", 0);
	up_find_children(&u);
	assert_int_equal(u.n_pids, 4);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

/* Ctrl-C in a terminal reaches the whole foreground group: its children must not hear it. */
static void test_interrupt(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, (const char *const[]){"--workers", "3", NULL}, NULL);
	up_find_redis(&u);
	process_wait_lines(u.process, "worker_started", 3, 0);
	up_find_children(&u);
	assert_int_equal(u.n_pids, 5);
	for (size_t i = 0; i < u.n_pids; i++)
		assert_int_not_equal(getpgid(u.pids[i]), getpgid(process_pid(u.process)));
	process_signal(u.process, SIGINT);
	assert_int_equal(process_wait(u.process, 0), 0);
	process_wait_lines(u.process, "worker_ended", 3, 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

static void test_worker_dies(void **state)
{
	struct up u;
	pid_t victim;

	(void)state;
	up_start(&u, (const char *const[]){"--workers=1", NULL},
	         (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	up_find_redis(&u);
	expect_delivers(&u, "order-1");
	victim = up_find_child(&u, "worker");
	assert_true(victim > 0);
	assert_int_equal(kill(victim, SIGKILL), 0);
	process_wait_line(u.process, "worker-1 was killed by signal 9", 0);
	expect_delivers(&u, "order-2");
	assert_int_not_equal(up_find_child(&u, "worker"), victim);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
}

/* What the API takes goes out by the fleet, and all that it prints to try it out works. */
static void test_api(void **state)
{
	struct answer *r;
	struct up u;
	char *line;

	(void)state;
	up_start(&u, NULL, (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	up_find_redis(&u);
	up_find_api(&u);
	r = api_post(&u.api, API_SEND, API_MAIL("order-42"),
	             (const char *const[]){"Prefer: wait=30", NULL});
	answer_status(r, 200);
	answer_is(r, "status", "sent");
	answer_is(r, "provider", "primary");
	answer_free(r);
	cli_expect(u.cli, 0, NULL, "status", "order-42", "--json", NULL);
	assert_string_equal(cli_text(u.cli, "status"), "sent");
	assert_true(asprintf(&line,
	                     "  curl -H 'Content-Type: application/json' "
	                     "http://127.0.0.1:%d/api/email/send \\",
	                     u.api.port) > 0);
	assert_int_equal(process_count_lines(u.process, line), 1);
	free(line);
	assert_int_equal(process_stop(u.process, 0), 0);
	process_wait_line(u.process, "api | ", 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

static bool serves(void *arg)
{
	struct up *u = arg;
	struct answer *r = api_get(&u->api, "/readyz");
	bool ok = r->status == 200;

	answer_free(r);
	return ok;
}

static void test_api_dies(void **state)
{
	struct up u;
	pid_t victim;

	(void)state;
	up_start(&u, (const char *const[]){"--workers=1", NULL}, NULL);
	up_find_api(&u);
	wait_until(serves, &u, 0);
	victim = up_find_child(&u, "api");
	assert_true(victim > 0);
	assert_int_equal(kill(victim, SIGKILL), 0);
	process_wait_line(u.process, "api was killed by signal 9", 0);
	wait_until(serves, &u, 0); /* on the port where it was */
	assert_int_not_equal(up_find_child(&u, "api"), victim);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
}

/* A configuration that has become wrong stops who is started with it, and not those that run. */
static void test_api_refuses_later(void **state)
{
	static const char line[] = "shop:send:" SHA256_OF_NOTHING "\n";
	char *keys = tmpdir_file("keys", line, strlen(line)), *away = tmpdir_name("keys");
	char *setting;
	struct up u;

	(void)state;
	assert_true(asprintf(&setting, "API_KEYS_FILE=%s", keys) > 0);
	up_start(&u, NULL,
	         (const char *const[]){setting, "API_HOST=127.0.0.1",
	                               "PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	up_find_redis(&u);
	up_find_api(&u);
	wait_until(serves, &u, 0);
	process_wait_line(u.process, "curl -H \"X-API-Key: $API_KEY\" http", 0);
	assert_int_equal(rename(keys, away), 0);
	assert_int_equal(kill(up_find_child(&u, "api"), SIGKILL), 0);
	process_wait_line(u.process, "api ended with code 2", 0);
	expect_delivers(&u, "order-42");
	assert_int_equal(rename(away, keys), 0);
	wait_until(serves, &u, 0);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
	free(setting);
	free(away);
	free(keys);
}

/* Somebody else's server. 0: the port is not to be had. */
static int take_port(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_port = htons((uint16_t)port),
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	/* As postrider api does, so that both could have it. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0)
		return fd;
	close(fd);
	return 0;
}

static void test_api_elsewhere(void **state)
{
	int fd = take_port(4000);
	struct up u;
	char *out;

	(void)state;
	up_start(&u, NULL, NULL);
	up_find_api(&u);
	wait_until(serves, &u, 0);
	out = process_stdout(u.process);
	if (fd > 0)
		assert_int_not_equal(u.api.port, 4000);
	/* Whoever else may have it, and come and go. */
	assert_int_equal(strstr(out, "(4000 is taken)") != NULL, u.api.port != 4000);
	free(out);
	if (fd > 0)
		close(fd);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
}

static void test_api_port(void **state)
{
	int port = port_free(), fd;
	char setting[32], flag[32], taken[64];
	struct up u;

	(void)state;
	snprintf(setting, sizeof(setting), "PORT=%d", port);
	snprintf(flag, sizeof(flag), "--port=%d", port);
	snprintf(taken, sizeof(taken), "port %d is taken", port);
	up_start(&u, NULL, (const char *const[]){setting, NULL});
	up_find_api(&u);
	assert_int_equal(u.api.port, port);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
	fd = take_port(port);
	assert_true(fd > 0);
	up_start(&u, NULL, (const char *const[]){setting, NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, taken, 0);
	up_expect_nothing_left(&u);
	up_end(&u);
	up_start(&u, (const char *const[]){flag, NULL}, NULL);
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, taken, 0);
	up_end(&u);
	close(fd);
}

static void test_no_api(void **state)
{
	struct up u;
	char *out;

	(void)state;
	up_start(&u, (const char *const[]){"--no-api", NULL}, NULL);
	up_find_redis(&u);
	process_wait_lines(u.process, "worker_started", 2, 0);
	up_find_children(&u);
	assert_int_equal(u.n_pids, 3);
	out = process_stdout(u.process);
	cli_assert_lacks(out, "HTTP API");
	cli_assert_lacks(out, "curl");
	free(out);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
}

/* A request that has begun to arrive: the API waits for the rest of it. */
static int begin_request(struct up *u)
{
	int fd;

	wait_until(serves, u, 0);
	fd = api_connect(&u->api);
	api_write(fd, "POST " API_SEND " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
	              "application/json\r\nContent-Length: 100\r\n\r\n{");
	return fd;
}

/* Who takes mail in is done first, while those who send it still do. */
static void test_ends_in_order(void **state)
{
	struct up u;
	int fd;

	(void)state;
	up_start(&u, NULL, (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	up_find_redis(&u);
	up_find_api(&u);
	fd = begin_request(&u);
	process_signal(u.process, SIGTERM);
	process_wait_line(u.process, "api | ", 0);
	process_wait_line(u.process, "draining connections=1", 0);
	expect_delivers(&u, "order-42");
	close(fd);
	assert_int_equal(process_wait(u.process, 0), 0);
	process_wait_lines(u.process, "worker_ended", 2, 0);
	process_wait_line(u.process, "api_ended", 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

static void test_ends_at_once(void **state)
{
	struct up u;
	int fd;

	(void)state;
	up_start(&u, NULL, (const char *const[]){"DRAIN_TIMEOUT=3600", "API_TIMEOUT=600000", NULL});
	up_find_redis(&u);
	up_find_api(&u);
	fd = begin_request(&u);
	process_signal(u.process, SIGTERM);
	process_wait_line(u.process, "draining connections=1", 0);
	process_signal(u.process, SIGTERM);
	assert_int_equal(process_wait(u.process, 0), 0);
	up_expect_nothing_left(&u);
	close(fd);
	up_end(&u);
}

/* Told to end while nobody runs who could end. */
static void test_ends_between_starts(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, (const char *const[]){"--workers=1", "--no-api", NULL}, NULL);
	up_find_redis(&u);
	for (size_t i = 1; i <= 4; i++) {
		process_wait_lines(u.process, "worker_started", i, 0);
		assert_int_equal(kill(up_find_child(&u, "worker"), SIGKILL), 0);
		process_wait_lines(u.process, "worker-1 was killed by signal 9", i, 0);
	}
	assert_int_equal(process_stop(u.process, 0), 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

/* Even when it cannot clean up itself. */
static void test_killed(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, NULL, NULL);
	up_find_redis(&u);
	process_wait_lines(u.process, "worker_started", 2, 0);
	up_find_children(&u);
	assert_int_equal(u.n_pids, 4);
	process_kill(u.process);
	wait_until(up_children_gone, &u, 0);
	up_end(&u);
}

static void test_redis_dies(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, NULL, NULL);
	up_find_redis(&u);
	process_wait_lines(u.process, "worker_started", 2, 0);
	up_find_children(&u);
	assert_int_equal(kill(up_find_child(&u, "redis-server"), SIGKILL), 0);
	assert_int_equal(process_wait(u.process, 0), 3);
	process_wait_line(u.process, "the private redis-server has died", 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

static void test_demo_once(void **state)
{
	struct up u;
	char *out;

	(void)state;
	up_start(&u, (const char *const[]){"--demo", "--once", NULL}, NULL);
	assert_int_equal(process_wait(u.process, 0), 0);
	out = process_stdout(u.process);
	cli_assert_has(out, "Nothing is really delivered");
	cli_assert_has(out, "scheduled-");
	cli_assert_has(out, "duplicate dropped");
	cli_assert_has(out, "6 sent, 1 failed (as it should");
	cli_assert_lacks(out, "\033");
	free(out);
	up_expect_nothing_left(&u);
	up_end(&u);
}

/* It goes on serving, and the line that it prints for the user works. */
static void test_demo_goes_on(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, (const char *const[]){"--demo", NULL},
	         (const char *const[]){"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	process_wait_line(u.process, "Serving until Ctrl-C.", 0);
	assert_int_equal(process_count_lines(u.process, "LPUSH mail:queue '{\"to\":"), 1);
	up_find_redis(&u);
	expect_delivers(&u, "order-42");
	process_wait_line(u.process, "key=order-42", 0);
	cli_expect(u.cli, 0, NULL, "dead", "list", "--json", NULL);
	assert_int_equal(cJSON_GetArraySize(cli_json(u.cli)), 1);
	assert_int_equal(process_stop(u.process, 0), 0);
	up_end(&u);
}

/* Data that are kept are there the next time; two may not keep them at once. */
static void test_data(void **state)
{
	char *data = tmpdir_make("data");
	const char *const flags[] = {"--data", data, "--workers", "1", NULL};
	const char *const env[] = {"PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL};
	struct up first, second;

	(void)state;
	up_start(&first, flags, env);
	up_find_redis(&first);
	expect_delivers(&first, "order-42");
	up_start(&second, flags, env);
	assert_int_equal(process_wait(second.process, 0), 3);
	process_wait_line(second.process, "is in use by another postrider up", 0);
	up_end(&second);
	assert_int_equal(process_stop(first.process, 0), 0);
	up_end(&first);
	up_start(&second, flags, env);
	up_find_redis(&second);
	cli_expect(second.cli, 0, NULL, "status", "order-42", "--json", NULL);
	assert_string_equal(cli_text(second.cli, "status"), "sent");
	assert_int_equal(process_stop(second.process, 0), 0);
	up_end(&second);
	free(data);
}

/* With a Redis of the user's: it is used, named, and left running. */
static void test_redis_url(void **state)
{
	struct redis_server *redis = redis_server_start(NULL);
	char url[256];
	struct up u;

	(void)state;
	snprintf(url, sizeof(url), "REDIS_URL=%s", redis_server_url(redis));
	up_start(&u, (const char *const[]){"--demo", "--once", NULL},
	         (const char *const[]){url, "PRIMARY_PROVIDER_SUCCESS_RATE=1", NULL});
	assert_int_equal(process_wait(u.process, 0), 0);
	process_wait_line(u.process, "Redis      the one of REDIS_URL", 0);
	assert_true(redis_server_int(redis, "DBSIZE") >= 7);
	up_expect_nothing_left(&u);
	up_end(&u);
	redis_server_free(redis);
}

/* What is wrong with the workers' configuration ends it at once, with the worker's own words. */
static void test_misconfigured(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, NULL,
	         (const char *const[]){"PROVIDERS=relay", "PROVIDER_RELAY=gopher://x", NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, "gopher", 0);
	up_expect_nothing_left(&u);
	up_end(&u);
	up_start(&u, NULL, (const char *const[]){"TLS_CERT_FILE=/nonexistent", NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, "TLS_CERT_FILE and TLS_KEY_FILE go together", 0);
	up_expect_nothing_left(&u);
	up_end(&u);
}

/* The demo's mails never go to a real relay. */
static void test_demo_with_real_providers(void **state)
{
	struct up u;

	(void)state;
	up_start(&u, (const char *const[]){"--demo", NULL},
	         (const char *const[]){"PROVIDERS=fake,relay", "PROVIDER_FAKE=mock://",
	                               "PROVIDER_RELAY=smtp://user:sesame@localhost", NULL});
	assert_int_equal(process_wait(u.process, 0), 2);
	process_wait_line(u.process, "names relay, which is real", 0);
	assert_int_equal(process_count_lines(u.process, "sesame"), 0);
	up_end(&u);
}

static void test_bad_arguments(void **state)
{
	struct cli *c = cli_new(NULL);

	(void)state;
	cli_expect(c, 2, NULL, "up", "now", NULL);
	cli_expect(c, 2, NULL, "up", "--workers", "0", NULL);
	cli_expect(c, 2, NULL, "up", "--workers", "many", NULL);
	cli_expect(c, 2, NULL, "up", "--once", NULL);
	cli_expect(c, 2, NULL, "up", "--redis-url", "unix:///x", "--data", "d", NULL);
	cli_set(c, "PATH", "/nonexistent");
	cli_expect(c, 3, NULL, "up", NULL);
	cli_assert_has(c->err, "install redis-server, or set REDIS_URL");
	cli_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test(test_api),
		cmocka_unit_test(test_api_dies),
		cmocka_unit_test(test_api_refuses_later),
		cmocka_unit_test(test_api_elsewhere),
		cmocka_unit_test(test_api_port),
		cmocka_unit_test(test_no_api),
		cmocka_unit_test(test_ends_in_order),
		cmocka_unit_test(test_ends_at_once),
		cmocka_unit_test(test_ends_between_starts),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_redis_dies),
		cmocka_unit_test(test_demo_once),
		cmocka_unit_test(test_demo_goes_on),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_redis_url),
		cmocka_unit_test(test_misconfigured),
		cmocka_unit_test(test_demo_with_real_providers),
		cmocka_unit_test(test_bad_arguments),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

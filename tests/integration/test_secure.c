/* TLS to Redis: what is said to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/sync.h"
#include "support/link_world.h"
#include "support/redis_server.h"
#include "support/smtp_secure.h"
#include "support/wait.h"

#ifdef REDIS_TLS

/* A server that speaks TLS only, and wants a password and a certificate. */
struct safe {
	struct redis_server *server;
	char *cert, *key, *url; /* url: without the certificates */
};

static struct safe start_safe(const char *names)
{
	struct safe s;
	char port[16];
	struct redis_server *probe = redis_server_prepare(true, NULL);

	secure_cert_make(&(struct secure_cert){.names = names}, &s.cert, &s.key);
	snprintf(port, sizeof(port), "%d", redis_server_port(probe));
	redis_server_free(probe);
	s.server = redis_server_start((const char *const[]){
		"--tls-port", port, "--tls-cert-file", s.cert, "--tls-key-file", s.key,
		"--tls-ca-cert-file", secure_ca(), "--requirepass", "secret", NULL});
	redis_server_set_password(s.server, "secret");
	assert_true(asprintf(&s.url, "rediss://:secret@127.0.0.1:%s?tls_ca=%s", port, secure_ca()) >
	            0);
	return s;
}

static void free_safe(struct safe *s)
{
	redis_server_free(s->server);
	free(s->cert);
	free(s->key);
	free(s->url);
}

static char *with_cert(const struct safe *s)
{
	char *url;

	assert_true(asprintf(&url, "%s&tls_cert=%s&tls_key=%s", s->url, s->cert, s->key) > 0);
	return url;
}

static struct sync *try_sync(const char *url, struct error *err)
{
	struct topology_config c;
	struct sync *s;

	if (!topology_config_parse(&c, url, err))
		fail_msg("%s", err->text);
	s = sync_open(&c, err);
	topology_config_free(&c);
	return s;
}

static void test_both_ways_in(void **state)
{
	struct safe s = start_safe("IP:127.0.0.1");
	char *url = with_cert(&s), *big = malloc(300001), *log;
	struct link_world *w = link_world_new(NULL, url);
	struct error err = {""};
	struct sync *sync;

	(void)state;
	link_world_capture_log(w);
	link_world_open(w);
	bool up = wait_for(w->loop, link_world_is_up, w, 0);
	log = link_world_captured_log(w);
	if (!up)
		fail_msg("%s", log);
	free(log);
	/* more than a record, both ways */
	memset(big, 'x', 300000);
	big[300000] = '\0';
	redis_server_do(s.server, "SET big %s", big);
	for (int i = 0; i < 20; i++)
		link_world_send(w, "GET big");
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	link_world_assert_all(w, 0, LINK_OK);
	free(big);
	sync = try_sync(url, &err);
	if (!sync)
		fail_msg("%s", err.text);
	sync_close(sync);
	link_world_free(w);
	free(url);
	free_safe(&s);
}

/* The server is another than was asked for: the password is not said, and the reason is. */
static void test_wrong_host(void **state)
{
	struct safe s = start_safe("DNS:other.example");
	char *url = with_cert(&s), *careless;
	struct link_world *w = link_world_new(NULL, url);
	struct error err = {""};
	char *log;

	(void)state;
	link_world_capture_log(w);
	link_world_open(w);
	wait_loop_for(w->loop, 300);
	bool down = link_world_is_down(w);
	log = link_world_captured_log(w);
	assert_true(down);
	if (!strstr(log, "certificate verify failed"))
		fail_msg("%s", log);
	free(log);
	assert_null(try_sync(url, &err));
	assert_non_null(strstr(err.text, "certificate verify failed"));
	assert_int_equal(redis_server_info(s.server, "clients", "connected_clients"), 1);
	char *stats = redis_server_text(s.server, "INFO commandstats");
	assert_null(strstr(stats, "cmdstat_role"));
	free(stats);

	assert_true(asprintf(&careless, "%s&tls_verify=0", url) > 0);
	struct sync *sync = try_sync(careless, &err);
	if (!sync)
		fail_msg("%s", err.text);
	sync_close(sync);
	free(careless);
	link_world_free(w);
	free(url);
	free_safe(&s);
}

/* It wants a certificate of ours, and we have none. */
static void test_no_certificate_of_ours(void **state)
{
	struct safe s = start_safe("IP:127.0.0.1");
	struct error err = {""};

	(void)state;
	assert_null(try_sync(s.url, &err));
	assert_non_null(strstr(err.text, "Redis at 127.0.0.1"));
	free_safe(&s);
}

#else

static void test_is_not_in_this_build(void **state)
{
	(void)state;
	print_message("this hiredis has no TLS: there is nothing to test but the sentence, which "
	              "unit/topology_config does\n");
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef REDIS_TLS
		cmocka_unit_test(test_both_ways_in),
		cmocka_unit_test(test_wrong_host),
		cmocka_unit_test(test_no_certificate_of_ours),
#else
		cmocka_unit_test(test_is_not_in_this_build),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

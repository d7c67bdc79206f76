#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/topology_config.h"

static struct topology_config parsed(const char *url)
{
	struct topology_config c;
	struct error err = {""};
	if (!topology_config_parse(&c, url, &err))
		fail_msg("%s: %s", url, err.text);
	return c;
}

static void test_host_with_everything(void **state)
{
	(void)state;
	struct topology_config c = parsed("redis://worker:p%40ss:w@cache.example:7000/12");
	assert_string_equal(c.link.host, "cache.example");
	assert_null(c.link.path);
	assert_int_equal(c.link.port, 7000);
	assert_string_equal(c.link.user, "worker");
	assert_string_equal(c.link.password, "p@ss:w");
	assert_int_equal(c.link.database, 12);
	assert_string_equal(c.link.name, "");
	assert_true(c.link.timeout_ms > 0);
	topology_config_free(&c);
}

static void test_host_with_nothing(void **state)
{
	(void)state;
	struct topology_config c = parsed("redis://cache.example");
	assert_int_equal(c.link.port, 6379);
	assert_string_equal(c.link.user, "");
	assert_string_equal(c.link.password, "");
	assert_int_equal(c.link.database, 0);
	topology_config_free(&c);
	c = parsed("redis://:secret@[::1]:1/");
	assert_string_equal(c.link.host, "::1");
	assert_string_equal(c.link.user, "");
	assert_string_equal(c.link.password, "secret");
	assert_int_equal(c.link.database, 0);
	topology_config_free(&c);
	c = parsed("redis://");
	assert_string_equal(c.link.host, "127.0.0.1");
	topology_config_free(&c);
}

static void test_unix_socket(void **state)
{
	(void)state;
	struct topology_config c = parsed("unix:///run/redis/redis.sock?db=3");
	assert_null(c.link.host);
	assert_string_equal(c.link.path, "/run/redis/redis.sock");
	assert_int_equal(c.link.database, 3);
	topology_config_free(&c);
	c = parsed("unix://:secret@/run/redis.sock");
	assert_string_equal(c.link.path, "/run/redis.sock");
	assert_string_equal(c.link.password, "secret");
	topology_config_free(&c);
}

static void assert_refused(const char *url, const char *reason)
{
	struct topology_config c;
	struct error err = {""};
	assert_false(topology_config_parse(&c, url, &err));
	if (!strstr(err.text, reason))
		fail_msg("%s: %s", url, err.text);
	topology_config_free(&c); /* harmless after a failure */
}

static void test_bad_urls_are_refused_with_the_reason(void **state)
{
	char longer[256];
	(void)state;
#ifdef REDIS_TLS
	assert_refused("rediss://h?tls_ca=/nowhere", "tls_ca /nowhere");
	assert_refused("rediss://h?tls_key=/nowhere", "goes with tls_cert");
#else
	assert_refused("rediss://h", "built without");
	assert_refused("redis+sentinel://h/m?tls=1", "built without");
#endif
	assert_refused("redis://h?tls=1", "\"tls\"");
	assert_refused("redis+sentinel://a,b", "needs the name");
	assert_refused("redis+sentinel://a,b/", "needs the name");
	assert_refused("redis+sentinel:///mymaster", "needs the hosts");
	assert_refused("redis+sentinel://a,,b/mymaster", "empty host");
	assert_refused("redis+sentinel://a:x,b/mymaster", "no port");
	assert_refused("redis+sentinel://a:,b/mymaster", "no port");
	assert_refused("redis+sentinel://[::1]x,b/mymaster", "no host");
	assert_refused("redis+sentinel://a/mymaster/x", "database number");
	assert_refused("redis+cluster://", "needs the hosts");
	assert_refused("redis+cluster://a/1", "no databases");
	assert_refused("http://h", "no scheme of a Redis URL");
	assert_refused("h:6379", "REDIS_URL");
	assert_refused("redis://a,b", "one host");
	assert_refused("redis://h/one", "database number");
	assert_refused("redis://h/-1", "database number");
	assert_refused("redis://h/99999999999999999999", "database number");
	assert_refused("redis://h/0/1", "database number");
	assert_refused("redis://secret@h", "without a password");
	assert_refused("redis://h?db=1", "\"db\"");
	assert_refused("unix:///s?timeout=1", "\"timeout\"");
	assert_refused("unix:///s?db=x", "db");
	assert_refused("unix://", "path");
	assert_refused("unix://relative/path", "three slashes");
	snprintf(longer, sizeof(longer), "unix:///%0200d", 1);
	assert_refused(longer, "longer than 107");
}

static void test_sentinels(void **state)
{
	(void)state;
	struct topology_config c = parsed("redis+sentinel://joe:pw@a,b:1,[::1]:2,[::2]/my.master/3"
	                                  "?sentinel_password=other");
	assert_int_equal(c.kind, TOPOLOGY_SENTINEL);
	assert_int_equal(c.n_seeds, 4);
	assert_string_equal(c.seeds[0].host, "a");
	assert_int_equal(c.seeds[0].port, 26379);
	assert_string_equal(c.seeds[1].host, "b");
	assert_int_equal(c.seeds[1].port, 1);
	assert_string_equal(c.seeds[2].host, "::1");
	assert_int_equal(c.seeds[2].port, 2);
	assert_string_equal(c.seeds[3].host, "::2");
	assert_string_equal(c.master, "my.master");
	assert_int_equal(c.link.database, 3);
	assert_string_equal(c.link.password, "pw");
	/* the Sentinels have a password of their own, and no databases */
	struct link_config bare;
	topology_config_bare(&c, &bare);
	assert_true(bare.bare);
	assert_null(bare.host);
	assert_string_equal(bare.user, "");
	assert_string_equal(bare.password, "other");
	assert_int_equal(bare.database, 0);
	link_config_free(&bare);
	topology_config_free(&c);
	c = parsed("redis+sentinel://only:77/m");
	assert_int_equal(c.n_seeds, 1);
	assert_string_equal(c.seeds[0].host, "only");
	assert_int_equal(c.seeds[0].port, 77);
	topology_config_free(&c);
}

static void test_errors_hold_no_secret(void **state)
{
	struct topology_config c;
	struct error err = {""};
	(void)state;
	assert_false(topology_config_parse(&c, "redis://joe:hunter2@h/nonsense", &err));
	assert_null(strstr(err.text, "hunter2"));
	assert_null(strstr(err.text, "joe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_with_everything),
		cmocka_unit_test(test_host_with_nothing),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_bad_urls_are_refused_with_the_reason),
		cmocka_unit_test(test_sentinels),
		cmocka_unit_test(test_errors_hold_no_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

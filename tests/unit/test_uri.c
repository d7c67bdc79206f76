#include "base/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct uri u;
static struct error err;

static int teardown(void **state)
{
	(void)state;
	uri_free(&u);
	return 0;
}

static void parse(const char *text)
{
	uri_free(&u);
	if (!uri_parse(&u, text, &err))
		fail_msg("%s: %s", text, err.text);
}

static void test_all_parts(void **state)
{
	(void)state;
	parse("SMTPS://ada:s3cret@mail.example.com:465/some/path?rate=50/s&tls=require");
	assert_string_equal(u.scheme, "smtps");
	assert_string_equal(u.user, "ada");
	assert_string_equal(u.password, "s3cret");
	assert_string_equal(u.host, "mail.example.com");
	assert_int_equal(u.port, 465);
	assert_string_equal(u.path, "/some/path");
	assert_int_equal(u.n_params, 2);
	assert_string_equal(uri_param(&u, "rate"), "50/s");
	assert_string_equal(uri_param(&u, "tls"), "require");
}

static void test_what_is_not_there_is_empty(void **state)
{
	(void)state;
	parse("mock://");
	assert_string_equal(u.user, "");
	assert_string_equal(u.password, "");
	assert_string_equal(u.host, "");
	assert_int_equal(u.port, 0);
	assert_string_equal(u.path, "");
	assert_int_equal(u.n_params, 0);
	parse("mock://?success=0.7");
	assert_string_equal(u.host, "");
	assert_string_equal(uri_param(&u, "success"), "0.7");
	parse("sendgrid://SG.key@default");
	assert_string_equal(u.user, "SG.key");
	assert_string_equal(u.password, "");
	assert_string_equal(u.host, "default");
	parse("redis://:pw@h/2");
	assert_string_equal(u.user, "");
	assert_string_equal(u.password, "pw");
	assert_string_equal(u.path, "/2");
	parse("redis://h:?");
	assert_int_equal(u.port, 0);
	assert_int_equal(u.n_params, 0);
}

static void test_unix_socket(void **state)
{
	(void)state;
	parse("unix:///run/redis%20x/redis.sock?db=2");
	assert_string_equal(u.host, "");
	assert_string_equal(u.path, "/run/redis x/redis.sock");
	assert_string_equal(uri_param(&u, "db"), "2");
	parse("unix://:pw@/run/redis.sock");
	assert_string_equal(u.password, "pw");
	assert_string_equal(u.path, "/run/redis.sock");
}

static void test_percent_decoding(void **state)
{
	(void)state;
	parse("ses://AKIA%2f:a%2Fb%3A%40%23%25+%C3%A4@default?x=1+1%26%3d%20");
	assert_string_equal(u.user, "AKIA/");
	assert_string_equal(u.password, "a/b:@#%+\xc3\xa4"); /* a + stays a + */
	assert_string_equal(uri_param(&u, "x"), "1+1&= ");
}

static void test_password_may_have_colons_and_ats(void **state)
{
	(void)state;
	parse("smtp://u:a:b@c@host");
	assert_string_equal(u.user, "u");
	assert_string_equal(u.password, "a:b@c");
	assert_string_equal(u.host, "host");
}

static void test_ipv6_host(void **state)
{
	(void)state;
	parse("redis://[2001:db8::1]:6380");
	assert_string_equal(u.host, "2001:db8::1");
	assert_int_equal(u.port, 6380);
	parse("redis://u:p@[::1]");
	assert_string_equal(u.host, "::1");
	assert_int_equal(u.port, 0);
}

static void test_list_of_hosts_is_kept(void **state)
{
	(void)state;
	parse("redis+sentinel://u:p@a,b:26380,[::1]:3/mymaster?db=1");
	assert_string_equal(u.scheme, "redis+sentinel");
	assert_string_equal(u.host, "a,b:26380,[::1]:3");
	assert_int_equal(u.port, 0);
	assert_string_equal(u.path, "/mymaster");
	parse("redis+cluster://[::1]:1,[::2]:2");
	assert_string_equal(u.host, "[::1]:1,[::2]:2");
}

static void test_what_is_refused_and_why(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "scheme"},
		{"localhost:6379", "scheme"},
		{"redis:/x", "scheme"},
		{"://x", "scheme"},
		{"1redis://x", "scheme"},
		{"redis://h:0", "port"},
		{"redis://h:65536", "port"},
		{"redis://h:+1", "port"},
		{"redis://h:12345678901", "port"},
		{"redis://h:port", "port"},
		{"redis://::1", "brackets"},
		{"redis://[::1", "closing bracket"},
		{"redis://[::1]x", "IPv6"},
		{"redis://a b", "host"},
		{"redis://u:%zz@h", "password"},
		{"redis://u:%4", "port"},
		{"redis://%4@h", "user"},
		{"redis://u:p%00@h", "control"},
		{"redis://h/%0d%0a", "control"},
		{"redis://h/\n", "control"},
		{"redis://h\x7f", "control"},
		{"redis://h#x", "%23"},
		{"smtp://u:pass/word@h", "%2F"},
		{"smtp://u:pass?word@h", "%2F"},
		{"mock://?a=1&a=2", "twice"},
		{"mock://?=1", "no name"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		if (uri_parse(&u, bad[i].text, &err))
			fail_msg("%s was accepted", bad[i].text);
		if (strstr(err.text, bad[i].why) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, err.text,
			         bad[i].why);
	}
}

static void test_errors_do_not_quote_secrets(void **state)
{
	static const char *const bad[] = {
		"smtp://us3r:s3cret@h:port", "smtp://us3r:s3cret@[::1",
		"smtp://us3r:s3cr/s3cret@h", "smtp://us3r:s3cret%zz@h",
		"smtp://us3r%zz:s3cret@h",   "smtp://us3r:s3cret@h?a=1&a=2",
		"smtp://us3r:s3cret@h#",     "smtp//us3r:s3cret@h",
		"smtp://us3r:s3cret@h h",    "smtp://us3r:s3cret\n@h",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(uri_parse(&u, bad[i], &err));
		assert_null(strstr(err.text, "us3r"));
		assert_null(strstr(err.text, "s3cr"));
	}
}

static void test_number_of_parameters_is_bounded(void **state)
{
	char text[1000] = "mock://?";
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i < URI_MAX_PARAMS; i++) {
		memcpy(text + n, (char[]){'a', (char)('A' + i), '=', '1', '&'}, 5);
		n += 5;
	}
	text[n] = '\0';
	parse(text);
	assert_int_equal(u.n_params, URI_MAX_PARAMS);
	memcpy(text + n, "b=1", 4);
	uri_free(&u);
	assert_false(uri_parse(&u, text, &err));
}

static void test_unused_parameters_are_found(void **state)
{
	(void)state;
	parse("mock://?success=1&sucess=2&seed=3&flag");
	assert_string_equal(uri_param(&u, "flag"), "");
	assert_null(uri_param(&u, "latency"));
	assert_non_null(uri_param(&u, "success"));
	assert_string_equal(uri_unused(&u), "sucess");
	assert_non_null(uri_param(&u, "sucess"));
	assert_non_null(uri_param(&u, "seed"));
	assert_null(uri_unused(&u));
}

static void test_int_parameters(void **state)
{
	long n = 7;

	(void)state;
	parse("mock://?a=10&b=0&c=11&d=x&e=");
	assert_true(uri_param_int(&u, "none", 1, 10, &n, &err));
	assert_int_equal(n, 7);
	assert_true(uri_param_int(&u, "a", 1, 10, &n, &err));
	assert_int_equal(n, 10);
	assert_false(uri_param_int(&u, "b", 1, 10, &n, &err));
	assert_false(uri_param_int(&u, "c", 1, 10, &n, &err));
	assert_string_equal(err.text, "c must be a number from 1 to 10, not \"11\"");
	assert_false(uri_param_int(&u, "d", 1, 10, &n, &err));
	assert_false(uri_param_int(&u, "e", 1, 10, &n, &err));
	assert_int_equal(n, 10);
}

static void test_durations(void **state)
{
	static const struct {
		const char *name;
		long ms;
	} good[] = {{"a", 1500}, {"b", 1500}, {"c", 30000}, {"d", 300000}, {"e", 3600000}};
	static const char *const bad[] = {"f", "g", "h", "i", "j", "k", "l"};
	long ms = 7;

	(void)state;
	parse("mock://?a=1500&b=1500ms&c=30s&d=5m&e=1h&f=-1s&g=1.5s&h=s&i=5x&j=&k=18446744073709552s"
	      "&l=2h");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(uri_param_ms(&u, good[i].name, 0, 3600000, &ms, &err));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(uri_param_ms(&u, bad[i], 0, 3600000, &ms, &err));
	assert_int_equal(ms, 3600000);
	assert_true(uri_param_ms(&u, "none", 0, 1, &ms, &err));
}

static void test_this_machine(void **state)
{
	static const char *const here[] = {"localhost", "127.0.0.1", "127.255.0.9", "::1"};
	static const char *const elsewhere[] = {"",    "127.example.org", "128.0.0.1",
	                                        "::2", "::ffff:10.0.0.1", "localhost.example.org"};

	(void)state;
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
		assert_true(uri_is_loopback(here[i]));
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		assert_false(uri_is_loopback(elsewhere[i]));
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_parts),
		TEST(test_what_is_not_there_is_empty),
		TEST(test_unix_socket),
		TEST(test_percent_decoding),
		TEST(test_password_may_have_colons_and_ats),
		TEST(test_ipv6_host),
		TEST(test_list_of_hosts_is_kept),
		TEST(test_what_is_refused_and_why),
		TEST(test_errors_do_not_quote_secrets),
		TEST(test_number_of_parameters_is_bounded),
		TEST(test_unused_parameters_are_found),
		TEST(test_int_parameters),
		TEST(test_durations),
		TEST(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

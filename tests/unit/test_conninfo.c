#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "archive/conninfo.h"

/* Looks a name up as if these were its addresses. */
static void find(struct conninfo *c, const char *host, const char *const *addresses)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list[16];
	int i = conninfo_unknown(c);
	size_t n = 0;

	assert_true(i >= 0);
	assert_string_equal(c->hosts[i].host, host);
	for (; addresses[n] != NULL; n++) {
		assert_int_equal(getaddrinfo(addresses[n], NULL, &hints, &list[n]), 0);
		if (n > 0)
			list[n - 1]->ai_next = list[n];
	}
	assert_true(conninfo_found(c, i, list[0]));
	freeaddrinfo(list[0]);
}

static void lists_are(const struct conninfo *c, const char *hosts, const char *addresses,
                      const char *ports)
{
	const char *wanted[3] = {hosts, addresses, ports};
	struct buf b[3];

	for (int i = 0; i < 3; i++)
		buf_init(&b[i], CONNINFO_LIST);
	conninfo_lists(c, &b[0], &b[1], &b[2]);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(buf_str(&b[i]), wanted[i]);
		buf_free(&b[i]);
	}
}

static struct conninfo parse(const char *url)
{
	struct conninfo c;
	struct error err;

	if (!conninfo_parse(&c, url, &err))
		fail_msg("%s: %s", url, err.text);
	return c;
}

/* A name that has an address of each family, of which the server may have only one. */
static void test_all_addresses_of_a_name(void **state)
{
	struct conninfo c = parse("postgresql://me:secret@db:5433/mail");

	(void)state;
	lists_are(&c, "db", "", ""); /* not looked up yet */
	find(&c, "db", (const char *const[]){"::1", "127.0.0.1", NULL});
	assert_int_equal(conninfo_unknown(&c), -1);
	lists_are(&c, "db,db", "::1,127.0.0.1", "");
	conninfo_forget(&c);
	conninfo_turn(&c);
	find(&c, "db", (const char *const[]){"::1", "127.0.0.1", NULL});
	lists_are(&c, "db,db", "127.0.0.1,::1", "");
	conninfo_forget(&c);
	find(&c, "db", (const char *const[]){"10.0.0.9", NULL});
	lists_are(&c, "db", "10.0.0.9", "");
	conninfo_free(&c);
}

static void test_each_host_keeps_its_port(void **state)
{
	struct conninfo c = parse("postgresql://a:5433,127.0.0.9:5434,b:5435/mail");

	(void)state;
	find(&c, "a", (const char *const[]){"10.0.0.1", "10.0.0.2", NULL});
	find(&c, "b", (const char *const[]){"10.0.0.3", NULL});
	lists_are(&c, "a,a,127.0.0.9,b", "10.0.0.1,10.0.0.2,,10.0.0.3", "5433,5433,5434,5435");
	conninfo_turn(&c);
	conninfo_turn(&c);
	lists_are(&c, "127.0.0.9,b,a,a", ",10.0.0.3,10.0.0.1,10.0.0.2", "5434,5435,5433,5433");
	conninfo_free(&c);
}

/* One that is silent would keep libpq from the next for as long as a connection is given. */
static void test_the_next_host_comes_first(void **state)
{
	struct conninfo c = parse("host=10.0.0.1,10.0.0.2,/run/postgresql dbname=mail");

	(void)state;
	assert_int_equal(conninfo_unknown(&c), -1);
	lists_are(&c, "10.0.0.1,10.0.0.2,/run/postgresql", ",,", "");
	conninfo_turn(&c);
	lists_are(&c, "10.0.0.2,/run/postgresql,10.0.0.1", ",,", "");
	conninfo_forget(&c); /* a connection that was lost changes nothing */
	lists_are(&c, "10.0.0.2,/run/postgresql,10.0.0.1", ",,", "");
	conninfo_free(&c);
}

/* Where libpq goes then is not for PGHOST to say. */
static void test_what_is_left_to_libpq(void **state)
{
	struct conninfo c;

	(void)state;
	(void)setenv("PGHOST", "db", 1);
	c = parse("postgresql:///mail");
	lists_are(&c, "db", "", "");
	conninfo_free(&c);
	c = parse("postgresql:///mail?service=mails");
	lists_are(&c, "", "", "");
	conninfo_free(&c);
	(void)setenv("PGSERVICE", "mails", 1);
	c = parse("postgresql:///mail");
	lists_are(&c, "", "", "");
	conninfo_free(&c);
	(void)unsetenv("PGSERVICE");
	(void)unsetenv("PGHOST");
	(void)setenv("PGHOSTADDR", "127.0.0.1", 1);
	c = parse("postgresql://db/mail");
	assert_int_equal(conninfo_unknown(&c), -1);
	lists_are(&c, "", "", "");
	conninfo_free(&c);
	(void)unsetenv("PGHOSTADDR");
}

static void test_more_addresses_than_are_taken(void **state)
{
	struct conninfo c = parse("postgresql://db/mail");

	(void)state;
	find(&c, "db",
	     (const char *const[]){"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
	                           "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9", NULL});
	lists_are(&c, "db,db,db,db,db,db,db,db",
	          "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8", "");
	conninfo_free(&c);
}

static void test_nothing_to_look_up(void **state)
{
	static const char *const urls[] = {
		"postgresql:///mail?host=/run/postgresql",
		"postgresql://127.0.0.1:5433/mail",
		"postgresql://[::1]/mail",
		"postgresql://db/mail?hostaddr=127.0.0.1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct conninfo c = parse(urls[i]);

		assert_int_equal(conninfo_unknown(&c), -1);
		lists_are(&c, "", "", "");
		conninfo_free(&c);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *url, *why;
	} cases[] = {
		{"host=a,b,c port=1,2", "DATABASE_URL has 2 ports for 3 hosts"},
		{"postgres:/x", "DATABASE_URL is none"},
		{"host=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	         "DATABASE_URL names more than 16 hosts"},
	};
	struct conninfo c;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_false(conninfo_parse(&c, cases[i].url, &err));
		if (strstr(err.text, cases[i].why) != err.text)
			fail_msg("%s: %s", cases[i].url, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_addresses_of_a_name),
		cmocka_unit_test(test_each_host_keeps_its_port),
		cmocka_unit_test(test_the_next_host_comes_first),
		cmocka_unit_test(test_what_is_left_to_libpq),
		cmocka_unit_test(test_more_addresses_than_are_taken),
		cmocka_unit_test(test_nothing_to_look_up),
		cmocka_unit_test(test_mistakes),
	};

	(void)unsetenv("PGHOST");
	(void)unsetenv("PGPORT");
	(void)unsetenv("PGHOSTADDR");
	(void)unsetenv("PGSERVICE");
	return cmocka_run_group_tests_name("conninfo", tests, NULL, NULL);
}

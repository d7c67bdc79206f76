#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/cluster_map.h"

static void assert_redirect(const char *text, bool ask, unsigned slot, const char *host, int port)
{
	struct cluster_redirect r;

	if (!cluster_redirect_read(&r, text, strlen(text)))
		fail_msg("%s", text);
	assert_int_equal(r.ask, ask);
	assert_int_equal(r.slot, slot);
	assert_string_equal(r.host, host);
	assert_int_equal(r.port, port);
}

static void test_redirects(void **state)
{
	(void)state;
	assert_redirect("MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1", 6381);
	assert_redirect("ASK 16383 ::1:6381", true, 16383, "::1", 6381);
	assert_redirect("MOVED 0 node-1.example:1", false, 0, "node-1.example", 1);
	/* the same host, another port */
	assert_redirect("MOVED 7 :6381", false, 7, "", 6381);
}

static void test_what_is_no_redirect(void **state)
{
	static const char *const texts[] = {
		"",
		"MOVED",
		"MOVED ",
		"MOVED 3999",
		"MOVED 3999 127.0.0.1",
		"MOVED 16384 127.0.0.1:1",
		"MOVED -1 127.0.0.1:1",
		"MOVED x 127.0.0.1:1",
		"MOVED 1 127.0.0.1:0",
		"MOVED 1 127.0.0.1:65536",
		"MOVED 1 127.0.0.1:",
		"MOVED 1 ?:6379", /* it does not know the name */
		"ASKING 1 127.0.0.1:1",
		"TRYAGAIN Multiple keys request during rehashing of slot",
	};
	struct cluster_redirect r;
	char longer[2 * CLUSTER_MAX_HOST];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (cluster_redirect_read(&r, texts[i], strlen(texts[i])))
			fail_msg("%s", texts[i]);
	snprintf(longer, sizeof(longer), "MOVED 1 %0300d:6379", 1);
	assert_false(cluster_redirect_read(&r, longer, strlen(longer)));
}

static void on_range(void *data, unsigned first, unsigned last, const char *host, int port,
                     bool master)
{
	char *out = data;

	snprintf(out + strlen(out), 512 - strlen(out), "%u-%u %s:%d %s\n", first, last, host, port,
	         master ? "master" : "replica");
}

#define ARRAY(NAME, ...)                                                                           \
	redisReply *NAME##_list[] = {__VA_ARGS__};                                                 \
	redisReply NAME = {.type = REDIS_REPLY_ARRAY,                                              \
	                   .elements = sizeof(NAME##_list) / sizeof(NAME##_list[0]),               \
	                   .element = NAME##_list}
#define NUMBER(N) (&(redisReply){.type = REDIS_REPLY_INTEGER, .integer = (N)})
#define TEXT(S) (&(redisReply){.type = REDIS_REPLY_STRING, .str = (S), .len = strlen(S)})
#define NIL (&(redisReply){.type = REDIS_REPLY_NIL})

static void test_map(void **state)
{
	ARRAY(a, TEXT("10.0.0.1"), NUMBER(1), TEXT("id"));
	ARRAY(b, TEXT("10.0.0.2"), NUMBER(2));
	ARRAY(self, NIL, NUMBER(3));
	ARRAY(nameless, TEXT("?"), NUMBER(4));
	ARRAY(first, NUMBER(0), NUMBER(99), &a, &b);
	ARRAY(second, NUMBER(100), NUMBER(16383), &self, &nameless);
	ARRAY(beyond, NUMBER(0), NUMBER(16384), &a);
	ARRAY(backwards, NUMBER(9), NUMBER(8), &a);
	ARRAY(map, &first, &beyond, NUMBER(1), &backwards, &second);
	ARRAY(bad, &beyond);
	char out[512] = "";

	(void)state;
	assert_true(cluster_map_read(&map, on_range, out));
	assert_string_equal(out, "0-99 10.0.0.1:1 master\n0-99 10.0.0.2:2 replica\n"
	                         "100-16383 :3 master\n");
	assert_false(cluster_map_read(&bad, on_range, out));
	assert_false(cluster_map_read(NUMBER(1), on_range, out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_what_is_no_redirect),
		cmocka_unit_test(test_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

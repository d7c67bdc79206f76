#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* 2026-11-24T10:00:00.123Z */
static int64_t at_ten(int clock_id)
{
	(void)clock_id;
	return INT64_C(1795514400123) * 1000000;
}

/* A pipe stands in for stderr; what is written there is read back record by record. */
struct captured {
	int saved, fds[2];
	char text[70000];
};

static void capture(struct captured *c)
{
	assert_int_equal(pipe(c->fds), 0);
	c->saved = dup(STDERR_FILENO);
	dup2(c->fds[1], STDERR_FILENO);
}

static const char *captured(struct captured *c)
{
	ssize_t n;
	size_t len = 0;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->fds[1]);
	while ((n = read(c->fds[0], c->text + len, sizeof(c->text) - 1 - len)) > 0)
		len += (size_t)n;
	close(c->fds[0]);
	c->text[len] = '\0';
	return c->text;
}

static struct captured c;

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "EST5", 1); /* text is in local time, JSON is not */
	tzset();
	clock_set_source(at_ten);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON, false);
	log_set_name(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

static void test_json_record(void **state)
{
	(void)state;
	capture(&c);
	log_info("mail_sent", LOG_STR("id", "a1"), LOG_STR("none", NULL), LOG_INT("ms", -12));
	assert_string_equal(captured(&c), "{\"ts\":\"2026-11-24T10:00:00.123Z\",\"level\":\"info\","
	                                  "\"event\":\"mail_sent\",\"id\":\"a1\",\"ms\":-12}\n");
}

static void test_text_record(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, false);
	capture(&c);
	log_warn("mail_sent", LOG_STR("id", "a1"), LOG_INT("ms", 12));
	assert_string_equal(captured(&c), "05:00:00.123 warn  mail_sent id=a1 ms=12\n");
}

static void test_record_without_fields(void **state)
{
	(void)state;
	capture(&c);
	log_error("redis_lost");
	assert_string_equal(captured(&c), "{\"ts\":\"2026-11-24T10:00:00.123Z\",\"level\":"
	                                  "\"error\",\"event\":\"redis_lost\"}\n");
}

static void test_worker_name_is_in_every_record(void **state)
{
	char name[] = "host-1";

	(void)state;
	log_set_name(name);
	name[0] = 'X'; /* it was copied */
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, false);
	capture(&c);
	log_info("one");
	log_info("two", LOG_STR("id", "a"));
	log_set_name(NULL);
	log_info("three");
	assert_string_equal(captured(&c), "05:00:00.123 info  one worker=host-1\n"
	                                  "05:00:00.123 info  two worker=host-1 id=a\n"
	                                  "05:00:00.123 info  three\n");
}

/* A 17th field is a warning of the compiler. */
static void test_the_most_fields_that_fit(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, false);
	capture(&c);
	log_info("x", LOG_INT("a", 1), LOG_INT("b", 2), LOG_INT("c", 3), LOG_INT("d", 4),
	         LOG_INT("e", 5), LOG_INT("f", 6), LOG_INT("g", 7), LOG_INT("h", 8),
	         LOG_INT("i", 9), LOG_INT("j", 10), LOG_INT("k", 11), LOG_INT("l", 12),
	         LOG_INT("m", 13), LOG_INT("n", 14), LOG_INT("o", 15), LOG_INT("p", 16));
	assert_non_null(strstr(captured(&c), " o=15 p=16\n"));
}

static int evaluated;

static const char *evaluate(void)
{
	evaluated++;
	return "x";
}

static void test_below_the_level_nothing_is_written_or_evaluated(void **state)
{
	(void)state;
	evaluated = 0;
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_JSON, false);
	capture(&c);
	log_debug("a", LOG_STR("s", evaluate()));
	log_info("b", LOG_STR("s", evaluate()));
	assert_string_equal(captured(&c), "");
	assert_int_equal(evaluated, 0);
	capture(&c);
	log_warn("c", LOG_STR("s", evaluate()));
	log_error("d", LOG_STR("s", evaluate()));
	assert_non_null(strstr(captured(&c), "\"event\":\"d\""));
	assert_int_equal(evaluated, 2);
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	assert_false(log_enabled(LOG_LEVEL_INFO));
}

/* What comes from outside cannot forge a record or break a line. */
static void test_values_are_escaped(void **state)
{
	(void)state;
	capture(&c);
	log_info("x", LOG_STR("error", "a\"\n{\"level\":\"error\"}\x1b\xff"));
	assert_non_null(strstr(captured(&c), "\"error\":\"a\\\"\\n{\\\"level\\\":\\\"error\\\"}"
	                                     "\\u001b\xef\xbf\xbd\"}\n"));
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, false);
	capture(&c);
	log_info("x", LOG_STR("a", "two words"), LOG_STR("b", "x=y"), LOG_STR("c", "1\n2"),
	         LOG_STR("d", ""), LOG_STR("e", "\xc3\xa4"), LOG_STR("f", "\xff"));
	assert_string_equal(captured(&c), "05:00:00.123 info  x a=\"two words\" b=\"x=y\" "
	                                  "c=\"1\\n2\" d=\"\" e=\xc3\xa4 f=\"\xef\xbf\xbd\"\n");
}

static void test_long_values_are_cut_between_characters(void **state)
{
	char value[3000];
	const char *text;

	(void)state;
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	memcpy(value + 511, "\xc3\xa4", 2);
	capture(&c);
	log_info("x", LOG_STR("v", value));
	text = strstr(captured(&c), "\"v\":\"") + 5;
	assert_int_equal(strspn(text, "x"), 511);
	assert_string_equal(text + 511, "\"}\n");
}

/* Records of several processes do not mix when each is one write; a pipe takes up to PIPE_BUF
 * bytes at once, so that a record in two writes would show as two reads from a packet pipe. */
static void test_a_record_is_one_write(void **state)
{
	char value[513], packet[4096];
	int fds[2], saved;
	ssize_t n;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(pipe2(fds, O_DIRECT), 0);
	saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	log_info("x", LOG_STR("a", value), LOG_STR("b", value), LOG_STR("c", value));
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fds[0], packet, sizeof(packet));
	assert_true(n > 1500);
	assert_true(packet[n - 1] == '\n');
	close(fds[0]);
	close(fds[1]);
}

static void assert_masked(const char *address, const char *masked)
{
	char out[100];

	assert_string_equal(log_mask_address(address, out, sizeof(out)), masked);
}

static void test_addresses_are_masked(void **state)
{
	(void)state;
	assert_masked("ada@example.com", "a***@example.com");
	assert_masked("Ada Lovelace <ada@example.com>", "a***@example.com");
	assert_masked("\"x<y\" <ada@example.com>", "a***@example.com");
	assert_masked("\"a@b\" <ada@example.com> ", "a***@example.com");
	assert_masked("\"ada <x>\"@example.com", "***"); /* odd: rather too little than too much */
	assert_masked("\"ada b\"@example.com", "a***@example.com");
	assert_masked("a@x.org, b@y.org", "a***@y.org");
	assert_masked("\xc3\xa4"
	              "da@example.com",
	              "\xc3\xa4***@example.com");
	assert_masked("@example.com", "***@example.com");
	assert_masked("ada", "***");
	assert_masked("", "***");
}

static void test_masking_fits_the_room(void **state)
{
	char out[8];

	(void)state;
	log_mask_address("ada@example.com", out, sizeof(out));
	assert_string_equal(out, "a***@ex");
}

static void test_address_fields(void **state)
{
	(void)state;
	capture(&c);
	log_info("x", LOG_ADDR("to", "ada@example.com"), LOG_ADDR("cc", NULL));
	assert_non_null(strstr(captured(&c), ",\"to\":\"a***@example.com\"}"));
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON, true);
	capture(&c);
	log_info("x", LOG_ADDR("to", "ada@example.com"));
	assert_non_null(strstr(captured(&c), ",\"to\":\"ada@example.com\"}"));
}

/* A closed stderr must not stop the mail. */
static void test_a_closed_stderr_is_survived(void **state)
{
	int saved = dup(STDERR_FILENO);

	(void)state;
	close(STDERR_FILENO);
	log_info("x");
	dup2(saved, STDERR_FILENO);
	close(saved);
	capture(&c);
	log_info("y");
	assert_non_null(strstr(captured(&c), "\"event\":\"y\""));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json_record),
		TEST(test_text_record),
		TEST(test_record_without_fields),
		TEST(test_the_most_fields_that_fit),
		TEST(test_worker_name_is_in_every_record),
		TEST(test_below_the_level_nothing_is_written_or_evaluated),
		TEST(test_values_are_escaped),
		TEST(test_long_values_are_cut_between_characters),
		TEST(test_a_record_is_one_write),
		TEST(test_addresses_are_masked),
		TEST(test_masking_fits_the_room),
		TEST(test_address_fields),
		TEST(test_a_closed_stderr_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

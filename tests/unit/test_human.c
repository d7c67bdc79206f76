#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli/human.h"

static void test_durations(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{-5, "0s"},
		{0, "0s"},
		{100, "0.1s"},
		{9999, "9.9s"},
		{10000, "10s"},
		{59999, "59s"},
		{60000, "1m"},
		{61500, "1m 1s"},
		{3600000, "1h"},
		{7500000, "2h 5m"},
		{86400000, "1d"},
		{274000000, "3d 4h"},
		{INT64_MAX, "106751991167d 7h"},
	};
	char out[HUMAN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(human_duration(out, cases[i].ms), cases[i].text);
}

static void test_parse_duration(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"0s", 0},       {"500ms", 500},  {"30s", 30000},
	            {"10m", 600000}, {"2h", 7200000}, {"7d", 604800000}};
	static const char *const bad[] = {"",      "5",
	                                  "s",     "1.5h",
	                                  "-1s",   "5 s",
	                                  "5sec",  "5S",
	                                  "1h30m", "9999999999999999999s",
	                                  "3651d", "99999999999999999999999999s"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(human_parse_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(human_parse_duration(bad[i], &ms));
}

static void test_times(void **state)
{
	char out[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_iso(out, 1764000000123), "2025-11-24T16:00:00.123Z");
	assert_int_equal(setenv("TZ", "UTC-2", 1), 0);
	tzset();
	assert_string_equal(human_time(out, 1764000000123), "2025-11-24 18:00:00");
	/* What no calendar knows is still shown. */
	assert_true(strlen(human_iso(out, INT64_MAX)) > 0);
	assert_true(strlen(human_time(out, INT64_MAX)) > 0);
}

static void expect_text(const char *in, size_t n, const char *want)
{
	struct buf b;

	buf_init(&b, 1024);
	human_text(&b, in, n);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

/* Nothing that comes from a job may move the cursor, or colour, or turn the text around. */
static void test_text(void **state)
{
	(void)state;
	expect_text("Gr\xc3\xbc\xc3\x9f"
	            "e \xe2\x9c\x93 \xf0\x9f\x93\xa7",
	            16,
	            "Gr\xc3\xbc\xc3\x9f"
	            "e \xe2\x9c\x93 \xf0\x9f\x93\xa7");
	expect_text("a\033[31mb\r\nc\0d", 12,
	            "a\xef\xbf\xbd[31mb\xef\xbf\xbd\xef\xbf\xbd"
	            "c\xef\xbf\xbd"
	            "d");
	expect_text("\x7f", 1, "\xef\xbf\xbd");
	expect_text("a\xc2\x9b"
	            "b",
	            4,
	            "a\xef\xbf\xbd"
	            "b"); /* CSI in one character */
	expect_text("a\xe2\x80\xae"
	            "b",
	            5,
	            "a\xef\xbf\xbd"
	            "b"); /* right-to-left override */
	expect_text("a\xe2\x81\xa6"
	            "b",
	            5,
	            "a\xef\xbf\xbd"
	            "b");                                       /* isolate */
	expect_text("\xff\xc3", 2, "\xef\xbf\xbd\xef\xbf\xbd"); /* no UTF-8 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_parse_duration),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

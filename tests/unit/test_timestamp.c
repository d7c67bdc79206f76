#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

static void test_reads_rfc3339(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-24T10:00:00Z", INT64_C(1795514400000)},
		{"2026-11-24T10:00:00.5+01:00", INT64_C(1795510800500)},
		{"2026-11-24t10:00:00.123456789z", INT64_C(1795514400123)},
		{"2026-11-24 10:00:00-00:30", INT64_C(1795516200000)},
		{"2026-11-24T10:00:00+00:00", INT64_C(1795514400000)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000)}, /* a leap second */
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
		{"2000-02-29T23:59:59.999Z", INT64_C(951868799999)},
		{"1969-12-31T23:59:59Z", -1000},
		{"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800000)},
		{"9999-12-31T23:59:59.999Z", TIMESTAMP_MAX_MS},
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		if (!timestamp_parse(rows[i].text, &ms))
			fail_msg("%s was refused", rows[i].text);
		if (ms != rows[i].ms)
			fail_msg("%s is not %lld", rows[i].text, (long long)ms);
	}
}

static void test_refuses_everything_else(void **state)
{
	static const char *const texts[] = {
		"",
		"now",
		"1795514400000",
		"2026-11-24",
		"2026-11-24T10:00:00",
		"2026-11-24T10:00Z",
		"2026-11-24T10:00:00.Z",
		"2026-11-24T10:00:00,5Z",
		"2026-11-24T10:00:00+0100",
		"2026-11-24T10:00:00+01",
		"2026-11-24T10:00:00+24:00",
		"2026-11-24T10:00:00+01:60",
		"2026-11-24T24:00:00Z",
		"2026-11-24T10:60:00Z",
		"2026-11-24T10:00:61Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"26-11-24T10:00:00Z",
		"2026-1-24T10:00:00Z",
		"+026-11-24T10:00:00Z",
		"2026-11-24T10:00:00Z ",
		" 2026-11-24T10:00:00Z",
		"2026-11-24T10:00:00ZZ",
		"2026/11/24T10:00:00Z",
		"Tue, 24 Nov 2026 10:00:00 +0000",
	};
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < N(texts); i++)
		if (timestamp_parse(texts[i], &ms))
			fail_msg("%s was taken for %lld", texts[i], (long long)ms);
	assert_int_equal(ms, 42);
}

/* Every day of 800 years, against the C library. */
static void test_agrees_with_the_calendar(void **state)
{
	char text[40];
	int64_t ms;

	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		time_t seconds = (time_t)(day * 86400);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_true(timestamp_parse(text, &ms));
		assert_true(ms == day * 86400000);
	}
}

static void test_writes_mail_dates(void **state)
{
	char text[TIMESTAMP_RFC5322_SIZE];

	(void)state;
	timestamp_rfc5322(text, INT64_C(1795514400999));
	assert_string_equal(text, "Tue, 24 Nov 2026 10:00:00 +0000");
	timestamp_rfc5322(text, 0);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 +0000");
	timestamp_rfc5322(text, -5);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 +0000");
	timestamp_rfc5322(text, INT64_MAX);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 +0000");
}

static void test_writes_rfc3339(void **state)
{
	char text[TIMESTAMP_RFC3339_SIZE];

	(void)state;
	timestamp_rfc3339(text, INT64_C(1795514400009));
	assert_string_equal(text, "2026-11-24T10:00:00.009Z");
	timestamp_rfc3339(text, -5);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	timestamp_rfc3339(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void test_time_zone_of_the_machine_plays_no_part(void **state)
{
	char text[TIMESTAMP_RFC5322_SIZE];
	int64_t ms;

	(void)state;
	setenv("TZ", "America/New_York", 1);
	tzset();
	timestamp_rfc5322(text, INT64_C(1795514400000));
	assert_string_equal(text, "Tue, 24 Nov 2026 10:00:00 +0000");
	assert_true(timestamp_parse("2026-11-24T10:00:00Z", &ms));
	assert_true(ms == INT64_C(1795514400000));
	unsetenv("TZ");
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_rfc3339),
		cmocka_unit_test(test_refuses_everything_else),
		cmocka_unit_test(test_agrees_with_the_calendar),
		cmocka_unit_test(test_writes_mail_dates),
		cmocka_unit_test(test_writes_rfc3339),
		cmocka_unit_test(test_time_zone_of_the_machine_plays_no_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

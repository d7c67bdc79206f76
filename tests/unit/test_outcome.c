#include "mail/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_SENT), "sent");
	assert_string_equal(outcome_name(OUTCOME_RETRY), "retry");
	assert_string_equal(outcome_name(OUTCOME_THROTTLED), "throttled");
	assert_string_equal(outcome_name(OUTCOME_PROVIDER_DOWN), "provider_down");
	assert_string_equal(outcome_name(OUTCOME_REJECTED), "rejected");
	assert_string_equal(outcome_name(OUTCOME_UNKNOWN), "unknown");
}

static void test_set_fills_everything(void **state)
{
	struct outcome o;

	(void)state;
	memset(&o, 0x55, sizeof(o));
	outcome_set(&o, OUTCOME_RETRY, "451 4.7.1", "Try again later");
	assert_int_equal(o.kind, OUTCOME_RETRY);
	assert_string_equal(o.code, "451 4.7.1");
	assert_string_equal(o.text, "Try again later");
	assert_string_equal(o.message_id, "");
	assert_true(o.retry_after_ms == 0);
	assert_false(o.healthy);

	outcome_set(&o, OUTCOME_UNKNOWN, NULL, NULL);
	assert_string_equal(o.code, "");
	assert_string_equal(o.text, "");
}

static void test_text_is_one_printable_line(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"two\r\nlines\nand\rmore", "two lines and more"},
		{"  outer \t blanks \n", "outer blanks"},
		{"a\x01\x02\x1b[31mb\x7f", "a [31mb"},
		{"caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
		{"c1 \xc2\x85 gone", "c1 gone"},
		{"latin1 caf\xe9 x", "latin1 caf\xef\xbf\xbd x"},
		{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
		{" \r\n ", ""},
	};
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		outcome_set(&o, OUTCOME_REJECTED, "550", rows[i].in);
		assert_string_equal(o.text, rows[i].out);
		outcome_set(&o, OUTCOME_REJECTED, rows[i].in, "x");
		assert_string_equal(o.code, rows[i].out);
	}
}

/* However the characters fall on the end, what is left is whole ones, and as many as fit. */
static void test_long_text_is_cut_between_characters(void **state)
{
	char text[400];
	struct outcome o;

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', shift);
		for (size_t i = 0; i < 90; i++)
			memcpy(text + shift + 4 * i, "\xf0\x9f\x98\x80", 4);
		text[shift + 360] = '\0';
		outcome_set(&o, OUTCOME_REJECTED, text, text);
		assert_true(utf8_valid(o.text, strlen(o.text)));
		assert_true(strlen(o.text) >= OUTCOME_MAX_TEXT - 4);
		assert_true(utf8_valid(o.code, strlen(o.code)));
		assert_true(strlen(o.code) >= OUTCOME_MAX_CODE - 4);
	}
	memset(text, 'b', sizeof(text));
	text[399] = '\0';
	outcome_set(&o, OUTCOME_REJECTED, text, text);
	assert_int_equal(strlen(o.text), OUTCOME_MAX_TEXT - 1);
	assert_int_equal(strlen(o.code), OUTCOME_MAX_CODE - 1);
}

static void test_may_be_set_from_itself(void **state)
{
	struct outcome o;

	(void)state;
	outcome_set(&o, OUTCOME_RETRY, "421", "closing");
	outcome_set(&o, OUTCOME_THROTTLED, o.code, o.text);
	assert_int_equal(o.kind, OUTCOME_THROTTLED);
	assert_string_equal(o.code, "421");
	assert_string_equal(o.text, "closing");
}

static void assert_hidden(const char *text, const char *secret, const char *hidden)
{
	struct outcome o;

	outcome_set(&o, OUTCOME_REJECTED, "535", text);
	outcome_hide(&o, secret);
	assert_string_equal(o.text, hidden);
	assert_string_equal(o.code, "535");
}

static void test_secrets_are_hidden(void **state)
{
	char text[400], hidden[400];
	struct outcome o;

	(void)state;
	assert_hidden("not s3cr3t-key, nor s3cr3t-key", "s3cr3t-key", "not ***, nor ***");
	assert_hidden("s3cr3t-keys3cr3t-key", "s3cr3t-key", "******");
	assert_hidden("a short one: ab", "ab", "a short one: **");
	assert_hidden("***", "***", "***");
	assert_hidden("nothing", "", "nothing");
	assert_hidden("no s3cr3t-ke", "s3cr3t-key", "no s3cr3t-ke");
	/* Cut off in its middle, by the text's own bound. */
	for (size_t shown = 4; shown < 10; shown++) {
		size_t before = OUTCOME_MAX_TEXT - 1 - shown;

		memset(text, 'x', before);
		snprintf(text + before, sizeof(text) - before, "s3cr3t-key");
		snprintf(hidden, sizeof(hidden), "%.*s***", (int)before, text);
		assert_hidden(text, "s3cr3t-key", hidden);
	}
	outcome_set(&o, OUTCOME_REJECTED, "422 s3cr3t-key", "");
	outcome_hide(&o, "s3cr3t-key");
	assert_string_equal(o.code, "422 ***");
}

/* A password may be a word of ours. */
static void test_codes_of_ours_are_kept(void **state)
{
	struct outcome o;

	(void)state;
	outcome_set(&o, OUTCOME_PROVIDER_DOWN, CODE_QUOTA, "the quota is used up");
	outcome_hide(&o, "quota");
	assert_string_equal(o.code, CODE_QUOTA);
	assert_null(strstr(o.text, "quota"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_set_fills_everything),
		cmocka_unit_test(test_text_is_one_printable_line),
		cmocka_unit_test(test_long_text_is_cut_between_characters),
		cmocka_unit_test(test_may_be_set_from_itself),
		cmocka_unit_test(test_secrets_are_hidden),
		cmocka_unit_test(test_codes_of_ours_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

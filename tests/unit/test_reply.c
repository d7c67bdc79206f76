#include "smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct smtp_reply r;
static size_t used;

static enum reply_status parse(const char *text)
{
	memset(&r, 0, sizeof(r));
	return smtp_reply_parse(&r, text, strlen(text), &used, NULL, NULL);
}

static void test_one_line(void **state)
{
	(void)state;
	assert_int_equal(parse("250 2.1.0 Sender ok\r\n"), REPLY_WHOLE);
	assert_int_equal(r.code, 250);
	assert_string_equal(r.enhanced, "2.1.0");
	assert_string_equal(r.text, "Sender ok");
	assert_int_equal(r.n_lines, 1);
	assert_int_equal(used, 21);
}

static void test_code_alone(void **state)
{
	(void)state;
	assert_int_equal(parse("250\r\n"), REPLY_WHOLE);
	assert_int_equal(r.code, 250);
	assert_string_equal(r.text, "");
	assert_int_equal(parse("354 \n"), REPLY_WHOLE);
	assert_int_equal(r.code, 354);
}

static void test_lines_are_joined_and_the_enhanced_code_is_taken_once(void **state)
{
	(void)state;
	assert_int_equal(
		parse("550-5.1.1 The account\r\n550-5.1.1 does not\r\n550 5.1.1 exist.\r\n"),
		REPLY_WHOLE);
	assert_int_equal(r.code, 550);
	assert_string_equal(r.enhanced, "5.1.1");
	assert_string_equal(r.text, "The account does not exist.");
	assert_int_equal(r.n_lines, 3);
}

static void test_what_looks_like_an_enhanced_code_but_is_none(void **state)
{
	static const char *const none[] = {"250 5.1.1 other class", "250 2.1 two parts",
	                                   "250 2.1.1x glued",      "250 2.1234.1 long",
	                                   "250 2..1 empty",        "220 2.0 Postfix"};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s\r\n", none[i]);
		assert_int_equal(parse(line), REPLY_WHOLE);
		assert_string_equal(r.enhanced, "");
		assert_string_equal(r.text, none[i] + 4);
	}
}

static void test_what_follows_belongs_to_the_next_reply(void **state)
{
	const char *stream = "250-a\r\n250 b\r\n354 go\r\n5";

	(void)state;
	assert_int_equal(parse(stream), REPLY_WHOLE);
	assert_int_equal(used, 14);
	assert_int_equal(parse(stream + 14), REPLY_WHOLE);
	assert_int_equal(r.code, 354);
	assert_int_equal(used, 8);
	assert_int_equal(parse(stream + 22), REPLY_MORE);
	assert_int_equal(used, 0);
}

/* The same reply cut in two at every byte, as the network may. */
static void test_split_at_every_byte(void **state)
{
	static const char whole[] =
		"250-mx.example\r\n250-SIZE 1000\r\n250-2.1.0 x\r\n250 2.1.0 y\r\n";
	size_t len = sizeof(whole) - 1;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		size_t taken;

		memset(&r, 0, sizeof(r));
		assert_int_equal(smtp_reply_parse(&r, whole, cut, &taken, NULL, NULL), REPLY_MORE);
		assert_true(taken <= cut);
		assert_true(taken == 0 || whole[taken - 1] == '\n');
		assert_int_equal(
			smtp_reply_parse(&r, whole + taken, len - taken, &used, NULL, NULL),
			REPLY_WHOLE);
		assert_int_equal(taken + used, len);
		assert_int_equal(r.n_lines, 4);
		assert_string_equal(r.enhanced, "2.1.0");
		assert_string_equal(r.text, "mx.example SIZE 1000 x y");
	}
}

static void test_what_is_no_reply(void **state)
{
	static const char *const broken[] = {"HTTP/1.1 400 Bad Request\r\n",
	                                     "SSH-2.0-OpenSSH_9.2\r\n",
	                                     "\r\n",
	                                     "25\r\n",
	                                     "150 early\r\n",
	                                     "650 late\r\n",
	                                     "2x0 hi\r\n",
	                                     "250_x\r\n",
	                                     "250-a\r\n251 b\r\n",
	                                     "+OK POP3\r\n",
	                                     " 250 ok\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (parse(broken[i]) != REPLY_BROKEN)
			fail_msg("taken for a reply: %s", broken[i]);
}

static void test_a_line_without_end_is_bounded(void **state)
{
	size_t len = 10 * 1024 * 1024, calls = 0, at = 0;
	char *flood = malloc(len);
	enum reply_status status = REPLY_MORE;

	(void)state;
	assert_non_null(flood);
	memset(flood, 'x', len);
	memcpy(flood, "250 ", 4);
	memset(&r, 0, sizeof(r));
	assert_int_equal(smtp_reply_parse(&r, flood, len, &used, NULL, NULL), REPLY_BROKEN);
	/* Also when it comes in small pieces: nobody has to keep more than a line. */
	while (status == REPLY_MORE && at < len) {
		at += 100;
		status = smtp_reply_parse(&r, flood, at, &used, NULL, NULL);
		calls++;
	}
	assert_int_equal(status, REPLY_BROKEN);
	assert_true(calls <= REPLY_MAX_LINE / 100 + 1);
	free(flood);
}

static void test_the_number_of_lines_is_bounded(void **state)
{
	enum reply_status status = REPLY_MORE;
	size_t lines = 0;

	(void)state;
	memset(&r, 0, sizeof(r));
	while (status == REPLY_MORE && lines < 10000) {
		status = smtp_reply_parse(&r, "250-more\r\n", 10, &used, NULL, NULL);
		lines++;
	}
	assert_int_equal(status, REPLY_BROKEN);
	assert_int_equal(lines, REPLY_MAX_LINES + 1);
	assert_true(strlen(r.text) < REPLY_MAX_TEXT);
}

static void test_text_is_printable_and_cut_at_a_character(void **state)
{
	char line[REPLY_MAX_LINE];
	size_t n;

	(void)state;
	assert_int_equal(parse("550 a\x01\x1b[31mb\xff\tc\xc3\xa9\r\n"), REPLY_WHOLE);
	assert_string_equal(r.text, "a??[31mb? c\xc3\xa9");
	n = (size_t)snprintf(line, sizeof(line), "550 x");
	while (n + 4 < sizeof(line)) {
		memcpy(line + n, "\xc3\xa9", 2);
		n += 2;
	}
	memcpy(line + n, "\r\n", 3);
	assert_int_equal(parse(line), REPLY_WHOLE);
	n = strlen(r.text);
	assert_true(n >= REPLY_MAX_TEXT - 2 && n < REPLY_MAX_TEXT);
	assert_int_equal((n - 1) % 2, 0); /* no half character */
}

static void note_line(void *arg, const char *text, size_t len)
{
	char *all = arg;
	size_t at = strlen(all);

	snprintf(all + at, 200 - at, "[%.*s]", (int)len, text);
}

static void test_each_line_is_told(void **state)
{
	static const char ehlo[] = "250-mx.example\r\n250-SIZE 10\r\n250\r\n";
	char all[200] = "";

	(void)state;
	memset(&r, 0, sizeof(r));
	assert_int_equal(smtp_reply_parse(&r, ehlo, strlen(ehlo), &used, note_line, all),
	                 REPLY_WHOLE);
	assert_string_equal(all, "[mx.example][SIZE 10][]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_code_alone),
		cmocka_unit_test(test_lines_are_joined_and_the_enhanced_code_is_taken_once),
		cmocka_unit_test(test_what_looks_like_an_enhanced_code_but_is_none),
		cmocka_unit_test(test_what_follows_belongs_to_the_next_reply),
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_what_is_no_reply),
		cmocka_unit_test(test_a_line_without_end_is_bounded),
		cmocka_unit_test(test_the_number_of_lines_is_bounded),
		cmocka_unit_test(test_text_is_printable_and_cut_at_a_character),
		cmocka_unit_test(test_each_line_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

static void test_names(void **state)
{
	char longest[HEADER_MAX_NAME + 2];

	(void)state;
	assert_true(header_name_valid("X-Campaign"));
	assert_true(header_name_valid("!odd~but;valid"));
	assert_false(header_name_valid(""));
	assert_false(header_name_valid("X Y"));
	assert_false(header_name_valid("X:"));
	assert_false(header_name_valid("X\n"));
	assert_false(header_name_valid("X\x7f"));
	assert_false(header_name_valid("X-\xc3\xa9"));
	memset(longest, 'x', sizeof(longest));
	longest[HEADER_MAX_NAME] = '\0';
	assert_true(header_name_valid(longest));
	longest[HEADER_MAX_NAME] = 'x';
	longest[HEADER_MAX_NAME + 1] = '\0';
	assert_false(header_name_valid(longest));
}

#define X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_words_for_people(void **state)
{
	static const struct {
		const char *value, *field;
	} rows[] = {
		{"Plain", "Subject: Plain\r\n"},
		{"Two  blanks", "Subject: Two  blanks\r\n"},
		/* from the first word that needs it to the last */
		{"The caf\xc3\xa9 is open", "Subject: The =?UTF-8?B?Y2Fmw6k=?= is open\r\n"},
		{"a \xc3\xa9 b \xc3\xa9 c", "Subject: a =?UTF-8?B?w6kgYiDDqQ==?= c\r\n"},
		{"\xc3\xa9", "Subject: =?UTF-8?B?w6k=?=\r\n"},
		/* what receivers would drop or decode */
		{" led by a blank", "Subject: =?UTF-8?Q?_led_by_a_blank?=\r\n"},
		{"and ended ", "Subject: =?UTF-8?Q?and_ended_?=\r\n"},
		{"   ", "Subject: =?UTF-8?Q?___?=\r\n"},
		{"tab\there", "Subject: =?UTF-8?Q?tab=09here?=\r\n"},
		{"a =?utf-8?q?x?= b", "Subject: a =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?= b\r\n"},
		/* folded where there is a blank */
		{X60 " yyyyyyyyyyyyyyyyy", "Subject: " X60 "\r\n yyyyyyyyyyyyyyyyy\r\n"},
		{X60 "  yyyyyyyyyyyyyyyyy", "Subject: " X60 "\r\n  yyyyyyyyyyyyyyyyy\r\n"},
		/* and encoded where there is none */
		{X60 X60,
	         "Subject: =?UTF-8?Q?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx?=\r\n"
	         " =?UTF-8?Q?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx?=\r\n"
	         " =?UTF-8?Q?xx?=\r\n"},
	};
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < N(rows); i++) {
		buf_clear(&b);
		header_add_words(&b, "Subject", rows[i].value);
		assert_string_equal(buf_str(&b), rows[i].field);
	}
	buf_free(&b);
}

/* What has a syntax of its own must not be touched where that can be helped. */
static void test_values_of_the_job(void **state)
{
	static const struct {
		const char *value, *field;
	} rows[] = {
		{"", "X-A: \r\n"},
		{"=?utf-8?q?x?=", "X-A: =?utf-8?q?x?=\r\n"},
		{"<https://x.org/" X60 X60 ">", "X-A: <https://x.org/" X60 X60 ">\r\n"},
		{"<a@x.org> <https://x.org/" X60 X60 "> b",
	         "X-A: <a@x.org>\r\n <https://x.org/" X60 X60 ">\r\n b\r\n"},
		{"Caf\xc3\xa9 <list.x.org>", "X-A: =?UTF-8?B?Q2Fmw6k=?= <list.x.org>\r\n"},
	};
	char value[2001];
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < N(rows); i++) {
		buf_clear(&b);
		header_add_value(&b, "X-A", rows[i].value);
		assert_string_equal(buf_str(&b), rows[i].field);
	}
	/* A word that no line could hold is encoded all the same. */
	memset(value, 'v', 2000);
	value[2000] = '\0';
	buf_clear(&b);
	header_add_value(&b, "X-A", value);
	for (const char *line = buf_str(&b); line[0] != '\0'; line = strstr(line, "\r\n") + 2)
		assert_true(strstr(line, "\r\n") - line <= 76);
	buf_free(&b);
}

#define BLANKS20 "                    "
#define BLANKS100 BLANKS20 BLANKS20 BLANKS20 BLANKS20 BLANKS20

/* RFC 5322 3.2.2: no line of blanks alone; some servers take one for the end of the header. */
static void test_blanks_are_never_a_line(void **state)
{
	static const char *const values[] = {
		X60 BLANKS100 "\xc3\xa9",
		X60 BLANKS20 "\xc3\xa9",
		X60 BLANKS20,
		X60 BLANKS100,
		BLANKS100,
		BLANKS100 "x" BLANKS100,
		"\xc3\xa9" BLANKS100 "x",
		X60 BLANKS20 X60,
	};
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < 2 * N(values); i++) {
		buf_clear(&b);
		if (i % 2 == 0)
			header_add_words(&b, "X-A", values[i / 2]);
		else
			header_add_value(&b, "X-A", values[i / 2]);
		for (const char *line = buf_str(&b); line[0] != '\0';
		     line = strstr(line, "\r\n") + 2) {
			assert_true(strspn(line, " ") < (size_t)(strstr(line, "\r\n") - line));
			assert_true(strstr(line, "\r\n") - line <= 200);
		}
	}
	buf_free(&b);
}

static struct address address(const char *name, const char *email)
{
	return (struct address){.name = (char *)name, .email = (char *)email};
}

static void test_mailboxes(void **state)
{
	static const struct {
		const char *name, *field;
	} rows[] = {
		{"", "To: ada@x.org\r\n"},
		{"Ada Lovelace", "To: Ada Lovelace <ada@x.org>\r\n"},
		{"Lovelace, Ada", "To: \"Lovelace, Ada\" <ada@x.org>\r\n"},
		{"A. L.", "To: \"A. L.\" <ada@x.org>\r\n"},
		{"two  blanks", "To: \"two  blanks\" <ada@x.org>\r\n"},
		{"a \"b\" \\ <c>", "To: \"a \\\"b\\\" \\\\ <c>\" <ada@x.org>\r\n"},
		{"J\xc3\xb6rgen Mueller", "To: =?UTF-8?Q?J=C3=B6rgen_Mueller?= <ada@x.org>\r\n"},
		{"=?utf-8?q?x?=", "To: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?= <ada@x.org>\r\n"},
		{X60 "x y",
	         "To: =?UTF-8?Q?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx?=\r\n"
	         " =?UTF-8?Q?x_y?= <ada@x.org>\r\n"},
	};
	struct header_list list;
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (size_t i = 0; i < N(rows); i++) {
		struct address a = address(rows[i].name, "ada@x.org");

		buf_clear(&b);
		header_list_begin(&list, &b, "To");
		header_list_add(&list, &a);
		header_list_end(&list);
		assert_string_equal(buf_str(&b), rows[i].field);
	}
	buf_free(&b);
}

static void test_long_lists_are_folded(void **state)
{
	struct header_list list;
	char email[40];
	struct buf b;
	size_t commas = 0;

	(void)state;
	buf_init(&b, 100000);
	header_list_begin(&list, &b, "To");
	for (int i = 0; i < 1000; i++) {
		struct address a = address(i % 3 == 0 ? "Somebody" : "", email);

		snprintf(email, sizeof(email), "person%d@x.org", i);
		header_list_add(&list, &a);
	}
	header_list_end(&list);
	for (const char *line = buf_str(&b), *end; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		assert_true(end - line <= 78);
		assert_true(line == b.data || line[0] == ' ');
	}
	for (size_t i = 0; i < b.len; i++)
		commas += b.data[i] == ',';
	assert_int_equal(commas, 999);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_words_for_people),
		cmocka_unit_test(test_values_of_the_job),
		cmocka_unit_test(test_blanks_are_never_a_line),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_long_lists_are_folded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

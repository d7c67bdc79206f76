#include "mail/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

static bool parse(struct address *a, const char *text, const char **why)
{
	return address_parse(a, text, strlen(text), why);
}

#define LOCAL_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_reads_one_address(void **state)
{
	static const struct {
		const char *text, *email, *name;
		bool ascii;
	} rows[] = {
		{"ada@x.org", "ada@x.org", "", true},
		{"  ada@x.org\t", "ada@x.org", "", true},
		{"<ada@x.org>", "ada@x.org", "", true},
		{"Ada <ada@x.org>", "ada@x.org", "Ada", true},
		{"Ada<ada@x.org>", "ada@x.org", "Ada", true},
		{"Ada Lovelace  <ada@x.org> ", "ada@x.org", "Ada Lovelace", true},
		{"A. B. Smith <a@x.org>", "a@x.org", "A. B. Smith", true},
		{"\"Lovelace, Ada\" <ada@x.org>", "ada@x.org", "Lovelace, Ada", true},
		{"\"a \\\"b\\\" \\\\ <c@d.org>\" <ada@x.org>", "ada@x.org", "a \"b\" \\ <c@d.org>",
	         true},
		{"Ada \"Countess\" King <ada@x.org>", "ada@x.org", "Ada Countess King", true},
		/* what programs paste together */
		{"Lovelace, Ada (Sales) [EU] <ada@x.org>", "ada@x.org",
	         "Lovelace, Ada (Sales) [EU]", true},
		{"ada@x.org <ada@x.org>", "ada@x.org", "", true},
		{"\"\" <ada@x.org>", "ada@x.org", "", true},
		/* names that are not ASCII, as they are and in RFC 2047 words */
		{"J\xc3\xb6rg <j@x.org>", "j@x.org", "J\xc3\xb6rg", true},
		{"=?utf-8?q?J=C3=B6rg?= <j@x.org>", "j@x.org", "J\xc3\xb6rg", true},
		{"=?iso-8859-1?B?SvZyZw==?= M <j@x.org>", "j@x.org", "J\xc3\xb6rg M", true},
		/* words with padding before others, a character that two words share */
		{"=?utf-8?B?w6k=?= =?utf-8?B?w6k=?= =?utf-8?b?YQ==?=  =?utf-8?q?b_c?= <j@x.org>",
	         "j@x.org",
	         "\xc3\xa9\xc3\xa9"
	         "ab c",
	         true},
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=A9?= <j@x.org>", "j@x.org", "\xc3\xa9", true},
		{"\"=?utf-8?q?x?=\" <j@x.org>", "j@x.org", "=?utf-8?q?x?=", true},
		/* local parts */
		{"a.b+c/d=e!#$%&'*-?^_`{|}~@x.org", "a.b+c/d=e!#$%&'*-?^_`{|}~@x.org", "", true},
		{"\"quoted local\"@x.org", "\"quoted local\"@x.org", "", true},
		{"\"a@b\"@x.org", "\"a@b\"@x.org", "", true},
		{"\"a\\\"b, c\"@x.org", "\"a\\\"b, c\"@x.org", "", true},
		{"\"\"@x.org", "\"\"@x.org", "", true},
		{LOCAL_64 "@x.org", LOCAL_64 "@x.org", "", true},
		/* domains */
		{"root@localhost", "root@localhost", "", true},
		{"a@my_host.example", "a@my_host.example", "", true},
		{"a@X-1.Org", "a@X-1.Org", "", true},
		{"a@" LABEL_63 ".org", "a@" LABEL_63 ".org", "", true},
		{"a@[192.0.2.1]", "a@[192.0.2.1]", "", true},
		{"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", "", true},
		/* internationalized: the domain becomes its A-label (IDNA 2008: the sharp s
		 * stays) */
		{"a@stra\xc3\x9f"
	         "e.de",
	         "a@xn--strae-oqa.de", "", true},
		{"a@\xe4\xbe\x8b\xe3\x81\x88.jp", "a@xn--r8jz45g.jp", "", true},
		{"j\xc3\xb6rg@x.org", "j\xc3\xb6rg@x.org", "", false},
		{"j\xc3\xb6rg@b\xc3\xbc"
	         "cher.de",
	         "j\xc3\xb6rg@xn--bcher-kva.de", "", false},
		{"\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7@x.org",
	         "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7@x.org", "", false},
	};
	struct address a;
	const char *why;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		if (!parse(&a, rows[i].text, &why))
			fail_msg("%s: %s", rows[i].text, why);
		assert_string_equal(a.email, rows[i].email);
		assert_string_equal(a.name, rows[i].name);
		assert_int_equal(a.ascii, rows[i].ascii);
		address_free(&a);
	}
}

static void test_refuses_what_is_not_one_address(void **state)
{
	static const char *const texts[] = {
		"",
		"   ",
		"ada",
		"@",
		"@x.org",
		"ada@",
		"<>",
		"Ada <>",
		"ada@x.org>",
		"<ada@x.org",
		"Ada ada@x.org",
		"ada@x.org Ada",
		"ada @x.org",
		"ada@ x.org",
		"ada@x.org bob@y.org",
		"a@b@c.org",
		"Ada <ada@x.org> junk",
		"Ada <ada@x.org>>",
		"Ada <<ada@x.org>>",
		/* dots */
		".a@x.org",
		"a.@x.org",
		"a..b@x.org",
		"a@.x.org",
		"a@x.org.",
		"a@x..org",
		/* domains */
		"a@-x.org",
		"a@x-.org",
		"a@x.org-",
		"a@x!y.org",
		"a@" LABEL_63 "x.org",
		"a@[1.2.3]",
		"a@[1.2.3.4",
		"a@[IPv6:zz]",
		"a@[]",
		"a@[1.2.3.4]x",
		"a@ex mple.\xc3\xbc",
		"a@x\xc3\xbc<y>.org",
		"a@\xe2\x98\x83\xe2\x80\x8b.org", /* U+200B */
		/* local parts */
		LOCAL_64 "x@x.org",
		"a(b)@x.org",
		"a,b@x.org",
		"a;b@x.org",
		"a:b@x.org",
		"a\"b@x.org",
		"\"a\"b@x.org",
		"\"a@x.org",
		"\"<\"@x.org",
		"\"a>b\"@x.org",
		"a\xe2\x80\xae"
		"b@x.org", /* U+202E turns what follows around */
		"a\xe2\x80\xa8"
		"b@x.org", /* U+2028 */
		"a\xc2\xa0"
		"b@x.org", /* U+00A0 */
		/* lists, groups, routes, comments */
		"a@x.org, b@y.org",
		"a@x.org,b@y.org",
		"a@x.org; b@y.org",
		"a@x.org,",
		"a@x.org, Bob <b@y.org>",
		"Ada <a@x.org>, Bob <b@y.org>",
		"Ada <a@x.org> Bob <b@y.org>",
		"Ada; Bob <b@y.org>",
		"Group: a@x.org, b@y.org;",
		"Group: Ada <a@x.org>",
		"undisclosed-recipients:;",
		"<@a.org,@b.org:c@d.org>",
		"<@a.org:c@d.org>",
		"ada@x.org (Ada)",
		"(Ada) ada@x.org",
		"\"Ada <a@x.org>",
		"Ada\\ <a@x.org>",
		"b@y.org <a@x.org>",
		"mailto:a@x.org",
	};
	struct address a;
	const char *why;

	(void)state;
	for (size_t i = 0; i < N(texts); i++) {
		if (parse(&a, texts[i], &why))
			fail_msg("%s was taken for %s", texts[i], a.email);
		if (strncmp(why, "must be a valid email address", 29) != 0)
			fail_msg("%s: %s", texts[i], why);
		assert_null(a.email);
		assert_null(a.name);
	}
}

/* Nothing that could end a line of SMTP or of a header, wherever it stands and however it came. */
static void test_refuses_control_characters(void **state)
{
	static const char *const controls[] = {"\r",   "\n",   "\r\n", "\t",
	                                       "\x01", "\x1b", "\x7f", "\xc2\x85"};
	static const char *const frames[] = {
		"a%sb@x.org",     "a@x%s.org",       "Ad%sa <a@x.org>",      "\"A%sda\" <a@x.org>",
		"\"a%sb\"@x.org", "Ada <a@x.org%s>", "<a@x.org>%s<b@y.org>",
	};
	char text[100];
	struct address a;
	const char *why;

	(void)state;
	for (size_t i = 0; i < N(controls); i++)
		for (size_t k = 0; k < N(frames); k++) {
			const char *place = strstr(frames[k], "%s");

			snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - frames[k]),
			         frames[k], controls[i], place + 2);
			assert_false(parse(&a, text, &why));
			assert_string_equal(why, "must not contain control characters");
		}
	assert_false(address_parse(&a, "a\0b@x.org", 9, &why));
	assert_string_equal(why, "must not contain control characters");
	assert_false(parse(&a, "=?utf-8?q?Ada=0D=0ABcc=3A_x=40y.org?= <a@x.org>", &why));
	assert_string_equal(why, "must not contain control characters");
	assert_false(parse(&a, "=?utf-8?b?QWRhCg==?= Lovelace <a@x.org>", &why));
	assert_string_equal(why, "must not contain control characters");
}

static void test_refuses_broken_utf8(void **state)
{
	struct address a;
	const char *why;

	(void)state;
	assert_false(parse(&a, "a\xff@x.org", &why));
	assert_string_equal(why, "must be UTF-8");
	assert_false(parse(&a, "Ad\xc3 <a@x.org>", &why));
	assert_string_equal(why, "must be UTF-8");
}

static void test_lengths_are_bounded(void **state)
{
	char name[ADDRESS_MAX_NAME + 2], domain[300], text[5000];
	struct address a;
	const char *why;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[ADDRESS_MAX_NAME] = '\0';
	snprintf(text, sizeof(text), "%s <a@x.org>", name);
	assert_true(parse(&a, text, &why));
	address_free(&a);
	assert_true(address_make(&a, "a@x.org", name, &why));
	address_free(&a);

	name[ADDRESS_MAX_NAME] = 'n';
	name[ADDRESS_MAX_NAME + 1] = '\0';
	snprintf(text, sizeof(text), "%s <a@x.org>", name);
	assert_false(parse(&a, text, &why));
	assert_string_equal(why, "must have a name of at most 256 bytes");
	assert_false(address_make(&a, "a@x.org", name, &why));

	for (int n = 255; n <= 256; n++) {
		for (int i = 0; i < n; i++)
			domain[i] = i % 10 == 9 && i < 250 ? '.' : 'd';
		domain[n] = '\0';
		snprintf(text, sizeof(text), "a@%s", domain);
		assert_int_equal(parse(&a, text, &why), n == 255);
		address_free(&a);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_false(parse(&a, text, &why));
	assert_string_equal(why, "is too long for an email address");
}

static void test_makes_one_from_its_parts(void **state)
{
	struct address a;
	const char *why;

	(void)state;
	assert_true(address_make(&a, " ada@x.org ", NULL, &why));
	assert_string_equal(a.email, "ada@x.org");
	assert_string_equal(a.name, "");
	address_free(&a);
	/* The name is taken literally: no quotes, no encoded words. */
	assert_true(address_make(&a, "ada@x.org", " \"Ada\" =?utf-8?q?x?= <b@y.org>, ", &why));
	assert_string_equal(a.name, "\"Ada\" =?utf-8?q?x?= <b@y.org>,");
	address_free(&a);

	assert_false(address_make(&a, "Ada <ada@x.org>", NULL, &why));
	assert_string_equal(why, "must be a valid email address");
	assert_false(address_make(&a, "", "Ada", &why));
	assert_false(address_make(&a, "ada@x.org", "A\r\nBcc: b@y.org", &why));
	assert_string_equal(why, "must not contain control characters");
	assert_false(address_make(&a, "a\nb@x.org", "A", &why));
	assert_string_equal(why, "must not contain control characters");
	assert_false(address_make(&a, "ada@x.org", "A\xff", &why));
	assert_string_equal(why, "must be UTF-8");
	assert_null(a.email);
}

static void test_domain_is_behind_the_last_at(void **state)
{
	struct address a;
	const char *why;

	(void)state;
	assert_true(parse(&a, "\"a@b\"@x.org", &why));
	assert_string_equal(address_domain(&a), "x.org");
	address_free(&a);
	assert_true(parse(&a, "a@[IPv6:::1]", &why));
	assert_string_equal(address_domain(&a), "[IPv6:::1]");
	address_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_one_address),
		cmocka_unit_test(test_refuses_what_is_not_one_address),
		cmocka_unit_test(test_refuses_control_characters),
		cmocka_unit_test(test_refuses_broken_utf8),
		cmocka_unit_test(test_lengths_are_bounded),
		cmocka_unit_test(test_makes_one_from_its_parts),
		cmocka_unit_test(test_domain_is_behind_the_last_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

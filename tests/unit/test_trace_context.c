#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mail/trace_context.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define N(A) (sizeof(A) / sizeof(A[0]))

/* What may be read, and whether its producer samples. */
static void test_valid(void **state)
{
	static const struct {
		const char *text;
		bool sampled;
	} cases[] = {
		{"00-" TRACE "-" SPAN "-00", false},
		{"00-" TRACE "-" SPAN "-01", true},
		{"00-" TRACE "-" SPAN "-02", false}, /* level 2: the id is random */
		{"00-" TRACE "-" SPAN "-03", true},
		{"00-" TRACE "-" SPAN "-fe", false},
		{"00-" TRACE "-" SPAN "-ff", true},
		/* later versions: what we know of them */
		{"01-" TRACE "-" SPAN "-01", true},
		{"cc-" TRACE "-" SPAN "-00-what-the-future-will-be-like", false},
		{"fe-" TRACE "-" SPAN "-01-", true},
	};
	struct trace_context c;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		memset(&c, 'x', sizeof(c));
		if (!trace_context_read(&c, cases[i].text))
			fail_msg("refused: %s", cases[i].text);
		assert_string_equal(c.trace_id, TRACE);
		assert_string_equal(c.span_id, SPAN);
		assert_int_equal(c.sampled, cases[i].sampled);
	}
}

static void test_not_valid(void **state)
{
	static const char *const cases[] = {
		"",
		"0",
		"00",
		"00-",
		"00-" TRACE,
		"00-" TRACE "-",
		"00-" TRACE "-" SPAN,
		"00-" TRACE "-" SPAN "-",
		"00-" TRACE "-" SPAN "-0",
		"00-" TRACE "-" SPAN "-01-",
		"00-" TRACE "-" SPAN "-01-more",
		"00-" TRACE "-" SPAN "-01 ",
		" 00-" TRACE "-" SPAN "-01",
		"00_" TRACE "-" SPAN "-01",
		"00-" TRACE "_" SPAN "-01",
		"00-" TRACE "-" SPAN "_01",
		"01-" TRACE "-" SPAN "-01more",
		"01-" TRACE "-" SPAN "-01-\r\n",
		"ff-" TRACE "-" SPAN "-01",
		"0x-" TRACE "-" SPAN "-01",
		"0A-" TRACE "-" SPAN "-01",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" TRACE "-0000000000000000-01",
		"cc-00000000000000000000000000000000-" SPAN "-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
		"00-" TRACE "-B7AD6B7169203331-01",
		"00-" TRACE "-" SPAN "-0A",
		"00-" TRACE "-" SPAN "-0g",
		"00-0af7651916cd43dd8448eb211c80319-" SPAN "-01",
		"00-0af7651916cd43dd8448eb211c80319cc-" SPAN "-01",
	};
	char longest[TRACE_PARENT_MAX + 2] = "01-" TRACE "-" SPAN "-01-";
	struct trace_context c;

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		if (trace_context_read(&c, cases[i]))
			fail_msg("taken: %s", cases[i]);
	memset(longest + strlen(longest), 'x', sizeof(longest) - 1 - strlen(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_false(trace_context_read(&c, longest));
	longest[TRACE_PARENT_MAX] = '\0';
	assert_true(trace_context_read(&c, longest));
}

/* Each way of cutting it short or changing one character of it. */
static void test_every_character_counts(void **state)
{
	static const char good[] = "00-" TRACE "-" SPAN "-01";
	struct trace_context c;
	char text[sizeof(good)];

	(void)state;
	assert_int_equal(sizeof(good) - 1, TRACE_PARENT_LEN);
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = 'G';
		assert_false(trace_context_read(&c, text));
		text[i] = '\0';
		assert_false(trace_context_read(&c, text));
	}
}

static void test_written_as_read(void **state)
{
	struct trace_context c;
	char text[TRACE_PARENT_LEN + 1], hex[TRACE_SPAN_LEN + 1];

	(void)state;
	assert_true(trace_context_read(&c, "cc-" TRACE "-" SPAN "-ff-more"));
	trace_context_write(&c, text);
	assert_string_equal(text, "00-" TRACE "-" SPAN "-01");
	c.sampled = false;
	trace_context_write(&c, text);
	assert_string_equal(text, "00-" TRACE "-" SPAN "-00");
	trace_context_hex(hex, UINT64_C(0x0123456789abcdef));
	assert_string_equal(hex, "0123456789abcdef");
}

/* ---- tracestate -------------------------------------------------------------------------------- */

#define FOUR(S) S S S S
#define KEY_256 FOUR(FOUR("a123456789abcdef"))

static void test_states(void **state)
{
	static const char *const good[] = {
		"a=b",
		"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
		"fw529a3039@dt=FfIxmV1jTzM,1a-2f@foo=!\"#$%&'()*+-./:;<>?@[]^_`{|}~\\",
		"a=1 , b=2,\tc=3\t",
		",a=1,, ,b=2,",
		"a= 1 x",
		"0_-*/=0",
		KEY_256 "=" KEY_256 /* 513, and so one too many: below */,
	};
	static const char *const bad[] = {
		"",
		" ",
		",",
		"a",
		"a=",
		"a= ",
		"=b",
		"A=b",
		"_=b",
		"\xc3=b",
		"a.=b",
		"a =b",
		"a=b=c",
		"a=b,a=c",
		"a=1,b",
		"a=\xc3\xa4",
		"a=b\nc=d",
		"a=b\r\n",
		"a=b\x7f",
		"a=1;b=2\x01",
		KEY_256 "1=b",
		"b=" KEY_256 "1",
	};

	(void)state;
	for (size_t i = 0; i + 1 < N(good); i++)
		if (!trace_state_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < N(bad); i++)
		if (trace_state_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_false(trace_state_valid(good[N(good) - 1]));
	assert_true(trace_state_valid(good[N(good) - 1] + 1));
}

/* 32 members, and no more. */
static void test_as_many_members(void **state)
{
	char text[TRACE_STATE_MAX + 1] = "";

	(void)state;
	for (int i = 0; i <= TRACE_STATE_MEMBERS; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",k%d=%d", i, i);
		assert_int_equal(trace_state_valid(text), i < TRACE_STATE_MEMBERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_not_valid),
		cmocka_unit_test(test_every_character_counts),
		cmocka_unit_test(test_written_as_read),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_as_many_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

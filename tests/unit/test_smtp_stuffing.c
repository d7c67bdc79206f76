#include "smtp/stuffing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_OUT 4096

/* Stuffs in pieces of `room` bytes, each in a buffer of exactly that size; returns the length. */
static size_t stuff(const char *in, size_t len, size_t room, char out[MAX_OUT])
{
	struct smtp_stuffing s;
	char *piece = malloc(room), *message = malloc(len > 0 ? len : 1);
	size_t n, total = 0;

	assert_non_null(piece);
	assert_non_null(message);
	memcpy(message, in, len); /* no NUL behind it: a read too far shows */
	smtp_stuffing_start(&s, message, len);
	while ((n = smtp_stuffing_next(&s, piece, room)) > 0) {
		assert_true(n <= room);
		assert_true(total + n < MAX_OUT);
		memcpy(out + total, piece, n);
		total += n;
	}
	assert_true(smtp_stuffing_done(&s));
	out[total] = '\0';
	free(piece);
	free(message);
	return total;
}

static const struct {
	const char *in, *out;
} cases[] = {
	{"", ""},
	{"a", "a\r\n"},
	{"a\r\n", "a\r\n"},
	{".", "..\r\n"},
	{".\r\n", "..\r\n"},
	{"..\r\n", "...\r\n"},
	{"a.b\r\n.c\r\n", "a.b\r\n..c\r\n"},
	{"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
	{"a\r\n\r\n.\r\n", "a\r\n\r\n..\r\n"},
	{"\r\n", "\r\n"},
	{"\r\n\r\n", "\r\n\r\n"},
	/* What smuggles a message into a server that takes these for ends of line. */
	{"a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
	{"a\r\n.\nb\r\n", "a\r\n..\r\nb\r\n"},
	{"a\n.\nb\n", "a\r\n..\r\nb\r\n"},
	{"a\r.\rb\r", "a\r\n..\r\nb\r\n"},
	{"a\r.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
	{"a\r\r\n.\r\r\nb", "a\r\n\r\n..\r\n\r\nb\r\n"},
	{"\n\r.\n", "\r\n\r\n..\r\n"},
	{"a\r", "a\r\n"},
	{"a\n", "a\r\n"},
	{"\r", "\r\n"},
};

static void test_every_case_at_every_piece_size(void **state)
{
	char out[MAX_OUT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t room = SMTP_STUFFING_MIN; room < 24; room++) {
			stuff(cases[i].in, strlen(cases[i].in), room, out);
			if (strcmp(out, cases[i].out) != 0)
				fail_msg("case %zu in pieces of %zu: got \"%s\"", i, room, out);
		}
}

static void test_nul_and_8_bit_pass(void **state)
{
	char out[MAX_OUT];

	(void)state;
	assert_int_equal(stuff("a\0\xff.\r\n", 6, 3, out), 6);
	assert_memory_equal(out, "a\0\xff.\r\n", 6);
}

/* The receiver's side (RFC 5321 4.5.2), as strict as can be: lines end in CRLF only. */
static size_t unstuff(const char *in, size_t len, char *out)
{
	size_t n = 0;
	bool start = true;

	for (size_t i = 0; i < len; i++) {
		if (start && in[i] == '.') {
			start = false;
			assert_true(i + 2 < len);
			assert_false(in[i + 1] == '\r' && in[i + 2] == '\n'); /* the end, inside */
			continue;
		}
		out[n++] = in[i];
		start = in[i] == '\n' && i > 0 && in[i - 1] == '\r';
	}
	return n;
}

/* Any bytes: no bare CR or LF, no line that is a lone dot, and what the receiver gets is the message
 * with its line ends made right. */
static void test_random_messages(void **state)
{
	static const char letters[] = "\r\n.x";
	char in[64], out[MAX_OUT], back[MAX_OUT], want[MAX_OUT];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(in), n, m = 0;

		for (size_t i = 0; i < len; i++)
			in[i] = letters[rand_r(&seed) % 4];
		n = stuff(in, len, SMTP_STUFFING_MIN + (size_t)rand_r(&seed) % 20, out);
		for (size_t i = 0; i < n; i++) {
			assert_true(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
			assert_true(out[i] != '\r' || (i + 1 < n && out[i + 1] == '\n'));
		}
		for (size_t i = 0; i < len; i++) {
			bool cr = in[i] == '\r', lf = in[i] == '\n';

			if (cr && i + 1 < len && in[i + 1] == '\n')
				i++;
			if (cr || lf) {
				want[m++] = '\r';
				want[m++] = '\n';
			} else {
				want[m++] = in[i];
			}
		}
		if (m > 0 && want[m - 1] != '\n') {
			want[m++] = '\r';
			want[m++] = '\n';
		}
		assert_int_equal(unstuff(out, n, back), m);
		assert_memory_equal(back, want, m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case_at_every_piece_size),
		cmocka_unit_test(test_nul_and_8_bit_pass),
		cmocka_unit_test(test_random_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/table.h"

static const struct table_column columns[] = {
	{"NAME", false, true, 0},
	{"N", true, false, 0},
	{"TEXT", false, true, 0},
};

struct world {
	struct term term;
	FILE *out;
	int screen; /* the other side of the terminal; -1 none */
};

static void open_plain(struct world *w)
{
	w->out = tmpfile();
	w->screen = -1;
	assert_non_null(w->out);
	term_init(&w->term, w->out);
	assert_false(w->term.tty);
}

static void open_terminal(struct world *w, unsigned short width)
{
	struct winsize size = {.ws_row = 24, .ws_col = width};
	int tty;

	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
	assert_int_equal(setenv("LC_ALL", "C.UTF-8", 1), 0);
	assert_int_equal(openpty(&w->screen, &tty, NULL, NULL, &size), 0);
	w->out = fdopen(tty, "w");
	assert_non_null(w->out);
	term_init(&w->term, w->out);
	assert_true(w->term.tty);
	assert_false(w->term.color);
}

static void close_world(struct world *w)
{
	fclose(w->out);
	if (w->screen >= 0)
		close(w->screen);
}

static void write_table(const struct world *w, struct buf *out, const char *name, const char *text)
{
	struct table t;

	table_init(&t, columns, 3);
	table_add(&t, PAINT_BOLD, name);
	table_add(&t, PAINT_NONE, "1");
	table_add(&t, PAINT_RED, text);
	table_add(&t, PAINT_NONE, "b");
	table_addf(&t, PAINT_NONE, "%d", 1234);
	table_add(&t, PAINT_NONE, NULL);
	buf_init(out, 65536);
	table_write(&t, &w->term, out);
	table_free(&t);
}

static void test_aligned(void **state)
{
	struct world w;
	struct buf out;

	(void)state;
	open_plain(&w);
	write_table(&w, &out, "long-name", "x");
	assert_string_equal(buf_str(&out), "NAME          N  TEXT\n"
	                                   "long-name     1  x\n"
	                                   "b          1234  -\n");
	buf_free(&out);
	close_world(&w);
}

/* Columns are aligned by what is seen, not by bytes; what would move the cursor is not let through. */
static void test_wide_and_wild(void **state)
{
	struct world w;
	struct buf out;

	(void)state;
	open_plain(&w);
	write_table(&w, &out, "\xe4\xbd\xa0\xe5\xa5\xbd\xc3\xbc", "a\033[2Jb");
	assert_string_equal(buf_str(&out),
	                    "NAME      N  TEXT\n"
	                    "\xe4\xbd\xa0\xe5\xa5\xbd\xc3\xbc     1  a\xef\xbf\xbd[2Jb\n"
	                    "b      1234  -\n");
	buf_free(&out);
	close_world(&w);
}

static size_t widest_line(const char *text)
{
	size_t widest = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "\n"), columns_used = term_columns(text, n);

		if (columns_used > widest)
			widest = columns_used;
		text += n + (text[n] == '\n');
	}
	return widest;
}

/* A line that wraps would break the repainting. */
static void test_narrow(void **state)
{
	char name[200], text[300];
	struct world w;
	struct buf out;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	memset(text, 't', sizeof(text) - 1);
	name[sizeof(name) - 1] = text[sizeof(text) - 1] = '\0';
	open_terminal(&w, 60);
	write_table(&w, &out, name, text);
	assert_int_equal(widest_line(buf_str(&out)), 60);
	assert_non_null(strstr(buf_str(&out), "n\xe2\x80\xa6"));
	assert_non_null(strstr(buf_str(&out), "t\xe2\x80\xa6"));
	assert_non_null(strstr(buf_str(&out), "1234")); /* figures are whole */
	buf_free(&out);
	close_world(&w);
}

static void show(struct term *t, const char *text)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_add_str(&b, text);
	term_frame(t, &b);
	buf_free(&b);
}

/* What has come to the screen, up to the last of these words. */
static void read_screen(const struct world *w, char *seen, size_t size, const char *last)
{
	size_t n = 0;

	do {
		ssize_t got = read(w->screen, seen + n, size - 1 - n);

		assert_true(got > 0);
		n += (size_t)got;
		seen[n] = '\0';
	} while (!strstr(seen, last) && n + 1 < size);
}

/* A frame takes the place of the last one, also when it is shorter. */
static void test_frames(void **state)
{
	char seen[4096];
	struct world w;

	(void)state;
	open_terminal(&w, 80);
	show(&w.term, "1\n2\n3\n");
	show(&w.term, "4\n5\n");
	term_keep(&w.term);
	show(&w.term, "6\n");
	read_screen(&w, seen, sizeof(seen), "6\033[K\r\n");
	assert_string_equal(seen, "1\033[K\r\n2\033[K\r\n3\033[K\r\n"
	                          "\033[3A4\033[K\r\n5\033[K\r\n\033[J"
	                          "6\033[K\r\n");
	close_world(&w);
}

/* What was first shown may be longer than the screen; what is repainted may not. */
static void test_tall_frames(void **state)
{
	char tall[128] = "";
	struct world w;

	(void)state;
	for (int i = 0; i < 30; i++)
		strncat(tall, "x\n", sizeof(tall) - strlen(tall) - 1);
	open_terminal(&w, 80);
	show(&w.term, tall);
	assert_int_equal(w.term.n_lines, 30);
	show(&w.term, tall);
	assert_int_equal(w.term.n_lines, 23);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned),     cmocka_unit_test(test_wide_and_wild),
		cmocka_unit_test(test_narrow),      cmocka_unit_test(test_frames),
		cmocka_unit_test(test_tall_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

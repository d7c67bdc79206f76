#include "cli/term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/utf8.h"

#define MIN_WIDTH 40
#define DEFAULT_WIDTH 80

static const char *const codes[] = {
	[PAINT_NONE] = "",         [PAINT_BOLD] = "\033[1m",   [PAINT_DIM] = "\033[2m",
	[PAINT_RED] = "\033[31m",  [PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m",
	[PAINT_BLUE] = "\033[34m", [PAINT_CYAN] = "\033[36m",
};

void term_init(struct term *t, FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *name = getenv("TERM");
	bool dumb = name == NULL || strcmp(name, "dumb") == 0;

	memset(t, 0, sizeof(*t));
	t->out = out;
	t->tty = isatty(fileno(out)) && !dumb;
	t->color = t->tty && (no_color == NULL || *no_color == '\0');
	(void)setlocale(LC_CTYPE, "");
	t->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	/* wcwidth must know the characters that are in the data, whatever the terminal shows. */
	if (!t->unicode)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

size_t term_width(const struct term *t)
{
	struct winsize size;

	if (!t->tty)
		return 0;
	if (ioctl(fileno(t->out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return DEFAULT_WIDTH;
	return size.ws_col > MIN_WIDTH ? size.ws_col : MIN_WIDTH;
}

/* The columns of the character at s, and its bytes. */
static size_t char_columns(const char *s, size_t n, size_t *bytes)
{
	wchar_t c;
	mbstate_t state = {0};
	int columns;

	*bytes = utf8_width(s, n);
	if (*bytes == 0)
		*bytes = 1;
	if (*bytes == 1 || mbrtowc(&c, s, *bytes, &state) != *bytes)
		return 1;
	columns = wcwidth(c);
	return columns >= 0 ? (size_t)columns : 1;
}

size_t term_columns(const char *s, size_t n)
{
	size_t columns = 0, bytes;

	for (size_t i = 0; i < n; i += bytes)
		columns += char_columns(s + i, n - i, &bytes);
	return columns;
}

size_t term_cut(const char *s, size_t columns)
{
	size_t n = strlen(s), at = 0, used = 0, bytes;

	while (at < n) {
		used += char_columns(s + at, n - at, &bytes);
		if (used > columns)
			break;
		at += bytes;
	}
	return at;
}

void term_paint(const struct term *t, struct buf *b, enum paint paint, const char *s)
{
	bool painted = t->color && paint != PAINT_NONE;

	if (painted)
		buf_add_str(b, codes[paint]);
	buf_add_str(b, s);
	if (painted)
		buf_add_str(b, "\033[0m");
}

/* A frame that is repainted must fit on the screen: what has scrolled away cannot be reached. */
static size_t most_lines(const struct term *t)
{
	struct winsize size;

	if (!t->tty || t->n_lines == 0 || ioctl(fileno(t->out), TIOCGWINSZ, &size) != 0 ||
	    size.ws_row < 2)
		return SIZE_MAX;
	return size.ws_row - 1U;
}

void term_frame(struct term *t, const struct buf *frame)
{
	const char *line = buf_str(frame), *end;
	size_t n = 0, most = most_lines(t);

	if (t->tty && t->n_lines > 0)
		fprintf(t->out, "\033[%zuA", t->n_lines);
	for (; n < most && (end = strchr(line, '\n')) != NULL; line = end + 1, n++) {
		fwrite(line, 1, (size_t)(end - line), t->out);
		fputs(t->tty ? "\033[K\n" : "\n", t->out);
	}
	if (t->tty && n < t->n_lines)
		fputs("\033[J", t->out);
	fflush(t->out);
	t->n_lines = n;
}

void term_keep(struct term *t)
{
	t->n_lines = 0;
}

enum paint term_status_paint(const char *status)
{
	static const struct {
		const char *status;
		enum paint paint;
	} paints[] = {
		{"sent", PAINT_GREEN},      {"failed", PAINT_RED},    {"held", PAINT_RED},
		{"retrying", PAINT_YELLOW}, {"sending", PAINT_CYAN},  {"scheduled", PAINT_BLUE},
		{"queued", PAINT_DIM},      {"cancelled", PAINT_DIM},
	};

	for (size_t i = 0; i < sizeof(paints) / sizeof(paints[0]); i++)
		if (strcmp(paints[i].status, status) == 0)
			return paints[i].paint;
	return PAINT_NONE;
}

#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/human.h"

#define GAP 2
#define MAX_CELL 4096
#define MIN_FLEXIBLE 8 /* columns that a flexible column keeps */

void table_init(struct table *t, const struct table_column *columns, size_t n_columns)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->n_columns = n_columns;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		mem_free(t->cells[i].text);
	mem_free(t->cells);
	memset(t, 0, sizeof(*t));
}

void table_add(struct table *t, enum paint paint, const char *text)
{
	struct buf b;

	if (t->n_cells == t->room) {
		t->room = t->room > 0 ? 2 * t->room : 64;
		t->cells = mem_realloc(t->cells, t->room * sizeof(*t->cells));
	}
	if (text == NULL || *text == '\0')
		text = "-";
	buf_init(&b, MAX_CELL);
	/* Three bytes may come of one. */
	human_text(&b, text, strnlen(text, MAX_CELL / 3));
	t->cells[t->n_cells++] = (struct table_cell){buf_take(&b), paint};
}

void table_addf(struct table *t, enum paint paint, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_add(t, paint, text);
}

/* How wide each column is, so that all fit into the terminal if that can be. */
static void lay_out(const struct table *t, size_t limit, size_t widths[TABLE_MAX_COLUMNS])
{
	size_t total = 0, too_wide;

	for (size_t c = 0; c < t->n_columns; c++) {
		widths[c] = strlen(t->columns[c].title);
		for (size_t i = c; i < t->n_cells; i += t->n_columns) {
			const char *text = t->cells[i].text;
			size_t n = term_columns(text, strlen(text));

			if (n > widths[c])
				widths[c] = n;
		}
		if (limit > 0 && t->columns[c].max > 0 && widths[c] > t->columns[c].max)
			widths[c] = t->columns[c].max;
		total += widths[c] + (c > 0 ? GAP : 0);
	}
	too_wide = limit > 0 && total > limit ? total - limit : 0;
	while (too_wide > 0) {
		size_t widest = t->n_columns;

		for (size_t c = 0; c < t->n_columns; c++)
			if (t->columns[c].flexible && widths[c] > MIN_FLEXIBLE &&
			    (widest == t->n_columns || widths[c] > widths[widest]))
				widest = c;
		if (widest == t->n_columns)
			return;
		widths[widest]--;
		too_wide--;
	}
}

static void pad(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_add_char(out, ' ');
}

/* One cell; `room` is what the line still has, so that no line ever wraps. */
static void write_cell(const struct term *term, struct buf *out, const struct table_column *column,
                       enum paint paint, const char *text, size_t width, bool last, size_t room)
{
	const char *more = term->unicode ? "\xe2\x80\xa6" : ".";
	size_t n = strlen(text), columns = term_columns(text, n);
	struct buf cut;

	if (width > room)
		width = room;
	if (width == 0)
		return;
	buf_init(&cut, MAX_CELL + 8);
	if (columns > width) {
		n = term_cut(text, width - 1);
		columns = term_columns(text, n) + 1;
		buf_add(&cut, text, n);
		buf_add_str(&cut, more);
	} else {
		buf_add_str(&cut, text);
	}
	if (column->right)
		pad(out, width - columns);
	term_paint(term, out, paint, buf_str(&cut));
	if (!column->right && !last)
		pad(out, width - columns);
	buf_free(&cut);
}

static void write_row(const struct table *t, const struct term *term, struct buf *out,
                      const struct table_cell *row, const size_t *widths)
{
	size_t room = term_width(term);

	if (room == 0)
		room = SIZE_MAX;
	for (size_t c = 0; c < t->n_columns; c++) {
		const struct table_column *column = &t->columns[c];

		if (c > 0 && room > GAP) {
			pad(out, GAP);
			room -= GAP;
		} else if (c > 0) {
			break;
		}
		write_cell(term, out, column, row != NULL ? row[c].paint : PAINT_DIM,
		           row != NULL ? row[c].text : column->title, widths[c],
		           c + 1 == t->n_columns, room);
		room -= widths[c] < room ? widths[c] : room;
	}
	buf_add_char(out, '\n');
}

void table_write(const struct table *t, const struct term *term, struct buf *out)
{
	size_t widths[TABLE_MAX_COLUMNS];

	lay_out(t, term_width(term), widths);
	write_row(t, term, out, NULL, widths);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		write_row(t, term, out, &t->cells[i], widths);
}

/* table.h - rows of text in aligned columns.
 *
 * Cells are made harmless (human_text) and cut to fit: when the terminal is too narrow, the
 * columns marked `flexible` give way. On what is no terminal nothing is cut but what `max` says. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/term.h"

#define TABLE_MAX_COLUMNS 12

struct table_column {
	const char *title;
	bool right;    /* aligned: numbers */
	bool flexible;
	size_t max;    /* columns on a terminal; 0: no limit */
};

struct table_cell {
	char *text;
	enum paint paint;
};

struct table {
	const struct table_column *columns; /* the caller's, for as long as the table lives */
	size_t n_columns;
	struct table_cell *cells; /* row by row */
	size_t n_cells, room;
};

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_free(struct table *t);
/* The next cell, from left to right and then from top to bottom. NULL or "": "-". */
void table_add(struct table *t, enum paint paint, const char *text);
void table_addf(struct table *t, enum paint paint, const char *format, ...) PRINTF_LIKE(3, 4);
/* Title and rows, each ended by a newline. Rows that are not complete are not written. */
void table_write(const struct table *t, const struct term *term, struct buf *out);

#endif

/* term.h - what the terminal can show: width, colours, and repainting a few lines in place. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_GREEN, PAINT_YELLOW, PAINT_BLUE, PAINT_CYAN };

struct term {
	FILE *out;
	bool tty;       /* lines can be repainted */
	bool color;     /* tty, and neither NO_COLOR nor TERM=dumb */
	bool unicode;   /* the locale's characters are UTF-8 */
	size_t n_lines; /* of the last frame */
};

void term_init(struct term *t, FILE *out);
size_t term_width(const struct term *t); /* columns; 0: no limit (not a terminal) */

/* The columns that the first n bytes of s take; s is UTF-8 without control characters. */
size_t term_columns(const char *s, size_t n);
/* The longest beginning of s that takes at most `columns` columns, in bytes. */
size_t term_cut(const char *s, size_t columns);

/* Adds s in that colour, or plain. */
void term_paint(const struct term *t, struct buf *b, enum paint paint, const char *s);

/* Shows a frame (lines that each end in a newline, none wider than the terminal) in the place of
 * the last one; on what is no terminal, after it. */
void term_frame(struct term *t, const struct buf *frame);
/* What is written next goes below the frame, which stays. */
void term_keep(struct term *t);

/* The colour of a mail's status. */
enum paint term_status_paint(const char *status);

#endif

/* stuffing.h - turns a message into what follows DATA, piece by piece (RFC 5321 4.5.2).
 *
 * A dot at the beginning of a line is doubled. Line ends are made CRLF whatever they were: a bare
 * LF or CR would be read as a line end by some servers and not by others, which is how messages are
 * smuggled. The output always ends in CRLF, so that the final dot can follow; that dot is not
 * part of it. An empty message gives an empty output. */
#ifndef SMTP_STUFFING_H
#define SMTP_STUFFING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct smtp_stuffing {
	const char *at, *end; /* what is still to be read */
	bool line_start;      /* the next byte begins a line */
	bool ended;           /* the last line has its CRLF */
};

#define SMTP_STUFFING_MIN 3 /* bytes of room: the least that can be done at once (".." or CRLF) */

/* The message stays where it is until smtp_stuffing_done. */
void smtp_stuffing_start(struct smtp_stuffing *s, const char *message, size_t len);
/* Writes at most `room` (>= SMTP_STUFFING_MIN) bytes to out; how many, 0 when there is no more. */
size_t smtp_stuffing_next(struct smtp_stuffing *s, char *out, size_t room) MUST_CHECK;
bool smtp_stuffing_done(const struct smtp_stuffing *s) MUST_CHECK;

#endif

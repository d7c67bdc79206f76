/* intake.h - splits what was given to `send` into mails: JSON objects one after the other, on a line
 * each or laid out over many, separated by blanks; or arrays of them. Pure; the objects are only
 * delimited here, job_parse reads them. */
#ifndef CLI_INTAKE_H
#define CLI_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct intake {
	const char *at, *end;
	size_t line;    /* of `at`, from 1 */
	bool in_array, after_value; /* the latter: a comma or the end is due */
};

enum intake_kind { INTAKE_MAIL, INTAKE_FAULT, INTAKE_END };

struct intake_mail {
	const char *text; /* within what intake_init was given */
	size_t len;
	size_t line;      /* where it begins */
	const char *why;  /* INTAKE_FAULT: what is wrong there, static */
};

void intake_init(struct intake *in, const char *text, size_t len);
/* After a fault it goes on with the next line, so that all faults are found. */
enum intake_kind intake_next(struct intake *in, struct intake_mail *mail) MUST_CHECK;

#endif

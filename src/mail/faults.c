#include "mail/faults.h"

#include <stdarg.h>
#include <stdio.h>

void faults_init(struct faults *f, struct buf *out)
{
	f->out = out;
	f->n = 0;
}

void faults_add(struct faults *f, const char *format, ...)
{
	char sentence[512];
	va_list args;

	if (f->n++ >= FAULTS_MAX)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (f->n > 1)
		buf_add_str(f->out, "; ");
	buf_add_str(f->out, sentence);
}

void faults_field(struct faults *f, const char *field, long index, const char *what)
{
	if (index < 0)
		faults_add(f, "Field \"%s\" %s", field, what);
	else
		faults_add(f, "Field \"%s[%ld]\" %s", field, index, what);
}

bool faults_end(struct faults *f)
{
	if (f->n > FAULTS_MAX)
		buf_addf(f->out, "; and %zu more", f->n - FAULTS_MAX);
	return f->n == 0;
}

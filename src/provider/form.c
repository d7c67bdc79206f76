#include "provider/form.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"

void form_begin(struct form *f, struct buf *out)
{
	f->out = out;
	snprintf(f->boundary, sizeof(f->boundary), "form-%016" PRIx64 "%016" PRIx64, random_u64(),
	         random_u64());
}

/* As browsers write a name that holds what would end it (RFC 7578 2, WHATWG). */
static void add_name(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buf_add_str(out, "%22");
		else if (*name == '\r' || *name == '\n')
			buf_addf(out, "%%%02X", (unsigned char)*name);
		else
			buf_add_char(out, *name);
	}
}

static void open_part(struct form *f, const char *name)
{
	buf_addf(f->out, "--%s\r\nContent-Disposition: form-data; name=\"", f->boundary);
	add_name(f->out, name);
	buf_add_char(f->out, '"');
}

void form_field(struct form *f, const char *name, const char *value)
{
	open_part(f, name);
	buf_add_str(f->out, "\r\n\r\n");
	buf_add_str(f->out, value);
	buf_add_str(f->out, "\r\n");
}

void form_file(struct form *f, const char *name, const char *file_name, const char *type,
               const void *bytes, size_t n)
{
	open_part(f, name);
	buf_addf(f->out, "; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n", file_name, type);
	buf_add(f->out, bytes, n);
	buf_add_str(f->out, "\r\n");
}

void form_end(struct form *f)
{
	buf_addf(f->out, "--%s--\r\n", f->boundary);
}

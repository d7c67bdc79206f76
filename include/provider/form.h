/* form.h - writes multipart/form-data (RFC 7578) into a buffer.
 *
 * The boundary is drawn at random, so that nothing in a mail can look like it. */
#ifndef PROVIDER_FORM_H
#define PROVIDER_FORM_H

#include <stddef.h>

#include "base/buf.h"

#define FORM_BOUNDARY 48

struct form {
	struct buf *out;
	char boundary[FORM_BOUNDARY]; /* for Content-Type: multipart/form-data; boundary=… */
};

void form_begin(struct form *f, struct buf *out);
void form_field(struct form *f, const char *name, const char *value);
/* A file; type and file_name are plain tokens. */
void form_file(struct form *f, const char *name, const char *file_name, const char *type,
               const void *bytes, size_t n);
void form_end(struct form *f);

#endif

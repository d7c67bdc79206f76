/* mail_print.h - the status of one mail (fleet/mail_view.h), printed for people. */
#ifndef CLI_MAIL_PRINT_H
#define CLI_MAIL_PRINT_H

#include <stdint.h>

#include "base/buf.h"
#include "cli/term.h"
#include "fleet/mail_view.h"

/* Several lines. now: Redis's clock, ms. */
void mail_print(const struct mail_view *v, const struct term *term, int64_t now, struct buf *out);

#endif

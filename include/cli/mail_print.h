/* mail_print.h - the status of one mail (fleet/mail_view.h), printed for programs and for people. */
#ifndef CLI_MAIL_PRINT_H
#define CLI_MAIL_PRINT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/term.h"
#include "fleet/mail_view.h"

/* {found, idempotencyKey, status, provider, attempts, messageId, createdAt, …, timeline: […]}; with
 * found false only the key. */
cJSON *mail_print_json(const struct mail_view *v);
/* The same for people, several lines. now: Redis's clock, ms. */
void mail_print(const struct mail_view *v, const struct term *term, int64_t now, struct buf *out);

#endif

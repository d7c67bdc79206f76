/* postfix.h - a real Postfix: a mail server that we did not write, with all its parts (smtpd, cleanup,
 * qmgr, virtual, anvil), on a free port of 127.0.0.1, in a directory of its own.
 *
 * It takes mail for example.com, over TLS where the client wants (the certificate is for 127.0.0.1, by
 * secure_ca()), and puts each recipient's copy into a file of its own. gone@example.com is unknown
 * there, full@example.com is put off. Its master must be root: postfix_possible says whether it can run. */
#ifndef SUPPORT_POSTFIX_H
#define SUPPORT_POSTFIX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/tally.h"

struct postfix;

/* False: prints why not, for a test that skips. */
bool postfix_possible(void) MUST_CHECK;

/* settings: NULL, or NULL-terminated lines of main.cf, "name = value". It answers when this returns. */
struct postfix *postfix_start(const char *const *settings) MUST_CHECK;
void postfix_free(struct postfix *p); /* NULL is fine */
int postfix_port(const struct postfix *p);

/* Copies delivered so far. */
size_t postfix_total(const struct postfix *p);
void postfix_wait_total(struct postfix *p, size_t n); /* at least n, and nothing is queued any more */
/* Those copies by X-Key and Message-ID. */
struct tally *postfix_tally(const struct postfix *p) MUST_CHECK;
/* The only copy delivered that has this line; a new string (free). Fails the test when there are none or
 * several. */
char *postfix_message(const struct postfix *p, const char *line) MUST_CHECK;
/* How many lines of its log have this text. */
size_t postfix_logged(const struct postfix *p, const char *text);

#endif

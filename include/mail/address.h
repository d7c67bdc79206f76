/* address.h - one mail address, checked once, where it enters.
 *
 * The addr-spec is RFC 5321's Mailbox: a dot-atom or "quoted" local part of at most 64 bytes, and a
 * domain of letters, digits, hyphens and underscores, or a literal ([192.0.2.1],
 * [IPv6:2001:db8::1]). The local part may be UTF-8 (RFC 6531); a domain that is not ASCII is kept
 * as its A-label (xn--…), so that only the local part decides whether SMTPUTF8 is needed. The
 * display name is decoded UTF-8. Control characters are refused in both, and < and > in the
 * addr-spec even when quoted (FAULTS 36).
 *
 * Lists, groups, source routes, comments and anything behind the address are refused, never
 * dropped: a mail to half of those who were meant is worse than none. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define ADDRESS_MAX_EMAIL 320 /* bytes: RFC 5321 4.5.3.1, local part 64, domain 255, @ */
#define ADDRESS_MAX_NAME 256  /* bytes of a display name */

struct address {
	char *email; /* "ada@x.org"; never NULL */
	char *name;  /* "" when there is none */
	bool ascii;  /* email has no byte above 127 */
};

/* Reads "ada@x.org", "Ada <ada@x.org>", "\"Lovelace, Ada\" <ada@x.org>"; a name may hold RFC 2047
 * words, and, since programs paste names into this form, commas and parentheses without quotes.
 * Exactly one address; blanks around it are dropped.
 * False: `why` is a static text that follows a field's name, such as "must be a valid email
 * address", and *a is empty (address_free is fine). */
bool address_parse(struct address *a, const char *text, size_t len,
                   const char **why) MUST_CHECK;
/* The same from its parts ({"email":…, "name":…}); the name may be NULL and is taken as it is. */
bool address_make(struct address *a, const char *email, const char *name,
                  const char **why) MUST_CHECK;
void address_free(struct address *a);
const char *address_domain(const struct address *a); /* after the last @ */

#endif

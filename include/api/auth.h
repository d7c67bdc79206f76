/* auth.h - who asks, and what they may: API keys and JSON Web Tokens.
 *
 * API_KEYS_FILE has one `name:scopes:sha256` a line: letters, digits, - _ and . ; send, read, admin (which
 * may all), comma separated; the SHA-256 of the key in hexadecimal. Blank lines and those that begin
 * with # count for nothing. A key comes as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
 *
 * A token comes as `Authorization: Bearer TOKEN`; it must be signed by HS256 with JWT_SECRET, or by RS256
 * or ES256 with the private half of JWT_PUBLIC_KEY_FILE, must have `exp`, and may have `nbf`; its scopes
 * are the words of `scope`, its name is `sub`. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "api/request.h"
#include "api/route.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"
#include "mail/digest.h"

struct auth_key;

/* Who somebody is. */
struct identity {
	char client[REQUEST_MAX_CLIENT]; /* "key:shop", "jwt:ada" */
	unsigned scopes;
};

struct auth {
	struct auth_key *keys;
	size_t n;
	const char *secret; /* "" none; the options' */
	char *public_key;   /* PEM; NULL none */
};

bool auth_load(struct auth *a, const struct options *o, struct error *err) MUST_CHECK;
void auth_free(struct auth *a);
bool auth_protects(const struct auth *a); /* there is anything to show */

/* Fills r->client. Who sends neither key nor token is known by the cookie of a session, if there is one (session.h).
 * False: it has been answered, 401 or 403. */
bool auth_check(const struct auth *a, struct request *r, enum scope scope) MUST_CHECK;

/* The bearer of this key or token; false: it is none. */
bool auth_identify(const struct auth *a, const char *text, struct identity *who) MUST_CHECK;

/* For sessions: what only one who has the key, or API_KEYS_FILE, could have written under its name.
 * HMAC-SHA256 of the text under the key's own digest: with the key it stops being valid. */
void auth_sign(const char *key, const char *text, unsigned char mac[DIGEST_SIZE]);
bool auth_signed(const struct auth *a, const char *name, const char *text, const unsigned char mac[DIGEST_SIZE],
                 struct identity *who) MUST_CHECK;

/* "send read", with any of the separators: the scopes; false: a word is none of them. */
bool auth_scopes(const char *text, const char *separators, unsigned *scopes) MUST_CHECK;

#endif

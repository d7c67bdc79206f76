/* jwt_check.h - is this a JSON Web Token that we believe? */
#ifndef API_JWT_CHECK_H
#define API_JWT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct jwt_claims {
	char name[64];   /* of `sub`; characters that are no letter, digit, -, _ or . become _ */
	unsigned scopes; /* enum scope */
};

/* secret: for HS256, "" none. public_key: PEM, for RS256 or ES256, NULL none. now: seconds since 1970. The
 * token's own word for its algorithm only chooses among these. */
bool jwt_check(const char *token, const char *secret, const char *public_key, int64_t now,
               struct jwt_claims *out) MUST_CHECK;

#endif

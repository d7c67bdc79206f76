#include "api/jwt_check.h"

#include <jwt.h>
#include <string.h>

#include "api/auth.h"

/* The token's own word for its algorithm must not decide what a key is for: else our public key would do
 * as a secret. So each key is tried for its own kind only. */
static jwt_t *verified(const char *token, const char *secret, const char *public_key)
{
	jwt_t *jwt = NULL;
	jwt_alg_t algorithm;

	if (*secret != '\0' &&
	    jwt_decode(&jwt, token, (const unsigned char *)secret, (int)strlen(secret)) == 0) {
		if (jwt_get_alg(jwt) == JWT_ALG_HS256)
			return jwt;
		jwt_free(jwt);
	}
	jwt = NULL;
	if (public_key != NULL && jwt_decode(&jwt, token, (const unsigned char *)public_key,
	                                     (int)strlen(public_key)) == 0) {
		algorithm = jwt_get_alg(jwt);
		if (algorithm == JWT_ALG_RS256 || algorithm == JWT_ALG_ES256)
			return jwt;
		jwt_free(jwt);
	}
	return NULL;
}

/* Whether the time is known and has come, or has not. */
static bool in_time(jwt_t *jwt, int64_t now)
{
	int64_t expires = jwt_get_grant_int(jwt, "exp"), begins = jwt_get_grant_int(jwt, "nbf");

	return expires > now && begins <= now;
}

static void read_name(char *out, size_t size, const char *subject)
{
	size_t n = 0;

	for (; subject != NULL && *subject != '\0' && n + 1 < size; subject++) {
		char c = *subject;
		bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		             c == '-' || c == '_' || c == '.';

		out[n++] = plain ? c : '_';
	}
	out[n] = '\0';
}

bool jwt_check(const char *token, const char *secret, const char *public_key, int64_t now,
               struct jwt_claims *out)
{
	jwt_t *jwt = verified(token, secret, public_key);
	const char *scope;
	bool ok;

	if (jwt == NULL)
		return false;
	scope = jwt_get_grant(jwt, "scope");
	out->scopes = 0;
	ok = in_time(jwt, now);
	/* It may have scopes that are for others. */
	if (ok && scope != NULL)
		(void)!auth_scopes(scope, " ", &out->scopes);
	read_name(out->name, sizeof(out->name), jwt_get_grant(jwt, "sub"));
	jwt_free(jwt);
	return ok;
}

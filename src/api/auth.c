#include "api/auth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/client.h"
#include "api/jwt_check.h"
#include "api/session.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define MAX_FILE ((size_t)1 << 20)
#define MAX_NAME 64
#define REALM "Bearer realm=\"postrider\""

struct auth_key {
	char name[MAX_NAME + 1];
	unsigned scopes;
	unsigned char digest[DIGEST_SIZE];
};

/* --- the file of keys -------------------------------------------------------------------------------------- */

bool auth_scopes(const char *text, const char *separators, unsigned *scopes)
{
	static const struct {
		const char *name;
		unsigned scopes;
	} known[] = {
		{"send", SCOPE_SEND},
		{"read", SCOPE_READ},
		{"admin", SCOPE_ADMIN | SCOPE_READ | SCOPE_SEND},
	};
	bool ok = true;

	for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
		size_t n = strcspn(text, separators);
		bool found = false;

		for (size_t i = 0; i < 3; i++) {
			if (strlen(known[i].name) != n || memcmp(known[i].name, text, n) != 0)
				continue;
			*scopes |= known[i].scopes;
			found = true;
		}
		ok = ok && found;
		text += n;
	}
	return ok;
}

static bool read_hex(unsigned char out[DIGEST_SIZE], const char *text)
{
	for (size_t i = 0; i < 2 * (size_t)DIGEST_SIZE; i++) {
		const char *digits = "0123456789abcdef";
		const char *at = text[i] != '\0' ? strchr(digits, text[i] | 0x20) : NULL;

		if (at == NULL)
			return false;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (at - digits));
	}
	return text[2 * (size_t)DIGEST_SIZE] == '\0';
}

static bool is_name(const char *name)
{
	size_t n = strspn(name,
	                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return n > 0 && n <= MAX_NAME && name[n] == '\0';
}

/* The line is changed. */
static bool read_key(struct auth_key *k, char *line)
{
	char *rest = line, *name = strsep(&rest, ":"), *scopes = strsep(&rest, ":");

	memset(k, 0, sizeof(*k));
	if (rest == NULL || !is_name(name) || !auth_scopes(scopes, ", ", &k->scopes) ||
	    k->scopes == 0)
		return false;
	snprintf(k->name, sizeof(k->name), "%s", name);
	return read_hex(k->digest, rest);
}

static void add_key(struct auth *a, const struct auth_key *k)
{
	a->keys = mem_realloc(a->keys, (a->n + 1) * sizeof(*a->keys));
	a->keys[a->n++] = *k;
}

static bool read_keys(struct auth *a, const char *path, struct error *err)
{
	char *text, *rest, *line;
	struct auth_key key;
	int number = 0;
	bool ok = true;

	if (!file_read(path, MAX_FILE, &text, err))
		return error_prefix(err, "API_KEYS_FILE");
	rest = text;
	while (ok && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		line += strspn(line, " \t\r");
		line[strcspn(line, "\r \t")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		ok = read_key(&key, line);
		if (ok)
			add_key(a, &key);
		else
			error_set(err,
			          "API_KEYS_FILE, line %d: must be name:scopes:sha256, as in "
			          "shop:send,read:<64 hexadecimal digits>",
			          number);
	}
	mem_free(text);
	if (ok && a->n == 0)
		return error_set(err, "API_KEYS_FILE %s has no keys", path);
	return ok;
}

bool auth_load(struct auth *a, const struct options *o, struct error *err)
{
	memset(a, 0, sizeof(*a));
	a->secret = o->jwt_secret;
	if (o->api_keys_file[0] != '\0' && !read_keys(a, o->api_keys_file, err))
		return false;
	if (o->jwt_public_key_file[0] != '\0' &&
	    !file_read(o->jwt_public_key_file, MAX_FILE, &a->public_key, err))
		return error_prefix(err, "JWT_PUBLIC_KEY_FILE");
	return true;
}

void auth_free(struct auth *a)
{
	mem_free(a->keys);
	mem_free(a->public_key);
	memset(a, 0, sizeof(*a));
}

bool auth_protects(const struct auth *a)
{
	return a->n > 0 || *a->secret != '\0' || a->public_key != NULL;
}

/* --- a request ----------------------------------------------------------------------------------------------- */

/* All keys are compared, and each in whole, so that the time tells nothing. */
static const struct auth_key *find_key(const struct auth *a, const char *text)
{
	const struct auth_key *found = NULL;
	unsigned char digest[DIGEST_SIZE];

	digest_begin();
	digest_add(text, strlen(text));
	digest_end(digest);
	for (size_t i = 0; i < a->n; i++)
		if (CRYPTO_memcmp(digest, a->keys[i].digest, DIGEST_SIZE) == 0)
			found = &a->keys[i];
	return found;
}

static const char *credential(const struct request *r)
{
	const char *text = request_get(r, "Authorization");

	if (text != NULL && strncasecmp(text, "Bearer ", 7) == 0)
		return text + 7 + strspn(text + 7, " ");
	return request_get(r, "X-API-Key");
}

static void name_key(const struct auth_key *key, struct identity *who)
{
	who->scopes = key->scopes;
	snprintf(who->client, sizeof(who->client), "key:%s", key->name);
}

bool auth_identify(const struct auth *a, const char *text, struct identity *who)
{
	const struct auth_key *key = find_key(a, text);
	struct jwt_claims claims;

	if (key != NULL) {
		name_key(key, who);
		return true;
	}
	if (!jwt_check(text, a->secret, a->public_key, clock_wall_ms() / 1000, &claims))
		return false;
	who->scopes = claims.scopes;
	snprintf(who->client, sizeof(who->client), "jwt:%s", claims.name);
	return true;
}

void auth_sign(const char *key, const char *text, unsigned char mac[DIGEST_SIZE])
{
	unsigned char digest[DIGEST_SIZE];

	digest_begin();
	digest_add(key, strlen(key));
	digest_end(digest);
	digest_hmac(mac, digest, DIGEST_SIZE, text, strlen(text));
}

bool auth_signed(const struct auth *a, const char *name, const char *text,
                 const unsigned char mac[DIGEST_SIZE], struct identity *who)
{
	unsigned char right[DIGEST_SIZE];

	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->keys[i].name, name) != 0)
			continue;
		digest_hmac(right, a->keys[i].digest, DIGEST_SIZE, text, strlen(text));
		if (CRYPTO_memcmp(right, mac, DIGEST_SIZE) == 0) {
			name_key(&a->keys[i], who);
			return true;
		}
	}
	return false;
}

static bool refuse(struct request *r, int status, const char *challenge, const char *message)
{
	request_add(r, "WWW-Authenticate", "%s", challenge);
	request_problem(r, status, NULL, message);
	return false;
}

bool auth_check(const struct auth *a, struct request *r, enum scope scope)
{
	const char *text = credential(r);
	char address[REQUEST_MAX_CLIENT - 4];
	struct identity who;
	bool known;

	client_address(r, address, sizeof(address));
	snprintf(r->client, sizeof(r->client), "ip:%s", address);
	if (scope == SCOPE_NONE || !auth_protects(a))
		return true;
	known = text != NULL ? auth_identify(a, text, &who) : session_identify(r, &who);
	if (text == NULL && !known)
		return refuse(r, 401, REALM,
		              "An API key is needed (Authorization: Bearer, or X-API-Key)");
	if (!known)
		return refuse(r, 401, REALM ", error=\"invalid_token\"",
		              "The API key is not valid");
	memcpy(r->client, who.client, sizeof(r->client));
	if ((who.scopes & scope) == 0)
		return refuse(r, 403, REALM ", error=\"insufficient_scope\"",
		              "The API key may not do this");
	if (text == NULL && !session_writes(r))
		return refuse(r, 403, REALM,
		              "With the cookie of a session only the dashboard's own "
		              "pages may change anything");
	return true;
}

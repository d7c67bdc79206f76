#include "api/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"

#define COOKIE "postrider_session"
#define PURPOSE "postrider session" /* what the signature is for */
#define MAX_COOKIE 3800             /* browsers keep 4096 with the attributes */
#define MAC_SIZE 44                 /* in base64url, with its NUL */
#define MAX_NAME 64
#define MAX_TEXT 160

/* --- the cookie ---------------------------------------------------------------------------------------------- */

static void signed_text(char out[MAX_TEXT], const char *name, int64_t expiry)
{
	snprintf(out, MAX_TEXT, PURPOSE " %" PRId64 " %s", expiry, name);
}

/* The value of a cookie in "a=1; b=2"; a new string, or NULL. */
static char *cookie_of(const struct request *r, const char *name)
{
	const char *at = request_get(r, "Cookie");
	size_t n = strlen(name);

	while (at != NULL && *at != '\0') {
		size_t len;

		at += strspn(at, "; ");
		len = strcspn(at, ";");
		if (len > n && strncmp(at, name, n) == 0 && at[n] == '=')
			return mem_strndup(at + n + 1, len - n - 1);
		at += len;
	}
	return NULL;
}

/* "<expiry>.<mac>.<name>"; it is changed. */
static bool read_signed(const struct auth *a, char *text, struct identity *who)
{
	char *rest = text, *expires = strsep(&rest, "."), *mac_text = strsep(&rest, ".");
	unsigned char mac[DIGEST_SIZE];
	char right[MAX_TEXT], again[MAC_SIZE];
	int64_t expiry;

	if (rest == NULL || strlen(rest) > MAX_NAME || !number_int(expires, &expiry) ||
	    expiry <= clock_wall_ms() / 1000 || strlen(mac_text) != MAC_SIZE - 1 ||
	    !digest_from_base64url(mac, DIGEST_SIZE, mac_text))
		return false;
	/* one signature is written in one way only */
	digest_base64url(again, mac, DIGEST_SIZE);
	if (strcmp(again, mac_text) != 0)
		return false;
	signed_text(right, rest, expiry);
	return auth_signed(a, rest, right, mac, who);
}

bool session_identify(const struct request *r, struct identity *who)
{
	const struct auth *a = &r->api->auth;
	char *value = cookie_of(r, COOKIE);
	bool known = false;

	if (value != NULL && strncmp(value, "k.", 2) == 0)
		known = read_signed(a, value + 2, who);
	else if (value != NULL && strncmp(value, "t.", 2) == 0)
		known = auth_identify(a, value + 2, who);
	mem_free_secret(value);
	return known;
}

/* Where a proxy ends TLS before us, the browser's own word for where its page is from tells. (Who lies in it has a cookie
 * of his own that is no use to him.) */
static bool is_secure(const struct request *r)
{
	const char *origin = request_get(r, "Origin");

	return server_tls(r->api->server) ||
	       (origin != NULL && strncasecmp(origin, "https://", 8) == 0);
}

static void set_cookie(struct request *r, const char *value, int life_s)
{
	request_add(r, "Set-Cookie", COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s",
	            value, life_s, is_secure(r) ? "; Secure" : "");
}

/* --- our own pages ------------------------------------------------------------------------------------------- */

/* "https://mail.example.com:4000" is that of this Host. */
static bool is_own_origin(const struct request *r, const char *origin)
{
	const char *host = request_get(r, "Host"), *at = strstr(origin, "://");

	return host != NULL && at != NULL && strcasecmp(at + 3, host) == 0;
}

static bool is_own_page(const struct request *r)
{
	const char *site = request_get(r, "Sec-Fetch-Site"), *origin = request_get(r, "Origin");

	return request_get(r, "X-Postrider") != NULL &&
	       (site == NULL || strcmp(site, "same-origin") == 0) &&
	       (origin == NULL || is_own_origin(r, origin));
}

bool session_writes(const struct request *r)
{
	return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0 || is_own_page(r);
}

/* --- who is it? ---------------------------------------------------------------------------------------------- */

static void write_scopes(struct buf *out, unsigned scopes)
{
	static const struct {
		unsigned scope;
		const char *name;
	} known[] = {{SCOPE_SEND, "send"}, {SCOPE_READ, "read"}, {SCOPE_ADMIN, "admin"}};

	jsonw_key(out, "scopes");
	jsonw_open(out, '[');
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (scopes & known[i].scope)
			jsonw_str(out, known[i].name);
	jsonw_close(out, ']');
}

/* who: NULL is nobody. */
static void answer(struct request *r, const struct identity *who)
{
	const char *name = who != NULL ? strchr(who->client, ':') : NULL;

	jsonw_open(&r->out, '{');
	jsonw_pair_bool(&r->out, "protected", auth_protects(&r->api->auth));
	jsonw_pair_or_null(&r->out, "name", name != NULL ? name + 1 : NULL);
	write_scopes(&r->out, who != NULL ? who->scopes : 0);
	jsonw_pair(&r->out, "version", POSTRIDER_VERSION);
	jsonw_close(&r->out, '}');
	request_answer(r, 200);
}

void session_show(struct request *r)
{
	struct identity who;

	answer(r, session_identify(r, &who) ? &who : NULL);
}

/* --- in and out ---------------------------------------------------------------------------------------------- */

/* False: it has been answered. */
static bool check_own(struct request *r)
{
	if (is_own_page(r))
		return true;
	request_problem(r, 403, NULL, "This is for the dashboard's own pages");
	return false;
}

static void give_cookie(struct request *r, const char *key, const struct identity *who)
{
	const char *name = strchr(who->client, ':') + 1;
	int64_t expiry = clock_wall_ms() / 1000 + SESSION_LIFE_S;
	char text[MAX_TEXT], mac_text[MAC_SIZE], *value;
	unsigned char mac[DIGEST_SIZE];

	if (strncmp(who->client, "jwt:", 4) == 0) {
		value = mem_printf("t.%s", key);
	} else {
		signed_text(text, name, expiry);
		auth_sign(key, text, mac);
		digest_base64url(mac_text, mac, DIGEST_SIZE);
		value = mem_printf("k.%" PRId64 ".%s.%s", expiry, mac_text, name);
	}
	set_cookie(r, value, SESSION_LIFE_S);
	mem_free_secret(value);
}

static void try_key(struct request *r, const char *key)
{
	struct identity who;

	if (strlen(key) > MAX_COOKIE || !auth_identify(&r->api->auth, key, &who)) {
		log_warn("sign_in_refused", LOG_STR("client", r->client));
		request_add(r, "WWW-Authenticate",
		            "Bearer realm=\"postrider\", error=\"invalid_token\"");
		request_problem(r, 401, NULL, "The API key is not valid");
		return;
	}
	log_info("signed_in", LOG_STR("client", who.client));
	give_cookie(r, key, &who);
	answer(r, &who);
}

static void on_limit(void *data, bool go)
{
	struct request *r = data;
	const cJSON *key;
	cJSON *body;

	if (!go || !request_read(r, &body))
		return;
	key = cJSON_GetObjectItemCaseSensitive(body, "key");
	if (cJSON_IsString(key))
		try_key(r, key->valuestring);
	else
		request_invalid(r, "Field \"key\" must be a string",
		                "Field \"key\" must be a string");
	cJSON_Delete(body);
}

void session_open(struct request *r)
{
	char client[REQUEST_MAX_CLIENT];

	if (!check_own(r))
		return;
	/* apart from the tokens of this address's mails */
	snprintf(client, sizeof(client), "sign-in:%.*s", (int)sizeof(client) - 9, r->client);
	memcpy(r->client, client, sizeof(client));
	limiter_add(&r->api->sign_ins, r, 1, on_limit, r);
}

void session_close(struct request *r)
{
	if (!check_own(r))
		return;
	set_cookie(r, "", 0);
	answer(r, NULL);
}

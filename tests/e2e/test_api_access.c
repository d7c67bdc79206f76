/* Who may use the HTTP API, how often, and from where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jwt.h>

#include "support/api_keys.h"
#include "support/api_world.h"
#include "support/tmpdir.h"

#define SECRET "0123456789abcdef0123456789abcdef"

/* --- the rate limit ------------------------------------------------------------------------------------------ */

static int call_as(const struct api_process *a, const char *method, const char *path,
                   const char *body, const char *header)
{
	struct answer *r = api_call(
		a, method, path, body,
		(const char *const[]){"Content-Type: application/json", header, NULL});
	int status = r->status;

	answer_free(r);
	return status;
}

static void test_the_limit_holds_across_processes(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a, b;
	struct answer *r;
	char *value;

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=4");
	fleet_set(f, "RATE_LIMIT_WINDOW=3600000");
	a = api_start(f, NULL);
	b = api_start(f, NULL);
	r = api_post(&a, API_SEND, API_MAIL("1"), NULL);
	answer_status(r, 202);
	value = answer_header(r, "RateLimit-Policy");
	assert_string_equal(value, "\"client\";q=4;w=3600");
	free(value);
	value = answer_header(r, "RateLimit");
	assert_string_equal(value, "\"client\";r=3;t=900");
	free(value);
	answer_free(r);
	/* what is not valid costs nothing, and neither does looking up */
	api_expect(&a, 400, "POST", API_SEND, "{}");
	api_expect(&a, 200, "GET", "/api/email/status/1", NULL);
	api_expect(&b, 202, "POST", API_SEND, API_MAIL("2"));
	/* one token a mail: three are too many, two are not */
	api_expect(&b, 429, "POST", "/api/email/bulk-send",
	           "{\"emails\":[" API_MAIL("3") "," API_MAIL("4") "," API_MAIL("5") "]}");
	api_expect(&b, 200, "POST", "/api/email/bulk-send",
	           "{\"emails\":[" API_MAIL("3") "," API_MAIL("4") "]}");
	r = api_post(&a, API_SEND, API_MAIL("6"), NULL);
	answer_status(r, 429);
	answer_is(r, "error", "Too Many Requests");
	answer_is(r, "type", "https://iana.org/assignments/http-problem-types#quota-exceeded");
	value = answer_header(r, "Retry-After");
	assert_in_range(strtol(value, NULL, 10), 800, 900);
	free(value);
	answer_free(r);
	/* more than fit at all */
	api_expect(&a, 429, "POST", "/api/email/bulk-send",
	           "{\"emails\":[" API_MAIL("3") "," API_MAIL("4") "," API_MAIL("5") "," API_MAIL(
			   "6") "," API_MAIL("7") "]}");
	assert_int_equal(redis_server_int(fleet_redis(f), "LLEN " FLEET_QUEUE), 4);
	fleet_free(f);
}

static void expect_from(const struct api_process *a, int status, const char *forwarded)
{
	assert_int_equal(call_as(a, "POST", API_SEND, API_MAIL("1"), forwarded), status);
}

/* Behind a proxy that is trusted each client has a bucket of its own; others may say what they like. */
static void test_clients_behind_a_proxy(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process behind, open;

	(void)state;
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=1");
	fleet_set(f, "RATE_LIMIT_WINDOW=3600000");
	behind = api_start(f,
	                   (const char *const[]){"API_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1", NULL});
	open = api_start(f, (const char *const[]){"API_TRUSTED_PROXIES=10.0.0.0/8", NULL});
	expect_from(&behind, 202, "X-Forwarded-For: 192.0.2.1");
	expect_from(&behind, 429, "X-Forwarded-For: 203.0.113.1, 192.0.2.1, 10.0.0.1");
	expect_from(&behind, 200, "X-Forwarded-For: 192.0.2.2:4711");
	expect_from(&behind, 200, "X-Forwarded-For: 2001:db8::1");
	expect_from(&behind, 429, "X-Forwarded-For: [2001:db8::2]:1"); /* the same network */
	expect_from(&open, 200, "X-Forwarded-For: 192.0.2.1");         /* as 127.0.0.1 */
	expect_from(&open, 429, "X-Forwarded-For: 192.0.2.3");
	expect_from(&behind, 429, "X-Forwarded-For: who knows");
	fleet_free(f);
}

/* --- keys ---------------------------------------------------------------------------------------------------- */

static void test_keys_and_their_scopes(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *send = api_keys_digest("s3nd"), *read = api_keys_digest("r3ad"),
	     *admin = api_keys_digest("4dmin");
	char text[1024];
	char *path;
	struct api_process a;
	struct answer *r;
	char *value;

	(void)state;
	snprintf(text, sizeof(text), "# ours\n\nshop:send:%s\nboard:read:%s\r\nops:admin:%s\n",
	         send, read, admin);
	path = tmpdir_file("keys", text, strlen(text));
	fleet_set(f, "API_KEYS_FILE=%s", path);
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=2");
	fleet_set(f, "RATE_LIMIT_WINDOW=3600000"); /* nothing is refilled meanwhile */
	a = api_start(f, NULL);
	r = api_post(&a, API_SEND, API_MAIL("1"), NULL);
	answer_status(r, 401);
	answer_is(r, "error", "Unauthorized");
	value = answer_header(r, "WWW-Authenticate");
	assert_int_equal(strncmp(value, "Bearer ", 7), 0);
	free(value);
	answer_free(r);
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("1"), "X-API-Key: wrong"), 401);
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("1"), "X-API-Key: r3ad"), 403);
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("1"), "X-API-Key: s3nd"), 202);
	assert_int_equal(call_as(&a, "GET", "/api/email/status/1", NULL, "X-API-Key: s3nd"), 403);
	assert_int_equal(
		call_as(&a, "GET", "/api/email/status/1", NULL, "Authorization: Bearer r3ad"), 200);
	assert_int_equal(
		call_as(&a, "GET", "/api/email/status/1", NULL, "Authorization: bearer 4dmin"),
		200);
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("2"), "X-API-Key: s3nd"), 202);
	/* each key has its own bucket */
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("3"), "X-API-Key: s3nd"), 429);
	assert_int_equal(call_as(&a, "POST", API_SEND, API_MAIL("3"), "X-API-Key: 4dmin"), 202);
	api_expect(&a, 200, "GET", "/livez", NULL);
	api_expect(&a, 200, "GET", "/readyz", NULL);
	value = process_stderr(a.process);
	assert_null(strstr(value, "s3nd"));
	assert_null(strstr(value, "loopback_only"));
	free(value);
	free(path);
	free(send);
	free(read);
	free(admin);
	fleet_free(f);
}

static void expect_refused(struct fleet *f, const char *setting, const char *why)
{
	struct process *p = fleet_run(f, (const char *const[]){"api", "--port=0", NULL},
	                              (const char *const[]){setting, NULL});
	char *text;

	assert_int_equal(process_wait(p, 0), 2);
	text = process_stderr(p);
	if (strstr(text, why) == NULL)
		fail_msg("%s: said %s, not %s", setting, text, why);
	free(text);
	fleet_end(f, p);
}

static void test_a_bad_configuration_stops_the_start(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *path = tmpdir_file("keys", "a:send:12\n", 10), setting[512];

	(void)state;
	snprintf(setting, sizeof(setting), "API_KEYS_FILE=%s", path);
	expect_refused(f, setting, "line 1");
	expect_refused(f, "API_KEYS_FILE=/nowhere/at/all", "API_KEYS_FILE");
	expect_refused(f, "JWT_SECRET=short", "JWT_SECRET must be at least 32 bytes");
	expect_refused(f, "TLS_CERT_FILE=/nowhere", "go together");
	expect_refused(f, "API_TRUSTED_PROXIES=nginx", "addresses and networks");
	free(path);
	fleet_free(f);
}

/* Nobody is let in by accident. */
static void test_without_protection_only_this_machine(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a;
	char *log;

	(void)state;
	fleet_set(f, "API_HOST=0.0.0.0");
	a = api_start(f, NULL);
	log = process_stderr(a.process);
	assert_non_null(strstr(log, "\"event\":\"loopback_only\""));
	assert_non_null(strstr(log, "\"host\":\"127.0.0.1\",\"scheme\""));
	free(log);
	fleet_set(f, "JWT_SECRET=" SECRET);
	a = api_start(f, NULL);
	log = process_stderr(a.process);
	assert_non_null(strstr(log, "\"host\":\"0.0.0.0\",\"scheme\""));
	free(log);
	fleet_free(f);
}

/* --- tokens ---------------------------------------------------------------------------------------------------- */

struct token {
	jwt_alg_t algorithm;
	const char *key, *scope;
	long lives, begins; /* s from now; 0: it says nothing */
};

static char *make_token(const struct token *t)
{
	jwt_t *jwt;
	char *text, *header;

	assert_int_equal(jwt_new(&jwt), 0);
	jwt_add_grant(jwt, "sub", "shop");
	if (t->scope != NULL)
		jwt_add_grant(jwt, "scope", t->scope);
	if (t->lives != 0)
		jwt_add_grant_int(jwt, "exp", time(NULL) + t->lives);
	if (t->begins != 0)
		jwt_add_grant_int(jwt, "nbf", time(NULL) + t->begins);
	assert_int_equal(jwt_set_alg(jwt, t->algorithm, (const unsigned char *)t->key,
	                             t->key != NULL ? (int)strlen(t->key) : 0),
	                 0);
	text = jwt_encode_str(jwt);
	assert_non_null(text);
	header = malloc(strlen(text) + 32);
	snprintf(header, strlen(text) + 32, "Authorization: Bearer %s", text);
	free(text);
	jwt_free(jwt);
	return header;
}

static void expect_token(const struct api_process *a, int status, const struct token *t)
{
	char *header = make_token(t);
	int got = call_as(a, "GET", "/api/email/status/nobody", NULL, header);

	if (got != status)
		fail_msg("answered %d, not %d, to %s", got, status, header);
	free(header);
}

static char *run_openssl(const char *const *argv)
{
	char *out, *err;

	assert_int_equal(process_run(argv, NULL, NULL, &out, &err), 0);
	free(err);
	return out;
}

static char *make_key(const char *kind, const char *option, char **public_path)
{
	char *path = tmpdir_name("key");

	*public_path = tmpdir_name("pub");
	free(run_openssl((const char *const[]){"openssl", "genpkey", "-algorithm", kind, "-pkeyopt",
	                                       option, "-out", path, NULL}));
	free(run_openssl((const char *const[]){"openssl", "pkey", "-in", path, "-pubout", "-out",
	                                       *public_path, NULL}));
	char *key = tmpdir_read(path, NULL);
	free(path);
	return key;
}

static void test_tokens_of_a_secret(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a;

	(void)state;
	fleet_set(f, "JWT_SECRET=" SECRET);
	a = api_start(f, NULL);
	/* 404: it was let in */
	expect_token(&a, 404, &(struct token){JWT_ALG_HS256, SECRET, "read other", 60, 0});
	expect_token(&a, 404, &(struct token){JWT_ALG_HS256, SECRET, "admin", 60, -60});
	expect_token(&a, 403, &(struct token){JWT_ALG_HS256, SECRET, "send", 60, 0});
	expect_token(&a, 403, &(struct token){JWT_ALG_HS256, SECRET, NULL, 60, 0});
	expect_token(&a, 401, &(struct token){JWT_ALG_HS256, SECRET, "read", -60, 0});
	expect_token(&a, 401, &(struct token){JWT_ALG_HS256, SECRET, "read", 0, 0});
	expect_token(&a, 401, &(struct token){JWT_ALG_HS256, SECRET, "read", 60, 60});
	expect_token(&a, 401,
	             &(struct token){JWT_ALG_HS256, "another secret, of the right length", "read",
	                             60, 0});
	expect_token(&a, 401, &(struct token){JWT_ALG_HS512, SECRET SECRET, "read", 60, 0});
	expect_token(&a, 401, &(struct token){JWT_ALG_NONE, NULL, "read", 60, 0});
	assert_int_equal(
		call_as(&a, "GET", "/api/email/status/x", NULL, "Authorization: Bearer a.b.c"),
		401);
	fleet_free(f);
}

static void check_public_key(const char *kind, const char *option, jwt_alg_t algorithm)
{
	struct fleet *f = fleet_start(NULL);
	char *path, *other_path, *key = make_key(kind, option, &path),
				 *other = make_key(kind, option, &other_path);
	char *public_key = tmpdir_read(path, NULL);
	struct api_process a;

	fleet_set(f, "JWT_PUBLIC_KEY_FILE=%s", path);
	a = api_start(f, NULL);
	expect_token(&a, 404, &(struct token){algorithm, key, "read", 60, 0});
	expect_token(&a, 401, &(struct token){algorithm, key, "read", -60, 0});
	expect_token(&a, 401, &(struct token){algorithm, other, "read", 60, 0});
	/* the public key taken for a secret */
	expect_token(&a, 401, &(struct token){JWT_ALG_HS256, public_key, "read", 60, 0});
	fleet_free(f);
	free(path);
	free(other_path);
	free(key);
	free(other);
	free(public_key);
}

static void test_tokens_of_a_key_pair(void **state)
{
	(void)state;
	check_public_key("RSA", "rsa_keygen_bits:2048", JWT_ALG_RS256);
	check_public_key("EC", "ec_paramgen_curve:P-256", JWT_ALG_ES256);
}

/* --- TLS and CORS ------------------------------------------------------------------------------------------------ */

static void test_https(void **state)
{
	struct fleet *f = fleet_start(NULL);
	char *key = tmpdir_name("key"), *cert = tmpdir_name("cert");
	struct api_process a;
	int silent;

	(void)state;
	free(run_openssl((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:2048",
	                                       "-nodes", "-keyout", key, "-out", cert, "-days", "2",
	                                       "-subj", "/CN=127.0.0.1", "-addext",
	                                       "subjectAltName=IP:127.0.0.1", NULL}));
	fleet_set(f, "TLS_KEY_FILE=%s", key);
	fleet_set(f, "TLS_CERT_FILE=%s", cert);
	a = api_start(f, NULL);
	silent = api_connect(&a);
	a.https = true;
	a.ca = cert;
	api_expect(&a, 202, "POST", API_SEND, API_MAIL("1"));
	api_expect(&a, 200, "GET", "/api/email/status/1", NULL);
	api_expect(&a, 404, "GET", "/nothing", NULL);
	(void)silent;
	a.https = false;
	struct answer *r = api_get(&a, "/livez");
	assert_int_not_equal(r->status, 200);
	answer_free(r);
	close(silent);
	fleet_stop(f, a.process);
	expect_refused(f, "TLS_KEY_FILE=/nowhere", "TLS_KEY_FILE");
	char setting[512];
	snprintf(setting, sizeof(setting), "TLS_KEY_FILE=%s", cert);
	expect_refused(f, setting, "TLS_CERT_FILE");
	fleet_free(f);
	free(key);
	free(cert);
}

static void expect_origin(const struct api_process *a, const char *origin, const char *allowed)
{
	struct answer *r = api_call(a, "GET", "/livez", NULL, (const char *const[]){origin, NULL});
	char *value = answer_header(r, "Access-Control-Allow-Origin");

	if (allowed == NULL)
		assert_null(value);
	else
		assert_string_equal(value, allowed);
	free(value);
	answer_free(r);
}

static void test_web_pages(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process a;
	struct answer *r;
	char *value;

	(void)state;
	a = api_start(f, NULL);
	expect_origin(&a, "Origin: https://shop.example", NULL);
	fleet_set(f, "CORS_ORIGINS=https://shop.example,https://other.example");
	a = api_start(f, NULL);
	expect_origin(&a, "Origin: https://shop.example", "https://shop.example");
	expect_origin(&a, "Origin: https://shop.example.evil", NULL);
	expect_origin(&a, "Origin: https://shop", NULL);
	expect_origin(&a, "X-None: 1", NULL);
	r = api_call(&a, "OPTIONS", API_SEND, NULL,
	             (const char *const[]){"Origin: https://other.example",
	                                   "Access-Control-Request-Method: POST", NULL});
	answer_status(r, 204);
	value = answer_header(r, "Access-Control-Allow-Methods");
	assert_string_equal(value, "POST, DELETE");
	free(value);
	value = answer_header(r, "Access-Control-Allow-Headers");
	assert_non_null(strstr(value, "Idempotency-Key"));
	free(value);
	answer_free(r);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limit_holds_across_processes),
		cmocka_unit_test(test_clients_behind_a_proxy),
		cmocka_unit_test(test_keys_and_their_scopes),
		cmocka_unit_test(test_a_bad_configuration_stops_the_start),
		cmocka_unit_test(test_without_protection_only_this_machine),
		cmocka_unit_test(test_tokens_of_a_secret),
		cmocka_unit_test(test_tokens_of_a_key_pair),
		cmocka_unit_test(test_https),
		cmocka_unit_test(test_web_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Sessions of the dashboard: who gets a cookie, what it is good for, and what it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jwt.h>

#include "api/session.h"
#include "support/api_keys.h"
#include "support/api_world.h"
#include "support/process.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define SESSION "/api/session"
#define PAUSE "/api/queues/pause"
#define QUEUE "{\"queue\":\"mail:queue\"}"
#define OURS "X-Postrider: test"
#define SECRET "0123456789abcdef0123456789abcdef"

static const struct api_key people[] = {
	{"reader", "read", "key-r"}, {"admin.one", "admin", "key-a"}, {"sender", "send", "key-s"}};

static int setup(void **state)
{
	char *path = api_keys_file(people, 3), setting[512];
	int code;

	snprintf(setting, sizeof(setting), "API_KEYS_FILE=%s", path);
	code = api_world_setup(state, (const char *const[]){setting, "JWT_SECRET=" SECRET, NULL});
	free(path);
	return code;
}

static struct answer *call(const struct api_process *a, const char *method, const char *path,
                           const char *body, const char *cookie, const char *more)
{
	char line[4096];
	const char *headers[5] = {"Content-Type: application/json"};
	size_t n = 1;

	if (cookie != NULL) {
		snprintf(line, sizeof(line), "Cookie: other=1; %s; more=2", cookie);
		headers[n++] = line;
	}
	if (more != NULL)
		headers[n++] = more;
	return api_call(a, method, path, body, headers);
}

static int status(const struct api_process *a, const char *method, const char *path,
                  const char *body, const char *cookie, const char *more)
{
	struct answer *r = call(a, method, path, body, cookie, more);
	int status = r->status;

	answer_free(r);
	return status;
}

/* The cookie that a key is exchanged for, "postrider_session=…"; a new string (free). */
static char *sign_in(const struct api_process *a, const char *key)
{
	char body[2048], *cookie;
	struct answer *r;

	snprintf(body, sizeof(body), "{\"key\":\"%s\"}", key);
	r = call(a, "POST", SESSION, body, NULL, OURS);
	answer_status(r, 200);
	answer_is(r, "protected", "true");
	cookie = answer_header(r, "Set-Cookie");
	assert_non_null(cookie);
	assert_non_null(strstr(cookie, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"));
	assert_null(strstr(cookie, "Secure"));
	assert_null(strstr(cookie, "key-"));
	cookie[strcspn(cookie, ";")] = '\0';
	answer_free(r);
	return cookie;
}

static void test_what_it_is_good_for(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process other = api_start(w->fleet, NULL);
	char *reader = sign_in(&w->api, "key-r"), *admin = sign_in(&w->api, "key-a");
	struct answer *r;

	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, NULL, NULL), 401);
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, reader, NULL), 200);
	/* any process knows it */
	assert_int_equal(status(&other, "GET", "/api/live?events=1", NULL, reader, NULL), 200);
	assert_int_equal(status(&w->api, "POST", PAUSE, QUEUE, reader, OURS), 403);
	assert_int_equal(status(&w->api, "POST", API_SEND, API_MAIL("1"), reader, OURS), 403);
	assert_int_equal(status(&other, "POST", PAUSE, QUEUE, admin, OURS), 200);
	assert_int_equal(status(&w->api, "POST", API_SEND, API_MAIL("1"), admin, OURS), 202);
	r = call(&w->api, "GET", SESSION, NULL, admin, NULL);
	answer_is(r, "name", "admin.one");
	answer_is(r, "scopes.0", "send");
	answer_is(r, "scopes.2", "admin");
	answer_free(r);
	r = call(&w->api, "GET", SESSION, NULL, NULL, NULL);
	answer_is(r, "name", "null");
	answer_is(r, "protected", "true");
	answer_free(r);
	r = call(&w->api, "DELETE", SESSION, NULL, admin, OURS);
	answer_status(r, 200);
	char *gone = answer_header(r, "Set-Cookie");
	assert_non_null(strstr(gone, "postrider_session=; "));
	assert_non_null(strstr(gone, "Max-Age=0"));
	free(gone);
	answer_free(r);
	free(reader);
	free(admin);
	fleet_end(w->fleet, other.process);
}

/* Only our own pages change anything with it. */
static void test_other_pages(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *admin = sign_in(&w->api, "key-a"), origin[128], foreign[128], host[64];
	const char *ours[] = {OURS, origin, NULL};

	assert_int_equal(status(&w->api, "POST", PAUSE, QUEUE, admin, NULL), 403);
	assert_int_equal(status(&w->api, "DELETE", "/api/email/x", NULL, admin, NULL), 403);
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, admin, NULL), 200);
	snprintf(host, sizeof(host), "127.0.0.1:%d", w->api.port);
	snprintf(origin, sizeof(origin), "Origin: http://%s", host);
	snprintf(foreign, sizeof(foreign), "Origin: http://127.0.0.1:%d", w->api.port + 1);
	static const struct {
		const char *origin, *site;
		int status;
	} cases[] = {
		{"own", "Sec-Fetch-Site: same-origin", 200},
		{"own", "Sec-Fetch-Site: same-site", 403},
		{"own", "Sec-Fetch-Site: cross-site", 403},
		{"foreign", "X-Nothing: 1", 403},
		{"null", "X-Nothing: 1", 403},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char cookie[256];
		struct answer *r;

		snprintf(cookie, sizeof(cookie), "Cookie: %s", admin);
		ours[1] = strcmp(cases[i].origin, "own") == 0       ? origin
		          : strcmp(cases[i].origin, "foreign") == 0 ? foreign
		                                                    : "Origin: null";
		r = api_call(&w->api, "POST", PAUSE, QUEUE,
		             (const char *const[]){"Content-Type: application/json", ours[0],
		                                   ours[1], cases[i].site, cookie, NULL});
		if (r->status != cases[i].status)
			fail_msg("%s, %s: %d", ours[1], cases[i].site, r->status);
		answer_free(r);
	}
	/* nor does anybody else sign our user in or out */
	assert_int_equal(status(&w->api, "POST", SESSION, "{\"key\":\"key-a\"}", NULL, NULL), 403);
	assert_int_equal(status(&w->api, "DELETE", SESSION, NULL, admin, NULL), 403);
	free(admin);
}

static void test_forged_cookies(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *reader = sign_in(&w->api, "key-r"), forged[512], *dot;

	/* each character of it counts */
	for (size_t i = strlen("postrider_session="); reader[i] != '\0'; i++) {
		snprintf(forged, sizeof(forged), "%s", reader);
		forged[i] = forged[i] == 'A' ? 'B' : 'A';
		if (status(&w->api, "GET", "/providers/stats", NULL, forged, NULL) != 401)
			fail_msg("%s is as good as %s", forged, reader);
	}
	/* another's name, another time */
	snprintf(forged, sizeof(forged), "%s", reader);
	dot = strrchr(forged, '.');
	snprintf(dot, 32, ".admin.one");
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, forged, NULL), 401);
	static const char *const broken[] = {
		"postrider_session=",
		"postrider_session=k",
		"postrider_session=k.",
		"postrider_session=k...",
		"postrider_session=k.9999999999..reader",
		"postrider_session=t.",
		"postrider_session=t.a.b.c",
		"postrider_session=k.1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.reader"};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, broken[i], NULL),
		                 401);
	free(reader);
}

/* It was signed when the key was another. */
static void test_it_ends_with_the_key(void **state)
{
	static const struct api_key later[] = {{"reader", "read", "key-new"}};
	struct api_world *w = api_world_begin(state);
	char *reader = sign_in(&w->api, "key-r"), *path = api_keys_file(later, 1), setting[512];
	struct api_process other;

	snprintf(setting, sizeof(setting), "API_KEYS_FILE=%s", path);
	other = api_start(w->fleet, (const char *const[]){setting, NULL});
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, reader, NULL), 200);
	assert_int_equal(status(&other, "GET", "/providers/stats", NULL, reader, NULL), 401);
	free(reader);
	free(path);
	fleet_end(w->fleet, other.process);
}

static char *token(long expires_in_s)
{
	jwt_t *jwt;
	char *text;

	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(
		jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)SECRET, (int)strlen(SECRET)),
		0);
	jwt_add_grant(jwt, "sub", "ada");
	jwt_add_grant(jwt, "scope", "read");
	jwt_add_grant_int(jwt, "exp", (long)time(NULL) + expires_in_s);
	text = jwt_encode_str(jwt);
	jwt_free(jwt);
	return text;
}

static void test_a_token(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *good = token(600), *old = token(-1), *cookie = sign_in(&w->api, good), body[2048];
	struct answer *r = call(&w->api, "GET", SESSION, NULL, cookie, NULL);

	answer_is(r, "name", "ada");
	answer_is(r, "scopes.0", "read");
	answer_free(r);
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, cookie, NULL), 200);
	snprintf(body, sizeof(body), "{\"key\":\"%s\"}", old);
	assert_int_equal(status(&w->api, "POST", SESSION, body, NULL, OURS), 401);
	free(good);
	free(old);
	free(cookie);
}

struct guesser {
	const struct api_process *at[2];
	int tries;
};

/* Tries at both by turns until it is refused. */
static void guess_until_refused(struct guesser *g)
{
	struct answer *r;
	char *after;

	for (;; answer_free(r)) {
		r = call(g->at[g->tries++ % 2], "POST", SESSION, "{\"key\":\"wrong\"}", NULL, OURS);
		if (r->status == 429)
			break;
		answer_status(r, 401);
		assert_true(g->tries < 100);
	}
	after = answer_header(r, "Retry-After");
	assert_non_null(after);
	free(after);
	answer_free(r);
}

/* One more try is allowed after some seconds: who was slow guesses again. */
static bool is_the_right_key_refused(void *data)
{
	struct guesser *g = data;

	guess_until_refused(g);
	return status(g->at[0], "POST", SESSION, "{\"key\":\"key-a\"}", NULL, OURS) == 429;
}

/* Over all processes; and not at the cost of the mails' limit. */
static void test_tries_are_limited(void **state)
{
	struct api_world *w = api_world_begin(state);
	struct api_process other = api_start(w->fleet, NULL);
	struct guesser g = {{&w->api, &other}, 0};
	int64_t began = wait_now_ms();

	guess_until_refused(&g);
	assert_in_range(g.tries, SESSION_TRIES + 1,
	                SESSION_TRIES + 2 +
	                        (wait_now_ms() - began) * SESSION_TRIES / SESSION_TRIES_MS);
	wait_until(is_the_right_key_refused, &g, 0);
	assert_int_equal(status(&w->api, "GET", "/providers/stats", NULL, NULL, "X-API-Key: key-r"),
	                 200);
	fleet_end(w->fleet, other.process);
}

/* Behind a proxy that is trusted: of each client. */
static void test_tries_are_the_clients(void **state)
{
	static const char body[] = "{\"key\":\"wrong\"}";
	static const char *const guesser[] = {OURS, "X-Forwarded-For: 192.0.2.1", NULL};
	static const char *const other[] = {OURS, "X-Forwarded-For: 192.0.2.2", NULL};
	struct api_world *w = api_world_begin(state);
	struct api_process a = api_start(
		w->fleet, (const char *const[]){"API_TRUSTED_PROXIES=127.0.0.1", NULL});
	struct answer *r = NULL;

	for (int i = 0; i < 20 && (r == NULL || r->status == 401); i++) {
		answer_free(r);
		r = api_post(&a, SESSION, body, guesser);
	}
	answer_status(r, 429);
	answer_free(r);
	r = api_post(&a, SESSION, body, other);
	answer_status(r, 401);
	answer_free(r);
	assert_int_equal(process_count_lines(a.process, "ip:192.0.2.2"), 1);
	fleet_end(w->fleet, a.process);
}

static void test_bad_bodies(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *large = calloc(1, 6000);

	assert_int_equal(status(&w->api, "POST", SESSION, "{}", NULL, OURS), 400);
	assert_int_equal(status(&w->api, "POST", SESSION, "{\"key\":1}", NULL, OURS), 400);
	assert_int_equal(status(&w->api, "POST", SESSION, "[", NULL, OURS), 400);
	snprintf(large, 6000, "{\"key\":\"%05000d\"}", 0);
	assert_int_equal(status(&w->api, "POST", SESSION, large, NULL, OURS), 401);
	free(large);
}

/* A browser is shown the dashboard, and everybody else what there always was. */
static void test_the_page(void **state)
{
	static const char html[] = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
	struct api_world *w = api_world_begin(state);
	struct answer *r = call(&w->api, "GET", "/", NULL, NULL, html);
	char *policy = answer_header(r, "Content-Security-Policy"),
	     *vary = answer_header(r, "Vary");

	answer_status(r, 200);
	assert_non_null(strstr(r->body, "<!doctype html>"));
	assert_null(strstr(policy, "unsafe"));
	assert_string_equal(vary, "Accept");
	/* every file that it names is there, and nothing in it is from elsewhere */
	assert_null(strstr(r->body, "//"));
	for (const char *at = r->body; (at = strstr(at, "\"/web/")) != NULL; at++) {
		char path[128];

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(at + 1, "\""), at + 1);
		api_expect(&w->api, 200, "GET", path, NULL);
	}
	free(policy);
	free(vary);
	answer_free(r);
	r = api_get(&w->api, "/");
	answer_is(r, "service", "postrider");
	answer_free(r);
	api_expect(&w->api, 404, "GET", "/web/nothing.js", NULL);
	api_expect(&w->api, 404, "GET", "/web/..%2f..%2fetc%2fpasswd", NULL);
}

/* Over HTTPS the cookie goes over nothing else. */
static void test_secure_under_https(void **state)
{
	struct api_world *w = api_world_begin(state);
	char *key = tmpdir_name("key"), *cert = tmpdir_name("cert"), settings[2][512], *cookie;
	struct api_process a;
	struct answer *r;
	int code;

	code = process_run((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:2048",
	                                         "-nodes", "-keyout", key, "-out", cert, "-days",
	                                         "2", "-subj", "/CN=127.0.0.1", "-addext",
	                                         "subjectAltName=IP:127.0.0.1", NULL},
	                   NULL, NULL, NULL, NULL);
	assert_int_equal(code, 0);
	snprintf(settings[0], sizeof(settings[0]), "TLS_KEY_FILE=%s", key);
	snprintf(settings[1], sizeof(settings[1]), "TLS_CERT_FILE=%s", cert);
	a = api_start(w->fleet, (const char *const[]){settings[0], settings[1], NULL});
	a.https = true;
	a.ca = cert;
	r = call(&a, "POST", SESSION, "{\"key\":\"key-r\"}", NULL, OURS);
	answer_status(r, 200);
	cookie = answer_header(r, "Set-Cookie");
	assert_non_null(strstr(cookie, "; Max-Age=43200; Secure"));
	free(cookie);
	answer_free(r);
	fleet_end(w->fleet, a.process);
	free(key);
	free(cert);
}

/* A proxy that ends TLS before us passes the Host on, and the browser says where its page is from. */
static void test_secure_behind_a_proxy(void **state)
{
	static const char ours[] = "X-Postrider: 1", body[] = "{\"key\":\"key-r\"}";
	struct api_world *w = api_world_begin(state);
	char host[64], origin[64], *cookie;

	for (int https = 0; https < 2; https++) {
		struct answer *r;

		snprintf(host, sizeof(host), "Host: mail.example");
		snprintf(origin, sizeof(origin), "Origin: http%s://mail.example", https ? "s" : "");
		r = api_post(&w->api, SESSION, body,
		             (const char *const[]){ours, host, origin, NULL});
		answer_status(r, 200);
		cookie = answer_header(r, "Set-Cookie");
		assert_int_equal(strstr(cookie, "; Secure") != NULL, https);
		free(cookie);
		answer_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_is_good_for),
		cmocka_unit_test(test_other_pages),
		cmocka_unit_test(test_forged_cookies),
		cmocka_unit_test(test_it_ends_with_the_key),
		cmocka_unit_test(test_a_token),
		cmocka_unit_test(test_tries_are_limited),
		cmocka_unit_test(test_tries_are_the_clients),
		cmocka_unit_test(test_bad_bodies),
		cmocka_unit_test(test_the_page),
		cmocka_unit_test(test_secure_under_https),
		cmocka_unit_test(test_secure_behind_a_proxy),
	};
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

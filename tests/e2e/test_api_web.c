/* What the API tells browsers: files of its own, and what they may do with an answer (FAULTS 41). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api_world.h"
#include "support/tmpdir.h"

#define OPENAPI "/openapi.json"

static int setup(void **state)
{
	return api_world_setup(state, (const char *const[]){"API_MAX_BODY=1024", NULL});
}

static void header_is(const struct answer *r, const char *name, const char *value)
{
	char *is = answer_header(r, name);

	if ((is == NULL) != (value == NULL) || (is != NULL && strcmp(is, value) != 0))
		fail_msg("%s is %s, not %s, in: %s", name, is ? is : "(absent)",
		         value ? value : "(absent)", r->head);
	free(is);
}

static struct answer *get_known(struct api_world *w, const char *method, const char *known)
{
	char line[300];

	snprintf(line, sizeof(line), "If-None-Match: %s", known);
	return api_call(&w->api, method, OPENAPI, NULL, (const char *const[]){line, NULL});
}

static void test_a_file_is_kept_by_its_etag(void **state)
{
	struct api_world *w = *state;
	struct answer *r = api_get(&w->api, OPENAPI);
	char *etag = answer_header(r, "ETag"), list[256], *file;
	size_t n;

	answer_status(r, 200);
	file = tmpdir_read("src/web/openapi.json", &n);
	assert_string_equal(r->body, file);
	free(file);
	header_is(r, "Content-Type", "application/json");
	header_is(r, "Cache-Control", "no-cache");
	assert_non_null(etag);
	assert_int_equal(etag[0], '"');
	answer_free(r);

	r = get_known(w, "GET", etag);
	answer_status(r, 304);
	assert_string_equal(r->body, "");
	header_is(r, "ETag", etag);
	header_is(r, "Cache-Control", "no-cache");
	answer_free(r);
	snprintf(list, sizeof(list), "\"other\", W/%s", etag);
	r = get_known(w, "HEAD", list);
	answer_status(r, 304);
	answer_free(r);
	r = get_known(w, "GET", "*");
	answer_status(r, 304);
	answer_free(r);
	r = get_known(w, "GET", "\"other\"");
	answer_status(r, 200);
	answer_free(r);
	r = get_known(w, "HEAD", "\"other\"");
	answer_status(r, 200);
	header_is(r, "ETag", etag);
	assert_string_equal(r->body, "");
	answer_free(r);
	free(etag);
}

/* Only what is in the binary, by its very name; the disk is never looked at. */
static void test_nothing_else_is_served(void **state)
{
	static const char *const paths[] = {
		"/../../../../etc/passwd",
		"/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
		"/..%2f..%2f..%2fetc%2fpasswd",
		"//etc/passwd",
		"/openapi.json/",
		"/openapi.json%00.html",
		"/./openapi.json",
		"/api/../openapi.json",
		"/api/email/status/../../../openapi.json",
		"/src/web/openapi.json",
		"/OPENAPI.JSON",
		"/.env",
		"/Makefile",
	};
	struct api_world *w = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		api_expect(&w->api, 404, "GET", paths[i], NULL);
}

static void is_guarded(const struct answer *r, int status)
{
	answer_status(r, status);
	header_is(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
	header_is(r, "X-Content-Type-Options", "nosniff");
	header_is(r, "Referrer-Policy", "no-referrer");
}

/* Whatever the answer is, a browser does nothing with it. */
static void test_every_answer_is_guarded(void **state)
{
	static const struct {
		int status;
		const char *method, *path, *body;
	} calls[] = {
		{200, "GET", OPENAPI, NULL},
		{200, "GET", "/livez", NULL},
		{200, "HEAD", "/metrics", NULL},
		{202, "POST", API_SEND, API_MAIL("k")},
		{200, "POST", API_SEND, API_MAIL("k")},
		{400, "POST", API_SEND, "{"},
		{404, "GET", "/nothing<script>", NULL},
		{404, "GET", "/api/email/status/<script>", NULL},
		{405, "PUT", API_SEND, NULL},
	};
	struct api_world *w = api_world_begin(state);
	struct answer *r;
	char *raw, large[3000];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		r = api_call(&w->api, calls[i].method, calls[i].path, calls[i].body,
		             (const char *const[]){"Content-Type: application/json", NULL});
		is_guarded(r, calls[i].status);
		answer_free(r);
	}
	r = get_known(w, "GET", "*");
	is_guarded(r, 304);
	answer_free(r);
	/* refused in the middle of its body, past libmicrohttpd */
	snprintf(large, sizeof(large),
	         "POST " API_SEND " HTTP/1.1\r\nHost: localhost\r\n"
	         "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "7D0\r\n%02000d\r\n0\r\n\r\n",
	         0);
	raw = api_raw(&w->api, large);
	assert_int_equal(strncmp(raw, "HTTP/1.1 413 ", 13), 0);
	assert_non_null(strstr(raw, "Content-Security-Policy: default-src 'none'"));
	assert_non_null(strstr(raw, "X-Content-Type-Options: nosniff"));
	free(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_kept_by_its_etag),
		cmocka_unit_test(test_nothing_else_is_served),
		cmocka_unit_test(test_every_answer_is_guarded),
	};
	return cmocka_run_group_tests(tests, setup, api_world_teardown);
}

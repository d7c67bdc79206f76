#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "provider/provider.h"
#include "support/delivery.h"
#include "support/http_server.h"
#include "support/tmpdir.h"
#include "support/wait.h"

/* The certificate is the server's, or nothing is said to it: the API key least of all. */

#define DAY 86400L

struct certificate {
	char *path, *key_path;
};

static char *write_pem(const char *stem, EVP_PKEY *key, X509 *cert)
{
	char *path = tmpdir_name(stem);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (key != NULL)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	else
		assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
	return path;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX context;

	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

/* Signed by itself, and so a root of its own. */
static struct certificate make(const char *names, long from, long until)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	struct certificate c;

	assert_non_null(key);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), until);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Test", -1, -1,
	                           0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name, names);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	c.path = write_pem("certificate", NULL, cert);
	c.key_path = write_pem("key", key, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
	return c;
}

static void certificate_free(struct certificate *c)
{
	free(c->path);
	free(c->key_path);
}

struct world {
	struct ev_loop *loop;
	struct options options;
	struct http_server *server;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	delivery_options(&w->options);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	http_server_free(w->server);
	options_free(&w->options);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

/* A mail to a server with the certificate; roots: what is trusted. */
static struct outcome deliver(struct world *w, const struct certificate *c, const char *roots)
{
	struct provider *p;
	struct outcome o;
	struct mail *m;

	w->server = http_server_start_tls(c->path, c->key_path);
	p = delivery_open(
		w->loop, &w->options,
		"sendgrid://test-key-123@default?endpoint=https://127.0.0.1:%d/sendgrid%s%s",
		http_server_port(w->server), roots != NULL ? "&tls_ca=" : "",
		roots != NULL ? roots : "");
	m = mail_new(p, 1, NULL);
	mail_deliver(m);
	o = m->outcome;
	if (o.kind != OUTCOME_SENT)
		assert_int_equal(m->ready, 0);
	mail_free(m);
	provider_close(p);
	return o;
}

static void refused(struct world *w, const struct certificate *c, const char *roots)
{
	struct outcome o = deliver(w, c, roots);

	assert_int_equal(o.kind, OUTCOME_PROVIDER_DOWN);
	assert_string_equal(o.code, "tls");
	assert_int_not_equal(o.text[0], '\0');
	assert_int_equal(http_server_count(w->server, "heads"), 0);
}

static void test_trusted(void **state)
{
	struct certificate c = make("IP:127.0.0.1", -DAY, DAY);
	struct world *w = *state;
	struct outcome o = deliver(w, &c, c.path);

	if (o.kind != OUTCOME_SENT)
		fail_msg("%s %s", o.code, o.text);
	assert_int_equal(http_server_count(w->server, "taken"), 1);
	certificate_free(&c);
}

static void test_wrong_host(void **state)
{
	struct certificate c = make("DNS:other.example,IP:127.0.0.2", -DAY, DAY);

	refused(*state, &c, c.path);
	certificate_free(&c);
}

static void on_answer(struct provider_check *c, const struct outcome *o)
{
	*(struct outcome *)c->data = *o;
}

static bool is_answered(void *arg)
{
	return ((struct outcome *)arg)->code[0] != '\0';
}

/* `check` says so too. */
static void test_question_to_a_wrong_host(void **state)
{
	struct certificate c = make("DNS:other.example", -DAY, DAY);
	struct outcome o = {.code = ""};
	struct provider_check check = {.on_done = on_answer, .data = &o};
	struct world *w = *state;
	struct provider *p;

	w->server = http_server_start_tls(c.path, c.key_path);
	p = delivery_open(
		w->loop, &w->options,
		"resend://test-key-123@default?endpoint=https://127.0.0.1:%d/resend&tls_ca=%s",
		http_server_port(w->server), c.path);
	p->type->check(p, &check);
	wait_loop_until(w->loop, is_answered, &o, 0);
	assert_int_equal(o.kind, OUTCOME_PROVIDER_DOWN);
	assert_string_equal(o.code, "tls");
	assert_int_equal(http_server_count(w->server, "heads"), 0);
	provider_close(p);
	certificate_free(&c);
}

static void test_expired(void **state)
{
	struct certificate c = make("IP:127.0.0.1", -2 * DAY, -DAY);

	refused(*state, &c, c.path);
	certificate_free(&c);
}

static void test_not_trusted(void **state)
{
	struct certificate c = make("IP:127.0.0.1", -DAY, DAY);

	refused(*state, &c, NULL);
	certificate_free(&c);
}

/* Only those that were named, not those of the system besides. */
static void test_other_roots(void **state)
{
	struct certificate c = make("IP:127.0.0.1", -DAY, DAY);
	struct certificate other = make("IP:127.0.0.1", -DAY, DAY);

	refused(*state, &c, other.path);
	certificate_free(&c);
	certificate_free(&other);
}

/* https to what speaks http: the wrong endpoint, and no matter of trying again. */
static void test_no_tls_there(void **state)
{
	struct world *w = *state;
	struct provider *p;
	struct mail *m;

	w->server = http_server_start();
	p = delivery_open(w->loop, &w->options,
	                  "sendgrid://test-key-123@default?endpoint=https://127.0.0.1:%d/sendgrid",
	                  http_server_port(w->server));
	m = mail_new(p, 1, NULL);
	mail_deliver(m);
	assert_int_equal(m->outcome.kind, OUTCOME_PROVIDER_DOWN);
	assert_string_equal(m->outcome.code, "tls");
	mail_free(m);
	provider_close(p);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_trusted),
		TEST(test_wrong_host),
		TEST(test_expired),
		TEST(test_not_trusted),
		TEST(test_other_roots),
		TEST(test_no_tls_there),
		TEST(test_question_to_a_wrong_host),
	};

	return cmocka_run_group_tests_name("http_tls", tests, NULL, NULL);
}

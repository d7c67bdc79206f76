#include "support/smtp_secure.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_ARGS 32
#define AN_HOUR 3600

struct smtp_secure {
	struct process *process;
	char *dir;
	int port;
};

static struct {
	EVP_PKEY *key;
	X509 *cert;
	char *path;
} ca;

static void write_pem(char **path, const char *stem, EVP_PKEY *key, X509 *cert)
{
	FILE *f;

	*path = tmpdir_name(stem);
	f = fopen(*path, "w");
	assert_non_null(f);
	if (key != NULL)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	if (cert != NULL)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* names NULL: a CA. issuer NULL: signed by itself. */
static X509 *make_cert(EVP_PKEY *key, const char *subject, const struct secure_cert *how,
                       X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial;
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	long from = how != NULL && how->from_s != 0 ? how->from_s : -AN_HOUR;
	long until = how != NULL && how->until_s != 0 ? how->until_s : AN_HOUR;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), until);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1,
	                           0);
	X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : name);
	X509_set_pubkey(cert, key);
	if (issuer == NULL)
		issuer = cert;
	if (how == NULL) {
		add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	} else {
		add_extension(cert, issuer, NID_subject_alt_name, how->names);
	}
	add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	if (issuer != cert)
		add_extension(cert, issuer, NID_authority_key_identifier, "keyid");
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

static void forget_ca(void)
{
	EVP_PKEY_free(ca.key);
	X509_free(ca.cert);
	free(ca.path);
}

const char *secure_ca(void)
{
	if (ca.path == NULL) {
		ca.key = EVP_EC_gen("P-256");
		assert_non_null(ca.key);
		ca.cert = make_cert(ca.key, "Test CA", NULL, NULL, ca.key);
		write_pem(&ca.path, "ca", NULL, ca.cert);
		atexit(forget_ca);
	}
	return ca.path;
}

static bool is_ready_or_ended(void *arg)
{
	struct process *p = arg;

	return process_count_lines(p, "ready ") > 0 || !process_running(p);
}

static int read_port(struct process *p)
{
	char *out, *at;
	int port;

	wait_until(is_ready_or_ended, p, 0);
	out = process_stdout(p);
	at = strstr(out, "ready ");
	if (at == NULL)
		fail_msg("smtp_secure.py does not start: %s", process_stderr(p));
	port = (int)strtol(at + 6, NULL, 10);
	free(out);
	return port;
}

void secure_cert_make(const struct secure_cert *cert, char **cert_path, char **key_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *made;

	secure_ca();
	made = cert->self_signed ? make_cert(key, "server", cert, NULL, key)
	                         : make_cert(key, "server", cert, ca.cert, ca.key);
	write_pem(cert_path, "cert", NULL, made);
	write_pem(key_path, "key", key, NULL);
	X509_free(made);
	EVP_PKEY_free(key);
}

struct smtp_secure *smtp_secure_start(const struct secure_cert *cert, const char *const *options)
{
	/* Where Debian's packages for Python are. */
	const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
	const char *argv[MAX_ARGS] = {python, "tests/support/smtp_secure.py"};
	struct smtp_secure *s = calloc(1, sizeof(*s));
	char *cert_path = NULL, *key_path = NULL, cert_option[600], key_option[600];
	size_t n = 2;

	assert_non_null(s);
	s->dir = tmpdir_make("secure");
	argv[n++] = s->dir;
	if (cert != NULL) {
		secure_cert_make(cert, &cert_path, &key_path);
		snprintf(cert_option, sizeof(cert_option), "cert=%s", cert_path);
		snprintf(key_option, sizeof(key_option), "key=%s", key_path);
		argv[n++] = cert_option;
		argv[n++] = key_option;
	}
	for (; options != NULL && *options != NULL && n < MAX_ARGS - 1; options++)
		argv[n++] = *options;
	s->process = process_start(argv, NULL);
	s->port = read_port(s->process);
	free(cert_path);
	free(key_path);
	return s;
}

void smtp_secure_free(struct smtp_secure *s)
{
	if (s == NULL)
		return;
	process_free(s->process);
	tmpdir_remove(s->dir);
	free(s->dir);
	free(s);
}

int smtp_secure_port(const struct smtp_secure *s)
{
	return s->port;
}

char *smtp_secure_said(const struct smtp_secure *s)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/said", s->dir);
	return tmpdir_read(path, NULL);
}

char *smtp_secure_message(const struct smtp_secure *s, int n, size_t *len)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%d.eml", s->dir, n);
	return tmpdir_read(path, len);
}

#include "smtp/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/uri.h"

struct smtp_tls {
	SSL_CTX *context;
	BIO_METHOD *method;
	bool verify;
};

/* OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE. The socket is kept as the
 * BIO's data; it is closed by its owner. */
static int bio_fd(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	ssize_t sent = send(bio_fd(bio), bytes, (size_t)n, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static int bio_read(BIO *bio, char *to, int n)
{
	ssize_t got = recv(bio_fd(bio), to, (size_t)n, 0);

	BIO_clear_retry_flags(bio);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	else if (got <= 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

static bool load_roots(SSL_CTX *context, const char *ca_file, struct error *err)
{
	if (*ca_file == '\0' && SSL_CTX_set_default_verify_paths(context) != 1)
		return error_set(err, "the system's certificates cannot be read");
	if (*ca_file != '\0' && SSL_CTX_load_verify_file(context, ca_file) != 1)
		return error_set(err, "tls_ca: no certificates can be read from %s", ca_file);
	return true;
}

struct smtp_tls *smtp_tls_open(bool verify, const char *ca_file, struct error *err)
{
	struct smtp_tls *t = mem_zalloc(sizeof(*t));

	t->verify = verify;
	t->context = SSL_CTX_new(TLS_client_method());
	t->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
	if (t->context == NULL || t->method == NULL) {
		error_set(err, "OpenSSL cannot be set up");
		smtp_tls_close(t);
		return NULL;
	}
	BIO_meth_set_write(t->method, bio_write);
	BIO_meth_set_read(t->method, bio_read);
	BIO_meth_set_ctrl(t->method, bio_ctrl);
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                     SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(t->context, 1);
	SSL_CTX_set_verify(t->context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (verify && !load_roots(t->context, ca_file, err)) {
		smtp_tls_close(t);
		return NULL;
	}
	ERR_clear_error();
	return t;
}

void smtp_tls_close(struct smtp_tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->context);
	BIO_meth_free(t->method);
	mem_free(t);
}

/* Whom the certificate must name. */
static bool set_host(SSL *ssl, const char *host, bool verify)
{
	if (uri_is_address(host)) /* SNI has no addresses (RFC 6066 3) */
		return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	if (SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return !verify || SSL_set1_host(ssl, host) == 1;
}

SSL *smtp_tls_attach(struct smtp_tls *t, int fd, const char *host)
{
	SSL *ssl = SSL_new(t->context);
	BIO *bio = ssl != NULL ? BIO_new(t->method) : NULL;

	if (bio == NULL || !set_host(ssl, host, t->verify)) {
		BIO_free(bio);
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_connect_state(ssl);
	return ssl;
}

void smtp_tls_why(const SSL *ssl, char *out, size_t size)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (verdict != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		snprintf(out, size, "the certificate is not to be trusted: %s",
		         X509_verify_cert_error_string(verdict));
	else
		snprintf(out, size, "the TLS handshake failed: %s",
		         reason != NULL ? reason : "no reason given");
	ERR_clear_error();
}

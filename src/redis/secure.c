#include "redis/secure.h"

#include "base/uri.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct ssl_ctx_st *secure_share(struct ssl_ctx_st *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	return ctx;
}

void secure_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

bool secure_reason(struct error *err)
{
	const char *why = ERR_reason_error_string(ERR_get_error());

	ERR_clear_error();
	if (why)
		(void)error_set(err, "TLS: %s", why);
	return why != NULL;
}

#ifdef REDIS_TLS

#include <hiredis/hiredis_ssl.h>

static bool fail(struct error *err, const char *what, const char *file)
{
	unsigned long code = ERR_get_error();
	const char *why = ERR_reason_error_string(code);

	ERR_clear_error();
	return error_set(err, "%s %s: %s", what, file, why ? why : "it cannot be used");
}

static bool read_files(SSL_CTX *ctx, const struct secure_files *f, struct error *err)
{
	const char *key = f->key ? f->key : f->cert;

	if (f->ca ? SSL_CTX_load_verify_locations(ctx, f->ca, NULL) != 1
	          : SSL_CTX_set_default_verify_paths(ctx) != 1)
		return fail(err, "tls_ca", f->ca ? f->ca : "(the system's)");
	if (f->cert && SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1)
		return fail(err, "tls_cert", f->cert);
	if (f->cert && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return fail(err, "tls_key", key);
	return true;
}

struct ssl_ctx_st *secure_new(const struct secure_files *files, struct error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		(void)error_set(err, "OpenSSL refuses to begin");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, files->any_certificate ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (read_files(ctx, files, err))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* The name is for SNI (RFC 6066: never an address), and to be found in the certificate. */
static bool expect_host(SSL *ssl, const char *host)
{
	if (uri_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

bool secure_start(redisContext *c, struct ssl_ctx_st *ctx, const char *host, struct error *err)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || !expect_host(ssl, host)) {
		SSL_free(ssl);
		return error_set(err, "OpenSSL refuses the host \"%.64s\"", host);
	}
	/* from here on it is the connection's, unless this fails */
	if (redisInitiateSSL(c, ssl) == REDIS_OK)
		return true;
	(void)error_set(err, "TLS: %s", c->errstr);
	SSL_free(ssl);
	return false;
}

#else

struct ssl_ctx_st *secure_new(const struct secure_files *files, struct error *err)
{
	(void)files;
	(void)error_set(err,
	                "TLS needs hiredis 1.0 or later with libhiredis_ssl, as Debian 13 has it: "
	                "this postrider was built without");
	return NULL;
}

bool secure_start(redisContext *c, struct ssl_ctx_st *ctx, const char *host, struct error *err)
{
	(void)c;
	(void)ctx;
	(void)host;
	return error_set(err, "this postrider was built without TLS to Redis");
}

#endif

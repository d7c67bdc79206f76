#include "provider/http_dsn.h"

#include <string.h>

#include "base/mem.h"

#define MAX_BASE 1024

bool http_dsn_either(struct uri *dsn, const char *name, const char *no, const char *yes_word,
                     bool *yes, struct error *err)
{
	const char *text = uri_param(dsn, name);

	if (text == NULL)
		return true;
	*yes = strcmp(text, yes_word) == 0;
	return *yes || strcmp(text, no) == 0 ||
	       error_set(err, "%s must be %s or %s", name, no, yes_word);
}

bool http_dsn_flag(struct uri *dsn, const char *name, bool *yes, struct error *err)
{
	return http_dsn_either(dsn, name, "0", "1", yes, err);
}

bool http_dsn_credential(const char *value, const char *what, struct error *err)
{
	if (value[0] == '\0')
		return error_set(err, "the %s is missing", what);
	for (const char *c = value; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return error_set(err, "the %s has a character that it cannot have", what);
	return true;
}

/* An endpoint is parsed as a URL of its own: what follows its host is a path and nothing more. */
static bool read_endpoint(struct http_dsn *d, const char *text, bool insecure, struct error *err)
{
	struct uri uri;
	size_t len = strlen(text);
	bool ok = uri_parse(&uri, text, err);

	if (!ok)
		return error_prefix(err, "endpoint");
	d->clear_text = strcmp(uri.scheme, "http") == 0;
	if (!d->clear_text && strcmp(uri.scheme, "https") != 0)
		ok = error_set(err, "endpoint must begin with https:// or http://");
	else if (uri.host[0] == '\0' || strchr(uri.host, ',') != NULL || len > MAX_BASE)
		ok = error_set(err, "endpoint must have a host, as in https://api.example.com");
	else if (uri.user[0] != '\0' || uri.password[0] != '\0' || uri.n_params > 0)
		ok = error_set(err, "endpoint is a host and perhaps a path; credentials and "
		                    "parameters belong into the DSN itself");
	else if (d->clear_text && !insecure && !uri_is_loopback(uri.host))
		ok = error_set(err, "endpoint would send the credentials in clear text; "
		                    "auth_insecure=1 allows that");
	uri_free(&uri);
	if (!ok)
		return false;
	while (len > 0 && (text[len - 1] == '/' || text[len - 1] == '?'))
		len--;
	d->base = mem_strndup(text, len);
	return true;
}

static bool read_host(struct http_dsn *d, const struct uri *dsn, const char *base,
                      struct error *err)
{
	const char *open, *close;

	if (strchr(dsn->host, ',') != NULL)
		return error_set(err, "it has several hosts; make each a provider of its own");
	if (dsn->host[0] == '\0' || strcmp(dsn->host, "default") == 0) {
		d->base = mem_strdup(base);
		return true;
	}
	open = strchr(dsn->host, ':') != NULL ? "[" : ""; /* IPv6 */
	close = *open != '\0' ? "]" : "";
	if (dsn->port != 0)
		d->base = mem_printf("https://%s%s%s:%d", open, dsn->host, close, dsn->port);
	else
		d->base = mem_printf("https://%s%s%s", open, dsn->host, close);
	return true;
}

bool http_dsn_read(struct http_dsn *d, struct uri *dsn, const char *base, struct error *err)
{
	const char *endpoint = uri_param(dsn, "endpoint");
	const char *ca_file = uri_param(dsn, "tls_ca");
	bool insecure = false;

	memset(d, 0, sizeof(*d));
	d->connect_ms = 10000;
	d->send_ms = 60000;
	d->idle_ms = 30000;
	d->ca_file = mem_strdup(ca_file != NULL ? ca_file : "");
	if (dsn->path[0] != '\0' && strcmp(dsn->path, "/") != 0)
		return error_set(err, "nothing but parameters (?name=value) can follow the host");
	return http_dsn_flag(dsn, "auth_insecure", &insecure, err) &&
	       uri_param_ms(dsn, "connect_timeout", 10, 300000, &d->connect_ms, err) &&
	       uri_param_ms(dsn, "send_timeout", 10, 3600000, &d->send_ms, err) &&
	       uri_param_ms(dsn, "idle", 1000, 3600000, &d->idle_ms, err) &&
	       (endpoint != NULL ? read_endpoint(d, endpoint, insecure, err)
	                         : read_host(d, dsn, base, err));
}

void http_dsn_free(struct http_dsn *d)
{
	mem_free(d->base);
	mem_free(d->ca_file);
	memset(d, 0, sizeof(*d));
}

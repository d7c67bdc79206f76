#include "fleet/trace_config.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/uri.h"
#include "provider/http_call.h"
#include "provider/otlp.h"

#define PATH "/v1/traces"
#define MAX_RESOURCE 16384
#define ALL "OTEL_EXPORTER_OTLP_"
#define TRACES "OTEL_EXPORTER_OTLP_TRACES_" /* goes before */

/* text: as it is given; more: what is added to it. */
static bool read_url(struct trace_config *c, const char *text, const char *more, struct error *err)
{
	size_t n = strlen(text);
	struct uri uri;
	bool ok;

	if (!uri_parse(&uri, text, err))
		return false;
	c->clear_text = strcmp(uri.scheme, "http") == 0;
	ok = c->clear_text || strcmp(uri.scheme, "https") == 0;
	if (!ok)
		error_set(err, "it must begin with https:// or http://");
	else if (uri.host[0] == '\0' || strchr(uri.host, ',') != NULL)
		ok = error_set(err, "it must have a host, as in http://127.0.0.1:4318");
	else if (uri.user[0] != '\0' || uri.password[0] != '\0')
		ok = error_set(err, "credentials belong into OTEL_EXPORTER_OTLP_HEADERS");
	else if (uri.n_params > 0 && *more != '\0')
		ok = error_set(err, "it must not have parameters");
	if (*more == '\0' && uri.path[0] == '\0' && uri.n_params == 0)
		more = "/";
	uri_free(&uri);
	while (*more == '/' && n > 0 && text[n - 1] == '/')
		n--;
	if (ok)
		c->url = mem_printf("%.*s%s", (int)n, text, more);
	return ok;
}

static bool is_token(const char *s)
{
	for (const char *c = s; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *c) != NULL)
			return false;
	return *s != '\0';
}

/* One name=value, both percent-encoded (W3C Baggage); blanks around them do not count. */
static bool read_header(struct buf *out, const char *text, size_t n, struct error *err)
{
	const char *equals = memchr(text, '=', n), *from;
	char *name, *value = NULL;
	size_t n_name;
	bool ok;

	if (equals == NULL)
		return error_set(err, "it must be of the form name=value,name=value");
	from = equals + 1 + strspn(equals + 1, " ");
	if (from > text + n)
		from = text + n;
	n_name = (size_t)(equals - text);
	while (n_name > 0 && text[n_name - 1] == ' ')
		n_name--;
	ok = uri_decode(text, n_name, "name", &name, err);
	if (ok && !is_token(name))
		ok = error_set(err, "it has a name that no header can have");
	ok = ok && uri_decode(from, (size_t)(text + n - from), "value", &value, err);
	if (ok) {
		buf_add_str(out, name);
		buf_add_str(out, ": ");
		buf_add_str(out, value);
		buf_add_char(out, '\n');
	}
	mem_free(name);
	mem_free_secret(value);
	return ok;
}

/* from: the variable that says so. */
static bool read_headers(struct trace_config *c, const char *text, const char *from,
                         struct error *err)
{
	struct buf out;
	bool ok = true;

	buf_init(&out, HTTP_CALL_MAX_HEADERS - 512);
	while (ok && *text != '\0') {
		size_t n;

		text += strspn(text, ", ");
		n = strcspn(text, ",");
		while (n > 0 && text[n - 1] == ' ')
			n--;
		if (n > 0)
			ok = read_header(&out, text, n, err);
		text += strcspn(text, ",");
	}
	c->headers = buf_take(&out);
	return ok || error_prefix(err, "%s", from);
}

static bool read_resource(struct trace_config *c, const struct options *o, const char *instance,
                          struct error *err)
{
	struct buf out;
	bool ok;

	buf_init(&out, MAX_RESOURCE);
	ok = otlp_resource(&out, o->otel_service_name, o->otel_resource, instance) && buf_ok(&out);
	c->resource = buf_take(&out);
	return ok || error_set(err, "OTEL_RESOURCE_ATTRIBUTES must be of the form "
	                            "name=value,name=value, with other characters "
	                            "percent-encoded");
}

static void choose(struct trace_config *c, const struct options *o)
{
	bool own = o->otlp_traces_certificate[0] != '\0';

	c->certificate = own ? o->otlp_traces_certificate : o->otlp_certificate;
	c->certificate_from = own ? TRACES "CERTIFICATE" : ALL "CERTIFICATE";
	c->timeout = o->otlp_traces_timeout > 0 ? o->otlp_traces_timeout : o->otlp_timeout;
}

bool trace_config_read(struct trace_config *c, const struct options *o, const char *instance,
                       struct error *err)
{
	bool whole = o->otlp_traces_endpoint[0] != '\0', ok;

	memset(c, 0, sizeof(*c));
	choose(c, o);
	if (o->otel_sdk_disabled || o->traces_exporter_none ||
	    (!whole && o->otlp_endpoint[0] == '\0'))
		return true;
	ok = whole ? read_url(c, o->otlp_traces_endpoint, "", err)
	           : read_url(c, o->otlp_endpoint, PATH, err);
	if (!ok)
		error_prefix(err, whole ? TRACES "ENDPOINT" : ALL "ENDPOINT");
	ok = ok &&
	     (o->otlp_traces_headers[0] != '\0'
	              ? read_headers(c, o->otlp_traces_headers, TRACES "HEADERS", err)
	              : read_headers(c, o->otlp_headers, ALL "HEADERS", err)) &&
	     read_resource(c, o, instance, err);
	if (!ok)
		trace_config_free(c);
	return ok;
}

void trace_config_free(struct trace_config *c)
{
	mem_free(c->url);
	mem_free_secret(c->headers);
	mem_free(c->resource);
	memset(c, 0, sizeof(*c));
}

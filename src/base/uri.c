#include "base/uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/port.h"

/* What is left of the text, and where it ends: the parts are cut off from the front. */
struct span {
	const char *at, *end;
};

static bool span_find(struct span s, char c, const char **found)
{
	*found = memchr(s.at, c, (size_t)(s.end - s.at));
	return *found != NULL;
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool uri_decode(const char *text, size_t n, const char *part, char **out, struct error *err)
{
	struct span s = {text, text + n};
	char *to;

	*out = mem_strndup(text, n);
	to = *out;
	for (const char *from = s.at; from < s.end; to++) {
		if (*from != '%') {
			*to = *from++;
			continue;
		}
		if (s.end - from < 3 || hex_digit(from[1]) < 0 || hex_digit(from[2]) < 0)
			return error_set(err,
			                 "the %s has a %% that is not followed by two "
			                 "hexadecimal digits (a %% itself is written %%25)",
			                 part);
		*to = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
		if (is_control(*to))
			return error_set(err, "the %s has an encoded control character", part);
		from += 3;
	}
	*to = '\0';
	return true;
}

static bool decode(struct span s, const char *part, char **out, struct error *err)
{
	return uri_decode(s.at, (size_t)(s.end - s.at), part, out, err);
}

static bool parse_scheme(struct uri *u, struct span *s, struct error *err)
{
	const char *p = s->at;

	while (p < s->end && (is_alpha(*p) || (p > s->at && (hex_digit(*p) >= 0 || *p == '+' ||
	                                                     *p == '-' || *p == '.'))))
		p++;
	if (p == s->at || s->end - p < 3 || memcmp(p, "://", 3) != 0)
		return error_set(
			err, "it does not begin with a scheme and ://, as redis:// and smtp:// do");
	u->scheme = mem_strndup(s->at, (size_t)(p - s->at));
	for (char *c = u->scheme; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	s->at = p + 3;
	return true;
}

static bool parse_user(struct uri *u, struct span s, struct error *err)
{
	struct span user = s, password = {s.end, s.end};
	const char *colon;

	if (span_find(s, ':', &colon)) {
		user.end = colon;
		password.at = colon + 1;
	}
	return decode(user, "user", &u->user, err) &&
	       decode(password, "password", &u->password, err);
}

static bool parse_port(struct uri *u, struct span s, struct error *err)
{
	char digits[8];
	size_t n = (size_t)(s.end - s.at);
	int64_t port = 0;

	if (n == 0) /* RFC 3986 allows "host:" */
		return true;
	if (n < sizeof(digits)) {
		memcpy(digits, s.at, n);
		digits[n] = '\0';
	}
	if (n >= sizeof(digits) || !number_int(digits, &port) || port < 1 || port > PORT_MAX)
		return error_set(err, "the port must be a number from 1 to 65535");
	u->port = (int)port;
	return true;
}

static bool parse_host(struct uri *u, struct span s, struct error *err)
{
	struct span host = s, port = {s.end, s.end};
	const char *p;

	if (s.at < s.end && *s.at == '[' && !span_find(s, ',', &p)) {
		if (!span_find(s, ']', &p))
			return error_set(err, "the IPv6 host has no closing bracket");
		if (p + 1 < s.end && p[1] != ':')
			return error_set(err, "nothing but a port can follow the IPv6 host");
		host = (struct span){s.at + 1, p};
		if (p + 1 < s.end)
			port.at = p + 2;
	} else if (!span_find(s, ',', &p) && span_find(s, ':', &p)) {
		host.end = p;
		port.at = p + 1;
		if (span_find(port, ':', &p))
			return error_set(err, "an IPv6 host needs brackets, as in [::1]");
	}
	for (p = host.at; p < host.end; p++)
		if (strchr(" \"<>\\^`{|}", *p) != NULL)
			return error_set(err, "the host has a character that no host has");
	return decode(host, "host", &u->host, err) && parse_port(u, port, err);
}

static const char *find_param(const struct uri *u, const char *name)
{
	for (size_t i = 0; i < u->n_params; i++)
		if (strcmp(u->params[i].name, name) == 0)
			return u->params[i].value;
	return NULL;
}

static bool parse_param(struct uri *u, struct span s, struct error *err)
{
	struct span name = s, value = {s.end, s.end};
	const char *equals;
	char *decoded = NULL;

	if (u->n_params == URI_MAX_PARAMS)
		return error_set(err, "it has more than %d parameters", URI_MAX_PARAMS);
	if (span_find(s, '=', &equals)) {
		name.end = equals;
		value.at = equals + 1;
	}
	if (!decode(name, "parameter's name", &decoded, err)) {
		mem_free(decoded);
		return false;
	}
	if (*decoded == '\0' || find_param(u, decoded) != NULL) {
		error_set(err,
		          *decoded == '\0' ? "a parameter has no name"
		                           : "the parameter \"%s\" is given twice",
		          decoded);
		mem_free(decoded);
		return false;
	}
	u->params[u->n_params].name = decoded;
	return decode(value, "parameter's value", &u->params[u->n_params++].value, err);
}

static bool parse_query(struct uri *u, struct span s, struct error *err)
{
	struct span param = s;

	while (param.at < s.end) {
		if (!span_find((struct span){param.at, s.end}, '&', &param.end))
			param.end = s.end;
		if (param.end > param.at && !parse_param(u, param, err))
			return false;
		param.at = param.end + 1;
	}
	return true;
}

static bool parse_authority(struct uri *u, struct span s, struct span rest, struct error *err)
{
	struct span user = {s.at, s.at}, host = s;
	const char *at = memrchr(s.at, '@', (size_t)(s.end - s.at));

	if (at != NULL) {
		user.end = at;
		host.at = at + 1;
	} else if (span_find(rest, '@', &at) && span_find(s, ':', &at)) {
		/* user:pass/word@host: the slash has ended the authority too early. */
		return error_set(err, "a / or ? in the user or password must be written %%2F or "
		                      "%%3F");
	}
	return parse_user(u, user, err) && parse_host(u, host, err);
}

static bool parse(struct uri *u, struct span s, struct error *err)
{
	struct span authority, path, query;

	for (const char *p = s.at; p < s.end; p++)
		if (is_control(*p))
			return error_set(err, "it has a control character");
	if (span_find(s, '#', &path.at))
		return error_set(err, "it has a # (in a user or password it is written %%23)");
	if (!parse_scheme(u, &s, err))
		return false;
	path.at = s.at + strcspn(s.at, "/?");
	query.at = s.at + strcspn(s.at, "?");
	authority = (struct span){s.at, path.at};
	path.end = query.at;
	query.end = s.end;
	if (query.at < s.end)
		query.at++;
	return parse_authority(u, authority, (struct span){path.at, s.end}, err) &&
	       decode(path, "path", &u->path, err) && parse_query(u, query, err);
}

bool uri_parse(struct uri *u, const char *text, struct error *err)
{
	memset(u, 0, sizeof(*u));
	if (!parse(u, (struct span){text, text + strlen(text)}, err)) {
		uri_free(u);
		return false;
	}
	return true;
}

static void wipe(char *text)
{
	if (text != NULL)
		mem_wipe(text, strlen(text));
	mem_free(text);
}

void uri_free(struct uri *u)
{
	mem_free(u->scheme);
	wipe(u->user); /* an API key, with some providers */
	wipe(u->password);
	mem_free(u->host);
	mem_free(u->path);
	for (size_t i = 0; i < u->n_params; i++) {
		mem_free(u->params[i].name);
		wipe(u->params[i].value);
	}
	memset(u, 0, sizeof(*u));
}

const char *uri_param(struct uri *u, const char *name)
{
	for (size_t i = 0; i < u->n_params; i++)
		if (strcmp(u->params[i].name, name) == 0) {
			u->params[i].used = true;
			return u->params[i].value;
		}
	return NULL;
}

bool uri_param_int(struct uri *u, const char *name, long min, long max, long *out,
                   struct error *err)
{
	const char *text = uri_param(u, name);
	int64_t n;

	if (text == NULL)
		return true;
	if (!number_int(text, &n) || n < min || n > max)
		return error_set(err, "%s must be a number from %ld to %ld, not \"%s\"", name, min,
		                 max, text);
	*out = (long)n;
	return true;
}

bool uri_param_ms(struct uri *u, const char *name, long min, long max, long *out, struct error *err)
{
	const char *text = uri_param(u, name);
	int64_t ms;

	if (text == NULL)
		return true;
	if (!number_duration(text, &ms) || ms < min || ms > max)
		return error_set(err,
		                 "%s must be a duration (1500ms, 30s, 5m) from %ldms to %ldms, "
		                 "not \"%s\"",
		                 name, min, max, text);
	*out = (long)ms;
	return true;
}

bool uri_is_address(const char *host)
{
	unsigned char any[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

const char *uri_unused(const struct uri *u)
{
	for (size_t i = 0; i < u->n_params; i++)
		if (!u->params[i].used)
			return u->params[i].name;
	return NULL;
}

bool uri_is_loopback(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

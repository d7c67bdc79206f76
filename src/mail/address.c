#include "mail/address.h"

#include <arpa/inet.h>
#include <gmime/gmime.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/mime.h"
#include "mail/text.h"

#define MAX_LOCAL 64
#define MAX_DOMAIN 255
#define MAX_LABEL 63
/* A name may come in RFC 2047 words, which take up to some ten times its bytes. */
#define MAX_TEXT (ADDRESS_MAX_EMAIL + 12 * ADDRESS_MAX_NAME)

static const char not_valid[] = "must be a valid email address";

struct span {
	const char *s;
	size_t n;
};

static bool refuse(const char **why, const char *text)
{
	*why = text;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span trimmed(const char *s, size_t n)
{
	while (n > 0 && is_blank(*s)) {
		s++;
		n--;
	}
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	return (struct span){s, n};
}

/* --- the addr-spec ---------------------------------------------------------------------------- */

/* RFC 5322's atext, and every byte of a UTF-8 sequence (is_visible looks at those). */
static bool is_atext(unsigned char c)
{
	static const bool atext[256] = {
		['0' ... '9'] = true, ['A' ... 'Z'] = true,   ['a' ... 'z'] = true,
		['!'] = true,         ['#' ... '\''] = true,  ['*'] = true,
		['+'] = true,         ['-'] = true,           ['/'] = true,
		['='] = true,         ['?'] = true,           ['^' ... '`'] = true,
		['{' ... '~'] = true, [0x80 ... 0xff] = true,
	};

	return atext[c];
}

/* No character beyond ASCII that does not show or that is a space: they only serve to deceive. The
 * two joiners are part of how some scripts are written. */
static bool is_visible(const char *s, size_t n)
{
	for (const char *end = s + n; s < end; s = g_utf8_next_char(s)) {
		gunichar c = g_utf8_get_char(s);

		if (c < 0x80 || c == 0x200c || c == 0x200d)
			continue;
		switch (g_unichar_type(c)) {
		case G_UNICODE_CONTROL:
		case G_UNICODE_FORMAT:
		case G_UNICODE_SURROGATE:
		case G_UNICODE_LINE_SEPARATOR:
		case G_UNICODE_PARAGRAPH_SEPARATOR:
		case G_UNICODE_SPACE_SEPARATOR:
			return false;
		default:
			break;
		}
	}
	return true;
}

static bool is_dot_atom(const char *s, size_t n)
{
	bool after_dot = true;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (after_dot)
				return false;
			after_dot = true;
		} else if (is_atext((unsigned char)s[i])) {
			after_dot = false;
		} else {
			return false;
		}
	}
	return !after_dot;
}

/* The length of a quoted string at the beginning of s, quotes included; 0: there is none. */
static size_t quoted_length(const char *s, size_t n)
{
	if (n == 0 || s[0] != '"')
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (s[i] == '"')
			return i + 1;
		if (s[i] == '\\')
			i++;
	}
	return 0;
}

static bool is_local(const char *s, size_t n)
{
	if (n == 0 || n > MAX_LOCAL)
		return false;
	if (s[0] != '"')
		return is_dot_atom(s, n);
	return quoted_length(s, n) == n && memchr(s, '<', n) == NULL && memchr(s, '>', n) == NULL;
}

static bool is_literal(const char *s, size_t n)
{
	unsigned char address[sizeof(struct in6_addr)];
	char inner[64];

	if (n < 2 || s[n - 1] != ']' || n - 2 >= sizeof(inner))
		return false;
	memcpy(inner, s + 1, n - 2);
	inner[n - 2] = '\0';
	if (g_ascii_strncasecmp(inner, "IPv6:", 5) == 0)
		return inet_pton(AF_INET6, inner + 5, address) == 1;
	return inet_pton(AF_INET, inner, address) == 1;
}

/* An ASCII domain. Underscores are no host name's, but there are such; whether mail goes there is
 * for its server to say. */
static bool is_domain(const char *s, size_t n)
{
	size_t label = 0;

	if (n == 0 || n > MAX_DOMAIN)
		return false;
	if (s[0] == '[')
		return is_literal(s, n);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!g_ascii_isalnum(s[i]) && s[i] != '_' && (s[i] != '-' || label == 0))
			return false;
		if (++label > MAX_LABEL)
			return false;
	}
	return label > 0 && s[n - 1] != '-';
}

/* The A-label form of an internationalized domain: a new string, or NULL. */
static char *domain_to_ascii(const char *s, size_t n)
{
	InternetAddress *mailbox;
	char *address, *domain = NULL;
	const char *converted;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x80 && !g_ascii_isalnum(s[i]) &&
		    strchr("-_.", s[i]) == NULL)
			return NULL;
	mime_init();
	address = mem_alloc(n + 3);
	memcpy(address, "a@", 2);
	memcpy(address + 2, s, n);
	address[n + 2] = '\0';
	mailbox = internet_address_mailbox_new(NULL, address);
	mem_free(address);
	/* IDNA 2008 by libidn2; what it refuses comes back as it was, and is_domain refuses
	 * that. */
	converted = internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(mailbox));
	if (converted != NULL && strncmp(converted, "a@", 2) == 0 &&
	    is_domain(converted + 2, strlen(converted + 2)))
		domain = mem_strdup(converted + 2);
	g_object_unref(mailbox);
	return domain;
}

/* Where the @ between local part and domain is; n: nowhere. */
static size_t find_at(const char *s, size_t n)
{
	size_t quoted = quoted_length(s, n);
	const char *at;

	if (quoted > 0)
		return quoted < n && s[quoted] == '@' ? quoted : n;
	at = memchr(s, '@', n);
	return at == NULL ? n : (size_t)(at - s);
}

/* Checks an addr-spec and fills email and ascii. */
static bool take_spec(struct address *a, const char *s, size_t n)
{
	size_t at = find_at(s, n);
	const char *domain = s + at + 1;
	char *converted;
	size_t n_domain;

	if (at == n || n > ADDRESS_MAX_EMAIL || !is_local(s, at))
		return false;
	n_domain = n - at - 1;
	if (text_is_ascii(s, n)) {
		if (!is_domain(domain, n_domain))
			return false;
		a->email = mem_strndup(s, n);
		a->ascii = true;
		return true;
	}
	if (!is_visible(s, n))
		return false;
	a->ascii = text_is_ascii(s, at);
	if (text_is_ascii(domain, n_domain)) {
		if (!is_domain(domain, n_domain))
			return false;
		a->email = mem_strndup(s, n);
		return true;
	}
	converted = domain_to_ascii(domain, n_domain);
	if (converted == NULL)
		return false;
	a->email = mem_printf("%.*s@%s", (int)at, s, converted);
	mem_free(converted);
	return true;
}

/* --- the display name ------------------------------------------------------------------------- */

/* Takes quotes and their backslashes off; out holds as many bytes as s. False: something that would
 * be another address, a group or a route. */
static bool unquote_phrase(char *out, const char *s, size_t n, bool *quoted)
{
	size_t len = 0;

	*quoted = false;
	for (size_t i = 0; i < n; i++) {
		size_t end = i + quoted_length(s + i, n - i);

		if (end > i) {
			*quoted = true;
			for (i++; i < end - 1; i++) {
				if (s[i] == '\\')
					i++;
				out[len++] = s[i];
			}
			continue;
		}
		if (strchr("\"\\<>@:;", s[i]) != NULL)
			return false;
		out[len++] = s[i];
	}
	out[len] = '\0';
	return true;
}

/* Checks a decoded name and fills name. */
static bool take_name(struct address *a, const char *s, size_t n, const char **why)
{
	struct span name = trimmed(s, n);

	if (text_has_control(name.s, name.n))
		return refuse(why, "must not contain control characters");
	if (name.n > ADDRESS_MAX_NAME)
		return refuse(why, "must have a name of at most 256 bytes");
	a->name = mem_strndup(name.s, name.n);
	return true;
}

/* Where a padded base64 word ends that has another word behind it; NULL: nowhere. */
static char *padded_word_end(char *s)
{
	for (char *at = s; (at = strstr(at, "=?=")) != NULL; at++) {
		size_t blanks = strspn(at + 3, " \t");

		if (blanks > 0 && strncmp(at + 3 + blanks, "=?", 2) == 0)
			return at + 3;
	}
	return NULL;
}

/* RFC 2047 words to text: a new string. GMime takes neighbours for one word, whose characters they may
 * share, and so loses what follows a base64 word that ends in padding: those are decoded one by one. */
static char *decode_words(char *words)
{
	struct buf text;
	char *end, *decoded;

	mime_init();
	buf_init(&text, 4 * MAX_TEXT);
	for (char *at = words; at != NULL; at = end) {
		end = padded_word_end(at);
		if (end != NULL) {
			*end = '\0';
			end += 1 + strspn(end + 1, " \t");
		}
		decoded = g_mime_utils_header_decode_phrase(NULL, at);
		buf_add_str(&text, decoded);
		g_free(decoded);
	}
	return buf_take(&text);
}

static bool take_phrase(struct address *a, struct span phrase, const char **why)
{
	char *name = mem_alloc(phrase.n + 1), *decoded;
	bool quoted, ok;

	if (!unquote_phrase(name, phrase.s, phrase.n, &quoted)) {
		/* "ada@x.org <ada@x.org>": a program that had no name. */
		ok = strlen(a->email) == phrase.n && memcmp(a->email, phrase.s, phrase.n) == 0;
		mem_free(name);
		return ok ? take_name(a, "", 0, why) : refuse(why, not_valid);
	}
	if (quoted || strstr(name, "=?") == NULL) {
		ok = take_name(a, name, strlen(name), why);
	} else {
		decoded = decode_words(name);
		/* What was encoded may be anything: a line end, bytes of another charset. */
		ok = utf8_valid(decoded, strlen(decoded))
		             ? take_name(a, decoded, strlen(decoded), why)
		             : refuse(why, not_valid);
		mem_free(decoded);
	}
	mem_free(name);
	return ok;
}

/* --- both ------------------------------------------------------------------------------------- */

/* Where the < of "name <addr-spec>" is, outside of quotes; n: nowhere. */
static size_t find_angle(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] != '<') {
		size_t quoted = quoted_length(s + i, n - i);

		i += quoted > 0 ? quoted : 1;
	}
	return i < n ? i : n;
}

static bool read_address(struct address *a, struct span text, const char **why)
{
	size_t angle = text.n;
	struct span spec = text;

	if (text.n > 0 && text.s[text.n - 1] == '>')
		angle = find_angle(text.s, text.n);
	if (angle < text.n)
		spec = (struct span){text.s + angle + 1, text.n - angle - 2};
	if (!take_spec(a, spec.s, spec.n)) {
		if (memchr(text.s, ',', text.n) != NULL || memchr(text.s, ';', text.n) != NULL)
			return refuse(why,
			              "must be a valid email address (several go into an array)");
		return refuse(why, not_valid);
	}
	if (angle == text.n)
		return take_name(a, "", 0, why);
	return take_phrase(a, trimmed(text.s, angle), why);
}

/* Frees what was filled before something else was refused. */
static bool finish(struct address *a, bool ok)
{
	if (!ok)
		address_free(a);
	return ok;
}

static bool check_bytes(const char *s, size_t n, const char **why)
{
	if (n > MAX_TEXT)
		return refuse(why, "is too long for an email address");
	if (text_has_control(s, n))
		return refuse(why, "must not contain control characters");
	if (!text_is_ascii(s, n) && !utf8_valid(s, n))
		return refuse(why, "must be UTF-8");
	return true;
}

bool address_parse(struct address *a, const char *text, size_t len, const char **why)
{
	struct span span = trimmed(text, len);

	memset(a, 0, sizeof(*a));
	if (!check_bytes(span.s, span.n, why))
		return false;
	return finish(a, read_address(a, span, why));
}

bool address_make(struct address *a, const char *email, const char *name, const char **why)
{
	struct span span = trimmed(email, strlen(email));

	memset(a, 0, sizeof(*a));
	if (name == NULL)
		name = "";
	if (!check_bytes(span.s, span.n, why) || !check_bytes(name, strlen(name), why))
		return false;
	if (!take_spec(a, span.s, span.n))
		return refuse(why, not_valid);
	return finish(a, take_name(a, name, strlen(name), why));
}

void address_free(struct address *a)
{
	mem_free(a->email);
	mem_free(a->name);
	memset(a, 0, sizeof(*a));
}

const char *address_domain(const struct address *a)
{
	const char *at = strrchr(a->email, '@');

	return at == NULL ? "" : at + 1;
}

#include "smtp/caps.h"

#include <string.h>
#include <strings.h>

#include "smtp/config.h"

struct word {
	const char *at;
	size_t len;
};

static bool next_word(const char **at, const char *end, struct word *w)
{
	while (*at < end && (**at == ' ' || **at == '\t'))
		(*at)++;
	w->at = *at;
	while (*at < end && **at != ' ' && **at != '\t')
		(*at)++;
	w->len = (size_t)(*at - w->at);
	return w->len > 0;
}

static bool word_is(struct word w, const char *name)
{
	return strlen(name) == w.len && strncasecmp(w.at, name, w.len) == 0;
}

static void take_size(struct smtp_caps *c, struct word w)
{
	int64_t size = 0;

	for (size_t i = 0; i < w.len; i++) {
		if (w.at[i] < '0' || w.at[i] > '9' || size > INT64_MAX / 10 - 9)
			return;
		size = size * 10 + (w.at[i] - '0');
	}
	c->size = size;
}

static void take_mechanism(struct smtp_caps *c, struct word w)
{
	if (word_is(w, "PLAIN"))
		c->mechanisms |= 1U << SMTP_MECHANISM_PLAIN;
	else if (word_is(w, "LOGIN"))
		c->mechanisms |= 1U << SMTP_MECHANISM_LOGIN;
	else if (word_is(w, "XOAUTH2"))
		c->mechanisms |= 1U << SMTP_MECHANISM_XOAUTH2;
}

void smtp_caps_line(void *arg, const char *text, size_t len)
{
	struct smtp_caps *c = arg;
	const char *at = text, *end = text + len;
	struct word w;

	if (c->lines++ == 0 || !next_word(&at, end, &w))
		return;
	if (word_is(w, "PIPELINING")) {
		c->pipelining = true;
	} else if (word_is(w, "8BITMIME")) {
		c->eightbitmime = true;
	} else if (word_is(w, "SMTPUTF8")) {
		c->smtputf8 = true;
	} else if (word_is(w, "STARTTLS")) {
		c->starttls = true;
	} else if (word_is(w, "SIZE")) {
		c->sized = true;
		if (next_word(&at, end, &w))
			take_size(c, w);
	} else if (w.len >= 4 && strncasecmp(w.at, "AUTH", 4) == 0 &&
	           (w.len == 4 || w.at[4] == '=')) {
		/* "AUTH=LOGIN PLAIN" is how it was written before RFC 4954, and still is by some. */
		c->auth = true;
		if (w.len > 5)
			take_mechanism(c, (struct word){w.at + 5, w.len - 5});
		while (next_word(&at, end, &w))
			take_mechanism(c, w);
	}
}

#include "support/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char space[] = " \t\n";

void words_split(struct words *w, const char *line)
{
	char *p = strdup(line);
	assert_non_null(p);
	*w = (struct words){.text = p, .word = calloc(strlen(line) / 2 + 1, sizeof(*w->word))};
	assert_non_null(w->word);
	for (p += strspn(p, space); *p; p += strspn(p, space)) {
		bool quoted = *p == '\'';
		size_t len = quoted ? strcspn(++p, "'") : strcspn(p, space);
		w->word[w->n++] = p;
		p += len;
		if (quoted && !*p)
			fail_msg("no closing quote in: %s", line);
		if (*p)
			*p++ = '\0';
	}
}

void words_free(struct words *w)
{
	free(w->word);
	free(w->text);
}

static bool plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\'' && c != '[' && c != ']' && c != '\\';
}

void words_add(struct buf *out, const char *bytes, size_t n)
{
	bool quoted = n == 0;
	for (size_t i = 0; i < n; i++)
		quoted = quoted || !plain((unsigned char)bytes[i]);
	if (out->len > 0 && out->data[out->len - 1] != '[')
		buf_add_char(out, ' ');
	if (quoted)
		buf_add_char(out, '\'');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c < ' ' || c >= 0x7f)
			buf_addf(out, "\\x%02x", c);
		else
			buf_add_char(out, (char)c);
	}
	if (quoted)
		buf_add_char(out, '\'');
}

static void add_reply(struct buf *out, const redisReply *reply, bool outermost)
{
	switch (reply->type) {
	case REDIS_REPLY_INTEGER:
		if (out->len > 0 && out->data[out->len - 1] != '[')
			buf_add_char(out, ' ');
		buf_addf(out, "%lld", reply->integer);
		break;
	case REDIS_REPLY_ARRAY:
		if (!outermost)
			buf_add_str(out,
			            out->len > 0 && out->data[out->len - 1] != '[' ? " [" : "[");
		for (size_t i = 0; i < reply->elements; i++)
			add_reply(out, reply->element[i], false);
		if (!outermost)
			buf_add_char(out, ']');
		break;
	case REDIS_REPLY_NIL:
		words_add(out, "nil", 3);
		break;
	case REDIS_REPLY_ERROR:
		buf_addf(out, "error %s", reply->str);
		break;
	default:
		words_add(out, reply->str, reply->len);
	}
}

void words_of_reply(struct buf *out, const redisReply *reply)
{
	add_reply(out, reply, true);
}

#include "mail/header.h"

#include <glib.h>
#include <string.h>

#include "mail/encoded_word.h"
#include "mail/text.h"

#define LINE 78       /* RFC 5322 2.1.1: what a line should not exceed */
#define LONG_WORD 800 /* with any name before it still within the 998 that a line must not exceed */
#define MANY_BLANKS 78 /* more of them in a row are encoded: they could fill a line */
#define LONG_NAME 60   /* a longer display name is encoded, for encoded words can be folded */

bool header_name_valid(const char *name)
{
	size_t n = 0;

	for (; name[n] != '\0'; n++)
		if (name[n] <= ' ' || name[n] > '~' || name[n] == ':' || n == HEADER_MAX_NAME)
			return false;
	return n > 0;
}

void header_add(struct buf *out, const char *name, const char *value)
{
	buf_add_str(out, name);
	buf_add_str(out, ": ");
	buf_add_str(out, value);
	buf_add_str(out, "\r\n");
}

/* --- unstructured ----------------------------------------------------------------------------- */

struct words {
	const char *s;
	size_t n;
	size_t longest; /* a longer word is encoded */
	bool exact;     /* what looks like an encoded word is encoded, and outer blanks are kept */
};

static bool needs_encoding(const struct words *w, size_t from, size_t to)
{
	if (to - from > w->longest)
		return true;
	for (size_t i = from; i < to; i++) {
		unsigned char c = (unsigned char)w->s[i];

		if (c < 0x20 || c > 0x7e)
			return true;
		if (w->exact && c == '=' && i + 1 < to && w->s[i + 1] == '?')
			return true;
	}
	return false;
}

/* From the first word that needs encoding to the last one: between two encoded words blanks would
 * be lost. from == to: none does. */
static void find_encoded(const struct words *w, size_t *from, size_t *to)
{
	size_t i = 0, word, start, end;

	*from = *to = 0;
	if (w->exact && w->n > 0 && (w->s[0] == ' ' || w->s[w->n - 1] == ' ')) {
		*to = w->n; /* receivers drop plain blanks at the ends */
		return;
	}
	while (i < w->n) {
		for (word = i; word < w->n && w->s[word] == ' '; word++)
			;
		for (end = word; end < w->n && w->s[end] != ' '; end++)
			;
		/* Of many blanks the first stays: it is the one before the encoded word. */
		start = word - i > MANY_BLANKS ? i + 1 : word;
		if (start < word || needs_encoding(w, word, end)) {
			*from = *to == 0 ? start : *from;
			*to = end;
		}
		i = end;
	}
}

/* Words as they are, each with the blanks before it; folds before one that does not fit. Blanks alone
 * are never a line: RFC 5322 3.2.2 forbids it, and some take it for the end of the header. */
static void add_plain(struct buf *out, const char *s, size_t n, size_t *column)
{
	size_t i = 0, word, end;

	while (i < n) {
		for (word = i; word < n && s[word] == ' '; word++)
			;
		for (end = word; end < n && s[end] != ' '; end++)
			;
		if (*column + (end - i) > LINE && word > i && end > word) {
			buf_add_str(out, "\r\n");
			*column = 0;
		}
		buf_add(out, s + i, end - i);
		*column += end - i;
		i = end;
	}
}

static void add_words(struct buf *out, const char *name, const struct words *w)
{
	size_t column = strlen(name) + 1, from, to;

	buf_add_str(out, name);
	buf_add_char(out, ':');
	find_encoded(w, &from, &to);
	if (from > 0 || from == to)
		buf_add_char(out, ' ');
	column += from > 0 || from == to;
	if (from == to) {
		add_plain(out, w->s, w->n, &column);
	} else {
		/* The blank before an encoded word is written by encoded_word_add. */
		add_plain(out, w->s, from > 0 ? from - 1 : 0, &column);
		encoded_word_add(out, w->s + from, to - from, &column);
		add_plain(out, w->s + to, w->n - to, &column);
	}
	buf_add_str(out, "\r\n");
}

void header_add_words(struct buf *out, const char *name, const char *value)
{
	struct words w = {value, strlen(value), LINE - 3, true};

	add_words(out, name, &w);
}

void header_add_value(struct buf *out, const char *name, const char *value)
{
	struct words w = {value, strlen(value), LONG_WORD, false};

	add_words(out, name, &w);
}

/* --- lists of mailboxes ----------------------------------------------------------------------- */

void header_list_begin(struct header_list *l, struct buf *out, const char *name)
{
	*l = (struct header_list){.out = out, .column = strlen(name) + 1};
	buf_add_str(out, name);
	buf_add_char(out, ':');
}

/* A blank before what comes, or a line end and a blank where it would not fit with a comma
 * behind. */
static void make_room(struct header_list *l, size_t n)
{
	if (l->column + 1 + n + 1 > LINE) {
		buf_add_str(l->out, "\r\n");
		l->column = 0;
	}
	buf_add_char(l->out, ' ');
	l->column += 1 + n;
}

static bool is_atoms(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == ' ' && i > 0 && s[i - 1] != ' ')
			continue;
		if (!g_ascii_isalnum(s[i]) && strchr("!#$%&'*+-/=?^_`{|}~", s[i]) == NULL)
			return false;
	}
	return true;
}

static void add_quoted(struct header_list *l, const char *s, size_t n)
{
	size_t extra = 2;

	for (size_t i = 0; i < n; i++)
		extra += s[i] == '"' || s[i] == '\\';
	make_room(l, n + extra);
	buf_add_char(l->out, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			buf_add_char(l->out, '\\');
		buf_add_char(l->out, s[i]);
	}
	buf_add_char(l->out, '"');
}

static void add_name(struct header_list *l, const char *name, size_t n)
{
	if (!text_is_ascii(name, n) || n > LONG_NAME || strstr(name, "=?") != NULL) {
		encoded_word_add(l->out, name, n, &l->column);
	} else if (is_atoms(name, n)) {
		make_room(l, n);
		buf_add(l->out, name, n);
	} else {
		add_quoted(l, name, n);
	}
}

void header_list_add(struct header_list *l, const struct address *a)
{
	size_t n_name = strlen(a->name), n = strlen(a->email);

	if (l->n++ > 0) {
		buf_add_char(l->out, ',');
		l->column++;
	}
	if (n_name == 0) {
		make_room(l, n);
		buf_add(l->out, a->email, n);
		return;
	}
	add_name(l, a->name, n_name);
	make_room(l, n + 2);
	buf_add_char(l->out, '<');
	buf_add(l->out, a->email, n);
	buf_add_char(l->out, '>');
}

void header_list_end(struct header_list *l)
{
	buf_add_str(l->out, "\r\n");
}

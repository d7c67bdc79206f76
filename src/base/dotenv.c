#include "base/dotenv.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define DOTENV_MAX (256 * 1024)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/* The end of the name at p, or p itself when there is none. */
static const char *skip_name(const char *p)
{
	while ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_' ||
	       (*p >= '0' && *p <= '9'))
		p++;
	return p;
}

/* What stands between quotes; *p goes behind the closing one. */
static bool read_quoted(const char **p, const char *end, struct buf *value, struct error *err)
{
	static const char names[] = "nt\"\\$", meanings[] = "\n\t\"\\$";
	char quote = **p;
	const char *c, *escape;

	for (c = *p + 1; c < end && *c != quote; c++) {
		escape = quote == '"' && *c == '\\' && c + 1 < end ? strchr(names, c[1]) : NULL;
		if (escape != NULL) {
			buf_add_char(value, meanings[escape - names]);
			c++;
		} else {
			buf_add_char(value, *c);
		}
	}
	if (c == end)
		return error_set(err, "the closing %c is missing", quote);
	*p = c + 1;
	return true;
}

static void read_plain(const char **p, const char *end, struct buf *value)
{
	const char *c = *p;

	while (c < end && !(*c == '#' && (c == *p || is_blank(c[-1]))))
		c++;
	buf_add(value, *p, (size_t)(c - *p));
	while (value->len > 0 && is_blank(value->data[value->len - 1]))
		value->len--;
	*p = c;
}

static void put(struct dotenv *d, const char *name, size_t n, struct buf *value)
{
	d->entries = mem_realloc(d->entries, (d->n + 1) * sizeof(*d->entries));
	d->entries[d->n].name = mem_strndup(name, n);
	d->entries[d->n].value = buf_take(value);
	d->n++;
}

static bool parse_line(struct dotenv *d, const char *line, const char *end, struct error *err)
{
	const char *p = skip_blanks(line), *name, *name_end;
	struct buf value;

	if (p >= end || *p == '#')
		return true;
	if (strncmp(p, "export", 6) == 0 && is_blank(p[6]))
		p = skip_blanks(p + 6);
	name = p;
	name_end = skip_name(name);
	p = skip_blanks(name_end);
	if (name_end == name || *p != '=' || (*name >= '0' && *name <= '9'))
		return error_set(err, "it is not NAME=VALUE");
	p = skip_blanks(p + 1);
	buf_init(&value, DOTENV_MAX);
	if (p < end && (*p == '"' || *p == '\'')) {
		if (!read_quoted(&p, end, &value, err)) {
			buf_free(&value);
			return false;
		}
		p = skip_blanks(p);
		if (p < end && *p != '#') {
			buf_free(&value);
			return error_set(err, "there is more after the closing quote");
		}
	} else {
		read_plain(&p, end, &value);
	}
	put(d, name, (size_t)(name_end - name), &value);
	return true;
}

bool dotenv_parse(struct dotenv *d, const char *text, struct error *err)
{
	const char *line = text, *end;
	int number = 1;

	memset(d, 0, sizeof(*d));
	for (; *line != '\0'; line = *end == '\n' ? end + 1 : end, number++) {
		end = line + strcspn(line, "\n");
		if (!parse_line(d, line, end, err)) {
			dotenv_free(d);
			return error_prefix(err, "line %d", number);
		}
	}
	return true;
}

bool dotenv_load(struct dotenv *d, const char *path, struct error *err)
{
	char *text;
	bool ok;

	memset(d, 0, sizeof(*d));
	if (!file_read(path, DOTENV_MAX, &text, err))
		return errno == ENOENT;
	ok = dotenv_parse(d, text, err);
	mem_wipe(text, strlen(text));
	mem_free(text);
	return ok || error_prefix(err, "%s", path);
}

const char *dotenv_get(const struct dotenv *d, const char *name)
{
	for (size_t i = d->n; i-- > 0;)
		if (strcmp(d->entries[i].name, name) == 0)
			return d->entries[i].value;
	return NULL;
}

void dotenv_free(struct dotenv *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mem_free(d->entries[i].name);
		mem_wipe(d->entries[i].value, strlen(d->entries[i].value));
		mem_free(d->entries[i].value);
	}
	mem_free(d->entries);
	memset(d, 0, sizeof(*d));
}

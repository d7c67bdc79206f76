#include "support/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "support/wait.h"

struct line {
	const char *key, *id;
	size_t at; /* in the file */
	long long ms;
};

struct tally {
	char *text;
	size_t n, cap;
	struct line *in_order, *by_key;
};

static int compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static void add(struct tally *t, const char *key, const char *id, long long ms)
{
	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 256;
		t->in_order = realloc(t->in_order, t->cap * sizeof(t->in_order[0]));
		assert_non_null(t->in_order);
	}
	t->in_order[t->n] = (struct line){key, id, t->n, ms};
	t->n++;
}

static struct tally *new_tally(const char *path)
{
	struct tally *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->text = tmpdir_read(path, NULL);
	return t;
}

static struct tally *sorted(struct tally *t)
{
	size_t bytes = t->n * sizeof(t->in_order[0]);

	t->by_key = malloc(bytes + 1);
	assert_non_null(t->by_key);
	if (t->n > 0) {
		memcpy(t->by_key, t->in_order, bytes);
		qsort(t->by_key, t->n, sizeof(t->by_key[0]), compare);
	}
	return t;
}

struct tally *tally_of_record(const char *path)
{
	struct tally *t = new_tally(path);
	char *rest = t->text, *line;

	while ((line = strsep(&rest, "\n")) != NULL && rest) {
		char *id = strstr(line, " <"), *end = id ? strchr(id, '>') : NULL;

		if (!end)
			fail_msg("%s has a line that is no record: %s", path, line);
		*id++ = '\0';
		const char *last = strrchr(end, ' ');
		long long ms = last ? strtoll(last, NULL, 10) : 0;
		end[1] = '\0';
		add(t, line, id, ms);
	}
	return sorted(t);
}

struct tally *tally_of_dump(const char *path)
{
	struct tally *t = new_tally(path);
	char *rest = t->text, *line;
	const char *key = "-", *id = "-";
	bool body = true;

	while ((line = strsep(&rest, "\n")) != NULL && rest) {
		if (strncmp(line, "X-Client-Addr: ", 15) == 0) {
			body = false;
			key = id = "-";
		} else if (body) {
			continue;
		} else if (line[0] == '\0') {
			body = true;
			add(t, key, id, 0);
		} else if (strncmp(line, "X-Key: ", 7) == 0) {
			key = line + 7;
		} else if (strncmp(line, "Message-ID: ", 12) == 0) {
			id = line + 12;
		}
	}
	return sorted(t);
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	free(t->text);
	free(t->in_order);
	free(t->by_key);
	free(t);
}

struct wanted {
	const char *path;
	size_t n;
};

static bool has_taken(void *arg)
{
	const struct wanted *w = arg;
	struct tally *t = tally_of_record(w->path);
	bool enough = tally_total(t) >= w->n;

	tally_free(t);
	return enough;
}

void tally_wait(const char *path, size_t n)
{
	wait_until(has_taken, (&(struct wanted){path, n}), 0);
}

/* The first line of a key, or where it would be. */
static size_t find(const struct tally *t, const char *key)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(t->by_key[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t run_length(const struct tally *t, size_t from)
{
	size_t n = 0;

	while (from + n < t->n && strcmp(t->by_key[from].key, t->by_key[from + n].key) == 0)
		n++;
	return n;
}

size_t tally_copies(const struct tally *t, const char *key)
{
	size_t from = find(t, key);

	if (from == t->n || strcmp(t->by_key[from].key, key) != 0)
		return 0;
	return run_length(t, from);
}

long long tally_first_ms(const struct tally *t, const char *key)
{
	size_t from = find(t, key);

	assert_true(from < t->n && strcmp(t->by_key[from].key, key) == 0);
	return t->by_key[from].ms;
}

size_t tally_ids(const struct tally *t, const char *key)
{
	size_t from = find(t, key), n = tally_copies(t, key), different = 0;

	for (size_t i = 0; i < n; i++) {
		size_t before = 0;

		while (before < i &&
		       strcmp(t->by_key[from + before].id, t->by_key[from + i].id) != 0)
			before++;
		different += before == i;
	}
	return different;
}

size_t tally_keys(const struct tally *t)
{
	size_t keys = 0;

	for (size_t i = 0; i < t->n; i += run_length(t, i))
		keys++;
	return keys;
}

size_t tally_total(const struct tally *t)
{
	return t->n;
}

size_t tally_most(const struct tally *t)
{
	size_t most = 0;

	for (size_t i = 0; i < t->n; i += run_length(t, i))
		if (run_length(t, i) > most)
			most = run_length(t, i);
	return most;
}

const char *tally_key_at(const struct tally *t, size_t i)
{
	return i < t->n ? t->in_order[i].key : NULL;
}

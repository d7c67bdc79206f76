#include "fleet/queue_set.h"

#include <string.h>

#include "base/mem.h"

#define HIGH ":high"
#define LOW ":low"
#define HIGH_FROM 7
#define LOW_TO 3

/* One queue by its name; the second time it is nothing new. */
static bool add(struct queue_set *q, const char *name, struct error *err)
{
	if (queue_set_find(q, name) != NULL)
		return true;
	if (q->n == QUEUE_SET_MAX)
		return error_set(err, "QUEUES names more than %d queues", QUEUE_SET_MAX);
	if (!queue_keys_make(&q->keys[q->n], name, err))
		return error_prefix(err, "QUEUES");
	q->n++;
	return true;
}

/* What stands before the weight, without blanks around it: " mail:queue *3". */
static char *name_of(const char *entry, size_t n)
{
	size_t from = 0, to = 0;

	while (to < n && entry[to] != '*')
		to++;
	while (from < to && entry[from] == ' ')
		from++;
	while (to > from && entry[to - 1] == ' ')
		to--;
	return mem_strndup(entry + from, to - from);
}

/* "mail:queue:high*6,mail:queue*3": the weights are the workers' business. */
static bool add_all(struct queue_set *q, const char *list, struct error *err)
{
	bool ok = true;

	while (*list != '\0' && ok) {
		size_t n = strcspn(list, ",");
		char *name = name_of(list, n);

		ok = *name == '\0' || add(q, name, err);
		mem_free(name);
		list += n + (list[n] == ',');
	}
	return ok;
}

bool queue_set_load(struct queue_set *q, const struct options *o, const char *only,
                    struct error *err)
{
	bool ok;

	q->n = 0;
	if (only != NULL) {
		ok = queue_keys_make(&q->keys[0], only, err);
		q->n = ok;
		return ok;
	}
	ok = add_all(q, o->queues, err);
	if (ok && q->n == 0) {
		char *name = mem_printf("%s:queue", o->key_prefix);

		ok = add(q, name, err);
		mem_free(name);
	}
	if (!ok)
		queue_set_free(q);
	return ok;
}

void queue_set_free(struct queue_set *q)
{
	while (q->n > 0)
		queue_keys_free(&q->keys[--q->n]);
}

const struct queue_keys *queue_set_find(const struct queue_set *q, const char *name)
{
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->keys[i].list, name) == 0)
			return &q->keys[i];
	return NULL;
}

static bool ends_in(const struct queue_keys *k, const char *suffix)
{
	size_t n = strlen(k->list), m = strlen(suffix);

	return n >= m && strcmp(k->list + n - m, suffix) == 0;
}

static const struct queue_keys *find_suffix(const struct queue_set *q, const char *suffix)
{
	for (size_t i = 0; i < q->n; i++)
		if (ends_in(&q->keys[i], suffix))
			return &q->keys[i];
	return NULL;
}

const struct queue_keys *queue_set_choose(const struct queue_set *q, int priority)
{
	const struct queue_keys *special = NULL;

	if (priority >= HIGH_FROM)
		special = find_suffix(q, HIGH);
	else if (priority >= 0 && priority <= LOW_TO)
		special = find_suffix(q, LOW);
	if (special != NULL)
		return special;
	for (size_t i = 0; i < q->n; i++)
		if (!ends_in(&q->keys[i], HIGH) && !ends_in(&q->keys[i], LOW))
			return &q->keys[i];
	return &q->keys[0];
}

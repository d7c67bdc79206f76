#include "fleet/queue_set.h"

#include <string.h>

#include "base/mem.h"
#include "base/number.h"

#define HIGH ":high"
#define LOW ":low"
#define HIGH_FROM 7
#define LOW_TO 3

static bool add(struct queue_set *q, const char *name, long weight, struct error *err)
{
	if (queue_set_find(q, name) != NULL)
		return error_set(err, "QUEUES names %s twice", name);
	if (q->n == QUEUE_SET_MAX)
		return error_set(err, "QUEUES names more than %d queues", QUEUE_SET_MAX);
	if (!queue_keys_make(&q->keys[q->n], name, err))
		return error_prefix(err, "QUEUES");
	q->weights[q->n++] = weight;
	return true;
}

/* Without the blanks around it; the text is cut. */
static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	text[n] = '\0';
	return text;
}

static bool add_all(struct queue_set *q, const char *queues, struct error *err)
{
	char *list = mem_strdup(queues), *rest = list, *entry;
	bool ok = true;

	while (ok && (entry = strsep(&rest, ",")) != NULL) {
		char *name = strsep(&entry, "*");
		int64_t weight = 1;

		name = trim(name);
		if (entry != NULL && (!number_int(trim(entry), &weight) || weight < 1 ||
		                      weight > QUEUE_SET_MAX_WEIGHT))
			ok = error_set(err,
			               "QUEUES: the weight of %s must be a number from 1 to %d",
			               name, QUEUE_SET_MAX_WEIGHT);
		else
			ok = add(q, name, (long)weight, err);
	}
	mem_free(list);
	return ok;
}

/* A worker would take webhooks for mails that are not valid. */
static bool check_webhooks(const struct queue_set *q, const struct options *o, struct error *err)
{
	char *name = keys_webhooks(o->key_prefix);
	bool ok = queue_set_find(q, name) == NULL ||
	          error_set(err, "QUEUES names %s, which is the webhooks' own queue", name);

	mem_free(name);
	return ok;
}

bool queue_set_load(struct queue_set *q, const struct options *o, const char *only,
                    struct error *err)
{
	bool ok;

	q->n = 0;
	if (only != NULL) {
		ok = queue_keys_make(&q->keys[0], only, err);
		q->weights[0] = 1;
		q->n = ok;
		return ok;
	}
	if (o->queues[0] != '\0') {
		ok = add_all(q, o->queues, err) && check_webhooks(q, o, err);
	} else {
		char *name = mem_printf("%s:queue", o->key_prefix);

		ok = add(q, name, 1, err);
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

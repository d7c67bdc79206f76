#include "provider/addressees.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* By address, and then by place: so that of equal ones the first comes first. */
static int compare(const void *left, const void *right)
{
	const struct addressee *a = *(const struct addressee *const *)left;
	const struct addressee *b = *(const struct addressee *const *)right;
	int order = strcasecmp(a->address->email, b->address->email);

	if (order != 0)
		return order;
	return a->index < b->index ? -1 : a->index > b->index;
}

static void mark_repeated(struct addressees *a)
{
	struct addressee **sorted;

	if (a->n < 2)
		return;
	sorted = mem_array(a->n, sizeof(sorted[0]));
	for (size_t i = 0; i < a->n; i++)
		sorted[i] = &a->list[i];
	qsort(sorted, a->n, sizeof(sorted[0]), compare);
	for (size_t i = 1; i < a->n; i++)
		sorted[i]->repeated = strcasecmp(sorted[i]->address->email,
		                                 sorted[i - 1]->address->email) == 0;
	mem_free(sorted);
}

static void move_up(struct addressees *a, enum job_rcpt_kind from)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].kind == from)
			a->list[i].kind = JOB_TO;
}

void addressees_fill(struct addressees *a, const struct job *job, const struct rcpt_result *results)
{
	if (job->n_rcpts > a->room) {
		a->room = job->n_rcpts;
		a->list = mem_realloc(a->list, a->room * sizeof(a->list[0]));
	}
	a->n = 0;
	for (size_t i = 0; i < job->n_rcpts; i++) {
		if (results != NULL && results[i].state != RCPT_PENDING &&
		    results[i].state != RCPT_DEFERRED)
			continue;
		a->list[a->n++] = (struct addressee){
			.address = &job->rcpts[i].address, .index = i, .kind = job->rcpts[i].kind};
	}
	mark_repeated(a);
	if (addressees_count(a, JOB_TO) > 0)
		return;
	if (addressees_count(a, JOB_CC) > 0)
		move_up(a, JOB_CC);
	else if (addressees_count(a, JOB_BCC) == 1)
		move_up(a, JOB_BCC);
}

bool addressees_all_hidden(const struct job *job)
{
	struct addressees all = {0};
	bool hidden;

	for (size_t i = 0; i < job->n_rcpts; i++)
		if (job->rcpts[i].kind != JOB_BCC)
			return false;
	addressees_fill(&all, job, NULL);
	hidden = addressees_count(&all, JOB_TO) == 0;
	addressees_free(&all);
	return hidden;
}

void addressees_free(struct addressees *a)
{
	mem_free(a->list);
	memset(a, 0, sizeof(*a));
}

size_t addressees_count(const struct addressees *a, enum job_rcpt_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += a->list[i].kind == kind && !a->list[i].repeated;
	return n;
}

const struct address *addressees_next(const struct addressees *a, enum job_rcpt_kind kind,
                                      size_t *at)
{
	while (*at < a->n) {
		const struct addressee *one = &a->list[(*at)++];

		if (one->kind == kind && !one->repeated)
			return one->address;
	}
	return NULL;
}

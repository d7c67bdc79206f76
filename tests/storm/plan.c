#include "storm/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#define MAX_CUT_BYTES 3000

/* base/failpoint.h; twice those where much depends on what comes next. */
static const char *const worker_points[] = {"rung",  "claimed",  "peeked",   "permitted", "ready",
                                            "begun", "begun",    "released", "released",  "done",
                                            "done",  "finished", "finished", "settled"};

uint64_t plan_hash(uint64_t seed, uint64_t a, uint64_t b)
{
	struct prng r;

	prng_seed(&r, seed ^ (a * 0x9e3779b97f4a7c15ULL) ^ (b * 0xc2b2ae3d27d4eb4fULL));
	return prng_u64(&r);
}

static uint64_t below(struct prng *r, uint64_t n)
{
	return prng_u64(r) % n;
}

/* Half of them are over before a lease is, the others are not. */
static int64_t while_away(struct prng *r, int64_t lease_ms)
{
	int64_t half = lease_ms / 2;

	return below(r, 2) == 0 ? 20 + (int64_t)below(r, (uint64_t)half)
	                        : lease_ms + (int64_t)below(r, (uint64_t)lease_ms);
}

static void draw(struct plan_fault *f, struct prng *r, const struct plan_numbers *n)
{
	f->at_ms = (int64_t)below(r, (uint64_t)n->seconds * 1000);
	f->who = (unsigned)below(r, n->workers);
	switch (f->kind) {
	case PLAN_KILL:
	case PLAN_STOP:
		if (below(r, 2) == 0)
			f->point = worker_points[below(r, sizeof(worker_points) /
			                                          sizeof(worker_points[0]))];
		if (n->point)
			f->point = n->point;
		f->for_ms = f->kind == PLAN_STOP ? while_away(r, n->lease_ms) : 0;
		if (f->kind == PLAN_STOP && n->away_ms > 0)
			f->for_ms = n->away_ms;
		break;
	case PLAN_API:
		f->point = below(r, 2) == 0 ? "accepted" : NULL;
		break;
	case PLAN_REDIS:
	case PLAN_OUTAGE:
		f->for_ms = while_away(r, n->lease_ms);
		f->who = (unsigned)below(r, PLAN_HOSTS);
		break;
	case PLAN_CUT:
		f->who = (unsigned)below(r, n->workers + 2);
		f->side = 1U + (unsigned)below(r, 2);
		f->bytes = (unsigned)below(r, MAX_CUT_BYTES);
		break;
	case PLAN_FREEZE:
		f->side = 1U + (unsigned)below(r, 3);
		f->for_ms = while_away(r, n->lease_ms);
		break;
	case PLAN_KINDS:
		break;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct plan_fault *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->who > y->who) - (x->who < y->who);
}

void plan_make(struct plan *p, const struct plan_numbers *n)
{
	size_t total = 0;

	for (int kind = 0; kind < PLAN_KINDS; kind++)
		total += n->faults[kind];
	*p = (struct plan){.faults = calloc(total + 1, sizeof(p->faults[0]))};
	assert_non_null(p->faults);
	for (int kind = 0; kind < PLAN_KINDS; kind++) {
		struct prng r;

		/* Each kind has its own numbers: more kills do not move the cuts. */
		prng_seed(&r, plan_hash(n->seed, (uint64_t)kind, 1));
		for (size_t i = 0; i < n->faults[kind]; i++) {
			struct plan_fault *f = &p->faults[p->n++];

			f->kind = (enum plan_kind)kind;
			draw(f, &r, n);
			if (f->for_ms > p->longest_ms)
				p->longest_ms = f->for_ms;
		}
	}
	qsort(p->faults, p->n, sizeof(p->faults[0]), by_time);
}

void plan_free(struct plan *p)
{
	free(p->faults);
	*p = (struct plan){0};
}

uint64_t plan_digest(const struct plan *p)
{
	uint64_t sum = p->n;

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_fault *f = &p->faults[i];
		uint64_t point = 0;

		for (const char *c = f->point; c && *c; c++)
			point = point * 31 + (unsigned char)*c;
		sum = plan_hash(sum, (uint64_t)f->at_ms * PLAN_KINDS + f->kind,
		                ((uint64_t)f->for_ms << 32) + (f->who << 16) + f->side);
		sum = plan_hash(sum, f->bytes, point);
	}
	return sum;
}

/* route.h - which provider a mail goes to: pure.
 *
 * Tiers are tried in order. Within a tier providers share the mails by weight: each mail draws its
 * order of them by a hash of its key, so that all workers agree on it without a word, a retry finds
 * the same one, and a fleet of any size holds the weights (over many mails: it is a draw, not a
 * rota). A provider that has had a try of this mail goes before the others of its tier until its
 * tries are spent. Weight 0 goes behind all others of its tier: it takes what they cannot.
 *
 * Who is first in that order and open takes the mail. One that is slow (its rate, or a throttling
 * reply, holds it back) is waited for, or passed over when it spills. */
#ifndef FLEET_ROUTE_H
#define FLEET_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define ROUTE_NOWHERE SIZE_MAX

/* A provider that this mail may use. */
struct route_choice {
	void *gate; /* the caller's */
	long tier, weight;
	int64_t tries;    /* charged for this mail, and not yet all */
	bool open;        /* its breaker lets mails through, and it is not paused */
	bool slow;        /* held back until opens_at */
	bool spills;      /* when it is slow, another may take the mail */
	int64_t opens_at; /* of one that is slow or not open: any clock, INT64_MAX not known */
};

/* Puts them in the order in which this mail is to try them. Of equals the first given is first. */
void route_order(struct route_choice *list, size_t n, const char *key);

/* The one to go to: open and not slow; else the slow one that is waited for; else the one that opens
 * first. ROUTE_NOWHERE when n is 0. */
size_t route_choose(const struct route_choice *list, size_t n);

#endif

#include "fleet/route.h"

#include <string.h>

/* FNV-1a. */
static uint64_t hash_key(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return h;
}

/* The finalizer of SplitMix64: keys that differ in one digit come out far apart. */
static uint64_t scatter(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static size_t first_of_lowest_tier(const struct route_choice *list, size_t n)
{
	size_t lowest = 0;

	for (size_t i = 1; i < n; i++) {
		if (list[i].tier < list[lowest].tier)
			lowest = i;
	}
	return lowest;
}

/* Who comes first of these. */
static size_t draw(const struct route_choice *list, size_t n, uint64_t hash)
{
	size_t first = first_of_lowest_tier(list, n), tried = ROUTE_NOWHERE;
	uint64_t sum = 0, point;

	for (size_t i = first; i < n; i++) {
		if (list[i].tier != list[first].tier || list[i].weight == 0)
			continue;
		sum += (uint64_t)list[i].weight;
		if (list[i].tries > (tried == ROUTE_NOWHERE ? 0 : list[tried].tries))
			tried = i;
	}
	if (tried != ROUTE_NOWHERE)
		return tried;
	if (sum == 0)
		return first;
	point = hash % sum;
	for (size_t i = first; i < n; i++) {
		if (list[i].tier != list[first].tier)
			continue;
		if (point < (uint64_t)list[i].weight)
			return i;
		point -= (uint64_t)list[i].weight;
	}
	return first;
}

void route_order(struct route_choice *list, size_t n, const char *key)
{
	uint64_t hash = hash_key(key);

	for (size_t i = 0; i + 1 < n; i++) {
		size_t at = i + draw(&list[i], n - i, scatter(hash + i));
		struct route_choice first = list[at];

		memmove(&list[i + 1], &list[i], (at - i) * sizeof(list[0]));
		list[i] = first;
	}
}

size_t route_choose(const struct route_choice *list, size_t n)
{
	size_t slow = ROUTE_NOWHERE, shut = ROUTE_NOWHERE;

	for (size_t i = 0; i < n; i++) {
		size_t *soonest = list[i].open ? &slow : &shut;

		if (list[i].open && !list[i].slow)
			return i;
		if (*soonest == ROUTE_NOWHERE || list[i].opens_at < list[*soonest].opens_at)
			*soonest = i;
		if (list[i].open && !list[i].spills)
			break;
	}
	return slow != ROUTE_NOWHERE ? slow : shut;
}

#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"

/* One getrandom(2) serves many numbers: a system call for each would show at 10,000 mails/s. */
#define POOL_NUMBERS 32 /* 256 bytes: the most that getrandom gives without interruption */

struct pool {
	uint64_t numbers[POOL_NUMBERS];
	size_t left;
};

static _Thread_local struct pool pool;

/* A child must not hand out its parent's numbers. (Asking for the process's id each time would cost more
 * than the number.) */
static void forked(void)
{
	pool.left = 0;
}

static void watch_forks(void)
{
	if (pthread_atfork(NULL, NULL, forked) != 0)
		abort();
}

static void fill(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	ssize_t n;

	if (pthread_once(&once, watch_forks) != 0)
		abort();
	do {
		n = getrandom(pool.numbers, sizeof(pool.numbers), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(pool.numbers)) {
		/* Job ids that could repeat would lose mail. */
		perror("postrider: getrandom");
		abort();
	}
	pool.left = POOL_NUMBERS;
}

static uint64_t draw(void)
{
	if (pool.left == 0)
		fill();
	return pool.numbers[--pool.left];
}

static uint64_t (*source)(void) = draw;

uint64_t random_u64(void)
{
	return source();
}

void random_set_source(uint64_t (*get)(void))
{
	source = get != NULL ? get : draw;
}

uint64_t random_below(uint64_t n)
{
	/* The lowest 2^64 mod n numbers would make some results likelier than others. */
	uint64_t biased = -n % n;
	uint64_t r;

	do {
		r = random_u64();
	} while (r < biased);
	return r % n;
}

static uint64_t rotate_left(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* splitmix64: spreads a small seed over the whole state, which must not be all zero. */
void prng_seed(struct prng *p, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		p->s[i] = z ^ (z >> 31);
	}
}

uint64_t prng_u64(struct prng *p)
{
	uint64_t *s = p->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double prng_unit(struct prng *p)
{
	return (double)(prng_u64(p) >> 11) * 0x1.0p-53; /* the 53 bits that a double can hold */
}

char *random_name(void)
{
	char host[64] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "host");
	return mem_printf("%s-%d-%04x", host, (int)getpid(), (unsigned)(random_u64() & 0xffff));
}

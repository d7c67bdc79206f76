/* A whole worker whose Redis answers anything: claim, peek, permit, begin, finish, settle, sweep.
 *
 * The first byte says how many of the next are decisions of the provider (0: ready, then sent; 1, 2: fails
 * before it is ready; else the outcome after the release); the rest is what Redis answers to the scripts,
 * one reply after the other. Nothing is random and no clock runs: the same input does the same.
 *
 * What must hold whatever Redis says: a last byte leaves only after `begin` has said so, once; and a job
 * leaves its queue only after a script of its status was answered. */
#include "fuzz/fuzz.h"

#include <ev.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "fleet/trial.h"
#include "fleet/worker.h"
#include "fuzz/redis.h"

#define MAX_TURNS 600
#define MAX_IDLE 6 /* turns in which nothing happens */
#define MAX_KEYS 64
#define MAX_DELIVERIES 64
#define MAX_BATCH 256 /* jobs of one call */

/* ---- what is known of the answers ----------------------------------------------------------------- */

struct known {
	char name[300];
	int n;
};

static struct {
	struct fuzz_bytes redis, decisions;
	struct known begun
		[MAX_KEYS]; /* status keys that begin has said ok to, and whose mail has not left */
	struct known heard[MAX_KEYS]; /* ids of jobs of whose status something was heard */
	int64_t now_us;
	uint64_t drawn;
} world;

static struct known *known_of(struct known list[MAX_KEYS], const char *name)
{
	for (size_t i = 0; i < MAX_KEYS; i++) {
		if (list[i].name[0] == '\0')
			snprintf(list[i].name, sizeof(list[i].name), "%s", name);
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	}
	return &list[MAX_KEYS - 1];
}

/* What is at `at` in the packed last argument of a call: a string's first bytes, or a number's digits. `at` goes on to the next. */
static const char *packed(const struct fuzz_call *call, size_t *at)
{
	static char out[4][300]; /* so that four are there at a time */
	static unsigned turn;
	const redisReply *all = call->args->element[call->args->elements - 1];
	const unsigned char *p = (const unsigned char *)all->str + *at;
	size_t head = p[0] == 0xdb ? 5 : p[0] == 0xd9 ? 2 : 1, n = p[0] & 0x1f;

	FUZZ_REQUIRE(*at < all->len);
	turn = (turn + 1) % 4;
	if (p[0] <= 0x7f || p[0] == 0xcd) {
		head = p[0] == 0xcd ? 3 : 1;
		FUZZ_REQUIRE(*at + head <= all->len);
		snprintf(out[turn], sizeof(out[turn]), "%d", head == 3 ? p[1] << 8 | p[2] : p[0]);
		*at += head;
		return out[turn];
	}
	FUZZ_REQUIRE(*at + head <= all->len && (head > 1 || (p[0] & 0xe0) == 0xa0));
	if (head == 2)
		n = p[1];
	else if (head == 5)
		n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	FUZZ_REQUIRE(*at + head + n <= all->len);
	*at += head + n;
	snprintf(out[turn], sizeof(out[turn]), "%.*s", (int)n, (const char *)p + head);
	return out[turn];
}

static size_t packed_number(const struct fuzz_call *call, size_t *at)
{
	return (size_t)strtoul(packed(call, at), NULL, 10);
}

static void packed_skip(const struct fuzz_call *call, size_t *at, size_t n)
{
	for (; n > 0; n--)
		(void)packed(call, at);
}

/* The owner of the i-th mail of a call. Those before it must have been asked for: `at` is where it begins. */
static const char *item_owner(const struct fuzz_call *call, size_t n_keys, size_t i, size_t *at)
{
	static char owner[300];
	bool begin = fuzz_is_script(call, SCRIPT_BEGIN);

	if (fuzz_is_script(call, SCRIPT_PEEK))
		return fuzz_arg(call, 3 + n_keys + 1 + i * 6);
	snprintf(owner, sizeof(owner), "%s", packed(call, at));
	packed_skip(call, at, begin ? 6 : 4);
	if (!begin) {
		size_t deletes = packed_number(call, at), sets = packed_number(call, at),
		       identity = packed_number(call, at);

		packed_skip(call, at, deletes + 2 * sets + identity);
	}
	return owner;
}

static bool begins(const redisReply *r, const char *word)
{
	return (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS) &&
	       strcspn(r->str, " ") == strlen(word) && strncmp(r->str, word, strlen(word)) == 0;
}

static void fuzz_answered(const struct fuzz_call *call, enum link_result result,
                          const redisReply *reply)
{
	size_t n = (size_t)strtoul(fuzz_arg(call, 2), NULL, 10), at = 0;
	bool begin = fuzz_is_script(call, SCRIPT_BEGIN);

	if (result != LINK_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
		return;
	if (!begin && !fuzz_is_script(call, SCRIPT_PEEK) && !fuzz_is_script(call, SCRIPT_FINISH))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *owner = item_owner(call, n, i, &at);
		const char *hash = strrchr(owner, '#');

		/* "whole" asks for more, and nothing was written */
		if (hash != NULL && !begins(reply->element[i], "whole"))
			known_of(world.heard, hash + 1)->n++;
		if (begin && (begins(reply->element[i], "ok") || begins(reply->element[i], "mine")))
			known_of(world.begun, fuzz_arg(call, 3 + i))->n++;
	}
}

/* A settle that takes jobs out of the queue for good: mostly it acks, and says so where it does not. */
static void check_settle(const struct fuzz_call *call)
{
	static char ids[MAX_BATCH][32];
	bool leaves[MAX_BATCH];
	size_t at = 0, n = packed_number(call, &at);

	FUZZ_REQUIRE(n <= MAX_BATCH);
	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%s", packed(call, &at));
		leaves[i] = true;
	}
	for (size_t m = packed_number(call, &at); m > 0; m--) {
		size_t i = packed_number(call, &at);
		const char *action;

		FUZZ_REQUIRE(i >= 1 && i <= n);
		packed_skip(call, &at, 1);
		action = packed(call, &at);
		FUZZ_REQUIRE(strcmp(action, "ack") == 0 || strcmp(action, "bury") == 0 ||
		             strcmp(action, "keep") == 0 || strcmp(action, "delay") == 0);
		leaves[i - 1] = strcmp(action, "delay") != 0;
		packed_skip(call, &at, 1);
	}
	for (size_t i = 0; i < n; i++) {
		if (leaves[i])
			FUZZ_REQUIRE(known_of(world.heard, ids[i])->n > 0);
		packed_skip(call, &at, 6);
		packed_skip(call, &at, packed_number(call, &at));
	}
	FUZZ_REQUIRE(at == call->args->element[call->args->elements - 1]->len);
}

static const char *fuzz_canned(const struct fuzz_call *call)
{
	const char *name = fuzz_arg(call, 0);

	if (strcmp(name, "EVALSHA") == 0 || strcmp(name, "HEXISTS") == 0)
		return NULL;
	if (strcmp(name, "HGETALL") == 0)
		return "*0\r\n"; /* nothing is paused */
	if (strcmp(name, "INFO") == 0)
		return "$27\r\nmaxmemory_policy:noeviction\r\n";
	return strcmp(name, "BLMOVE") == 0 ? "" : ":1\r\n";
}

/* ---- the provider ------------------------------------------------------------------------------- */

enum step { STEP_NONE, STEP_SENDING, STEP_HELD, STEP_RELEASED };

static struct {
	struct provider *provider;
	struct delivery *delivery;
	enum step step;
} deliveries[MAX_DELIVERIES];

static void *mock_open(struct provider *p, struct uri *dsn, struct error *err)
{
	static const char *const names[] = {"success", "latency", "fail", "seed", "record"};

	(void)err;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)uri_param(dsn, names[i]);
	return p;
}

static size_t slot_of(const struct delivery *d)
{
	size_t i = 0;

	while (deliveries[i].delivery != d)
		FUZZ_REQUIRE(++i < MAX_DELIVERIES);
	return i;
}

static void mock_send(struct provider *p, struct delivery *d)
{
	size_t i = slot_of(NULL);

	deliveries[i].provider = p;
	deliveries[i].delivery = d;
	deliveries[i].step = STEP_SENDING;
	d->impl = &deliveries[i];
}

static void mock_release(struct provider *p, struct delivery *d)
{
	char name[300];
	struct known *begun;
	size_t i = slot_of(d);

	(void)p;
	snprintf(name, sizeof(name), "mail:status:%s", d->key);
	begun = known_of(world.begun, name);
	FUZZ_REQUIRE(deliveries[i].step == STEP_HELD);
	FUZZ_REQUIRE(begun->n > 0);
	begun->n--;
	deliveries[i].step = STEP_RELEASED;
}

static void mock_abandon(struct provider *p, struct delivery *d)
{
	(void)p;
	deliveries[slot_of(d)].delivery = NULL;
}

static void mock_close(struct provider *p)
{
	FUZZ_REQUIRE(p->in_use == 0);
}

const struct provider_type provider_mock = {
	.scheme = "mock",
	.concurrency = 8,
	.timeout_ms = 1000,
	.open = mock_open,
	.send = mock_send,
	.release = mock_release,
	.abandon = mock_abandon,
	.close = mock_close,
	.params = (const char *const[]){NULL},
};

static void end(size_t i, enum outcome_kind kind)
{
	struct delivery *d = deliveries[i].delivery;
	struct outcome o;

	outcome_set(&o, kind, "250", "what it said");
	deliveries[i].delivery = NULL;
	for (size_t r = 0; r < d->job->n_rcpts; r++) {
		d->rcpts[r].state = kind == OUTCOME_SENT       ? RCPT_ACCEPTED
		                    : kind == OUTCOME_REJECTED ? RCPT_REFUSED
		                                               : RCPT_DEFERRED;
	}
	provider_done(deliveries[i].provider, d, &o);
}

/* What was started goes on by one step. */
static bool deliveries_turn(void)
{
	bool any = false;

	for (size_t i = 0; i < MAX_DELIVERIES; i++) {
		struct delivery *d = deliveries[i].delivery;
		uint8_t decision;

		if (d == NULL || deliveries[i].step == STEP_HELD)
			continue;
		decision = fuzz_byte(&world.decisions);
		any = true;
		if (deliveries[i].step == STEP_RELEASED) {
			end(i, (enum outcome_kind)(decision % OUTCOME_N));
		} else if (decision == 1 || decision == 2) {
			end(i, decision == 1 ? OUTCOME_RETRY : OUTCOME_PROVIDER_DOWN);
		} else {
			deliveries[i].step = STEP_HELD;
			d->on_ready(d);
		}
	}
	return any;
}

/* ---- the rest of the world ----------------------------------------------------------------------- */

size_t trial_run(const struct trial_payload *payloads, size_t n, const struct options *o)
{
	(void)payloads;
	(void)o;
	return n; /* no child */
}

char *trial_key(const struct trial_payload *payload)
{
	(void)payload;
	return NULL;
}

static uint64_t not_random(void)
{
	return ++world.drawn * UINT64_C(0x9e3779b97f4a7c15);
}

static int64_t frozen(int clock_id)
{
	(void)clock_id;
	return INT64_C(1795514400000000000) + world.now_us * 1000;
}

static void on_turn(struct ev_loop *loop, ev_idle *idle, int events)
{
	static int turns, idling;
	struct fuzz_call *call;
	bool any;

	(void)events;
	if (idle->data != NULL) { /* a new input */
		turns = idling = 0;
		idle->data = NULL;
	}
	world.now_us += 1000;
	TAILQ_FOREACH(call, &fuzz_line_of_calls, line)
	{
		if (fuzz_is_script(call, SCRIPT_SETTLE))
			check_settle(call);
	}
	any = deliveries_turn();
	any = fuzz_redis_turn(&world.redis) || any;
	idling = any ? 0 : idling + 1;
	if (++turns >= MAX_TURNS || idling >= MAX_IDLE)
		ev_break(loop, EVBREAK_ALL);
}

/* The defaults, and what is set here. */
static const struct options *options(void)
{
	static char *argv[] = {(char *)"postrider",
	                       (char *)"--worker-name=w",
	                       (char *)"--concurrency=16",
	                       (char *)"--mail-from=f@x.org",
	                       (char *)"--max-job-bytes=65536",
	                       NULL,
	                       NULL};
	static struct options loaded;
	struct error err;
	int n_rest;

	if (loaded.key_prefix == NULL)
		FUZZ_REQUIRE(options_load(&loaded, 5, argv, NULL, &n_rest, &err));
	return &loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
	struct fuzz_bytes in = {data, size};
	size_t n = fuzz_byte(&in) % 16;
	struct error err;
	ev_idle idle;

	memset(&world, 0, sizeof(world));
	memset(deliveries, 0, sizeof(deliveries));
	if (n > in.left)
		n = in.left;
	world.decisions = (struct fuzz_bytes){in.at, n};
	world.redis = (struct fuzz_bytes){in.at + n, in.left - n};
	clock_set_source(frozen);
	random_set_source(not_random);
	log_setup((enum log_level)(LOG_LEVEL_ERROR + 1), LOG_FORMAT_JSON, false);
	ev_idle_init(&idle, on_turn);
	idle.data = &idle;
	ev_idle_start(loop, &idle);
	FUZZ_REQUIRE(worker_run(options(), false, true, NULL, &err));
	ev_idle_stop(loop, &idle);
	FUZZ_REQUIRE(TAILQ_EMPTY(&fuzz_links) && TAILQ_EMPTY(&fuzz_line_of_calls));
	clock_set_source(NULL);
	random_set_source(NULL);
	return 0;
}

/* claim.lua: taking jobs. test_script_claim_leases.c has how they are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/claim.h"

/* ---- taking ---------------------------------------------------------------------------------- */

static void test_an_empty_queue(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim c = claim_make(r, (struct claim_limits){.max = 10});

	assert_string_equal(c.jobs, "");
	assert_string_equal(c.lost, "");
	assert_string_equal(c.fault, "");
	assert_int_equal(c.wake, 0);
	assert_int_equal(c.waiting, 0);
	assert_int_equal(c.oom, 0);
	assert_in_range(c.now, rig_now(r) - 60000, rig_now(r));
	claim_free(&c);
	rig_sees(r, CLOCK, "KEYS *");
}

static void test_a_list_is_taken_first_in_first_out(void **state)
{
	struct rig *r = claim_begin(state);

	claim_push(r, "one two three four");
	claim_expect(r, 3, "new1:1:0:new:one new2:1:0:new:two new3:1:0:new:three");
	rig_sees(r, "four", "LRANGE " QUEUE " 0 -1");
	rig_sees(r, "one two three", "HMGET " JOBS " new1 new2 new3");
	rig_sees(r, "3", "ZCARD " LEASES);
}

static void test_the_lease_is_given_from_now(void **state)
{
	struct rig *r = claim_begin(state);

	claim_push(r, "one");
	struct claim c = claim_make(r, (struct claim_limits){.max = 1, .ids = "a"});
	rig_sees(r, "1", "ZCOUNT " LEASES " %lld %lld", c.now + CLAIM_LEASE, c.now + CLAIM_LEASE);
	assert_int_equal(c.wake, c.now + CLAIM_LEASE);
	assert_int_equal(c.waiting, 1);
	claim_free(&c);
}

/* The order: arrivals, then what is due, then what the dead left, then the list. */
static void test_the_order_of_sources(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "listed");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved1");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved2");
	claim_known(r, DELAYED, "due", NULL, -10);
	claim_known(r, DELAYED, "overdue", "4", -200000);
	claim_known(r, DELAYED, "later", NULL, 3600000);
	claim_known(r, LEASES, "orphan", NULL, -10);
	claim_known(r, LEASES, "running", NULL, 2000000);
	claim_expect(r, 100,
	             "new1:1:0:new:moved1 new2:1:0:new:moved2 overdue:N:0:again:payload-of-overdue "
	             "due:N:0:again:payload-of-due orphan:N:1:again:payload-of-orphan "
	             "new3:1:0:new:listed");
	rig_sees(r, "later", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "7", "ZCARD " LEASES);
	rig_sees(r, "nil", "HGET " CLAIMS " new1");
	claim_expect(r, 100, "");
}

static void test_no_more_than_asked_for(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "l1 l2");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " m1 m2");
	claim_known(r, DELAYED, "d1", NULL, -20);
	claim_known(r, DELAYED, "d2", NULL, -10);
	claim_known(r, LEASES, "e1", NULL, -20);
	claim_known(r, LEASES, "e2", NULL, -10);
	claim_expect(r, 3, "new1:1:0:new:m1 new2:1:0:new:m2 d1:N:0:again:payload-of-d1");
	claim_expect(r, 2, "d2:N:0:again:payload-of-d2 e1:N:1:again:payload-of-e1");
	claim_expect(r, 0, "");
	rig_sees(r, "2", "LLEN " QUEUE);
}

/* FAULTS 34: the payload is bytes, and nobody touches them. */
static void test_payloads_are_byte_identical(void **state)
{
	struct rig *r = claim_begin(state);
	char bytes[260] = "{\"to\":\"";

	for (int i = 0; i < 256; i++)
		bytes[4 + i] = (char)i;
	redis_server_do(rig_server(r), "LPUSH " QUEUE " %b", bytes, sizeof(bytes));
	redis_server_do(rig_server(r), "LPUSH " QUEUE " %b", "", (size_t)0);
	for (int round = 1; round <= 3; round++) {
		struct claim c = claim_make(r, (struct claim_limits){.max = 2, .ids = "a b"});
		redisReply *jobs = c.reply->element[5];
		assert_int_equal(jobs->elements, 10);
		long long a = jobs->element[1]->integer, b = jobs->element[6]->integer;
		assert_int_equal(jobs->element[4]->len, sizeof(bytes));
		assert_memory_equal(jobs->element[4]->str, bytes, sizeof(bytes));
		assert_int_equal(jobs->element[9]->len, 0);
		claim_free(&c);
		char *done = rig_call(r, SCRIPT_SETTLE, SETTLE_KEYS,
		                      "0  a %lld delay 5 0  b %lld delay 6 0", a, b);
		assert_string_equal(done, "ok ok");
		free(done);
	}
}

/* ---- the bytes of a claim ---------------------------------------------------------------------- */

static void push_sized(struct rig *r, char letter, size_t n)
{
	char *payload = malloc(n);
	memset(payload, letter, n);
	redis_server_do(rig_server(r), "LPUSH " QUEUE " %b", payload, n);
	free(payload);
}

/* What is popped past the budget waits in delayed, due now, under a count of no claims. */
static void test_the_byte_budget(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 10, .max_bytes = 1000};

	claim_push(r, "x");
	for (char letter = 'a'; letter <= 'f'; letter++)
		push_sized(r, letter, 400);
	struct claim c = claim_make(r, l);
	/* x, then a chunk in which a and b fit */
	assert_int_equal(c.n, 3);
	assert_int_equal(c.waiting, 7);
	assert_true(c.wake <= c.now);
	claim_free(&c);
	long long parked = redis_server_int(rig_server(r), "ZCARD " DELAYED);
	assert_int_equal(parked + redis_server_int(rig_server(r), "LLEN " QUEUE), 4);
	assert_true(parked > 0);

	/* the rest comes in order, as jobs that were never claimed */
	char got[16] = "";
	for (int round = 0; round < 4 && strlen(got) < 4; round++) {
		c = claim_make(r, l);
		redisReply *jobs = c.reply->element[5];
		size_t bytes = 0;
		for (size_t i = 0; i < jobs->elements; i += 5) {
			assert_int_equal(jobs->element[i + 1]->integer, 1);
			assert_int_equal(jobs->element[i + 2]->integer, 0);
			assert_string_equal(jobs->element[i + 3]->str, "new");
			bytes += jobs->element[i + 4]->len;
			strncat(got, jobs->element[i + 4]->str, 1);
		}
		assert_in_range(bytes, 1, 1000);
		claim_free(&c);
	}
	assert_string_equal(got, "cdef");
	rig_sees(r, "7", "ZCARD " LEASES);
}

/* Popping stops where the budget does: no list is moved through delayed. */
static void test_no_more_is_parked_than_was_popped_at_once(void **state)
{
	struct rig *r = claim_begin(state);

	for (int i = 0; i < 40; i++)
		push_sized(r, 'x', 700);
	struct claim c = claim_make(r, (struct claim_limits){.max = 30, .max_bytes = 1000});
	assert_int_equal(c.n, 1);
	claim_free(&c);
	rig_sees(r, "1", "ZCARD " DELAYED);
	rig_sees(r, "38", "LLEN " QUEUE);
}

/* One command for each job of a large claim would be felt. */
static void test_small_jobs_are_popped_in_large_chunks(void **state)
{
	struct rig *r = claim_begin(state);

	for (int i = 0; i < 300; i++)
		claim_push(r, "small");
	struct claim c = claim_make(r, (struct claim_limits){.max = 256});
	assert_int_equal(c.n, 256);
	claim_free(&c);
	assert_in_range(rig_commands(r, "RPOP"), 1, 6);
	assert_in_range(rig_commands(r, NULL), 1, 25);
}

static void test_a_parked_job_is_renewed_and_settled_under_token_1(void **state)
{
	struct rig *r = claim_begin(state);

	claim_known(r, DELAYED, "parked", "0", -1);
	claim_expect(r, 1, "parked:1:0:new:payload-of-parked");
	struct claim c = claim_make(r, (struct claim_limits){.renewals = "parked 1"});
	assert_string_equal(c.lost, "");
	claim_free(&c);
	rig_expect(r, "ok", SCRIPT_SETTLE, SETTLE_KEYS, "0  parked 1 ack 0 0");
}

/* One job that is larger than the budget comes alone. */
static void test_a_job_over_the_budget_still_comes(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 10, .max_bytes = 1000};

	push_sized(r, 'a', 5000);
	push_sized(r, 'b', 5000);
	for (int i = 0; i < 2; i++) {
		struct claim c = claim_make(r, l);
		assert_int_equal(c.reply->element[5]->elements, 5);
		assert_int_equal(c.reply->element[5]->element[4]->len, 5000);
		claim_free(&c);
	}
	rig_sees(r, "2", "ZCARD " LEASES);
}

static void test_the_budget_holds_for_delayed_jobs(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 10, .max_bytes = 30};

	claim_known(r, DELAYED, "a", NULL, -30);
	claim_known(r, DELAYED, "b", NULL, -20);
	claim_known(r, DELAYED, "c", NULL, -10);
	claim_push(r, "late");
	struct claim c = claim_make(r, l); /* each payload has 12 bytes */
	assert_string_equal(c.jobs, "a:N:0:again:payload-of-a b:N:0:again:payload-of-b");
	claim_free(&c);
	rig_sees(r, "c", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "nil", "HGET " CLAIMS " c");
	c = claim_make(r, l);
	assert_non_null(strstr(c.jobs, "c:N:0:again:payload-of-c"));
	assert_non_null(strstr(c.jobs, ":1:0:new:late"));
	claim_free(&c);
}

/* Over MAX_JOB_BYTES: told by its size, never handed out, and what is behind it comes. */
static void test_a_big_job_is_told_by_its_size(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 1, .max_job = 100};

	push_sized(r, 'x', 101);
	push_sized(r, 'y', 100);
	struct claim c = claim_make(r, l);
	assert_string_equal(c.jobs, "new1:1:0:big:101");
	claim_free(&c);
	c = claim_make(r, l);
	assert_non_null(strstr(c.jobs, "new2:1:0:new:yyyy"));
	claim_free(&c);
	rig_sees(r, "101", "HSTRLEN " JOBS " new1");
	/* from a dead worker likewise */
	claim_outlive(r);
	l.max = 2;
	c = claim_make(r, l);
	assert_string_equal(
		c.jobs, "new1:N:1:big:101 new2:N:1:again:yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
	claim_free(&c);
	/* and as a dead letter that is tried again */
	rig_expect(r, "ok", SCRIPT_SETTLE, SETTLE_KEYS, "0 new1 %lld bury 5 0",
	           claim_token(r, "new1"));
	rig_expect(r, "1", SCRIPT_REQUEUE, JOBS " " DELAYED " " CLAIMS " " DEAD, "retry new1");
	c = claim_make(r, l);
	assert_string_equal(c.jobs, "new1:N:0:big:101");
	claim_free(&c);
	/* until there is a larger limit, which is the end of its being big */
	claim_outlive(r);
	l.max_job = 101;
	c = claim_make(r, l);
	assert_non_null(strstr(c.jobs, "new1:N:1:again:xxxx"));
	claim_free(&c);
}

/* FAULTS 6. A smaller limit, or a worker that has one, does not bury what was handed out before: it
 * may have been begun, and nobody could say under which key. */
static void test_a_job_that_was_handed_out_does_not_become_big(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 1, .max_job = 100};

	push_sized(r, 'x', 100);
	struct claim c = claim_make(r, l);
	assert_non_null(strstr(c.jobs, "new1:1:0:new:xxxx"));
	claim_free(&c);
	l.max_job = 99;
	for (int i = 1; i <= 2; i++) {
		claim_outlive(r);
		c = claim_make(r, l);
		assert_non_null(strstr(c.jobs, ":again:xxxx"));
		claim_free(&c);
	}
}

/* Big jobs are moved though not answered: a claim must not move hundreds of them. */
static void test_big_jobs_count_into_the_budget(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits l = {.max = 100, .max_bytes = 1000, .max_job = 500};

	for (int i = 0; i < 50; i++)
		push_sized(r, 'x', 600);
	struct claim c = claim_make(r, l);
	assert_in_range(c.n, 1, 2);
	claim_free(&c);
	size_t got = 0;
	for (int round = 0; round < 50 && got < 50; round++) {
		c = claim_make(r, l);
		claim_free(&c);
		got = (size_t)redis_server_int(rig_server(r), "ZCARD " LEASES);
	}
	assert_int_equal(got, 50);
}

/* ---- waking, counting ---------------------------------------------------------------------------- */

static void test_when_to_wake(void **state)
{
	static const struct {
		int64_t lease, due; /* ms from now; 0: none */
		int64_t wake;
	} cases[] = {
		{0, 0, 0},
		{900000, 0, 900000},
		{0, 500000, 500000},
		{900000, 500000, 500000},
		{300000, 500000, 300000},
		{0, 86400000, 86400000},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = claim_begin(state);
		int64_t now = rig_now(r);
		if (cases[i].lease) {
			claim_known(r, LEASES, "a", NULL, cases[i].lease);
			claim_known(r, LEASES, "a2", NULL, cases[i].lease + 7000);
		}
		if (cases[i].due) {
			claim_known(r, DELAYED, "b", NULL, cases[i].due);
			claim_known(r, DELAYED, "b2", NULL, cases[i].due + 7000);
		}
		struct claim c = claim_make(r, (struct claim_limits){.max = 1});
		assert_string_equal(c.jobs, "");
		if (cases[i].wake)
			assert_in_range(c.wake, now + cases[i].wake, rig_now(r) + cases[i].wake);
		else
			assert_int_equal(c.wake, 0);
		claim_free(&c);
	}
}

static void test_what_waits_is_counted(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "l1 l2 l3");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " m1");
	claim_known(r, DELAYED, "due", NULL, -10);
	claim_known(r, DELAYED, "later", NULL, 5000000);
	claim_known(r, LEASES, "orphan", NULL, -10);
	claim_known(r, LEASES, "running", NULL, 900000);
	for (int max = 0; max <= 6; max += 2) {
		struct claim c = claim_make(r, (struct claim_limits){.max = max});
		assert_int_equal(c.waiting, 8);
		claim_free(&c);
	}
	rig_sees(r, "7", "ZCARD " LEASES);
}

/* Its payload is gone: settled under another's hands, or lost by a failover. */
static void test_a_name_without_a_payload_is_forgotten(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_known(r, DELAYED, "ghost1", "3", -10);
	claim_known(r, LEASES, "ghost2", "3:1", -10);
	claim_known(r, DELAYED, "real", NULL, -5);
	redis_server_do(rig_server(r), "HDEL " JOBS " ghost1 ghost2");
	struct claim c = claim_make(r, (struct claim_limits){.max = 5});
	assert_string_equal(c.jobs, "real:N:0:again:payload-of-real");
	assert_int_equal(c.waiting, 1);
	claim_free(&c);
	rig_sees(r, "real", "ZRANGE " LEASES " 0 -1");
	rig_sees(r, "0", "ZCARD " DELAYED);
	rig_sees(r, "real", "HKEYS " CLAIMS);
}

/* ---- trouble ------------------------------------------------------------------------------------- */

/* FAULTS 18. The reply was lost: the jobs of that claim are not overwritten, and come by adoption. */
static void test_the_same_call_again_loses_nothing(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim_limits same = {.max = 3, .ids = "a b c"};

	claim_push(r, "one two three four five");
	claim_known(r, DELAYED, "due", NULL, 500000);
	struct claim c = claim_make(r, same);
	assert_string_equal(c.jobs, "a:1:0:new:one b:1:0:new:two c:1:0:new:three");
	claim_free(&c);
	c = claim_make(r, same);
	assert_string_equal(c.jobs, "");
	claim_free(&c);
	rig_sees(r, "five four", "LRANGE " QUEUE " 0 -1");
	rig_sees(r, "one two three", "HMGET " JOBS " a b c");
	claim_outlive(r);
	claim_expect(r, 100,
	             "due:N:0:again:payload-of-due a:N:1:again:one b:N:1:again:two "
	             "c:N:1:again:three new1:1:0:new:four new2:1:0:new:five");
}

static void test_a_renewal_repeated_is_a_renewal(void **state)
{
	struct rig *r = claim_begin(state);

	claim_known(r, LEASES, "a", "2", 1000);
	for (int i = 0; i < 2; i++) {
		struct claim c = claim_make(r, (struct claim_limits){.renewals = "a 2 b 1"});
		assert_string_equal(c.lost, "b");
		rig_sees(r, "1", "ZCOUNT " LEASES " %lld %lld", c.now + CLAIM_LEASE,
		         c.now + CLAIM_LEASE);
		claim_free(&c);
	}
	rig_sees(r, "2", "HGET " CLAIMS " a");
}

/* FAULTS 12: no claims, but who has jobs keeps them. */
static void test_full_memory_stops_claims_and_not_renewals(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "listed");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved");
	claim_known(r, DELAYED, "due", NULL, -10);
	claim_known(r, LEASES, "mine", NULL, -10);
	claim_known(r, LEASES, "orphan", NULL, -10);
	rig_age_queue(r, 900000);
	rig_fill_memory(r, true);
	struct claim c = claim_make(r,
	                            (struct claim_limits){.max = 10, .renewals = "mine 1 other 1"});
	rig_fill_memory(r, false);
	assert_int_equal(c.oom, 1);
	assert_string_equal(c.jobs, "");
	assert_string_equal(c.lost, "other");
	rig_sees(r, "1", "ZCOUNT " LEASES " %lld %lld", c.now + CLAIM_LEASE, c.now + CLAIM_LEASE);
	rig_hash(r, CLOCK, "last=%lld hold=0", c.now); /* a full memory is no gap */
	claim_free(&c);
	claim_expect(r, 10,
	             "new11:1:0:new:moved due:N:0:again:payload-of-due "
	             "orphan:N:1:again:payload-of-orphan new12:1:0:new:listed");
}

/* FAULTS 19. Told, and the jobs that were taken before the list became something else go on. */
static void test_a_list_of_another_type_is_told(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	redis_server_do(rig_server(r), "SET " QUEUE " oops");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved");
	claim_known(r, DELAYED, "due", NULL, -10);
	struct claim c = claim_make(r,
	                            (struct claim_limits){.max = 10, .ids = "a b c d e f g h i j"});
	assert_string_equal(c.jobs, "a:1:0:new:moved due:N:0:again:payload-of-due");
	assert_non_null(strstr(c.fault, "WRONGTYPE"));
	claim_free(&c);
	rig_sees(r, "oops", "GET " QUEUE);
}

/* Any other key of another type: an error before anything was taken out of its place. */
static void test_inner_keys_of_another_type_lose_nothing(void **state)
{
	static const char *const keys[] = {ARRIVALS, JOBS, LEASES, DELAYED, CLAIMS, CLOCK};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct rig *r = claim_begin(state);
		claim_push(r, "listed1 listed2");
		redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved");
		claim_known(r, DELAYED, "due", "2", -10);
		claim_known(r, LEASES, "orphan", "2", -10);
		redis_server_do(rig_server(r), "DEL %s", keys[i]);
		redis_server_do(rig_server(r), "SET %s oops", keys[i]);
		char *before = rig_state(r);
		char *answer = rig_call(r, SCRIPT_CLAIM, CLAIM_KEYS,
		                        "%d 3 %d %d 3 1 1 orphan 2 a b c", CLAIM_LEASE,
		                        CLAIM_MAX_BYTES, CLAIM_MAX_JOB);
		assert_non_null(strstr(answer, "WRONGTYPE"));
		char *after = rig_state(r);
		assert_string_equal(after, before);
		free(answer);
		free(before);
		free(after);
	}
}

/* ---- size ------------------------------------------------------------------------------------------ */

/* n jobs in the list, n delayed (half of them due) and 1,000 leases that ran out. */
static void fill(struct rig *r, int n)
{
	static const char script[] =
		"local l, j, d, e = {}, {}, {}, {} "
		"for i = ARGV[1], ARGV[1] + 999 do "
		"l[#l + 1] = 'listed' .. i "
		"j[#j + 1] = 'd' .. i j[#j + 1] = 'delayed' j[#j + 1] = 'e' .. i % 1000 j[#j + 1] = 'expired' "
		"d[#d + 1] = i % 2 == 0 and i or 9e12 d[#d + 1] = 'd' .. i "
		"e[#e + 1] = i % 1000 e[#e + 1] = 'e' .. i % 1000 end "
		"redis.call('LPUSH', KEYS[1], unpack(l)) redis.call('HSET', KEYS[2], unpack(j)) "
		"redis.call('ZADD', KEYS[3], unpack(d)) redis.call('ZADD', KEYS[4], unpack(e))";

	for (int i = 0; i < n; i += 1000)
		redis_server_do(rig_server(r),
		                "EVAL %s 4 " QUEUE " " JOBS " " DELAYED " " LEASES " %d", script,
		                i);
}

/* FAULTS 16. A claim's work is that of the jobs it takes, however many there are. */
static void test_a_million_jobs_cost_no_more_commands(void **state)
{
	struct rig *r = claim_begin(state);
	size_t cost[2][3];

	for (int round = 0; round < 2; round++) {
		redis_server_do(rig_server(r), "FLUSHALL");
		rig_watch(r, false);
		fill(r, round == 0 ? 1000 : 1000000);
		rig_watch(r, true);
		claim_alive(r);
		static const int max[3] = {0, 1, 256};
		for (int i = 0; i < 3; i++) {
			struct claim c = claim_make(r, (struct claim_limits){.max = max[i]});
			assert_int_equal(c.n, max[i]);
			cost[round][i] = rig_commands(r, NULL);
			claim_free(&c);
		}
		/* none of them looks at a whole key */
		assert_int_equal(rig_commands(r, "HKEYS") + rig_commands(r, "HGETALL") +
		                         rig_commands(r, "LRANGE"),
		                 0);
	}
	assert_memory_equal(cost[0], cost[1], sizeof(cost[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_queue),
		cmocka_unit_test(test_a_list_is_taken_first_in_first_out),
		cmocka_unit_test(test_the_lease_is_given_from_now),
		cmocka_unit_test(test_the_order_of_sources),
		cmocka_unit_test(test_no_more_than_asked_for),
		cmocka_unit_test(test_payloads_are_byte_identical),
		cmocka_unit_test(test_the_byte_budget),
		cmocka_unit_test(test_no_more_is_parked_than_was_popped_at_once),
		cmocka_unit_test(test_small_jobs_are_popped_in_large_chunks),
		cmocka_unit_test(test_a_parked_job_is_renewed_and_settled_under_token_1),
		cmocka_unit_test(test_a_job_over_the_budget_still_comes),
		cmocka_unit_test(test_the_budget_holds_for_delayed_jobs),
		cmocka_unit_test(test_a_big_job_is_told_by_its_size),
		cmocka_unit_test(test_a_job_that_was_handed_out_does_not_become_big),
		cmocka_unit_test(test_big_jobs_count_into_the_budget),
		cmocka_unit_test(test_when_to_wake),
		cmocka_unit_test(test_what_waits_is_counted),
		cmocka_unit_test(test_a_name_without_a_payload_is_forgotten),
		cmocka_unit_test(test_the_same_call_again_loses_nothing),
		cmocka_unit_test(test_a_renewal_repeated_is_a_renewal),
		cmocka_unit_test(test_full_memory_stops_claims_and_not_renewals),
		cmocka_unit_test(test_a_list_of_another_type_is_told),
		cmocka_unit_test(test_inner_keys_of_another_type_lose_nothing),
	};
	const struct CMUnitTest large[] = {
		cmocka_unit_test(test_a_million_jobs_cost_no_more_commands),
	};
	return cmocka_run_group_tests_name("claim.lua", tests, rig_setup_standalone, rig_teardown) +
	       cmocka_run_group_tests_name("claim.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("claim.lua among many", large, rig_setup_standalone,
	                                   rig_teardown);
}

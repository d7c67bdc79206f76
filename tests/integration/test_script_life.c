/* The scripts together: the life of a job, and what the next worker sees when one dies at each edge
 * of lua/README.md, "the worker dies after". A "worker" here is who holds an id and a token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/claim.h"

#define S "mail:status:order-42"
#define TTL 432000000
#define KEPT 604800000
#define JOB "new1"
#define OWNER "mail:queue#" JOB
#define MAIL "F ada@x.org Hi"

/* The tokens of the job's claims, by their number. */
static long long tokens[8] = {0, 1};

/* One step of the worker that made this claim; the answer must be this. */
static void peeks(struct rig *r, int n, const char *want)
{
	rig_expect(r, want, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL, tokens[n]);
}

static void peeks_final(struct rig *r, int n, const char *status)
{
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[n]);
	char want[32];

	snprintf(want, sizeof(want), "[final %s ", status);
	assert_memory_equal(answer, want, strlen(want));
	free(answer);
}

static void begins(struct rig *r, int n, const char *want)
{
	rig_expect(r, want, SCRIPT_BEGIN, S, "%d  " OWNER " %lld " MAIL " primary 1", TTL,
	           tokens[n]);
}

static void finishes(struct rig *r, int n, const char *status, const char *want)
{
	rig_expect(r, want, SCRIPT_FINISH, S,
	           OWNER " %lld " MAIL " %s %d 'line of claim %d' 1 attempt:1 'by claim %d'",
	           tokens[n], status, KEPT, n, n);
}

static void settles(struct rig *r, int n, const char *action, const char *want)
{
	rig_expect(r, want, SCRIPT_SETTLE, SETTLE_KEYS, "100  " JOB " %lld %s %lld 0", tokens[n],
	           action, (long long)rig_now(r));
}

static void renews(struct rig *r, int n, const char *want_lost)
{
	char renewal[32];
	snprintf(renewal, sizeof(renewal), JOB " %lld", tokens[n]);
	struct claim c = claim_make(r, (struct claim_limits){.renewals = renewal});
	assert_string_equal(c.lost, want_lost);
	claim_free(&c);
}

/* Pushed, and claimed by the first worker. */
static struct rig *claimed(void **state)
{
	struct rig *r = claim_begin(state);
	claim_push(r, "payload");
	claim_expect(r, 1, JOB ":1:0:new:payload");
	return r;
}

/* The worker dies; the next one adopts its job: claim n. */
static void next_worker(struct rig *r, int n)
{
	char want[64];
	claim_outlive(r);
	snprintf(want, sizeof(want), JOB ":N:%d:again:payload", n - 1);
	claim_expect(r, 1, want);
	tokens[n] = claim_token(r, JOB);
	assert_true(tokens[n] > tokens[n - 1]);
}

/* It was due again, and is taken again: claim n. */
static void claimed_again(struct rig *r, int n)
{
	claim_expect(r, 1, JOB ":N:0:again:payload");
	tokens[n] = claim_token(r, JOB);
	assert_true(tokens[n] > tokens[n - 1]);
}

static void nothing_is_left(struct rig *r)
{
	rig_sees(r, "0",
	         "EXISTS " QUEUE " " ARRIVALS " " JOBS " " LEASES " " DELAYED " " CLAIMS " " DEAD);
}

static void sent_by(struct rig *r, int n)
{
	rig_hash(r, S, "owner=" OWNER " status=sent 'attempt:1=by claim %d'", n);
}

/* ---- a worker dies at each edge ---------------------------------------------------------------- */

static void test_nobody_dies(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	finishes(r, 1, "sent", "ok");
	settles(r, 1, "ack", "ok");
	sent_by(r, 1);
	nothing_is_left(r);
	rig_hash(r, S, "!token !duplicates !late:1");
}

static void test_death_after_the_doorbell(void **state)
{
	struct rig *r = claim_begin(state);

	claim_push(r, "payload");
	redis_server_do(rig_server(r), "LMOVE " QUEUE " " ARRIVALS " RIGHT LEFT");
	claim_expect(r, 1, JOB ":1:0:new:payload"); /* at once: no lease was given */
}

/* FAULTS 1 and 8 */
static void test_death_before_begin(void **state)
{
	struct rig *r = claimed(state);

	next_worker(r, 2);
	peeks(r, 2, "[mine '' '' '' '' '' '' '' '' '' '']");
	begins(r, 2, "ok"); /* not unknown: nothing can have left */
	finishes(r, 2, "sent", "ok");
	settles(r, 2, "ack", "ok");
	sent_by(r, 2);
	nothing_is_left(r);
}

/* FAULTS 2 and 3 */
static void test_death_after_begin(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	next_worker(r, 2);
	begins(r, 2, "unknown"); /* even if it forgot to peek */
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[2]);
	assert_memory_equal(answer, "[mine sending 1 primary", 23);
	free(answer);
	/* the policy holds it */
	finishes(r, 2, "held", "ok");
	settles(r, 2, "bury", "ok");
	rig_hash(r, S, "status=held token=%lld", tokens[2]);
	rig_sees(r, JOB, "ZRANGE " DEAD " 0 -1");
}

/* Two die one after the other: the second's peek does not hide what the first has begun. */
static void test_two_deaths_after_begin(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	next_worker(r, 2);
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[2]);
	assert_memory_equal(answer, "[mine sending", 13);
	free(answer);
	next_worker(r, 3);
	answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL, tokens[3]);
	assert_memory_equal(answer, "[mine sending", 13);
	free(answer);
}

static void test_death_after_finish(void **state)
{
	static const char *const finals[] = {"sent", "failed", "held", "cancelled"};

	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct rig *r = claimed(state);
		char want[32];
		begins(r, 1, "ok");
		finishes(r, 1, finals[i], "ok");
		next_worker(r, 2);
		peeks_final(r, 2, finals[i]);
		snprintf(want, sizeof(want), "'final %s'", finals[i]);
		begins(r, 2, want);
		settles(r, 2, "ack", "ok");
		rig_hash(r, S, "status=%s 'attempt:1=by claim 1'", finals[i]);
	}
}

static void test_death_after_finish_of_a_retry(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	rig_expect(r, "ok", SCRIPT_FINISH, S,
	           OWNER " 1 " MAIL " retrying %d l 2 next_attempt_at 777 tries primary:1", KEPT);
	next_worker(r, 2);
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[2]);
	assert_memory_equal(answer, "[mine retrying 1 primary primary:1 '' 777", 41);
	free(answer);
	settles(r, 2, "delay", "ok"); /* waits, and is claimed like any other retry */
	claimed_again(r, 3);
	begins(r, 3, "ok");
}

/* ---- a worker is stopped at each edge, and comes back (FAULTS 4) ------------------------------------ */

/* The next worker has taken the job all the way. */
static void next_worker_sends(struct rig *r)
{
	next_worker(r, 2);
	begins(r, 2, "ok");
	finishes(r, 2, "sent", "ok");
}

static void stopped_worker_is_refused(struct rig *r, bool settled)
{
	renews(r, 1, JOB);
	begins(r, 1, "stale");
	finishes(r, 1, "failed", "late");
	settles(r, 1, "bury", settled ? "gone" : "stale");
	sent_by(r, 2);
	rig_hash(r, S, "'late:1=line of claim 1' token=%lld", tokens[2]);
	rig_sees(r, "0", "EXISTS " DEAD);
}

static void test_stopped_before_begin(void **state)
{
	struct rig *r = claimed(state);

	next_worker_sends(r);
	stopped_worker_is_refused(r, false);
	settles(r, 2, "ack", "ok");
	stopped_worker_is_refused(r, true);
	nothing_is_left(r);
}

/* FAULTS 5: the adopter completes what the stopped one had begun; nothing undoes it. */
static void test_stopped_after_begin(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	next_worker(r, 2);
	begins(r, 2, "unknown");
	rig_expect(r, "ok", SCRIPT_FINISH, S, OWNER " %lld " MAIL " retrying %d l 0", tokens[2],
	           KEPT);
	finishes(r, 1, "sent", "late"); /* it came back between the two */
	settles(r, 2, "delay", "ok");
	settles(r, 1, "ack", "gone");
	claimed_again(r, 3);
	begins(r, 3, "ok");
	begins(r, 1, "stale");
	begins(r, 2, "stale");
	settles(r, 1, "ack", "stale");
	settles(r, 2, "ack", "stale");
	rig_hash(r, S, "status=sending token=%lld 'late:1=line of claim 1'", tokens[3]);
}

/* It comes back when its lease has run out, before anybody has adopted its job: all is still its own. */
static void test_stopped_and_back_before_anybody_noticed(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	rig_age_queue(r, 10 * CLAIM_LEASE);
	renews(r, 1, "");
	finishes(r, 1, "sent", "ok");
	rig_age_queue(r, 10 * CLAIM_LEASE);
	settles(r, 1, "ack", "ok");
	sent_by(r, 1);
	nothing_is_left(r);
}

/* It finished just before the other adopted: what was completed stays completed. */
static void test_a_completion_races_an_adoption(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	next_worker(r, 2); /* adopted, but has not looked at the status yet */
	finishes(r, 1, "sent", "ok");
	settles(r, 1, "ack", "stale");
	peeks_final(r, 2, "sent");
	settles(r, 2, "ack", "ok");
	sent_by(r, 1);
	nothing_is_left(r);
}

/* ---- two jobs, one key -------------------------------------------------------------------------- */

/* FAULTS 38 and 5b. */
static void test_a_second_push_of_the_same_mail(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	claim_push(r, "payload");
	claim_expect(r, 1, "new2:1:0:new:payload");
	rig_expect(r, "'rival " OWNER "'", SCRIPT_BEGIN, S,
	           "%d  mail:queue#new2 1 " MAIL " primary 1", TTL);
	rig_sees(r, "1", "HEXISTS " JOBS " " JOB); /* so it is a duplicate */
	rig_expect(r, "[duplicate sending]", SCRIPT_PEEK, S, "%d  mail:queue#new2 1 " MAIL " alive",
	           TTL);
	finishes(r, 1, "sent", "ok");
	rig_hash(r, S, "status=sent duplicates=1 owner=" OWNER);
	/* and when a failover has lost the first */
	r = claimed(state);
	begins(r, 1, "ok");
	redis_server_do(rig_server(r), "DEL " JOBS " " LEASES " " CLAIMS);
	claim_push(r, "payload");
	claim_expect(r, 1, "new2:1:0:new:payload");
	rig_sees(r, "0", "HEXISTS " JOBS " " JOB);
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  mail:queue#new2 1 " MAIL " " OWNER, TTL);
	assert_memory_equal(answer, "[mine sending 1 primary", 23); /* and nobody knows */
	free(answer);
	rig_hash(r, S, "owner=mail:queue#new2");
}

/* FAULTS 5a */
static void test_a_mail_is_cancelled_while_it_waits(void **state)
{
	struct rig *r = claimed(state);

	rig_expect(r, "ok", SCRIPT_FINISH, S, OWNER " 1 " MAIL " scheduled 3000000000 l 0");
	settles(r, 1, "delay", "ok");
	rig_store(r, S, "status=cancelled"); /* as the API does */
	claimed_again(r, 2);
	peeks_final(r, 2, "cancelled");
	begins(r, 2, "'final cancelled'");
	finishes(r, 2, "sent", "'final cancelled'");
	rig_hash(r, S, "status=cancelled");
}

/* ---- dead letters ----------------------------------------------------------------------------------- */

static void test_a_dead_letter_gets_another_round(void **state)
{
	struct rig *r = claimed(state);

	begins(r, 1, "ok");
	finishes(r, 1, "failed", "ok");
	settles(r, 1, "bury", "ok");
	rig_expect(r, "ok", SCRIPT_REOPEN, S, "%d " OWNER, TTL);
	rig_expect(r, "1", SCRIPT_REQUEUE, JOBS " " DELAYED " " CLAIMS " " DEAD, "retry " JOB);
	claimed_again(r, 2);
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[2]);
	assert_memory_equal(answer, "[mine queued 1 primary", 22);
	free(answer);
	begins(r, 2, "ok");
	finishes(r, 2, "sent", "ok");
	settles(r, 2, "ack", "ok");
	nothing_is_left(r);
}

/* A job with no place to be in, as after a failover that lost its lease. */
static void test_an_orphan_finds_its_way_back(void **state)
{
	struct rig *r = claimed(state);

	redis_server_do(rig_server(r), "DEL " LEASES);
	rig_expect(r, "1 0", SCRIPT_SWEEP, JOBS " " LEASES " " DELAYED " " CLAIMS " " DEAD,
	           "1000000 %d 100", CLAIM_LEASE);
	claimed_again(r, 2);
	settles(r, 1, "ack", "stale");
}

/* A failover has lost what is kept of the job's claims. Claim n. */
static void claimed_after_failover(struct rig *r, int n)
{
	while (rig_now(r) <= tokens[n - 1])
		; /* it takes longer than a millisecond */
	redis_server_do(rig_server(r), "HDEL " CLAIMS " " JOB);
	claim_outlive(r);
	claim_expect(r, 1, JOB ":N:1:again:payload");
	tokens[n] = claim_token(r, JOB);
	assert_true(tokens[n] > tokens[n - 1]);
}

/* The next claim's token is still a new one, so that who had the last one is shut out. */
static void test_a_lost_claim_gives_no_token_twice(void **state)
{
	struct rig *r = claimed(state);

	next_worker(r, 2);
	begins(r, 2, "ok");
	finishes(r, 2, "retrying", "ok");
	claimed_after_failover(r, 3);
	char *answer = rig_call(r, SCRIPT_PEEK, S, "%d  " OWNER " %lld " MAIL " ''", TTL,
	                        tokens[3]);
	assert_memory_equal(answer, "[mine retrying", 14);
	free(answer);
	begins(r, 2, "stale");
	renews(r, 2, JOB);
	settles(r, 2, "ack", "stale");
	begins(r, 3, "ok");
	finishes(r, 3, "sent", "ok");
	settles(r, 3, "ack", "ok");
	sent_by(r, 3);
	/* one that has begun is not overlooked */
	r = claimed(state);
	next_worker(r, 2);
	begins(r, 2, "ok");
	claimed_after_failover(r, 3);
	begins(r, 3, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_dies),
		cmocka_unit_test(test_a_lost_claim_gives_no_token_twice),
		cmocka_unit_test(test_death_after_the_doorbell),
		cmocka_unit_test(test_death_before_begin),
		cmocka_unit_test(test_death_after_begin),
		cmocka_unit_test(test_two_deaths_after_begin),
		cmocka_unit_test(test_death_after_finish),
		cmocka_unit_test(test_death_after_finish_of_a_retry),
		cmocka_unit_test(test_stopped_before_begin),
		cmocka_unit_test(test_stopped_after_begin),
		cmocka_unit_test(test_stopped_and_back_before_anybody_noticed),
		cmocka_unit_test(test_a_completion_races_an_adoption),
		cmocka_unit_test(test_a_second_push_of_the_same_mail),
		cmocka_unit_test(test_a_mail_is_cancelled_while_it_waits),
		cmocka_unit_test(test_a_dead_letter_gets_another_round),
		cmocka_unit_test(test_an_orphan_finds_its_way_back),
	};
	return cmocka_run_group_tests_name("the life of a job", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("the life of a job on a cluster", tests,
	                                   rig_setup_cluster, rig_teardown);
}

/* claim.lua: leases, renewed and adopted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/claim.h"

/* Renewals by what is stored, whether the lease still runs or ran out. */
static void test_who_may_renew(void **state)
{
	static const struct {
		const char *count, *token;
		bool lost;
	} cases[] = {
		{NULL, "1", false},  {"1", "1", false},    {"2", "2", false},
		{"2:1", "2", false}, {"1:12", "1", false}, {NULL, "2", true},
		{"2", "1", true},    {"2:1", "1", true},   {"12", "1", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int ms = -100000; ms <= 20000; ms += 120000) {
			struct rig *r = claim_begin(state);
			char renewal[32];
			claim_known(r, LEASES, "a", cases[i].count, ms);
			snprintf(renewal, sizeof(renewal), "a %s", cases[i].token);
			struct claim c = claim_make(r, (struct claim_limits){.renewals = renewal});
			assert_string_equal(c.lost, cases[i].lost ? "a" : "");
			rig_sees(r, cases[i].lost ? "0" : "1", "ZCOUNT " LEASES " %lld %lld",
			         c.now + CLAIM_LEASE, c.now + CLAIM_LEASE);
			assert_string_equal(c.jobs, "");
			claim_free(&c);
		}
	}
}

static void test_a_settled_job_cannot_be_renewed(void **state)
{
	struct rig *r = claim_begin(state);

	claim_known(r, DELAYED, "waits", NULL, 500000);
	struct claim c = claim_make(r, (struct claim_limits){.renewals = "waits 1 nobody 1"});
	assert_string_equal(c.lost, "waits nobody");
	claim_free(&c);
	rig_sees(r, "0", "EXISTS " LEASES);
}

static void test_an_adopted_job_is_lost_to_its_worker(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_known(r, LEASES, "a", NULL, -1);
	claim_known(r, LEASES, "b", NULL, 900000);
	claim_expect(r, 5, "a:N:1:again:payload-of-a");
	char renewals[64];
	snprintf(renewals, sizeof(renewals), "a 1 b 1 a %lld", claim_token(r, "a"));
	struct claim c = claim_make(r, (struct claim_limits){.renewals = renewals});
	assert_string_equal(c.lost, "a");
	claim_free(&c);
}

/* The one who comes back in time keeps what ran out, even if it claims in the same call. */
static void test_renewal_goes_before_adoption(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_known(r, LEASES, "mine", NULL, -1000);
	claim_known(r, LEASES, "mine2", "4", 1000);
	claim_known(r, LEASES, "orphan", NULL, -1000);
	claim_push(r, "listed");
	struct claim c = claim_make(
		r, (struct claim_limits){.max = 2, .renewals = "mine 1 mine2 4", .ids = "a b"});
	assert_string_equal(c.lost, "");
	assert_string_equal(c.jobs, "orphan:N:1:again:payload-of-orphan a:1:0:new:listed");
	claim_free(&c);
}

/* FAULTS 6. The first worker and three that adopted it are dead: nobody runs it again. */
static void test_a_job_adopted_three_times_is_poison(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "deadly");
	claim_expect(r, 1, "new1:1:0:new:deadly");
	for (int i = 1; i <= 3; i++) {
		char want[64];
		claim_outlive(r);
		snprintf(want, sizeof(want), "new1:N:%d:again:deadly", i);
		claim_expect(r, 1, want);
	}
	for (int i = 4; i <= 5; i++) { /* also when who was to bury it died */
		char want[64];
		claim_outlive(r);
		snprintf(want, sizeof(want), "new1:N:%d:poison:deadly", i);
		claim_expect(r, 1, want);
	}
	rig_sees(r, "deadly", "HGET " JOBS " new1");
}

/* Who was in the hands of two workers that died may be what killed them, or have been beside it: each is handed out
 * alone, and who waits for that is not counted as adopted. */
static void test_suspects_go_alone(void **state)
{
	struct rig *r = claim_begin(state);
	struct claim c;

	claim_alive(r);
	claim_push(r, "a b c");
	claim_expect(r, 3, "new1:1:0:new:a new2:1:0:new:b new3:1:0:new:c");
	claim_outlive(r);
	claim_expect(r, 3, "new1:N:1:again:a new2:N:1:again:b new3:N:1:again:c");
	claim_outlive(r);
	c = claim_make(r, (struct claim_limits){.max = 3});
	assert_string_equal(c.jobs, "new1:N:2:again:a");
	assert_in_range(c.wake, c.now + 1,
	                c.now + CLAIM_LEASE / 16 + 1); /* soon, and not at once */
	claim_free(&c);
	rig_age_queue(r, CLAIM_LEASE / 16 + 1);
	c = claim_make(r, (struct claim_limits){.max = 3, .has_suspect = true});
	assert_string_equal(c.jobs, "");
	claim_free(&c);
	/* The worker that has `a` dies again. The others have waited, and come first now. */
	claim_outlive(r);
	rig_age_queue(r, CLAIM_LEASE / 16 + 1);
	claim_expect(r, 3, "new2:N:2:again:b");
	rig_age_queue(r, CLAIM_LEASE / 16 + 1);
	claim_expect(r, 3, "new3:N:2:again:c");
	claim_expect(r, 3, "");
	rig_age_queue(r, CLAIM_LEASE / 32 + 1);
	claim_expect(r, 3, "new1:N:3:again:a");
	/* Nobody's: a worker that was only away renews it. */
	claim_known(r, LEASES, "d", "7:1", -1);
	c = claim_make(r, (struct claim_limits){.max = 3, .has_suspect = true});
	assert_string_equal(c.jobs, "");
	claim_free(&c);
	c = claim_make(r, (struct claim_limits){.renewals = "d 7"});
	assert_string_equal(c.lost, "");
	claim_free(&c);
}

/* FAULTS 12a. Redis, or the whole fleet, was away: live workers come back first. */
static void test_after_a_gap_nothing_is_adopted_for_one_lease(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_known(r, LEASES, "a", NULL, 100000);
	rig_age_queue(r, 1600000); /* more than half a lease without a claim */
	struct claim c = claim_make(r, (struct claim_limits){.max = 5});
	assert_string_equal(c.jobs, "");
	assert_in_range(c.wake, c.now + CLAIM_LEASE - 10,
	                c.now + CLAIM_LEASE); /* not before, not never */
	claim_free(&c);
	for (int i = 0; i < 2; i++) { /* it holds for the calls of others too */
		rig_age_queue(r, 1400000);
		claim_expect(r, 5, "");
	}
	c = claim_make(r, (struct claim_limits){.renewals = "a 1"});
	assert_string_equal(c.lost, "");
	claim_free(&c);
	claim_known(r, LEASES, "orphan", NULL, -5000000);
	rig_age_queue(r, 200001); /* the hold is over */
	claim_expect(r, 5, "orphan:N:1:again:payload-of-orphan");
}

static void test_half_a_lease_is_no_gap(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_known(r, LEASES, "a", NULL, 100000);
	rig_age_queue(r, 1400000);
	claim_expect(r, 5, "a:N:1:again:payload-of-a");
}

static void test_a_gap_stops_nothing_but_adoption(void **state)
{
	struct rig *r = claim_begin(state);

	claim_alive(r);
	claim_push(r, "listed");
	redis_server_do(rig_server(r), "LPUSH " ARRIVALS " moved");
	claim_known(r, DELAYED, "due", NULL, -10);
	rig_age_queue(r, 6000000);
	claim_expect(r, 9, "new1:1:0:new:moved due:N:0:again:payload-of-due new2:1:0:new:listed");
}

/* FAULTS 32. The clock of a new master is an hour behind: nothing may wait for an hour. */
static void test_the_clock_steps_back(void **state)
{
	struct rig *r = claim_begin(state);

	claim_known(r, LEASES, "a", NULL, -1000);
	redis_server_do(rig_server(r), "HSET " CLOCK " last %lld hold %lld",
	                (long long)rig_now(r) + 3600000, (long long)rig_now(r) + 3600000);
	claim_expect(r, 5, ""); /* the hold is one lease from now, not an hour */
	rig_age_queue(r, 1400000);
	claim_expect(r, 5, "");
	rig_age_queue(r, 1400000);
	claim_expect(r, 5, "");
	rig_age_queue(r, 200001);
	claim_expect(r, 5, "a:N:1:again:payload-of-a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_renew),
		cmocka_unit_test(test_a_settled_job_cannot_be_renewed),
		cmocka_unit_test(test_an_adopted_job_is_lost_to_its_worker),
		cmocka_unit_test(test_renewal_goes_before_adoption),
		cmocka_unit_test(test_a_job_adopted_three_times_is_poison),
		cmocka_unit_test(test_suspects_go_alone),
		cmocka_unit_test(test_after_a_gap_nothing_is_adopted_for_one_lease),
		cmocka_unit_test(test_half_a_lease_is_no_gap),
		cmocka_unit_test(test_a_gap_stops_nothing_but_adoption),
		cmocka_unit_test(test_the_clock_steps_back),
	};
	return cmocka_run_group_tests_name("claim.lua: leases", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("claim.lua on a cluster: leases", tests,
	                                   rig_setup_cluster, rig_teardown);
}

/* permit.lua: the fleet's bucket of one provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "support/permits.h"

/* With an hour between two mails, the time that this test takes is nothing. */
static void test_the_bucket(void **state)
{
	struct rig *r = permit_begin(state);

	permit_interval = 3600000000;
	permit_burst = 5;
	permit_expect(r, 3, "", "3 closed 0");
	struct permit p = permit_ask(r, 3, "");
	assert_int_equal(p.granted, 2);
	assert_string_equal(p.state, "limited");
	assert_in_range(p.wait, 3540000, 3600000);
	permit_expect(r, 1, "", "0 limited 0");
	rig_age_provider(r, PERMIT_KEY, 3600000);
	permit_expect(r, 3, "", "1 limited 0");
	rig_age_provider(r, PERMIT_KEY, 3 * 3600000);
	permit_expect(r, 3, "", "3 closed 0");
	rig_age_provider(r, PERMIT_KEY,
	                 1000LL * 3600000); /* it holds no more than the permit_burst */
	permit_expect(r, 100, "", "5 limited 0");
	/* what the wait says is enough, and a minute less is not */
	p = permit_ask(r, 1, "");
	rig_age_provider(r, PERMIT_KEY, p.wait - 60000);
	permit_expect(r, 1, "", "0 limited 0");
	rig_age_provider(r, PERMIT_KEY, 60000);
	permit_expect(r, 1, "", "1 closed 0");
}

static void test_the_bucket_bounds_probes_too(void **state)
{
	struct rig *r = permit_begin(state);

	permit_interval = 3600000000;
	permit_burst = 1;
	permit_wait_out(r);
	permit_expect(r, 9, "", "1 half-open 2"); /* so that whoever has it knows that it is one */
	permit_expect(r, 9, "", "0 half-open 2");
	assert_true(permit_ask(r, 9, "").wait > 1000000); /* the bucket's */
	rig_age_provider(r, PERMIT_KEY, 3600000);
	permit_expect(r, 9, "", "1 half-open 2"); /* the last probe */
}

/* Several clients at once, at random: never more than the burst and what flowed in meanwhile. */
static void test_the_rate_holds_in_any_stretch_of_time(void **state)
{
	enum { CLIENTS = 4, MAX_GRANTS = 4000, ENOUGH = 320, BURST = 20 };
	static struct {
		long long now, granted;
	} grants[MAX_GRANTS];
	struct rig *r = permit_begin(state);
	redisContext *client[CLIENTS];
	bool waits[CLIENTS] = {false};
	struct prng random;
	struct command c;
	size_t n = 0;
	long long total = 0;

	permit_interval = 500; /* µs */
	permit_burst = BURST;
	rig_watch(r, false);
	permit_ask(r, 0, ""); /* loads the script */
	prng_seed(&random, 20260101);
	command_init(&c);
	for (int i = 0; i < CLIENTS; i++)
		client[i] = redisConnectUnix(redis_server_socket(rig_server(r)));
	while (total < ENOUGH && n < MAX_GRANTS) {
		size_t i = prng_u64(&random) % CLIENTS;
		if (waits[i]) {
			redisReply *reply = NULL;
			assert_int_equal(redisGetReply(client[i], (void **)&reply), REDIS_OK);
			struct permit p = permit_read(reply);
			waits[i] = false;
			total += p.granted;
			if (p.granted > 0) {
				grants[n].now = p.now;
				grants[n++].granted = p.granted;
			}
			continue;
		}
		const int settings[] = {(int)(prng_u64(&random) % 30),
		                        PERMIT_THRESHOLD,
		                        PERMIT_OPEN_FOR,
		                        PERMIT_QUIET,
		                        PERMIT_PROBES,
		                        PERMIT_PROBE_LIFE,
		                        (int)permit_interval,
		                        (int)permit_burst,
		                        PERMIT_PAUSE_CAP};
		size_t len;
		int sent = 0;
		command_clear(&c);
		script_command(&c, SCRIPT_PERMIT, 1);
		command_str(&c, PERMIT_KEY);
		for (size_t s = 0; s < sizeof(settings) / sizeof(settings[0]); s++)
			command_int(&c, settings[s]);
		const char *wire = command_wire(&c, &len);
		assert_non_null(wire);
		redisAppendFormattedCommand(client[i], wire, len);
		while (!sent)
			assert_int_equal(redisBufferWrite(client[i], &sent), REDIS_OK);
		waits[i] = true;
	}
	for (int i = 0; i < CLIENTS; i++)
		redisFree(client[i]);
	command_free(&c);
	assert_true(total >= ENOUGH); /* far more than the burst: it does flow in */
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) { /* all that was granted from i's to j's ms */
			long long sum = 0, span = grants[j].now - grants[i].now + 1;
			if (span < 1 || span > 100)
				continue;
			for (size_t k = 0; k < n; k++) {
				if (grants[k].now >= grants[i].now &&
				    grants[k].now <= grants[j].now)
					sum += grants[k].granted;
			}
			assert_true(sum <= BURST + span * 1000 / permit_interval);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bucket),
		cmocka_unit_test(test_the_bucket_bounds_probes_too),
		cmocka_unit_test(test_the_rate_holds_in_any_stretch_of_time),
	};
	return cmocka_run_group_tests_name("permit.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("permit.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}

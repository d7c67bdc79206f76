/* 2,000 mails over three HTTP providers of which half of all replies are faults, of every kind: each
 * mail ends in the state that its replies call for, and nothing is sent twice but what is `unknown`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/http_server.h"
#include "support/timelines.h"

#define MAILS 2000

enum { SENDGRID, SES, RESEND, N_SERVERS };

/* What the servers have done to one mail, over all attempts. */
struct fate {
	size_t taken_well; /* it was answered as it should be */
	size_t refused;    /* it is to fail for good */
	size_t large;      /* the same, unless another provider may still be asked */
	size_t lost;       /* nobody can know */
	size_t broken;     /* while it was held: the last byte may have been on its way already */
	size_t others;
};

struct world {
	struct fleet *fleet;
	struct http_server *servers[N_SERVERS];
	struct fate fates[MAILS];
};

static int begin(void **state)
{
	static const char *const apis[] = {"sendgrid", "ses", "resend"};
	static const char *const dsns[] = {
		"PROVIDER_A=sendgrid://test-key-123@default?",
		"PROVIDER_B=ses://AKIDEXAMPLE:secret%2F%2B123@default?region=eu-west-1&",
		"PROVIDER_C=resend://test-key-123@default?"};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fleet = fleet_start(NULL);
	for (size_t i = 0; i < N_SERVERS; i++) {
		w->servers[i] = http_server_start();
		fleet_set(w->fleet, "%sconcurrency=30&timeout=15s&endpoint=%s", dsns[i],
		          http_server_url(w->servers[i], "chaos", apis[i]));
	}
	fleet_set(w->fleet, "PROVIDERS=a,b,c");
	fleet_set(w->fleet, "CIRCUIT_BREAKER_TIMEOUT=100");
	fleet_set(w->fleet, "THROTTLE_MAX=1000");
	fleet_set(w->fleet,
	          "LEASE_MS=60000"); /* what a worker loses by its slowness is no server's fault */
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	fleet_free(w->fleet);
	for (size_t i = 0; i < N_SERVERS; i++)
		http_server_free(w->servers[i]);
	free(w);
	return 0;
}

static void count_fate(struct fate *f, const char *name)
{
	static const char *const lost[] = {"gateway", "timeout",      "reset",   "close",
	                                   "partial", "partial-head", "garbage", "silent"};

	if (strncmp(name, "keep-", 5) == 0)
		name += 5;
	if (strcmp(name, "ok") == 0) {
		f->taken_well++;
		return;
	}
	if (strcmp(name, "hangup-held") == 0 || strcmp(name, "half-close-held") == 0 ||
	    strcmp(name, "reset-held") == 0 || strncmp(name, "held-", 5) == 0) {
		f->broken++;
		return;
	}
	if (strcmp(name, "refuse") == 0 || strcmp(name, "huge") == 0) {
		f->refused++;
		return;
	}
	f->large += strcmp(name, "large") == 0;
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (strcmp(name, lost[i]) == 0) {
			f->lost++;
			return;
		}
	}
	f->others++;
}

/* Lines "p-<n> <behaviour>". */
static void count_fates(struct world *w, const struct http_server *s)
{
	char *text = http_server_read(s, "fates"), *rest = text, *line, name[32];
	size_t n;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		assert_int_equal(sscanf(line, "p-%zu %31s", &n, name), 2);
		assert_true(n < MAILS);
		count_fate(&w->fates[n], name);
	}
	free(text);
}

/* By what it was answered. */
static bool is_right(const struct fate *f, const char *status)
{
	if (f->taken_well > 0)
		return strcmp(status, "sent") == 0;
	if (f->refused > 0)
		return strcmp(status, "failed") == 0;
	if (f->lost > 0) /* and so stays with the provider that may have it */
		return strcmp(status, "held") == 0 ||
		       (f->large > 0 && strcmp(status, "failed") == 0);
	return strcmp(status, "failed") == 0 || (f->broken > 0 && strcmp(status, "held") == 0);
}

static void check_status(struct world *w, size_t n)
{
	const struct fate *f = &w->fates[n];
	char key[32], *status;

	snprintf(key, sizeof(key), "p-%zu", n);
	status = fleet_field(w->fleet, key, "status");
	if (!is_right(f, status)) {
		fleet_show_status(w->fleet, key);
		fail_msg(
			"%s is %s, though taken %zu, refused %zu, lost %zu, broken %zu, others %zu",
			key, status, f->taken_well, f->refused, f->lost, f->broken, f->others);
	}
	free(status);
	/* Once it was taken or refused, nobody asks again. */
	assert_true(f->taken_well + f->refused <= 1);
}

static void test_chaos(void **state)
{
	struct world *w = *state;
	size_t copies = 0, lost = 0, broken = 0;
	struct timelines t;

	fleet_worker_ready(w->fleet, NULL);
	fleet_worker_ready(w->fleet, NULL);
	fleet_push_many(w->fleet, NULL, "p", MAILS, "");
	fleet_wait_settled(w->fleet, NULL);
	for (size_t i = 0; i < N_SERVERS; i++) {
		http_server_check(w->servers[i]);
		count_fates(w, w->servers[i]);
	}
	t = timelines_count(w->fleet, "p", MAILS);
	assert_int_equal(t.sent + t.failed + t.held, MAILS);
	for (size_t n = 0; n < MAILS; n++) {
		check_status(w, n);
		lost += w->fates[n].lost > 0;
		broken += w->fates[n].lost == 0 && w->fates[n].broken > 0;
	}
	assert_true(t.unknown >= lost && t.unknown <= lost + broken); /* and no others */
	assert_true(lost > 0 && t.retried > 0 && t.fell_back > 0);

	for (size_t i = 0; i < N_SERVERS; i++) {
		struct tally *tally = http_server_tally(w->servers[i]);

		for (size_t n = 0; n < MAILS; n++) {
			char key[32];
			size_t here;

			snprintf(key, sizeof(key), "p-%zu", n);
			here = tally_copies(tally, key);
			assert_true(here <= 1 || w->fates[n].lost > 0);
			assert_true(here == 0 || tally_ids(tally, key) == 1);
			copies += here;
		}
		if (i == RESEND) /* it knows its own by the idempotency key */
			assert_true(tally_most(tally) <= 1);
		tally_free(tally);
	}
	assert_true(copies >= t.sent);
	printf("%zu sent, %zu failed, %zu held; %zu attempts, %zu unknown, %zu copies\n", t.sent,
	       t.failed, t.held, t.attempts, t.unknown, copies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chaos),
	};

	return cmocka_run_group_tests_name("http_chaos", tests, begin, end);
}

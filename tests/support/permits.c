#include "support/permits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

long long permit_interval, permit_burst;

struct permit permit_read(redisReply *reply)
{
	struct permit p;

	assert_int_equal(reply->elements, 5);
	p.granted = reply->element[0]->integer;
	p.wait = reply->element[1]->integer;
	snprintf(p.state, sizeof(p.state), "%s", reply->element[2]->str);
	p.generation = reply->element[3]->integer;
	p.now = reply->element[4]->integer;
	freeReplyObject(reply);
	return p;
}

struct permit permit_ask(struct rig *r, int want, const char *reports)
{
	return permit_read(rig_reply(r, SCRIPT_PERMIT, PERMIT_KEY, PERMIT_SETTINGS " %s", want,
	                             PERMIT_THRESHOLD, PERMIT_OPEN_FOR, PERMIT_QUIET, PERMIT_PROBES,
	                             PERMIT_PROBE_LIFE, permit_interval, permit_burst,
	                             PERMIT_PAUSE_CAP, reports));
}

void permit_expect_at(int line, struct rig *r, int want, const char *reports, const char *answer)
{
	char got[64];
	struct permit p = permit_ask(r, want, reports);
	snprintf(got, sizeof(got), "%lld %s %lld", p.granted, p.state, p.generation);
	rig_same(__FILE__, line, reports, got, answer);
}

struct rig *permit_begin(void **state)
{
	permit_interval = permit_burst = 0;
	return rig_begin(state);
}

void permit_open_breaker(struct rig *r)
{
	permit_expect(r, 0, "0 fail 5 0 boom", "0 open 1");
}

void permit_wait_out(struct rig *r)
{
	permit_open_breaker(r);
	rig_age_provider(r, PERMIT_KEY, PERMIT_OPEN_FOR);
}

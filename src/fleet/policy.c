#include "fleet/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "fleet/backoff.h"

bool policy_may_use(const struct history *h, const struct policy *p, const char *provider)
{
	if (h->pinned[0] != '\0' && strcmp(h->pinned, provider) != 0)
		return false;
	return history_tries(h, provider) < p->max_tries;
}

static bool policy_any_left(const struct history *h, const struct policy *p,
                            const struct policy_provider *may, size_t n_may)
{
	for (size_t i = 0; i < n_may; i++) {
		if (policy_may_use(h, p, may[i].name))
			return true;
	}
	return false;
}

/* Nothing is left to try. Whatever was ever unknown may have been delivered: a person decides. */
static void policy_end(struct decision *d, const struct history *h)
{
	d->status = h->pinned[0] != '\0' ? "held" : "failed";
	d->settle = SETTLE_BURY;
}

static void policy_again(struct decision *d, int64_t at)
{
	d->status = "retrying";
	d->settle = SETTLE_DELAY;
	d->at = at;
}

/* Later at the same provider while it has tries left; at once at the next one; or the end. */
static void policy_retry(struct decision *d, const struct history *h, const struct policy *p,
                         const char *provider, const struct policy_provider *may, size_t n_may,
                         int64_t retry_after, int64_t now, uint64_t random)
{
	int64_t tries = history_tries(h, provider);

	if (policy_may_use(h, p, provider)) {
		int64_t wait = backoff_delay(tries, p->base_delay, p->max_delay, random);
		if (retry_after > p->throttle_max)
			retry_after = p->throttle_max;
		policy_again(d, now + (wait > retry_after ? wait : retry_after));
	} else if (policy_any_left(h, p, may, n_may)) {
		policy_again(d, now);
	} else {
		policy_end(d, h);
	}
}

/* A message that is too large for one provider may fit another whose limit is larger or not known. */
static void policy_too_large(struct history *h, const char *provider,
                             const struct policy_provider *may, size_t n_may)
{
	size_t limit = 0;

	for (size_t i = 0; i < n_may; i++) {
		if (strcmp(may[i].name, provider) == 0)
			limit = may[i].max_bytes;
	}
	for (size_t i = 0; i < n_may; i++) {
		if (limit > 0 && may[i].max_bytes > 0 && may[i].max_bytes <= limit)
			history_charge(h, may[i].name, HISTORY_USELESS);
	}
	history_charge(h, provider, HISTORY_USELESS);
}

static void policy_unknown(struct decision *d, struct history *h, const struct policy *p,
                           const char *provider, const struct policy_provider *may, size_t n_may,
                           int64_t now, uint64_t random)
{
	snprintf(h->pinned, sizeof(h->pinned), "%s", provider);
	history_charge(h, provider, 1);
	if (p->on_unknown == ON_UNKNOWN_RETRY) {
		policy_retry(d, h, p, provider, may, n_may, 0, now, random);
		return;
	}
	d->status = p->on_unknown == ON_UNKNOWN_HOLD ? "held" : "failed";
	d->settle = SETTLE_BURY;
}

/* It need not wait for this provider: it spills, and there is another. */
static bool policy_spills(const struct history *h, const struct policy *p, const char *provider,
                          const struct policy_provider *may, size_t n_may)
{
	bool spills = false, another = false;

	for (size_t i = 0; i < n_may; i++) {
		if (strcmp(may[i].name, provider) == 0)
			spills = may[i].spills;
		else
			another = another || policy_may_use(h, p, may[i].name);
	}
	return spills && another;
}

static void policy_throttled(struct decision *d, const struct history *h, const struct policy *p,
                             const char *provider, const struct policy_provider *may, size_t n_may,
                             const struct outcome *o, int64_t now, uint64_t random)
{
	int64_t pause = o->retry_after_ms > 0 ? o->retry_after_ms : POLICY_THROTTLE_MS;

	if (pause > p->throttle_max)
		pause = p->throttle_max;
	d->report = REPORT_THROTTLED;
	d->report_ms = pause;
	d->attempt = false; /* none is charged, and none is in the timeline */
	if (policy_spills(h, p, provider, may, n_may))
		policy_again(d, now);
	else /* not all at the same moment when the pause ends */
		policy_again(d,
		             now + pause + backoff_delay(1, p->base_delay, p->max_delay, random));
}

static void policy_rejected(struct decision *d, struct history *h, const struct policy *p,
                            const char *provider, const struct policy_provider *may, size_t n_may,
                            const struct outcome *o, int64_t now)
{
	d->report = REPORT_OK;
	if (strcmp(o->code, CODE_TOO_LARGE) == 0) {
		policy_too_large(h, provider, may, n_may);
		if (policy_any_left(h, p, may, n_may)) {
			policy_again(d, now);
			return;
		}
	}
	d->status = "failed";
	d->settle = SETTLE_BURY;
}

/* This provider is of no use for this mail, whatever it does for others: never again there. */
static void policy_elsewhere(struct decision *d, struct history *h, const struct policy *p,
                             const char *provider, const struct policy_provider *may, size_t n_may,
                             int64_t now)
{
	history_charge(h, provider, HISTORY_USELESS);
	if (policy_any_left(h, p, may, n_may))
		policy_again(d, now);
	else
		policy_end(d, h);
}

static void policy_provider_down(struct decision *d, struct history *h, const struct policy *p,
                                 const char *provider, const struct policy_provider *may,
                                 size_t n_may, const struct outcome *o, int64_t now,
                                 uint64_t random)
{
	if (strcmp(o->code, CODE_SENDER_REFUSED) == 0) {
		d->report = REPORT_OK;
		policy_elsewhere(d, h, p, provider, may, n_may, now);
		return;
	}
	d->report = REPORT_DOWN;
	d->report_ms = strcmp(o->code, CODE_QUOTA) == 0 ? POLICY_QUOTA_MS : 0;
	/* Not charged: the breaker keeps the mail away from it, and it waits when there is no other.
	 * The only one: the backoff keeps it from being the next probe at once. */
	policy_again(d,
	             n_may > 1 ? now : now + backoff_delay(1, p->base_delay, p->max_delay, random));
}

void policy_decide(struct decision *d, struct history *h, const struct policy *p,
                   const char *provider, const struct policy_provider *may, size_t n_may,
                   const struct outcome *o, bool deferred, int64_t now, uint64_t random)
{
	*d = (struct decision){.attempt = true};
	if (o->kind != OUTCOME_SENT)
		snprintf(d->error, sizeof(d->error), "%s: %s", o->code, o->text);
	switch (o->kind) {
	case OUTCOME_SENT:
		d->report = REPORT_OK;
		d->status = "sent";
		d->settle = SETTLE_ACK;
		if (deferred) {
			history_charge(h, provider, 1);
			if (policy_any_left(h, p, may, n_may))
				policy_retry(d, h, p, provider, may, n_may, o->retry_after_ms, now,
				             random);
		}
		break;
	case OUTCOME_RETRY:
		if (strcmp(o->code, CODE_UNSUPPORTED) == 0) {
			d->report = REPORT_VOID; /* it was not asked to take anything */
			policy_elsewhere(d, h, p, provider, may, n_may, now);
			break;
		}
		d->report = o->healthy ? REPORT_OK : REPORT_FAIL;
		history_charge(h, provider, 1);
		policy_retry(d, h, p, provider, may, n_may, o->retry_after_ms, now, random);
		break;
	case OUTCOME_THROTTLED:
		policy_throttled(d, h, p, provider, may, n_may, o, now, random);
		break;
	case OUTCOME_PROVIDER_DOWN:
		policy_provider_down(d, h, p, provider, may, n_may, o, now, random);
		break;
	case OUTCOME_REJECTED:
		policy_rejected(d, h, p, provider, may, n_may, o, now);
		break;
	case OUTCOME_UNKNOWN:
	case OUTCOME_N:
		d->report = REPORT_FAIL;
		policy_unknown(d, h, p, provider, may, n_may, now, random);
		break;
	}
}

/* policy.h - what follows from an outcome: pure, the table "Outcomes" of the README in code.
 *
 * Nothing here talks to anybody: given what is known of the mail and how its attempt ended, it says
 * which status the mail gets, how the claim is settled, and what the breaker is told. */
#ifndef FLEET_POLICY_H
#define FLEET_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/history.h"
#include "mail/outcome.h"

enum settle_action { SETTLE_ACK, SETTLE_KEEP, SETTLE_DELAY, SETTLE_BURY };
enum report_kind {
	REPORT_NONE,
	REPORT_OK,
	REPORT_FAIL,
	REPORT_VOID,
	REPORT_DOWN,
	REPORT_THROTTLED,
	REPORT_PROBING /* the gate's own: its probe is still out */
};

#define POLICY_QUOTA_MS 3600000   /* how long a provider whose quota is used up stays open */
#define POLICY_THROTTLE_MS 10000  /* how long to pause when the provider did not say */
#define POLICY_MAX_ERROR 200

struct decision {
	const char *status;       /* what the mail becomes; NULL: its status is not touched */
	enum settle_action settle;
	int64_t at;               /* Redis's clock, ms: next attempt (SETTLE_DELAY) */
	char error[POLICY_MAX_ERROR]; /* "code: text"; "" none */
	bool attempt;             /* it counts: a line in the timeline */
	enum report_kind report;
	int64_t report_ms;
};

/* The limits that apply to one mail. */
struct policy {
	int64_t max_tries;  /* per provider */
	int64_t base_delay, max_delay, throttle_max; /* ms */
	int on_unknown;     /* enum options_unknown */
};

struct policy_provider {
	const char *name;
	size_t max_bytes; /* 0 not known */
	bool spills;      /* overflow=spill: while it is throttled, another may take the mail */
};

/* Decides, and charges h. `may`: the providers this mail may use, in failover order (one when it is pinned by its
 * job). `deferred`: some recipients were put off though others were accepted. now: Redis's clock, ms. */
void policy_decide(struct decision *d, struct history *h, const struct policy *p, const char *provider,
                   const struct policy_provider *may, size_t n_may, const struct outcome *o, bool deferred,
                   int64_t now, uint64_t random);

/* Is this provider still to be tried for this mail? */
bool policy_may_use(const struct history *h, const struct policy *p, const char *provider);

#endif

/* webhook_rules.h - the configuration of webhooks, taken apart: who is told, of what, and how they
 * are signed and repeated.
 *
 * Without a secret there are no webhooks: whoever gets one could not know whom it is from. */
#ifndef PROVIDER_WEBHOOK_RULES_H
#define PROVIDER_WEBHOOK_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"

#define WEBHOOK_MAX_SECRETS 4
#define WEBHOOK_MIN_SECRET 24 /* bytes, by the specification */
#define WEBHOOK_MAX_SECRET 64
#define WEBHOOK_MAX_RETRIES 32
#define WEBHOOK_MAX_HOST 256  /* with its NUL */

struct webhook_secret {
	unsigned char bytes[WEBHOOK_MAX_SECRET];
	size_t len;
};

struct webhook_rules {
	const struct options *options; /* must outlive it */
	struct webhook_secret secrets[WEBHOOK_MAX_SECRETS]; /* all of them sign */
	size_t n_secrets;                                   /* 0: no webhooks */
	unsigned events;                                    /* one bit for each status that is told */
	int64_t retries[WEBHOOK_MAX_RETRIES]; /* ms: the pause after the first failed attempt, … */
	size_t n_retries;
	char own_host[WEBHOOK_MAX_HOST];      /* of WEBHOOK_URL: always allowed; "" none */
};

/* False: err says which option is wrong. */
bool webhook_rules_read(struct webhook_rules *r, const struct options *o, struct error *err) MUST_CHECK;
/* Other secrets: "whsec_…", or several with commas or blanks between. False: r is as it was. */
bool webhook_rules_set_secrets(struct webhook_rules *r, const char *text, struct error *err) MUST_CHECK;
void webhook_rules_wipe(struct webhook_rules *r);

/* Is a mail's change to this status told? */
bool webhook_rules_tell(const struct webhook_rules *r, const char *status);

struct webhook_target {
	char host[WEBHOOK_MAX_HOST]; /* lower case, without a dot at the end */
	bool clear_text;             /* http */
	long port;                   /* the scheme's own, where the URL has none */
};

/* May this URL be called? Fills `out` (host "" where there is none). False: *why says why not. The
 * address is another matter: http_client looks at it (public_only). The URL is read by libcurl, as
 * it is when it is called. */
bool webhook_rules_allow(const struct webhook_rules *r, const char *url, struct webhook_target *out, const char **why);

#endif

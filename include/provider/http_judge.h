/* http_judge.h - a provider's reply to an outcome: its own rules, then what the status says.
 *
 * Pure. A provider gives a table of what it documents; the first rule that fits counts. What no
 * rule knows is judged by the status alone:
 *
 *   2xx without the provider's proof that it took the mail, 1xx    unknown
 *   3xx, 401-405, 407, 410, 415, 421                               provider_down
 *   408, 409, 425, 500, 501 and other 5xx                          retry
 *   413                                                            rejected, too_large
 *   429; 503 with Retry-After                                      throttled
 *   502, 504, 520, 522, 524: a proxy got no answer                 unknown
 *   400, 422 and other 4xx                                         rejected */
#ifndef PROVIDER_HTTP_JUDGE_H
#define PROVIDER_HTTP_JUDGE_H

#include "mail/outcome.h"
#include "provider/http_reply.h"

enum verdict {
	VERDICT_NONE, /* ends a table */
	VERDICT_SENT,
	VERDICT_RETRY,     /* the provider is unwell */
	VERDICT_AGAIN,     /* it is well, and wants this mail again a little later */
	VERDICT_THROTTLED,
	VERDICT_DOWN,
	VERDICT_REJECTED,
	VERDICT_UNKNOWN,
	VERDICT_SENDER,    /* CODE_SENDER_REFUSED */
	VERDICT_QUOTA,     /* CODE_QUOTA */
	VERDICT_TOO_LARGE  /* CODE_TOO_LARGE */
};

struct http_rule {
	int status;       /* 0: any but 2xx, which may have taken the mail whatever it says */
	const char *code; /* the provider's own, or its beginning before a '*'; NULL: any */
	const char *text; /* somewhere in its words, in any case; NULL: any */
	enum verdict verdict;
};

/* code: the provider's own for it ("300", "invalid_api_key"); text: its words; both may be "".
 * The outcome's code is "422 invalid_api_key", and its retry_after_ms what Retry-After asks for. */
void http_judge(struct outcome *o, const struct http_reply *r, const struct http_rule *rules,
                const char *code, const char *text);

/* It took the mail, and calls it `id`. */
void http_judge_sent(struct outcome *o, const struct http_reply *r, const char *id);

#endif

#include "provider/http_judge.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define AGAIN_MS 2000 /* what VERDICT_AGAIN waits for, at the least */

static const struct http_rule by_status[] = {
	{401, NULL, NULL, VERDICT_DOWN},    {402, NULL, NULL, VERDICT_DOWN},
	{403, NULL, NULL, VERDICT_DOWN},    {404, NULL, NULL, VERDICT_DOWN},
	{405, NULL, NULL, VERDICT_DOWN},    {407, NULL, NULL, VERDICT_DOWN},
	{408, NULL, NULL, VERDICT_RETRY},   {409, NULL, NULL, VERDICT_RETRY},
	{410, NULL, NULL, VERDICT_DOWN},    {413, NULL, NULL, VERDICT_TOO_LARGE},
	{415, NULL, NULL, VERDICT_DOWN},    {421, NULL, NULL, VERDICT_DOWN},
	{425, NULL, NULL, VERDICT_RETRY},   {429, NULL, NULL, VERDICT_THROTTLED},
	{502, NULL, NULL, VERDICT_UNKNOWN}, {504, NULL, NULL, VERDICT_UNKNOWN},
	{520, NULL, NULL, VERDICT_UNKNOWN}, {522, NULL, NULL, VERDICT_UNKNOWN},
	{524, NULL, NULL, VERDICT_UNKNOWN}, {0},
};

static bool code_fits(const char *rule, const char *code)
{
	size_t n = strcspn(rule, "*");

	return rule[n] == '*' ? strncmp(rule, code, n) == 0 : strcmp(rule, code) == 0;
}

static enum verdict look_up(const struct http_rule *rules, int status, const char *code,
                            const char *text)
{
	for (const struct http_rule *r = rules; r->verdict != VERDICT_NONE; r++)
		if ((r->status == status || (r->status == 0 && status >= 300)) &&
		    (r->code == NULL || code_fits(r->code, code)) &&
		    (r->text == NULL || strcasestr(text, r->text) != NULL))
			return r->verdict;
	return VERDICT_NONE;
}

static enum verdict verdict_of_class(int status)
{
	if (status < 300)
		return VERDICT_UNKNOWN;
	if (status < 400)
		return VERDICT_DOWN;
	return status < 500 ? VERDICT_REJECTED : VERDICT_RETRY;
}

static void fill(struct outcome *o, enum verdict v, const char *code, const char *text)
{
	static const struct {
		enum outcome_kind kind;
		const char *code; /* instead of the provider's */
	} what[] = {
		[VERDICT_NONE] = {OUTCOME_UNKNOWN, NULL},
		[VERDICT_SENT] = {OUTCOME_SENT, NULL},
		[VERDICT_RETRY] = {OUTCOME_RETRY, NULL},
		[VERDICT_AGAIN] = {OUTCOME_RETRY, NULL},
		[VERDICT_THROTTLED] = {OUTCOME_THROTTLED, NULL},
		[VERDICT_DOWN] = {OUTCOME_PROVIDER_DOWN, NULL},
		[VERDICT_REJECTED] = {OUTCOME_REJECTED, NULL},
		[VERDICT_UNKNOWN] = {OUTCOME_UNKNOWN, NULL},
		[VERDICT_SENDER] = {OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED},
		[VERDICT_QUOTA] = {OUTCOME_PROVIDER_DOWN, CODE_QUOTA},
		[VERDICT_TOO_LARGE] = {OUTCOME_REJECTED, CODE_TOO_LARGE},
	};

	outcome_set(o, what[v].kind, what[v].code != NULL ? what[v].code : code, text);
	o->healthy = v == VERDICT_AGAIN;
}

/* "422 invalid_attachment"; a server's words for the status when it has none of its own. */
static void name(const struct http_reply *r, const char *code, const char **text,
                 char out[OUTCOME_MAX_CODE])
{
	if (code[0] != '\0')
		snprintf(out, OUTCOME_MAX_CODE, "%d %s", r->status, code);
	else
		snprintf(out, OUTCOME_MAX_CODE, "%d", r->status);
	if (**text == '\0')
		*text = r->status >= 300 ? "refused without words"
		                         : "it is not what this provider answers";
}

void http_judge(struct outcome *o, const struct http_reply *r, const struct http_rule *rules,
                const char *code, const char *text)
{
	int64_t wait = http_reply_retry_after(r);
	enum verdict v = look_up(rules, r->status, code, text);
	char named[OUTCOME_MAX_CODE];

	if (v == VERDICT_NONE)
		v = look_up(by_status, r->status, code, text);
	if (v == VERDICT_NONE)
		v = r->status == 503 && wait > 0 ? VERDICT_THROTTLED : verdict_of_class(r->status);
	name(r, code, &text, named);
	fill(o, v, named, text);
	if (v == VERDICT_AGAIN && wait < AGAIN_MS)
		wait = AGAIN_MS;
	o->retry_after_ms = wait;
}

void http_judge_sent(struct outcome *o, const struct http_reply *r, const char *id)
{
	char code[OUTCOME_MAX_CODE];
	struct outcome cleaned;

	snprintf(code, sizeof(code), "%d", r->status);
	outcome_set(o, OUTCOME_SENT, code, "accepted");
	/* Printable and in one line, as all that comes from outside. */
	outcome_set(&cleaned, OUTCOME_SENT, NULL, id);
	snprintf(o->message_id, sizeof(o->message_id), "%.*s",
	         (int)utf8_cut(cleaned.text, strlen(cleaned.text), OUTCOME_MAX_ID - 1),
	         cleaned.text);
}

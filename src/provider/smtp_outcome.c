#include "provider/smtp_outcome.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "base/line.h"
#include "base/mem.h"

#define BIT(PHASE) (1U << (PHASE))
#define AT_START (BIT(SMTP_GREETING) | BIT(SMTP_EHLO) | BIT(SMTP_HELO) | BIT(SMTP_STARTTLS))
#define AT_AUTH BIT(SMTP_AUTH)
#define AT_RSET (BIT(SMTP_IDLE) | BIT(SMTP_RSET))
#define AT_MAIL BIT(SMTP_MAIL)
#define AT_RCPT BIT(SMTP_RCPT)
#define AT_END (BIT(SMTP_DATA) | BIT(SMTP_BODY) | BIT(SMTP_HELD) | BIT(SMTP_FINAL))
#define ANYWHERE (~0U)

#define ABOUT_RATE                                                                                 \
	"=rate|=rates|rate limit|ratelimit|too many|too much mail|too fast|too quickly|"           \
	"slow down|throttl"
#define ABOUT_BLOCK                                                                                \
	"blocked using|blacklist|blocklist|block list|black list|spamhaus|=dnsbl|=rbl|"            \
	"reputation|client host|banned"
#define ABOUT_QUOTA                                                                                \
	"daily message quota|sending quota|sending limit|user sending|message quota exceeded|"     \
	"monthly quota|daily quota|maximum credits|out of credits|insufficient credits"
#define ABOUT_SENDER                                                                               \
	"sender address rejected|sender rejected|sender denied|sender is not|sender verify|"       \
	"invalid sender|unauthorized sender|not owned by|not verified|not authorized to send|"     \
	"not authorised to send|not allowed to send|send as"
#define ABOUT_LOGIN                                                                                \
	"authentication required|authentication is required|must authenticate|"                    \
	"not authenticated|starttls first|login first"
#define ABOUT_SIZE                                                                                 \
	"message too large|message is too large|message too big|message too long|"                 \
	"size limit|size exceeds|exceeds size|exceeds the maximum|fixed maximum"

#define ABOUT_ERRORS "too many errors|too many bad|too many invalid|too many unknown"
#define ABOUT_GREYLISTS "greylist|graylist|grey-list|gray-list|grey list|gray list|postgrey"
#define ABOUT_RCPTS "too many recipients|too many rcpt"
#define ABOUT_LATER "try again|try later|retry|again later"
#define ABOUT_HELO "helo command rejected|ehlo command rejected"
#define ABOUT_USERS "recipient address rejected|recipient rejected|user unknown"
#define ABOUT_MAILBOX "trying to contact|receiving mail"
#define ABOUT_HOST ABOUT_BLOCK "|helo command"
#define ABOUT_BYTES "=size|too big|too large|too long"
#define ABOUT_LIMITS "limit|quota"
#define ABOUT_CONTENT "spam|virus|malware|content|unsolicited|junk|phish"
#define AT_ENVELOPE (AT_MAIL | AT_RCPT | AT_END)

/* The table: the first row that fits says what the reply means.
 *   enhanced  NULL whatever; "" none; "4.7.28" exactly; "4.7." what begins so
 *   words     NULL whatever; else one of these (between bars) stands in the text, at the beginning
 *             of a word; with = it is a whole word */
/* clang-format off */
static const struct row {
	unsigned phases;
	int from, to; /* codes */
	const char *enhanced, *words;
	enum smtp_class class;
} rows[] = {
	/* phases             codes     enhanced  words                 class */
	/* The connection has seen too many of our errors: a fresh one helps. */
	{ANYWHERE,            421, 421, NULL,     ABOUT_ERRORS,         SMTP_CLASS_TEMP_MAIL},
	{ANYWHERE,            400, 499, NULL,     ABOUT_GREYLISTS,      SMTP_CLASS_GREYLISTED},
	{AT_RCPT,             452, 452, "4.5.3",  NULL,                 SMTP_CLASS_TOO_MANY},
	/* RFC 5321 4.5.3.1.10: a 552 here is meant as 452. */
	{AT_RCPT,             452, 452, NULL,     ABOUT_RCPTS,          SMTP_CLASS_TOO_MANY},
	{AT_RCPT,             552, 552, NULL,     ABOUT_RCPTS,          SMTP_CLASS_TOO_MANY},
	{ANYWHERE,            400, 599, NULL,     ABOUT_QUOTA,          SMTP_CLASS_QUOTA},
	{ANYWHERE,            500, 599, "5.4.5",  ABOUT_LIMITS,         SMTP_CLASS_QUOTA},

	/* Too much for that mailbox, not from us. */
	{AT_RCPT,             450, 450, "4.2.1",  ABOUT_MAILBOX,        SMTP_CLASS_TEMP_MAIL},
	{ANYWHERE,            400, 499, "4.7.28", NULL,                 SMTP_CLASS_THROTTLE},
	{ANYWHERE,            400, 499, "4.7.",   ABOUT_RATE,           SMTP_CLASS_THROTTLE},
	{ANYWHERE,            450, 450, "4.2.1",  ABOUT_RATE,           SMTP_CLASS_THROTTLE},
	{ANYWHERE,            421, 421, NULL,     ABOUT_RATE,           SMTP_CLASS_THROTTLE},
	{ANYWHERE,            400, 499, "",       ABOUT_RATE,           SMTP_CLASS_THROTTLE},

	{AT_RCPT | AT_END,    450, 451, "4.7.",   ABOUT_LATER,          SMTP_CLASS_GREYLISTED},
	{ANYWHERE,            421, 421, NULL,     NULL,                 SMTP_CLASS_TEMP},
	{AT_RCPT,             400, 499, "4.7.",   ABOUT_HOST,           SMTP_CLASS_TEMP},
	{AT_RCPT,             400, 499, "4.1.",   NULL,                 SMTP_CLASS_TEMP_MAIL},
	{AT_RCPT,             400, 499, "4.2.",   NULL,                 SMTP_CLASS_TEMP_MAIL},
	{AT_RCPT,             400, 499, NULL,     "relay",              SMTP_CLASS_TEMP},
	{AT_RCPT,             400, 499, "4.7.",   NULL,                 SMTP_CLASS_TEMP_MAIL},
	{AT_RCPT,             450, 450, "",       NULL,                 SMTP_CLASS_TEMP_MAIL},
	{AT_MAIL,             450, 451, "4.1.",   NULL,                 SMTP_CLASS_TEMP_MAIL},
	{ANYWHERE,            400, 499, NULL,     NULL,                 SMTP_CLASS_TEMP},

	{AT_RSET,             500, 599, NULL,     NULL,                 SMTP_CLASS_TEMP},
	{AT_START | AT_AUTH,  500, 599, NULL,     NULL,                 SMTP_CLASS_PROVIDER},
	{ANYWHERE,            530, 530, NULL,     NULL,                 SMTP_CLASS_PROVIDER},
	{ANYWHERE,            534, 535, NULL,     NULL,                 SMTP_CLASS_PROVIDER},
	{ANYWHERE,            538, 538, NULL,     NULL,                 SMTP_CLASS_PROVIDER},
	{ANYWHERE,            500, 599, NULL,     ABOUT_LOGIN,          SMTP_CLASS_PROVIDER},
	{ANYWHERE,            500, 599, NULL,     ABOUT_HELO,           SMTP_CLASS_PROVIDER},

	{ANYWHERE,            500, 599, "5.3.4",  NULL,                 SMTP_CLASS_TOO_LARGE},
	{ANYWHERE,            552, 552, "5.2.3",  NULL,                 SMTP_CLASS_TOO_LARGE},
	{AT_MAIL | AT_END,    500, 599, NULL,     ABOUT_SIZE,           SMTP_CLASS_TOO_LARGE},
	{AT_MAIL | AT_END,    552, 552, NULL,     ABOUT_BYTES,          SMTP_CLASS_TOO_LARGE},
	{ANYWHERE,            500, 599, "5.6.",   NULL,                 SMTP_CLASS_PERM},

	{AT_MAIL | AT_RCPT,   500, 599, "5.1.7",  NULL,                 SMTP_CLASS_SENDER},
	{AT_MAIL | AT_RCPT,   500, 599, "5.1.8",  NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, NULL,     ABOUT_SENDER,         SMTP_CLASS_SENDER},

	{ANYWHERE,            500, 504, NULL,     NULL,                 SMTP_CLASS_PERM},
	{AT_RCPT,             500, 599, "5.1.",   NULL,                 SMTP_CLASS_PERM},
	{AT_RCPT,             500, 599, "5.2.",   NULL,                 SMTP_CLASS_PERM},
	{AT_RCPT,             500, 599, NULL,     ABOUT_USERS,          SMTP_CLASS_PERM},
	{AT_RCPT,             521, 521, NULL,     NULL,                 SMTP_CLASS_PERM},
	{AT_RCPT,             556, 556, NULL,     NULL,                 SMTP_CLASS_PERM},

	{AT_MAIL,             521, 521, NULL,     NULL,                 SMTP_CLASS_PROVIDER},
	{AT_MAIL | AT_RCPT,   500, 599, NULL,     "relay",              SMTP_CLASS_PROVIDER},
	{AT_MAIL | AT_RCPT,   500, 599, NULL,     ABOUT_BLOCK,          SMTP_CLASS_PROVIDER},
	{AT_MAIL | AT_END,    500, 599, NULL,     "suspended",          SMTP_CLASS_PROVIDER},
	{AT_MAIL | AT_END,    554, 554, "",       "access denied",      SMTP_CLASS_PROVIDER},

	{AT_END,              500, 599, NULL,     ABOUT_CONTENT,        SMTP_CLASS_PERM},
	{AT_END,              554, 554, "5.7.1",  NULL,                 SMTP_CLASS_PERM},
	/* SPF, DKIM, DMARC, PTR, ARC, TLS: what is wrong is who we say we are. */
	{AT_ENVELOPE,         500, 599, "5.7.1",  NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.9",  NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.23", NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.25", NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.26", NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.27", NULL,                 SMTP_CLASS_SENDER},
	{AT_ENVELOPE,         500, 599, "5.7.29", NULL,                 SMTP_CLASS_SENDER},
	{AT_MAIL,             500, 599, NULL,     "sender|not authori", SMTP_CLASS_SENDER},
	{ANYWHERE,            500, 599, NULL,     NULL,                 SMTP_CLASS_PERM},
};
/* clang-format on */

static bool has_word(const char *text, const char *word, size_t len, bool whole)
{
	for (const char *at = text; *at != '\0'; at++) {
		if (strncasecmp(at, word, len) != 0)
			continue;
		if (at > text && isalnum((unsigned char)at[-1]) && isalnum((unsigned char)*word))
			continue;
		if (!whole || !isalnum((unsigned char)at[len]))
			return true;
	}
	return false;
}

static bool has_any(const char *text, const char *words)
{
	while (*words != '\0') {
		bool whole = *words == '=';
		size_t len = strcspn(words += whole, "|");

		if (has_word(text, words, len, whole))
			return true;
		words += len + (words[len] == '|');
	}
	return false;
}

static bool enhanced_fits(const char *pattern, const char *enhanced)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '.')
		return strncmp(enhanced, pattern, len) == 0;
	return strcmp(enhanced, pattern) == 0;
}

enum smtp_class smtp_outcome_classify(enum smtp_phase phase, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		return SMTP_CLASS_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		if ((row->phases & BIT(phase)) != 0 && r->code >= row->from && r->code <= row->to &&
		    (row->enhanced == NULL || enhanced_fits(row->enhanced, r->enhanced)) &&
		    (row->words == NULL || has_any(r->text, row->words)))
			return row->class;
	}
	return SMTP_CLASS_TEMP; /* 3xx: no refusal at all */
}

/* ---- what the text says beyond its class ------------------------------------------------------ */

static const char *skip_blanks(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

int64_t smtp_outcome_wait_ms(const char *text)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"=s|=sec|=secs|=second|=seconds", 1000},
	             {"=m|=min|=mins|=minute|=minutes", 60000},
	             {"=h|=hour|=hours", 3600000}};
	static const char *const before[] = {"in ", "after ", "for ", "wait ", "least "};

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		for (const char *at = text; (at = strcasestr(at, before[i])) != NULL; at++) {
			const char *digits = skip_blanks(at + strlen(before[i]));
			char *unit;
			long n = strtol(digits, &unit, 10);

			if (unit == digits || n <= 0 || n > 86400)
				continue;
			unit = (char *)skip_blanks(unit);
			for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
				char word[16];

				snprintf(word, sizeof(word), "%.*s",
				         (int)strspn(unit, "abcdefghijklmnopqrstuvwxyz"), unit);
				if (has_any(word, units[u].unit))
					return n * units[u].ms;
			}
		}
	}
	return 0;
}

static void copy_word(char out[OUTCOME_MAX_ID], const char *at)
{
	size_t len = strcspn(at, " ");

	while (len > 0 && strchr(".,;)", at[len - 1]) != NULL)
		len--;
	snprintf(out, OUTCOME_MAX_ID, "%.*s", len < OUTCOME_MAX_ID ? (int)len : OUTCOME_MAX_ID, at);
}

void smtp_outcome_queue_id(char out[OUTCOME_MAX_ID], const char *text)
{
	static const char *const before[] = {"queued as ", "queued with id ", "=id=", "id="};
	const char *at;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		at = strcasestr(text, before[i]);
		if (at == NULL)
			continue;
		copy_word(out, skip_blanks(at + strlen(before[i])));
		return;
	}
	/* "Ok 0102018f-…": one word that has a digit, and nothing after it. */
	if (strncasecmp(text, "ok ", 3) != 0)
		return;
	at = skip_blanks(text + 3);
	if (strchr(at, ' ') == NULL && strpbrk(at, "0123456789") != NULL)
		copy_word(out, at);
}

/* ---- outcomes ------------------------------------------------------------------------------- */

static const struct {
	enum outcome_kind kind;
	const char *code; /* NULL: the reply's own */
	bool healthy;
	int rank; /* of a recipient's reply: what decides for a mail that nobody accepted */
} effects[SMTP_CLASS_N] = {
	[SMTP_CLASS_OK] = {OUTCOME_SENT, NULL, true, 0},
	[SMTP_CLASS_TEMP] = {OUTCOME_RETRY, NULL, false, 6},
	[SMTP_CLASS_TEMP_MAIL] = {OUTCOME_RETRY, NULL, true, 4},
	[SMTP_CLASS_GREYLISTED] = {OUTCOME_RETRY, CODE_GREYLISTED, true, 5},
	[SMTP_CLASS_TOO_MANY] = {OUTCOME_RETRY, NULL, true, 4},
	[SMTP_CLASS_THROTTLE] = {OUTCOME_THROTTLED, NULL, true, 7},
	[SMTP_CLASS_QUOTA] = {OUTCOME_PROVIDER_DOWN, CODE_QUOTA, false, 3},
	[SMTP_CLASS_PROVIDER] = {OUTCOME_PROVIDER_DOWN, NULL, false, 3},
	[SMTP_CLASS_SENDER] = {OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, true, 2},
	[SMTP_CLASS_TOO_LARGE] = {OUTCOME_REJECTED, CODE_TOO_LARGE, true, 1},
	[SMTP_CLASS_PERM] = {OUTCOME_REJECTED, NULL, true, 1},
};

static void reply_code(char out[RCPT_MAX_CODE], const struct smtp_reply *r)
{
	struct line l = line_begin(out, RCPT_MAX_CODE);

	line_add_int(&l, r->code);
	line_add(&l, r->enhanced[0] != '\0' ? " " : "");
	line_add(&l, r->enhanced);
}

static void set_from_reply(struct outcome *o, enum smtp_class class, const struct smtp_reply *r)
{
	const char *code = effects[class].code;
	char own[RCPT_MAX_CODE], text[REPLY_MAX_TEXT + RCPT_MAX_CODE];

	reply_code(own, r);
	if (code != NULL) /* the reply's code is not lost */
		snprintf(text, sizeof(text), "%s %s", own, r->text);
	outcome_set(o, effects[class].kind, code != NULL ? code : own,
	            code != NULL ? text : r->text);
	o->healthy = effects[class].healthy;
	if (class == SMTP_CLASS_OK)
		smtp_outcome_queue_id(o->message_id, r->text);
	else if (o->kind == OUTCOME_RETRY || o->kind == OUTCOME_THROTTLED)
		o->retry_after_ms = smtp_outcome_wait_ms(r->text);
	if (class == SMTP_CLASS_GREYLISTED && o->retry_after_ms < SMTP_GREYLIST_MS)
		o->retry_after_ms = SMTP_GREYLIST_MS;
	if (class == SMTP_CLASS_TOO_MANY)
		o->retry_after_ms = SMTP_TOO_MANY_MS;
}

static const struct {
	enum outcome_kind kind;
	const char *code;
} ends[] = {
	[SMTP_END_DNS] = {OUTCOME_RETRY, "dns"},
	[SMTP_END_CONNECT] = {OUTCOME_RETRY, "connect"},
	[SMTP_END_LOST] = {OUTCOME_RETRY, "lost"},
	[SMTP_END_TIMEOUT] = {OUTCOME_RETRY, "timeout"},
	[SMTP_END_PROTOCOL] = {OUTCOME_RETRY, "protocol"},
	[SMTP_END_TLS] = {OUTCOME_PROVIDER_DOWN, "tls"},
	[SMTP_END_AUTH] = {OUTCOME_PROVIDER_DOWN, "auth"},
	[SMTP_END_TOO_LARGE] = {OUTCOME_REJECTED, CODE_TOO_LARGE},
	[SMTP_END_NO_UTF8] = {OUTCOME_RETRY, CODE_UNSUPPORTED},
	[SMTP_END_NO_8BIT] = {OUTCOME_RETRY, CODE_UNSUPPORTED},
	[SMTP_END_BAD_ADDRESS] = {OUTCOME_REJECTED, "address"},
};

void smtp_outcome(struct outcome *o, const struct smtp_result *r)
{
	enum outcome_kind kind = ends[r->end].kind;
	char text[SMTP_MAX_WHY + 32];
	enum smtp_class class;

	if (r->end == SMTP_END_REPLY) {
		class = smtp_outcome_classify(r->phase, &r->reply);
		if (r->busy > 1 && class == SMTP_CLASS_TEMP)
			class = SMTP_CLASS_THROTTLE; /* it takes no more connections */
		set_from_reply(o, class, &r->reply);
		return;
	}
	if (r->last_byte_left)
		kind = OUTCOME_UNKNOWN;
	else if (r->end == SMTP_END_PROTOCOL && r->phase <= SMTP_GREETING)
		kind = OUTCOME_PROVIDER_DOWN; /* whatever listens there, it is no mail server */
	/* Where nothing went wrong with the connection, the reason says it all. */
	snprintf(text, sizeof(text), "%s: %s", smtp_phase_name(r->phase), r->why);
	outcome_set(o, kind, ends[r->end].code, r->end < SMTP_END_TLS ? text : r->why);
	o->healthy = r->held_long;
}

void smtp_rcpts_start(struct smtp_rcpts *all)
{
	memset(all, 0, sizeof(*all));
}

void smtp_rcpts_add(struct smtp_rcpts *all, struct rcpt_result *one, const struct smtp_reply *r)
{
	enum smtp_class class = smtp_outcome_classify(SMTP_RCPT, r);
	struct outcome o;

	reply_code(one->code, r);
	if (class == SMTP_CLASS_OK) {
		one->state = RCPT_ACCEPTED;
		all->accepted++;
		return;
	}
	set_from_reply(&o, class, r);
	if (class == SMTP_CLASS_PERM || class == SMTP_CLASS_TOO_LARGE) {
		one->state = RCPT_REFUSED;
		all->refused++;
	} else {
		/* Also where only this provider refuses: another one may take it. */
		one->state = RCPT_DEFERRED;
		all->deferred++;
		if (o.retry_after_ms > all->retry_after_ms)
			all->retry_after_ms = o.retry_after_ms;
	}
	if (effects[class].rank > all->rank) {
		all->rank = effects[class].rank;
		all->worst = o;
	}
}

void smtp_outcome_hide(struct outcome *o, const struct smtp_config *c)
{
	size_t user = strlen(c->user), password = strlen(c->password), n = user + password + 2;
	char *plain;
	struct buf encoded;

	if (password == 0 || o->text[0] == '\0')
		return;
	plain = mem_alloc(n + 1);
	snprintf(plain, n + 1, "%c%s%c%s", '\0', c->user, '\0', c->password);
	buf_init(&encoded, 2 * n + 8);
	jsonw_add_base64(&encoded, plain, n);
	outcome_hide(o, buf_str(&encoded)); /* AUTH PLAIN */
	buf_clear(&encoded);
	jsonw_add_base64(&encoded, c->password, password);
	outcome_hide(o, buf_str(&encoded)); /* AUTH LOGIN */
	outcome_hide(o, c->password);
	mem_wipe(plain, n);
	mem_free(plain);
	mem_wipe(encoded.data, encoded.cap);
	buf_free(&encoded);
}

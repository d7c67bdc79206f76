/* SMTP replies: the parser, whole and byte by byte; what EHLO offers; what a reply means in each phase. */
#include "fuzz/fuzz.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "provider/smtp_outcome.h"
#include "smtp/caps.h"
#include "smtp/reply.h"

#define MAX_REPLIES 3 /* of one input */
#define SLOW_BYTES 700

struct told {
	struct smtp_caps caps;
	size_t lines;
};

static void on_line(void *arg, const char *text, size_t len)
{
	struct told *told = arg;

	told->lines++;
	smtp_caps_line(&told->caps, text, len);
}

static void check_reply(const struct smtp_reply *r)
{
	FUZZ_REQUIRE(r->code >= 200 && r->code <= 599);
	FUZZ_REQUIRE(r->n_lines >= 1 && r->n_lines <= REPLY_MAX_LINES);
	FUZZ_REQUIRE(strlen(r->text) < REPLY_MAX_TEXT && fuzz_printable(r->text));
	FUZZ_REQUIRE(utf8_valid(r->text, strlen(r->text)));
	FUZZ_REQUIRE(strspn(r->enhanced, "0123456789.") == strlen(r->enhanced));
	FUZZ_REQUIRE(r->enhanced[0] == '\0' || r->enhanced[0] == '0' + r->code / 100);
}

/* The same bytes, one more at each call, as a slow server sends them. */
static enum reply_status parse_slowly(struct smtp_reply *r, struct told *told, const char *bytes,
                                      size_t size, size_t *used)
{
	enum reply_status status = REPLY_MORE;
	size_t taken;

	*used = 0;
	for (size_t n = 0; n <= size && status == REPLY_MORE; n++) {
		if (n < *used)
			continue;
		status = smtp_reply_parse(r, bytes + *used, n - *used, &taken, on_line, told);
		*used += taken;
		FUZZ_REQUIRE(*used <= n);
	}
	return status;
}

static void check_recipient(const struct smtp_reply *r)
{
	struct rcpt_result one = {.state = RCPT_PENDING};
	struct smtp_rcpts all;

	smtp_rcpts_start(&all);
	smtp_rcpts_add(&all, &one, r);
	FUZZ_REQUIRE(all.accepted + all.deferred + all.refused <= 1);
	FUZZ_REQUIRE((one.state == RCPT_ACCEPTED) == (r->code / 100 == 2));
	FUZZ_REQUIRE(one.state != RCPT_REFUSED || r->code >= 500);
	FUZZ_REQUIRE(one.state == RCPT_ACCEPTED || all.worst.kind != OUTCOME_SENT);
}

/* A 2xx to the dot is the one thing that makes a mail sent. */
static void check_meaning(const struct smtp_reply *r)
{
	for (int phase = SMTP_GREETING; phase < SMTP_CLOSED; phase++) {
		struct smtp_result result = {
			.end = SMTP_END_REPLY, .phase = (enum smtp_phase)phase, .reply = *r};
		struct outcome o;

		if (r->code / 100 == 3 || (r->code / 100 == 2 && phase != SMTP_FINAL))
			continue; /* never ends an envelope */
		smtp_outcome(&o, &result);
		FUZZ_REQUIRE((o.kind == OUTCOME_SENT) == (r->code / 100 == 2));
		FUZZ_REQUIRE(o.kind != OUTCOME_UNKNOWN);
		FUZZ_REQUIRE(o.retry_after_ms >= 0);
		FUZZ_REQUIRE(fuzz_printable(o.code) && fuzz_printable(o.text) &&
		             fuzz_printable(o.message_id));
		FUZZ_REQUIRE(utf8_valid(o.text, strlen(o.text)));
	}
	FUZZ_REQUIRE(smtp_outcome_wait_ms(r->text) >= 0);
	check_recipient(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;

	for (int i = 0; i < MAX_REPLIES && size > 0; i++) {
		struct smtp_reply whole = {0}, slow = {0};
		struct told told = {0}, told_slowly = {0};
		enum reply_status status, status_slow;
		size_t used, used_slow;

		status = smtp_reply_parse(&whole, bytes, size, &used, on_line, &told);
		FUZZ_REQUIRE(used <= size);
		status_slow = parse_slowly(&slow, &told_slowly, bytes,
		                           size < SLOW_BYTES ? size : SLOW_BYTES, &used_slow);
		if (size < SLOW_BYTES)
			FUZZ_REQUIRE(status == status_slow && used == used_slow &&
			             memcmp(&whole, &slow, sizeof(slow)) == 0 &&
			             memcmp(&told, &told_slowly, sizeof(told)) == 0);
		if (status != REPLY_WHOLE)
			break;
		check_reply(&whole);
		check_meaning(&whole);
		bytes += used;
		size -= used;
	}
	return 0;
}

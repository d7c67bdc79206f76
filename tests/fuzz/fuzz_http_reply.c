/* What HTTP providers answer: the head line by line, the body in pieces, and what each of them makes of it. */
#include "fuzz/fuzz.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "provider/http_reply.h"
#include "provider/mailgun.h"
#include "provider/postmark.h"
#include "provider/resend.h"
#include "provider/sendgrid.h"
#include "provider/ses.h"

#define NOW_S INT64_C(1795514400)
#define YEAR_MS INT64_C(31536000000)

static struct job *job;

static void (*const judges[])(struct outcome *o, const struct http_reply *r) = {
	sendgrid_judge, mailgun_judge, ses_judge, postmark_judge, resend_judge};

/* Head and body as libcurl hands them over; a '\0' in the body ends a piece. */
static void read_reply(struct http_reply *r, struct fuzz_bytes in)
{
	bool whole = true;

	while (in.left > 0) {
		const uint8_t *end = memchr(in.at, '\n', in.left);
		size_t n = end != NULL ? (size_t)(end - in.at) + 1 : in.left;
		bool head_ends = http_reply_line(r, (const char *)in.at, n);

		in.at += n;
		in.left -= n;
		if (head_ends && r->status >= 200)
			break;
	}
	while (in.left > 0) {
		const uint8_t *end = memchr(in.at, '\0', in.left);
		size_t n = end != NULL ? (size_t)(end - in.at) + 1 : in.left;

		whole = http_reply_body(r, (const char *)in.at, n) && whole;
		in.at += n;
		in.left -= n;
	}
	r->complete = whole;
	FUZZ_REQUIRE(r->body.len <= HTTP_REPLY_MAX_BODY &&
	             r->headers.len <= HTTP_REPLY_MAX_HEADERS);
}

static void check_outcome(const struct outcome *o, const struct http_reply *r)
{
	FUZZ_REQUIRE(o->kind >= 0 && o->kind < OUTCOME_N);
	FUZZ_REQUIRE(o->kind != OUTCOME_SENT || (r->status >= 200 && r->status < 300));
	/* Every other 2xx may have been taken: nobody knows. (Mailgun has one of its own for a wrong path.) */
	if (r->status / 100 == 2 && strcmp(o->code, "endpoint") != 0)
		FUZZ_REQUIRE(o->kind == OUTCOME_SENT || o->kind == OUTCOME_UNKNOWN);
	FUZZ_REQUIRE(fuzz_printable(o->code) && fuzz_printable(o->text) &&
	             fuzz_printable(o->message_id));
	FUZZ_REQUIRE(utf8_valid(o->code, strlen(o->code)) && utf8_valid(o->text, strlen(o->text)));
	FUZZ_REQUIRE(utf8_valid(o->message_id, strlen(o->message_id)));
	FUZZ_REQUIRE(o->retry_after_ms >= 0 && o->retry_after_ms <= YEAR_MS);
}

static void check_refused(const struct http_reply *r)
{
	struct rcpt_result rcpts[3] = {{.state = RCPT_PENDING}};
	struct delivery d = {.job = job, .rcpts = rcpts};
	struct addressees to = {0};

	addressees_fill(&to, job, NULL);
	postmark_mark_refused(r, &to, &d);
	for (size_t i = 0; i < 3; i++)
		FUZZ_REQUIRE(rcpts[i].state == RCPT_PENDING || rcpts[i].state == RCPT_REFUSED);
	addressees_free(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char payload[] =
		"{\"to\":[\"a@x.org\",\"aa@x.org.uk\",\"b@x.org\"],\"subject\":\"s\",\"text\":\"t\",\"from\":\"f@x.org\"}";
	struct http_reply r;
	struct outcome o;
	struct buf faults;

	if (job == NULL) {
		buf_init(&faults, 1000);
		job = job_parse(payload, strlen(payload), NULL, &faults);
		FUZZ_REQUIRE(job != NULL);
	}
	http_reply_init(&r);
	read_reply(&r, (struct fuzz_bytes){data, size});
	for (size_t i = 0; i < sizeof(judges) / sizeof(judges[0]); i++) {
		judges[i](&o, &r);
		check_outcome(&o, &r);
	}
	(void)ses_clock_error(&r, NOW_S);
	check_refused(&r);
	http_reply_free(&r);
	return 0;
}

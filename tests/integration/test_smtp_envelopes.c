/* Recipients, refusals, extensions and the text: through the provider interface, against a server that
 * does as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/reply.h"
#include "support/smtp_rig.h"
#include "support/wait.h"

#define PIPELINED "PIPELINING,8BITMIME,SIZE 100000"
#define THREE                                                                                      \
	"{\"to\":[\"a@x.example\",\"b@x.example\"],\"bcc\":\"c@x.example\",\"subject\":\"Hi\","    \
	"\"body\":\"Hello\"}"

/* ---- recipients: FAULTS 24, 25, 27 --------------------------------------------------------------- */

/* What is answered to the recipients of the first envelopes, to DATA, and to the dot. */
struct answers {
	const char *caps;
	const char *mail[4]; /* of each envelope, NULL: 250 */
	const char *rcpt[8]; /* one after the other, over all envelopes; NULL: 250 */
	const char *data[4]; /* NULL: 354 if a recipient was accepted, else 554 */
	const char *dot[4];  /* NULL: 250 */
	bool one_by_one;     /* checks that nothing is pipelined */
};

struct progress {
	size_t mails, rcpts, datas, dots, accepted;
};

static bool answer(struct script *c, const char *reply, const char *otherwise)
{
	return script_say(c, "%s", reply != NULL ? reply : otherwise);
}

static bool answer_data(struct script *c, const struct answers *a, struct progress *p)
{
	const char *reply = p->datas < 4 ? a->data[p->datas++] : NULL;
	bool go;

	if (reply == NULL)
		reply = p->accepted > 0 ? "354 go" : "554 5.5.1 no valid recipients";
	go = strncmp(reply, "354", 3) == 0;
	p->accepted = 0;
	if (!script_say(c, "%s", reply))
		return false;
	if (!go)
		return true;
	return script_body(c) &&
	       answer(c, p->dots < 4 ? a->dot[p->dots++] : NULL, "250 2.0.0 Ok: queued as Q1");
}

static void answers_as_told(struct script *c)
{
	const struct answers *a = c->arg;
	struct progress p = {0};
	char line[4096];
	bool more = script_hello(c, a->caps);

	while (more && script_line(c, line, sizeof(line))) {
		if (a->one_by_one)
			script_quiet(c);
		if (strncmp(line, "MAIL", 4) == 0) {
			more = answer(c, p.mails < 4 ? a->mail[p.mails++] : NULL, "250 2.1.0 Ok");
		} else if (strncmp(line, "RCPT", 4) == 0) {
			const char *reply = p.rcpts < 8 ? a->rcpt[p.rcpts++] : NULL;

			p.accepted += reply == NULL || reply[0] == '2';
			more = answer(c, reply, "250 2.1.5 Ok");
		} else if (strcmp(line, "DATA") == 0) {
			more = answer_data(c, a, &p);
		} else {
			p.accepted = 0;
			more = script_say(c, "250 2.0.0 Ok");
		}
	}
}

static struct mail *start_three(const struct answers *a)
{
	smtp_rig_start(answers_as_told, (void *)(uintptr_t)a, "");
	return mail_new(rig.provider, 1, THREE);
}

static void states_are(const struct mail *m, enum rcpt_state a, enum rcpt_state b,
                       enum rcpt_state c)
{
	assert_int_equal(m->delivery.rcpts[0].state, a);
	assert_int_equal(m->delivery.rcpts[1].state, b);
	assert_int_equal(m->delivery.rcpts[2].state, c);
}

static void test_one_of_three_is_refused(void **state)
{
	static const struct answers a = {.caps = PIPELINED, .rcpt = {NULL, "550 5.1.1 no"}};
	struct mail *m = start_three(&a);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250 2.0.0");
	assert_string_equal(m->outcome.message_id, "Q1");
	states_are(m, RCPT_ACCEPTED, RCPT_REFUSED, RCPT_ACCEPTED);
	assert_string_equal(m->delivery.rcpts[1].code, "550 5.1.1");
	assert_int_equal(smtp_rig_saw("<body "), 1);
	mail_free(m);
}

/* Greylisting and too many: they go again, alone, and the accepted ones do not. */
static void test_the_deferred_go_again_alone(void **state)
{
	static const struct answers a = {
		.caps = PIPELINED,
		.rcpt = {NULL, "450 4.2.0 Greylisted", "452 4.5.3 too many recipients"}};
	struct mail *m = start_three(&a);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250");
	states_are(m, RCPT_ACCEPTED, RCPT_DEFERRED, RCPT_DEFERRED);
	assert_true(m->outcome.retry_after_ms >= 300000);
	assert_int_equal(smtp_rig_saw("RCPT TO:<a@x.example>"), 1);
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250");
	states_are(m, RCPT_ACCEPTED, RCPT_ACCEPTED, RCPT_ACCEPTED);
	assert_int_equal(smtp_rig_saw("RCPT TO:<a@x.example>"), 1);
	assert_int_equal(smtp_rig_saw("RCPT TO:<b@x.example>"), 2);
	assert_int_equal(smtp_rig_saw("RCPT TO:<c@x.example>"), 2);
	mail_free(m);
}

static void test_greylisted_by_all_is_healthy(void **state)
{
	static const struct answers a = {
		.caps = PIPELINED,
		.rcpt = {"450 4.2.0 Greylisted", "550 5.1.1 no", "450 4.2.0 Greylisted"}};
	struct mail *m = start_three(&a);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_RETRY, CODE_GREYLISTED);
	assert_true(m->outcome.healthy);
	assert_int_equal(m->outcome.retry_after_ms, 300000);
	states_are(m, RCPT_DEFERRED, RCPT_REFUSED, RCPT_DEFERRED);
	assert_int_equal(m->ready, 0);
	mail_free(m);
}

/* With PIPELINING, DATA has gone before we know: some servers say 354, and take the lone dot that
 * ends it for a mail. */
static void test_all_refused_is_never_sent(void **state)
{
	static const struct answers ways[] = {
		{.caps = PIPELINED, .rcpt = {"550 5.1.1 a", "550 5.1.1 b", "550 5.1.1 c"}},
		{.caps = PIPELINED,
	         .rcpt = {"550 5.1.1 a", "550 5.1.1 b", "550 5.1.1 c"},
	         .data = {"503 5.5.1 need RCPT"}},
		{.caps = PIPELINED,
	         .rcpt = {"550 5.1.1 a", "550 5.1.1 b", "550 5.1.1 c"},
	         .data = {"354 go"},
	         .dot = {"250 2.0.0 Ok: queued as NOTHING"}},
		{.caps = PIPELINED,
	         .rcpt = {"550 5.1.1 a", "550 5.1.1 b", "550 5.1.1 c"},
	         .data = {"354 go"},
	         .dot = {"554 5.5.1 no valid recipients"}},
		{.caps = "8BITMIME", .rcpt = {"550 5.1.1 a", "550 5.1.1 b", "550 5.1.1 c"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct mail *m = start_three(&ways[i]);

		smtp_rig_is(*mail_deliver(m), OUTCOME_REJECTED, "550 5.1.1");
		assert_int_equal(m->ready, 0);
		assert_string_equal(m->outcome.message_id, "");
		states_are(m, RCPT_REFUSED, RCPT_REFUSED, RCPT_REFUSED);
		/* If there was a text at all, it was the lone dot. */
		assert_int_equal(smtp_rig_saw("<body "), smtp_rig_saw("<body 3>"));
		assert_int_equal(smtp_rig_saw("<cut "), 0);
		/* The connection is in step: the next mail goes over it, after a RSET. */
		smtp_rig_expect(OUTCOME_SENT, "250");
		assert_int_equal(smtp_rig_saw("RSET"), 1);
		assert_int_equal(script_server_connections(rig.server), 1);
		mail_free(m);
	}
}

/* The sender is refused, a recipient is taken, and DATA goes ahead: a dot would send an empty mail in
 * the name of the transaction before. */
static void test_a_refused_sender_never_sends(void **state)
{
	static const struct answers a = {
		.caps = PIPELINED, .mail = {"501 5.5.4 syntax"}, .data = {"354 go"}};
	struct mail *m = start_three(&a);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_REJECTED, "501 5.5.4");
	states_are(m, RCPT_REFUSED, RCPT_REFUSED, RCPT_REFUSED);
	script_server_wait(rig.server, "<cut 0>", 1);
	assert_int_equal(smtp_rig_saw("<body "), 0);
	mail_free(m);
}

static void test_a_refused_sender_whose_recipients_are_refused_too(void **state)
{
	static const struct answers a = {
		.caps = PIPELINED,
		.mail = {"550 5.7.1 not authorized"},
		.rcpt = {"503 5.5.1 need MAIL", "503 5.5.1 need MAIL", "503 5.5.1 need MAIL"}};
	struct mail *m = start_three(&a);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED);
	states_are(m, RCPT_PENDING, RCPT_PENDING, RCPT_PENDING); /* for the next provider */
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(smtp_rig_saw("RSET"), 1);
	assert_int_equal(script_server_connections(rig.server), 1);
	mail_free(m);
}

static void test_the_reply_to_the_dot_decides(void **state)
{
	static const struct {
		struct answers answers;
		enum outcome_kind kind;
		const char *code;
		enum rcpt_state first;
		bool bye;
	} ways[] = {
		{.answers = {.caps = PIPELINED, .dot = {"554 5.7.1 spam"}},
	         .kind = OUTCOME_REJECTED,
	         .code = "554 5.7.1",
	         .first = RCPT_REFUSED},
		{.answers = {.caps = PIPELINED, .dot = {"451 4.3.0 disk"}},
	         .kind = OUTCOME_RETRY,
	         .code = "451 4.3.0",
	         .first = RCPT_PENDING},
		{.answers = {.caps = PIPELINED, .dot = {"421 4.3.2 bye"}},
	         .kind = OUTCOME_RETRY,
	         .code = "421 4.3.2",
	         .first = RCPT_PENDING,
	         .bye = true},
		{.answers = {.caps = PIPELINED, .dot = {"552 5.3.4 too big"}},
	         .kind = OUTCOME_REJECTED,
	         .code = "too_large",
	         .first = RCPT_PENDING},
		{.answers = {.caps = PIPELINED, .dot = {"251 odd but good"}},
	         .kind = OUTCOME_SENT,
	         .code = "251",
	         .first = RCPT_ACCEPTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct mail *m = start_three(&ways[i].answers);

		smtp_rig_is(*mail_deliver(m), ways[i].kind, ways[i].code);
		assert_int_equal(m->delivery.rcpts[0].state, ways[i].first);
		/* The next one begins afresh: after a RSET, or after 421 on another connection. */
		if (ways[i].bye) /* where the first dot meets the same answer */
			smtp_rig_expect(ways[i].kind, ways[i].code);
		else
			smtp_rig_expect(OUTCOME_SENT, "250");
		assert_int_equal(script_server_connections(rig.server), ways[i].bye ? 2 : 1);
		assert_int_equal(smtp_rig_saw("RSET"),
		                 ways[i].kind != OUTCOME_SENT && !ways[i].bye);
		mail_free(m);
	}
}

/* Lost after some were accepted: none of them has the mail, so none counts as accepted. */
static void accepts_and_hangs_up(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "RCPT", "550 5.1.1 no");
	script_take(c, "RCPT", "250 ok");
}

static void test_accepted_recipients_of_a_lost_mail_are_still_to_be_sent_to(void **state)
{
	struct mail *m;

	(void)state;
	smtp_rig_start(accepts_and_hangs_up, NULL, "");
	m = mail_new(rig.provider, 1, THREE);
	smtp_rig_is(*mail_deliver(m), OUTCOME_RETRY, "lost");
	states_are(m, RCPT_PENDING, RCPT_REFUSED, RCPT_PENDING);
	mail_free(m);
}

/* As Postfix: the 20th error ends the connection. None of it is held against the provider. */
static void grows_tired(struct script *c)
{
	char line[4096];
	int errors = 0;

	script_hello(c, PIPELINED);
	while (script_line(c, line, sizeof(line))) {
		bool rcpt = strncmp(line, "RCPT", 4) == 0;

		if (rcpt && ++errors > 20) {
			script_say(c, "421 4.7.0 test Error: too many errors");
			return;
		}
		if (!script_say(c, "%s",
		                rcpt                        ? "550 5.1.1 no"
		                : strcmp(line, "DATA") == 0 ? "554 5.5.1 no recipients"
		                                            : "250 ok"))
			return;
	}
}

static void test_many_bad_recipients_in_a_row(void **state)
{
	(void)state;
	smtp_rig_start(grows_tired, NULL, "");
	for (int i = 0; i < 100; i++)
		smtp_rig_expect(OUTCOME_REJECTED, "550 5.1.1");
	assert_int_equal(smtp_rig_saw("421"), 0);
	assert_in_range(script_server_connections(rig.server), 5, 50);
}

/* ---- extensions --------------------------------------------------------------------------------- */

static void test_pipelining_only_where_it_is_offered(void **state)
{
	static const struct answers slow = {.caps = "8BITMIME", .one_by_one = true};
	static const struct answers fast = {.caps = PIPELINED, .one_by_one = true};
	struct mail *m = start_three(&slow);

	(void)state;
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250");
	smtp_rig_in_order();
	assert_int_equal(smtp_rig_saw("RCPT"), 3);
	mail_free(m);
	m = start_three(&fast);
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250");
	assert_true(smtp_rig_saw("<spoke early>") > 0);
	mail_free(m);
}

static void test_size(void **state)
{
	static const struct answers a = {.caps = "PIPELINING,SIZE 100"};
	struct mail *m;

	(void)state;
	smtp_rig_start(answers_as_told, (void *)(uintptr_t)&a, "");
	m = mail_new(rig.provider, 1, NULL);
	smtp_rig_is(*mail_deliver(m), OUTCOME_REJECTED, CODE_TOO_LARGE);
	assert_int_equal(m->delivery.rcpts[0].state, RCPT_PENDING); /* for a larger provider */
	assert_int_equal(smtp_rig_saw("MAIL"), 0);
	mail_free(m);
}

static void test_parameters_of_mail(void **state)
{
	static const struct answers a = {.caps = PIPELINED ",SMTPUTF8"};
	static const struct answers bare = {.caps = "PIPELINING"};
	static const char intl[] =
		"{\"to\":\"j\xc3\xbcrgen@x.example\",\"subject\":\"Hi\",\"body\":\"Hello\"}";
	char *record;

	(void)state;
	smtp_rig_start(answers_as_told, (void *)(uintptr_t)&a, "");
	smtp_rig_expect(OUTCOME_SENT, "250");
	record = script_server_record(rig.server);
	assert_non_null(strstr(record, "MAIL FROM:<sender@example.org> SIZE="));
	assert_null(strstr(record, "8BITMIME")); /* the message is 7-bit */
	assert_null(strstr(record, "SMTPUTF8"));
	free(record);
	smtp_rig_is(smtp_rig_deliver(intl), OUTCOME_SENT, "250");
	record = script_server_record(rig.server);
	assert_non_null(strstr(record, " BODY=8BITMIME SMTPUTF8\n"));
	assert_non_null(strstr(record, "RCPT TO:<j\xc3\xbcrgen@x.example>"));
	free(record);
	smtp_rig_start(answers_as_told, (void *)(uintptr_t)&bare, "");
	smtp_rig_is(smtp_rig_deliver(intl), OUTCOME_RETRY, CODE_UNSUPPORTED);
	assert_int_equal(smtp_rig_saw("MAIL"), 0);
	smtp_rig_expect(OUTCOME_SENT, "250"); /* over the same connection */
	assert_int_equal(smtp_rig_saw("SIZE"), 0);
	assert_int_equal(script_server_connections(rig.server), 1);
}

/* ---- the text ---------------------------------------------------------------------------------- */

static char *job_with_body(const char *body)
{
	struct buf b;

	buf_init(&b, (size_t)32 << 20);
	buf_add_str(&b, "{\"to\":\"a@x.example\",\"subject\":\"Hi\",\"body\":");
	buf_add_json(&b, body, strlen(body));
	buf_add_str(&b, "}");
	return buf_take(&b);
}

static void test_large_messages_to_a_slow_reader(void **state)
{
	static const struct answers a = {.caps = "PIPELINING"};
	size_t size = 8 << 20, len;
	char *body = malloc(size + 1), *job, *text;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < size; i++) /* lines of 50 that all begin with a dot */
		body[i] = i % 50 == 49 ? '\n' : i % 50 == 0 ? '.' : 'x';
	body[size] = '\0';
	job = job_with_body(body);
	smtp_rig_start(answers_as_told, (void *)(uintptr_t)&a, "");
	smtp_rig_is(smtp_rig_deliver(job), OUTCOME_SENT, "250");
	text = script_server_body(rig.server, &len);
	assert_true(len > size + size / 50);
	for (size_t at = 0; at + 5 < len; at++) /* strstr would look for the end each time */
		assert_true(memcmp(text + at, "\r\n.", 3) != 0 || text[at + 3] == '.');
	free(text);
	free(job);
	free(body);
}

/* A server that refuses in the middle of a message, and reads no further. */
static void refuses_in_the_middle(struct script *c)
{
	script_hello(c, "PIPELINING");
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go");
	script_read(c, 100000);
	script_say(c, "552 5.3.4 Error: message file too big");
	script_pause(c);
}

static void stops_reading(struct script *c)
{
	script_hello(c, "PIPELINING");
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go");
	script_read(c, 100000);
	script_pause(c);
}

static void test_a_server_that_stops_reading(void **state)
{
	size_t size = 8 << 20;
	char *body = malloc(size + 1), *job;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', size);
	body[size] = '\0';
	job = job_with_body(body);
	smtp_rig_start(stops_reading, NULL, "&command_timeout=500ms");
	smtp_rig_is(smtp_rig_deliver(job), OUTCOME_RETRY, "timeout");
	free(job);
	free(body);
}

static void test_refused_in_the_middle_of_the_text(void **state)
{
	size_t size = 8 << 20;
	char *body = malloc(size + 1), *job;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', size);
	body[size] = '\0';
	job = job_with_body(body);
	smtp_rig_start(refuses_in_the_middle, NULL, "");
	smtp_rig_is(smtp_rig_deliver(job), OUTCOME_REJECTED, CODE_TOO_LARGE);
	free(job);
	free(body);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, smtp_rig_setup, smtp_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_of_three_is_refused),
		TEST(test_the_deferred_go_again_alone),
		TEST(test_greylisted_by_all_is_healthy),
		TEST(test_all_refused_is_never_sent),
		TEST(test_a_refused_sender_never_sends),
		TEST(test_a_refused_sender_whose_recipients_are_refused_too),
		TEST(test_the_reply_to_the_dot_decides),
		TEST(test_accepted_recipients_of_a_lost_mail_are_still_to_be_sent_to),
		TEST(test_many_bad_recipients_in_a_row),
		TEST(test_pipelining_only_where_it_is_offered),
		TEST(test_size),
		TEST(test_parameters_of_mail),
		TEST(test_large_messages_to_a_slow_reader),
		TEST(test_a_server_that_stops_reading),
		TEST(test_refused_in_the_middle_of_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

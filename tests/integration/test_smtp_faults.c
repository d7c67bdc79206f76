/* A mail through the provider interface to servers that misbehave: what the outcome is, and what
 * the server saw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sys/socket.h>

#include <cmocka.h>

#include "support/smtp_rig.h"

#define PIPELINED "PIPELINING,8BITMIME,SIZE 10485760"
#define SHORT "&command_timeout=300ms&timeout=300ms&connect_timeout=300ms"

/* Everything up to the 354, all accepted. */
static bool script_to_data(struct script *c)
{
	return script_hello(c, PIPELINED) && script_take(c, "MAIL", "250 ok") &&
	       script_take(c, "RCPT", "250 ok") && script_take(c, "DATA", "354 go");
}

/* ---- lost and silent: FAULTS 21, 22 ------------------------------------------------------------ */

static void closes_before_354(struct script *c)
{
	if (script_hello(c, PIPELINED) && script_take(c, "MAIL", "250 ok"))
		script_take(c, "RCPT", "250 ok");
}

static void test_closed_before_354(void **state)
{
	(void)state;
	smtp_rig_start(closes_before_354, NULL, "");
	smtp_rig_expect(OUTCOME_RETRY, "lost");
}

static void closes_after_354(struct script *c)
{
	script_to_data(c);
}

static void resets_after_354(struct script *c)
{
	if (script_to_data(c))
		script_reset(c);
}

static void test_lost_before_the_last_byte(void **state)
{
	script_fn *const ways[] = {closes_after_354, resets_after_354};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mail *m;

		smtp_rig_start(ways[i], NULL, "");
		m = mail_new(rig.provider, 1, NULL);
		m->when_ready = READY_HOLD; /* or the dot may be gone before the loss is seen */
		mail_send(m);
		mail_wait_done(m);
		smtp_rig_is(m->outcome, OUTCOME_RETRY, "lost");
		assert_int_equal(rig.provider->in_use, 0);
		mail_free(m);
	}
}

/* Sends a mail that stays held, lets the server do its deed, and releases it without having let
 * the loop look at the connection. */
static struct outcome release_after(const char *deed, size_t n)
{
	struct mail *m = mail_new(rig.provider, 1, NULL);
	struct outcome o;

	m->when_ready = READY_HOLD;
	mail_send(m);
	mail_wait_ready(m);
	script_server_go(rig.server);
	script_server_wait(rig.server, deed, n);
	assert_int_equal(m->done, 0);
	mail_release(m);
	mail_wait_done(m);
	o = m->outcome;
	mail_free(m);
	return o;
}

static void shuts_while_held(struct script *c)
{
	if (!script_to_data(c))
		return;
	script_pause(c);
	script_shut(c);
	script_body(c);
}

static void resets_while_held(struct script *c)
{
	if (!script_to_data(c))
		return;
	script_pause(c);
	script_reset(c);
}

/* Only looking at the connection just before the release tells that nothing was sent. */
static void test_lost_while_held_is_never_unknown(void **state)
{
	(void)state;
	smtp_rig_start(shuts_while_held, NULL, "");
	for (size_t i = 1; i <= 30; i++)
		smtp_rig_is(release_after("<shut>", i), OUTCOME_RETRY, "lost");
	script_server_wait(rig.server, "<cut ", 30);
	assert_int_equal(smtp_rig_saw("<body "), 0);
	smtp_rig_start(resets_while_held, NULL, "");
	for (size_t i = 1; i <= 10; i++)
		smtp_rig_is(release_after("<reset>", i), OUTCOME_RETRY, "lost");
}

static void says_421_while_held(struct script *c)
{
	if (!script_to_data(c))
		return;
	script_pause(c);
	script_say(c, "421 4.4.2 Error: timeout exceeded");
	script_note(c, "<said>");
	script_body(c);
}

static void test_421_while_held(void **state)
{
	(void)state;
	smtp_rig_start(says_421_while_held, NULL, "");
	smtp_rig_is(release_after("<said>", 1), OUTCOME_RETRY, "421 4.4.2");
	script_server_wait(rig.server, "<cut ", 1);
	assert_int_equal(smtp_rig_saw("<body "), 0);
}

/* Half a reply is there at the release, and its end never comes. */
static void says_half_while_held(struct script *c)
{
	if (!script_to_data(c))
		return;
	script_pause(c);
	script_drip(c, "42", 0);
	script_note(c, "<said>");
	script_body(c);
}

static void test_half_a_reply_while_held(void **state)
{
	(void)state;
	smtp_rig_start(says_half_while_held, NULL, SHORT);
	smtp_rig_is(release_after("<said>", 1), OUTCOME_RETRY, "timeout");
	script_server_wait(rig.server, "<cut ", 1);
}

static void closes_after_the_dot(struct script *c)
{
	if (script_to_data(c))
		script_body(c);
}

static void resets_after_the_dot(struct script *c)
{
	if (script_to_data(c) && script_body(c))
		script_reset(c);
}

static void is_silent_after_the_dot(struct script *c)
{
	if (script_to_data(c) && script_body(c))
		script_pause(c);
}

static void test_lost_after_the_last_byte_is_unknown(void **state)
{
	script_fn *const ways[] = {closes_after_the_dot, resets_after_the_dot};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		smtp_rig_start(ways[i], NULL, "");
		smtp_rig_expect(OUTCOME_UNKNOWN, "lost");
		script_server_wait(rig.server, "<body ", 1);
	}
}

static void test_silence_after_the_last_byte_is_unknown(void **state)
{
	(void)state;
	smtp_rig_start(is_silent_after_the_dot, NULL, SHORT);
	smtp_rig_expect(OUTCOME_UNKNOWN, "timeout");
	script_server_wait(rig.server, "<body ", 1);
}

static void is_silent_before_354(struct script *c)
{
	if (script_hello(c, PIPELINED) && script_take(c, "MAIL", NULL))
		script_pause(c);
}

static void is_silent(struct script *c)
{
	script_pause(c);
}

static void test_silence_before_the_last_byte(void **state)
{
	(void)state;
	smtp_rig_start(is_silent_before_354, NULL, SHORT);
	smtp_rig_expect(OUTCOME_RETRY, "timeout");
	smtp_rig_start(is_silent, NULL, SHORT);
	smtp_rig_expect(OUTCOME_RETRY, "timeout");
}

static void test_nobody_listens(void **state)
{
	(void)state;
	smtp_rig_start(is_silent, NULL, "");
	script_server_free(rig.server);
	rig.server = NULL;
	smtp_rig_expect(OUTCOME_RETRY, "connect");
}

/* ---- slow and endless: FAULTS 28 ------------------------------------------------------------------ */

/* Each byte comes in time, the reply does not. */
static void drips_slowly(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", NULL);
	script_drip(c, "250-this 250-reply 250-never 250-ends 250-in 250-time", 50);
}

static void test_one_byte_at_a_time(void **state)
{
	(void)state;
	smtp_rig_start(drips_slowly, NULL, SHORT);
	smtp_rig_expect(OUTCOME_RETRY, "timeout");
}

/* Each reply comes in time, all together do not. */
static void takes_its_time(struct script *c)
{
	script_hello(c, "8BITMIME");
	while (script_take(c, "", NULL) && script_drip(c, "250 ok\r\n", 25))
		continue;
}

static void test_many_slow_replies(void **state)
{
	struct buf job;

	(void)state;
	buf_init(&job, 4096);
	buf_add_str(&job, "{\"subject\":\"Hi\",\"body\":\"Hello\",\"to\":[");
	for (int i = 0; i < 40; i++)
		buf_addf(&job, "%s\"a%d@x.example\"", i > 0 ? "," : "", i);
	buf_add_str(&job, "]}");
	smtp_rig_start(takes_its_time, NULL, "&command_timeout=1s");
	smtp_rig_is(smtp_rig_deliver(buf_str(&job)), OUTCOME_RETRY, "timeout");
	/* It was not the last reply that came too late, but the limit for all of them. */
	assert_in_range(smtp_rig_saw("RCPT"), 5, 39);
	buf_free(&job);
}

static void drips_fast(struct script *c)
{
	script_drip(c, "220-hi\r\n220 there\r\n", 0);
	script_take(c, "EHLO", NULL);
	script_drip(c, "250-me\r\n250-PIPELINING\r\n250 SIZE\r\n", 0);
	script_take(c, "MAIL", NULL);
	script_drip(c, "250-2.1.0 all\r\n250 2.1.0 right\r\n", 0);
	script_take(c, "RCPT", NULL);
	script_drip(c, "250-2.1.5 all\r\n250 2.1.5 right\r\n", 0);
	script_take(c, "DATA", NULL);
	script_drip(c, "354-go\r\n354 on\r\n", 0);
	script_body(c);
	script_drip(c, "250-2.0.0 all\r\n250 2.0.0 queued as X1\r\n", 0);
}

static void test_many_lines_in_many_pieces(void **state)
{
	struct outcome o;

	(void)state;
	smtp_rig_start(drips_fast, NULL, "");
	o = smtp_rig_deliver(NULL);
	smtp_rig_is(o, OUTCOME_SENT, "250 2.0.0");
	assert_string_equal(o.message_id, "X1");
}

static void resets_in_a_reply(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", NULL);
	script_drip(c, "250-half a re", 0);
	script_reset(c);
}

static void test_reset_in_the_middle_of_a_reply(void **state)
{
	(void)state;
	smtp_rig_start(resets_in_a_reply, NULL, "");
	smtp_rig_expect(OUTCOME_RETRY, "lost");
}

#define FLOOD ((size_t)10 << 20)

static void floods_greeting(struct script *c)
{
	script_drip(c, "220 ", 0);
	script_flood(c, FLOOD);
}

static void floods_mail(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", NULL);
	script_drip(c, "250 ", 0);
	script_flood(c, FLOOD);
}

static void floods_dot(struct script *c)
{
	if (script_to_data(c) && script_body(c)) {
		script_drip(c, "250 ", 0);
		script_flood(c, FLOOD);
	}
}

static void test_a_reply_without_end(void **state)
{
	(void)state;
	smtp_rig_start(floods_greeting, NULL, "");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "protocol");
	smtp_rig_start(floods_mail, NULL, "");
	smtp_rig_expect(OUTCOME_RETRY, "protocol");
	smtp_rig_start(floods_dot, NULL, "");
	smtp_rig_expect(OUTCOME_UNKNOWN, "protocol");
}

static void floods_lines(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", NULL);
	while (script_say(c, "250-and another"))
		continue;
}

static void test_lines_without_end(void **state)
{
	(void)state;
	smtp_rig_start(floods_lines, NULL, "");
	smtp_rig_expect(OUTCOME_RETRY, "protocol");
}

/* ---- what is no answer ------------------------------------------------------------------------------ */

static void is_a_web_server(struct script *c)
{
	script_say(c, "HTTP/1.1 400 Bad Request");
}

static void test_not_a_mail_server(void **state)
{
	(void)state;
	smtp_rig_start(is_a_web_server, NULL, "");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "protocol");
}

/* One reply too many: what comes after is the answer to something else. */
static void answers_rcpt_twice(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok\r\n250 ok again");
	script_take(c, "DATA", "354 go");
	script_body(c);
}

static void answers_early(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go\r\n250 2.0.0 Ok: queued as NOT");
	script_body(c);
}

static void test_unsolicited_replies_are_no_success(void **state)
{
	script_fn *const ways[] = {answers_rcpt_twice, answers_early};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		smtp_rig_start(ways[i], NULL, "");
		smtp_rig_expect(OUTCOME_RETRY, "protocol");
		script_server_wait(rig.server, "<cut ", 1);
		assert_int_equal(smtp_rig_saw("<body "), 0);
	}
}

/* A reply of which only a part is there when the dot is due: in the middle of a line, or between two. */
static void answers_half_early(struct script *c)
{
	const char *const *halves = c->arg;
	char line[512] = "";

	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	if (!script_line(c, line, sizeof(line)) ||
	    send(c->fd, halves[0], strlen(halves[0]), MSG_NOSIGNAL) < 0)
		return;
	while (*line != '\0' && script_line(c, line, sizeof(line))) {
	} /* up to the empty line after the header: then all but the dot has been sent */
	script_say(c, "%s", halves[1]);
	script_body(c);
}

static void test_half_a_reply_before_the_dot_is_not_its_answer(void **state)
{
	static const char *const ways[][2] = {
		{"354 go\r\n25", "0 2.0.0 Ok: queued as NOT"},
		{"354 go\r\n250-2.0.0 Ok:\r\n", "250 2.0.0 queued as NOT"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		smtp_rig_start(answers_half_early, (void *)ways[i], "");
		smtp_rig_expect(OUTCOME_RETRY, "protocol");
		script_server_wait(rig.server, "<cut ", 1);
		assert_int_equal(smtp_rig_saw("<body "), 0);
	}
}

static void answers_354_to_the_dot(struct script *c)
{
	if (script_to_data(c) && script_body(c))
		script_say(c, "354 more");
}

static void test_nonsense_after_the_dot_is_unknown(void **state)
{
	(void)state;
	smtp_rig_start(answers_354_to_the_dot, NULL, "");
	smtp_rig_expect(OUTCOME_UNKNOWN, "protocol");
}

static void speaks_when_idle(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go");
	script_body(c);
	script_say(c, c->number == 0 ? "250 ok\r\n250 and more" : "250 ok");
}

/* The second line would be taken for the answer to the next MAIL. */
static void test_a_connection_that_said_too_much_is_not_used_again(void **state)
{
	(void)state;
	smtp_rig_start(speaks_when_idle, NULL, "");
	smtp_rig_expect(OUTCOME_SENT, "250");
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(script_server_connections(rig.server), 2);
}

/* ---- greetings -------------------------------------------------------------------------------------- */

static void greets_as_told(struct script *c)
{
	script_say(c, "%s", (const char *)c->arg);
}

static void test_greetings(void **state)
{
	static char blocked[] = "554 5.7.1 no mail from you", busy[] = "421 4.3.2 not now";

	(void)state;
	smtp_rig_start(greets_as_told, blocked, "");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "554 5.7.1");
	smtp_rig_start(greets_as_told, busy, "");
	smtp_rig_expect(OUTCOME_RETRY, "421 4.3.2");
	smtp_rig_expect(OUTCOME_THROTTLED, "421 4.3.2");
}

/* Reads a command, and answers only when nothing more came with it. */
static void take_alone(struct script *c, const char *verb, const char *reply)
{
	script_take(c, verb, NULL);
	script_quiet(c);
	script_say(c, "%s", reply);
}

static void knows_no_ehlo(struct script *c)
{
	script_say(c, "220 old");
	take_alone(c, "EHLO", "502 5.5.1 what");
	take_alone(c, "HELO", "250 hello");
	take_alone(c, "MAIL FROM:<sender@example.org>", "250 ok");
	take_alone(c, "RCPT", "250 ok");
	take_alone(c, "DATA", "354 go");
	script_body(c);
	script_say(c, "250 ok");
}

static void knows_neither(struct script *c)
{
	script_say(c, "220 odd");
	script_take(c, "EHLO", "502 what");
	script_take(c, "HELO", "550 no");
}

static void test_helo_where_ehlo_is_not_known(void **state)
{
	(void)state;
	smtp_rig_start(knows_no_ehlo, NULL, "");
	smtp_rig_expect(OUTCOME_SENT, "250");
	smtp_rig_in_order();
	smtp_rig_start(knows_neither, NULL, "");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "550");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, smtp_rig_setup, smtp_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_closed_before_354),
		TEST(test_lost_before_the_last_byte),
		TEST(test_lost_while_held_is_never_unknown),
		TEST(test_421_while_held),
		TEST(test_half_a_reply_while_held),
		TEST(test_lost_after_the_last_byte_is_unknown),
		TEST(test_silence_after_the_last_byte_is_unknown),
		TEST(test_silence_before_the_last_byte),
		TEST(test_nobody_listens),
		TEST(test_one_byte_at_a_time),
		TEST(test_many_slow_replies),
		TEST(test_many_lines_in_many_pieces),
		TEST(test_reset_in_the_middle_of_a_reply),
		TEST(test_a_reply_without_end),
		TEST(test_lines_without_end),
		TEST(test_not_a_mail_server),
		TEST(test_unsolicited_replies_are_no_success),
		TEST(test_half_a_reply_before_the_dot_is_not_its_answer),
		TEST(test_nonsense_after_the_dot_is_unknown),
		TEST(test_a_connection_that_said_too_much_is_not_used_again),
		TEST(test_greetings),
		TEST(test_helo_where_ehlo_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

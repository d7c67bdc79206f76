/* Holding, abandoning, and how connections are used: through the provider interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/smtp_rig.h"
#include "support/wait.h"

#define PIPELINED "PIPELINING,8BITMIME,SIZE 100000"

/* ---- holding ------------------------------------------------------------------------------------ */

static void counts_the_text(struct script *c)
{
	script_hello(c, PIPELINED);
	script_note(c, "<greeted>");
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go");
	script_body(c);
	script_say(c, "250 ok");
}

static void test_nothing_but_the_dot_is_missing_while_held(void **state)
{
	struct mail *m;
	size_t len;
	char *text;

	(void)state;
	smtp_rig_start(counts_the_text, NULL, "");
	m = mail_new(rig.provider, 1, NULL);
	m->when_ready = READY_HOLD;
	mail_send(m);
	mail_wait_ready(m);
	mail_abandon(m);
	script_server_wait(rig.server, "<cut ", 1);
	assert_int_equal(smtp_rig_saw("<body "), 0);
	assert_int_equal(rig.provider->in_use, 0);
	/* The same mail, released: it has three bytes more. */
	smtp_rig_is(*mail_deliver(m), OUTCOME_SENT, "250");
	text = script_server_body(rig.server, &len);
	assert_string_equal(text + len - 5, "\r\n.\r\n");
	free(text);
	{
		char want[32];

		snprintf(want, sizeof(want), "<cut %zu>", len - 3);
		assert_int_equal(smtp_rig_saw(want), 1);
	}
	mail_free(m);
}

static void test_abandoned_from_within_on_ready(void **state)
{
	struct mail *m;

	(void)state;
	smtp_rig_start(counts_the_text, NULL, "");
	m = mail_new(rig.provider, 1, NULL);
	m->when_ready = READY_ABANDON;
	mail_send(m);
	mail_wait_ready(m);
	script_server_wait(rig.server, "<cut ", 1);
	assert_int_equal(m->done, 0);
	mail_free(m);
}

static bool has_greeted(void *arg)
{
	(void)arg;
	return smtp_rig_saw("<greeted>") > 0;
}

/* The connection that was being made for it serves the next one. */
static void test_abandoned_while_connecting(void **state)
{
	struct mail *m;

	(void)state;
	smtp_rig_start(counts_the_text, NULL, "&concurrency=1");
	m = mail_new(rig.provider, 1, NULL);
	mail_send(m);
	mail_abandon(m);
	assert_int_equal(provider_room(rig.provider), 1);
	wait_loop_until(rig.loop, has_greeted, NULL, 0);
	wait_loop_for(rig.loop, 10); /* the answer is there: a turn of the loop takes it */
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(m->ready + m->done, 0);
	assert_int_equal(script_server_connections(rig.server), 1);
	mail_free(m);
}

static void test_abandoned_after_the_release(void **state)
{
	struct mail *m;

	(void)state;
	smtp_rig_start(counts_the_text, NULL, "");
	m = mail_new(rig.provider, 1, NULL);
	m->when_ready = READY_HOLD;
	mail_send(m);
	mail_wait_ready(m);
	mail_release(m);
	mail_abandon(m);
	script_server_wait(rig.server, "<body ", 1);
	wait_loop_for(rig.loop, 20);
	assert_int_equal(m->done, 0);
	assert_int_equal(rig.provider->in_use, 0);
	mail_free(m);
}

static int64_t now_ns;

static int64_t told_time(int clock_id)
{
	(void)clock_id;
	return now_ns;
}

static void shuts_while_held(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", "250 ok");
	script_take(c, "DATA", "354 go");
	script_pause(c);
	script_shut(c);
}

/* Redis was away: that the server lost its patience is not its fault, and not the breaker's business. */
static void test_hung_up_on_after_a_long_hold(void **state)
{
	static const int held_s[] = {1, 60};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mail *m;

		now_ns = 1000000000;
		clock_set_source(told_time);
		smtp_rig_start(shuts_while_held, NULL, "");
		m = mail_new(rig.provider, 1, NULL);
		m->when_ready = READY_HOLD;
		mail_send(m);
		mail_wait_ready(m);
		now_ns += held_s[i] * INT64_C(1000000000);
		script_server_go(rig.server);
		mail_wait_done(m);
		clock_set_source(NULL);
		smtp_rig_is(m->outcome, OUTCOME_RETRY, "lost");
		assert_int_equal(m->outcome.healthy, held_s[i] > 10);
		mail_free(m);
	}
}

/* ---- connections ---------------------------------------------------------------------------------- */

static void serves(struct script *c)
{
	if (script_hello(c, PIPELINED))
		script_serve(c);
}

static void test_a_connection_is_used_again(void **state)
{
	(void)state;
	smtp_rig_start(serves, NULL, "&per_connection=10");
	for (int i = 0; i < 25; i++)
		smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(script_server_connections(rig.server), 3);
	script_server_wait(rig.server, "QUIT", 2);
	assert_int_equal(smtp_rig_saw("RSET"), 0); /* needless after a success */
}

static bool has_quit(void *arg)
{
	(void)arg;
	return smtp_rig_saw("QUIT") == 1;
}

static void test_an_idle_connection_is_closed(void **state)
{
	(void)state;
	smtp_rig_start(serves, NULL, "&idle=50ms");
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(smtp_rig_saw("QUIT"), 0);
	wait_loop_until(rig.loop, has_quit, NULL, 0);
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(script_server_connections(rig.server), 2);
}

static void closes_when_idle(struct script *c)
{
	counts_the_text(c);
	script_note(c, "<idle>");
	if (c->number == 0)
		script_shut(c);
	else
		script_serve(c);
}

static void says_421_when_idle(struct script *c)
{
	counts_the_text(c);
	if (c->number == 0) {
		script_say(c, "421 4.4.2 timeout");
		script_shut(c);
	} else {
		script_serve(c);
	}
}

/* Writing there fails with EPIPE, and would raise SIGPIPE. */
static void breaks_when_idle(struct script *c)
{
	counts_the_text(c);
	if (c->number == 0) {
		shutdown(c->fd, SHUT_WR);
		script_reset(c);
		script_note(c, "<shut>");
	} else {
		script_serve(c);
	}
}

/* The mail is sent before the loop has noticed: it moves to a fresh connection, and that is not an
 * attempt. */
static void test_closed_while_idle(void **state)
{
	script_fn *const ways[] = {closes_when_idle, says_421_when_idle, breaks_when_idle};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		smtp_rig_start(ways[i], NULL, "");
		smtp_rig_expect(OUTCOME_SENT, "250");
		script_server_wait(rig.server, "<shut>", 1);
		smtp_rig_expect(OUTCOME_SENT, "250");
		assert_int_equal(script_server_connections(rig.server), 2);
		assert_int_equal(smtp_rig_saw("<body "), 2);
	}
}

/* It reads the envelope, and then says that it has had enough. */
static void tires_at_the_second_envelope(struct script *c)
{
	counts_the_text(c);
	if (c->number == 0) {
		script_take(c, "MAIL", "421 4.3.2 bye");
		return;
	}
	script_serve(c);
}

static void hangs_up_at_the_second_envelope(struct script *c)
{
	counts_the_text(c);
	if (c->number == 0)
		script_take(c, "MAIL", NULL);
	else
		script_serve(c);
}

static void test_hung_up_on_the_next_envelope(void **state)
{
	script_fn *const ways[] = {tires_at_the_second_envelope, hangs_up_at_the_second_envelope};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		smtp_rig_start(ways[i], NULL, "");
		smtp_rig_expect(OUTCOME_SENT, "250");
		smtp_rig_expect(OUTCOME_SENT, "250");
		assert_int_equal(script_server_connections(rig.server), 2);
	}
}

/* Once something of the envelope was answered, the loss is an attempt. */
static void hangs_up_after_an_answer(struct script *c)
{
	counts_the_text(c);
	script_take(c, "MAIL", "250 ok");
}

static void test_lost_after_an_answer_is_an_attempt(void **state)
{
	(void)state;
	smtp_rig_start(hangs_up_after_an_answer, NULL, "");
	smtp_rig_expect(OUTCOME_SENT, "250");
	smtp_rig_expect(OUTCOME_RETRY, "lost");
	assert_int_equal(script_server_connections(rig.server), 1);
}

static void refuses_rset(struct script *c)
{
	script_hello(c, PIPELINED);
	script_take(c, "MAIL", "250 ok");
	script_take(c, "RCPT", c->number == 0 ? "550 5.1.1 no" : "250 ok");
	script_take(c, "DATA", c->number == 0 ? "554 no" : "354 go");
	if (c->number == 0) {
		script_take(c, "RSET", "502 5.5.1 no such thing");
		script_take(c, "MAIL", "250 ok");
		script_take(c, "RCPT", "250 ok");
		script_take(c, "DATA", "354 go");
	}
	script_body(c);
	script_say(c, "250 ok");
}

/* What follows a RSET that failed would go under the old sender. */
static void test_a_refused_rset_ends_the_connection(void **state)
{
	(void)state;
	smtp_rig_start(refuses_rset, NULL, "");
	smtp_rig_expect(OUTCOME_REJECTED, "550 5.1.1");
	smtp_rig_expect(OUTCOME_RETRY, "502");
	assert_int_equal(smtp_rig_saw("<body "), 0);
	smtp_rig_expect(OUTCOME_SENT, "250");
	assert_int_equal(script_server_connections(rig.server), 2);
}

#define TOGETHER 30

static bool all_done(void *arg)
{
	struct mail **mails = arg;

	for (int i = 0; i < TOGETHER; i++)
		if (mails[i]->done == 0)
			return false;
	return true;
}

/* As many connections as mails at once, and no more; released in later turns of the loop. */
static void test_many_at_once(void **state)
{
	struct mail *mails[TOGETHER];

	(void)state;
	smtp_rig_start(serves, NULL, "&concurrency=30");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < TOGETHER; i++) {
			mails[i] = mail_new(rig.provider, i, NULL);
			mails[i]->when_ready = i % 2 ? READY_RELEASE : READY_RELEASE_LATER;
			mail_send(mails[i]);
		}
		if (round == 0) /* later the server is known to be prompt, and some more may wait */
			assert_int_equal(provider_room(rig.provider), 0);
		wait_loop_until(rig.loop, all_done, mails, 0);
		for (int i = 0; i < TOGETHER; i++) {
			smtp_rig_is(mails[i]->outcome, OUTCOME_SENT, "250");
			mail_free(mails[i]);
		}
	}
	assert_int_equal(script_server_connections(rig.server), TOGETHER);
	assert_int_equal(smtp_rig_saw("<body "), 3 * TOGETHER);
}

static void send_next(struct mail *m)
{
	struct mail *next = m->data;

	if (next != NULL)
		mail_send(next);
}

/* The next mail is sent from within on_done: the connection is free by then. */
static void test_sent_from_within_on_done(void **state)
{
	struct mail *mails[10];

	(void)state;
	smtp_rig_start(serves, NULL, "&concurrency=1");
	for (int i = 9; i >= 0; i--) {
		mails[i] = mail_new(rig.provider, i, NULL);
		mails[i]->data = i < 9 ? mails[i + 1] : NULL;
		mails[i]->on_done = send_next;
	}
	mail_send(mails[0]);
	mail_wait_done(mails[9]);
	for (int i = 0; i < 10; i++) {
		smtp_rig_is(mails[i]->outcome, OUTCOME_SENT, "250");
		mail_free(mails[i]);
	}
	assert_int_equal(script_server_connections(rig.server), 1);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, smtp_rig_setup, smtp_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_but_the_dot_is_missing_while_held),
		TEST(test_abandoned_from_within_on_ready),
		TEST(test_abandoned_while_connecting),
		TEST(test_abandoned_after_the_release),
		TEST(test_hung_up_on_after_a_long_hold),
		TEST(test_a_connection_is_used_again),
		TEST(test_an_idle_connection_is_closed),
		TEST(test_closed_while_idle),
		TEST(test_hung_up_on_the_next_envelope),
		TEST(test_lost_after_an_answer_is_an_attempt),
		TEST(test_a_refused_rset_ends_the_connection),
		TEST(test_many_at_once),
		TEST(test_sent_from_within_on_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

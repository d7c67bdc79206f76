/* Commands that go out with the dot of the mail before (RFC 2920): through the provider interface, to a
 * server that does something wrong at each step. In all of them one connection has a mail in hand, and
 * others wait for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/smtp_rig.h"
#include "support/wait.h"

#define PIPELINED "PIPELINING,8BITMIME,SIZE 100000"
#define PATIENT "&command_timeout=300s" /* so that slow machines leave it behind the dot */
#define MOST 8

static struct mail *mails[MOST];
static int n_mails;

static bool all_done(void *arg)
{
	(void)arg;
	for (int i = 0; i < n_mails; i++)
		if (mails[i]->done == 0)
			return false;
	return true;
}

/* n mails at once, released when they are ready; each to its own recipient, r<i>@example.com. */
static void send_together(int n)
{
	char payload[128];

	n_mails = n;
	for (int i = 0; i < n; i++) {
		snprintf(payload, sizeof(payload),
		         "{\"to\":\"r%d@example.com\",\"subject\":\"Hi\",\"body\":\"Hello\"}", i);
		mails[i] = mail_new(rig.provider, i, payload);
		mail_send(mails[i]);
	}
}

static void wait_for_all(void)
{
	wait_loop_until(rig.loop, all_done, NULL, 0);
}

/* This mail ended so, and once. */
static void ended(int i, enum outcome_kind kind, const char *code)
{
	assert_int_equal(mails[i]->done, 1);
	smtp_rig_is(mails[i]->outcome, kind, code);
}

static void forget_all(void)
{
	assert_int_equal(rig.provider->in_use, 0);
	for (int i = 0; i < n_mails; i++)
		mail_free(mails[i]);
	n_mails = 0;
}

/* What a server saw of a mail's recipient. */
static size_t asked(int i)
{
	char line[64];

	snprintf(line, sizeof(line), "RCPT TO:<r%d@example.com>", i);
	return smtp_rig_saw(line);
}

/* A text, and whether commands came with its end. */
static bool text(struct script *c)
{
	if (!script_body(c))
		return false;
	if (c->in_len > 0)
		script_note(c, "<behind>");
	return true;
}

static bool first_mail(struct script *c)
{
	return script_hello(c, PIPELINED) && script_take(c, "MAIL", "250 ok") &&
	       script_take(c, "RCPT", "250 ok") && script_take(c, "DATA", "354 go") && text(c);
}

/* Whole mails, until the client hangs up. */
static void serve(struct script *c)
{
	char line[512];

	while (script_line(c, line, sizeof(line))) {
		if (strcasecmp(line, "DATA") != 0)
			script_say(c, strcasecmp(line, "QUIT") == 0 ? "221 bye" : "250 ok");
		else if (!script_say(c, "354 go") || !text(c) || !script_say(c, "250 2.0.0 ok"))
			return;
	}
}

static void serves(struct script *c)
{
	if (script_hello(c, c->arg))
		serve(c);
}

static void test_the_next_mail_goes_with_the_dot(void **state)
{
	(void)state;
	smtp_rig_start(serves, PIPELINED, "&concurrency=1" PATIENT);
	send_together(5);
	wait_for_all();
	for (int i = 0; i < 5; i++) {
		ended(i, OUTCOME_SENT, "250 2.0.0");
		assert_int_equal(asked(i), 1);
	}
	assert_int_equal(script_server_connections(rig.server), 1);
	assert_int_equal(smtp_rig_saw("<behind>"), 4);
	assert_int_equal(smtp_rig_saw("RSET"), 4);
	assert_int_equal(smtp_rig_saw("<body "), 5);
	forget_all();
}

static void test_not_where_it_may_not(void **state)
{
	static const struct {
		char *caps;
		const char *params;
		int connections;
	} cases[] = {
		{(char *)"8BITMIME", "&concurrency=1", 1},
		{(char *)PIPELINED, "&concurrency=1&per_connection=1", 3},
		{(char *)PIPELINED, "&concurrency=3", 3},
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		smtp_rig_start(serves, cases[i].caps, cases[i].params);
		send_together(3);
		wait_for_all();
		for (int k = 0; k < 3; k++)
			ended(k, OUTCOME_SENT, "250 2.0.0");
		assert_int_equal(smtp_rig_saw("<behind>"), 0);
		assert_int_equal(script_server_connections(rig.server), cases[i].connections);
		forget_all();
	}
}

/* What cannot be tried there is not asked for. */
static void test_too_large_to_follow(void **state)
{
	static const char text[] =
		"{\"to\":\"r1@example.com\",\"subject\":\"Hi\",\"body\":\"%0500d\"}";
	char payload[1024];

	(void)state;
	smtp_rig_start(serves, (void *)"PIPELINING,SIZE 400", "&concurrency=1" PATIENT);
	send_together(1);
	snprintf(payload, sizeof(payload), text, 0);
	mails[n_mails] = mail_new(rig.provider, n_mails, payload);
	mail_send(mails[n_mails++]);
	wait_for_all();
	ended(0, OUTCOME_SENT, "250 2.0.0");
	ended(1, OUTCOME_REJECTED, CODE_TOO_LARGE);
	assert_int_equal(asked(1), 0);
	assert_int_equal(smtp_rig_saw("MAIL"), 1);
	forget_all();
}

/* ---- the dot before is not answered well --------------------------------------------------------- */

static void answers_the_dot(struct script *c)
{
	const char *answer = c->arg;

	if (!first_mail(c))
		return;
	if (c->number > 0)
		answer = "250 2.0.0 ok";
	if (*answer == '\0')
		return; /* closes */
	if (script_say(c, "%s", answer) && strncmp(answer, "421", 3) != 0)
		serve(c);
}

/* Whatever becomes of the one before, the next one goes, and goes once. */
static void test_the_dot_before_goes_wrong(void **state)
{
	static const struct {
		const char *answer;
		enum outcome_kind kind;
		const char *code;
		int connections;
	} cases[] = {
		{"554 5.6.0 never", OUTCOME_REJECTED, "554 5.6.0", 1},
		{"451 4.3.0 later", OUTCOME_RETRY, "451 4.3.0", 1},
		{"421 4.3.2 bye", OUTCOME_RETRY, "421 4.3.2", 2},
		{"", OUTCOME_UNKNOWN, "lost", 2},
		{"what?", OUTCOME_UNKNOWN, "protocol", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		smtp_rig_start(answers_the_dot, (void *)(uintptr_t)cases[i].answer,
		               "&concurrency=1" PATIENT);
		send_together(2);
		wait_for_all();
		ended(0, cases[i].kind, cases[i].code);
		ended(1, OUTCOME_SENT, "250 2.0.0");
		assert_int_equal(smtp_rig_saw("<behind>"), 1);
		assert_int_equal(smtp_rig_saw("<body "), 2);
		assert_int_equal(script_server_connections(rig.server), cases[i].connections);
		forget_all();
	}
}

static void is_silent(struct script *c)
{
	char line[512];

	if (!first_mail(c))
		return;
	if (c->number > 0)
		script_say(c, "250 2.0.0 ok");
	while (script_line(c, line, sizeof(line)))
		continue;
}

static void test_the_dot_before_is_never_answered(void **state)
{
	(void)state;
	smtp_rig_start(is_silent, NULL, "&concurrency=1&timeout=2s");
	send_together(2);
	wait_for_all();
	ended(0, OUTCOME_UNKNOWN, "timeout");
	ended(1, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(smtp_rig_saw("<body "), 2);
	forget_all();
}

/* ---- what went with the dot is not answered well ------------------------------------------------- */

static const char *const steps[] = {"RSET", "MAIL", "RCPT", "DATA"};

struct answers {
	const char *say[4]; /* to each step; "": it closes; NULL: it says nothing from here on */
};

static void answers_behind(struct script *c)
{
	const struct answers *a = c->arg;
	char line[512];

	if (!first_mail(c) || !script_say(c, "250 2.0.0 first"))
		return;
	for (int i = 0; c->number == 0 && i < 4; i++) {
		if (a->say[i] == NULL) {
			while (script_line(c, line, sizeof(line)))
				continue;
			return;
		}
		if (!script_take(c, steps[i], a->say[i][0] != '\0' ? a->say[i] : NULL) ||
		    a->say[i][0] == '\0')
			return;
	}
	serve(c);
}

/* How the second and the third mail end, and how many connections it takes. */
struct follows {
	struct answers answers;
	enum outcome_kind kind;
	const char *code;
	int connections;
	size_t behind; /* how often commands went with a dot */
};

static void follow(const struct follows *f, const char *params)
{
	smtp_rig_start(answers_behind, (void *)(uintptr_t)&f->answers, params);
	send_together(3);
	wait_for_all();
	ended(0, OUTCOME_SENT, "250 2.0.0");
	ended(1, f->kind, f->code);
	ended(2, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(script_server_connections(rig.server), f->connections);
	assert_int_equal(smtp_rig_saw("<behind>"), f->behind);
	assert_int_equal(smtp_rig_saw("<body "), f->kind == OUTCOME_SENT ? 3 : 2);
	smtp_rig_in_order();
	forget_all();
}

/* A verdict about the mail counts like any other. */
static void test_refused_behind(void **state)
{
	static const struct follows cases[] = {
		{{{"250 ok", "550 5.7.1 not from you", "503 no", "503 no"}},
	         OUTCOME_PROVIDER_DOWN,
	         CODE_SENDER_REFUSED,
	         1,
	         1},
		{{{"250 ok", "250 ok", "550 5.1.1 who?", "554 no"}},
	         OUTCOME_REJECTED,
	         "550 5.1.1",
	         1,
	         1},
		{{{"250 ok", "250 ok", "250 ok", "451 4.3.0 no"}},
	         OUTCOME_RETRY,
	         "451 4.3.0",
	         1,
	         1},
		{{{"250 ok", "250 ok", "421 4.3.2 bye", ""}}, OUTCOME_RETRY, "421 4.3.2", 2, 1},
		{{{"250 ok", "250 ok", "", ""}}, OUTCOME_RETRY, "lost", 2, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		follow(&cases[i], "&concurrency=1" PATIENT);
}

/* Nothing was said about the mail: it goes by another connection, and nobody is told. */
static void test_nothing_said_about_the_mail_behind(void **state)
{
	static const struct follows cases[] = {
		{{{"", "", "", ""}}, OUTCOME_SENT, "250 2.0.0", 2, 2},
		{{{"421 4.3.2 bye", "", "", ""}}, OUTCOME_SENT, "250 2.0.0", 2, 2},
		{{{"250 ok", "421 4.4.5 that was enough", "", ""}},
	         OUTCOME_SENT,
	         "250 2.0.0",
	         2,
	         2},
		{{{"250 ok", "", "", ""}}, OUTCOME_SENT, "250 2.0.0", 2, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		follow(&cases[i], "&concurrency=1" PATIENT);
}

/* The server does not cope: no more of that. */
static void test_not_understood_behind(void **state)
{
	static const struct follows cases[] = {
		{{{"502 5.5.1 what?", "250 ok", "250 ok", "354 go"}},
	         OUTCOME_SENT,
	         "250 2.0.0",
	         2,
	         1},
		{{{"250 ok", "503 5.5.1 not now", "503 no", "503 no"}},
	         OUTCOME_SENT,
	         "250 2.0.0",
	         2,
	         1},
		{{{NULL, NULL, NULL, NULL}}, OUTCOME_SENT, "250 2.0.0", 2, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		follow(&cases[i], cases[i].answers.say[0] != NULL
		                          ? "&concurrency=1" PATIENT
		                          : "&concurrency=1&command_timeout=300ms");
}

/* ---- taken away ------------------------------------------------------------------------------------ */

static void waits_at_the_dot(struct script *c)
{
	if (!first_mail(c))
		return;
	if (c->number == 0)
		script_pause(c);
	if (script_say(c, "250 2.0.0 first"))
		serve(c);
}

static void hold_behind(int n, const char *params)
{
	smtp_rig_start(waits_at_the_dot, NULL, params);
	send_together(n);
	mail_wait_ready(mails[0]);
	wait_loop_for(rig.loop, 5); /* the dot leaves, with what goes with it */
	script_server_wait(rig.server, "<behind>", 1);
}

static void test_abandoned_behind(void **state)
{
	(void)state;
	hold_behind(3, "&concurrency=1" PATIENT);
	mail_abandon(mails[1]);
	mails[1]->done++;
	script_server_go(rig.server);
	wait_for_all();
	ended(0, OUTCOME_SENT, "250 2.0.0");
	ended(2, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(mails[1]->ready, 0);
	assert_int_equal(asked(1), 1);
	assert_int_equal(smtp_rig_saw("<body "), 2);
	assert_int_equal(script_server_connections(rig.server), 2);
	forget_all();
}

/* What was behind it takes nothing from the time that a dot has. */
static void test_abandoned_behind_a_slow_dot(void **state)
{
	(void)state;
	hold_behind(2, "&concurrency=1&command_timeout=10s");
	mail_abandon(mails[1]);
	mails[1]->done++;
	wait_loop_for(rig.loop, 700);
	assert_int_equal(mails[0]->done, 0);
	script_server_go(rig.server);
	wait_for_all();
	ended(0, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(smtp_rig_saw("<body "), 1);
	forget_all();
}

static void test_abandoned_in_line(void **state)
{
	(void)state;
	hold_behind(3, "&concurrency=1" PATIENT);
	mail_abandon(mails[2]);
	mails[2]->done++;
	script_server_go(rig.server);
	wait_for_all();
	ended(0, OUTCOME_SENT, "250 2.0.0");
	ended(1, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(asked(2), 0);
	assert_int_equal(script_server_connections(rig.server), 1);
	forget_all();
}

static void test_the_one_before_is_abandoned(void **state)
{
	(void)state;
	hold_behind(2, "&concurrency=1" PATIENT);
	mail_abandon(mails[0]);
	mails[0]->done++;
	wait_for_all();
	script_server_go(rig.server);
	ended(1, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(smtp_rig_saw("<body "), 2);
	assert_int_equal(script_server_connections(rig.server), 2);
	forget_all();
}

static bool second_done(void *arg)
{
	(void)arg;
	return mails[2]->done > 0;
}

/* A server that takes long over one mail does not keep the next one from another connection. */
static void test_the_dot_before_takes_long(void **state)
{
	(void)state;
	smtp_rig_start(waits_at_the_dot, NULL, "&concurrency=2");
	send_together(3);
	mails[0]->when_ready = mails[1]->when_ready = READY_HOLD;
	mail_wait_ready(mails[0]);
	mail_wait_ready(mails[1]);
	script_server_wait(rig.server, "DATA", 2);
	mail_release(mails[0]);
	mail_release(mails[1]);
	wait_loop_until(rig.loop, second_done, NULL, 0);
	assert_int_equal(mails[0]->done + mails[1]->done, 1);
	script_server_go(rig.server);
	wait_for_all();
	for (int i = 0; i < 3; i++)
		ended(i, OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(smtp_rig_saw("<body "), 3);
	forget_all();
}

/* ---- how many are taken in ------------------------------------------------------------------------- */

static void test_room_while_the_server_is_prompt(void **state)
{
	(void)state;
	smtp_rig_start(serves, PIPELINED, "&concurrency=2");
	assert_int_equal(provider_room(rig.provider), 2);
	smtp_rig_expect(OUTCOME_SENT, "250 2.0.0");
	assert_true(provider_room(rig.provider) > 2);
	assert_true(provider_room(rig.provider) <= 6);
	smtp_rig_start(serves, PIPELINED, "&concurrency=2&rate=100000/s");
	smtp_rig_expect(OUTCOME_SENT, "250 2.0.0");
	assert_int_equal(provider_room(rig.provider), 2);
	smtp_rig_start(answers_the_dot, (void *)"451 4.3.0 later", "&concurrency=2");
	smtp_rig_expect(OUTCOME_RETRY, "451 4.3.0");
	assert_int_equal(provider_room(rig.provider), 2);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, smtp_rig_setup, smtp_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_next_mail_goes_with_the_dot),
		TEST(test_not_where_it_may_not),
		TEST(test_too_large_to_follow),
		TEST(test_the_dot_before_goes_wrong),
		TEST(test_the_dot_before_is_never_answered),
		TEST(test_refused_behind),
		TEST(test_nothing_said_about_the_mail_behind),
		TEST(test_not_understood_behind),
		TEST(test_abandoned_behind),
		TEST(test_abandoned_behind_a_slow_dot),
		TEST(test_abandoned_in_line),
		TEST(test_the_one_before_is_abandoned),
		TEST(test_the_dot_before_takes_long),
		TEST(test_room_while_the_server_is_prompt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

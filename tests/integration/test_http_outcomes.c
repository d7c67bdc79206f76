#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/http_world.h"
#include "support/wait.h"

/* What each provider's documented replies, and what goes wrong on the way, come to: over the wire,
 * with the server counting what it was sent. The tables themselves are in tests/unit. */

#define ALL ((1U << N_APIS) - 1)
#define ONLY(API) (1U << (API))

struct expected {
	const char *behaviour;
	unsigned apis;
	enum outcome_kind kind;
	const char *code;
	size_t kept; /* by the server */
};

static const struct expected replies[] = {
	{"refuse", ALL, OUTCOME_REJECTED, NULL, 0},
	{"inactive", ONLY(POSTMARK), OUTCOME_REJECTED, "422 406", 0},
	{"sender", ALL, OUTCOME_PROVIDER_DOWN, CODE_SENDER_REFUSED, 0},
	{"quota", ALL & ~ONLY(MAILGUN), OUTCOME_PROVIDER_DOWN, CODE_QUOTA, 0},
	{"account", ALL, OUTCOME_PROVIDER_DOWN, NULL, 0},
	{"throttle", ALL, OUTCOME_THROTTLED, NULL, 0},
	{"large", ALL, OUTCOME_REJECTED, CODE_TOO_LARGE, 0},
	{"concurrent", ONLY(RESEND), OUTCOME_RETRY, NULL, 0},
	{"busy", ALL, OUTCOME_RETRY, "500", 0},
	{"unwell", ALL, OUTCOME_RETRY, "503", 0},
	{"away", ALL, OUTCOME_THROTTLED, "503", 0},
	{"redirect", ALL, OUTCOME_PROVIDER_DOWN, "302", 0},
	{"gateway", ALL, OUTCOME_UNKNOWN, "502", 0},
	{"timeout", ALL, OUTCOME_UNKNOWN, "504", 0},
	{"keep-gateway", ALL, OUTCOME_UNKNOWN, "502", 1},
	{"huge", ALL & ~ONLY(POSTMARK), OUTCOME_REJECTED, "400", 0},
	{"magnificent", ONLY(MAILGUN), OUTCOME_PROVIDER_DOWN, "endpoint", 0},
	{"magnificent", ALL & ~ONLY(MAILGUN), OUTCOME_UNKNOWN, "200", 0},
	{"reset", ALL, OUTCOME_UNKNOWN, "lost", 0},
	{"close", ALL, OUTCOME_UNKNOWN, "lost", 0},
	{"keep-reset", ALL, OUTCOME_UNKNOWN, "lost", 1},
	{"partial", ALL, OUTCOME_UNKNOWN, "200", 0},
	{"partial-head", ALL, OUTCOME_UNKNOWN, "lost", 0},
	{"huge-head", ALL, OUTCOME_UNKNOWN, "lost", 0},
	{"garbage", ALL, OUTCOME_UNKNOWN, "lost", 0},
};

static void expect(struct http_world *w, const struct expected *e, enum http_world_api api)
{
	char payload[256];
	struct outcome o;

	http_server_clear(w->server);
	snprintf(payload, sizeof(payload),
	         "{\"to\":\"%s.x@example.com\",\"subject\":\"s\",\"text\":\"t\"}", e->behaviour);
	o = http_world_deliver(w, api, NULL, "", payload);
	http_server_check(w->server);
	if (o.kind != e->kind || (e->code != NULL && strcmp(o.code, e->code) != 0))
		fail_msg("%s: %s is %s, %s %s", http_world_name(api), e->behaviour,
		         outcome_name(o.kind), o.code, o.text);
	if (o.kind != OUTCOME_UNKNOWN)
		assert_int_not_equal(o.text[0], '\0');
	assert_int_equal(http_server_count(w->server, "wholes"), 1);
	assert_int_equal(http_server_count(w->server, "taken"), e->kept);
}

static void test_replies(void **state)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		for (int api = 0; api < N_APIS; api++)
			if ((replies[i].apis & (1U << api)) != 0)
				expect(*state, &replies[i], (enum http_world_api)api);
}

/* Each says in its own way how long to wait: a header, another, a date within a sentence. */
static void test_how_long_to_wait(void **state)
{
	static const char payload[] =
		"{\"to\":\"throttle.x@example.com\",\"subject\":\"s\",\"text\":\"t\"}";
	static const enum http_world_api apis[] = {SENDGRID, MAILGUN, RESEND};
	struct http_world *w = *state;
	struct outcome o;

	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		o = http_world_deliver(w, apis[i], NULL, "", payload);
		assert_int_equal(o.kind, OUTCOME_THROTTLED);
		assert_in_range(o.retry_after_ms, 1, 3000);
	}
	for (int api = 0; api < N_APIS; api++) {
		o = http_world_deliver(w, (enum http_world_api)api, "away", "", NULL);
		assert_int_equal(o.retry_after_ms, 2000);
		o = http_world_deliver(w, (enum http_world_api)api, "away-date", "", NULL);
		assert_int_equal(o.kind, OUTCOME_THROTTLED);
		assert_int_equal(o.retry_after_ms, 7000); /* by the server's own clock */
	}
}

static void test_wrong_credentials(void **state)
{
	static const char *const dsns[] = {
		"sendgrid://wr0ng-key@default?endpoint=",
		"mailgun://wr0ng-key:mg.example.org@default?endpoint=",
		"ses://AKIDEXAMPLE:wr0ng-key@default?region=eu-west-1&endpoint=",
		"postmark://wr0ng-key@default?endpoint=",
		"resend://wr0ng-key@default?endpoint=",
	};
	struct http_world *w = *state;

	for (int api = 0; api < N_APIS; api++) {
		struct provider *p = delivery_open(
			w->loop, &w->options, "%s%s", dsns[api],
			http_server_url(w->server, NULL,
		                        http_world_name((enum http_world_api)api)));
		struct mail *m = mail_new(p, 1, NULL);

		mail_deliver(m);
		assert_int_equal(m->outcome.kind, OUTCOME_PROVIDER_DOWN);
		assert_null(strstr(m->outcome.text, "wr0ng"));
		mail_free(m);
		provider_close(p);
	}
	assert_int_equal(http_server_count(w->server, "taken"), 0);
}

/* A server may quote what it was sent: the key goes into no status and no log. */
static void test_credentials_are_hidden(void **state)
{
	static const enum http_world_api apis[] = {SENDGRID, POSTMARK, RESEND};
	struct http_world *w = *state;

	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
		struct outcome o = http_world_deliver(w, apis[i], "echo", "", NULL);

		assert_non_null(strstr(o.text, "***"));
		assert_null(strstr(o.text, "test-key-123"));
	}
}

/* Before the last byte has left nothing is taken and nothing is unknown, whatever the reply says. */
static void test_answers_to_half_a_mail(void **state)
{
	static const struct {
		const char *behaviour;
		enum outcome_kind kind;
	} cases[] = {{"held-401", OUTCOME_PROVIDER_DOWN},
	             {"held-202", OUTCOME_RETRY},
	             {"held-502", OUTCOME_RETRY},
	             {"reset-held", OUTCOME_RETRY},
	             {"reset-head", OUTCOME_RETRY}};
	struct http_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct provider *p = http_world_open(w, SENDGRID, cases[i].behaviour, "");
		struct mail *m = mail_new(p, 1, NULL);

		m->when_ready = READY_HOLD;
		mail_send(m);
		mail_wait_done(m);
		assert_int_equal(m->outcome.kind, cases[i].kind);
		mail_free(m);
		provider_close(p);
	}
	assert_int_equal(http_server_count(w->server, "wholes"), 0);
}

static void test_silence_is_unknown(void **state)
{
	struct http_world *w = *state;
	struct outcome o = http_world_deliver(w, SENDGRID, "silent", "&timeout=150ms", NULL);

	assert_int_equal(o.kind, OUTCOME_UNKNOWN);
	assert_string_equal(o.code, "timeout");
	o = http_world_deliver(w, RESEND, "drip", "&timeout=150ms", NULL);
	assert_int_equal(o.kind, OUTCOME_UNKNOWN);
}

/* --- recipients --------------------------------------------------------------------------------- */

static void test_recipients_follow_the_outcome(void **state)
{
	static const struct {
		const char *behaviour;
		enum rcpt_state state;
	} cases[] = {{"refuse", RCPT_REFUSED},
	             {"large", RCPT_PENDING}, /* another provider may take it */
	             {"busy", RCPT_PENDING},
	             {"gateway", RCPT_PENDING}};
	struct http_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct provider *p = http_world_open(w, SES, NULL, "");
		char payload[256];
		struct mail *m;

		snprintf(payload, sizeof(payload),
		         "{\"to\":[\"%s.x@example.com\",\"b@example.com\"],\"subject\":\"s\","
		         "\"text\":\"t\"}",
		         cases[i].behaviour);
		m = mail_new(p, 1, payload);
		m->delivery.rcpts[1].state = RCPT_ACCEPTED;
		mail_deliver(m);
		assert_int_equal(m->delivery.rcpts[0].state, cases[i].state);
		assert_int_equal(m->delivery.rcpts[1].state, RCPT_ACCEPTED);
		mail_free(m);
		provider_close(p);
	}
}

static void test_postmark_takes_it_for_some(void **state)
{
	struct http_world *w = *state;
	struct provider *p = http_world_open(w, POSTMARK, NULL, "");
	struct mail *m = mail_new(
		p, 1,
		"{\"to\":[\"partly.x@example.com\",\"Gone@example.com\"],"
		"\"cc\":\"begone@example.com\",\"subject\":\"s\",\"text\":\"t\"}");

	mail_deliver(m);
	assert_int_equal(m->outcome.kind, OUTCOME_SENT);
	assert_int_equal(m->delivery.rcpts[0].state, RCPT_ACCEPTED);
	assert_int_equal(m->delivery.rcpts[1].state, RCPT_REFUSED);
	assert_string_equal(m->delivery.rcpts[1].code, "200 inactive");
	assert_int_equal(m->delivery.rcpts[2].state, RCPT_ACCEPTED);
	mail_free(m);
	provider_close(p);
}

/* --- what it cannot carry ----------------------------------------------------------------------- */

static void test_unsupported_is_not_tried(void **state)
{
	struct http_world *w = *state;
	struct outcome o = http_world_deliver(w, POSTMARK, NULL, "",
	                                      "{\"to\":\"a@example.com\",\"subject\":\"s\","
	                                      "\"text\":\"t\",\"tags\":[\"one\",\"two\"]}");

	assert_int_equal(o.kind, OUTCOME_RETRY);
	assert_true(o.healthy);
	assert_string_equal(o.code, CODE_UNSUPPORTED);
	assert_non_null(strstr(o.text, "one tag"));
	assert_int_equal(http_server_count(w->server, "connections"), 0);
}

/* --- SES and the time --------------------------------------------------------------------------- */

static int64_t an_hour_behind(int clock_id)
{
	struct timespec now;

	clock_gettime(clock_id, &now);
	if (clock_id == CLOCK_REALTIME)
		now.tv_sec -= 3600;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A worker whose clock is wrong must not close SES to the fleet: it takes SES's own clock. */
static void test_ses_clock(void **state)
{
	struct http_world *w = *state;
	struct provider *p = http_world_open(w, SES, NULL, "");
	struct mail *m = mail_new(p, 1, NULL);

	clock_set_source(an_hour_behind);
	mail_deliver(m);
	assert_int_equal(m->outcome.kind, OUTCOME_RETRY);
	assert_true(m->outcome.healthy);
	mail_deliver(m);
	clock_set_source(NULL);
	assert_int_equal(m->outcome.kind, OUTCOME_SENT);
	mail_free(m);
	provider_close(p);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, http_world_set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_replies),
		TEST(test_how_long_to_wait),
		TEST(test_wrong_credentials),
		TEST(test_credentials_are_hidden),
		TEST(test_answers_to_half_a_mail),
		TEST(test_silence_is_unknown),
		TEST(test_recipients_follow_the_outcome),
		TEST(test_postmark_takes_it_for_some),
		TEST(test_unsupported_is_not_tried),
		TEST(test_ses_clock),
	};

	return cmocka_run_group_tests_name("http_outcomes", tests, http_world_begin,
	                                   http_world_end);
}

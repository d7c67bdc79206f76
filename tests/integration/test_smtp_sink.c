/* The client against smtp-sink, a server that we did not write: many mails over a pool, messages
 * that try to be two, and the faults that smtp-sink can play. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/message.h"
#include "smtp/pool.h"
#include "support/delivery.h"
#include "support/smtp_sink.h"
#include "support/wait.h"

static struct ev_loop *loop;
static struct options options;
static struct smtp_sink *sink;
static struct provider *provider;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	delivery_options(&options);
	message_init();
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	if (provider != NULL)
		provider_close(provider);
	provider = NULL;
	smtp_sink_free(sink);
	sink = NULL;
	ev_loop_destroy(loop);
	options_free(&options);
	return 0;
}

/* smtp-sink with these options, and a provider for it. */
static void start(const char *const *extra, bool keep, const char *params)
{
	if (provider != NULL)
		provider_close(provider);
	smtp_sink_free(sink);
	sink = smtp_sink_start(extra, keep);
	provider = delivery_open(loop, &options, "smtp://127.0.0.1:%d?tls=none%s",
	                         smtp_sink_port(sink), params);
}

/* ---- many ------------------------------------------------------------------------------------- */

#define MANY 3000

static int sent, failed;
static int to_start;

static void on_sent(struct mail *m)
{
	if (m->outcome.kind == OUTCOME_SENT)
		sent++;
	else
		failed++;
	if (to_start > 0) {
		to_start--;
		m->delivery.rcpts[0].state = RCPT_PENDING;
		mail_send(m);
	}
}

static bool all_over(void *arg)
{
	(void)arg;
	return sent + failed >= MANY;
}

static bool has_sessions(void *arg)
{
	return smtp_sink_sessions(arg) >= MANY / 100;
}

static void test_many_mails_over_few_connections(void **state)
{
	struct mail *mails[20];

	(void)state;
	start(NULL, false, "&concurrency=20&per_connection=100");
	sent = failed = 0;
	to_start = MANY - 20;
	for (int i = 0; i < 20; i++) {
		mails[i] = mail_new(provider, i, NULL);
		mails[i]->when_ready = i % 3 == 0 ? READY_RELEASE_LATER : READY_RELEASE;
		mails[i]->on_done = on_sent;
		mail_send(mails[i]);
	}
	wait_loop_until(loop, all_over, NULL, 0);
	assert_int_equal(sent, MANY);
	smtp_sink_wait(sink, MANY);
	for (int i = 0; i < 20; i++)
		mail_free(mails[i]);
	provider_close(provider);
	provider = NULL;
	assert_int_equal(smtp_sink_count(sink), MANY);
	/* A hundred each, and one more for each place that had just begun another. */
	wait_until(has_sessions, sink, 0);
	assert_true(smtp_sink_sessions(sink) <= MANY / 100 + 20);
}

/* ---- what arrives ------------------------------------------------------------------------------- */

/* The message text in the one kept file, without smtp-sink's own first lines. */
static char *kept_message(void)
{
	size_t n;
	char *all = smtp_sink_messages(sink, &n), *at = all, *text;

	assert_int_equal(n, 1);
	while (strncmp(at, "X-", 2) == 0) {
		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
	}
	if (strncmp(at, "Received:", 9) == 0) /* with its continuation lines */
		do {
			at = strchr(at, '\n');
			assert_non_null(at);
			at++;
		} while (*at == '\t' || *at == ' ');
	text = strdup(at);
	assert_non_null(text);
	free(all);
	return text;
}

static void test_the_message_arrives_as_it_was_composed(void **state)
{
	static const char payload[] =
		"{\"to\":\"ada@example.com\",\"subject\":\"Dots\",\"text\":\".\\n..\\nfrom\\n.\\n\\n."
		"leading\\nend.\",\"html\":\"<p>.</p>\\n.\\n\"}";
	struct buf composed;
	struct error err;
	struct mail *m;
	char *text, *to;

	(void)state;
	start(NULL, true, "");
	m = mail_new(provider, 1, payload);
	assert_int_equal(mail_deliver(m)->kind, OUTCOME_SENT);
	smtp_sink_wait(sink, 1);
	text = kept_message();
	buf_init(&composed, 1 << 20);
	assert_true(message_compose(&composed, m->job, m->id, m->delivery.date_ms, &err));
	/* As smtp-sink writes it: LF for CRLF. */
	to = composed.data;
	for (const char *from = composed.data; *from != '\0'; from++)
		if (*from != '\r')
			*to++ = *from;
	*to++ = '\n'; /* which it puts behind each message */
	*to = '\0';
	assert_string_equal(text, composed.data);
	free(text);
	buf_free(&composed);
	mail_free(m);
}

/* ---- raw messages, without the provider: FAULTS 37 -------------------------------------------------- */

static bool over;
static enum smtp_end how;
static struct smtp_pool *pool;

static void raw_rcpt(struct smtp_envelope *e, size_t i, const struct smtp_reply *reply)
{
	(void)e;
	(void)i;
	(void)reply;
}

static void raw_held(struct smtp_envelope *e)
{
	smtp_pool_release(pool, e);
}

static void raw_end(struct smtp_envelope *e, const struct smtp_result *r)
{
	(void)e;
	over = true;
	how = r->end == SMTP_END_REPLY && r->reply.code / 100 == 2 ? SMTP_END_REPLY : SMTP_END_LOST;
}

static bool is_over(void *arg)
{
	(void)arg;
	return over;
}

static void send_raw(const char *message, size_t len)
{
	static const struct smtp_events events = {raw_rcpt, raw_held, raw_end};
	struct smtp_config config = {.host = (char *)"127.0.0.1",
	                             .port = smtp_sink_port(sink),
	                             .ehlo_name = (char *)"client.example",
	                             .mode = SMTP_TLS_NONE,
	                             .ca_file = (char *)"",
	                             .user = (char *)"",
	                             .password = (char *)"",
	                             .connect_ms = 10000,
	                             .command_ms = 10000,
	                             .final_ms = 10000,
	                             .idle_ms = 10000,
	                             .per_connection = 10,
	                             .connections = 1};
	const char *to[] = {"victim@example.com"};
	struct smtp_envelope e = {.from = "sender@example.org", .to = to, .n_to = 1};
	struct error err;

	buf_init(&e.message, 1 << 20);
	buf_add(&e.message, message, len);
	pool = smtp_pool_open(loop, &config, &events, NULL, &err);
	assert_non_null(pool);
	over = false;
	smtp_pool_send(pool, &e);
	wait_loop_until(loop, is_over, NULL, 0);
	assert_int_equal(how, SMTP_END_REPLY);
	smtp_pool_close(pool);
	buf_free(&e.message);
}

#define EVIL "MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSmuggled\r\n"

/* Whatever a server takes for the end of a text, there is only one. */
static void test_one_message_stays_one(void **state)
{
	static const char *const ends[] = {"\r\n.\r\n", "\n.\r\n",  "\n.\n", "\r\n.\n",
	                                   "\r.\r",     "\r.\r\n",  "\n.\r", "\r\r\n.\r\r\n",
	                                   "\r\n.\r",   "\n\r.\n\r"};
	char message[1024];
	char *all;
	size_t n, at = 0;

	(void)state;
	start(NULL, true, "");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = (size_t)snprintf(message, sizeof(message),
		                     "Subject: %zu\r\n\r\nbefore%s" EVIL ".\r\n", i, ends[i]);
		send_raw(message, n);
	}
	/* And with lines longer than any limit. */
	memset(message, 'x', sizeof(message));
	memcpy(message, ".\r\n", 3);
	send_raw(message, sizeof(message));
	smtp_sink_wait(sink, sizeof(ends) / sizeof(ends[0]) + 1);
	all = smtp_sink_messages(sink, &n);
	assert_int_equal(n, sizeof(ends) / sizeof(ends[0]) + 1);
	for (const char *p = all; (p = strstr(p, "X-Mail-Args: ")) != NULL; p++, at++)
		assert_memory_equal(p, "X-Mail-Args: <sender@example.org>", 33);
	assert_int_equal(at, n);
	free(all);
}

/* ---- faults --------------------------------------------------------------------------------------- */

#define TOGETHER 4

static void test_faults(void **state)
{
	static const struct {
		const char *option, *commands;
		enum outcome_kind kind;
		const char *code;
	} faults[] = {
		{"-q", "CONNECT", OUTCOME_RETRY, "lost"},
		{"-q", "MAIL", OUTCOME_RETRY, "lost"},
		{"-q", "DATA", OUTCOME_RETRY, "lost"},
		{"-q", ".", OUTCOME_UNKNOWN, "lost"},
		{"-Q", "MAIL", OUTCOME_RETRY, "421"},
		{"-Q", ".", OUTCOME_RETRY, "421"},
		{"-r", "MAIL", OUTCOME_RETRY, "450"},
		{"-r", "RCPT", OUTCOME_RETRY, "450"},
		{"-r", ".", OUTCOME_RETRY, "450"},
		{"-f", "CONNECT", OUTCOME_PROVIDER_DOWN, "500"},
		{"-f", "EHLO", OUTCOME_SENT, "250"},
		{"-f", "MAIL", OUTCOME_REJECTED, "500"},
		{"-f", "RCPT", OUTCOME_REJECTED, "500"},
		{"-f", "DATA", OUTCOME_REJECTED, "500"},
		{"-f", ".", OUTCOME_REJECTED, "500"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct mail *mails[TOGETHER];

		/* One connection: what goes with the dot of another meets the fault, too. */
		start((const char *const[]){faults[i].option, faults[i].commands, NULL}, false,
		      "&concurrency=1");
		for (int k = 0; k < TOGETHER; k++) {
			mails[k] = mail_new(provider, k, NULL);
			mail_send(mails[k]);
		}
		for (int k = 0; k < TOGETHER; k++) {
			struct mail *m = mails[k];

			mail_wait_done(m);
			if (m->outcome.kind != faults[i].kind ||
			    strncmp(m->outcome.code, faults[i].code, strlen(faults[i].code)) != 0)
				fail_msg("smtp-sink %s %s: %s \"%s\" \"%s\"", faults[i].option,
				         faults[i].commands, outcome_name(m->outcome.kind),
				         m->outcome.code, m->outcome.text);
		}
		for (int k = 0; k < TOGETHER; k++)
			mail_free(mails[k]);
	}
}

/* smtp-sink says 250 to the lone dot after all recipients were refused. */
static void test_the_lone_dot_is_no_success(void **state)
{
	(void)state;
	start((const char *const[]){"-B", "550 5.1.1 no", "-f", "RCPT", NULL}, false, "");
	for (int i = 0; i < 5; i++) {
		struct mail *m = mail_new(provider, i, NULL);

		assert_int_equal(mail_deliver(m)->kind, OUTCOME_REJECTED);
		assert_int_equal(m->delivery.rcpts[0].state, RCPT_REFUSED);
		mail_free(m);
	}
}

static void test_an_abandoned_mail_is_not_delivered(void **state)
{
	(void)state;
	start(NULL, false, "");
	for (int i = 0; i < 10; i++) {
		struct mail *m = mail_new(provider, i, NULL);

		m->when_ready = i % 2 ? READY_HOLD : READY_ABANDON;
		mail_send(m);
		mail_wait_ready(m);
		if (i % 2)
			mail_abandon(m);
		mail_free(m);
	}
	{
		struct mail *m = mail_new(provider, 99, NULL);

		assert_int_equal(mail_deliver(m)->kind, OUTCOME_SENT);
		mail_free(m);
	}
	smtp_sink_wait(sink, 1);
	assert_int_equal(smtp_sink_count(sink), 1);
}

/* The server dies and comes back: no mail is lost, none is unknown that was not released. */
static void test_the_server_comes_back(void **state)
{
	struct mail *m;
	int port;

	(void)state;
	start(NULL, false, "");
	m = mail_new(provider, 1, NULL);
	assert_int_equal(mail_deliver(m)->kind, OUTCOME_SENT);
	port = smtp_sink_port(sink);
	smtp_sink_free(sink);
	sink = NULL;
	m->delivery.rcpts[0].state = RCPT_PENDING;
	assert_int_equal(mail_deliver(m)->kind, OUTCOME_RETRY);
	sink = smtp_sink_start_at(port, NULL, false);
	assert_int_equal(mail_deliver(m)->kind, OUTCOME_SENT);
	mail_free(m);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_mails_over_few_connections),
		TEST(test_the_message_arrives_as_it_was_composed),
		TEST(test_one_message_stays_one),
		TEST(test_faults),
		TEST(test_the_lone_dot_is_no_success),
		TEST(test_an_abandoned_mail_is_not_delivered),
		TEST(test_the_server_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

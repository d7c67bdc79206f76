/* TLS and AUTH: against a server that we did not write, and against scripted ones in whose place somebody
 * in between could be. No credentials may leave where they could be read. FAULTS 29. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/message.h"
#include "support/smtp_rig.h"
#include "support/smtp_secure.h"
#include "support/wait.h"

static struct smtp_secure *secure;

static int teardown(void **state)
{
	int rc = smtp_rig_teardown(state);

	smtp_secure_free(secure);
	secure = NULL;
	return rc;
}

static const struct secure_cert good = {.names = "DNS:mail.test,DNS:localhost,IP:127.0.0.1"};

/* The server with these options, and a provider by this DSN, in which the words are replaced:
 * %p the port, %c the CA's file. */
static void start(const struct secure_cert *cert, const char *const *options, const char *dsn)
{
	char text[1024];
	size_t n = 0;

	smtp_secure_free(secure);
	if (rig.provider != NULL)
		provider_close(rig.provider);
	secure = smtp_secure_start(cert, options);
	for (; *dsn != '\0'; dsn++) {
		if (strncmp(dsn, "%p", 2) == 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%d",
			                      smtp_secure_port(secure));
		else if (strncmp(dsn, "%c", 2) == 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", secure_ca());
		else
			text[n++] = *dsn;
		dsn += *dsn == '%';
	}
	text[n] = '\0';
	rig.provider = delivery_open(rig.loop, &rig.options, "%s", text);
}

static void expect(enum outcome_kind kind, const char *code)
{
	struct outcome o = smtp_rig_deliver(NULL);

	if (o.kind != kind || strncmp(o.code, code, strlen(code)) != 0)
		fail_msg("%s \"%s\" \"%s\", not %s \"%s\"; the server saw:\n%s",
		         outcome_name(o.kind), o.code, o.text, outcome_name(kind), code,
		         smtp_secure_said(secure));
}

static bool said(const char *text)
{
	char *all = smtp_secure_said(secure);
	bool is = strstr(all, text) != NULL;

	free(all);
	return is;
}

#define USER ((const char *const[]){"user=ada:s3cret", NULL})

/* ---- what must work ---------------------------------------------------------------------------- */

static void test_starttls_and_auth(void **state)
{
	(void)state;
	start(&good, USER, "smtp://ada:s3cret@127.0.0.1:%p?tls_ca=%c");
	for (int i = 0; i < 3; i++)
		expect(OUTCOME_SENT, "250 2.0.0");
	assert_true(said("EHLO clear\nEHLO tls\nAUTH PLAIN ada s3cret tls\n"));
	assert_true(said("DATA tls "));
	assert_false(said("DATA clear"));
}

static void test_implicit_tls(void **state)
{
	(void)state;
	start(&good, (const char *const[]){"implicit", "user=ada:s3cret", NULL},
	      "smtps://ada:s3cret@localhost:%p?tls_ca=%c");
	expect(OUTCOME_SENT, "250 2.0.0");
	assert_true(said("AUTH PLAIN ada s3cret tls\n"));
}

static void test_auth_login(void **state)
{
	(void)state;
	start(&good, (const char *const[]){"user=ada:s3cret", "mechanisms=LOGIN", NULL},
	      "smtp://ada:s3cret@127.0.0.1:%p?tls_ca=%c");
	expect(OUTCOME_SENT, "250");
	assert_true(said("AUTH LOGIN ada s3cret tls\n"));
	start(&good, USER, "smtp://ada:s3cret@127.0.0.1:%p?tls_ca=%c&auth=login");
	expect(OUTCOME_SENT, "250");
	assert_true(said("AUTH LOGIN ada s3cret tls\n"));
}

static void test_wrong_password(void **state)
{
	(void)state;
	start(&good, USER, "smtp://ada:wrong@127.0.0.1:%p?tls_ca=%c");
	expect(OUTCOME_PROVIDER_DOWN, "535");
	start(&good, USER, "smtp://ada:wrong@127.0.0.1:%p?tls_ca=%c&auth=login");
	expect(OUTCOME_PROVIDER_DOWN, "535");
	assert_false(said("MAIL"));
}

static void test_no_credentials_where_they_are_asked_for(void **state)
{
	(void)state;
	start(&good, USER, "smtp://127.0.0.1:%p?tls_ca=%c");
	expect(OUTCOME_PROVIDER_DOWN, "530");
}

/* A relay of our own with a certificate that nobody signed: better than clear text. */
static void test_prefer_takes_any_certificate(void **state)
{
	static const struct secure_cert snakeoil = {.names = "DNS:elsewhere.test",
	                                            .self_signed = true};

	(void)state;
	start(&snakeoil, NULL, "smtp://127.0.0.1:%p");
	expect(OUTCOME_SENT, "250");
	assert_true(said("DATA tls "));
	start(NULL, NULL, "smtp://127.0.0.1:%p");
	expect(OUTCOME_SENT, "250");
	assert_true(said("DATA clear "));
}

static void test_verification_can_be_turned_off_by_name(void **state)
{
	static const struct secure_cert snakeoil = {.names = "DNS:elsewhere.test",
	                                            .self_signed = true};

	(void)state;
	start(&snakeoil, USER, "smtp://ada:s3cret@127.0.0.1:%p?tls_verify=0");
	expect(OUTCOME_SENT, "250");
}

#define LARGE ((size_t)3 << 20)

/* The bytes that were composed are those that arrive, over TLS, and with international addresses. */
static void test_the_message_arrives_as_it_was_composed(void **state)
{
	struct buf composed, job;
	struct error err;
	struct mail *m;
	size_t len;
	char *got;

	(void)state;
	message_init();
	start(&good, (const char *const[]){"utf8", NULL}, "smtp://127.0.0.1:%p?tls_ca=%c");
	buf_init(&job, LARGE * 2);
	buf_add_str(&job, "{\"to\":\"j\xc3\xbcrgen@b\xc3\xbc"
	                  "cher.example\",\"subject\":\"Gr\xc3\xbc\xc3\x9f"
	                  "e\",\"body\":\"");
	while (job.len < LARGE)
		buf_add_str(&job, ".\\r\\n..\\n.dot \xc3\xa9 line\\n\\n");
	buf_add_str(&job, "\"}");
	m = mail_new(rig.provider, 1, buf_str(&job));
	mail_deliver(m);
	if (m->outcome.kind != OUTCOME_SENT)
		fail_msg("%s %s", m->outcome.code, m->outcome.text);
	assert_true(said("SMTPUTF8"));
	assert_true(said("RCPT j\xc3\xbcrgen@xn--bcher-kva.example\n"));
	buf_init(&composed, LARGE * 4);
	assert_true(message_compose(&composed, m->job, m->id, m->delivery.date_ms, &err));
	got = smtp_secure_message(secure, 1, &len);
	assert_int_equal(len, composed.len);
	assert_memory_equal(got, composed.data, len);
	free(got);
	buf_free(&composed);
	buf_free(&job);
	mail_free(m);
}

static void test_many_over_tls(void **state)
{
	struct mail *mails[40];

	(void)state;
	start(&good, NULL, "smtp://127.0.0.1:%p?tls_ca=%c&concurrency=5");
	for (int i = 0; i < 40; i++) {
		mails[i] = mail_new(rig.provider, i, NULL);
		mails[i]->when_ready = i % 2 ? READY_RELEASE : READY_RELEASE_LATER;
	}
	for (int i = 0; i < 40; i += 5) {
		for (int k = i; k < i + 5; k++)
			mail_send(mails[k]);
		for (int k = i; k < i + 5; k++)
			mail_wait_done(mails[k]);
	}
	for (int i = 0; i < 40; i++) {
		assert_int_equal(mails[i]->outcome.kind, OUTCOME_SENT);
		mail_free(mails[i]);
	}
}

static void test_abandoned_over_tls(void **state)
{
	struct mail *m;

	(void)state;
	start(&good, NULL, "smtp://127.0.0.1:%p?tls_ca=%c");
	m = mail_new(rig.provider, 1, NULL);
	m->when_ready = READY_HOLD;
	mail_send(m);
	mail_wait_ready(m);
	mail_abandon(m);
	expect(OUTCOME_SENT, "250");
	{
		char *all = smtp_secure_said(secure), *data = strstr(all, "DATA");

		assert_non_null(data);
		assert_null(strstr(data + 1, "DATA"));
		free(all);
	}
	mail_free(m);
}

/* ---- what must not ----------------------------------------------------------------------------- */

static void test_certificates_that_are_not_to_be_trusted(void **state)
{
	static const struct secure_cert wrong_host = {.names = "DNS:elsewhere.test,IP:127.0.0.2"};
	static const struct secure_cert expired = {
		.names = "DNS:localhost,IP:127.0.0.1", .from_s = -7200, .until_s = -3600};
	static const struct secure_cert not_yet = {
		.names = "DNS:localhost,IP:127.0.0.1", .from_s = 3600, .until_s = 7200};
	static const struct secure_cert unsigned_by_ca = {.names = "DNS:localhost,IP:127.0.0.1",
	                                                  .self_signed = true};
	static const struct secure_cert *const bad[] = {&wrong_host, &expired, &not_yet,
	                                                &unsigned_by_ca};
	static const char *const dsns[] = {"smtp://ada:s3cret@127.0.0.1:%p?tls_ca=%c",
	                                   "smtp://ada:s3cret@localhost:%p?tls_ca=%c",
	                                   "smtp://ada:s3cret@127.0.0.1:%p?tls=prefer&tls_ca=%c",
	                                   "smtp://127.0.0.1:%p?tls=require&tls_ca=%c"};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++) {
			start(bad[i], USER, dsns[k]);
			expect(OUTCOME_PROVIDER_DOWN, "tls");
			assert_false(said("AUTH"));
			assert_false(said("MAIL"));
		}
	/* A good one, of a CA that is not ours. */
	start(&good, USER, "smtp://ada:s3cret@127.0.0.1:%p");
	expect(OUTCOME_PROVIDER_DOWN, "tls");
	start(&good, (const char *const[]){"implicit", "user=ada:s3cret", NULL},
	      "smtps://ada:s3cret@127.0.0.1:%p");
	expect(OUTCOME_PROVIDER_DOWN, "tls");
	assert_false(said("AUTH"));
}

/* Without STARTTLS, or with it refused. */
static void strips_starttls(struct script *c)
{
	script_hello(c, c->arg);
	script_take(c, "", "454 4.7.0 TLS not available");
	script_serve(c);
}

static void test_stripped_starttls(void **state)
{
	static char none[] = "PIPELINING,AUTH PLAIN LOGIN", refused[] = "STARTTLS,AUTH PLAIN LOGIN";
	static const char *const dsns[] = {"smtp://ada:s3cret@127.0.0.1:%d",
	                                   "smtp://127.0.0.1:%d?tls=require"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		smtp_rig_start_dsn(strips_starttls, none, dsns[i]);
		smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "tls");
		smtp_rig_start_dsn(strips_starttls, refused, dsns[i]);
		smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "tls");
		assert_int_equal(smtp_rig_saw("AUTH") + smtp_rig_saw("MAIL"), 0);
	}
	/* Preferred only: the mail may go in clear text, the credentials may not. */
	smtp_rig_start_dsn(strips_starttls, none, "smtp://ada:s3cret@127.0.0.1:%d?tls=prefer");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "auth");
	assert_int_equal(smtp_rig_saw("AUTH") + smtp_rig_saw("MAIL"), 0);
}

/* What somebody in between added in clear text must not be taken for what was said within TLS. */
static void injects(struct script *c)
{
	script_hello(c, "STARTTLS,AUTH PLAIN");
	script_take(c, "STARTTLS", "220 go\r\n250-injected\r\n250 AUTH PLAIN");
	script_pause(c);
}

static void test_injection_after_starttls(void **state)
{
	(void)state;
	smtp_rig_start_dsn(injects, NULL, "smtp://ada:s3cret@127.0.0.1:%d?tls_verify=0");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "tls");
	smtp_rig_start_dsn(injects, NULL, "smtp://127.0.0.1:%d");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "tls");
	assert_int_equal(smtp_rig_saw("AUTH") + smtp_rig_saw("MAIL"), 0);
}

static void test_what_was_offered_in_clear_text_is_forgotten(void **state)
{
	struct mail *m;

	(void)state;
	start(&good, (const char *const[]){"lie", NULL}, "smtp://127.0.0.1:%p?tls_ca=%c");
	m = mail_new(rig.provider, 1,
	             "{\"to\":\"j\xc3\xbcrgen@x.example\",\"subject\":\"Hi\",\"body\":\"Hello\"}");
	mail_deliver(m);
	assert_int_equal(m->outcome.kind, OUTCOME_RETRY);
	assert_string_equal(m->outcome.code, CODE_UNSUPPORTED);
	assert_false(said("MAIL"));
	mail_free(m);
	expect(OUTCOME_SENT, "250");
}

static void hangs_up_in_the_handshake(struct script *c)
{
	script_hello(c, "STARTTLS");
	script_take(c, "STARTTLS", "220 go");
	script_read(c, 10);
}

static void is_silent_in_the_handshake(struct script *c)
{
	script_hello(c, "STARTTLS");
	script_take(c, "STARTTLS", "220 go");
	script_pause(c);
}

static void speaks_clear_text_in_the_handshake(struct script *c)
{
	script_hello(c, "STARTTLS");
	script_take(c, "STARTTLS", "220 go");
	script_read(c, 10);
	script_say(c, "250 hello, this is no TLS record");
	script_pause(c);
}

static void test_handshakes_that_fail(void **state)
{
	(void)state;
	smtp_rig_start_dsn(hangs_up_in_the_handshake, NULL, "smtp://127.0.0.1:%d?tls=require");
	smtp_rig_expect(OUTCOME_RETRY, "lost");
	smtp_rig_start_dsn(is_silent_in_the_handshake, NULL,
	                   "smtp://127.0.0.1:%d?tls=require&connect_timeout=200ms");
	smtp_rig_expect(OUTCOME_RETRY, "timeout");
	smtp_rig_start_dsn(speaks_clear_text_in_the_handshake, NULL,
	                   "smtp://127.0.0.1:%d?tls=require");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "tls");
}

/* ---- AUTH in clear text, which must be asked for by name ---------------------------------------- */

#define INSECURE "smtp://ada:s3cret@127.0.0.1:%d?tls=none&auth_insecure=1"

static void refuses_auth(struct script *c)
{
	script_hello(c, "AUTH PLAIN");
	script_take(c, "AUTH PLAIN AGFkYQBzM2NyZXQ=", c->arg);
	script_pause(c);
}

static void test_auth_that_fails(void **state)
{
	static char bad[] = "535 5.7.8 no", later[] = "454 4.7.0 Temporary authentication failure";

	(void)state;
	smtp_rig_start_dsn(refuses_auth, bad, INSECURE);
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "535 5.7.8");
	smtp_rig_in_order();
	smtp_rig_start_dsn(refuses_auth, later, INSECURE);
	smtp_rig_expect(OUTCOME_RETRY, "454 4.7.0");
}

static void knows_only_others(struct script *c)
{
	script_hello(c, c->arg);
	script_pause(c);
}

static void test_no_mechanism_in_common(void **state)
{
	static char others[] = "AUTH CRAM-MD5 GSSAPI", none[] = "PIPELINING";

	(void)state;
	smtp_rig_start_dsn(knows_only_others, others, INSECURE);
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "auth");
	smtp_rig_start_dsn(knows_only_others, none, INSECURE);
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "auth");
}

/* It says why in a challenge, and wants it answered before it refuses. */
static void refuses_a_token(struct script *c)
{
	script_hello(c, "AUTH PLAIN XOAUTH2");
	script_take(c, "AUTH XOAUTH2 ", "334 eyJzdGF0dXMiOiI0MDEifQ==");
	script_take(c, "", "535 5.7.8 token expired");
	script_pause(c);
}

static void test_xoauth2(void **state)
{
	(void)state;
	smtp_rig_start_dsn(refuses_a_token, NULL, INSECURE "&auth=xoauth2");
	smtp_rig_expect(OUTCOME_PROVIDER_DOWN, "535 5.7.8");
	assert_int_equal(smtp_rig_saw("0: \n"), 1);
}

static void asks_without_end(struct script *c)
{
	script_hello(c, "AUTH LOGIN");
	script_take(c, "AUTH LOGIN", "334 VXNlcm5hbWU6");
	while (script_take(c, "", "334 VXNlcm5hbWU6"))
		continue;
}

static void test_challenges_without_end(void **state)
{
	(void)state;
	smtp_rig_start_dsn(asks_without_end, NULL, INSECURE);
	smtp_rig_expect(OUTCOME_RETRY, "protocol");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, smtp_rig_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_starttls_and_auth),
		TEST(test_implicit_tls),
		TEST(test_auth_login),
		TEST(test_wrong_password),
		TEST(test_no_credentials_where_they_are_asked_for),
		TEST(test_prefer_takes_any_certificate),
		TEST(test_verification_can_be_turned_off_by_name),
		TEST(test_the_message_arrives_as_it_was_composed),
		TEST(test_many_over_tls),
		TEST(test_abandoned_over_tls),
		TEST(test_certificates_that_are_not_to_be_trusted),
		TEST(test_stripped_starttls),
		TEST(test_injection_after_starttls),
		TEST(test_what_was_offered_in_clear_text_is_forgotten),
		TEST(test_handshakes_that_fail),
		TEST(test_auth_that_fails),
		TEST(test_no_mechanism_in_common),
		TEST(test_xoauth2),
		TEST(test_challenges_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

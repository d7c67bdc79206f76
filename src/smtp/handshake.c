#include "smtp/handshake.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "smtp/sasl.h"

static void send_line(struct smtp_session *s, const char *verb, const char *argument)
{
	struct buf *out = &s->client->scratch;

	buf_add_str(out, verb);
	if (*argument != '\0') {
		buf_add_char(out, ' ');
		buf_add_str(out, argument);
	}
	buf_add_str(out, "\r\n");
	smtp_session_send(s);
}

static void start_tls(struct smtp_session *s)
{
	const struct smtp_config *c = s->client->config;

	smtp_session_enter(s, SMTP_HANDSHAKE, c->connect_ms);
	if (!smtp_transport_start_tls(&s->transport, s->client->tls, c->host))
		smtp_session_over(s, SMTP_END_TLS, "OpenSSL refuses the host's name");
	else
		smtp_transport_wake(&s->transport);
}

static void expect_greeting(struct smtp_session *s)
{
	smtp_session_enter(s, SMTP_GREETING, s->client->config->command_ms);
}

static void say_ehlo(struct smtp_session *s)
{
	memset(&s->caps, 0, sizeof(s->caps));
	smtp_session_enter(s, SMTP_EHLO, s->client->config->command_ms);
	send_line(s, "EHLO", s->client->config->ehlo_name);
}

void smtp_handshake_connect(struct smtp_session *s)
{
	struct smtp_transport *t = &s->transport;

	while (s->address < s->addresses.n) {
		if (smtp_transport_connect(t, &s->addresses.list[s->address])) {
			smtp_session_enter(s, SMTP_CONNECT, s->client->config->connect_ms);
			return;
		}
		s->address++;
	}
	smtp_session_enter(s, SMTP_CONNECT, 0);
	smtp_session_over(s, SMTP_END_CONNECT, strerror(t->error));
}

void smtp_handshake_next(struct smtp_session *s, const char *why)
{
	smtp_transport_close(&s->transport);
	s->address++;
	if (s->address < s->addresses.n)
		smtp_handshake_connect(s);
	else
		smtp_session_over(s, SMTP_END_CONNECT, why);
}

static void connected(struct smtp_session *s)
{
	const struct smtp_config *c = s->client->config;

	s->connected = true;
	smtp_session_limit(s, c->command_ms * SMTP_COMMAND_LIMIT);
	if (c->implicit_tls)
		start_tls(s);
	else
		expect_greeting(s);
}

static void shake_hands(struct smtp_session *s)
{
	char why[SMTP_MAX_WHY];

	switch (smtp_transport_handshake(&s->transport)) {
	case SMTP_PROGRESS_WAIT:
		break;
	case SMTP_PROGRESS_DONE:
		if (s->client->config->implicit_tls)
			expect_greeting(s);
		else
			say_ehlo(s); /* what was said in clear text is forgotten (RFC 3207 4.2) */
		break;
	case SMTP_PROGRESS_FAILED:
		if (s->transport.closed) {
			smtp_session_lost(s);
			break;
		}
		smtp_tls_why(s->transport.ssl, why, sizeof(why));
		smtp_session_over(s, SMTP_END_TLS, why);
		break;
	}
}

void smtp_handshake_progress(struct smtp_session *s)
{
	if (s->phase == SMTP_HANDSHAKE) {
		shake_hands(s);
		return;
	}
	switch (smtp_transport_connected(&s->transport)) {
	case SMTP_PROGRESS_WAIT:
		break;
	case SMTP_PROGRESS_DONE:
		connected(s);
		break;
	case SMTP_PROGRESS_FAILED:
		smtp_handshake_next(s, strerror(s->transport.error));
		break;
	}
}

/* Sends the scratch buffer, which holds credentials, and leaves nothing of them in it. */
static void send_secret(struct smtp_session *s)
{
	struct buf *out = &s->client->scratch;

	smtp_session_send(s);
	mem_wipe(out->data, out->cap);
}

static void authenticate(struct smtp_session *s)
{
	const struct smtp_config *c = s->client->config;

	if (*c->user == '\0' && *c->password == '\0') {
		smtp_session_ready(s);
		return;
	}
	if (s->transport.ssl == NULL && !c->auth_insecure) {
		smtp_session_over(s, SMTP_END_AUTH,
		                  "the connection has no TLS, and credentials do not go in clear "
		                  "text (auth_insecure=1 allows it)");
		return;
	}
	s->mechanism = smtp_sasl_choose(c->mechanism, s->caps.mechanisms);
	if (s->mechanism == SMTP_MECHANISM_ANY) {
		smtp_session_over(s, SMTP_END_AUTH,
		                  s->caps.auth ? "the server offers no AUTH mechanism that fits"
		                               : "the server does not offer AUTH");
		return;
	}
	s->challenges = 0;
	smtp_session_enter(s, SMTP_AUTH, c->command_ms);
	smtp_sasl_start(&s->client->scratch, s->mechanism, c->user, c->password);
	send_secret(s);
}

/* EHLO or HELO was taken: TLS, if it is wanted and not there yet. */
static void introduced(struct smtp_session *s)
{
	enum smtp_tls_mode mode = s->client->config->mode;

	if (s->transport.ssl != NULL || mode == SMTP_TLS_NONE) {
		authenticate(s);
	} else if (s->caps.starttls) {
		smtp_session_enter(s, SMTP_STARTTLS, s->client->config->command_ms);
		send_line(s, "STARTTLS", "");
	} else if (mode == SMTP_TLS_REQUIRE) {
		smtp_session_over(s, SMTP_END_TLS, "the server does not offer STARTTLS");
	} else {
		authenticate(s);
	}
}

static void starttls_answered(struct smtp_session *s, const struct smtp_reply *r, bool more_came)
{
	char why[SMTP_MAX_WHY];

	if (r->code / 100 == 2) {
		/* Somebody in between could add, in clear text, what would be read as said within
		 * TLS (CVE-2011-0411). */
		if (more_came)
			smtp_session_over(s, SMTP_END_TLS,
			                  "the server said more after its answer to STARTTLS");
		else
			start_tls(s);
	} else if (s->client->config->mode == SMTP_TLS_REQUIRE) {
		snprintf(why, sizeof(why), "STARTTLS was refused: %d %.80s", r->code, r->text);
		smtp_session_over(s, SMTP_END_TLS, why);
	} else {
		authenticate(s);
	}
}

static void auth_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	const struct smtp_config *c = s->client->config;

	if (r->code / 100 == 2) {
		smtp_session_ready(s);
	} else if (r->code == 334) {
		if (s->challenges > 2) {
			smtp_session_over(s, SMTP_END_PROTOCOL, "AUTH does not come to an end");
			return;
		}
		smtp_sasl_answer(&s->client->scratch, s->mechanism, s->challenges++, c->user,
		                 c->password);
		smtp_session_enter(s, SMTP_AUTH, c->command_ms);
		send_secret(s);
	} else {
		smtp_session_refused(s, r);
	}
}

void smtp_handshake_reply(struct smtp_session *s, const struct smtp_reply *r, bool more_came)
{
	bool good = r->code / 100 == 2;

	switch (s->phase) {
	case SMTP_GREETING:
		if (good)
			say_ehlo(s);
		else
			smtp_session_refused(s, r);
		break;
	case SMTP_EHLO:
		if (good) {
			introduced(s);
		} else if (r->code / 100 == 5) {
			memset(&s->caps, 0, sizeof(s->caps));
			smtp_session_enter(s, SMTP_HELO, s->client->config->command_ms);
			send_line(s, "HELO", s->client->config->ehlo_name);
		} else {
			smtp_session_refused(s, r);
		}
		break;
	case SMTP_HELO:
		if (good)
			introduced(s);
		else
			smtp_session_refused(s, r);
		break;
	case SMTP_STARTTLS:
		starttls_answered(s, r, more_came);
		break;
	case SMTP_AUTH:
		auth_answered(s, r);
		break;
	default:
		smtp_session_over(s, SMTP_END_PROTOCOL, "the server spoke without being asked");
		break;
	}
}

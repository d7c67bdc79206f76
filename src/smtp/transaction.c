#include "smtp/transaction.h"

#include <string.h>

#include "base/clock.h"

#define PIECE (32 * 1024)        /* of a message: what is stuffed and written at once */
#define BODY_BYTES_PER_MS 8      /* a server that takes less than 8 KB/s on average is given up */
#define KEEP_BUFFER (256 * 1024) /* a larger buffer is not kept for the next message */

/* Why it cannot even be tried on this connection; NULL: it can. */
static const char *refuse_untried(const struct smtp_caps *caps, const struct smtp_envelope *e,
                                  enum smtp_end *end)
{
	if (!smtp_envelope_valid(e)) {
		*end = SMTP_END_BAD_ADDRESS;
		return "an address has a character that no address may have";
	}
	if (e->utf8 && !caps->smtputf8) {
		*end = SMTP_END_NO_UTF8;
		return "an address is not ASCII, and the server does not offer SMTPUTF8";
	}
	if (e->eightbit && !e->utf8 && !caps->eightbitmime) {
		*end = SMTP_END_NO_8BIT;
		return "the message is 8-bit, and the server does not offer 8BITMIME";
	}
	if (caps->size > 0 && (int64_t)e->message.len > caps->size) {
		*end = SMTP_END_TOO_LARGE;
		return "the message is larger than the server takes";
	}
	return NULL;
}

static void add_mail(struct smtp_session *s)
{
	smtp_envelope_mail(&s->client->scratch, s->envelope, &s->caps, s->envelope->eightbit);
}

static void add_data(struct smtp_session *s)
{
	buf_add_str(&s->client->scratch, "DATA\r\n");
}

/* The next command, where each waits for its reply; with PIPELINING all have gone already. */
static void next_command(struct smtp_session *s, enum smtp_phase phase)
{
	smtp_session_enter(s, phase, s->client->config->command_ms);
	if (s->caps.pipelining)
		return;
	if (phase == SMTP_MAIL)
		add_mail(s);
	else if (phase == SMTP_RCPT)
		smtp_envelope_rcpt(&s->client->scratch, s->envelope, s->rcpt);
	else
		add_data(s);
	smtp_session_send(s);
}

/* All that goes in one write where PIPELINING is offered. */
static void add_group(struct buf *out, const struct smtp_envelope *e, const struct smtp_caps *caps)
{
	smtp_envelope_mail(out, e, caps, e->eightbit);
	for (size_t i = 0; i < e->n_to; i++)
		smtp_envelope_rcpt(out, e, i);
	buf_add_str(out, "DATA\r\n");
}

/* An envelope begins. */
static void count(struct smtp_session *s)
{
	s->reused = s->served++ > 0;
	s->rcpt = s->accepted = 0;
	s->answered = s->decided = s->followed = false;
}

void smtp_transaction_start(struct smtp_session *s)
{
	struct buf *out = &s->client->scratch;
	struct smtp_envelope *e = s->envelope;
	enum smtp_end end;
	const char *why;

	count(s);
	why = refuse_untried(&s->caps, e, &end);
	if (why != NULL) {
		smtp_session_over(s, end, why);
		return;
	}
	smtp_session_enter(s, s->need_rset ? SMTP_RSET : SMTP_MAIL, s->client->config->command_ms);
	if (s->need_rset)
		buf_add_str(out, "RSET\r\n");
	if (s->caps.pipelining)
		add_group(out, e, &s->caps);
	else if (!s->need_rset)
		add_mail(s);
	smtp_session_send(s);
}

bool smtp_transaction_can_follow(const struct smtp_session *s, const struct smtp_envelope *e)
{
	enum smtp_end end;

	return refuse_untried(&s->caps, e, &end) == NULL;
}

void smtp_transaction_add_behind(struct smtp_session *s, const struct smtp_envelope *e)
{
	buf_add_str(&s->client->scratch, "RSET\r\n");
	add_group(&s->client->scratch, e, &s->caps);
}

void smtp_transaction_follow(struct smtp_session *s)
{
	s->envelope = s->behind;
	s->envelope->taken_us = clock_mono_us();
	s->behind = NULL;
	count(s);
	s->followed = true;
	smtp_session_limit(s, s->client->config->command_ms * SMTP_COMMAND_LIMIT);
	smtp_session_enter(s, SMTP_RSET, s->client->config->command_ms);
}

static void nonsense(struct smtp_session *s)
{
	smtp_session_over(s, SMTP_END_PROTOCOL, "the reply does not fit the command");
}

static void rset_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code / 100 != 2) {
		/* The old transaction may still be open: nothing more may be said here. */
		s->out_of_step = true;
		smtp_session_refused(s, r);
		return;
	}
	s->need_rset = false;
	next_command(s, SMTP_MAIL);
}

static void mail_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code / 100 == 3) {
		nonsense(s);
		return;
	}
	if (r->code / 100 == 2) {
		s->need_rset = true; /* until the dot has been answered well */
	} else {
		smtp_session_refused(s, r);
		if (!s->caps.pipelining)
			return;
		smtp_session_decided(s);
		s->need_rset = true;
	}
	next_command(s, SMTP_RCPT);
}

static void rcpt_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code / 100 == 3) {
		nonsense(s);
		return;
	}
	if (r->code / 100 == 2)
		s->accepted++;
	if (!s->decided)
		s->client->on_rcpt(s, s->rcpt, r);
	s->rcpt++;
	if (s->rcpt < s->envelope->n_to) {
		next_command(s, SMTP_RCPT);
		return;
	}
	if (s->accepted == 0 && !s->decided) {
		smtp_session_over(s, SMTP_END_RCPTS, NULL);
		if (!s->caps.pipelining)
			return;
		smtp_session_decided(s);
	}
	next_command(s, SMTP_DATA);
}

/* The answer to a DATA that went out with the rest, though no recipient, or not the sender, was
 * accepted. Whatever comes, nothing is sent. */
static void data_in_vain(struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code == 354 && s->accepted == 0) { /* RFC 2920 3.1: end it with a lone dot */
		smtp_session_enter(s, SMTP_LONE_DOT, s->client->config->command_ms);
		buf_add_str(&s->client->scratch, ".\r\n");
		smtp_session_send(s);
		return;
	}
	/* Recipients without our sender: a dot would deliver an empty message in the name of the
	 * transaction before. Only hanging up is safe. */
	if (r->code == 354)
		s->out_of_step = true;
	s->over = true;
}

static void data_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	struct smtp_envelope *e = s->envelope;

	if (s->decided) {
		data_in_vain(s, r);
	} else if (r->code == 354) {
		smtp_session_limit(s, s->client->config->command_ms +
		                              (long)(e->message.len / BODY_BYTES_PER_MS));
		smtp_session_enter(s, SMTP_BODY, s->client->config->command_ms);
		smtp_stuffing_start(&s->stuffing, e->message.data, e->message.len);
		/* The pump follows, after everything that has come in was looked at. */
	} else if (r->code >= 400) {
		smtp_session_refused(s, r);
	} else {
		nonsense(s);
	}
}

static void dot_answered(struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code / 100 == 3) {
		nonsense(s);
		return;
	}
	if (r->code / 100 == 2)
		s->need_rset = false;
	smtp_session_refused(s, r);
}

void smtp_transaction_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	/* RSET is about the envelope before. */
	s->answered = s->answered || s->phase != SMTP_RSET;
	switch (s->phase) {
	case SMTP_RSET:
		rset_answered(s, r);
		break;
	case SMTP_MAIL:
		mail_answered(s, r);
		break;
	case SMTP_RCPT:
		rcpt_answered(s, r);
		break;
	case SMTP_DATA:
		data_answered(s, r);
		break;
	case SMTP_BODY:
	case SMTP_HELD:
		/* Before the dot there is nothing to be accepted. */
		if (r->code >= 400)
			smtp_session_refused(s, r);
		else
			nonsense(s);
		break;
	case SMTP_FINAL:
		dot_answered(s, r);
		break;
	case SMTP_LONE_DOT:
		s->over = true; /* as decided; a 250 here is none */
		break;
	default:
		nonsense(s);
		break;
	}
}

static void hold(struct smtp_session *s)
{
	struct buf *message = &s->envelope->message;

	if (message->cap > KEEP_BUFFER)
		buf_free(message);
	else
		buf_clear(message);
	s->held_us = clock_mono_us();
	smtp_session_limit(s, 0);
	smtp_session_enter(s, SMTP_HELD, 0);
	s->client->on_held(s);
}

void smtp_transaction_pump(struct smtp_session *s)
{
	char piece[PIECE];
	size_t n;

	while (smtp_transport_drained(&s->transport)) {
		if (smtp_stuffing_done(&s->stuffing)) {
			hold(s);
			return;
		}
		n = smtp_stuffing_next(&s->stuffing, piece, sizeof(piece));
		if (!smtp_transport_write(&s->transport, piece, n)) {
			smtp_transport_wake(&s->transport);
			return;
		}
		smtp_session_extend(s, s->client->config->command_ms);
	}
}

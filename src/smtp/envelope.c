#include "smtp/envelope.h"

#include <stdint.h>
#include <string.h>

const char *smtp_phase_name(enum smtp_phase phase)
{
	static const char *const names[SMTP_PHASE_N] = {
		[SMTP_RESOLVE] = "resolve",   [SMTP_CONNECT] = "connect",
		[SMTP_HANDSHAKE] = "tls",     [SMTP_GREETING] = "greeting",
		[SMTP_EHLO] = "EHLO",         [SMTP_HELO] = "HELO",
		[SMTP_STARTTLS] = "STARTTLS", [SMTP_AUTH] = "AUTH",
		[SMTP_IDLE] = "idle",         [SMTP_RSET] = "RSET",
		[SMTP_MAIL] = "MAIL",         [SMTP_RCPT] = "RCPT",
		[SMTP_DATA] = "DATA",         [SMTP_BODY] = "body",
		[SMTP_HELD] = "held",         [SMTP_FINAL] = "dot",
		[SMTP_LONE_DOT] = "lone dot", [SMTP_CLOSED] = "closed",
	};

	return names[phase];
}

/* No byte that could end the path or the line. In a quoted local part (RFC 5321 4.1.2) a blank and
 * angle brackets are only characters. */
static bool address_valid(const char *address)
{
	bool quoted = false;

	for (const char *p = address; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
		if (quoted && *p == '\\' && p[1] != '\0' && (unsigned char)p[1] >= 0x20) {
			p++;
			continue;
		}
		if (*p == '"')
			quoted = !quoted;
		else if (!quoted && (*p == ' ' || *p == '<' || *p == '>'))
			return false;
	}
	return !quoted;
}

bool smtp_envelope_valid(const struct smtp_envelope *e)
{
	if (!address_valid(e->from) || e->n_to == 0)
		return false;
	for (size_t i = 0; i < e->n_to; i++)
		if (e->to[i][0] == '\0' || !address_valid(e->to[i]))
			return false;
	return true;
}

bool smtp_envelope_8bit(const struct smtp_envelope *e)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	size_t i = 0;
	uint64_t four[4];

	for (; i + sizeof(four) <= e->message.len; i += sizeof(four)) {
		memcpy(four, e->message.data + i, sizeof(four));
		if (((four[0] | four[1] | four[2] | four[3]) & high) != 0)
			return true;
	}
	for (; i < e->message.len; i++)
		if (((unsigned char)e->message.data[i] & 0x80) != 0)
			return true;
	return false;
}

void smtp_envelope_mail(struct buf *out, const struct smtp_envelope *e,
                        const struct smtp_caps *caps, bool eightbit)
{
	buf_add_str(out, "MAIL FROM:<");
	buf_add_str(out, e->from);
	buf_add_char(out, '>');
	if (caps->sized) {
		buf_add_str(out, " SIZE=");
		buf_add_int(out, (int64_t)e->message.len);
	}
	if (eightbit && caps->eightbitmime)
		buf_add_str(out, " BODY=8BITMIME");
	if (e->utf8)
		buf_add_str(out, " SMTPUTF8");
	buf_add_str(out, "\r\n");
}

void smtp_envelope_rcpt(struct buf *out, const struct smtp_envelope *e, size_t i)
{
	buf_add_str(out, "RCPT TO:<");
	buf_add_str(out, e->to[i]);
	buf_add_str(out, ">\r\n");
}

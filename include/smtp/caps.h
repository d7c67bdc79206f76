/* caps.h - what a server said it can do, in its reply to EHLO (RFC 5321 4.1.1.1). */
#ifndef SMTP_CAPS_H
#define SMTP_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_caps {
	size_t lines; /* of the reply; the first is only its name */
	bool pipelining, eightbitmime, smtputf8, starttls;
	bool auth;           /* AUTH is offered, whatever its mechanisms */
	unsigned mechanisms; /* bits 1 << enum smtp_mechanism of those that we know */
	bool sized;          /* SIZE is offered: MAIL may say how large the message is */
	int64_t size;        /* the largest message; 0: not said */
};

/* Takes one line's text of the reply; fits smtp_reply_parse's on_line (arg: the struct, zeroed
 * at the start of the reply). */
void smtp_caps_line(void *arg, const char *text, size_t len);

#endif

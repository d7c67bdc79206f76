/* smtp_script.h - an SMTP server that does what a test wants, wrong things most of all.
 *
 * Each connection runs a function of the test's in a thread of its own, with blocking calls; what
 * the client said is recorded. In those functions nothing may be asserted (cmocka's failures belong
 * to the main thread): they record, and return when a call returns false, which says that the client
 * has hung up or the test is over. When the function returns, the connection is closed in good
 * order (FIN), and what the client still says is recorded.
 *
 *     static void serve(struct script *c)
 *     {
 *             script_hello(c, "PIPELINING");
 *             script_take(c, "MAIL", "250 ok");
 *             …
 *     }
 *
 * The record has one line for each command, "<connection>: <command>", and for other events, in
 * angle brackets: "<body 123>" a whole message text, "<cut 45>" one without its end, "<closed>". */
#ifndef SUPPORT_SMTP_SCRIPT_H
#define SUPPORT_SMTP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct script_server;

/* One connection. */
struct script {
	struct script_server *server;
	int fd;
	int number; /* from 0, in the order of accept */
	void *arg;
	char in[65536];
	size_t in_len;
};

typedef void script_fn(struct script *c);

struct script_server *script_server_start(script_fn *fn, void *arg) MUST_CHECK; /* on 127.0.0.1 */
void script_server_free(struct script_server *s); /* hangs up on everybody */
int script_server_port(const struct script_server *s);

/* The record so far; a new string (free). */
char *script_server_record(struct script_server *s) MUST_CHECK;
/* How often the text stands in it; and waiting until it does. */
size_t script_server_count(struct script_server *s, const char *text);
void script_server_wait(struct script_server *s, const char *text, size_t n);
int script_server_connections(struct script_server *s);
/* The last whole message text, as it came, with its dots; a new string (free). */
char *script_server_body(struct script_server *s, size_t *len) MUST_CHECK;
/* Lets one script_pause go on. */
void script_server_go(struct script_server *s);

/* For the functions: false when the connection is over. */
bool script_say(struct script *c, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same, byte by byte with so many ms between. */
bool script_drip(struct script *c, const char *text, int ms);
bool script_flood(struct script *c, size_t n);               /* n bytes without a newline */
bool script_line(struct script *c, char *line, size_t size); /* one command, without its CRLF */
/* Reads a command, which must begin with verb (else "<expected verb>" is recorded), and replies. */
bool script_take(struct script *c, const char *verb, const char *reply);
/* Greeting, EHLO, and the capabilities, separated by commas. */
bool script_hello(struct script *c, const char *caps);
bool script_body(struct script *c);           /* a message text up to its final dot */
bool script_read(struct script *c, size_t n); /* exactly n more bytes, not recorded */
/* Nothing may come now: waits a little, and records "<spoke early>" if something does. */
bool script_quiet(struct script *c);
void script_pause(struct script *c); /* until script_server_go */
void script_shut(struct script *c);  /* FIN, recorded as "<shut>" */
void script_reset(struct script *c); /* RST, recorded as "<reset>" */
/* Serves whole envelopes with nothing but success until the client hangs up. */
void script_serve(struct script *c);
void script_note(struct script *c, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

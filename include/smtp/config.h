/* config.h - how to reach one SMTP server: what the provider's DSN says, checked. */
#ifndef SMTP_CONFIG_H
#define SMTP_CONFIG_H

#include <stdbool.h>

enum smtp_tls_mode {
	SMTP_TLS_NONE,   /* never STARTTLS */
	SMTP_TLS_PREFER, /* STARTTLS where it is offered */
	SMTP_TLS_REQUIRE /* no mail and no credentials without TLS */
};

enum smtp_mechanism {
	SMTP_MECHANISM_ANY, /* in a configuration: the best that is offered; in an answer: none */
	SMTP_MECHANISM_PLAIN,
	SMTP_MECHANISM_LOGIN,
	SMTP_MECHANISM_XOAUTH2 /* the password is the bearer token */
};

/* Strings belong to whoever made the struct, and outlive the pool; "" when not given. */
struct smtp_config {
	char *host; /* a name or a numeric address */
	int port;
	char *ehlo_name; /* what we call ourselves; a domain or an address literal */

	bool implicit_tls; /* TLS from the first byte, `mode` is then REQUIRE */
	enum smtp_tls_mode mode;
	bool verify;   /* the certificate, against `host` */
	char *ca_file; /* the only roots to trust; "" the system's */

	char *user, *password; /* both "": no AUTH */
	enum smtp_mechanism mechanism;
	bool auth_insecure; /* credentials may go in clear text */

	long connect_ms;     /* for a look-up, for connecting to one address, for a TLS handshake */
	long command_ms;     /* for the greeting, and for the reply to any command but the last */
	long final_ms;       /* for the reply to the final dot (RFC 5321 4.5.3.2.6: 10 minutes) */
	long idle_ms;        /* a connection without work is closed after that */
	long per_connection; /* envelopes until a connection is closed */
	long connections;    /* at once; what is more waits in the pool */
};

/* The session keeps these limits over all addresses, and over all commands of one envelope: together
 * the longest that it takes until DATA is answered. */
#define SMTP_CONNECT_LIMIT 3 /* times connect_ms */
#define SMTP_COMMAND_LIMIT 5 /* times command_ms */

#endif

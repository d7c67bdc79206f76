/* manner.h - the ways in which a mail host of a storm treats an envelope. */
#ifndef STORM_MANNER_H
#define STORM_MANNER_H

#include <stdbool.h>

#define MANNERS 21
#define MANNER_SHARES 10000

enum stage { AT_MAIL, AT_RCPT, AT_DATA, IN_BODY, WHILE_HELD, AT_DOT };
enum answer { SAY, SAY_AND_CLOSE, RESET, CLOSE, SILENT, DRIP, ENDLESS };

struct manner {
	const char *name;
	unsigned share; /* of MANNER_SHARES envelopes */
	enum stage stage;
	bool taken;   /* the message counts as accepted */
	bool harms;   /* the attempt may end otherwise than sent */
	bool unknown; /* so the client may have to call it */
	enum answer answer;
	const char *text;
};

extern const struct manner manners[MANNERS]; /* who is in none of these shares fares well */

#endif

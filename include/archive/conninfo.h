/* conninfo.h - DATABASE_URL, taken apart as far as we must: libpq reads the rest by itself.
 *
 * libpq looks names up in the middle of a connect, which would stop the loop for as long as a dead name
 * server likes. So the names are found here, and looked up off the loop (redis/resolve.h): libpq is given each
 * name as often as it has addresses, with one of them beside it, and tries them in turn as it would by itself. Where
 * it takes the host from PGHOSTADDR, hostaddr or a service file, that is left to it. */
#ifndef ARCHIVE_CONNINFO_H
#define ARCHIVE_CONNINFO_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

#define CONNINFO_MAX_HOSTS 16
#define CONNINFO_MAX_ADDRESSES 8 /* of one host; the others are left out */
#define CONNINFO_ADDRESS 64

struct conninfo {
	char *url;
	char *password; /* "" none in the URL */
	struct {
		char *host;
		char *port; /* NULL: the same for all, as the URL says */
		bool named; /* not a socket's path, nor an address already */
		char addresses[CONNINFO_MAX_ADDRESSES][CONNINFO_ADDRESS];
		size_t n_addresses; /* 0 until they are known */
	} hosts[CONNINFO_MAX_HOSTS];
	size_t n_hosts;
	size_t turn; /* which of all addresses comes first */
};

/* False, and nothing to free: err says what is wrong, and quotes nothing of the URL. */
bool conninfo_parse(struct conninfo *c, const char *url, struct error *err) MUST_CHECK;
void conninfo_free(struct conninfo *c); /* wipes the secrets */

/* The first host that is to be looked up; -1: none is left. */
int conninfo_unknown(const struct conninfo *c) MUST_CHECK;
/* False: none of them can be told. addresses is never NULL. */
bool conninfo_found(struct conninfo *c, int host, const struct addrinfo *addresses) MUST_CHECK;
void conninfo_forget(struct conninfo *c); /* all are looked up again */
/* The first was silent, and took all the time that there is: another one comes first, of the same host or the next. */
void conninfo_turn(struct conninfo *c);

/* What libpq takes as host, hostaddr and port in place of the URL's; empty: those are to stay, as where there is
 * one host that is no name. Each buf has room for
 * CONNINFO_LIST bytes. */
#define CONNINFO_LIST 65536
void conninfo_lists(const struct conninfo *c, struct buf *host, struct buf *hostaddr,
                    struct buf *port);

/* What the server or libpq has said, in one line and without the password. */
void conninfo_clean(const struct conninfo *c, const char *said, struct error *out);

#endif

/* conninfo.h - DATABASE_URL, taken apart as far as we must: libpq reads the rest by itself.
 *
 * libpq looks names up in the middle of a connect, which would stop the loop for as long as a dead name
 * server likes. So the names are found here, and looked up off the loop (redis/resolve.h): libpq is given the
 * addresses beside them. */
#ifndef ARCHIVE_CONNINFO_H
#define ARCHIVE_CONNINFO_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

#define CONNINFO_MAX_HOSTS 16

struct conninfo {
	char *url;
	char *password; /* "" none in the URL */
	struct {
		char *name;    /* NULL: a socket's path, or an address already */
		char *address; /* "" until it is known */
	} hosts[CONNINFO_MAX_HOSTS];
	size_t n_hosts;
};

/* False, and nothing to free: err says what is wrong, and quotes nothing of the URL. */
bool conninfo_parse(struct conninfo *c, const char *url, struct error *err) MUST_CHECK;
void conninfo_free(struct conninfo *c); /* wipes the secrets */

/* The first host that is to be looked up; -1: none is left. */
int conninfo_unknown(const struct conninfo *c) MUST_CHECK;
void conninfo_found(struct conninfo *c, int host, const struct addrinfo *addresses); /* never NULL */
void conninfo_forget(struct conninfo *c); /* all are looked up again */

/* What libpq takes as hostaddr; empty: nothing was looked up. */
void conninfo_hostaddr(const struct conninfo *c, struct buf *out);

/* What the server or libpq has said, in one line and without the password. */
void conninfo_clean(const struct conninfo *c, const char *said, struct error *out);

#endif

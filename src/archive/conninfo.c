#include "archive/conninfo.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "db1,db2,/run/postgresql" */
static bool split_hosts(struct conninfo *c, const char *hosts, struct error *err)
{
	char *list = mem_strdup(hosts), *rest = list, *one;
	bool ok = true;

	while (ok && (one = strsep(&rest, ",")) != NULL) {
		if (c->n_hosts == CONNINFO_MAX_HOSTS) {
			ok = error_set(err, "DATABASE_URL names more than %d hosts",
			               CONNINFO_MAX_HOSTS);
			break;
		}
		c->hosts[c->n_hosts].host = mem_strdup(one);
		c->hosts[c->n_hosts++].named = *one != '\0' && *one != '/' && *one != '@' &&
		                               !is_address(one);
	}
	mem_free(list);
	return ok;
}

/* "5432,5433": one for each host, or one for all of them, which libpq reads by itself. */
static bool split_ports(struct conninfo *c, const char *ports, struct error *err)
{
	char *list, *rest, *one;
	size_t n = 0;

	if (ports == NULL || strchr(ports, ',') == NULL)
		return true;
	rest = list = mem_strdup(ports);
	for (; (one = strsep(&rest, ",")) != NULL; n++)
		if (n < c->n_hosts)
			c->hosts[n].port = mem_strdup(one);
	mem_free(list);
	return n == c->n_hosts ||
	       error_set(err, "DATABASE_URL has %zu ports for %zu hosts", n, c->n_hosts);
}

bool conninfo_parse(struct conninfo *c, const char *url, struct error *err)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);
	const char *host = NULL, *port = getenv("PGPORT"), *hostaddr = getenv("PGHOSTADDR"),
		   *service = getenv("PGSERVICE"), *password = "";
	bool ok;

	memset(c, 0, sizeof(*c));
	if (options == NULL)
		return error_set(err, "DATABASE_URL is none: it should be like "
		                      "postgresql://user:password@host:5432/database");
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			port = o->val;
		else if (strcmp(o->keyword, "hostaddr") == 0)
			hostaddr = o->val;
		else if (strcmp(o->keyword, "service") == 0)
			service = o->val;
		else if (strcmp(o->keyword, "password") == 0)
			password = o->val;
	}
	if (host == NULL && service == NULL) /* what its file says goes before the environment */
		host = getenv("PGHOST");
	c->url = mem_strdup(url);
	c->password = mem_strdup(password);
	ok = (hostaddr != NULL && *hostaddr != '\0') || host == NULL ||
	     (split_hosts(c, host, err) && split_ports(c, port, err));
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "password") == 0)
			mem_wipe(o->val, strlen(o->val));
	PQconninfoFree(options);
	if (!ok)
		conninfo_free(c);
	return ok;
}

void conninfo_free(struct conninfo *c)
{
	for (size_t i = 0; i < c->n_hosts; i++) {
		mem_free(c->hosts[i].host);
		mem_free(c->hosts[i].port);
	}
	mem_free_secret(c->url);
	mem_free_secret(c->password);
	memset(c, 0, sizeof(*c));
}

int conninfo_unknown(const struct conninfo *c)
{
	for (size_t i = 0; i < c->n_hosts; i++)
		if (c->hosts[i].named && c->hosts[i].n_addresses == 0)
			return (int)i;
	return -1;
}

bool conninfo_found(struct conninfo *c, int host, const struct addrinfo *addresses)
{
	size_t n = 0;

	for (; addresses != NULL && n < CONNINFO_MAX_ADDRESSES; addresses = addresses->ai_next)
		if (getnameinfo(addresses->ai_addr, addresses->ai_addrlen,
		                c->hosts[host].addresses[n], CONNINFO_ADDRESS, NULL, 0,
		                NI_NUMERICHOST) == 0)
			n++;
	c->hosts[host].n_addresses = n;
	return n > 0;
}

void conninfo_forget(struct conninfo *c)
{
	for (size_t i = 0; i < c->n_hosts; i++)
		c->hosts[i].n_addresses = 0;
}

void conninfo_turn(struct conninfo *c)
{
	c->turn++;
}

/* A host that is not looked up stands once in the lists. */
static size_t entries(const struct conninfo *c, size_t host)
{
	return c->hosts[host].n_addresses > 0 ? c->hosts[host].n_addresses : 1;
}

static void add(struct buf *list, bool first, const char *text)
{
	if (!first)
		buf_add_char(list, ',');
	buf_add_str(list, text);
}

void conninfo_lists(const struct conninfo *c, struct buf *host, struct buf *hostaddr,
                    struct buf *port)
{
	size_t all = 0;

	for (size_t i = 0; i < c->n_hosts; i++)
		all += entries(c, i);
	if (c->n_hosts == 0 || (c->n_hosts == 1 && !c->hosts[0].named))
		return;
	for (size_t n = 0; n < all; n++) {
		size_t k = (n + c->turn) % all, i = 0;

		for (; k >= entries(c, i); i++)
			k -= entries(c, i);
		add(host, n == 0, c->hosts[i].host);
		add(hostaddr, n == 0, c->hosts[i].n_addresses > 0 ? c->hosts[i].addresses[k] : "");
		if (c->hosts[i].port != NULL)
			add(port, n == 0, c->hosts[i].port);
	}
}

void conninfo_clean(const struct conninfo *c, const char *said, struct error *out)
{
	char *line, *end;

	if (*c->password != '\0' && strstr(said, c->password) != NULL) {
		error_set(out, "the server's answer has the password in it, and is not shown");
		return;
	}
	line = mem_strdup(said);
	for (char *p = line; *p != '\0'; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			*p = ' ';
	end = line + strlen(line);
	while (end > line && end[-1] == ' ')
		*--end = '\0';
	error_set(out, "%s", *line != '\0' ? line : "the connection was closed");
	mem_free(line);
}

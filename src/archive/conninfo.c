#include "archive/conninfo.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_ADDRESS 64

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "db1,db2,/run/postgresql": a name for each that must be looked up. */
static bool split_hosts(struct conninfo *c, const char *hosts, struct error *err)
{
	char *list = mem_strdup(hosts), *rest = list, *one;
	bool ok = true;

	while (ok && (one = strsep(&rest, ",")) != NULL) {
		bool named = *one != '\0' && *one != '/' && *one != '@' && !is_address(one);

		if (c->n_hosts == CONNINFO_MAX_HOSTS) {
			ok = error_set(err, "DATABASE_URL names more than %d hosts",
			               CONNINFO_MAX_HOSTS);
			break;
		}
		c->hosts[c->n_hosts].name = named ? mem_strdup(one) : NULL;
		c->hosts[c->n_hosts++].address = mem_strdup("");
	}
	mem_free(list);
	return ok;
}

bool conninfo_parse(struct conninfo *c, const char *url, struct error *err)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);
	const char *host = getenv("PGHOST"), *hostaddr = "", *password = "";
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
		else if (strcmp(o->keyword, "hostaddr") == 0)
			hostaddr = o->val;
		else if (strcmp(o->keyword, "password") == 0)
			password = o->val;
	}
	c->url = mem_strdup(url);
	c->password = mem_strdup(password);
	ok = *hostaddr != '\0' || host == NULL || split_hosts(c, host, err);
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
		mem_free(c->hosts[i].name);
		mem_free(c->hosts[i].address);
	}
	mem_free_secret(c->url);
	mem_free_secret(c->password);
	memset(c, 0, sizeof(*c));
}

int conninfo_unknown(const struct conninfo *c)
{
	for (size_t i = 0; i < c->n_hosts; i++)
		if (c->hosts[i].name != NULL && c->hosts[i].address[0] == '\0')
			return (int)i;
	return -1;
}

void conninfo_found(struct conninfo *c, int host, const struct addrinfo *addresses)
{
	char address[MAX_ADDRESS] = "";

	(void)getnameinfo(addresses->ai_addr, addresses->ai_addrlen, address, sizeof(address), NULL,
	                  0, NI_NUMERICHOST);
	mem_free(c->hosts[host].address);
	c->hosts[host].address = mem_strdup(address);
}

void conninfo_forget(struct conninfo *c)
{
	for (size_t i = 0; i < c->n_hosts; i++)
		c->hosts[i].address[0] = '\0';
}

void conninfo_hostaddr(const struct conninfo *c, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < c->n_hosts; i++)
		any = any || c->hosts[i].name != NULL;
	for (size_t i = 0; any && i < c->n_hosts; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_str(out, c->hosts[i].address);
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

#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/uri.h"
#include "redis/link.h"

#define DEFAULT_PORT 6379
#define DEFAULT_TIMEOUT_MS 5000
#define MAX_DATABASE 1000000

static bool known_scheme(const char *scheme, struct error *err)
{
	static const char *const later[] = {"rediss", "redis+sentinel", "redis+cluster"};
	if (strcmp(scheme, "redis") == 0 || strcmp(scheme, "unix") == 0)
		return true;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(scheme, later[i]) == 0)
			return error_set(
				err, "%s:// is not supported yet, only redis:// and unix:// are",
				scheme);
	return error_set(
		err, "\"%.32s\" is no scheme of a Redis URL; use redis://host:port or unix:///path",
		scheme);
}

/* "" and "/" mean 0. */
static bool parse_database(struct link_config *c, const char *path, struct error *err)
{
	const char *digits = *path == '/' ? path + 1 : path;
	long n = 0;
	for (const char *p = digits; *p; p++) {
		if (*p < '0' || *p > '9' || n > MAX_DATABASE)
			return error_set(
				err, "\"%.32s\" is no database number (redis://host:port/NUMBER)",
				digits);
		n = n * 10 + (*p - '0');
	}
	c->database = (int)n;
	return true;
}

static bool parse_address(struct link_config *c, const struct uri *u, struct error *err)
{
	if (strcmp(u->scheme, "unix") == 0) {
		if (*u->host || u->port)
			return error_set(
				err,
				"unix:// takes a path, with three slashes: unix:///run/redis.sock");
		if (u->path[0] != '/' || u->path[1] == '\0')
			return error_set(
				err, "unix:// needs the path of a socket: unix:///run/redis.sock");
		/* hiredis would cut it silently */
		if (strlen(u->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return error_set(err, "the path of the socket is longer than %zu bytes",
			                 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		c->path = mem_strdup(u->path);
		return true;
	}
	if (strchr(u->host, ','))
		return error_set(err, "redis:// takes one host");
	c->host = mem_strdup(*u->host ? u->host : "127.0.0.1");
	c->port = u->port ? u->port : DEFAULT_PORT;
	return parse_database(c, u->path, err);
}

static bool parse(struct link_config *c, struct uri *u, struct error *err)
{
	long database = 0;
	if (!known_scheme(u->scheme, err) || !parse_address(c, u, err))
		return false;
	if (*u->user && !*u->password)
		return error_set(
			err, "there is a user without a password; write redis://:PASSWORD@host or "
			     "redis://USER:PASSWORD@host");
	if (c->path) {
		if (!uri_param_int(u, "db", 0, MAX_DATABASE, &database, err))
			return false;
		c->database = (int)database;
	}
	const char *unused = uri_unused(u);
	if (unused)
		return error_set(err, "there is no parameter \"%.64s\"", unused);
	c->user = mem_strdup(u->user);
	c->password = mem_strdup(u->password);
	c->name = mem_strdup("");
	c->timeout_ms = DEFAULT_TIMEOUT_MS;
	return true;
}

bool link_config_parse(struct link_config *c, const char *url, struct error *err)
{
	struct uri u;
	memset(c, 0, sizeof(*c));
	if (!uri_parse(&u, url, err))
		return error_prefix(err, "REDIS_URL");
	bool ok = parse(c, &u, err);
	uri_free(&u);
	if (!ok) {
		link_config_free(c);
		return error_prefix(err, "REDIS_URL");
	}
	return true;
}

void link_config_free(struct link_config *c)
{
	if (c->password)
		mem_wipe(c->password, strlen(c->password));
	mem_free(c->host);
	mem_free(c->path);
	mem_free(c->user);
	mem_free(c->password);
	mem_free(c->name);
	memset(c, 0, sizeof(*c));
}

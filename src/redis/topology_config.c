#include "redis/topology_config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/port.h"
#include "base/uri.h"
#include "redis/secure.h"

#define DEFAULT_PORT 6379
#define DEFAULT_SENTINEL_PORT 26379
#define DEFAULT_TIMEOUT_MS 5000
#define MAX_DATABASE 1000000

static const struct {
	const char *scheme;
	enum topology_kind kind;
} schemes[] = {
	{"redis", TOPOLOGY_ONE},
	{"rediss", TOPOLOGY_ONE},
	{"unix", TOPOLOGY_ONE},
	{"redis+sentinel", TOPOLOGY_SENTINEL},
	{"redis+cluster", TOPOLOGY_CLUSTER},
};

static bool parse_scheme(struct topology_config *c, const char *scheme, struct error *err)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strcmp(scheme, schemes[i].scheme) != 0)
			continue;
		c->kind = schemes[i].kind;
		return true;
	}
	return error_set(
		err,
		"\"%.32s\" is no scheme of a Redis URL; use redis://host:port, "
		"rediss://host:port, unix:///path, redis+sentinel://hosts/name or redis+cluster://hosts",
		scheme);
}

/* "" and "/" mean 0. */
static bool parse_database(struct topology_config *c, const char *path, struct error *err)
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
	c->link.database = (int)n;
	return true;
}

static bool parse_path(struct topology_config *c, const struct uri *u, struct error *err)
{
	if (*u->host || u->port)
		return error_set(
			err, "unix:// takes a path, with three slashes: unix:///run/redis.sock");
	if (u->path[0] != '/' || u->path[1] == '\0')
		return error_set(err, "unix:// needs the path of a socket: unix:///run/redis.sock");
	/* hiredis would cut it silently */
	if (strlen(u->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(err, "the path of the socket is longer than %zu bytes",
		                 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	c->link.path = mem_strdup(u->path);
	return true;
}

/* "host", "host:port", "[address]:port" */
static bool parse_seed(struct topology_seed *seed, const char *text, int port, struct error *err)
{
	const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
	const char *host = *text == '[' ? text + 1 : text;
	const char *rest;
	char *bad = NULL;

	if (end == NULL || end == host)
		return error_set(err, "there is an empty host in the list of hosts");
	rest = *end == ']' ? end + 1 : end;
	if (*rest == ':') {
		long n = strtol(rest + 1, &bad, 10);
		if (rest[1] == '\0' || *bad != '\0' || n < 1 || n > PORT_MAX)
			return error_set(err, "\"%.16s\" is no port", rest + 1);
		port = (int)n;
	} else if (*rest != '\0') {
		return error_set(err, "\"%.64s\" is no host", text);
	}
	seed->host = mem_strndup(host, (size_t)(end - host));
	seed->port = port;
	return true;
}

static bool parse_seeds(struct topology_config *c, const struct uri *u, int port, struct error *err)
{
	char *list = mem_strdup(u->host), *rest = list, *one;
	bool ok = *list != '\0';

	if (!ok)
		(void)error_set(err, "%s:// needs the hosts", u->scheme);
	if (ok && strchr(list, ',') == NULL) {
		/* uri_parse has taken it apart already */
		c->seeds[0] = (struct topology_seed){list, u->port ? u->port : port};
		c->n_seeds = 1;
		return true;
	}
	while (ok && (one = strsep(&rest, ",")) != NULL) {
		if (c->n_seeds == TOPOLOGY_MAX_SEEDS)
			ok = error_set(err, "there are more than %d hosts", TOPOLOGY_MAX_SEEDS);
		else
			ok = parse_seed(&c->seeds[c->n_seeds], one, port, err);
		c->n_seeds += ok;
	}
	mem_free(list);
	return ok;
}

/* /master-name[/db] */
static bool parse_master(struct topology_config *c, const char *path, struct error *err)
{
	const char *name = *path == '/' ? path + 1 : path;
	size_t n = strcspn(name, "/");

	if (n == 0)
		return error_set(err,
		                 "redis+sentinel:// needs the name that the Sentinels have for "
		                 "the master: redis+sentinel://host,host/NAME");
	c->master = mem_strndup(name, n);
	return parse_database(c, name + n, err);
}

static bool parse_address(struct topology_config *c, const struct uri *u, struct error *err)
{
	if (c->kind == TOPOLOGY_SENTINEL)
		return parse_seeds(c, u, DEFAULT_SENTINEL_PORT, err) &&
		       parse_master(c, u->path, err);
	if (c->kind == TOPOLOGY_CLUSTER) {
		if (!parse_seeds(c, u, DEFAULT_PORT, err) || !parse_database(c, u->path, err))
			return false;
		c->link.cluster = true;
		return c->link.database == 0 || error_set(err, "a cluster has no databases but 0");
	}
	if (strcmp(u->scheme, "unix") == 0)
		return parse_path(c, u, err);
	if (strchr(u->host, ','))
		return error_set(err, "redis:// takes one host");
	c->link.host = mem_strdup(*u->host ? u->host : "127.0.0.1");
	c->link.port = u->port ? u->port : DEFAULT_PORT;
	return parse_database(c, u->path, err);
}

static const char *given(const char *value)
{
	return value ? value : "";
}

static bool parse_tls(struct topology_config *c, struct uri *u, struct error *err)
{
	long on = strcmp(u->scheme, "rediss") == 0, verify = 1;
	struct secure_files files;

	if (c->kind != TOPOLOGY_ONE && !uri_param_int(u, "tls", 0, 1, &on, err))
		return false;
	if (on == 0)
		return true;
	if (!uri_param_int(u, "tls_verify", 0, 1, &verify, err))
		return false;
	files = (struct secure_files){
		.ca = uri_param(u, "tls_ca"),
		.cert = uri_param(u, "tls_cert"),
		.key = uri_param(u, "tls_key"),
		.any_certificate = verify == 0,
	};
	if (files.key && !files.cert)
		return error_set(err, "tls_key goes with tls_cert");
	c->link.tls = secure_new(&files, err);
	return c->link.tls != NULL;
}

static bool parse_params(struct topology_config *c, struct uri *u, struct error *err)
{
	long database = 0;

	if (c->link.path) {
		if (!uri_param_int(u, "db", 0, MAX_DATABASE, &database, err))
			return false;
		c->link.database = (int)database;
	}
	if (c->kind == TOPOLOGY_SENTINEL) {
		c->sentinel_user = mem_strdup(given(uri_param(u, "sentinel_user")));
		c->sentinel_password = mem_strdup(given(uri_param(u, "sentinel_password")));
	}
	if (!parse_tls(c, u, err))
		return false;
	const char *unused = uri_unused(u);
	if (unused)
		return error_set(err, "there is no parameter \"%.64s\"", unused);
	return true;
}

static bool parse(struct topology_config *c, struct uri *u, struct error *err)
{
	if (!parse_scheme(c, u->scheme, err) || !parse_address(c, u, err))
		return false;
	if (*u->user && !*u->password)
		return error_set(
			err, "there is a user without a password; write redis://:PASSWORD@host or "
			     "redis://USER:PASSWORD@host");
	c->link.user = mem_strdup(u->user);
	c->link.password = mem_strdup(u->password);
	c->link.name = mem_strdup("");
	c->link.timeout_ms = DEFAULT_TIMEOUT_MS;
	return parse_params(c, u, err);
}

bool topology_config_parse(struct topology_config *c, const char *url, struct error *err)
{
	struct uri u;
	memset(c, 0, sizeof(*c));
	if (!uri_parse(&u, url, err))
		return error_prefix(err, "REDIS_URL");
	bool ok = parse(c, &u, err);
	uri_free(&u);
	if (!ok) {
		topology_config_free(c);
		return error_prefix(err, "REDIS_URL");
	}
	return true;
}

void topology_config_copy(struct topology_config *to, const struct topology_config *from)
{
	*to = *from;
	link_config_copy(&to->link, &from->link);
	for (size_t i = 0; i < from->n_seeds; i++)
		to->seeds[i].host = mem_strdup(from->seeds[i].host);
	to->master = mem_strdup(from->master);
	to->sentinel_user = mem_strdup(from->sentinel_user);
	to->sentinel_password = mem_strdup(from->sentinel_password);
}

void topology_config_free(struct topology_config *c)
{
	link_config_free(&c->link);
	for (size_t i = 0; i < c->n_seeds; i++)
		mem_free(c->seeds[i].host);
	if (c->sentinel_password)
		mem_wipe(c->sentinel_password, strlen(c->sentinel_password));
	mem_free(c->master);
	mem_free(c->sentinel_user);
	mem_free(c->sentinel_password);
	memset(c, 0, sizeof(*c));
}

void topology_config_bare(const struct topology_config *c, struct link_config *out)
{
	bool sentinel = c->kind == TOPOLOGY_SENTINEL;
	struct link_config bare = c->link;

	if (sentinel) {
		bare.user = c->sentinel_user;
		bare.password = c->sentinel_password;
	}
	bare.database = 0;
	bare.bare = true;
	link_config_copy(out, &bare);
}

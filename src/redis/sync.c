#include "redis/sync.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/sigpipe.h"
#include "redis/greeting.h"
#include "redis/link_error.h"
#include "redis/secure.h"
#include "redis/sentinel.h"
#include "redis/sync_cluster.h"

struct sync {
	redisContext *context;
	struct link_config config;
	char *where;                  /* for errors */
	struct sync_cluster *cluster; /* NULL: it is one server, and all above is its */
};

static bool connect_context(struct sync *s, struct error *err)
{
	const struct link_config *config = &s->config;
	struct timeval limit = {.tv_sec = config->timeout_ms / 1000,
	                        .tv_usec = config->timeout_ms % 1000 * 1000L};
	redisContext *c = config->path ? redisConnectUnixWithTimeout(config->path, limit)
	                               : redisConnectWithTimeout(config->host, config->port, limit);
	s->context = c;
	if (!c || c->err)
		return error_set(
			err,
			"cannot connect to Redis at %s: %s (does it run there, and may this "
			"user reach it? REDIS_URL says where it is)",
			s->where, c ? c->errstr : "out of memory");
	if (redisSetTimeout(c, limit) != REDIS_OK)
		return error_set(err, "Redis at %s: %s", s->where, c->errstr);
	if (!config->tls || secure_start(c, config->tls, config->host, err))
		return true;
	return error_prefix(err, "Redis at %s", s->where);
}

static bool lost(struct sync *s, struct error *err)
{
	/* a timeout of the socket shows as EAGAIN */
	const char *why = s->context->err == REDIS_ERR_IO && errno == EAGAIN
	                          ? "no answer within the command's timeout"
	                          : s->context->errstr;
	const char *advice = s->context->err == REDIS_ERR_PROTOCOL
	                             ? " (that is no Redis; REDIS_URL says where it is)"
	                             : "";
	return error_set(err, "Redis at %s: %s%s", s->where, why, advice);
}

static redisReply *receive(struct sync *s, struct error *err)
{
	redisReply *reply = NULL;
	if (redisGetReply(s->context, (void **)&reply) == REDIS_OK && reply)
		return reply;
	(void)lost(s, err);
	return NULL;
}

/* The reply, also an error reply; NULL: the connection is lost. */
static redisReply *exchange(struct sync *s, const char *wire, size_t len, struct error *err)
{
	if (redisAppendFormattedCommand(s->context, wire, len) == REDIS_OK)
		return receive(s, err);
	(void)lost(s, err);
	return NULL;
}

static bool greet_step(struct sync *s, struct greeting *g, int step, struct error *err)
{
	struct command c;
	size_t len;
	bool ok = true;

	command_init(&c);
	if (greeting_command(&c, &s->config, step)) {
		const char *wire = command_wire(&c, &len);
		redisReply *reply = wire ? exchange(s, wire, len, err) : NULL;
		ok = reply != NULL;
		if (reply)
			greeting_note(g, step, reply);
		freeReplyObject(reply);
	}
	if (step == GREETING_AUTH && c.body.data)
		mem_wipe(c.body.data, c.body.len);
	command_free(&c);
	return ok;
}

/* Roles matter where there are several; scripts only to those who need them. */
static bool greet(struct sync *s, int end, struct error *err)
{
	struct greeting g;
	greeting_init(&g);
	for (int step = GREETING_AUTH; step < end; step++)
		if (!greet_step(s, &g, step, err))
			return false;
	if (!greeting_ok(&g))
		return error_set(err, "Redis at %s refuses: %s", s->where, g.reason.text);
	return true;
}

/* Takes over what is in config. NULL: err. */
static struct sync *connect_to(struct link_config *config, int greeting_end, struct error *err)
{
	struct sync *s = mem_zalloc(sizeof(*s));

	s->config = *config;
	s->where = link_config_where(config);
	if (connect_context(s, err) && greet(s, greeting_end, err))
		return s;
	sync_close(s);
	return NULL;
}

/* --- Sentinel ----------------------------------------------------------------------------------- */

struct master {
	char *host; /* NULL: not known */
	int port;
	int64_t epoch;
};

static bool ask_sentinel(struct sync *s, const char *name, struct master *m, struct error *err)
{
	struct command c;
	redisReply *address, *state = NULL;
	const char *host = NULL;
	int port = 0;

	command_init(&c);
	sentinel_ask_address(&c, name);
	address = sync_run(s, &c, err);
	if (address && !sentinel_read_address(address, &host, &port))
		(void)error_set(err, "the Sentinel at %s knows no master \"%s\"", s->where, name);
	if (host) {
		sentinel_ask_epoch(&c, name);
		state = sync_run(s, &c, err);
	}
	if (state && (!m->host || sentinel_read_epoch(state) > m->epoch)) {
		mem_free(m->host);
		m->host = mem_strdup(host);
		m->port = port;
		m->epoch = sentinel_read_epoch(state);
	}
	freeReplyObject(address);
	freeReplyObject(state);
	command_free(&c);
	return state != NULL;
}

/* All are asked: one that is cut off may know an old master. err is that of the last one. */
static struct sync *connect_to_master(const struct topology_config *config, struct error *err)
{
	struct master m = {0};
	struct link_config link;

	for (size_t i = 0; i < config->n_seeds; i++) {
		struct sync *s;

		topology_config_bare(config, &link);
		link.host = mem_strdup(config->seeds[i].host);
		link.port = config->seeds[i].port;
		s = connect_to(&link, GREETING_SELECT, err);
		if (s)
			(void)ask_sentinel(s, config->master, &m, err);
		sync_close(s);
	}
	if (!m.host) {
		(void)error_prefix(err, "no Sentinel says where the master is");
		return NULL;
	}
	link_config_copy(&link, &config->link);
	link.host = m.host;
	link.port = m.port;
	return connect_to(&link, GREETING_LOAD, err);
}

/* --- Cluster ------------------------------------------------------------------------------------ */

static struct sync *connect_to_cluster(const struct topology_config *config, struct error *err)
{
	struct sync_cluster *cluster = sync_cluster_open(config, err);
	struct sync *s;

	if (!cluster)
		return NULL;
	s = mem_zalloc(sizeof(*s));
	s->cluster = cluster;
	return s;
}

/* --- the interface ------------------------------------------------------------------------------ */

struct sync *sync_open(const struct topology_config *config, struct error *err)
{
	struct link_config link;

	sigpipe_ignore();
	if (config->kind == TOPOLOGY_SENTINEL)
		return connect_to_master(config, err);
	if (config->kind == TOPOLOGY_CLUSTER)
		return connect_to_cluster(config, err);
	link_config_copy(&link, &config->link);
	return connect_to(&link, GREETING_ROLE, err);
}

void sync_close(struct sync *s)
{
	if (!s)
		return;
	if (s->cluster)
		sync_cluster_close(s->cluster);
	if (s->context)
		redisFree(s->context);
	link_config_free(&s->config);
	mem_free(s->where);
	mem_free(s);
}

static bool load_scripts(struct sync *s, struct error *err)
{
	struct greeting g;
	greeting_init(&g);
	for (int step = GREETING_LOAD; step < GREETING_END; step++)
		if (!greet_step(s, &g, step, err))
			return false;
	if (!greeting_ok(&g))
		return error_set(err, "%s", g.reason.text);
	return true;
}

static bool is_noscript(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	       link_error_find(reply->str, reply->len)->remedy == LINK_REMEDY_GREET &&
	       link_classify(reply->str, reply->len) == LINK_AGAIN;
}

/* The wire form stays the command's. */
static const char *wire_of(struct command *c, size_t *len, struct error *err)
{
	const char *wire = command_wire(c, len);
	if (!wire)
		error_set(err, "the command is too large for Redis");
	return wire;
}

/* The reply to a command whose first reply is given; takes that over. *loaded: the scripts were. */
static redisReply *with_script(struct sync *s, struct command *c, redisReply *reply, bool *loaded,
                               struct error *err)
{
	size_t len;
	const char *wire;
	if (!reply || !is_noscript(reply))
		return reply;
	freeReplyObject(reply);
	*loaded = *loaded || load_scripts(s, err);
	wire = *loaded ? wire_of(c, &len, err) : NULL;
	return wire ? exchange(s, wire, len, err) : NULL;
}

bool sync_run_all(struct sync *s, struct command *commands, size_t n, redisReply **replies,
                  struct error *err)
{
	size_t got = 0, len;
	bool ok = true, loaded = false;

	for (size_t i = 0; ok && i < n; i++)
		ok = wire_of(&commands[i], &len, err) != NULL;
	/* one by one: each may be another node's */
	for (; ok && s->cluster && got < n; got += ok)
		ok = (replies[got] = sync_cluster_run(s->cluster, &commands[got], err)) != NULL;
	for (size_t i = got; ok && i < n; i++) {
		const char *wire = wire_of(&commands[i], &len, err);
		ok = redisAppendFormattedCommand(s->context, wire, len) == REDIS_OK || lost(s, err);
	}
	for (; ok && got < n; got += ok)
		ok = (replies[got] = receive(s, err)) != NULL;
	for (size_t i = 0; ok && !s->cluster && i < n; i++)
		ok = (replies[i] = with_script(s, &commands[i], replies[i], &loaded, err)) != NULL;
	for (size_t i = 0; !ok && i < got; i++)
		freeReplyObject(replies[i]);
	return ok;
}

redisReply *sync_run(struct sync *s, struct command *c, struct error *err)
{
	size_t len;
	const char *wire = wire_of(c, &len, err);
	redisReply *reply = NULL;
	bool loaded = false;
	if (wire && s->cluster)
		reply = sync_cluster_run(s->cluster, c, err);
	else if (wire)
		reply = with_script(s, c, exchange(s, wire, len, err), &loaded, err);
	if (reply && reply->type == REDIS_REPLY_ERROR) {
		link_error_say(reply->str, reply->len, err);
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

bool sync_lost(const struct sync *s)
{
	return s->cluster ? sync_cluster_lost(s->cluster) : s->context->err != 0;
}

#include "redis/sentinel.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/port.h"

/* One Sentinel. */
struct watch {
	struct sentinel *sentinel;
	struct link *link;
	unsigned asked; /* answers that are not there yet */
	char *host;     /* what it has just said; NULL: not known */
	int port;
	bool complained;
};

struct sentinel {
	const struct topology_config *config;
	struct ev_loop *loop;
	void (*on_master)(void *data, const char *host, int port);
	void *data;
	struct watch watches[TOPOLOGY_MAX_SEEDS];
	ev_timer tick;
	struct command command;

	char *host; /* the master; NULL: not known yet */
	int port;
	int64_t epoch;
	int64_t heard_us; /* mono clock: when that was last said */
};

/* --- questions and answers ---------------------------------------------------------------------- */

static void ask_for(struct command *c, const char *what, const char *master)
{
	command_clear(c);
	command_str(c, "SENTINEL");
	command_str(c, what);
	command_str(c, master);
}

void sentinel_ask_address(struct command *c, const char *master)
{
	ask_for(c, "get-master-addr-by-name", master);
}

void sentinel_ask_epoch(struct command *c, const char *master)
{
	ask_for(c, "master", master);
}

static bool is_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING;
}

bool sentinel_read_address(const redisReply *reply, const char **host, int *port)
{
	int64_t n;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !is_text(reply->element[0]) || !is_text(reply->element[1]) ||
	    !number_int(reply->element[1]->str, &n) || n < 1 || n > PORT_MAX)
		return false;
	*host = reply->element[0]->str;
	*port = (int)n;
	return **host != '\0';
}

/* A Sentinel answers with names and values in turn. */
int64_t sentinel_read_epoch(const redisReply *reply)
{
	int64_t n = -1;

	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
		if (is_text(reply->element[i]) && is_text(reply->element[i + 1]) &&
		    strcmp(reply->element[i]->str, "config-epoch") == 0 &&
		    !number_int(reply->element[i + 1]->str, &n))
			n = -1;
	return n;
}

/* --- what follows ------------------------------------------------------------------------------- */

static void hear(struct sentinel *s, const char *host, int port, int64_t epoch)
{
	int64_t now = clock_mono_us();
	bool same = s->host && strcmp(s->host, host) == 0 && s->port == port;

	if (s->host && !same && epoch <= s->epoch &&
	    now - s->heard_us < (int64_t)SENTINEL_FORGET_MS * 1000)
		return;
	if (same && epoch < s->epoch)
		return;
	s->epoch = epoch;
	s->heard_us = now;
	if (same)
		return;
	log_info("redis_master", LOG_STR("name", s->config->master), LOG_STR("host", host),
	         LOG_INT("port", port), LOG_INT("epoch", epoch));
	mem_free(s->host);
	s->host = mem_strdup(host);
	s->port = port;
	s->on_master(s->data, s->host, port);
}

static void complain(struct watch *w, const char *error)
{
	if (!w->complained)
		log_error("sentinel_unhelpful", LOG_STR("name", w->sentinel->config->master),
		          LOG_STR("error", error));
	w->complained = true;
}

static void on_address(void *data, enum link_result result, const redisReply *reply)
{
	struct watch *w = data;
	const char *host;

	w->asked--;
	mem_free(w->host);
	w->host = NULL;
	if (result == LINK_LOST)
		return;
	if (sentinel_read_address(reply, &host, &w->port))
		w->host = mem_strdup(host);
	else
		complain(w, reply->type == REDIS_REPLY_ERROR
		                    ? reply->str
		                    : "this Sentinel knows no master of that name");
}

/* The second of the two answers. */
static void on_epoch(void *data, enum link_result result, const redisReply *reply)
{
	struct watch *w = data;

	w->asked--;
	if (result != LINK_OK || !w->host)
		return;
	w->complained = false;
	hear(w->sentinel, w->host, w->port, sentinel_read_epoch(reply));
}

static void ask(struct watch *w)
{
	struct sentinel *s = w->sentinel;

	if (w->asked > 0 || !link_up(w->link))
		return;
	sentinel_ask_address(&s->command, s->config->master);
	w->asked += link_send(w->link, &s->command, 0, on_address, w);
	sentinel_ask_epoch(&s->command, s->config->master);
	w->asked += link_send(w->link, &s->command, 0, on_epoch, w);
}

static void on_link(void *data, bool up)
{
	if (up)
		ask(data);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct sentinel *s = timer->data;

	(void)loop;
	(void)events;
	for (size_t i = 0; i < s->config->n_seeds; i++)
		ask(&s->watches[i]);
}

struct sentinel *sentinel_open(struct ev_loop *loop, const struct topology_config *config,
                               void (*on_master)(void *data, const char *host, int port),
                               void *data)
{
	struct sentinel *s = mem_zalloc(sizeof(*s));
	struct link_config bare;

	s->config = config;
	s->loop = loop;
	s->on_master = on_master;
	s->data = data;
	command_init(&s->command);
	topology_config_bare(config, &bare);
	for (size_t i = 0; i < config->n_seeds; i++) {
		struct watch *w = &s->watches[i];

		w->sentinel = s;
		w->link = link_open(loop, &bare, on_link, w);
		link_aim(w->link, config->seeds[i].host, config->seeds[i].port);
	}
	link_config_free(&bare);
	ev_timer_init(&s->tick, on_tick, SENTINEL_ASK_MS / 1e3, SENTINEL_ASK_MS / 1e3);
	s->tick.data = s;
	ev_timer_start(loop, &s->tick);
	return s;
}

bool sentinel_master(const struct sentinel *s, const char **host, int *port)
{
	*host = s->host;
	*port = s->port;
	return s->host != NULL;
}

void sentinel_close(struct sentinel *s)
{
	ev_timer_stop(s->loop, &s->tick);
	for (size_t i = 0; i < s->config->n_seeds; i++) {
		link_close(s->watches[i].link);
		mem_free(s->watches[i].host);
	}
	command_free(&s->command);
	mem_free(s->host);
	mem_free(s);
}

#include "redis/connection.h"

#include <fcntl.h>
#include <hiredis/async.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/uri.h"
#include "redis/resolve.h"
#include "redis/secure.h"

#define MAX_ADDRESSES 16
/* hiredis throws away a read buffer above this once it is empty. Its own 16 KB would make it
 * allocate anew for almost every batch; the buffer of an 8 MB claim need not stay either. */
#define KEPT_READ_BUFFER ((size_t)256 << 10)

struct connection {
	struct ev_loop *loop;
	const struct link_config *config;
	const struct connection_events *events;
	void *data;

	redisAsyncContext *ac; /* NULL: none yet, or one that hiredis has freed or is about to */
	ev_io reader, writer;
	ev_prepare flusher;
	ev_timer limit; /* of the look-up and of each connect */

	struct resolve *resolve;
	char addresses[MAX_ADDRESSES][INET6_ADDRSTRLEN + 20]; /* room for a scope */
	size_t n_addresses, next_address;

	/* Facts that callbacks record, for `advance` to act on. */
	bool connected, failed;
	struct error reason;

	bool open;    /* `opened` was told */
	bool closed;  /* freed when none of our functions is on the stack */
	bool entered; /* one is; the loop does not call a second one meanwhile */
};

static void advance(struct connection *c);

/* Every entry from libev goes through these two: the connection outlives it, whatever its events
 * lead to. */
static void enter(struct connection *c)
{
	c->entered = true;
}

static void leave(struct connection *c)
{
	advance(c);
	c->entered = false;
	if (c->closed)
		mem_free(c);
}

/* Cuts the ties with a context that hiredis is freeing or will free. */
static void forget_context(struct connection *c)
{
	ev_io_stop(c->loop, &c->reader);
	ev_io_stop(c->loop, &c->writer);
	ev_prepare_stop(c->loop, &c->flusher);
	ev_timer_stop(c->loop, &c->limit);
	c->ac->data = NULL;
	memset(&c->ac->ev, 0, sizeof(c->ac->ev));
	c->ac = NULL;
}

/* hiredis frees the context at once, or, when we are within one of its callbacks for a reply, after
 * that. (Never called within on_connect: 0.14 would go on with the freed context there.) */
static void free_context(struct connection *c)
{
	redisAsyncContext *ac = c->ac;
	if (!ac)
		return;
	forget_context(c);
	redisAsyncFree(ac);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct connection *c = ac->data;
	if (!c)
		return;
	if (status == REDIS_OK) {
		c->connected = true;
		return;
	}
	error_set(&c->reason, "cannot connect: %s", ac->c.errstr);
	forget_context(c);
	c->failed = true;
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct connection *c = ac->data;
	(void)status;
	if (!c)
		return;
	if (!c->config->tls || !secure_reason(&c->reason))
		error_set(&c->reason, "%s",
		          ac->c.errstr[0] ? ac->c.errstr : "the connection was closed");
	forget_context(c);
	c->failed = true;
}

static void on_reply(redisAsyncContext *ac, void *reply, void *unused)
{
	struct connection *c = ac->data;
	(void)unused;
	/* no reply: hiredis is tearing the context down, and on_disconnect tells */
	if (c && reply)
		c->events->replied(c->data, reply);
}

/* --- what hiredis asks of the loop ------------------------------------------------------------- */

static void add_read(void *data)
{
	struct connection *c = data;
	ev_io_start(c->loop, &c->reader);
}

static void del_read(void *data)
{
	struct connection *c = data;
	ev_io_stop(c->loop, &c->reader);
}

static void add_write(void *data)
{
	struct connection *c = data;
	ev_io_start(c->loop, &c->writer);
}

static void del_write(void *data)
{
	struct connection *c = data;
	ev_io_stop(c->loop, &c->writer);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c = watcher->data;
	(void)loop;
	(void)events;
	enter(c);
	redisAsyncHandleRead(c->ac);
	leave(c);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *c = watcher->data;
	(void)loop;
	(void)events;
	enter(c);
	redisAsyncHandleWrite(c->ac);
	leave(c);
}

/* At the end of each turn. libev tells the kernel of a write watcher only after this, so that one
 * that is started and stopped within a turn costs no system call; where the socket takes not all,
 * the watcher stays, and the rest leaves when there is room. */
static void on_turn_end(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct connection *c = watcher->data;
	(void)loop;
	(void)events;
	if (!ev_is_active(&c->writer))
		return;
	enter(c);
	redisAsyncHandleWrite(c->ac);
	leave(c);
}

/* --- connecting --------------------------------------------------------------------------------- */

static void start_limit(struct connection *c)
{
	ev_timer_stop(c->loop, &c->limit);
	ev_timer_set(&c->limit, c->config->timeout_ms / 1e3, 0.);
	ev_timer_start(c->loop, &c->limit);
}

/* address: numeric, so that hiredis does not wait for a name server; unused for a unix socket. */
static void dial(struct connection *c, const char *address)
{
	redisAsyncContext *ac = c->config->path ? redisAsyncConnectUnix(c->config->path)
	                                        : redisAsyncConnect(address, c->config->port);
	if (!ac || ac->err) {
		error_set(&c->reason, "cannot connect: %s", ac ? ac->c.errstr : "out of memory");
		if (ac)
			redisAsyncFree(ac);
		c->failed = true;
		return;
	}
	c->ac = ac;
	ac->data = c;
	ac->ev.data = c;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->c.reader->maxbuf = KEPT_READ_BUFFER;
	(void)fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
	ev_io_set(&c->reader, ac->c.fd, EV_READ);
	ev_io_set(&c->writer, ac->c.fd, EV_WRITE);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	redisAsyncSetConnectCallback(ac, on_connect); /* starts the writer */
	start_limit(c);
}

static void dial_next(struct connection *c)
{
	c->failed = false;
	dial(c, c->addresses[c->next_address++]);
}

static void on_resolved(void *data, const struct addrinfo *list, const char *error)
{
	struct connection *c = data;
	enter(c);
	c->resolve = NULL;
	for (; list && c->n_addresses < MAX_ADDRESSES; list = list->ai_next)
		if (getnameinfo(list->ai_addr, list->ai_addrlen, c->addresses[c->n_addresses],
		                sizeof(c->addresses[0]), NULL, 0, NI_NUMERICHOST) == 0)
			c->n_addresses++;
	if (c->n_addresses > 0) {
		dial_next(c);
	} else {
		error_set(&c->reason, "cannot look up %s: %s", c->config->host,
		          error ? error : "it has no address");
		c->failed = true;
	}
	leave(c);
}

static void begin(struct connection *c)
{
	if (c->config->path || uri_is_address(c->config->host)) {
		dial(c, c->config->host);
		return;
	}
	c->resolve = resolve_start(c->loop, c->config->host, on_resolved, c);
	start_limit(c);
}

/* The first one begins the connect: nothing is told from within connection_open. */
static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *c = timer->data;
	(void)loop;
	(void)events;
	enter(c);
	if (!c->ac && !c->resolve) {
		begin(c);
	} else {
		error_set(&c->reason, "cannot %s: no answer within %d ms",
		          c->resolve ? "look up its address" : "connect", c->config->timeout_ms);
		if (c->resolve)
			resolve_cancel(c->resolve);
		c->resolve = NULL;
		free_context(c);
		c->failed = true;
	}
	leave(c);
}

/* The one place that acts on what callbacks have recorded. */
static void advance(struct connection *c)
{
	while (!c->closed && c->failed && !c->open && c->next_address < c->n_addresses)
		dial_next(c);
	if (c->closed)
		return;
	if (c->failed) {
		c->events->lost(c->data, c->reason.text);
		return;
	}
	if (!c->connected || c->open)
		return;
	if (c->config->tls &&
	    !secure_start(&c->ac->c, c->config->tls, c->config->host, &c->reason)) {
		free_context(c);
		c->failed = true;
		c->open = true; /* no use to try another of its addresses */
		c->events->lost(c->data, c->reason.text);
		return;
	}
	c->open = true;
	ev_timer_stop(c->loop, &c->limit);
	ev_prepare_start(c->loop, &c->flusher);
	if (c->config->host)
		(void)redisEnableKeepAlive(&c->ac->c);
	c->events->opened(c->data);
}

/* --- the interface ------------------------------------------------------------------------------ */

struct connection *connection_open(struct ev_loop *loop, const struct link_config *config,
                                   const struct connection_events *events, void *data)
{
	struct connection *c = mem_zalloc(sizeof(*c));

	c->loop = loop;
	c->config = config;
	c->events = events;
	c->data = data;
	ev_init(&c->reader, on_readable);
	ev_init(&c->writer, on_writable);
	ev_prepare_init(&c->flusher, on_turn_end);
	ev_timer_init(&c->limit, on_limit, 0., 0.);
	c->reader.data = c->writer.data = c->flusher.data = c->limit.data = c;
	ev_set_priority(&c->flusher, EV_MINPRI);
	ev_set_priority(&c->limit, EV_MINPRI); /* after what there is to read or write */
	ev_timer_start(loop, &c->limit);
	return c;
}

void connection_close(struct connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	if (c->resolve)
		resolve_cancel(c->resolve);
	c->resolve = NULL;
	free_context(c);
	ev_timer_stop(c->loop, &c->limit);
	if (!c->entered)
		mem_free(c);
}

bool connection_send(struct connection *c, const char *wire, size_t len)
{
	return c->ac && redisAsyncFormattedCommand(c->ac, on_reply, NULL, wire, len) == REDIS_OK;
}

bool connection_readable(const struct connection *c)
{
	struct pollfd p = {.fd = c->ac ? c->ac->c.fd : -1, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

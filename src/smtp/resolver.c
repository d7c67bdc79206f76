#include "smtp/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TRY_MS 2000 /* for one try at one name server; c-ares goes on to the next */
#define TRIES 2
#define TTL_MIN 1
#define TTL_MAX 60

/* A socket of c-ares' that the loop watches. */
struct watch {
	struct watch *next;
	struct smtp_resolver *resolver;
	ev_io io;
};

struct smtp_resolver {
	struct ev_loop *loop;
	ares_channel channel;
	struct watch *watches;
	ev_timer tick;     /* when c-ares wants to be asked again */
	ev_timer deadline; /* of the whole look-up; also carries the result back to the loop */

	/* the look-up under way; fn NULL: none */
	smtp_resolver_fn *fn;
	void *data;
	struct smtp_addresses found;
	char why[96];
	bool answered, timed_out;
};

socklen_t smtp_address_len(const union smtp_address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

bool smtp_address_equal(const union smtp_address *a, const union smtp_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return a->v6.sin6_port == b->v6.sin6_port &&
		       IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
	return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

bool smtp_resolver_numeric(struct smtp_addresses *out, const char *host, int port)
{
	union smtp_address *a = &out->list[0];

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
	} else {
		return false;
	}
	out->n = 1;
	return true;
}

/* Asks c-ares how long it can be left alone. */
static void set_tick(struct smtp_resolver *r)
{
	struct timeval tv;

	ev_timer_stop(r->loop, &r->tick);
	if (ares_timeout(r->channel, NULL, &tv) == NULL)
		return;
	ev_timer_set(&r->tick, (double)tv.tv_sec + (double)tv.tv_usec / 1e6, 0.);
	ev_timer_start(r->loop, &r->tick);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *w = io->data;
	struct smtp_resolver *r = w->resolver;
	int fd = io->fd;

	(void)loop;
	/* This may close the socket and free the watch. */
	ares_process_fd(r->channel, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	                (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	set_tick(r);
}

static void on_tick(struct ev_loop *loop, ev_timer *t, int events)
{
	struct smtp_resolver *r = t->data;

	(void)loop;
	(void)events;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_tick(r);
}

static void drop_watch(struct smtp_resolver *r, struct watch **at)
{
	struct watch *w = *at;

	*at = w->next;
	ev_io_stop(r->loop, &w->io);
	mem_free(w);
}

/* c-ares opened or closed a socket, or wants something else of it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct smtp_resolver *r = data;
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct watch **at = &r->watches, *w;

	while (*at != NULL && (*at)->io.fd != fd)
		at = &(*at)->next;
	if (events == 0) {
		if (*at != NULL)
			drop_watch(r, at);
		return;
	}
	w = *at;
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->resolver = r;
		w->next = r->watches;
		r->watches = w;
		ev_init(&w->io, on_socket);
		w->io.data = w;
	}
	ev_io_stop(r->loop, &w->io);
	ev_io_set(&w->io, fd, events);
	ev_io_start(r->loop, &w->io);
}

/* The result goes out from here: c-ares answers at once what it finds in /etc/hosts, and a look-up
 * may not call back from within itself. */
static void on_deadline(struct ev_loop *loop, ev_timer *t, int events)
{
	struct smtp_resolver *r = t->data;
	smtp_resolver_fn *fn = r->fn;

	(void)events;
	if (!r->answered) {
		r->timed_out = true;
		ares_cancel(r->channel);
	}
	ev_timer_stop(loop, &r->tick);
	ev_timer_stop(loop, &r->deadline);
	r->fn = NULL;
	fn(r->data, r->found.n > 0 ? &r->found : NULL, r->why);
}

static void take_addresses(struct smtp_addresses *out, const struct ares_addrinfo *info)
{
	out->ttl = TTL_MAX;
	for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
		if (out->n == SMTP_MAX_ADDRESSES)
			break;
		if (n->ai_family != AF_INET && n->ai_family != AF_INET6)
			continue;
		if ((size_t)n->ai_addrlen > sizeof(out->list[0]))
			continue;
		memcpy(&out->list[out->n++], n->ai_addr, (size_t)n->ai_addrlen);
		if (n->ai_ttl < out->ttl)
			out->ttl = n->ai_ttl < TTL_MIN ? TTL_MIN : n->ai_ttl;
	}
}

static void on_found(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
	struct smtp_resolver *r = data;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	r->answered = true;
	if (status == ARES_SUCCESS && info != NULL)
		take_addresses(&r->found, info);
	if (r->found.n == 0)
		snprintf(r->why, sizeof(r->why), "%s",
		         r->timed_out             ? "no answer from the name servers in time"
		         : status == ARES_SUCCESS ? "it has no address"
		                                  : ares_strerror(status));
	if (info != NULL)
		ares_freeaddrinfo(info);
	ev_feed_event(r->loop, &r->deadline, EV_TIMER);
}

struct smtp_resolver *smtp_resolver_open(struct ev_loop *loop, const char *servers,
                                         struct error *err)
{
	struct smtp_resolver *r = mem_zalloc(sizeof(*r));
	struct ares_options options = {.timeout = TRY_MS,
	                               .tries = TRIES,
	                               .sock_state_cb = on_socket_state,
	                               .sock_state_cb_data = r};
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status == ARES_SUCCESS)
		status = ares_init_options(&r->channel, &options,
		                           ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		                                   ARES_OPT_SOCK_STATE_CB);
	if (status == ARES_SUCCESS && servers != NULL)
		status = ares_set_servers_ports_csv(r->channel, servers);
	if (status != ARES_SUCCESS) {
		error_set(err, "the name resolver cannot start: %s", ares_strerror(status));
		if (r->channel != NULL)
			ares_destroy(r->channel);
		mem_free(r);
		return NULL;
	}
	r->loop = loop;
	ev_init(&r->tick, on_tick);
	r->tick.data = r;
	ev_init(&r->deadline, on_deadline);
	r->deadline.data = r;
	return r;
}

void smtp_resolver_close(struct smtp_resolver *r)
{
	if (r == NULL)
		return;
	ares_destroy(r->channel);
	while (r->watches != NULL)
		drop_watch(r, &r->watches);
	ev_timer_stop(r->loop, &r->tick);
	ev_timer_stop(r->loop, &r->deadline);
	ev_clear_pending(r->loop, &r->deadline);
	ares_library_cleanup();
	mem_free(r);
}

bool smtp_resolver_busy(const struct smtp_resolver *r)
{
	return r->fn != NULL;
}

void smtp_resolver_lookup(struct smtp_resolver *r, const char *host, int port, long timeout_ms,
                          smtp_resolver_fn *fn, void *data)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
	                                    .ai_socktype = SOCK_STREAM,
	                                    .ai_flags = ARES_AI_NUMERICSERV};
	char service[16];

	r->fn = fn;
	r->data = data;
	memset(&r->found, 0, sizeof(r->found));
	r->why[0] = '\0';
	r->answered = r->timed_out = false;
	ev_timer_set(&r->deadline, (double)timeout_ms / 1e3, 0.);
	ev_timer_start(r->loop, &r->deadline);
	snprintf(service, sizeof(service), "%d", port);
	ares_getaddrinfo(r->channel, host, service, &hints, on_found, r);
	set_tick(r);
}

#include "storm/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "storm/plan.h"
#include "support/tmpdir.h"

#define MAX_PAIRS 256
#define TICK_MS 5
#define FLOW_SIZE 65536

/* Bytes in one direction. */
struct flow {
	int from, to;
	unsigned side;
	char *bytes; /* FLOW_SIZE */
	size_t len, done;
};

struct pair {
	unsigned lane;
	struct flow request, reply;
};

struct lane {
	int listener;
	char *path, *url;
	unsigned cut_side; /* 0: none is armed */
	size_t cut_after;
	int64_t frozen_until[3]; /* by side, µs */
};

struct relay {
	pthread_t thread;
	pthread_mutex_t lock;
	char *server;
	struct lane *lanes;
	unsigned n_lanes;
	struct pair *pairs[MAX_PAIRS];
	size_t n_pairs;
	atomic_bool stop;
	atomic_size_t cuts;
};

/* ---- pairs -------------------------------------------------------------------------------------------- */

static int unix_socket(const char *path, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path))
		return -1;
	memcpy(a->sun_path, path, strlen(path) + 1);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void add_pair(struct relay *r, unsigned lane, int client)
{
	struct sockaddr_un a;
	int server = unix_socket(r->server, &a);
	struct pair *p;

	if (server < 0 || r->n_pairs == MAX_PAIRS ||
	    connect(server, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(client); /* Redis is away */
		if (server >= 0)
			close(server);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	*p = (struct pair){lane,
	                   {client, server, PLAN_REQUESTS, malloc(FLOW_SIZE), 0, 0},
	                   {server, client, PLAN_REPLIES, malloc(FLOW_SIZE), 0, 0}};
	if (!p->request.bytes || !p->reply.bytes)
		abort();
	r->pairs[r->n_pairs++] = p;
}

static void drop_pair(struct relay *r, size_t i)
{
	struct pair *p = r->pairs[i];

	close(p->request.from);
	close(p->request.to);
	free(p->request.bytes);
	free(p->reply.bytes);
	free(p);
	r->pairs[i] = r->pairs[--r->n_pairs];
}

/* ---- passing on ----------------------------------------------------------------------------------------- */

static bool frozen(const struct lane *l, const struct flow *f, int64_t now)
{
	return now < l->frozen_until[f->side];
}

/* How much of the flow's next bytes may pass; *cut: and then no more. */
static size_t allowed(struct lane *l, const struct flow *f, bool *cut)
{
	size_t n = f->len - f->done;

	*cut = l->cut_side == f->side && n > l->cut_after;
	if (*cut)
		n = l->cut_after;
	else if (l->cut_side == f->side)
		l->cut_after -= n;
	if (*cut)
		l->cut_side = 0;
	return n;
}

/* False: the connection is over. */
static bool fill(struct relay *r, struct pair *p, struct flow *f)
{
	ssize_t n = recv(f->from, f->bytes, FLOW_SIZE, 0);
	bool cut;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	f->len = (size_t)n;
	f->done = 0;
	f->len = allowed(&r->lanes[p->lane], f, &cut);
	if (!cut)
		return true;
	atomic_fetch_add(&r->cuts, 1);
	/* What comes before the cut arrives. */
	(void)!send(f->to, f->bytes, f->len, MSG_NOSIGNAL);
	return false;
}

static bool empty(struct flow *f)
{
	ssize_t n = send(f->to, f->bytes + f->done, f->len - f->done, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	f->done += (size_t)n;
	if (f->done == f->len)
		f->done = f->len = 0;
	return true;
}

static short events_of(const struct lane *l, const struct flow *f, bool reading, int64_t now)
{
	if (reading)
		return frozen(l, f, now) || f->len > 0 ? 0 : POLLIN;
	return f->len > 0 ? POLLOUT : 0;
}

static bool turn(struct relay *r, struct pair *p, struct flow *f, short from, short to)
{
	if ((to & (POLLOUT | POLLERR)) != 0 && f->len > 0 && !empty(f))
		return false;
	if ((from & (POLLIN | POLLHUP | POLLERR)) != 0 && f->len == 0) {
		if (frozen(&r->lanes[p->lane], f, clock_mono_us()))
			return true; /* that it has hung up is not heard, either */
		if (!fill(r, p, f))
			return false;
		if (f->len > 0 && !empty(f))
			return false;
	}
	return true;
}

static void accept_all(struct relay *r, const struct pollfd *fds)
{
	for (unsigned i = 0; i < r->n_lanes; i++) {
		int fd;

		if ((fds[i].revents & POLLIN) == 0)
			continue;
		fd = accept4(r->lanes[i].listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			add_pair(r, i, fd);
	}
}

static size_t list_fds(struct relay *r, struct pollfd *fds, int64_t now)
{
	size_t n = 0;

	for (unsigned i = 0; i < r->n_lanes; i++)
		fds[n++] = (struct pollfd){.fd = r->lanes[i].listener, .events = POLLIN};
	for (size_t i = 0; i < r->n_pairs; i++) {
		struct pair *p = r->pairs[i];
		const struct lane *l = &r->lanes[p->lane];
		short client = events_of(l, &p->request, true, now) |
		               events_of(l, &p->reply, false, now);
		short server = events_of(l, &p->reply, true, now) |
		               events_of(l, &p->request, false, now);

		/* An end that nobody may hear of is not polled, or it would be heard all the time. */
		fds[n++] = (struct pollfd){.fd = client ? p->request.from : -1, .events = client};
		fds[n++] = (struct pollfd){.fd = server ? p->reply.from : -1, .events = server};
	}
	return n;
}

static void *pass_on(void *data)
{
	struct relay *r = data;
	struct pollfd *fds = calloc(r->n_lanes + 2 * MAX_PAIRS, sizeof(fds[0]));

	if (!fds)
		abort();
	while (!atomic_load(&r->stop)) {
		size_t n, pairs = r->n_pairs;

		pthread_mutex_lock(&r->lock);
		n = list_fds(r, fds, clock_mono_us());
		pthread_mutex_unlock(&r->lock);
		if (poll(fds, n, TICK_MS) <= 0)
			continue;
		pthread_mutex_lock(&r->lock);
		for (size_t i = pairs; i-- > 0;) {
			struct pair *p = r->pairs[i];
			short client = fds[r->n_lanes + 2 * i].revents;
			short server = fds[r->n_lanes + 2 * i + 1].revents;

			if (!turn(r, p, &p->request, client, server) ||
			    !turn(r, p, &p->reply, server, client))
				drop_pair(r, i);
		}
		accept_all(r, fds);
		pthread_mutex_unlock(&r->lock);
	}
	while (r->n_pairs > 0)
		drop_pair(r, r->n_pairs - 1);
	free(fds);
	return NULL;
}

/* ---- start, end, faults ----------------------------------------------------------------------------------- */

static void open_lane(struct lane *l)
{
	struct sockaddr_un a;

	l->path = tmpdir_name("lane");
	assert_true(asprintf(&l->url, "unix://%s", l->path) > 0);
	l->listener = unix_socket(l->path, &a);
	assert_true(l->listener >= 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l->listener, 100), 0);
}

struct relay *relay_start(const char *server_socket, unsigned lanes)
{
	struct relay *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->server = strdup(server_socket);
	r->lanes = calloc(lanes, sizeof(r->lanes[0]));
	assert_true(r->server && r->lanes);
	r->n_lanes = lanes;
	for (unsigned i = 0; i < lanes; i++)
		open_lane(&r->lanes[i]);
	assert_int_equal(pthread_mutex_init(&r->lock, NULL), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, pass_on, r), 0);
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	for (unsigned i = 0; i < r->n_lanes; i++) {
		close(r->lanes[i].listener);
		free(r->lanes[i].path);
		free(r->lanes[i].url);
	}
	pthread_mutex_destroy(&r->lock);
	free(r->lanes);
	free(r->server);
	free(r);
}

const char *relay_socket(const struct relay *r, unsigned lane)
{
	return r->lanes[lane].path;
}

const char *relay_url(const struct relay *r, unsigned lane)
{
	return r->lanes[lane].url;
}

void relay_cut(struct relay *r, unsigned lane, unsigned side, unsigned bytes)
{
	pthread_mutex_lock(&r->lock);
	r->lanes[lane].cut_side = side;
	r->lanes[lane].cut_after = bytes;
	pthread_mutex_unlock(&r->lock);
}

void relay_freeze(struct relay *r, unsigned lane, unsigned side, int64_t ms)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned one = PLAN_REQUESTS; one <= PLAN_REPLIES; one++)
		if (side & one)
			r->lanes[lane].frozen_until[one] = clock_mono_us() + ms * 1000;
	pthread_mutex_unlock(&r->lock);
}

void relay_calm(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->n_lanes; i++) {
		r->lanes[i].cut_side = 0;
		r->lanes[i].frozen_until[PLAN_REQUESTS] = 0;
		r->lanes[i].frozen_until[PLAN_REPLIES] = 0;
	}
	pthread_mutex_unlock(&r->lock);
}

size_t relay_cuts(const struct relay *r)
{
	return atomic_load(&r->cuts);
}

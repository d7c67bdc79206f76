#include "support/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "redis/script.h"
#include "support/resp.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAX_PAIRS 128
#define MAX_NAMES 32
#define MAX_WAITING 4096 /* commands of one connection without an answer */
#define READ_SIZE 65536

/* Bytes in one direction: read from `from`, not yet written to `to`. */
struct flow {
	int from, to;
	char *bytes;
	size_t len, cap;
	size_t passed; /* of these, may be written */
	bool held;
};

/* A worker's connection and ours to the server. */
struct pair {
	struct flow request, reply; /* request.from is the worker's; -1: not in use */
	bool point
		[MAX_WAITING]; /* for each command without an answer: is it the point to hold at? */
	size_t first, n;
	bool cut; /* to be closed */
};

struct wire {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, wake[2];
	char *path, *url;
	char *server;
	struct pair *pairs[MAX_PAIRS];
	bool stop, frozen;
	/* the armed point */
	bool armed, cuts;
	enum wire_side side;
	char command[64];
	unsigned left; /* how often it cuts yet */
	bool met;      /* something is held there, or was cut */
	struct {
		char name[64];
		size_t n;
	} counts[MAX_NAMES];
	size_t n_counts;
};

/* ---- names --------------------------------------------------------------------------------- */

/* A command's name; a script's stem in the place of EVALSHA. */
static void name_of(const char *command, size_t len, char *out, size_t size)
{
	char sha[64];

	resp_word(command, len, 0, out, size);
	if (strcasecmp(out, "EVALSHA") != 0)
		return;
	resp_word(command, len, 1, sha, sizeof(sha));
	for (int i = 0; i < SCRIPT_N; i++)
		if (strcmp(script_get((enum script)i)->sha1, sha) == 0)
			snprintf(out, size, "%s", script_get((enum script)i)->name);
}

static void count(struct wire *w, const char *name)
{
	size_t i = 0;

	while (i < w->n_counts && strcmp(w->counts[i].name, name) != 0)
		i++;
	if (i == MAX_NAMES)
		return;
	if (i == w->n_counts) {
		snprintf(w->counts[i].name, sizeof(w->counts[i].name), "%s", name);
		w->n_counts++;
	}
	w->counts[i].n++;
}

/* ---- passing on ------------------------------------------------------------------------------ */

/* The armed point was reached by this flow. */
static void meet(struct wire *w, struct pair *p, struct flow *f)
{
	w->met = true;
	if (!w->cuts) {
		w->armed = false;
		f->held = true;
		return;
	}
	p->cut = true;
	if (--w->left == 0)
		w->armed = false;
}

static void pass_requests(struct wire *w, struct pair *p)
{
	struct flow *f = &p->request;
	size_t n;

	while (!f->held && !p->cut &&
	       (n = resp_length(f->bytes + f->passed, f->len - f->passed)) > 0) {
		char name[64];
		bool point;

		name_of(f->bytes + f->passed, n, name, sizeof(name));
		point = w->armed && strcasecmp(name, w->command) == 0;
		if (point && w->side == WIRE_REQUEST) {
			meet(w, p, f);
			return;
		}
		if (p->n == MAX_WAITING)
			return;
		count(w, name);
		p->point[(p->first + p->n++) % MAX_WAITING] = point;
		f->passed += n;
	}
}

static void pass_replies(struct wire *w, struct pair *p)
{
	struct flow *f = &p->reply;
	size_t n;

	while (!f->held && !p->cut && p->n > 0 &&
	       (n = resp_length(f->bytes + f->passed, f->len - f->passed)) > 0) {
		if (p->point[p->first] && w->armed && w->side == WIRE_REPLY) {
			meet(w, p, f);
			return;
		}
		p->point[p->first] = false;
		p->first = (p->first + 1) % MAX_WAITING;
		p->n--;
		f->passed += n;
	}
}

/* False: this end has closed. */
static bool read_more(struct flow *f)
{
	ssize_t n;

	if (f->cap - f->len < READ_SIZE) {
		f->cap = f->cap * 2 + READ_SIZE;
		f->bytes = realloc(f->bytes, f->cap);
		if (!f->bytes)
			abort();
	}
	n = read(f->from, f->bytes + f->len, f->cap - f->len);
	if (n > 0)
		f->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool write_out(struct flow *f)
{
	ssize_t n;

	if (f->passed == 0)
		return true;
	n = send(f->to, f->bytes, f->passed, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	memmove(f->bytes, f->bytes + n, f->len - (size_t)n);
	f->len -= (size_t)n;
	f->passed -= (size_t)n;
	return true;
}

static void close_pair(struct wire *w, size_t i)
{
	struct pair *p = w->pairs[i];

	close(p->request.from);
	close(p->request.to);
	free(p->request.bytes);
	free(p->reply.bytes);
	free(p);
	w->pairs[i] = NULL;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void accept_one(struct wire *w)
{
	int worker = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int server = worker >= 0 ? connect_to(w->server) : -1;
	size_t i = 0;

	while (i < MAX_PAIRS && w->pairs[i])
		i++;
	if (server < 0 || i == MAX_PAIRS) {
		if (worker >= 0)
			close(worker); /* the server is away, and so are we */
		if (server >= 0)
			close(server);
		return;
	}
	(void)fcntl(server, F_SETFL, O_NONBLOCK);
	w->pairs[i] = calloc(1, sizeof(struct pair));
	if (!w->pairs[i])
		abort();
	w->pairs[i]->request = (struct flow){.from = worker, .to = server};
	w->pairs[i]->reply = (struct flow){.from = server, .to = worker};
}

static bool serve(struct wire *w, struct pair *p, short from_worker, short from_server)
{
	const short bad = POLLERR | POLLHUP | POLLIN;

	if ((from_worker & bad) && !read_more(&p->request))
		return false;
	if ((from_server & bad) && !read_more(&p->reply))
		return false;
	pass_requests(w, p);
	pass_replies(w, p);
	return write_out(&p->request) && write_out(&p->reply) && !p->cut;
}

static size_t watch(struct wire *w, struct pollfd *fds, size_t *index)
{
	size_t n = 2;

	fds[0] = (struct pollfd){.fd = w->wake[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = w->frozen ? -1 : w->listener, .events = POLLIN};
	for (size_t i = 0; i < MAX_PAIRS && !w->frozen; i++) {
		const struct pair *p = w->pairs[i];

		if (!p)
			continue;
		index[n] = i;
		fds[n++] = (struct pollfd){
			.fd = p->request.from,
			.events = (short)(POLLIN | (p->reply.passed ? POLLOUT : 0))};
		index[n] = i;
		fds[n++] = (struct pollfd){
			.fd = p->reply.from,
			.events = (short)(POLLIN | (p->request.passed ? POLLOUT : 0))};
	}
	return n;
}

static void *run(void *arg)
{
	struct wire *w = arg;
	struct pollfd fds[2 + 2 * MAX_PAIRS];
	size_t index[2 + 2 * MAX_PAIRS];
	char drain[64];

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		size_t n = watch(w, fds, index);

		pthread_mutex_unlock(&w->lock);
		(void)poll(fds, n, -1);
		pthread_mutex_lock(&w->lock);
		if (fds[0].revents)
			(void)!read(w->wake[0], drain, sizeof(drain));
		for (size_t i = 2; i + 1 < n && !w->frozen; i += 2)
			if (w->pairs[index[i]] &&
			    !serve(w, w->pairs[index[i]], fds[i].revents, fds[i + 1].revents))
				close_pair(w, index[i]);
		if (fds[1].revents && !w->frozen)
			accept_one(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void wake_up(struct wire *w)
{
	(void)!write(w->wake[1], "", 1);
}

/* ---- the interface --------------------------------------------------------------------------- */

static void listen_at(struct wire *w, int family, const struct sockaddr *a, socklen_t len)
{
	w->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(w->listener >= 0);
	assert_int_equal(bind(w->listener, a, len), 0);
	assert_int_equal(listen(w->listener, MAX_PAIRS), 0);
}

static void begin(struct wire *w, const char *server_socket)
{
	w->server = strdup(server_socket);
	assert_int_equal(pipe2(w->wake, O_CLOEXEC | O_NONBLOCK), 0);
	pthread_mutex_init(&w->lock, NULL);
	(void)script_get(SCRIPT_CLAIM); /* computed once, before the thread asks */
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

struct wire *wire_start(const char *server_socket)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	assert_non_null(w);
	w->path = tmpdir_name("wire");
	assert_true(asprintf(&w->url, "unix://%s", w->path) > 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", w->path);
	listen_at(w, AF_UNIX, (struct sockaddr *)&a, sizeof(a));
	begin(w, server_socket);
	return w;
}

struct wire *wire_start_tcp(const char *server_socket)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	assert_non_null(w);
	listen_at(w, AF_INET, (struct sockaddr *)&a, sizeof(a));
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&a, &len), 0);
	assert_true(asprintf(&w->url, "127.0.0.1:%d", ntohs(a.sin_port)) > 0);
	begin(w, server_socket);
	return w;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	wake_up(w);
	pthread_join(w->thread, NULL);
	for (size_t i = 0; i < MAX_PAIRS; i++)
		if (w->pairs[i])
			close_pair(w, i);
	close(w->listener);
	close(w->wake[0]);
	close(w->wake[1]);
	if (w->path)
		tmpdir_remove(w->path);
	pthread_mutex_destroy(&w->lock);
	free(w->path);
	free(w->url);
	free(w->server);
	free(w);
}

const char *wire_url(const struct wire *w)
{
	return w->url;
}

static void arm(struct wire *w, enum wire_side side, const char *command, bool cuts, unsigned n)
{
	pthread_mutex_lock(&w->lock);
	w->armed = true;
	w->met = false;
	w->side = side;
	w->cuts = cuts;
	w->left = n;
	snprintf(w->command, sizeof(w->command), "%s", command);
	pthread_mutex_unlock(&w->lock);
}

void wire_hold(struct wire *w, enum wire_side side, const char *command)
{
	arm(w, side, command, false, 1);
}

void wire_cut_at(struct wire *w, enum wire_side side, const char *command, unsigned n)
{
	arm(w, side, command, true, n);
}

static bool was_met(void *arg)
{
	struct wire *w = arg;
	bool met;

	pthread_mutex_lock(&w->lock);
	met = w->met && (!w->cuts || w->left == 0);
	pthread_mutex_unlock(&w->lock);
	return met;
}

void wire_wait_held(struct wire *w)
{
	wait_until(was_met, w, 0);
}

void wire_pass(struct wire *w)
{
	pthread_mutex_lock(&w->lock);
	w->armed = false;
	for (size_t i = 0; i < MAX_PAIRS; i++)
		if (w->pairs[i])
			w->pairs[i]->request.held = w->pairs[i]->reply.held = false;
	pthread_mutex_unlock(&w->lock);
	/* The thread serves a pair when its descriptors move; a held one may have nothing to say. */
	for (size_t i = 0; i < MAX_PAIRS; i++) {
		pthread_mutex_lock(&w->lock);
		if (w->pairs[i]) {
			pass_requests(w, w->pairs[i]);
			pass_replies(w, w->pairs[i]);
		}
		pthread_mutex_unlock(&w->lock);
	}
	wake_up(w);
}

void wire_cut(struct wire *w)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < MAX_PAIRS; i++)
		if (w->pairs[i])
			close_pair(w, i);
	pthread_mutex_unlock(&w->lock);
	wake_up(w);
}

void wire_freeze(struct wire *w, bool frozen)
{
	pthread_mutex_lock(&w->lock);
	w->frozen = frozen;
	pthread_mutex_unlock(&w->lock);
	wake_up(w);
}

size_t wire_count(struct wire *w, const char *command)
{
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n_counts; i++)
		if (!command || strcasecmp(w->counts[i].name, command) == 0)
			n += w->counts[i].n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

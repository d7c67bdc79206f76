#include "redis/resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

/* Shared by the loop and the thread; the last of the two to let go frees it. */
struct resolve {
	pthread_mutex_t lock;
	int holders;
	bool cancelled; /* the loop has let go: the watcher may not be touched */
	char *host;
	int rc; /* of getaddrinfo */
	struct addrinfo *addresses;

	/* of the loop only, but for ev_async_send */
	struct ev_loop *loop;
	ev_async done;
	resolve_fn *fn;
	void *data;
};

static void let_go(struct resolve *r)
{
	pthread_mutex_lock(&r->lock);
	bool last = --r->holders == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&r->lock);
	if (r->addresses)
		freeaddrinfo(r->addresses);
	mem_free(r->host);
	mem_free(r);
}

static void *look_up(void *arg)
{
	struct resolve *r = arg;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	int rc = getaddrinfo(r->host, NULL, &hints, &r->addresses);

	pthread_mutex_lock(&r->lock);
	r->rc = rc;
	if (!r->cancelled)
		ev_async_send(r->loop, &r->done);
	pthread_mutex_unlock(&r->lock);
	let_go(r);
	return NULL;
}

static void on_done(struct ev_loop *loop, ev_async *watcher, int events)
{
	struct resolve *r = watcher->data;
	(void)events;

	ev_async_stop(loop, watcher);
	pthread_mutex_lock(&r->lock);
	int rc = r->rc;
	pthread_mutex_unlock(&r->lock);
	if (rc != 0)
		r->fn(r->data, NULL, gai_strerror(rc));
	else
		r->fn(r->data, r->addresses, NULL);
	let_go(r);
}

/* The thread takes no signals: they are the loop's. */
static bool start_thread(struct resolve *r)
{
	pthread_t thread;
	sigset_t every, before;

	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	bool ok = pthread_create(&thread, NULL, look_up, r) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ok)
		pthread_detach(thread);
	return ok;
}

struct resolve *resolve_start(struct ev_loop *loop, const char *host, resolve_fn *fn, void *data)
{
	struct resolve *r = mem_zalloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	r->holders = 2;
	r->host = mem_strdup(host);
	r->loop = loop;
	r->fn = fn;
	r->data = data;
	ev_async_init(&r->done, on_done);
	r->done.data = r;
	ev_async_start(loop, &r->done);
	if (!start_thread(r)) {
		r->rc = EAI_AGAIN;
		r->holders = 1;
		ev_async_send(loop, &r->done);
	}
	return r;
}

void resolve_cancel(struct resolve *r)
{
	pthread_mutex_lock(&r->lock);
	r->cancelled = true;
	pthread_mutex_unlock(&r->lock);
	ev_async_stop(r->loop, &r->done);
	let_go(r);
}
